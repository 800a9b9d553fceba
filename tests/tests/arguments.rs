//! The command line itself: help, usage errors, exit codes, and readers that go away.

use gtv_tests::Bench;
use std::process::{Command, Stdio};

fn bench() -> Bench {
    Bench::new(env!("CARGO_BIN_EXE_gtv-cli-under-test"))
}

#[test]
fn help_is_there_for_every_command() {
    let bench = bench();
    let help = bench.line("--help");
    help.done();
    for command in [
        "compare",
        "train",
        "sample",
        "score",
        "figure",
        "sweep",
        "merge",
        "report",
        "init",
        "explain",
        "completions",
    ] {
        assert!(help.stdout.contains(command), "{command}");
        let own = bench.run([command, "--help"]);
        own.done();
        assert!(own.stdout.contains(&format!("Usage: gtv-cli {command}")), "{}", own.stdout);
        assert!(own.stderr.is_empty());
        for option in ["--seed", "--threads", "--quiet"] {
            assert!(own.stdout.contains(option), "{command} {option}");
        }
    }
    let version = bench.line("--version");
    assert_eq!(version.stdout.trim(), format!("gtv-cli {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_exits_with_2() {
    let bench = bench().with_line();
    let score = "score --data p.npy --at q.npy --schedule vp-linear --out o.npz --time 0.1";
    for line in [
        "",
        "comapre x.toml",
        "score",
        "--no-such-option",
        "figure fig9",
        "sample run --count many --out x.npy",
        "train --resume",
        "completions tcsh",
        &format!("{score} --seed -1"),
        &format!("{score} --seed 1.5"),
        &format!("{score} --threads 0"),
        &format!("{score} --threads 100000000"),
        &format!("{score} --memory-limit lots"),
        &format!("{score} --schedule vp-linaer"),
        &format!("{score} --time soon"),
        &format!("{score} --param beta_min"),
        &format!("{score} --param beta_min=fast"),
        &format!("{score} --param beta_max=3"),
        &format!("{score} --param offset=0.1"),
        &format!("{score} --param beta_min=-1"),
        &format!("{score} --param beta_min=nan"),
    ] {
        let outcome = bench.line(line);
        assert_eq!(outcome.code, Some(2), "{line}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty(), "{line}");
        assert!(!outcome.stderr.contains("panicked"), "{line}: {}", outcome.stderr);
    }
    assert!(!bench.path("o.npz").exists());
    bench
        .line(&format!("{score} --param beta_max=3"))
        .refused(2, &["--param", "beta_max", "beta_min, beta_d"]);
    assert!(bench.line("comapre").stderr.contains("'compare'"), "clap suggests the command");
}

#[test]
fn completions_are_scripts_for_each_shell() {
    let bench = bench();
    for (shell, mark) in [
        ("bash", "complete -F _gtv__cli"),
        ("zsh", "#compdef gtv-cli"),
        ("fish", "complete -c gtv-cli"),
        ("elvish", "edit:completion:arg-completer[gtv-cli]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let outcome = bench.run(["completions", shell]);
        outcome.done();
        assert!(outcome.stdout.contains(mark), "{shell}: {}", outcome.stdout);
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let bench = bench();
    for arguments in ["--help", "completions zsh"] {
        let mut child = Command::new(bench.program())
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.is_empty(), "{arguments}: {stderr}");
        assert!(output.status.code().is_some(), "{arguments} was killed");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_fails_without_a_panic() {
    let bench = bench();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(bench.program()).args(["completions", "bash"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("error: cannot write to stdout") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn quiet_leaves_stdout_empty() {
    let bench = bench().with_line();
    let score = "score --data p.npy --at q.npy --schedule edm --out o.npz --time 0.1";
    let loud = bench.line(score);
    loud.done();
    assert!(
        loud.stdout.contains("o.npz") && loud.stderr.is_empty(),
        "no bar off a terminal: {}",
        loud.stderr
    );
    let quiet = bench.line(&format!("{score} --quiet"));
    quiet.done();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
}
