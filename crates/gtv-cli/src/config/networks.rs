//! Members of an ensemble that are networks in ONNX files.

use super::Loaded;
use super::outside::matching;
use super::spec::OnnxEnsemble;
use crate::io::ReadError;
use gtv_models::external::CalledMembers;
use gtv_theory::{PointCloud, Prediction, Schedule, TrainingProblem};
use std::path::PathBuf;

/// Data points at which networks are tried before work starts.
const TRIED: usize = 16;

/// Whether this program runs ONNX files.
pub const ONNX: bool = cfg!(feature = "onnx");

/// f(i, x, t): what member i answers.
type Call = dyn Fn(usize, &[f64], &[f64]) -> Result<Vec<f64>, String> + Send + Sync;

/// Networks that have been read and tried.
pub struct Networks {
    prediction: Prediction,
    call: Box<Call>,
    /// What each member answers where it was tried: what tells other networks of the same names apart.
    pub answers: Vec<Vec<f64>>,
}

impl Networks {
    /// Reads the files and asks each network at data points and, for another n, at one.
    ///
    /// # Errors
    /// A [`ReadError`] with the file; a [`ConfigError`](super::ConfigError) of a program that has no runtime for them.
    pub fn read(
        loaded: &Loaded,
        files: &OnnxEnsemble,
        cloud: &PointCloud,
        schedule: &Schedule,
    ) -> anyhow::Result<Self> {
        let (paths, dim) = (matching(&files.path)?, cloud.dim());
        let call = callable(loaded, &paths, dim)?;
        let times = [schedule.t_min(), 0.5 * (schedule.t_min() + schedule.t_max()), schedule.t_max()];
        let count = cloud.len().min(TRIED);
        let t: Vec<f64> = (0..count).map(|i| times[i % 3]).chain(times).collect();
        let points = (0..count).chain([0; 3]).zip(&t);
        let x: Vec<f64> =
            points.flat_map(|(i, t)| cloud.point(i).iter().map(move |mu| schedule.signal(*t) * mu)).collect();
        let tried = |(member, path): (usize, &PathBuf)| {
            let wrong = |reason| ReadError::Format { path: path.clone(), reason };
            call(member, &x[..dim], &t[..1]).map_err(wrong)?;
            let answers = call(member, &x, &t).map_err(wrong)?;
            match answers.iter().position(|y| !y.is_finite()) {
                None => Ok(answers),
                Some(at) => {
                    let (at, y) = (at / dim, answers[at]);
                    let x = &x[at * dim..][..dim];
                    Err(wrong(format!(
                        "it answers {y} at x = {x:?}, t = {}; every answer must be finite",
                        t[at]
                    )))
                }
            }
        };
        let answers = paths.iter().enumerate().map(tried).collect::<Result<_, _>>()?;
        Ok(Self { prediction: files.prediction, call, answers })
    }

    /// The networks as members of a problem.
    ///
    /// # Errors
    /// None where a file was found.
    pub fn members(self, problem: &TrainingProblem) -> gtv_models::Result<CalledMembers> {
        CalledMembers::new(self.answers.len(), problem, self.prediction, self.call)
    }
}

#[cfg(feature = "onnx")]
fn callable(_loaded: &Loaded, paths: &[PathBuf], dim: usize) -> anyhow::Result<Box<Call>> {
    use crate::io::read_limited;
    use gtv_models::external::onnx::OnnxNetwork;
    /// No message of protocol buffers is longer.
    const LONGEST: u64 = 2 << 30;
    let read = |path: &PathBuf| {
        let bytes = read_limited(
            path,
            LONGEST,
            "an ONNX file, of which a larger one keeps its tensors in files beside it",
        )?;
        let folder = path.parent().unwrap_or(path);
        OnnxNetwork::new(&bytes, folder, dim)
            .map_err(|e| ReadError::Format { path: path.clone(), reason: e.to_string() })
    };
    let networks = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(move |member: usize, x: &[f64], t: &[f64]| {
        networks[member].call(x, t).map_err(|e| e.to_string())
    }))
}

#[cfg(not(feature = "onnx"))]
fn callable(loaded: &Loaded, _paths: &[PathBuf], _dim: usize) -> anyhow::Result<Box<Call>> {
    let reason = "is \"onnx\", for which this build has no runtime: build gtv-cli with `cargo install --path crates/gtv-cli --features onnx`, or, in Python, give functions that call onnxruntime";
    Err(loaded.value("ensemble.kind", reason).into())
}
