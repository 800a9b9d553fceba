//! Derivatives of functions that have none of their own, by central differences: (∂f/∂x) v = (f(x + h v) − f(x − h v))/2h + O(h²).

/// (∂f/∂x) v of a batch of rows.
///
/// # Shapes
/// `x`, `directions`: n × D; `out`: n × outputs, as `f` writes it.
pub(crate) fn central(
    f: impl Fn(&[f64], &mut [f64]),
    x: &[f64],
    directions: &[f64],
    step: f64,
    out: &mut [f64],
) {
    let moved = |by: f64| -> Vec<f64> { x.iter().zip(directions).map(|(x, v)| x + by * v).collect() };
    let mut behind = vec![0.0; out.len()];
    f(&moved(step), out);
    f(&moved(-step), &mut behind);
    out.iter_mut().zip(behind).for_each(|(o, b)| *o = (*o - b) / (2.0 * step));
}
