//! A network's file: `layers.0.weight` (out × in, float32), `layers.0.bias`, …, `readout.weight`, as `torch.nn.Linear` stores
//! them, multipliers inside; with `model.mlp.centred` also `initial.layers.0.weight`, … of the network that is subtracted.
//!
//! The metadata hold the rest of the score: y = skip_t x + out_t F(inputs), ŝ = a_t y + b_t x. The inputs are c_in(t) x, and
//! then cos ω₀u, sin ω₀u, cos ω₁u, … with ω in `time_frequencies` (u itself where there are none), u the log-SNR
//! ln(α²/σ²), held within ±20 (t itself for `time = raw`), mapped to [−1, 1] over the two numbers of `clock`.

use super::{Folder, about, encode, file, numbers, open};
use crate::config::{Network, Problem};
use crate::io::write_bytes;
use anyhow::Result;
use gtv_models::mlp::{Layer, MlpField, NetworkForm, Weights};
use gtv_theory::Preconditioning;
use gtv_theory::ntk::LayerScaling;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Writes every member.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn save(run: &Path, problem: &Problem, network: &Network, fields: &[MlpField]) -> Result<()> {
    let (folder, about) = (Folder::create(run)?, describe(problem, network)?);
    let form = NetworkForm::of(&network.task);
    for (member, field) in fields.iter().enumerate() {
        let mut tensors = tensors("", form.layers(), field.weights());
        if let Some(initial) = field.initial() {
            tensors.extend(self::tensors("initial.", form.layers(), initial));
        }
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
            })
            .collect::<Result<_>>()?;
        write_bytes(&file(run, member), &encode(views, &about)?)?;
    }
    folder.keep(fields.len())
}

/// What evaluating a member needs beside its tensors.
fn describe(problem: &Problem, network: &Network) -> Result<BTreeMap<String, String>> {
    let (task, config) = (&network.task, &problem.config);
    let embedding = task.embedding();
    let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (precondition, data_std) = match embedding.preconditioning() {
        Preconditioning::None => ("none", String::new()),
        Preconditioning::Edm { data_std } => ("edm", data_std.to_string()),
    };
    let mut about = about(problem);
    let entries = [
        ("activation", name(serde_json::to_value(task.arch().activation)?)),
        ("prediction", name(serde_json::to_value(config.model.prediction)?)),
        ("time", name(serde_json::to_value(embedding.kind())?)),
        ("time_frequencies", serde_json::to_string(embedding.frequencies())?),
        ("clock", serde_json::to_string(&embedding.clock_range())?),
        ("precondition", precondition.to_owned()),
        ("data_std", data_std),
        ("schedule", serde_json::to_string(&config.schedule)?),
    ];
    about.extend(entries.map(|(key, value)| (key.to_owned(), value)));
    Ok(about)
}

type Named = (String, Vec<usize>, Vec<u8>);

/// The tensors of one network; a layer's weight is stored fan_in × fan_out and written fan_out × fan_in.
fn tensors(prefix: &str, layers: &[LayerScaling], weights: &Weights) -> Vec<Named> {
    let mut made = Vec::new();
    for (l, (scaling, layer)) in layers.iter().zip(&weights.layers).enumerate() {
        let (rows, columns) = (scaling.fan_out, scaling.fan_in);
        let entry = |o: usize, i: usize| layer.weight[i * rows + o].to_le_bytes();
        let bytes = (0..rows).flat_map(|o| (0..columns).flat_map(move |i| entry(o, i))).collect();
        let name = layer_name(prefix, l, layers.len());
        made.push((format!("{name}.weight"), vec![rows, columns], bytes));
        if scaling.bias.is_some() {
            let bytes = layer.bias.iter().flat_map(|v| v.to_le_bytes()).collect();
            made.push((format!("{name}.bias"), vec![rows], bytes));
        }
    }
    made
}

fn layer_name(prefix: &str, layer: usize, layers: usize) -> String {
    if layer + 1 == layers { format!("{prefix}readout") } else { format!("{prefix}layers.{layer}") }
}

