//! Logarithms of the gamma function and of factorials, and the two small functions that keep large exponents exact.

/// `½ ln 2π`.
pub(super) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// `ln Γ(x)` for `x > 0`; `+∞` at 0, NaN below.
///
/// Stirling's series above 16, the recurrence `Γ(x) = Γ(x+1)/x` below. The error is at most `1e-14` near the zeros at 1 and 2 and
/// `2e-15 · |ln Γ(x)|` elsewhere. Reference: Loader, *Fast and accurate computation of binomial probabilities* (2000), for the split
/// into a main term and [`stirling_error`].
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 || x == f64::INFINITY {
        return f64::INFINITY;
    }
    if x < 1e-8 {
        // Γ(x) = 1/x − γ + O(x), with Euler's γ; the recurrence would divide by a number too small.
        const EULER: f64 = 0.577_215_664_901_532_9;
        return -x.ln() - EULER * x;
    }
    (x - 0.5) * x.ln() - x + HALF_LN_TAU + stirling_error(x)
}

/// `ln n!`, with the accuracy of [`ln_gamma`]; exactly 0 for 0 and 1.
pub fn ln_factorial(n: u64) -> f64 {
    if n < 2 { 0.0 } else { ln_gamma(n as f64 + 1.0) }
}

/// `ln C(n, k)`, the number of ways to choose `k` of `n`; `−∞` if `k > n`.
///
/// Relative error `1e-13` for `n` up to `1e6`: the smaller of `k` and `n − k` factors are added when there are few of them, so that a
/// small coefficient of a large set does not come from the difference of large logarithms.
pub fn ln_choose(n: u64, k: u64) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    let k = k.min(n - k);
    if k <= 64 {
        return (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).ln()).sum();
    }
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// `δ(x) = ln Γ(x) − ((x − ½) ln x − x + ½ ln 2π)`, what Stirling's formula leaves out: about `1/(12x)`.
pub(super) fn stirling_error(x: f64) -> f64 {
    const LARGE: f64 = 16.0;
    // Numerators and denominators of B_2k / (2k (2k−1)), k = 1…8 (Abramowitz and Stegun 6.1.41).
    const SERIES: [f64; 8] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0, -3617.0 / 122_400.0];
    let mut shift = 0.0;
    let mut x = x;
    while x < LARGE {
        // δ(x) − δ(x+1) = (x + ½) ln(1 + 1/x) − 1
        shift += (x + 0.5) * (1.0 / x).ln_1p() - 1.0;
        x += 1.0;
    }
    let inverse_square = 1.0 / (x * x);
    shift + SERIES.iter().rev().fold(0.0, |sum, term| sum * inverse_square + term) / x
}

/// `u − ln t` for a ratio `t = 1 + u > 0`, without cancellation near 1, where it is `u²/2`. The caller gives both, because near 0 the
/// ratio holds digits that `1 + u` has lost, and near 1 it is the other way round.
///
/// With `v = u/(2+u)`: `ln(1+u) = 2 artanh v` and `u − 2v = uv`, hence `uv − 2v³(1/3 + v²/5 + …)`.
pub(super) fn deviance(u: f64, t: f64) -> f64 {
    if u.abs() > 0.4 {
        return u - t.ln();
    }
    let v = u / (2.0 + u);
    let square = v * v;
    let mut sum = 0.0;
    let mut power = 1.0;
    let mut odd = 3.0;
    loop {
        let next = sum + power / odd;
        if next == sum {
            return v * (u - 2.0 * square * sum);
        }
        sum = next;
        power *= square;
        odd += 2.0;
    }
}
