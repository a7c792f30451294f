//! The upper tail of the standard normal law, as a logarithm.

use super::gamma::HALF_LN_TAU;

/// `ln P(Z ≥ z)` for a standard normal `Z`.
///
/// Below 2 from the series of `Φ(z) − ½`, all of whose terms are positive; above from the continued fraction of Mills' ratio,
/// `R(z) = 1/(z + 1/(z + 2/(z + 3/(z + …))))`, as `−z²/2 − ½ ln 2π + ln R(z)` (Abramowitz and Stegun 26.2.11 and 26.2.14).
/// For negative `z` it is `ln(1 − P(Z ≥ −z))`, exact to the last digits even where the tail is nearly one.
///
/// ```
/// assert!((stats::tails::ln_normal_sf(0.0) - 0.5f64.ln()).abs() < 1e-15);
/// assert!((stats::tails::ln_normal_sf(1e4) + 50_000_010.13) < 0.01);
/// ```
pub fn ln_normal_sf(z: f64) -> f64 {
    if z.is_nan() {
        return z;
    }
    if z < 0.0 {
        let other_tail = ln_normal_sf(-z);
        return (-other_tail.exp()).ln_1p();
    }
    if z < 2.0 {
        return (0.5 - central_area(z)).ln();
    }
    if z == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    -0.5 * z * z - HALF_LN_TAU + mills_ratio(z).ln()
}

/// `Φ(z) − ½ = φ(z) (z + z³/3 + z⁵/(3·5) + …)`.
fn central_area(z: f64) -> f64 {
    let square = z * z;
    let mut term = z;
    let mut sum = 0.0;
    let mut odd = 1.0;
    while sum + term != sum {
        sum += term;
        odd += 2.0;
        term *= square / odd;
    }
    sum * (-0.5 * square - HALF_LN_TAU).exp()
}

/// `(1 − Φ(z)) / φ(z)` for `z ≥ 2`, the continued fraction from its far end.
fn mills_ratio(z: f64) -> f64 {
    // The error after n terms falls like exp(−2z √(2n)): at z = 2, 150 terms are far more than enough.
    let n_terms = (20.0 + 520.0 / (z * z)) as u32;
    let mut tail = z;
    for n in (1..=n_terms).rev() {
        tail = z + f64::from(n) / tail;
    }
    1.0 / tail
}
