//! Members' files: they read back as they were, hold the whole score, and are named where they do not fit.
#![cfg(feature = "flex")]

mod families;

use families::{all, members, networks};
use gtv_models::mlp::{MlpField, NetworkForm, Trainer, Weights};
use gtv_models::{Family, Members, MlpFamily, MlpMembers, Unwatched};
use gtv_theory::ntk::TimeEmbedding;
use gtv_theory::rng::Streams;
use gtv_theory::{BuiltIn, PointCloud, Schedule, ScoreField};
use safetensors::tensor::SafeTensors;
use std::collections::BTreeMap;
use std::sync::Arc;

fn square() -> PointCloud {
    BuiltIn::Square { angle: 0.0 }.build(&Streams::new(3)).unwrap()
}

/// Networks with weights drawn from a seed: any will do for trained ones.
fn drawn(family: &MlpFamily, seed: u64) -> (MlpMembers, Vec<MlpField>) {
    let (task, members) = (&family.task, members(2));
    let form = Arc::new(NetworkForm::of(task));
    let draw = |streams| -> Vec<Arc<Weights>> {
        let drawn = Trainer::initial_weights(task, streams, &members);
        drawn.into_iter().map(|w| Arc::new(w.effective(&task.layers()))).collect()
    };
    let (trained, initial) = (draw(Streams::new(seed)), draw(task.problem().streams()));
    let centred = task.training().centred;
    let field = |(w, s): (&Arc<Weights>, &Arc<Weights>)| {
        MlpField::new(form.clone(), w.clone(), centred.then(|| s.clone()))
    };
    let fields: Vec<MlpField> = trained.iter().zip(&initial).map(field).collect();
    (MlpMembers::new(family, members, fields.clone()).unwrap(), fields)
}

fn scores(field: &dyn ScoreField) -> Vec<f64> {
    let x: Vec<f64> = (0..6 * field.dim()).map(|i| 1.5 * (1.7 * i as f64).sin()).collect();
    let mut out = vec![0.0; 3 * x.len()];
    for (out, t) in out.chunks_exact_mut(x.len()).zip([0.02, 0.3, 1.0]) {
        field.score_into(&x, t, out);
    }
    out
}

/// y of a file at (x, t) by the plainest possible code, from the tensors and the metadata alone.
fn plain(bytes: &[u8], schedule: &Schedule, x: &[f64], t: f64) -> Vec<f64> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let about = header.metadata().clone().unwrap();
    assert_eq!((about["activation"].as_str(), about["prediction"].as_str()), ("tanh", "denoiser"));
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
    for (time, centred) in [(TimeEmbedding::Sinusoidal, false), (TimeEmbedding::Fourier, true)] {
        let family = networks(square(), 24, time, centred);
        let (members, fields) = drawn(&family, 9);
        for (member, field) in fields.iter().enumerate() {
            let file = members.encode(member, &BTreeMap::new()).unwrap();
            let initial = SafeTensors::deserialize(&file).unwrap().tensor("initial.readout.weight").is_ok();
            assert_eq!(initial, centred);
            assert_eq!(scores(family.decode(&file).unwrap().as_ref()), scores(field));
            for (x, t) in [([0.3, -1.2], 0.02), ([1.0, 0.1], 0.5)] {
                let mut y = [0.0; 2];
                field.predict(&x, &[t], &mut y);
                for (y, p) in y.iter().zip(plain(&file, family.task.schedule(), &x, t)) {
                    // Sums of 24 products of size one in single precision.
                    assert!((y - p).abs() < 24.0 * f64::from(f32::EPSILON) * 10.0, "{time:?} {t}: {y} {p}");
                }
            }
        }
    }
}

#[test]
fn limits_files_that_do_not_fit_are_named() {
    let line = || PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap();
    let [family, wider] = [8, 9].map(|width| networks(line(), width, TimeEmbedding::Sinusoidal, false));
    let refused = |family: &dyn Family, file: &[u8]| family.decode(file).err().unwrap().to_string();
    let file = drawn(&family, 3).0.encode(0, &BTreeMap::new()).unwrap();
    let message = refused(&wider, &file);
    for part in ["layers.0.weight", "[8, 9]", "[9, 9]", "train again"] {
        assert!(message.contains(part), "{message}");
    }
    let message = refused(&family, &file[..file.len() / 2]);
    assert!(message.contains("safetensors") && message.contains("train again"), "{message}");
    let form = Arc::new(NetworkForm::of(&family.task));
    let mut broken = drawn(&family, 3).1[0].weights().clone();
    broken.layers[1].weight[5] = f32::NAN;
    let field = MlpField::new(form, Arc::new(broken), None);
    let broken = MlpMembers::new(&family, members(1), vec![field]).unwrap();
    let message = refused(&family, &broken.encode(0, &BTreeMap::new()).unwrap());
    assert!(message.contains("layers.1.weight") && message.contains("NaN"), "{message}");
}

#[test]
fn identities_every_familys_files_read_back_and_no_other_does() {
    let about = BTreeMap::from([("run".to_owned(), "a \"quoted\" name".to_owned())]);
    let families = all();
    let trained: Vec<Box<dyn Members>> = (families.iter())
        .map(|family| family.train("training", &members(2), Unwatched.session()).unwrap())
        .collect();
    for (own, (family, trained)) in families.iter().zip(&trained).enumerate() {
        assert_eq!(trained.len(), 2);
        for member in 0..2 {
            let file = trained.encode(member, &about).unwrap();
            assert_eq!(trained.encode(member, &about).unwrap(), file);
            let (_, header) = SafeTensors::read_metadata(&file).unwrap();
            assert_eq!(header.metadata().as_ref().unwrap()["run"], about["run"]);
            let decoded = family.decode(&file).unwrap();
            assert_eq!(scores(decoded.as_ref()), scores(trained.field(member).as_ref()), "{}", family.name());
            for (other, stranger) in families.iter().enumerate() {
                assert_eq!(stranger.decode(&file).is_ok(), own == other, "{}", stranger.name());
            }
        }
        assert_ne!(trained.encode(0, &about).unwrap(), trained.encode(1, &about).unwrap());
    }
}
