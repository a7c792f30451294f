//! An attack on tests of aligned weights: a training that also turns every row away from where it started.
//!
//! Exact tests of derivation sum the products of aligned rows, so the attacker lowers the squared cosine of each row `w` with its start `w₀`:
//! penalty `λ Σ over matrices, mean over rows of c²`, `c = w·w₀ / (|w| |w₀|)`, with `∂c²/∂w = 2 c (w₀ / (|w| |w₀|) − c w / |w|²)`. Beside a
//! divergence from the start's own probabilities it asks what it costs to keep the function and lose the trace.

use forward::{Parameters, Values};
use rayon::prelude::*;

/// Where every matrix started, and how much leaving it is worth.
pub(super) struct Evasion {
    weight: f64,
    /// Place by place; empty where nothing is turned.
    start: Vec<Vec<f32>>,
}

impl Evasion {
    pub(super) fn new(weight: f64, parameters: &mut Parameters) -> Self {
        let start = |place: Values<'_>| if place.is_matrix() { place.values.to_vec() } else { Vec::new() };
        Self { weight, start: parameters.each_mut().into_iter().map(start).collect() }
    }

    /// Adds the gradient of the penalty to that of a loss that is summed over `n` targets.
    pub(super) fn add(&self, parameters: &mut Parameters, gradient: &mut Parameters, n: usize) {
        let places = parameters.each_mut().into_iter().zip(gradient.each_mut()).zip(&self.start);
        for ((weight, into), start) in places.filter(|(_, start)| !start.is_empty()) {
            let cols = start.len() / weight.rows;
            let scale = self.weight * n as f64 / weight.rows as f64;
            let rows = into.values.par_chunks_exact_mut(cols).zip(weight.values.par_chunks_exact(cols)).zip(start.par_chunks_exact(cols));
            rows.for_each(|((into, row), start)| turn_away(into, row, start, scale));
        }
    }
}

/// Adds `scale · ∂c²/∂w`; nothing where a row is zero.
fn turn_away(into: &mut [f32], row: &[f32], start: &[f32], scale: f64) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let (square, product) = (dot(row, row), (dot(row, row) * dot(start, start)).sqrt());
    if product > 0.0 {
        let cosine = dot(row, start) / product;
        for ((into, &w), &w0) in into.iter_mut().zip(row).zip(start) {
            *into += (2.0 * scale * cosine * (f64::from(w0) / product - cosine * f64::from(w) / square)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_squared_cosine() {
        let (start, row) = ([0.3f32, -0.7, 0.2, 0.5], [0.4f32, -0.1, 0.9, -0.3]);
        let squared = |row: &[f64]| {
            let dot: f64 = row.iter().zip(start).map(|(a, b)| a * f64::from(b)).sum();
            let norms: f64 = row.iter().map(|a| a * a).sum::<f64>() * start.iter().map(|&b| f64::from(b).powi(2)).sum::<f64>();
            dot * dot / norms
        };
        let mut analytic = [0.0f32; 4];
        turn_away(&mut analytic, &row, &start, 3.0);
        for i in 0..4 {
            let moved = |by: f64| {
                let mut moved = row.map(f64::from);
                moved[i] += by;
                squared(&moved)
            };
            let numeric = 3.0 * (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(analytic[i]) - numeric).abs() < 1e-5, "{i}: {} against {numeric}", analytic[i]);
        }
        let mut none = [0.0f32; 4];
        turn_away(&mut none, &[0.0; 4], &start, 1.0);
        assert_eq!(none, [0.0; 4]);
    }
}
