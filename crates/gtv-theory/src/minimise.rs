//! The least value of a function of one variable: the best of a scan, then golden section between its neighbours.

/// Where a function is least, and its value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimum {
    /// The place.
    pub at: f64,
    /// The value.
    pub value: f64,
}

/// The least value of f over [lo, hi]: of `scan` points (at least 2) the best, then golden section down to `width`. Finds the global
/// minimum where the scan is fine enough to see its basin.
///
/// # Errors
/// The first error of f.
pub fn minimise<E>(
    (lo, hi): (f64, f64),
    scan: usize,
    width: f64,
    mut f: impl FnMut(f64) -> Result<f64, E>,
) -> Result<Minimum, E> {
    let place = |i: usize| lo + (hi - lo) * i as f64 / (scan - 1) as f64;
    let scanned: Vec<f64> = (0..scan).map(|i| f(place(i))).collect::<Result<_, E>>()?;
    let best = (0..scan).fold(0, |best, i| if scanned[i] < scanned[best] { i } else { best });
    let (mut a, mut b) = (place(best.saturating_sub(1)), place((best + 1).min(scan - 1)));
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut left, mut right) = (b - golden * (b - a), a + golden * (b - a));
    let (mut at_left, mut at_right) = (f(left)?, f(right)?);
    while b - a > width {
        if at_left < at_right {
            (b, right, at_right) = (right, left, at_left);
            left = b - golden * (b - a);
            at_left = f(left)?;
        } else {
            (a, left, at_left) = (left, right, at_right);
            right = a + golden * (b - a);
            at_right = f(right)?;
        }
    }
    let at = 0.5 * (a + b);
    Ok(Minimum { at, value: f(at)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_the_deeper_of_two_basins_is_found() {
        // x⁴ − x² + x/10 has its lower minimum at the root of 4x³ − 2x + 1/10 near −0.731.
        let f = |x: f64| Ok::<_, ()>(x.powi(4) - x * x + 0.1 * x);
        let found = minimise((-2.0, 2.0), 21, 1e-9, f).unwrap();
        assert!((4.0 * found.at.powi(3) - 2.0 * found.at + 0.1).abs() < 1e-6 && found.at < 0.0, "{found:?}");
        let edge = minimise((1.0, 2.0), 5, 1e-9, f).unwrap();
        assert!((edge.at - 1.0).abs() < 1e-8);
        assert!(minimise((0.0, 1.0), 3, 0.1, |_| Err::<f64, _>("no")).is_err());
    }
}
