//! What stands between the matrices of an MLP, and the exponential that softmax and it share.
//!
//! They are polynomials without branches, which the compiler turns into vectors of whatever width the machine has; no step depends on that
//! width, so that the bits do not either.

use pulp::Arch;
use sources::form::Activation;

/// Applies the nonlinearity of an MLP to every value.
pub(crate) fn apply(activation: Activation, values: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || match activation {
            Activation::Silu => values.iter_mut().for_each(|x| *x *= sigmoid(*x)),
            Activation::Gelu => values.iter_mut().for_each(|x| *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2))),
            // (1 + tanh u) / 2 is the sigmoid of 2u.
            Activation::GeluTanh => values.iter_mut().for_each(|x| *x *= sigmoid(TWICE_ROOT_2_OVER_PI * (*x + 0.044_715 * *x * *x * *x))),
            Activation::Relu => values.iter_mut().for_each(|x| *x = if *x > 0.0 { *x } else { 0.0 }),
        },
    );
}

/// Multiplies each value of `d` with the nonlinearity's slope at the value of `x` that stands beside it.
pub(crate) fn slope(activation: Activation, x: &[f32], d: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let pairs = d.iter_mut().zip(x);
            match activation {
                Activation::Silu => pairs.for_each(|(d, &x)| {
                    let s = sigmoid(x);
                    *d *= s * (1.0 + x * (1.0 - s));
                }),
                // Φ(x) + x φ(x).
                Activation::Gelu => pairs.for_each(|(d, &x)| {
                    let density = exp(-0.5 * x * x) * (0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                    *d *= 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)) + x * density;
                }),
                Activation::GeluTanh => pairs.for_each(|(d, &x)| {
                    let s = sigmoid(TWICE_ROOT_2_OVER_PI * (x + 0.044_715 * x * x * x));
                    *d *= s + x * s * (1.0 - s) * TWICE_ROOT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x);
                }),
                Activation::Relu => pairs.for_each(|(d, &x)| *d = if x > 0.0 { *d } else { 0.0 }),
            }
        },
    );
}

const TWICE_ROOT_2_OVER_PI: f32 = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::SQRT_2;

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `e^x` to two units in the last place between -87 and 88, where f32 has it; the values there beyond.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let r = x - power * LN_2_HIGH - power * LN_2_LOW;
    // Taylor's series; |r| is at most ln 2 / 2, where its next term is 5e-9.
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = (series * r + 1.0) * r + 1.0;
    series * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// The error function to 1.5e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let series = 1.061_405_4;
    let series = series * t - 1.453_152_1;
    let series = series * t + 1.421_413_8;
    let series = series * t - 0.284_496_72;
    let series = series * t + 0.254_829_6;
    (1.0 - series * t * exp(-size * size)).copysign(x)
}

/// Turns each row of scores into probabilities; rows of `width` values, of which the mask has hidden some by negative infinity.
pub(crate) fn softmax_rows(scores: &mut [f32], width: usize) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in scores.chunks_exact_mut(width.max(1)) {
                softmax(row);
            }
        },
    );
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &score| if score > largest { score } else { largest });
    // The exponential of what is hidden is 0, not the least that the polynomial knows.
    row.iter_mut().for_each(|score| *score = if *score == f32::NEG_INFINITY { 0.0 } else { exp(*score - largest) });
    let total = sum(row, |p| p);
    let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
    row.iter_mut().for_each(|p| *p *= scale);
}

/// The sum of what `of` makes of each value, in sixteen lanes: an order that any machine keeps.
#[inline(always)]
pub(crate) fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = values.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &value)| *lane += of(value));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &value)| *lane += of(value));
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 2.5e-7 * expected, "{x}: {found:e}, expected {expected:e}");
        }
        assert_eq!(exp(0.0), 1.0);
    }

    /// Abramowitz and Stegun, table 7.1.
    #[test]
    fn error_function_meets_the_table() {
        for (x, expected) in [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0), (-1.5, -0.966_105_146_5), (9.0, 1.0)]
        {
            assert!((f64::from(erf(x)) - expected).abs() < 3e-7, "{x}");
        }
    }

    /// `torch.nn.functional.{silu, gelu, gelu(approximate="tanh")}` of torch 2.15 on [-3, -0.5, 0, 1, 4] in float64.
    #[test]
    fn activations_meet_those_of_torch() {
        let of = |activation: Activation| {
            let mut values = vec![-3.0, -0.5, 0.0, 1.0, 4.0];
            apply(activation, &mut values);
            values
        };
        let expected = [
            (Activation::Silu, [-0.142_277_62, -0.188_770_33, 0.0, 0.731_058_6, 3.928_055]),
            (Activation::Gelu, [-0.004_049_69, -0.154_268_77, 0.0, 0.841_344_8, 3.999_873_3]),
            (Activation::GeluTanh, [-0.003_637_39, -0.154_286, 0.0, 0.841_192, 3.999_929_7]),
            (Activation::Relu, [0.0, 0.0, 0.0, 1.0, 4.0]),
        ];
        for (activation, expected) in expected {
            let found = of(activation);
            assert!(found.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{activation:?}: {found:?}");
        }
    }

    #[test]
    fn slopes_are_those_of_finite_differences() {
        for activation in [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            for x in [-2.0f32, -0.7, 0.3, 1.0, 3.0] {
                let of = |x: f32| {
                    let mut values = [x];
                    apply(activation, &mut values);
                    f64::from(values[0])
                };
                let step = 1.0 / 128.0;
                let expected = (of(x + step) - of(x - step)) / f64::from(2.0 * step);
                let mut found = [1.0];
                slope(activation, &[x], &mut found);
                assert!((f64::from(found[0]) - expected).abs() < 1e-4, "{activation:?} at {x}: {} for {expected}", found[0]);
            }
        }
    }

    #[test]
    fn rows_sum_to_one_and_hidden_scores_count_nothing() {
        let hidden = f32::NEG_INFINITY;
        let mut rows = vec![1.0, hidden, 3.0, 1e4, 1e4, hidden];
        softmax_rows(&mut rows, 3);
        let e = 2f32.exp();
        let expected = [1.0 / (1.0 + e), 0.0, e / (1.0 + e), 0.5, 0.5, 0.0];
        assert!(rows.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{rows:?}");
    }
}
