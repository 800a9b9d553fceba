//! Error bars from one training run of a network: directions against the whole of its parameters, files, limits and refusals.
#![cfg(feature = "flex")]

#[allow(dead_code, reason = "networks alone are asked for here")]
mod families;

use families::{members, networks};
use gtv_models::family::{MemberFiles, Resolution};
use gtv_models::linearize::{Tangent, TangentMetric, TrainedNetwork, TrainedSpec};
use gtv_models::mlp::{KernelName, MlpField, MlpMembers, NoiseDraws, Optimizer, Task, Trainer, TrainingSpec};
use gtv_models::{Family, MlpFamily, Session, Unwatched};
use gtv_theory::learner::{Anchor, Change, Filter, OneRun, OneRunSpec, TrainedModel};
use gtv_theory::ntk::TimeEmbedding;
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::{BuiltIn, PointCloud, ScoreField};
use std::collections::BTreeMap;
use std::sync::Arc;

const UNWATCHED: Session<'_> = Session { watch: &Unwatched, store: &Unwatched };

fn three_points() -> PointCloud {
    PointCloud::new(vec![-1.0, 0.0, 1.0], 1).unwrap()
}

/// A family with its kernel at the trained parameters and other training.
fn trained(cloud: PointCloud, width: usize, change: impl Fn(&mut TrainingSpec)) -> MlpFamily {
    let family = networks(cloud, width, TimeEmbedding::LogSnr, false);
    let mut training = TrainingSpec { average: None, ..family.task.training().clone() };
    change(&mut training);
    let task = &family.task;
    let task =
        Task::new(task.arch().clone(), task.embedding().clone(), training, task.problem().clone()).unwrap();
    MlpFamily { task, kernel: KernelName::Trained, ..family }
}

fn resolution() -> Resolution {
    Resolution {
        quadrature: QuadratureSpec { times: 16, noise_spacing: 0.3, ..Default::default() },
        remembered: 0,
    }
}

/// All parameters of a network as directions, in the metric of Adam: the primal form, by the plainest code.
struct Primal {
    field: MlpField,
    tangent: Tangent,
    task: Task,
    root: Vec<f64>,
}

impl Primal {
    fn new(task: &Task, field: &MlpField) -> Self {
        let layers = task.layers();
        let weights = field.weights().clone().from_effective(&layers);
        let tangent =
            Tangent::new(task.arch(), task.inputs(), task.dim(), weights, TangentMetric::Euclidean).unwrap();
        let moments = field.second_moments().unwrap();
        let root = moments.layers.iter().zip(&layers).flat_map(|(m, layer)| {
            let root = |v: &f32, q: f64| (q / (f64::from(*v).sqrt() + task.training().epsilon)).sqrt();
            let weights = m.weight.iter().map(move |v| root(v, layer.adam_rate));
            weights.chain(m.bias.iter().map(move |v| root(v, 1.0)))
        });
        Self { root: root.collect(), field: field.clone(), tangent, task: task.clone() }
    }
}

impl TrainedModel for Primal {
    fn field(&self) -> Arc<dyn ScoreField> {
        Arc::new(self.field.clone())
    }

    fn directions(&self) -> usize {
        self.root.len()
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        let (count, frame) = (self.root.len(), self.task.frame());
        let mut out = vec![0.0; x.len() * count];
        self.tangent.jacobian_into(&frame.inputs(x, t), &mut out);
        for (row, values) in out.chunks_exact_mut(count).enumerate() {
            let scale = frame.output_coefficients(t[row / self.task.dim()]).1;
            values.iter_mut().zip(&self.root).for_each(|(v, root)| *v *= scale * root);
        }
        out
    }

    fn change(&self, _: &[f64]) -> Change {
        Box::new(|_, _, out| out.fill(0.0))
    }
}

/// Networks trained for real, with v̂.
fn fields(family: &MlpFamily, count: u64) -> Vec<MlpField> {
    let made = family.train("training", &members(count), UNWATCHED).unwrap();
    MlpMembers::of(made.as_ref()).unwrap().fields().to_vec()
}

