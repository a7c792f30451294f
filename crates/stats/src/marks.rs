//! Numbers that a secret key gives to what somebody said: does the key fit better than chance?
//!
//! Whoever says the same thing ten times has said it once: the key gives it one number, and ten copies of that number are no ten numbers. The
//! tests here are of distinct things with how often each was said. The test that takes every copy for a number of its own is here too, because
//! it is what is published and used; it is no test, and its p-value is marked as asymptotic so that nothing can conclude from it.

use crate::chernoff::least;
use crate::exchangeable::detectable;
use crate::tails::{ln_beta_sf, ln_binomial_sf, ln_complement, ln_gamma, ln_gamma_sf, ln_normal_sf};
use crate::{InputError, NullDistribution, PValue};

/// Share of a count's logarithm that a weight is: what was said more often was learnt better, up to a point.
const WEIGHT_POWER: f64 = 0.75;

/// The law of one number under a key that had no part in what was said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// 1 with this probability, else 0.
    Bit {
        /// Between 0 and 1.
        rate: f64,
    },
    /// Above 0, with mean 1.
    Exponential,
}

impl Law {
    /// Its mean.
    pub fn mean(self) -> f64 {
        match self {
            Self::Bit { rate } => rate,
            Self::Exponential => 1.0,
        }
    }

    /// Its variance.
    pub fn variance(self) -> f64 {
        match self {
            Self::Bit { rate } => rate * (1.0 - rate),
            Self::Exponential => 1.0,
        }
    }

    /// Logarithm of `E e^{t (x − mean)}` and its slope in `t`.
    fn cumulant(self, t: f64) -> (f64, f64) {
        match self {
            Self::Bit { rate } => {
                // The larger power is taken out, so that nothing overflows.
                let (ones, zeros) = (rate.ln() + t, (-rate).ln_1p());
                let total = crate::tails::ln_add(ones, zeros);
                (total - rate * t, (ones - total).exp() - rate)
            }
            Self::Exponential if t < 1.0 => (-(-t).ln_1p() - t, t / (1.0 - t)),
            Self::Exponential => (f64::INFINITY, f64::INFINITY),
        }
    }

    fn check(self, values: &[f64]) -> Result<(), InputError> {
        let is_value = |value: f64| match self {
            Self::Bit { .. } => value == 0.0 || value == 1.0,
            Self::Exponential => value.is_finite() && value >= 0.0,
        };
        match (self, values.iter().find(|value| !is_value(**value))) {
            (Self::Bit { rate }, _) if !(rate > 0.0 && rate < 1.0) => Err(InputError::new("rate of the bits", rate, "between 0 and 1")),
            (_, Some(value)) => Err(InputError::new("number under the key", value, "one that its law can give")),
            _ if values.is_empty() => Err(InputError::new("numbers under the key", "none", "at least one")),
            _ => Ok(()),
        }
    }
}

/// Every distinct thing once: `P(Binomial(n, γ) ≥ Σx)`, or `P(Gamma(n) ≥ Σx)`.
///
/// Null hypothesis: what was said does not depend on the key, so that the numbers of distinct things are independent and of the law, whatever
/// was said. Exact.
///
/// # Errors
/// If there is no value, or one that the law cannot give.
pub fn once(values: &[f64], law: Law) -> Result<PValue, InputError> {
    law.check(values)?;
    Ok(PValue::new(ln_tail(values.iter().sum(), values.len() as u64, law), NullDistribution::Exact))
}

fn ln_tail(sum: f64, n: u64, law: Law) -> f64 {
    match law {
        Law::Bit { rate } => ln_binomial_sf(sum.round() as u64, n, rate),
        Law::Exponential => ln_gamma_sf(sum, n as f64),
    }
}

/// Every copy as if it were a thing of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Naive {
    /// Copies.
    pub n: u64,
    /// In standard deviations of independent copies, which they are not.
    pub z: f64,
    /// Of the same assumption: never rigorous.
    pub p_value: PValue,
}

/// The test that is published and no test: `Σ c x` over `Σ c` copies.
///
/// # Errors
/// As [`once`], or if there is not one count for each value.
pub fn naive(values: &[f64], counts: &[u64], law: Law) -> Result<Naive, InputError> {
    law.check(values)?;
    paired(values, counts)?;
    let n: u64 = counts.iter().sum();
    let sum: f64 = values.iter().zip(counts).map(|(x, &c)| x * c as f64).sum();
    let z = (sum - n as f64 * law.mean()) / (n as f64 * law.variance()).sqrt();
    let from = NullDistribution::Asymptotic { law: "copies taken for independent" };
    Ok(Naive { n, z, p_value: PValue::new(ln_tail(sum, n, law), from) })
}

fn paired(values: &[f64], counts: &[u64]) -> Result<(), InputError> {
    match counts.len() == values.len() && counts.iter().all(|&count| count > 0) {
        true => Ok(()),
        false => Err(InputError::new("counts", format!("{} for {} numbers", counts.len(), values.len()), "one above 0 for each")),
    }
}

