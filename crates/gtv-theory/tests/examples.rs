//! The examples run, and show what they say.

#[path = "../examples/average_distribution.rs"]
mod average_distribution;
#[path = "../examples/own_closure.rs"]
mod own_closure;
#[path = "../examples/v_kernel.rs"]
mod v_kernel;

use gtv_theory::At;
use gtv_theory::closure::{CLOSURES, Needs};
use gtv_theory::compare::{LevelSamples, mass_within};

#[test]
fn identities_the_v_kernel_is_largest_between_the_data() {
    v_kernel::main().unwrap();
    let (laws, schedule) = v_kernel::laws().unwrap();
    assert_eq!(laws.len(), 3);
    for (label, law) in &laws {
        let v = |x: f64, t: f64| {
            let z = At { x: &[x], t };
            v_kernel::v_kernel(law.as_ref(), &schedule, z, z)
        };
        assert!(v(0.5, 0.1) > v(1.0, 0.1), "{label}");
    }
}

#[test]
fn monte_carlo_variance_fills_the_gaps_between_the_data() {
    average_distribution::main().unwrap();
    let levels = average_distribution::levels(&average_distribution::problem().unwrap()).unwrap();
    let fixed = CLOSURES.iter().filter(|closure| closure.card().needs != Needs::TrainedModels);
    assert_eq!(levels.len(), 1 + fixed.count());
    let in_gaps = |level: &LevelSamples| {
        let found = mass_within(&level.groups().concat(), &[-0.5, 0.5], 1, 0.2).unwrap();
        found.iter().sum::<f64>()
    };
    let shares: Vec<f64> = levels.iter().map(in_gaps).collect();
    let [exact, paper, leading, finite_p, shot_noise] = shares[..] else { panic!("{} levels", levels.len()) };
    // Standard errors are below 0.01: 5,000 samples, of 200 fields for a closure.
    assert!(paper > exact + 0.01 && leading > exact + 0.01, "{shares:?}");
    assert!(finite_p > exact + 0.08 && shot_noise > exact + 0.08, "{shares:?}");
}

#[test]
fn monte_carlo_a_closure_of_ones_own_is_nearer_to_trained_models_than_leading_order() {
    own_closure::main().unwrap();
    let rows = own_closure::rows().unwrap();
    let [leading, inflated, finite_p, trained] = [0, 1, 2, 3].map(|k: usize| rows[k].1);
    assert!((inflated - trained).abs() < (leading - trained).abs(), "{rows:?}");
    assert!((finite_p - trained).abs() < (leading - trained).abs(), "{rows:?}");
}
