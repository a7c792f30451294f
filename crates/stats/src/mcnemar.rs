//! Of two things that were asked the same questions, does the first succeed more often? McNemar's test, exact.

use crate::tails::ln_binomial_sf;
use crate::{NullDistribution, PValue};
use std::f64::consts::LN_2;

/// The outcome of [`mcnemar`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mcnemar {
    /// `b`: questions on which the first alone succeeded.
    pub only_first: u64,
    /// `c`: questions on which the second alone did.
    pub only_second: u64,
    /// `P(Binomial(b + c, ½) ≥ b)`.
    pub p_value: PValue,
}

/// McNemar's exact test, one-sided.
///
/// Null hypothesis: questions are drawn independently, and on one of them the first alone succeeds at most as probably as the second alone.
/// Where both succeed or both fail, nothing is said of the difference. Statistic: `b`; large values count. Given `b + c` it is binomial with
/// probability ½ at most. Reference: McNemar, Psychometrika 12 (1947).
pub fn mcnemar(only_first: u64, only_second: u64) -> Mcnemar {
    let n = only_first + only_second;
    // At b = 0 the tail is everything; from b = n it is one term, which needs no continued fraction.
    let ln_p = match only_first {
        0 => 0.0,
        b if b == n => -(n as f64) * LN_2,
        b => ln_binomial_sf(b, n, 0.5),
    };
    Mcnemar { only_first, only_second, p_value: PValue::new(ln_p, NullDistribution::Exact) }
}

/// [`mcnemar`] of `(first, second)` successes, question by question.
pub fn mcnemar_of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Mcnemar {
    let (b, c) =
        pairs.into_iter().fold((0, 0), |(b, c), (first, second)| (b + u64::from(first && !second), c + u64::from(second && !first)));
    mcnemar(b, c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator};
    use crate::tails::ln_choose;
    use proptest::prelude::*;

    #[test]
    fn p_values_agree_with_scipy() {
        // scipy 1.17.1: scipy.stats.binomtest(b, b + c, .5, alternative="greater").pvalue
        for (b, c, expected) in [
            (1, 0, 0.5),
            (5, 5, 0.623046875),
            (15, 5, 0.020694732666015625),
            (120, 80, 0.002842577998375153),
            (400, 200, 1.1962888493854296e-16),
            (3, 9, 0.980712890625),
        ] {
            let found = mcnemar(b, c).p_value;
            assert!((found.value() / expected - 1.0f64).abs() < 1e-9, "{b} {c}: {}", found.value());
            assert_eq!(found.from(), NullDistribution::Exact);
        }
        assert_eq!(mcnemar(0, 0).p_value.value(), 1.0);
    }

    #[test]
    fn p_is_never_more_often_small_than_it_says() {
        let p: Vec<f64> = (0..1000)
            .map(|seed| {
                let mut rng = generator(seed, "mcnemar");
                mcnemar_of((0..400).map(|_| (below(&mut rng, 3) == 0, below(&mut rng, 3) == 0))).p_value.value()
            })
            .collect();
        for (level, most) in [(0.01, 21), (0.05, 69), (0.5, 541)] {
            // 99.5 % of binomials of 1,000 and the level: scipy 1.17.1, scipy.stats.binom.ppf(.995, 1000, level)
            let small = p.iter().filter(|p| **p <= level).count();
            assert!(small <= most, "{level}: {small}");
        }
    }

    proptest! {
        #[test]
        fn the_tails_share_the_middle(b in 0u64..300, c in 0u64..300) {
            // P(X ≥ b) + P(X ≥ c) = 1 + P(X = b), because X and n − X have one law.
            let sum = mcnemar(b, c).p_value.value() + mcnemar(c, b).p_value.value();
            let middle = (ln_choose(b + c, b) - (b + c) as f64 * LN_2).exp();
            prop_assert!((sum - 1.0 - middle).abs() < 1e-9);
        }

        #[test]
        fn one_more_for_the_first_is_never_weaker(b in 0u64..300, c in 0u64..300) {
            prop_assert!(mcnemar(b + 1, c).p_value.ln() <= mcnemar(b, c).p_value.ln() + 1e-12);
        }
    }
}
