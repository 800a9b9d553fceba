//! How much a level's models differ in what they generate: masses near the data and in gaps, and their distance from the average.

use crate::error::Result;
use crate::record::SpreadRecord;
use gtv_theory::PointCloud;
use gtv_theory::compare::{LevelSamples, directions, mass_within, project, w1_sorted, w2_squared_sorted};
use gtv_theory::rng::Streams;
use rayon::prelude::*;

/// Directions of the sliced distance.
const DIRECTIONS: usize = 32;
/// Data whose masses are followed one by one.
const LISTED: usize = 64;
/// Quantiles that stand for the average of many models: 1/16,384 of its mass apart.
const QUANTILES: usize = 16_384;

/// The spread between the models of a level; none where there is one model.
///
/// # Errors
/// None for samples of the data's dimension.
pub fn between_models(
    samples: &LevelSamples,
    data: &PointCloud,
    radius: Option<f64>,
    streams: Streams,
) -> Result<Option<SpreadRecord>> {
    let (groups, dim) = (samples.groups(), data.dim());
    if groups.len() < 2 {
        return Ok(None);
    }
    let (mut mass_near, mut gap_mass) = (Vec::new(), None);
    if let Some(radius) = radius.filter(|_| data.len() <= LISTED) {
        let masses: Vec<Vec<f64>> = groups
            .iter()
            .map(|g| mass_within(g, data.points(), dim, radius))
            .collect::<gtv_theory::Result<_>>()?;
        let counts: Vec<f64> = groups.iter().map(|g| (g.len() / dim) as f64).collect();
        let of = |share: &dyn Fn(&Vec<f64>) -> f64| {
            beyond_sampling(&masses.iter().map(share).collect::<Vec<f64>>(), &counts)
        };
        mass_near = (0..data.len()).map(|m| of(&|masses| masses[m])).collect();
        gap_mass = Some(of(&|masses| 1.0 - masses.iter().sum::<f64>().min(1.0)));
    }
    Ok(Some(SpreadRecord { mass_near, gap_mass, from_average: from_average(groups, dim, streams)? }))
}

/// The standard deviation of shares over models less what so many samples of each would show by themselves, p(1 − p)/n.
fn beyond_sampling(shares: &[f64], counts: &[f64]) -> f64 {
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let sampling = shares.iter().zip(counts).map(|(s, count)| s * (1.0 - s) / count).sum::<f64>() / n;
    (variance - sampling).max(0.0).sqrt()
}

/// The mean distance of a model's samples from those of all: W₁ on a line, sliced W₂ beyond.
fn from_average(groups: &[Vec<f64>], dim: usize, streams: Streams) -> Result<f64> {
    let sorted = |mut x: Vec<f64>| {
        x.sort_unstable_by(f64::total_cmp);
        x
    };
    let quantiles = |x: Vec<f64>| {
        let x = sorted(x);
        let most = QUANTILES.min(x.len());
        (0..most).map(|i| x[(2 * i + 1) * x.len() / (2 * most)]).collect::<Vec<f64>>()
    };
    let count = groups.len() as f64;
    if dim == 1 {
        let pool = quantiles(groups.concat());
        let each = groups.par_iter().map(|g| w1_sorted(&sorted(g.clone()), &pool)).collect::<Vec<f64>>();
        return Ok(each.iter().sum::<f64>() / count);
    }
    let directions = directions(dim, DIRECTIONS, streams)?;
    let pool = groups.concat();
    let mut squares = vec![0.0; groups.len()];
    for direction in directions.chunks_exact(dim) {
        let pool = quantiles(project(&pool, direction));
        squares.par_iter_mut().zip(groups).for_each(|(square, group)| {
            *square += w2_squared_sorted(&sorted(project(group, direction)), &pool) / DIRECTIONS as f64;
        });
    }
    Ok(squares.iter().map(|s| s.sqrt()).sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gtv_theory::compare::Level;

    #[test]
    fn identities_models_with_known_masses() {
        // Two models with 60 and 80 % near the first of two data, of 1000 samples each.
        let model =
            |first: usize| (0..1000).map(|i| if i < first { -1.0 } else { 1.0 }).collect::<Vec<f64>>();
        let samples = LevelSamples::new(Level::Ensemble, 1, vec![model(600), model(800)]).unwrap();
        let data = PointCloud::new(vec![-1.0, 1.0], 1).unwrap();
        let found = between_models(&samples, &data, Some(0.2), Streams::new(0)).unwrap().unwrap();
        let expected = (0.02f64 - (0.24 + 0.16) / 2000.0).sqrt();
        assert!(
            (found.mass_near[0] - expected).abs() < 1e-12 && (found.mass_near[1] - expected).abs() < 1e-12
        );
        assert_eq!(found.gap_mass, Some(0.0));
        // 10 % of the mass has 2 to go.
        assert!((found.from_average - 0.2).abs() < 1e-12);
        let single = LevelSamples::new(Level::Data, 1, vec![model(600)]).unwrap();
        assert!(between_models(&single, &data, Some(0.2), Streams::new(0)).unwrap().is_none());
    }
}