/// Weights of distinct things by how often they were said, `c^0.75`.
pub fn weights(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|&count| (count as f64).powf(WEIGHT_POWER)).collect()
}

/// `Σ w (x − mean)`. Sums run in the order of the values.
pub fn weighted_sum(values: &[f64], weights: &[f64], law: Law) -> f64 {
    values.iter().zip(weights).map(|(x, w)| w * (x - law.mean())).sum()
}

/// `Σ w (x − mean)` in standard deviations of the null hypothesis.
pub fn weighted_z(sum: f64, weights: &[f64], law: Law) -> f64 {
    sum / (law.variance() * weights.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

/// `inf_λ Π_i E e^{λ w_i (x − mean)} · e^{−λT}`, a bound of `P(Σ w (x − mean) ≥ T)` under the null hypothesis of [`once`], given the weights.
pub fn chernoff(sum: f64, weights: &[f64], law: Law) -> PValue {
    let from = NullDistribution::Bound { of: "Chernoff" };
    let most = weights.iter().fold(0.0, |most: f64, &w| if w > most { w } else { most });
    if sum.is_nan() || sum <= 0.0 || most <= 0.0 {
        return PValue::new(0.0, from);
    }
    let at = |lambda: f64| {
        weights.iter().fold((-lambda * sum, -sum), |(value, slope), w| {
            let (cumulant, steep) = law.cumulant(lambda * w);
            (value + cumulant, slope + w * steep)
        })
    };
    let start = 1.0 / most;
    // Exponential numbers have no moments from there on.
    let limit = if matches!(law, Law::Bit { .. }) { 1e6 * start } else { start };
    PValue::new(least(at, start, limit), from)
}

/// For numbers that come in one after the other, each of the law given all that went before, until somebody stops for whatever reason: by Ville's
/// inequality for the likelihood ratio against all larger rates, mixed uniformly (of means, the rates `1/mean` in (0, 1)).
///
/// [`once`] asks that their number does not hang on them. Where texts are read that the key itself had a part in, it may; this does not care.
///
/// # Errors
/// As [`once`].
pub fn stopped(values: &[f64], law: Law) -> Result<PValue, InputError> {
    law.check(values)?;
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    let ln_ratio = match law {
        // ∫_γ^1 (q/γ)^S ((1−q)/(1−γ))^{n−S} dq / (1−γ)
        Law::Bit { rate } => {
            let ln_beta = ln_gamma(sum + 1.0) + ln_gamma(n - sum + 1.0) - ln_gamma(n + 2.0);
            ln_beta + ln_beta_sf(rate, sum + 1.0, n - sum + 1.0) - sum * rate.ln() - (n - sum + 1.0) * (-rate).ln_1p()
        }
        // ∫_0^1 θ^n e^{(1−θ)S} dθ
        Law::Exponential if sum > 0.0 => sum + ln_gamma(n + 1.0) - (n + 1.0) * sum.ln() + ln_complement(ln_gamma_sf(sum, n + 1.0)),
        Law::Exponential => 0.0,
    };
    Ok(PValue::new(-ln_ratio, NullDistribution::Bound { of: "Ville, uniform mixture" }))
}

/// Distinct things that would be needed to reject at `alpha` with probability `power`, if a `z` of `n` of them grows with the root of their number;
/// [`detectable`] standard deviations. `None` below one: what is seen may as well be nothing.
pub fn needed(z: f64, n: usize, alpha: f64, power: f64) -> Option<u64> {
    (z >= 1.0).then(|| (n as f64 * (detectable(alpha, power) / z).powi(2)).ceil() as u64)
}

/// The normal approximation of a weighted sum, for tables: what the bound costs.
pub fn weighted_normal(z: f64) -> PValue {
    PValue::new(ln_normal_sf(z), NullDistribution::Asymptotic { law: "normal" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator};
    use crate::uniformity::{clopper_pearson, ks_uniform};
    use proptest::prelude::*;

    const BITS: Law = Law::Bit { rate: 0.25 };

    fn drawn(seed: u64, law: Law, n: usize) -> Vec<f64> {
        let mut generator = generator(seed, "marks");
        let mut uniform = || (below(&mut generator, 1 << 52) as f64 + 0.5) / (1u64 << 52) as f64;
        (0..n)
            .map(|_| match law {
                Law::Bit { rate } => f64::from(u8::from(uniform() < rate)),
                Law::Exponential => -uniform().ln(),
            })
            .collect()
    }

    /// As often as words are said: a few often, most once.
    fn counts(n: usize) -> Vec<u64> {
        (0..n as u64).map(|i| 1 + 400 / (i + 1)).collect()
    }

    #[test]
    fn values_agree_with_scipy() {
        // scipy 1.17.1: binom.sf(2, 5, .25) = .103515625; gamma.sf(4.5, 3) = .17357807091004…
        assert!((once(&[1.0, 1.0, 1.0, 0.0, 0.0], BITS).unwrap().value() - 0.103_515_625).abs() < 1e-14);
        let expected = (-4.5f64).exp() * (1.0 + 4.5 + 4.5 * 4.5 / 2.0);
        assert!((once(&[0.5, 1.0, 3.0], Law::Exponential).unwrap().value() - expected).abs() < 1e-14);
    }

    #[test]
    fn what_no_law_gives_is_refused() {
        assert_eq!(once(&[], BITS).unwrap_err().to_string(), "numbers under the key: found none, expected at least one");
        assert!(once(&[0.5], BITS).is_err() && once(&[-1.0], Law::Exponential).is_err() && once(&[f64::NAN], Law::Exponential).is_err());
        assert!(once(&[1.0], Law::Bit { rate: 1.0 }).is_err() && naive(&[1.0], &[], BITS).is_err() && naive(&[1.0], &[0], BITS).is_err());
    }

    #[test]
    fn exact_p_values_are_uniform_bounds_are_no_smaller_and_copies_break_the_naive_test() {
        for law in [Law::Exponential, BITS, Law::Bit { rate: 0.5 }] {
            let counts = counts(300);
            let weights = weights(&counts);
            let (mut exact, mut bounds, mut stops, mut copies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for seed in 0..1000 {
                let values = drawn(seed, law, counts.len());
                exact.push(once(&values, law).unwrap().value());
                bounds.push(chernoff(weighted_sum(&values, &weights, law), &weights, law).value());
                stops.push(stopped(&values, law).unwrap().value());
                copies.push(naive(&values, &counts, law).unwrap().p_value.value());
            }
            let below = |ps: &[f64], level: f64| ps.iter().filter(|p| **p <= level).count() as u64;
            if law == Law::Exponential {
                assert!(ks_uniform(&exact).unwrap().p.value() > 1e-3);
            }
            // At most the level, as far as 1,000 draws can tell.
            for ps in [&exact, &bounds, &stops] {
                for level in [0.01, 0.1] {
                    assert!(clopper_pearson(below(ps, level), 1000, 0.998).unwrap().0 <= level, "{law:?}");
                }
                assert_eq!(below(ps, 1e-5), 0, "{law:?}");
            }
            assert!(below(&copies, 1e-5) > 20, "{law:?}: {}", below(&copies, 1e-5));
        }
    }

    #[test]
    fn whoever_stops_when_it_looks_best_gains_nothing() {
        // The smallest p of all beginnings of 400 numbers: the bound holds for it, the exact test of a fixed number does not.
        for law in [BITS, Law::Exponential] {
            let least = |p: fn(&[f64], Law) -> Result<PValue, InputError>| {
                let of = |seed: u64| {
                    let values = drawn(seed, law, 400);
                    (1..=400).map(|n| p(&values[..n], law).unwrap().value()).fold(1.0, |least: f64, p| if p < least { p } else { least })
                };
                (0..300).filter(|&seed| of(seed) <= 0.05).count() as u64
            };
            assert!(clopper_pearson(least(stopped), 300, 0.998).unwrap().0 <= 0.05);
            assert!(clopper_pearson(least(once), 300, 0.998).unwrap().0 > 0.05);
        }
    }

    #[test]
    fn equal_weights_give_a_bound_above_the_exact_tail_and_near_it() {
        for law in [BITS, Law::Exponential] {
            let (n, mean) = (400, if law == BITS { 0.4 } else { 1.5 });
            let values: Vec<f64> = (0..n).map(|i| if law == BITS { f64::from(u8::from(i % 5 < 2)) } else { mean }).collect();
            let ones = vec![1.0; n];
            let (exact, bound) = (once(&values, law).unwrap().ln(), chernoff(weighted_sum(&values, &ones, law), &ones, law).ln());
            assert!(bound >= exact && bound < exact + 4.0, "{law:?}: {exact} {bound}");
            let stop = stopped(&values, law).unwrap().ln();
            assert!(stop >= exact && stop < exact + 6.0, "{law:?}: {exact} {stop}");
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_scales_of_weights_do_not(seed: u64, n in 2usize..40, scale in 0.1f64..10.0) {
            for law in [BITS, Law::Exponential] {
                let mut values = drawn(seed, law, n);
                let mut counts = counts(n);
                let of = |values: &[f64], weights: &[f64]| chernoff(weighted_sum(values, weights, law), weights, law).ln();
                let weighted = weights(&counts);
                let (plain, exact) = (of(&values, &weighted), once(&values, law).unwrap().ln());
                let scaled: Vec<f64> = weighted.iter().map(|w| w * scale).collect();
                prop_assert!((of(&values, &scaled) - plain).abs() <= 1e-6 * plain.abs() + 1e-9);
                values.reverse();
                counts.reverse();
                prop_assert!((of(&values, &weights(&counts)) - plain).abs() <= 1e-6 * plain.abs() + 1e-9);
                prop_assert!((once(&values, law).unwrap().ln() - exact).abs() <= 1e-9 * exact.abs() + 1e-12);
            }
        }
    }
}
