//! When, on the way from T to ε, one run's law spreads what retrainings generate more than they do: the average of the networks, with a
//! deviation in one range of t alone, drawn from the law or taken from the networks in turn.
//!
//!     cargo run --release -p gtv-cli --example one_run_in_time -- experiments/one-run/silu-64.toml SEED

use anyhow::{Context as _, Result};
use gtv_cli::config::{Change, Loaded};
use gtv_cli::context::Context;
use gtv_models::Session;
use gtv_models::watch::Unwatched;
use gtv_study::between_models;
use gtv_study::levels::Sampler;
use gtv_theory::closure::OneRun;
use gtv_theory::compare::Level;
use gtv_theory::memo::MemoField;
use gtv_theory::{Schedule, ScoreField};
use std::ops::Range;
use std::sync::Arc;

/// Models drawn from the law, and paths of each.
const DRAWN: usize = 200;
const PATHS: usize = 4_000;
/// Around a datum.
const RADIUS: f64 = 0.2;
const RANGES: [Range<f64>; 6] = [0.0..2.0, 0.0..0.05, 0.05..0.1, 0.1..0.2, 0.2..0.4, 0.4..2.0];

/// Σ_i weight_i field_i in a range of t, the first field alone outside.
struct Mixed {
    fields: Vec<(f64, Arc<dyn ScoreField>)>,
    range: Range<f64>,
}

impl ScoreField for Mixed {
    fn dim(&self) -> usize {
        self.fields[0].1.dim()
    }

    fn schedule(&self) -> &Schedule {
        self.fields[0].1.schedule()
    }

    fn score_into(&self, x: &[f64], t: f64, out: &mut [f64]) {
        if !self.range.contains(&t) {
            return self.fields[0].1.score_into(x, t, out);
        }
        let mut one = vec![0.0; out.len()];
        out.fill(0.0);
        for (weight, field) in &self.fields {
            field.score_into(x, t, &mut one);
            out.iter_mut().zip(&one).for_each(|(o, v)| *o += weight * v);
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let config = arguments.next().context("which config?")?;
    let seed: i64 = arguments.next().context("which seed?")?.parse()?;
    let ctx = Context::silent();
    let change = Change::argument("seed", seed, "one_run_in_time".to_owned());
    let study = Loaded::read(Some(config.as_ref()), &[change], &ctx)?.build(&ctx)?.study;
    let session = Session { watch: &Unwatched, store: &Unwatched };
    let members = study.train(session)?;
    let (theory, _) = study.solve(Some(members.as_ref()), session)?;
    let law = theory.law(&OneRun)?;

    let network = |i: usize| -> Arc<dyn ScoreField> { members.field(i).into() };
    let share = 1.0 / members.len() as f64;
    let all = (0..members.len()).map(|i| (share, network(i))).collect();
    let average = Mixed { fields: all, range: f64::NEG_INFINITY..f64::INFINITY };
    let average: Arc<dyn ScoreField> = Arc::new(MemoField::new(Arc::new(average), 1 << 22));
    let sampler = Sampler { study: &study, session };
    let data = study.problem().cloud();
    println!("standard deviation between models of the mass within {RADIUS} of each datum");
    for range in RANGES {
        let about_average = |field: Arc<dyn ScoreField>, mean: Arc<dyn ScoreField>| {
            let fields = vec![(1.0, average.clone()), (1.0, field), (-1.0, mean)];
            Box::new(Mixed { fields, range: range.clone() }) as Box<dyn ScoreField>
        };
        let drawn = sampler.models(Level::Ensemble, DRAWN, PATHS, |_, rng| {
            let field = law.draw(rng).ok_or(gtv_study::Error::NoDraw { name: "one-run" })?;
            Ok(about_average(field.into(), law.mean_score()))
        })?;
        let trained = sampler.models(Level::Ensemble, members.len(), PATHS, |i, _| {
            Ok(about_average(network(i), average.clone()))
        })?;
        for (name, level) in [("law", drawn), ("networks", trained)] {
            let spread = between_models(&level.samples, data, Some(RADIUS), study.problem().streams())?;
            let masses = spread.context("a single network has no spread")?.mass_near;
            let masses: Vec<String> = masses.iter().map(|mass| format!("{mass:.4}")).collect();
            println!("{:>4} to {:<4} {name:<10}{}", range.start, range.end, masses.join(" "));
        }
    }
    Ok(())
}
