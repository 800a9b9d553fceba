//! Shared helpers of the end-to-end tests.

pub mod onnx;

use assert_cmd::Command;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::WriteNpyExt;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A comparison of 6 linear models on three points, of a second or two.
pub const SMALL: &str = "[model]\nsamples = 300\n[model.features]\nx = 8\nt = 8\n[ensemble]\nmembers = 6\n\
                     [sampling]\npaths = 200\n[theory]\nclosures = [\"leading\"]\nmodels = 6\npaths = 200\n[compare]\nbootstrap = 20\n";

/// A folder of input files and a program to run in it.
pub struct Bench {
    folder: TempDir,
    program: PathBuf,
}

/// What a run said and how it ended.
pub struct Outcome {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Bench {
    /// A fresh folder for the program under test: `env!("CARGO_BIN_EXE_gtv-cli-under-test")`, or `GTV_CLI` in the
    /// environment to test an installed one.
    pub fn new(program: &str) -> Self {
        let program = std::env::var_os("GTV_CLI").map_or_else(|| program.into(), PathBuf::from);
        Self { folder: tempfile::tempdir().expect("a temporary folder"), program }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The program itself, for tests that need more than [`Bench::run`].
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What runs a program in the folder with no signal ignored, as from a terminal: tests may run in the background, where
    /// some are.
    pub fn attended(&self, program: impl AsRef<OsStr>) -> std::process::Command {
        let mut env = std::process::Command::new("env");
        env.arg("--default-signal=HUP,INT,TERM").arg(program).current_dir(self.folder());
        env
    }

    /// Runs the program in the folder, with backtraces asked for as a hurried user's shell may have them.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder())
            .env("RUST_BACKTRACE", "1")
            .output()
            .expect("the program runs");
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command line split at spaces.
    pub fn line(&self, arguments: &str) -> Outcome {
        self.run(arguments.split_whitespace())
    }

    /// Writes a text or binary file.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).expect("the file is written");
    }

    /// Writes an npy file of f64.
    pub fn npy(&self, name: &str, shape: &[usize], values: &[f64]) {
        let array = ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).expect("the shape fits");
        array.write_npy(File::create(self.path(name)).expect("the file is created")).expect("npy is written");
    }

    /// Three points and five queries on a line: `p.npy`, `q.npy`.
    pub fn with_line(self) -> Self {
        self.npy("p.npy", &[3], &[-1.0, 0.0, 1.0]);
        self.npy("q.npy", &[5], &[-1.2, -0.5, 0.0, 0.3, 2.0]);
        self
    }

    /// [`SMALL`] as `small.toml`.
    pub fn with_small(self) -> Self {
        self.file("small.toml", SMALL);
        self
    }

    /// The record of a run.
    #[track_caller]
    pub fn summary(&self, run: &str) -> serde_json::Value {
        let text =
            std::fs::read_to_string(self.path(run).join("summary.json")).expect("summary.json is there");
        serde_json::from_str(&text).expect("summary.json is JSON")
    }

    /// Names of the files in the folder, sorted.
    pub fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder())
            .expect("the folder is read")
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Outcome {
    /// Asserts that the program refused with this exit code, in one `error:` line that holds every part.
    #[track_caller]
    pub fn refused(&self, code: i32, parts: &[&str]) {
        let Self { stderr, .. } = self;
        assert_eq!(self.code, Some(code), "stderr: {stderr}");
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "one error line expected: {stderr}");
        for part in parts {
            assert!(errors[0].contains(part), "{:?} does not say {part:?}", errors[0]);
        }
        for trace in ["panicked", "stack backtrace", "RUST_BACKTRACE", "fault in gtv-cli"] {
            assert!(!stderr.contains(trace), "{stderr}");
        }
    }

    /// Asserts success.
    #[track_caller]
    pub fn done(&self) {
        assert_eq!(self.code, Some(0), "stderr: {}", self.stderr);
    }
}
