//! What a training problem and its learners refuse, and what stays the same when one of its numbers changes.

use gtv_theory::features::{AxisBasis, Separable};
use gtv_theory::learner::{Flow, Ridge};
use gtv_theory::quadrature::QuadratureSpec;
use gtv_theory::rng::Streams;
use gtv_theory::{
    Error, Features, Objective, PointCloud, Preconditioning, Result, Schedule, TrainingProblem,
};

fn problem(objective: Objective, samples: usize) -> Result<TrainingProblem> {
    let cloud = PointCloud::new(vec![-1.0, 0.2, 1.0], 1)?;
    TrainingProblem::new(cloud, Schedule::paper(0.05)?, objective, samples, Streams::new(1))
}

fn features(dim: usize) -> Features {
    let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 4 };
    Features::Separable(Separable::uniform(dim, axis(-1.5, 1.5), axis(0.05, 1.0)).unwrap())
}

/// The quantity that an error names.
fn refused<T>(result: Result<T>) -> &'static str {
    match result {
        Err(Error::OutOfRange { name, .. } | Error::Shape { name, .. }) => name,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("nothing refused"),
    }
}

#[test]
fn identities_numbers_outside_their_domain_are_refused_by_name() {
    let usual = Objective::default();
    assert_eq!(refused(problem(usual, 0)), "samples");
    for draws in [0, 3, 200] {
        assert_eq!(refused(problem(usual, 100).unwrap().with_draws(draws)), "draws");
    }
    assert_eq!(refused(problem(usual, 100).unwrap().with_draws(5).unwrap().with_samples(101)), "draws");
    for target_mix in [-0.1, 1.1, f64::NAN] {
        assert_eq!(refused(problem(Objective { target_mix, ..usual }, 100)), "target");
        assert_eq!(refused(problem(usual, 100).unwrap().with_target_mix(target_mix)), "target");
    }
    for data_std in [0.0, -1.0, f64::NAN] {
        let objective = Objective { preconditioning: Preconditioning::Edm { data_std }, ..usual };
        assert!(problem(objective, 100).is_err(), "{data_std}");
    }
    let problem = problem(usual, 100).unwrap();
    let quadrature = QuadratureSpec { times: 10, noise_spacing: 0.5, ..QuadratureSpec::default() };
    for ridge in [-1e-3, f64::INFINITY, f64::NAN] {
        assert_eq!(refused(Ridge::new(&problem, features(1), ridge, &quadrature)), "ridge");
    }
    let other_dimension = "features (coordinates of x)";
    assert_eq!(refused(Ridge::new(&problem, features(2), 0.1, &quadrature)), other_dimension);
    assert_eq!(refused(Flow::new(&problem, features(2), 1.0, &quadrature)), other_dimension);
}

#[test]
fn identities_training_sets_depend_on_the_seed_the_draw_and_m_alone() {
    let problem = problem(Objective::default(), 100).unwrap();
    let true_score = problem.with_target_mix(1.0).unwrap();
    assert_eq!(problem.draw(3), true_score.draw(3));
    assert_ne!(problem.labels(&problem.draw(3)), true_score.labels(&problem.draw(3)));
    assert_ne!(problem.draw(3), problem.draw(4));
    let triples = problem.draw(3);
    // A smaller set is a prefix of a larger one.
    let more = problem.clone().with_samples(200).unwrap().draw(3);
    assert_eq!(more.x[..100], triples.x);
    let renoised = problem.renoised(3);
    assert_eq!(renoised.x0, triples.x0);
    assert!(renoised.t.iter().zip(&triples.t).all(|(a, b)| a != b));
}
