//! The least of Chernoff's bounds: any tilt gives one, so how well the least is found costs power and never validity.

/// Halvings of the interval around the best tilt: more than the digits of a double can tell apart.
const HALVINGS: u32 = 60;

/// `inf_λ f(λ)` over `λ ≥ 0` of a convex `f` with `f(0) = 0`, the logarithm of `E e^{λX} · e^{−λT}` under the null hypothesis.
///
/// `at` gives `f` and its slope. The slope is below 0 until the least is reached: `start` is doubled while it is, up to `limit`, then the interval is
/// halved. Where the law has a pole, `start` is the pole, where the slope is infinite, and `limit` is the same. The value is of a tilt whose
/// slope is still below 0, so it is a bound whatever rounding does.
pub(crate) fn least(at: impl Fn(f64) -> (f64, f64), start: f64, limit: f64) -> f64 {
    let (mut low, mut high) = (0.0, start);
    while at(high).1 < 0.0 && high < limit {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if at(middle).1 < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(low).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A normal law of variance `s²` has `f(λ) = s²λ²/2 − λT`, least at `−T²/2s²`; no start changes it.
        #[test]
        fn the_least_of_a_normal_law_is_its_closed_form(t in 0.01f64..100.0, s in 0.01f64..10.0, start in 1e-3f64..1e3) {
            let found = least(|lambda| (0.5 * s * s * lambda * lambda - lambda * t, s * s * lambda - t), start, 1e12);
            let expected = -t * t / (2.0 * s * s);
            prop_assert!((found - expected).abs() <= 1e-9 * -expected && found >= expected * (1.0 + 1e-12), "{found} {expected}");
        }

        /// `X + 1` exponential has `f(λ) = −ln(1 − λ) − λ − λT` with a pole at 1, least at `λ = T/(1 + T)`: `ln(1 + T) − T`.
        #[test]
        fn a_pole_is_approached_and_not_crossed(t in 0.01f64..1e4) {
            let at = |lambda: f64| match lambda < 1.0 {
                true => (-(-lambda).ln_1p() - lambda - lambda * t, lambda / (1.0 - lambda) - t),
                false => (f64::INFINITY, f64::INFINITY),
            };
            let (found, expected) = (least(at, 1.0, 1.0), t.ln_1p() - t);
            prop_assert!((found - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
}
