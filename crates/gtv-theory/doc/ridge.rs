# use gtv_theory::{features::{AxisBasis, Separable}, learner::Ridge, quadrature::QuadratureSpec, rng::Streams};
# use gtv_theory::{Features, Objective, PointCloud, Schedule, TrainingProblem};
# let (schedule, cloud) = (Schedule::paper(0.05)?, PointCloud::new(vec![-1.0, 1.0], 1)?);
# let problem = TrainingProblem::new(cloud, schedule, Objective::default(), 100, Streams::new(1))?;
# let axis = |lo, hi| AxisBasis::Gaussian { lo, hi, len: 4 };
# let features = Features::Separable(Separable::uniform(1, axis(-1.5, 1.5), axis(0.05, 1.0))?);
# let quadrature = QuadratureSpec { times: 20, noise_spacing: 0.4, ..QuadratureSpec::default() };
# let ridge = Ridge::new(&problem, features.clone(), 0.1, &quadrature)?;
