//! The tails of the beta and binomial laws, as logarithms.

use super::gamma::{HALF_LN_TAU, deviance, stirling_error};
use super::ln_complement;

/// `ln P(X ≥ x)` for `X ~ Beta(a, b)`, `a, b > 0`. NaN outside the domain.
pub fn ln_beta_sf(x: f64, a: f64, b: f64) -> f64 {
    ln_tails(x, a, b).1
}

/// `ln P(X ≤ x)` for `X ~ Beta(a, b)`: `ln I_x(a, b)`, the regularised incomplete beta function. NaN outside the domain.
pub fn ln_beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    ln_tails(x, a, b).0
}

/// `ln P(K ≥ k)` for `K ~ Binomial(n, p)`, by `P(K ≥ k) = I_p(k, n − k + 1)`. NaN unless `0 ≤ p ≤ 1`.
///
/// ```
/// // Twenty heads in twenty throws.
/// assert!((stats::tails::ln_binomial_sf(20, 20, 0.5) - 20.0 * 0.5f64.ln()).abs() < 1e-13);
/// ```
pub fn ln_binomial_sf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if k == 0 {
        return 0.0;
    }
    if k > n {
        return f64::NEG_INFINITY;
    }
    ln_beta_cdf(p, k as f64, (n - k) as f64 + 1.0)
}

/// `ln P(T ≥ t)` for Student's `T` with `df` degrees of freedom, by `P(|T| ≥ t) = I_{df/(df + t²)}(df/2, 1/2)`. NaN unless `df > 0`.
pub fn ln_student_sf(t: f64, df: f64) -> f64 {
    let ln_half_tails = ln_beta_cdf(df / (df + t * t), df / 2.0, 0.5) - std::f64::consts::LN_2;
    if t >= 0.0 { ln_half_tails } else { ln_complement(ln_half_tails) }
}

/// `(ln I_x(a, b), ln(1 − I_x(a, b)))`: the smaller side by the continued fraction, the other as its complement.
fn ln_tails(x: f64, a: f64, b: f64) -> (f64, f64) {
    let in_domain = (0.0..=1.0).contains(&x) && a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite();
    if !in_domain {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 {
        return (f64::NEG_INFINITY, 0.0);
    }
    if x == 1.0 {
        return (0.0, f64::NEG_INFINITY);
    }
    let prefactor = ln_density_factor(x, a, b);
    if x < (a + 1.0) / (a + b + 2.0) {
        let lower = at_most_zero(prefactor - a.ln() + fraction(x, a, b).ln());
        (lower, ln_complement(lower))
    } else {
        let upper = at_most_zero(prefactor - b.ln() + fraction(1.0 - x, b, a).ln());
        (ln_complement(upper), upper)
    }
}

/// `ln(x^a (1−x)^b / B(a, b))` as in Loader (2000): with `n = a + b`, `B` by Stirling's formula and its error, and the exponent as
/// a sum of two deviances, both from the one difference `nx − a = b − n(1−x)`, so that the rounding of `1 − x` does no harm.
fn ln_density_factor(x: f64, a: f64, b: f64) -> f64 {
    let n = a + b;
    let difference = n.mul_add(x, -a);
    let deviance = a * deviance(difference / a, n * x / a) + b * deviance(-difference / b, n * (1.0 - x) / b);
    0.5 * (a.ln() + b.ln() - n.ln()) - HALF_LN_TAU + stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance
}

/// The continued fraction of `a B(a,b) I_x(a,b) / (x^a (1−x)^b)` (Abramowitz and Stegun 26.5.8), by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    let mut m = 1.0;
    loop {
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(even.mul_add(d, 1.0));
        c = guard(1.0 + even / c);
        h *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(odd.mul_add(d, 1.0));
        c = guard(1.0 + odd / c);
        let factor = c * d;
        h *= factor;
        if (factor - 1.0).abs() <= f64::EPSILON || m > 1e7 {
            return h;
        }
        m += 1.0;
    }
}

/// Rounding may carry the logarithm of a probability of one past zero.
fn at_most_zero(ln_p: f64) -> f64 {
    if ln_p > 0.0 { 0.0 } else { ln_p }
}
