//! Where a function on a grid is zero: marching squares with linear interpolation along the edges.

/// The lines on which `values` (`nx` × `ny`, y fastest, at the whole numbers from 0) change their sign, in pieces of two
/// points. A square with a value that is not finite has none; in a saddle the mean of its corners decides.
pub fn zero_lines(values: &[f64], nx: usize, ny: usize) -> Vec<[[f64; 2]; 2]> {
    let at = |i: usize, j: usize| values[i * ny + j];
    let mut pieces = Vec::new();
    for i in 0..nx.saturating_sub(1) {
        for j in 0..ny.saturating_sub(1) {
            // Corners in turn, and the edges between neighbours.
            let corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
            let v = corners.map(|(i, j)| at(i, j));
            if v.iter().any(|v| !v.is_finite()) {
                continue;
            }
            let crossing = |k: usize| {
                let (a, b) = (k, (k + 1) % 4);
                if (v[a] > 0.0) == (v[b] > 0.0) {
                    return None;
                }
                let u = v[a] / (v[a] - v[b]);
                let ((ax, ay), (bx, by)) = (corners[a], corners[b]);
                let along = |p: usize, q: usize| p as f64 + u * (q as f64 - p as f64);
                Some([along(ax, bx), along(ay, by)])
            };
            match [0, 1, 2, 3].map(crossing) {
                [Some(a), Some(b), Some(c), Some(d)] => {
                    let middle = v.iter().sum::<f64>() > 0.0;
                    let joined = middle == (v[0] > 0.0);
                    // The corners that agree with the middle are joined, the other two are cut off.
                    pieces.extend(if joined { [[a, b], [c, d]] } else { [[d, a], [b, c]] });
                }
                some => {
                    let ends: Vec<[f64; 2]> = some.into_iter().flatten().collect();
                    if let [a, b] = ends[..] {
                        pieces.push([a, b]);
                    }
                }
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_a_plane_is_cut_along_its_line() {
        let (nx, ny) = (5, 4);
        let plane = |x: f64, y: f64| x + 2.0 * y - 3.5;
        let values: Vec<f64> =
            (0..nx).flat_map(|i| (0..ny).map(move |j| plane(f64::from(i), f64::from(j)))).collect();
        let pieces = zero_lines(&values, nx as usize, ny as usize);
        // From (0, 1.75) to (3.5, 0).
        let length: f64 = pieces.iter().map(|[a, b]| (a[0] - b[0]).hypot(a[1] - b[1])).sum();
        assert!((length - 3.5f64.hypot(1.75)).abs() < 1e-12, "{pieces:?}");
        assert!(pieces.iter().flatten().all(|p| plane(p[0], p[1]).abs() < 1e-12));
    }

    #[test]
    fn limits_saddles_and_holes() {
        // Corners + − + − in turn: with a positive middle the two negative corners are cut off.
        let pieces = zero_lines(&[2.0, -1.0, -1.0, 2.0], 2, 2);
        assert_eq!(pieces.len(), 2);
        for [a, b] in pieces {
            let middle = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
            assert!((middle[0] - middle[1]).abs() > 0.5, "{middle:?} is near a positive corner's diagonal");
        }
        assert!(zero_lines(&[1.0, f64::NAN, -1.0, 1.0], 2, 2).is_empty());
        assert!(zero_lines(&[1.0; 4], 2, 2).is_empty() && zero_lines(&[], 0, 0).is_empty());
    }
}
