//! A p-value in log space that knows which null distribution it came from, and the few ways in which p-values may be combined.

use crate::tails::{ln_add, ln_chi2_sf};
use std::f64::consts::{LN_2, LN_10};

/// Where a p-value comes from. The four kinds are never confused, because they do not claim the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullDistribution {
    /// The null distribution is known in closed form and was evaluated: `P(p ≤ α) ≤ α` by theorem.
    Exact,
    /// `n` draws from the null distribution, `p = (1 + #{as extreme}) / (n + 1)`: valid at any `n`, never below `1/(n + 1)`.
    Permutation {
        /// Number of draws.
        n: u32,
    },
    /// A limit law; the error at this sample size is not bounded.
    Asymptotic {
        /// The limit: `"normal"`.
        law: &'static str,
    },
    /// An inequality: the true p-value is at most this one.
    Bound {
        /// The inequality: `"Chatterjee 2007"`.
        of: &'static str,
    },
}

impl NullDistribution {
    /// Whether `P(p ≤ α) ≤ α` holds at every sample size, and not only in a limit.
    pub fn is_rigorous(self) -> bool {
        !matches!(self, Self::Asymptotic { .. })
    }
}

/// A p-value, kept as its natural logarithm, with its [`NullDistribution`].
///
/// Not a likelihood ratio, and never converted into one: it speaks about the null hypothesis only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValue {
    ln_p: f64,
    from: NullDistribution,
}

impl PValue {
    /// A p-value from its logarithm.
    ///
    /// Whatever does not speak against the null becomes 1: a positive `ln_p` (rounding, or a bound that says nothing) and NaN.
    /// A permutation p-value is raised to `1/(n + 1)`, the least that `n` draws can show.
    pub fn new(ln_p: f64, from: NullDistribution) -> Self {
        let ln_p = if ln_p < 0.0 { ln_p } else { 0.0 };
        let floor = match from {
            NullDistribution::Permutation { n } => -(f64::from(n) + 1.0).ln(),
            _ => f64::NEG_INFINITY,
        };
        Self { ln_p: if ln_p < floor { floor } else { ln_p }, from }
    }

    /// `(1 + as_extreme) / (n + 1)` after `n` draws from the null, `as_extreme` of which reached the observed statistic.
    ///
    /// Reference: Phipson and Smyth, *Permutation p-values should never be zero* (2010).
    pub fn from_permutations(as_extreme: u32, n: u32) -> Self {
        let ln_p = ((f64::from(as_extreme) + 1.0) / (f64::from(n) + 1.0)).ln();
        Self::new(ln_p, NullDistribution::Permutation { n })
    }

    /// The natural logarithm, at most 0.
    pub fn ln(self) -> f64 {
        self.ln_p
    }

    /// The decimal logarithm, at most 0: what reports print.
    pub fn log10(self) -> f64 {
        self.ln_p / LN_10
    }

    /// The p-value itself; 0 where it is below the smallest positive number.
    pub fn value(self) -> f64 {
        self.ln_p.exp()
    }

    /// Where it comes from.
    pub fn from(self) -> NullDistribution {
        self.from
    }

    /// Whether the p-value is valid at this sample size: exact, by permutation, or a bound.
    pub fn is_rigorous(self) -> bool {
        self.from.is_rigorous()
    }
}

/// A p-value by drawing where the draws can tell, and a rigorous bound beyond them: `bound` where no draw reached the statistic and it says less
/// than one in their number, `drawn` otherwise.
///
/// Valid without a correction for looking twice: for a level below `1 / (n + 1)` it rejects only where the bound does, and for any other only
/// where the draws do. Both must be of one null hypothesis; they may be of different statistics.
pub fn beyond_draws(drawn: PValue, bound: PValue) -> PValue {
    match drawn.from {
        // One draw more would add ln 2; half of it keeps rounding apart from that.
        NullDistribution::Permutation { n } if drawn.ln_p + (f64::from(n) + 1.0).ln() < 0.5 * LN_2 && bound.ln_p < drawn.ln_p => bound,
        _ => drawn,
    }
}

/// `n · min p`: valid under any dependence between the p-values. `None` if there are none.
///
/// Null hypothesis: all of the null hypotheses. The result is a bound, or asymptotic if any input is.
pub fn bonferroni(p_values: &[PValue]) -> Option<PValue> {
    let smallest = p_values.iter().map(|p| p.ln_p).min_by(f64::total_cmp)?;
    Some(PValue::new(smallest + (p_values.len() as f64).ln(), combined(p_values, "Bonferroni")))
}

