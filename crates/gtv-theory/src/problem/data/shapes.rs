//! Coordinates of the built-in sets: rows of μ_m = o + Σ_k c_mk u_k for a shape's own coordinates c.

use std::f64::consts::FRAC_PI_2;

/// Vertices of the regular `count`-gon on the unit circle: (cos, sin) of 2πi/n + `angle`, row-major n × 2.
pub(super) fn unit_circle(count: usize, angle: f64) -> Vec<f64> {
    (0..count)
        .flat_map(|i| {
            let phi = std::f64::consts::TAU * i as f64 / count as f64 + angle;
            [phi.cos(), phi.sin()]
        })
        .collect()
}

/// Figure 3's square: (cos, sin) of iπ/2 + `angle` for i = 0..3.
pub(super) fn square(angle: f64) -> Vec<f64> {
    (0..4)
        .flat_map(|i| {
            let phi = i as f64 * FRAC_PI_2 + angle;
            [phi.cos(), phi.sin()]
        })
        .collect()
}

/// `count` numbers from `low` to `high`, both ends exact; the middle when `count` is 1.
pub(super) fn linspace(low: f64, high: f64, count: usize) -> Vec<f64> {
    match count {
        0 => vec![],
        1 => vec![0.5 * (low + high)],
        _ => (0..count)
            .map(|i| {
                let u = i as f64 / (count - 1) as f64;
                low * (1.0 - u) + high * u
            })
            .collect(),
    }
}

/// All `axis`^`dim` combinations of the axis values, the last coordinate fastest.
pub(super) fn grid(axis: &[f64], dim: usize) -> Vec<f64> {
    let total = axis.len().pow(dim as u32);
    let mut points = Vec::with_capacity(total * dim);
    for index in 0..total {
        for d in 0..dim {
            let stride = axis.len().pow((dim - 1 - d) as u32);
            points.push(axis[index / stride % axis.len()]);
        }
    }
    points
}

/// Two orthonormal vectors of R^`dim`, equal entries on the even and on the odd coordinates; the usual axes for
/// `dim` 2. No coordinate axis lies in their plane for `dim` ≥ 4, so a bug that treats axes apart shows.
fn plane_basis(dim: usize) -> [Vec<f64>; 2] {
    [0, 1].map(|parity| {
        let members = (dim + 1 - parity) / 2;
        let entry = 1.0 / (members as f64).sqrt();
        (0..dim).map(|d| if d % 2 == parity { entry } else { 0.0 }).collect()
    })
}

/// Places plane coordinates (n × 2) in R^`dim` and adds `offset` (zero when empty).
pub(super) fn embed_plane(coordinates: &[f64], dim: usize, offset: &[f64]) -> Vec<f64> {
    let [u, v] = plane_basis(dim);
    let mut points = Vec::with_capacity(coordinates.len() / 2 * dim);
    for c in coordinates.chunks_exact(2) {
        points.extend((0..dim).map(|d| offset.get(d).unwrap_or(&0.0) + c[0] * u[d] + c[1] * v[d]));
    }
    points
}
