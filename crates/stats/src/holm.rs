//! Several hypotheses tested at once: Holm's step-down.

use crate::PValue;
use crate::p_value::combined;

/// Holm's adjusted p-values, in the order of those given: rejecting where one is at most `α` rejects a true hypothesis with probability `α` at
/// most, whatever the dependence.
///
/// The `k`-th smallest of `n` becomes the largest of `(n − j + 1) p_(j)` over `j ≤ k`. A p-value alone stays what it is; of several, rigorous ones give
/// bounds, and one that is asymptotic makes those asymptotic that are adjusted by it. Reference: Holm, Scandinavian Journal of Statistics 6 (1979).
pub fn holm(p_values: &[PValue]) -> Vec<PValue> {
    if let [alone] = p_values {
        return vec![*alone];
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| p_values[i].ln().total_cmp(&p_values[j].ln()).then(i.cmp(&j)));
    let mut adjusted = p_values.to_vec();
    let mut largest = f64::NEG_INFINITY;
    let mut used = Vec::with_capacity(order.len());
    for (rank, &place) in order.iter().enumerate() {
        let p = p_values[place];
        let stepped = p.ln() + ((order.len() - rank) as f64).ln();
        largest = if stepped > largest { stepped } else { largest };
        used.push(p);
        adjusted[place] = PValue::new(largest, combined(&used, "Holm"));
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NullDistribution, p_value};
    use proptest::prelude::*;

    fn exact(p: f64) -> PValue {
        PValue::new(p.ln(), NullDistribution::Exact)
    }

    #[test]
    fn adjusted_values_agree_with_statsmodels() {
        // statsmodels 0.15.0: multipletests([.01, .04, .03, .005, .6], method="holm")[1]
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.6].map(exact));
        for (found, expected) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.025, 0.6]) {
            assert!((found.value() - expected).abs() < 1e-14, "{found:?}");
            assert_eq!(found.from(), NullDistribution::Bound { of: "Holm" });
        }
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[exact(0.3)]), [exact(0.3)]);
    }

    #[test]
    fn an_asymptotic_p_value_spoils_those_after_it_alone() {
        let limit = PValue::new(0.02f64.ln(), NullDistribution::Asymptotic { law: "normal" });
        let adjusted = holm(&[exact(0.5), limit, exact(0.01)]);
        assert_eq!(adjusted.iter().map(|p| p.is_rigorous()).collect::<Vec<_>>(), [false, false, true]);
    }

    proptest! {
        #[test]
        fn the_smallest_is_bonferroni_s_and_order_does_not_matter(p in prop::collection::vec(1e-9f64..1.0, 2..9)) {
            let given: Vec<PValue> = p.iter().copied().map(exact).collect();
            let adjusted = holm(&given);
            let least = adjusted.iter().map(|p| p.ln()).min_by(f64::total_cmp).unwrap();
            prop_assert!((least - p_value::bonferroni(&given).unwrap().ln()).abs() < 1e-12);
            let backward: Vec<PValue> = given.iter().rev().copied().collect();
            let mut again = holm(&backward);
            again.reverse();
            for ((one, other), p) in adjusted.iter().zip(&again).zip(&given) {
                prop_assert!((one.ln() - other.ln()).abs() < 1e-12 && one.ln() >= p.ln());
            }
        }
    }
}
