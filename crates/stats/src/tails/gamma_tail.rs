//! The upper tails of the gamma and chi-square laws, as logarithms.

use super::gamma::{HALF_LN_TAU, deviance, stirling_error};

/// `ln P(X ≥ x)` for a chi-square variable with `k > 0` degrees of freedom, not necessarily whole. NaN if `k ≤ 0` or `x` is NaN.
///
/// ```
/// // Two degrees of freedom: the exponential law.
/// assert!((stats::tails::ln_chi2_sf(2e6, 2.0) + 1e6).abs() < 1e-6);
/// ```
pub fn ln_chi2_sf(x: f64, k: f64) -> f64 {
    ln_gamma_sf(x / 2.0, k / 2.0)
}

/// `ln P(X ≥ x)` for a gamma variable of shape `a > 0` and scale 1: `ln Q(a, x)`, the regularised upper incomplete gamma function.
///
/// Series for `P = 1 − Q` below `a + 1`, Legendre's continued fraction for `Q` above (Abramowitz and Stegun 6.5.29 and 6.5.31). The common
/// factor `x^a e^-x / Γ(a)` is formed as in Loader (2000), so that nothing large cancels. Takes about `√a` steps near `x = a`.
pub fn ln_gamma_sf(x: f64, a: f64) -> f64 {
    if x.is_nan() || a.is_nan() || a <= 0.0 || a == f64::INFINITY {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 0.0;
    }
    if x == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    if x < a + 1.0 {
        let lower = (ln_density_factor(x, a) - a.ln()).exp() * lower_series(x, a);
        // Rounding may carry a probability of one past one.
        return if lower < 1.0 { (-lower).ln_1p() } else { f64::NEG_INFINITY };
    }
    ln_density_factor(x, a) + upper_fraction(x, a).ln()
}

/// `ln(x^a e^-x / Γ(a))`.
fn ln_density_factor(x: f64, a: f64) -> f64 {
    if a < 1e-3 {
        // Γ(a) ≈ 1/a is far from Stirling's regime; nothing is large here.
        return a * x.ln() - x - super::ln_gamma(a);
    }
    0.5 * a.ln() - HALF_LN_TAU - stirling_error(a) - a * deviance((x - a) / a, x / a)
}

/// `1 + x/(a+1) + x²/((a+1)(a+2)) + …`
fn lower_series(x: f64, a: f64) -> f64 {
    let mut sum = 0.0;
    let mut term = 1.0;
    let mut denominator = a;
    while sum + term != sum {
        sum += term;
        denominator += 1.0;
        term *= x / denominator;
    }
    sum
}

/// `Γ(a, x) / (x^a e^-x)` for `x ≥ a + 1`, by Lentz's method.
fn upper_fraction(x: f64, a: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    let mut n = 1.0;
    loop {
        let numerator = -n * (n - a);
        b += 2.0;
        d = numerator * d + b;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = b + numerator / c;
        c = if c.abs() < TINY { TINY } else { c };
        let factor = c * d;
        h *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON || n > 1e8 {
            return h;
        }
        n += 1.0;
    }
}