/// Reads one member.
///
/// # Errors
/// A file that is missing or damaged, or that does not fit the run's config.
pub fn load(run: &Path, network: &Network, form: &Arc<NetworkForm>, member: usize) -> Result<MlpField> {
    let path = file(run, member);
    let bytes = open(&path)?;
    let stored = super::tensors(&path, &bytes)?;
    let values =
        |name: &str, shape: &[usize]| numbers(&path, &stored, name, (Dtype::F32, shape), f32::from_le_bytes);
    let weights = |prefix: &str| -> Result<Arc<Weights>> {
        let layers = form.layers();
        let layer = |(l, scaling): (usize, &LayerScaling)| -> Result<Layer> {
            let name = layer_name(prefix, l, layers.len());
            let (rows, columns) = (scaling.fan_out, scaling.fan_in);
            let stored = values(&format!("{name}.weight"), &[rows, columns])?;
            let weight =
                (0..columns).flat_map(|i| (0..rows).map(move |o| o * columns + i)).map(|k| stored[k]);
            let weight = weight.collect();
            let bias = match scaling.bias {
                Some(_) => values(&format!("{name}.bias"), &[rows])?,
                None => Vec::new(),
            };
            Ok(Layer { weight, bias })
        };
        Ok(Arc::new(Weights { layers: layers.iter().enumerate().map(layer).collect::<Result<_>>()? }))
    };
    let initial = network.task.training().centred.then(|| weights("initial.")).transpose()?;
    Ok(MlpField::new(form.clone(), weights("")?, initial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;
    use crate::context::Context;
    use gtv_models::mlp::Trainer;
    use gtv_theory::Schedule;
    use safetensors::tensor::SafeTensors;

    /// y of a file at (x, t) by the plainest possible code, from the tensors and the metadata alone.
    fn plain(path: &Path, schedule: &Schedule, x: &[f64], t: f64) -> Vec<f64> {
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = header.metadata().clone().unwrap();
        let list = |key: &str| -> Vec<f64> { serde_json::from_str(&about[key]).unwrap() };
        let (frequencies, clock) = (list("time_frequencies"), list("clock"));
        let sd: f64 = about["data_std"].parse().unwrap();
        let (alpha, var) = (schedule.signal(t), schedule.noise_var(t));
        let v = alpha * alpha * sd * sd + var;
        let u = (2.0 * ((alpha * alpha / var).ln() - clock[0]) / (clock[1] - clock[0])) - 1.0;
        let mut inputs: Vec<f64> = x.iter().map(|x| x / v.sqrt()).collect();
        inputs.extend(frequencies.iter().flat_map(|w| [(w * u).cos(), (w * u).sin()]));
        let tensor = |name: &str| -> Option<(Vec<usize>, Vec<f64>)> {
            let tensor = tensors.tensor(name).ok()?;
            let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b)));
            Some((tensor.shape().to_vec(), values.collect()))
        };
        let network = |prefix: &str| -> Vec<f64> {
            let mut h = inputs.clone();
            let hidden = (0..).map(|l| format!("{prefix}layers.{l}"));
            let hidden = hidden.take_while(|n| tensor(&format!("{n}.weight")).is_some());
            for (name, last) in hidden.map(|n| (n, false)).chain([(format!("{prefix}readout"), true)]) {
                let (shape, weight) = tensor(&format!("{name}.weight")).unwrap();
                assert_eq!(shape[1], h.len());
                let bias = tensor(&format!("{name}.bias")).map_or(vec![0.0; shape[0]], |(_, b)| b);
                h = weight
                    .chunks_exact(shape[1])
                    .zip(bias)
                    .map(|(row, b)| {
                        let u = b + row.iter().zip(&h).map(|(w, h)| w * h).sum::<f64>();
                        if last { u } else { u.tanh() }
                    })
                    .collect();
            }
            h
        };
        let start = tensor("initial.readout.weight").map(|_| network("initial."));
        let (skip, out) = (alpha * sd * sd / v, (var / v).sqrt() * sd);
        let f = network("").into_iter().zip(start.unwrap_or(vec![0.0; x.len()])).map(|(f, s)| f - s);
        f.zip(x).map(|(f, x)| skip * x + out * f).collect()
    }

    #[test]
    fn oracle_a_file_alone_gives_the_networks_outputs() {
        for (time, centred) in [("sinusoidal", false), ("fourier", true)] {
            let text = format!(
                "[data]\nkind = \"square\"\n[model]\nkind = \"mlp\"\n[model.mlp]\nwidth = 24\nactivation = \"tanh\"\n\
                 time = \"{time}\"\ncentred = {centred}\nparameterisation = \"ntk\"\n[ensemble]\nmembers = 2\n"
            );
            let problem = Loaded::parse(&text, None, &[]).unwrap().build(&Context::silent()).unwrap();
            let network = problem.family.network().unwrap().clone();
            let form = Arc::new(NetworkForm::of(&network.task));
            let draw = |streams| -> Vec<Arc<Weights>> {
                let drawn = Trainer::initial_weights(&network.task, streams, &network.members);
                drawn.into_iter().map(|w| Arc::new(w.effective(&network.task.layers()))).collect()
            };
            // Any other weights than the initial ones will do for trained ones.
            let (trained, initial) = (draw(gtv_theory::rng::Streams::new(9)), draw(problem.streams));
            let fields: Vec<MlpField> = trained
                .iter()
                .zip(&initial)
                .map(|(w, s)| MlpField::new(form.clone(), w.clone(), centred.then(|| s.clone())))
                .collect();
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("members")).unwrap();
            std::fs::write(file(folder.path(), 2), "of an earlier run").unwrap();
            save(folder.path(), &problem, &network, &fields).unwrap();
            assert!(!file(folder.path(), 2).exists());
            for (member, field) in fields.iter().enumerate() {
                let back = load(folder.path(), &network, &form, member).unwrap();
                assert_eq!(back.weights(), field.weights());
                assert_eq!(back.initial(), field.initial());
                for (x, t) in [([0.3, -1.2], 0.02), ([1.0, 0.1], 0.5)] {
                    let mut y = [0.0; 2];
                    field.predict(&x, &[t], &mut y);
                    let plain = plain(&file(folder.path(), member), &problem.schedule, &x, t);
                    for (y, p) in y.iter().zip(plain) {
                        // Sums of 24 products of size one in single precision.
                        assert!((y - p).abs() < 24.0 * f64::from(f32::EPSILON) * 10.0, "{time} {t}: {y} {p}");
                    }
                }
            }
        }
    }

    #[test]
    fn limits_files_that_do_not_fit_are_named() {
        let build = |width: usize| {
            let text =
                format!("[model]\nkind = \"mlp\"\n[model.mlp]\nwidth = {width}\n[ensemble]\nmembers = 1\n");
            Loaded::parse(&text, None, &[]).unwrap().build(&Context::silent()).unwrap()
        };
        let (problem, other) = (build(8), build(9));
        let (network, wider) =
            (problem.family.network().unwrap().clone(), other.family.network().unwrap().clone());
        let form = |n: &Network| Arc::new(NetworkForm::of(&n.task));
        let weights = Trainer::initial_weights(&network.task, problem.streams, &network.members);
        let field = MlpField::new(form(&network), Arc::new(weights[0].clone()), None);
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &problem, &network, &[field]).unwrap();
        let message = load(folder.path(), &wider, &form(&wider), 0).unwrap_err().to_string();
        for part in ["member-00000", "layers.0.weight", "[8, 9]", "[9, 9]", "train again"] {
            assert!(message.contains(part), "{message}");
        }
        let whole = std::fs::read(file(folder.path(), 0)).unwrap();
        std::fs::write(file(folder.path(), 0), &whole[..whole.len() / 2]).unwrap();
        let message = load(folder.path(), &network, &form(&network), 0).unwrap_err().to_string();
        assert!(message.contains("member-00000") && message.contains("safetensors"), "{message}");
        assert!(load(folder.path(), &network, &form(&network), 1).is_err());
    }
}
