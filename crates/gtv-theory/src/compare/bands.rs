//! Spread between models: pointwise quartiles, mean and standard deviation over members of their densities.

use super::bootstrap::quantile_sorted;
use super::histogram::{Axis, Histogram, Normalisation};
use super::levels::LevelSamples;
use crate::error::{Error, Result, check_finite, check_len};
use rayon::prelude::*;

/// Pointwise statistics over members, each of the length of one member's table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bands {
    /// Mean over members: the average distribution.
    pub mean: Vec<f64>,
    /// Standard deviation between members (divided by N, as in the reference figures).
    pub std: Vec<f64>,
    /// Lower quartile.
    pub q25: Vec<f64>,
    /// Upper quartile.
    pub q75: Vec<f64>,
}

/// Quartiles (linear between order statistics), mean and standard deviation between members, column by column.
///
/// # Shapes
/// `members`: N × `cells`, row-major, for example each member's histogram density.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`].
pub fn between_model_bands(members: &[f64], cells: usize) -> Result<Bands> {
    if members.is_empty() || cells == 0 {
        return Err(Error::Empty { name: "the members' densities" });
    }
    let count = members.len() / cells;
    check_len("the members' densities", count * cells, members.len())?;
    check_finite("the members' densities", members, cells)?;
    let columns: Vec<[f64; 4]> = (0..cells)
        .into_par_iter()
        .with_min_len(16)
        .map(|c| {
            let mut column: Vec<f64> = members.iter().skip(c).step_by(cells).copied().collect();
            column.sort_unstable_by(f64::total_cmp);
            let mean = column.iter().sum::<f64>() / count as f64;
            let var = column.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64;
            [mean, var.sqrt(), quantile_sorted(&column, 0.25), quantile_sorted(&column, 0.75)]
        })
        .collect();
    let pick = |k: usize| columns.iter().map(|c| c[k]).collect();
    Ok(Bands { mean: pick(0), std: pick(1), q25: pick(2), q75: pick(3) })
}

/// Density of a level on a grid (`mean`) and its spread between the level's groups.
///
/// With [`Normalisation::Inside`] each member's density is normalised by itself and then averaged, as in the published
/// figures; with [`Normalisation::All`] the mean is the density of the mixture.
///
/// # Shapes
/// `axes`: D, one or two; returns tables over the grid's cells, row-major.
///
/// # Errors
/// [`Error::Shape`] when the number of axes is not D, and the errors of [`Histogram::count`].
pub fn level_bands(level: &LevelSamples, axes: &[Axis], normalisation: Normalisation) -> Result<Bands> {
    check_len("the grid's axes", level.dim(), axes.len())?;
    let densities = level
        .groups()
        .par_iter()
        .map(|group| Ok(Histogram::count(axes, group)?.density(normalisation)))
        .collect::<Result<Vec<_>>>()?;
    between_model_bands(&densities.concat(), axes.iter().map(Axis::len).product())
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn identities_density_of_a_level_is_the_mean_of_its_members() {
        let axis = Axis::new(0.0, 1.0, 2).unwrap();
        let groups = vec![vec![0.1, 0.2, 0.7, 5.0], vec![0.6, 0.8]];
        let level = LevelSamples::new(Level::Ensemble, 1, groups).unwrap();
        let all = level_bands(&level, &[axis], Normalisation::All).unwrap();
        // Shares (½, ¼) and (0, 1) over cells of width ½.
        assert_eq!(all.mean, vec![0.5, 1.25]);
        let inside = level_bands(&level, &[axis], Normalisation::Inside).unwrap();
        assert!((inside.mean[0] - 2.0 / 3.0).abs() < 1e-15 && (inside.mean[1] - 4.0 / 3.0).abs() < 1e-15);
        assert!(level_bands(&level, &[axis; 2], Normalisation::All).is_err());
    }

    #[test]
    fn identities_by_hand() {
        // Columns (1, 2, 4, 8, 5) and constant 3; numpy.quantile gives 2 and 5, numpy.std 2.449489742783178.
        let bands = between_model_bands(&[1.0, 3.0, 2.0, 3.0, 4.0, 3.0, 8.0, 3.0, 5.0, 3.0], 2).unwrap();
        assert_eq!(bands.mean, vec![4.0, 3.0]);
        assert_eq!((bands.q25.clone(), bands.q75.clone()), (vec![2.0, 3.0], vec![5.0, 3.0]));
        assert!((bands.std[0] - 2.449_489_742_783_178).abs() < 1e-15 && bands.std[1] == 0.0);
        assert!(between_model_bands(&[], 2).is_err() && between_model_bands(&[1.0; 3], 2).is_err());
    }
}