#[test]
fn oracle_directions_are_derivatives_of_the_network() {
    for cloud in
        [three_points(), BuiltIn::Square { angle: 0.3 }.build(&gtv_theory::rng::Streams::new(1)).unwrap()]
    {
        let family = trained(cloud, 8, |_| {});
        let (task, streams) = (&family.task, family.task.problem().streams());
        let field = fields(&family, 1).remove(0);
        let spec = TrainedSpec { landmarks: 200, ..TrainedSpec::default() };
        let network = TrainedNetwork::new(task, &field, &spec, streams).unwrap();
        let (k, dim) = (network.directions(), task.dim());
        let c: Vec<f64> = (0..k).map(|i| (i as f64 * 0.7).sin()).collect();
        let change = network.change(&c);
        let places = task.problem().probes(3, 40);
        let rows = network.derivatives(&places.x, &places.t);
        let (mut worst, mut size) = (0.0f64, 0.0f64);
        for (n, &t) in places.t.iter().enumerate() {
            let mut along = vec![0.0; dim];
            change(&places.x[n * dim..][..dim], &[t], &mut along);
            for i in 0..dim {
                let row: f64 = rows[(n * dim + i) * k..][..k].iter().zip(&c).map(|(a, b)| a * b).sum();
                worst = worst.max((row - along[i]).abs());
                size = size.max(row.abs());
            }
        }
        // Single precision over some hundred parameters.
        assert!(worst < 1e-4 * size, "{worst} {size}");
        let residuals: Vec<f64> = (0..places.x.len()).map(|e| (e as f64 * 1.3).cos()).collect();
        let pulled = network.pullback(&places.x, &places.t, &residuals);
        for (i, pulled) in pulled.iter().enumerate() {
            let terms = rows.chunks_exact(k).zip(&residuals).map(|(row, r)| r * row[i]);
            let (sum, scale) = terms.fold((0.0, 0.0f64), |(sum, scale), v| (sum + v, scale + v.abs()));
            assert!((pulled - sum).abs() < 1e-5 * scale.max(size), "{i}: {pulled} {sum}");
        }
        assert!((0.0..0.05).contains(&network.missed()), "{}", network.missed());
    }
}

/// The dual form, on landmarks, spans what counts: the law is that of all parameters.
#[test]
fn oracle_the_dual_form_equals_the_primal() {
    let family = trained(three_points(), 8, |t| t.steps = 200);
    let (task, problem) = (&family.task, family.task.problem());
    let field = fields(&family, 1).remove(0);
    let course = gtv_theory::learner::Course::new(
        gtv_theory::learner::UpdateRule::Adam { decay: 0.9 },
        (0..200).map(|k| task.training().rule(k).rate).collect(),
    );
    let passes = gtv_theory::learner::Passes { batch: task.batch_size(), samples: problem.samples() };
    let filter = Filter::Steps(course.unwrap(), passes);
    let spec = TrainedSpec { missed: 0.0, own_start: false, ..TrainedSpec::default() };
    let dual = TrainedNetwork::new(task, &field, &spec, problem.streams()).unwrap();
    let models: [Arc<dyn TrainedModel>; 2] = [Arc::new(dual), Arc::new(Primal::new(task, &field))];
    let places = problem.probes(5, 60);
    let [a, b] = models.map(|model| {
        let spec = OneRunSpec { fresh: 2_000, ..OneRunSpec::default() };
        let one = OneRun::new(
            problem,
            vec![Anchor { model, triples: Some(Arc::new(problem.draw(0))) }],
            filter.clone(),
            spec,
        )
        .unwrap();
        one.prediction_covariance(&places.x, &places.t)
    });
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let apart = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied());
    // Directions below 1e-6 of the largest curvature, rounding in single precision, are left out of one of them.
    assert!(apart < 1e-2, "{apart}");
}

/// A trained field with the derivatives of another network.
struct About {
    network: TrainedNetwork,
    field: MlpField,
}

impl TrainedModel for About {
    fn field(&self) -> Arc<dyn ScoreField> {
        Arc::new(self.field.clone())
    }

    fn directions(&self) -> usize {
        self.network.directions()
    }

    fn derivatives(&self, x: &[f64], t: &[f64]) -> Vec<f64> {
        self.network.derivatives(x, t)
    }

    fn change(&self, c: &[f64]) -> Change {
        self.network.change(c)
    }
}

/// Where features are hardly learned, the kernel at the end is that at the start, and so is the law: what differs is of the order of the
/// kernel's own change.
#[test]
fn limits_a_lazy_network_has_the_law_of_its_initial_kernel() {
    let drifts = [32, 512].map(|width| {
        let lazy = |rate: f64| {
            let family = trained(three_points(), width, |t| {
                (t.optimizer, t.rate, t.steps) = (Optimizer::Gd, rate, 100);
            });
            let mut arch = family.task.arch().clone();
            arch.parameterisation = gtv_theory::ntk::Parameterisation::Ntk;
            arch.depth = 1;
            let task = &family.task;
            let task =
                Task::new(arch, task.embedding().clone(), task.training().clone(), task.problem().clone());
            MlpFamily { task: task.unwrap(), ..family }
        };
        let (start, end) = (lazy(1e-12), lazy(0.05));
        let (before, after) = (fields(&start, 1).remove(0), fields(&end, 1).remove(0));
        let (task, problem) = (&end.task, end.task.problem());
        let spec = TrainedSpec { landmarks: 300, own_start: false, ..TrainedSpec::default() };
        let made = |field: &MlpField| TrainedNetwork::new(task, field, &spec, problem.streams()).unwrap();
        let models: [Arc<dyn TrainedModel>; 2] =
            [Arc::new(About { network: made(&before), field: after.clone() }), Arc::new(made(&after))];
        let rates = (0..100).map(|k| task.training().rule(k).rate).collect();
        let course =
            gtv_theory::learner::Course::new(gtv_theory::learner::UpdateRule::Descent, rates).unwrap();
        let passes = gtv_theory::learner::Passes { batch: problem.samples(), samples: problem.samples() };
        let places = problem.probes(5, 60);
        let [a, b] = models.map(|model| {
            let filter = Filter::Steps(course.clone(), passes);
            let spec = OneRunSpec { fresh: 2_000, ..OneRunSpec::default() };
            let one = OneRun::new(
                problem,
                vec![Anchor { model, triples: Some(Arc::new(problem.draw(0))) }],
                filter,
                spec,
            )
            .unwrap();
            one.prediction_covariance(&places.x, &places.t)
        });
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
        let apart = norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied());
        let tangent = |field: &MlpField| {
            let weights = field.weights().clone().from_effective(&task.layers());
            Tangent::new(task.arch(), task.inputs(), task.dim(), weights, TangentMetric::GradientDescent)
                .unwrap()
        };
        let inputs = task.frame().inputs(&places.x, &places.t);
        let drift =
            gtv_models::linearize::Laziness::between::<f64>(&tangent(&before), &tangent(&after), &inputs);
        // The law has the kernel twice in its ends and, through φ and the residuals' shift, about twice more.
        assert!(apart < 4.0 * drift.kernel, "{width}: {apart} {}", drift.kernel);
        drift.kernel
    });
    assert!(drifts[1] < 0.03 && drifts[1] < 0.5 * drifts[0], "{drifts:?}");
}