/// Fisher's combination of **independent** p-values: `P(χ²_2n ≥ −2 Σ ln p_i)`. `None` if there are none.
///
/// Null hypothesis: all of the null hypotheses, and independence between the parts. The law is exact for continuous exact p-values; for
/// discrete ones and bounds, which are stochastically larger than uniform, the result is conservative and is called a bound.
/// Asymptotic inputs give an asymptotic result. Reference: Fisher, *Statistical Methods for Research Workers*, 4th ed. (1932), § 21.1.
pub fn fisher(p_values: &[PValue]) -> Option<PValue> {
    if p_values.is_empty() {
        return None;
    }
    let statistic = -2.0 * p_values.iter().map(|p| p.ln_p).sum::<f64>();
    let from =
        if p_values.iter().all(|p| p.from == NullDistribution::Exact) { NullDistribution::Exact } else { combined(p_values, "Fisher") };
    Some(PValue::new(ln_chi2_sf(statistic, 2.0 * p_values.len() as f64), from))
}

pub(crate) fn combined(p_values: &[PValue], name: &'static str) -> NullDistribution {
    if p_values.iter().all(|p| p.is_rigorous()) { NullDistribution::Bound { of: name } } else { NullDistribution::Asymptotic { law: name } }
}

/// An e-value, kept as its natural logarithm: a nonnegative statistic whose expectation under the null hypothesis is at most 1.
///
/// E-values of independent parts multiply; e-values of any parts may be averaged; by Markov's inequality `1/e` is a p-value. Parts may come in one
/// after the other: where each has expectation at most 1 given those before it, the product reaches `1/α` at any time, however long it goes
/// on and whoever stops it for whatever reason, with a probability of at most `α` (Ville's inequality).
/// Reference: Vovk and Wang, *E-values: calibration, combination and applications*, Annals of Statistics 49 (2021).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EValue {
    ln_e: f64,
    is_rigorous: bool,
}

impl EValue {
    /// The calibrator `e = ½ p^−½`, whose integral over `p` in (0, 1) is 1. Falling in `p`, so conservative p-values stay valid.
    pub fn from_p(p: PValue) -> Self {
        Self { ln_e: -LN_2 - 0.5 * p.ln_p, is_rigorous: p.is_rigorous() }
    }

    /// The product over **independent** parts; 1 if there are none.
    pub fn product(parts: &[Self]) -> Self {
        Self { ln_e: parts.iter().map(|part| part.ln_e).sum(), is_rigorous: parts.iter().all(|part| part.is_rigorous) }
    }

    /// The mean over parts of **any** dependence; `None` if there are none.
    pub fn mean(parts: &[Self]) -> Option<Self> {
        let ln_sum = parts.iter().map(|part| part.ln_e).reduce(ln_add)?;
        Some(Self { ln_e: ln_sum - (parts.len() as f64).ln(), is_rigorous: parts.iter().all(|part| part.is_rigorous) })
    }

    /// The natural logarithm.
    pub fn ln(self) -> f64 {
        self.ln_e
    }

    /// The decimal logarithm: what reports print.
    pub fn log10(self) -> f64 {
        self.ln_e / LN_10
    }

