//! The order of points in panels: those of a panel lie near each other, so that a bound excludes all sixteen or none.

use super::sweep::PANEL;

/// Points below which halves are not sorted on a task of their own.
const TASK: usize = 4096;

/// The points, halved again and again at the median along the axis on which they vary most, down to panels.
///
/// # Shapes
/// `coordinates`: M × K, of finite numbers.
pub(super) fn by_halves(coordinates: &[f32], axes: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..(coordinates.len() / axes) as u32).collect();
    halve(&mut order, coordinates, axes);
    order
}

fn halve(points: &mut [u32], coordinates: &[f32], axes: usize) {
    let panels = points.len().div_ceil(PANEL);
    if panels < 2 {
        return;
    }
    let row = |m: u32| &coordinates[m as usize * axes..][..axes];
    let (mut sums, mut squares) = (vec![0.0; axes], vec![0.0; axes]);
    let origin = row(points[0]);
    for m in points.iter() {
        for (((s, q), v), o) in sums.iter_mut().zip(&mut squares).zip(row(*m)).zip(origin) {
            let v = f64::from(v - o);
            *s += v;
            *q += v * v;
        }
    }
    let spread = |i: usize| squares[i] - sums[i] * sums[i] / points.len() as f64;
    let axis = (0..axes).max_by(|a, b| spread(*a).total_cmp(&spread(*b))).unwrap_or(0);
    let half = panels / 2 * PANEL;
    // Equals by their number, so that the order is the same wherever it is found.
    points.select_nth_unstable_by(half, |a, b| row(*a)[axis].total_cmp(&row(*b)[axis]).then(a.cmp(b)));
    let (low, high) = points.split_at_mut(half);
    if panels * PANEL > TASK {
        rayon::join(|| halve(low, coordinates, axes), || halve(high, coordinates, axes));
    } else {
        halve(low, coordinates, axes);
        halve(high, coordinates, axes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every point has one place, and the points of one cluster share panels: 8 clusters of 32 points fill two each.
    #[test]
    fn identities_panels_hold_neighbours() {
        let (axes, count) = (3, 256);
        let coordinates: Vec<f32> = (0..count)
            .flat_map(|m| (0..axes).map(move |a| (10 * (m >> a & 1)) as f32 + ((m * 7 + a * 3) as f32).sin()))
            .collect();
        let order = by_halves(&coordinates, axes);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, m)| i == *m as usize));
        for panel in order.chunks(PANEL) {
            assert!(panel.iter().all(|m| m % 8 == panel[0] % 8), "{panel:?}");
        }
        // Without any spread, and with a last panel that is not full.
        let same = by_halves(&vec![1.0; 37 * axes], axes);
        assert_eq!(same.len(), 37);
    }
}