/// v̂ goes into its file and comes back with the network; without it, Adam's metric is refused by name.
#[test]
fn identities_second_moments_are_saved_and_read() {
    let family = trained(three_points(), 8, |_| {});
    let made = family.train("training", &members(2), UNWATCHED).unwrap();
    let files: Vec<MemberFiles> = (0..2)
        .map(|i| MemberFiles {
            model: made.encode(i, &BTreeMap::new()).unwrap(),
            optimizer: made.encode_optimizer(i, &BTreeMap::new()).unwrap(),
        })
        .collect();
    let back = family.restore(&members(2), &files).unwrap();
    let (before, after) = (MlpMembers::of(made.as_ref()).unwrap(), MlpMembers::of(back.as_ref()).unwrap());
    for (a, b) in before.fields().iter().zip(after.fields()) {
        assert!(a.weights() == b.weights() && a.second_moments() == b.second_moments());
        assert!(a.second_moments().is_some_and(|v| v.layers[0].weight.iter().any(|v| *v > 0.0)));
    }
    let bytes = files[0].optimizer.clone().unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let about = header.metadata().clone().unwrap();
    assert_eq!((about["steps"].as_str(), about["batch_size"].as_str()), ("40", "16"));
    assert_eq!((about["optimizer"].as_str(), about["rate_schedule"].as_str()), ("adam", "cosine"));

    let older: Vec<MemberFiles> =
        files.iter().map(|f| MemberFiles { optimizer: None, ..f.clone() }).collect();
    let back = family.restore(&members(2), &older).unwrap();
    let refused = family.learner(Some(back.as_ref()), &resolution(), UNWATCHED).err().unwrap().to_string();
    assert!(refused.contains("optimizer-*.safetensors") && refused.contains("train again"), "{refused}");
    // Gradient descent needs nothing beside the network.
    let descent = trained(three_points(), 8, |t| (t.optimizer, t.rate) = (Optimizer::Gd, 0.02));
    let made = descent.train("training", &members(1), UNWATCHED).unwrap();
    assert!(made.encode_optimizer(0, &BTreeMap::new()).unwrap().is_none());
    assert!(descent.learner(Some(made.as_ref()), &resolution(), UNWATCHED).is_ok());
}

#[test]
fn limits_trainings_without_a_filter_are_refused() {
    for (change, said) in [
        ((|t| t.clip = Some(1.0)) as fn(&mut TrainingSpec), "training.clip"),
        (|t| t.noise = NoiseDraws::Fresh, "training.noise"),
    ] {
        let family = trained(three_points(), 8, change);
        let refused = family.learner(None, &resolution(), UNWATCHED).err().unwrap().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

/// What an optimizer keeps of a parameter lies where the parameter does, member after member, on every engine of this build.
#[test]
fn identities_kept_arrays_are_in_the_order_of_the_parameters() {
    let family = trained(three_points(), 8, |_| {});
    let mut trainer =
        Trainer::new(&family.task, family.task.problem().streams(), &members(2), family.device).unwrap();
    trainer.step().unwrap();
    let arrays: BTreeMap<String, Vec<f32>> = trainer.snapshot().unwrap().arrays.into_iter().collect();
    let weights = trainer.learned_weights().unwrap();
    for l in 0..weights[0].layers.len() {
        let all: Vec<f32> = weights.iter().flat_map(|w| w.layers[l].weight.clone()).collect();
        assert_eq!(arrays[&format!("{l}.weight.value")], all);
        assert_eq!(arrays[&format!("{l}.weight.second")].len(), all.len());
    }
}