    /// `p ≤ 1/e`.
    pub fn to_p(self) -> PValue {
        const NAME: &str = "product of e-values, Markov";
        let from = if self.is_rigorous { NullDistribution::Bound { of: NAME } } else { NullDistribution::Asymptotic { law: NAME } };
        PValue::new(-self.ln_e, from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(p: f64) -> PValue {
        PValue::new(p.ln(), NullDistribution::Exact)
    }

    #[test]
    fn nothing_is_above_one_and_nan_is_one() {
        assert_eq!(PValue::new(3.0, NullDistribution::Exact).ln(), 0.0);
        assert_eq!(PValue::new(f64::NAN, NullDistribution::Exact).ln(), 0.0);
        assert_eq!(PValue::new(f64::NEG_INFINITY, NullDistribution::Exact).value(), 0.0);
    }

    #[test]
    fn a_permutation_p_value_is_never_below_one_over_n_plus_one() {
        let p = PValue::new(-1e6, NullDistribution::Permutation { n: 999 });
        assert!((p.log10() + 3.0).abs() < 1e-12);
        assert_eq!(PValue::from_permutations(0, 999).ln(), p.ln());
        assert!((PValue::from_permutations(49, 999).value() - 0.05).abs() < 1e-15);
        assert_eq!(PValue::from_permutations(999, 999).value(), 1.0);
        assert_eq!(PValue::from_permutations(u32::MAX, u32::MAX).value(), 1.0);
    }

    #[test]
    fn a_bound_speaks_only_beyond_the_draws() {
        let bound = |ln_p: f64| PValue::new(ln_p, NullDistribution::Bound { of: "Chernoff" });
        let (none, one) = (PValue::from_permutations(0, 999), PValue::from_permutations(1, 999));
        assert_eq!(beyond_draws(none, bound(-20.0)), bound(-20.0));
        for n in [1, 9, 399, 9_999, 99_999] {
            assert_eq!(beyond_draws(PValue::from_permutations(0, n), bound(-20.0)), bound(-20.0), "{n}");
            assert_ne!(beyond_draws(PValue::from_permutations(1, n), bound(-20.0)), bound(-20.0), "{n}");
        }
        assert_eq!(beyond_draws(none, bound(-6.0)), none);
        assert_eq!(beyond_draws(one, bound(-20.0)), one);
        assert_eq!(beyond_draws(exact(0.5), bound(-20.0)), exact(0.5));
    }

    #[test]
    fn rigour_is_lost_by_one_asymptotic_part() {
        let limit = PValue::new(-3.0, NullDistribution::Asymptotic { law: "normal" });
        let bound = PValue::new(-3.0, NullDistribution::Bound { of: "Markov" });
        assert!(exact(0.1).is_rigorous() && bound.is_rigorous() && !limit.is_rigorous());
        assert!(fisher(&[exact(0.1), bound]).unwrap().is_rigorous());
        assert_eq!(fisher(&[exact(0.1), exact(0.2)]).unwrap().from(), NullDistribution::Exact);
        for combined in [fisher(&[exact(0.1), limit]), bonferroni(&[bound, limit])] {
            assert!(!combined.unwrap().is_rigorous());
        }
        let e = [EValue::from_p(limit), EValue::from_p(bound)];
        assert!(!EValue::product(&e).to_p().is_rigorous());
        assert!(EValue::product(&e[1..]).to_p().is_rigorous());
    }

    #[test]
    fn fisher_agrees_with_scipy() {
        // scipy 1.17.1: scipy.stats.combine_pvalues([0.01, 0.2, 0.3], method="fisher")
        let p = fisher(&[exact(0.01), exact(0.2), exact(0.3)]).unwrap();
        assert!((p.value() - 0.021_561_751_324_834_632).abs() < 1e-14, "{}", p.value());
        assert_eq!(fisher(&[]), None);
        assert_eq!(bonferroni(&[]), None);
    }

    #[test]
    fn the_calibrator_integrates_to_one() {
        // Midpoints of 10^6 cells in p = u², which removes the pole at 0: ∫ ½ p^−½ dp = ∫ ½ u^−1 · 2u du = 1.
        let n = 1_000_000;
        let sum: f64 = (0..n)
            .map(|i| {
                let u = (f64::from(i) + 0.5) / f64::from(n);
                EValue::from_p(exact(u * u)).ln().exp() * 2.0 * u
            })
            .sum();
        assert!((sum / f64::from(n) - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_one_p_value_is_itself(mut p in prop::collection::vec(1e-9f64..1.0, 1..8)) {
            let forward: Vec<PValue> = p.iter().map(|&p| exact(p)).collect();
            p.reverse();
            let backward: Vec<PValue> = p.iter().map(|&p| exact(p)).collect();
            let (one, other) = (fisher(&forward).unwrap().ln(), fisher(&backward).unwrap().ln());
            prop_assert!((one - other).abs() <= 1e-12 * one.abs());
            prop_assert_eq!(bonferroni(&forward), bonferroni(&backward));
            let alone = fisher(&forward[..1]).unwrap().ln();
            prop_assert!((alone - forward[0].ln()).abs() <= 1e-12 * alone.abs() + 1e-15);
        }

        #[test]
        fn e_values_multiply_and_average(p in prop::collection::vec(1e-12f64..1.0, 1..8)) {
            let parts: Vec<EValue> = p.iter().map(|&p| EValue::from_p(exact(p))).collect();
            let product: f64 = p.iter().map(|p| 0.5 / p.sqrt()).product();
            prop_assert!((EValue::product(&parts).ln() - product.ln()).abs() < 1e-9);
            let mean: f64 = p.iter().map(|p| 0.5 / p.sqrt()).sum::<f64>() / p.len() as f64;
            prop_assert!((EValue::mean(&parts).unwrap().ln() - mean.ln()).abs() < 1e-9);
        }
    }
}
