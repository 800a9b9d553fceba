# use gtv_theory::compare::{CompareSettings, DistanceEstimate, Level, LevelSamples, MetricName, compare_levels, metrics};
# use gtv_theory::{Result, rng::Streams};
# let grid = |model: usize, shift: f64| (0..50).map(|i| ((model * 50 + i) as f64 * 0.618).fract() + shift).collect();
# let level = |level, dim, shift| LevelSamples::new(level, dim, (0..20).map(|model| grid(model, shift)).collect());
# let distance = |a: &LevelSamples, b: &LevelSamples, metric| -> Result<DistanceEstimate> {
#     let settings = CompareSettings { metrics: vec![MetricName::of(metric)], ..CompareSettings::default() };
#     Ok(compare_levels(&[a, b], &[(0, 1)], &settings, Streams::new(0))?[0].distances[0].1)
# };
