//! Configs: what is refused, and how it is said.

use super::build::Ground;
use super::*;
use crate::context::Context;
use gtv_study::Unwatched;
use std::path::Path;

fn parse(text: &str, sets: &[&str]) -> Result<Loaded, ConfigError> {
    let changes: Vec<Change> = sets.iter().map(|s| Change::set(s).unwrap()).collect();
    Loaded::parse(text, Some(Path::new("a.toml")), &changes)
}

fn refusal(text: &str, sets: &[&str]) -> String {
    match parse(text, sets) {
        Err(e) => e.to_string(),
        Ok(loaded) => match loaded.build(&Context::silent()) {
            Err(e) => format!("{e:#}"),
            Ok(_) => panic!("accepted: {text} {sets:?}"),
        },
    }
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn the_empty_config_is_the_papers_figure_two() {
    let problem = parse("", &[]).unwrap().build(&Context::silent()).unwrap();
    let (study, learned) = (&problem.study, problem.study.problem());
    assert_eq!(learned.cloud().points(), [-1.0, 0.0, 1.0]);
    assert_eq!((study.family.describe().as_str(), learned.samples()), ("linear, F = 256", 1024));
    let FamilyConfig::Linear(LinearConfig { ridge, .. }) = problem.config.model.family else {
        panic!("another family")
    };
    assert_eq!((ridge, learned.objective().target_mix), (0.1, 0.0));
    let times = study.sampling.integration.times(learned.schedule()).unwrap();
    assert_eq!((times.len(), times[0], times[30]), (31, 1.0, 0.01));
}

#[test]
fn identities_the_resolved_config_reads_back_as_itself() {
    for text in [
        "",
        "title = \"x\"\nseed = 7\n[model.features]\nkind = \"random-fourier\"\ncount = 32\n",
        "[data]\nkind = \"circle\"\ncount = 5\n[schedule]\nkind = \"ve\"\n[sampling]\nintegrator = \"dopri5\"\nform = \"denoiser\"\n",
        "[data]\nkind = \"file\"\npath = \"/x.npy\"\n[model]\ntarget = 0.25\n[sampling]\nlookup = \"grid\"\ngrid = \"edm-rho\"\n",
        "[model]\nkind = \"mlp\"\n[model.mlp]\ntime = \"fourier\"\n[training]\noptimizer = \"sgd\"\nclip = 1.5\n",
        "[[data.components]]\nmean = [0.0]\ncov = { isotropic = 0.1 }\n[data]\nkind = \"gaussian-mixture\"\n",
    ] {
        let Ok(once) = parse(text, &[]) else { continue };
        let resolved = once.to_toml();
        let twice = parse(&resolved, &[]).unwrap();
        assert_eq!(once.config, twice.config);
        assert_eq!(resolved, twice.to_toml());
    }
    let explicit = parse("", &[]).unwrap().to_toml();
    assert_says(
        &explicit,
        &["beta_min = 0.1", "t_min = 0.01", "x = 16", "closures = [", "kind = \"three-points\""],
    );
}

/// A value that a key takes: its default, or the simplest of its type.
fn sample(key: &Key) -> toml::Value {
    fn of(kind: &Type, range: &Range) -> toml::Value {
        let number = range.least.or(range.above.map(|v| v + 0.5)).unwrap_or(0.5);
        match kind {
            Type::Flag => true.into(),
            Type::Whole => (number.ceil() as i64).into(),
            Type::Number => number.into(),
            Type::Text | Type::Path => "x".into(),
            Type::Name(choices) => choices[0].name.clone().into(),
            Type::List(inner, len) => {
                (0..len.unwrap_or(1)).map(|_| of(inner, range)).collect::<Vec<_>>().into()
            }
            Type::Table(keys) => {
                let mut table: toml::Table = keys
                    .iter()
                    .filter(|k| k.default == KeyDefault::Required)
                    .map(|k| (k.path.clone(), sample(k)))
                    .collect();
                if table.is_empty() {
                    table.insert(keys[0].path.clone(), sample(&keys[0]));
                }
                table.into()
            }
            Type::Either(kinds) => of(&kinds[0], range),
        }
    }
    match &key.default {
        KeyDefault::Value(value) => value.clone(),
        KeyDefault::Unset | KeyDefault::Derived(_) | KeyDefault::Required => of(&key.kind, &key.range),
    }
}

/// Settings under which a key is used, those of its kinds first.
fn used_with(key: &Key, changes: &mut Vec<Change>) {
    for condition in &key.when {
        // Of several settings that will do, one that itself needs no others.
        let within = |tag: &String| keys().of(tag).find(|k| k.when.iter().all(|c| key.when.contains(c)));
        let settings = || condition.0.iter();
        let found = settings().find_map(|(tag, values)| Some((within(tag)?, tag, values)));
        let any = || settings().find_map(|(tag, values)| Some((keys().of(tag).next()?, tag, values)));
        let (own, tag, values) = found.or_else(any).unwrap();
        used_with(own, changes);
        let name = toml::Value::from(values[0].clone());
        let list = matches!(own.kind, Type::List(..));
        let value = if list { toml::Value::Array(vec![name]) } else { name };
        changes.push(Change::argument(tag, value, String::new()));
    }
}

#[test]
fn identities_every_key_of_every_kind_is_read_into_its_spec_and_back() {
    for key in &keys().all {
        let mut changes = Vec::new();
        used_with(key, &mut changes);
        let same_kind = |k: &&Key| k.default == KeyDefault::Required && k.when == key.when;
        let needed = keys().all.iter().filter(same_kind).chain([key]);
        changes.extend(needed.map(|k| Change::argument(&k.path, sample(k), String::new())));
        let once = Loaded::parse("", None, &changes).unwrap_or_else(|e| panic!("{}: {e}", key.path));
        let text = once.to_toml();
        let twice = parse(&text, &[]).unwrap();
        assert_eq!(once.config, twice.config, "{text}");
        assert_eq!(text, twice.to_toml());
        let said = once.settings().get(&key.path).is_some();
        assert!(said, "{} is not in {text}", key.path);
        // What the types write is what the file says: no key is lost on the way into them.
        let mut written = toml::Table::try_from(&once.config).unwrap();
        if let Some(training) = written["model"].as_table_mut().and_then(|m| m.remove("training")) {
            written.insert("training".to_owned(), training);
        }
        let mut place = &toml::Value::Table(written);
        for part in key.path.split('.') {
            place = place.get(part).unwrap_or_else(|| panic!("{} is not in the types", key.path));
        }
        assert_eq!(Some(place), once.settings().get(&key.path), "{}", key.path);
    }
}

#[test]
fn unknown_keys_are_named_with_line_and_suggestion() {
    let message = refusal("[model]\nsamples = 3\n\n[model.features]\nrnage = [0, 1]\n", &[]);
    assert_says(&message, &["a.toml:5", "`model.features.rnage`", "did you mean `model.features.range`"]);
    assert_says(&refusal("[modle]\n", &[]), &["a.toml:1", "`modle`", "did you mean `model`"]);
    assert_says(&refusal("sede = 1\n", &[]), &["a.toml:1", "`sede`", "did you mean `seed`"]);
    let message = refusal("[data]\nkind = \"square\"\nangel = 0.3\n", &[]);
    assert_says(&message, &["a.toml:3", "`data.angel`", "did you mean `data.angle`"]);
    let message = refusal("", &["model.smaples=3"]);
    assert_says(&message, &["--set model.smaples=3", "`model.smaples`", "did you mean `model.samples`"]);
    assert_says(
        &refusal("[theory]\nzzz = 1\n", &[]),
        &["`theory.zzz`", "possible: closures, kernel, anchors, directions, residuals, base"],
    );
}

#[test]
fn wrong_types_name_key_found_and_expected() {
    for (text, parts) in [
        ("[model]\nsamples = \"many\"", ["a.toml:2", "`model.samples`", "\"many\"", "whole number"]),
        ("[model]\nsamples = -5", ["a.toml:2", "`model.samples`", "-5", "whole number"]),
        ("[model]\nsamples = 1.5", ["a.toml:2", "`model.samples`", "1.5", "whole number"]),
        ("[schedule]\nt_min = true", ["a.toml:2", "`schedule.t_min`", "true", "a number"]),
        ("[compare]\nrange = [1]", ["a.toml:2", "`compare.range", "", ""]),
        ("[compare]\nrange = 3", ["a.toml:2", "`compare.range`", "3", "a list of 2 numbers"]),
        ("[data]\nkind = \"square\"\nangle = \"x\"", ["a.toml:3", "`data.angle`", "\"x\"", "a number"]),
        ("[data]\nkind = \"file\"\npath = 3", ["a.toml:3", "`data.path`", "3", ""]),
        ("model = 3", ["a.toml:1", "`model`", "3", "a section"]),
        ("[data]\nkind = 3", ["a.toml:2", "`data.kind`", "3", "a name in quotes"]),
        ("[model]\ntarget = \"both\"", ["a.toml:2", "`model.target`", "proxy", "true-score"]),
    ] {
        assert_says(&refusal(text, &[]), &parts);
    }
}

#[test]
fn unknown_names_are_refused_with_the_choices() {
    let message = refusal("[schedule]\nkind = \"vp-linaer\"", &[]);
    assert_says(&message, &["a.toml:2", "`schedule.kind`", "did you mean `vp-linear`", "edm"]);
    assert_says(&refusal("[data]\nkind = \"sqare\"", &[]), &["`data.kind`", "did you mean `square`", "file"]);
    assert_says(&refusal("[data]\nkind = \"fiel\"", &[]), &["did you mean `file`"]);
    assert_says(&refusal("", &["theory.closures=[\"papr\"]"]), &["`theory.closures", "did you mean `paper`"]);
}

#[test]
fn values_out_of_range_name_their_key_and_place() {
    for (text, key) in [
        ("[schedule]\nt_min = 0.0", "schedule.t_min"),
        ("[schedule]\nt_min = 1", "schedule.t_min"),
        ("[schedule]\nt_min = 2.0", "schedule.t_min"),
        ("[schedule]\nt_min = nan", "schedule.t_min"),
        ("[schedule]\nbeta_min = -0.1", "schedule.beta_min"),
        ("[ensemble]\nmembers = 0", "ensemble.members"),
        ("[model]\nsamples = 0", "model.samples"),
        ("[model]\nridge = -0.1", "model.ridge"),
        ("[model]\nridge = inf", "model.ridge"),
        ("[model]\ntarget = 1.5", "model.target"),
        ("[sampling]\nsteps = 0", "sampling.steps"),
        ("[sampling]\npaths = 0", "sampling.paths"),
        ("[compare]\nbins = 0", "compare.bins"),
        ("[compare]\nrange = [1, -1]", "compare.range"),
        ("[theory]\ntimes = 0", "theory.times"),
        ("[theory]\nnoise_spacing = 0", "theory.noise_spacing"),
        ("[theory]\nclosures = []", "theory.closures"),
        ("[model.features]\nx = 1", "model.features"),
        ("[model.features]\nrange = [2, 1]", "model.features.range"),
        ("[model]\nkind = \"lazy\"\n[training]\ntime = -1", "training.time"),
        ("[theory]\nkernel = \"initial\"", "theory.kernel"),
        ("[model]\nkind = \"mlp\"\n[theory]\nkernel = \"infinite\"", "theory.kernel"),
        ("[model]\ndraws = 0", "model.draws"),
        ("[model]\nsamples = 10\ndraws = 3", "model.draws"),
        ("[model]\nsamples = 100\npoints = 7\ndraws = 2", "model.samples"),
        ("[theory]\nkappa = 0.1", "theory.kappa"),
        ("[theory]\nclosures = [\"naive\"]\nkappa = -1", "theory.kappa"),
        ("[theory]\nclosures = [\"damped\"]\ncorrelation_time = 0", "theory.correlation_time"),
        ("[theory]\nclosures = [\"white\"]\nbase = \"shot-noise\"", "theory.base"),
        ("[theory]\nclosures = [\"naive\"]\n[sampling]\nintegrator = \"heun\"", "sampling.integrator"),
        ("[theory]\nclosures = [\"fokker-planck\"]\n[data]\nkind = \"square\"", "theory.closures"),
        ("[compare]\nconfidence = 1", "compare.confidence"),
    ] {
        let message = refusal(text, &[]);
        assert_says(&message, &[&format!("`{key}`"), "a.toml:"]);
    }
    let message = refusal("[ensemble]\nmembers = 5", &["ensemble.members=0"]);
    assert_says(&message, &["--set ensemble.members=0", "is 0, expected at least 1"]);
}

#[test]
fn keys_of_another_kind_are_refused() {
    assert_says(&refusal("[schedule]\noffset = 1", &[]), &["a.toml:2", "`schedule.offset`", "vp-linear"]);
    assert_says(&refusal("[sampling]\nrtol = 1e-3", &[]), &["`sampling.rtol`", "dopri5"]);
    assert_says(&refusal("[model.features]\ncount = 9", &[]), &["`model.features.count`", "gaussian"]);
    // Beside a file of data the kind of features can be left out; what is refused is still the key that was set.
    let file = "[data]\nkind = \"file\"\npath = \"p.npy\"\n[model]\nkind = \"mlp\"\n[model.features]\nlength_scale = 1.0";
    assert_says(&refusal(file, &[]), &["`model.features.length_scale`", "linear"]);
    assert_says(&refusal("[data]\nkind = \"three-points\"\nangle = 1", &[]), &["a.toml:3", "`data.angle`"]);
    assert_says(&refusal("[model.mlp]\nwidth = 9", &[]), &["a.toml:2", "`model.mlp.width`", "\"linear\""]);
    assert_says(&refusal("[training]\nrate = 0.1", &[]), &["`training.rate`", "model.kind = \"linear\""]);
    assert_says(&refusal("[ensemble]\nvary = [\"init\"]", &[]), &["`ensemble.vary`", "add \"data\""]);
    let both = "[sampling]\nintegrator = \"dopri5\"\nlookup = \"grid\"";
    assert_says(&refusal(both, &[]), &["`sampling.lookup`", "dopri5"]);
}

const MLP: &str = "[model]\nkind = \"mlp\"\n";

#[test]
fn identities_a_network_is_what_the_config_says() {
    use gtv_models::mlp::Optimizer;
    use gtv_models::{Family, Member};
    use gtv_theory::Preconditioning;
    use gtv_theory::ntk::{Activation, Parameterisation};
    let build = |text: &str| {
        let loaded = parse(&format!("{MLP}{text}"), &[]).unwrap();
        let problem = loaded.build(&Context::silent()).unwrap();
        let learned = problem.study.problem();
        let (cloud, schedule, streams) = (learned.cloud().clone(), *learned.schedule(), learned.streams());
        let FamilyConfig::Mlp(mlp) = &loaded.config.model.family else { panic!("another family") };
        (mlp.build(&loaded, Ground { cloud, schedule, streams }).unwrap(), problem.study.members)
    };
    let (plain, members) = build("");
    let (arch, training) = (plain.task.arch(), plain.task.training());
    assert_eq!((arch.width, arch.depth, arch.parameterisation), (256, 2, Parameterisation::Mup));
    assert_eq!((plain.task.inputs(), plain.task.dim(), members.len()), (1 + 8, 1, 100));
    assert_eq!((training.optimizer, plain.problem().samples()), (Optimizer::Adam, 1024));
    let edm = Preconditioning::Edm { data_std: (2.0f64 / 3.0).sqrt() };
    assert_eq!(plain.problem().objective().preconditioning, edm);
    let (network, members) = build(
        "samples = 64\ndraws = 4\ntarget = 0.25\n[model.mlp]\nwidth = 32\ndepth = 1\nactivation = \"tanh\"\n\
         parameterisation = \"ntk\"\ntime = \"raw\"\nprecondition = \"none\"\ncentred = true\n[training]\noptimizer = \"sgd\"\n\
         momentum = 0.5\nnoise = \"fresh\"\npenalty = 0.01\nclip = 2\naverage = 0.99\n\
         [ensemble]\nmembers = 6\ninitialisations = 3\n",
    );
    let (arch, training) = (network.task.arch(), network.task.training());
    assert_eq!((arch.activation, arch.parameterisation), (Activation::Tanh, Parameterisation::Ntk));
    assert_eq!((network.task.inputs(), training.centred, training.momentum), (2, true, 0.5));
    assert_eq!((training.ridge, training.clip, training.average), (0.01, Some(2.0), Some(0.99)));
    assert_eq!((network.problem().draws(), network.problem().objective().target_mix), (4, 0.25));
    assert_eq!(members[4], Member { index: 4, data: 1, init: 1 });
    assert_eq!(network.group_size(6), 6);
    assert_eq!(build("[model.mlp]\nwidth = 1024\n").0.group_size(100), 1);
}

#[test]
fn wrong_settings_of_networks_name_key_and_place() {
    for (text, key) in [
        ("[model.mlp]\nwidth = 0", "model.mlp.width"),
        ("[model.mlp]\ndepth = 65", "model.mlp.depth"),
        ("[model.mlp]\nactivation = \"rleu\"", "model.mlp.activation"),
        ("[model.mlp]\nweight_var = -1", "model.mlp.weight_var"),
        ("[model.mlp]\nbase_width = 0", "model.mlp.base_width"),
        ("[model.mlp]\nparameterisation = \"ntk\"\nbase_width = 8", "model.mlp.base_width"),
        ("[model.mlp]\ntime_features = 7", "model.mlp.time_features"),
        ("[model.mlp]\ntime = \"raw\"\ntime_features = 8", "model.mlp.time_features"),
        ("[model.mlp]\ntime_scale = 2", "model.mlp.time_scale"),
        ("[model.mlp]\ntime = \"fourier\"\ntime_scale = 0", "model.mlp.time_scale"),
        ("[model.mlp]\ndata_std = 0", "model.mlp.data_std"),
        ("[model.mlp]\nprecondition = \"none\"\ndata_std = 1", "model.mlp.data_std"),
        ("ridge = 0.1", "model.ridge"),
        ("[model.features]\nx = 3", "model.features.x"),
        ("[model.features]\nkind = \"gaussian\"", "model.features.kind"),
        ("[training]\nrate = 0", "training.rate"),
        ("[training]\nsteps = 0", "training.steps"),
        ("[training]\nbatch = 0", "training.batch"),
        ("[training]\noptimizer = \"gd\"\nbatch = 3", "training.batch"),
        ("[training]\nmomentum = 0.9", "training.momentum"),
        ("[training]\noptimizer = \"sgd\"\nbeta1 = 0.9", "training.beta1"),
        ("[training]\noptimizer = \"sgd\"\nmomentum = 1", "training.momentum"),
        ("[training]\nbeta2 = 1", "training.beta2"),
        ("[training]\npenalty = -1", "training.penalty"),
        ("[training]\nclip = 0", "training.clip"),
        ("[training]\naverage = 1", "training.average"),
        ("[training]\ntime = 3", "training.time"),
        ("[training]\ncheckpoint = 0", "training.checkpoint"),
        ("[training]\nlog_every = 0", "training.log_every"),
        ("[training]\ndevice = \"tpu\"", "training.device"),
        ("[training]\nrate_schedule = \"step\"", "training.rate_schedule"),
        ("[ensemble]\ninitialisations = 0", "ensemble.initialisations"),
        ("[ensemble]\ninitialisations = 7", "ensemble.initialisations"),
        ("[ensemble]\nvary = [\"data\"]\ninitialisations = 2", "ensemble.initialisations"),
        ("draws = 3", "model.draws"),
        ("samples = 0", "model.samples"),
    ] {
        let message = refusal(&format!("{MLP}{text}"), &[]);
        assert_says(&message, &[&format!("`{key}`"), "a.toml:"]);
    }
    for (text, parts) in [
        ("[training]\ndevice = \"wgup\"", ["did you mean `wgpu`", "flex"]),
        ("[model.mlp]\ntime = \"sinusoid\"", ["did you mean `sinusoidal`", "log-snr"]),
        ("[model.mlp]\nwidht = 3", ["did you mean `model.mlp.width`", "width"]),
        ("[model.mlp]\nwidth = \"wide\"", ["\"wide\"", "whole number"]),
        ("[model.mlp]\nwidth = 1000000", ["of memory", "lower ensemble.members or model.mlp.width"]),
        ("samples = 1000000000000", ["of memory", "model.samples"]),
    ] {
        assert_says(&refusal(&format!("{MLP}{text}"), &[]), &parts);
    }
    for backend in gtv_models::device::Backend::ALL.into_iter().filter(|b| !b.compiled()) {
        let message = refusal(MLP, &[&format!("training.device={}", backend.name())]);
        assert_says(
            &message,
            &["`training.device`", &format!("--features {}", backend.name()), "choose one of"],
        );
    }
}

#[test]
fn syntax_errors_say_the_line() {
    assert_says(&refusal("[model]\nsamples = \n", &[]), &["a.toml:2", "TOML"]);
    assert_says(&refusal("a = 1\na = 2\n", &[]), &["a.toml:2", "TOML"]);
}

#[test]
fn sets_take_toml_or_plain_names() {
    let loaded = parse(
        "",
        &[
            "data.kind=square",
            "data.angle = 0.5",
            "compare.range=[-2, 2]",
            "title=\"a = b\"",
            "schedule.t_min=1e-3",
        ],
    )
    .unwrap();
    assert_eq!(loaded.config.compare.range, [-2.0, 2.0]);
    assert_eq!((loaded.config.title.as_str(), loaded.config.schedule.t_min), ("a = b", 1e-3));
    assert_eq!(loaded.config.data, DataConfig::BuiltIn(gtv_theory::data::BuiltIn::Square { angle: 0.5 }));
    for bad in ["model.samples", "=3", "model..x=3", ".=1"] {
        assert_says(&Change::set(bad).unwrap_err().to_string(), &["--set", bad]);
    }
    assert_says(&refusal("", &["seed.x=3", "seed.y=3"]), &["seed"]);
    assert_says(&refusal("seed = 1", &["seed.x=3"]), &["--set seed.x=3", "is a value, not a section"]);
}

#[test]
fn huge_sizes_are_refused_with_an_estimate() {
    for text in [
        "[ensemble]\nmembers = 1000000000000",
        "[model]\nsamples = 1000000000000000",
        "[sampling]\npaths = 1000000000000000",
        "[sampling]\nsteps = 1000000000000000",
        "[compare]\nbins = 1000000000000000",
        "[model.features]\nx = 100000\nt = 100000",
        "[model.features]\nkind = \"random-fourier\"\ncount = 100000000",
    ] {
        assert_says(&refusal(text, &[]), &["of memory", "lower"]);
    }
    let nodes = "data = { kind = \"circle\", dim = 5 }\ntheory.quasi_nodes = 1000000000000000\n[model.features]\nkind = \"random-fourier\"";
    // Only closures need nodes: training does without.
    let problem = parse(nodes, &[]).unwrap().build(&Context::silent()).unwrap();
    let refused = problem.study.solve(None, Unwatched.session()).err().unwrap();
    assert_says(&refused.to_string(), &["bytes", "lower quasi_nodes"]);
}
