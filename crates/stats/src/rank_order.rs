//! Do values rise along an order that was drawn at random? Spearman's rank correlation, and two p-values that need nothing but the drawing.

use crate::exchangeable::exchange;
use crate::{InputError, NullDistribution, PValue, p_value, sampling};

/// What an order shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankOrder {
    /// Spearman's `ρ` of the places and the values.
    pub rho: f64,
    /// `(1 + #{ρ* ≥ ρ}) / (draws + 1)` over orders drawn anew.
    pub permutation: PValue,
    /// From pairs of places, without a floor.
    pub paired: PValue,
    /// By drawn orders; where none that was drawn reaches `ρ`, and the pairs say less than one in the number of draws, by pairs.
    pub p_value: PValue,
}

/// Tests whether `values`, which stand in the order, rise along it. `None` if they are all alike.
///
/// Null hypothesis: every order of the values is equally likely. Statistic: `ρ`, for ties of their middle ranks; large values count.
///
/// Permuting the order shows nothing below `1/(draws + 1)`. So place `i` from the front is paired with place `i` from the back: given which two
/// values fall into a pair, which of them came first is a fair coin, independent from pair to pair. Spearman's `Σ place · rank` is the sum over pairs of
/// half their distance times the difference of their ranks, so this test looks at the same number and loses next to nothing; its tail is bounded
/// ([`exchange`]), or counted where there are at most 14 pairs.
///
/// # Errors
/// If there are fewer than two values, or one is not finite.
pub fn rank_order(values: &[f64], draws: u32, seed: u64, label: &str) -> Result<Option<RankOrder>, InputError> {
    let n = values.len();
    if n < 2 {
        return Err(InputError::new("values of an order", n, "at least two"));
    }
    let mut ranks = midranks(values)?;
    if ranks.iter().all(|rank| *rank == ranks[0]) {
        return Ok(None);
    }
    // Ranks and places are halves of whole numbers, so these sums are exact, and equal orders tie.
    let sum = |ranks: &[f64]| ranks.iter().enumerate().map(|(place, rank)| place as f64 * rank).sum::<f64>();
    let observed = sum(&ranks);
    let places: Vec<f64> = (0..n).map(|place| place as f64).collect();
    let rho = pearson(&places, &ranks).unwrap_or(0.0);

    let half = |place: usize| 0.5 * (n - 1 - 2 * place) as f64;
    let pairs: Vec<Vec<Vec<f64>>> =
        (0..n / 2).map(|place| vec![vec![half(place) * ranks[n - 1 - place], half(place) * ranks[place]]]).collect();
    let by_pairs = exchange(&pairs, 0, seed, label)?;
    let paired = match by_pairs.arrangements.from() {
        NullDistribution::Exact => by_pairs.arrangements,
        _ => by_pairs.bound,
    };

    let mut generator = sampling::generator(seed, label);
    let reached = (0..draws).filter(|_| {
        sampling::shuffle(&mut generator, &mut ranks);
        sum(&ranks) >= observed
    });
    let permutation = PValue::from_permutations(reached.count() as u32, draws);
    let p_value = p_value::beyond_draws(permutation, paired);
    Ok(Some(RankOrder { rho, permutation, paired, p_value }))
}

/// Spearman's `ρ`: the correlation of middle ranks. `None` where one side does not vary.
///
/// # Errors
/// If the two differ in length, are empty, or hold a number that is not finite.
pub fn spearman(left: &[f64], right: &[f64]) -> Result<Option<f64>, InputError> {
    if left.len() != right.len() || left.is_empty() {
        return Err(InputError::new(
            "values of the right",
            right.len(),
            format!("{}, one for each of the left, and at least one", left.len()),
        ));
    }
    Ok(pearson(&midranks(left)?, &midranks(right)?))
}

/// Ranks from 0, ties at the middle of theirs.
///
/// # Errors
/// If a value is not finite.
pub fn midranks(values: &[f64]) -> Result<Vec<f64>, InputError> {
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(InputError::new("value", value, "a finite number"));
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let middle = from as f64 + 0.5 * (tied.len() - 1) as f64;
        tied.iter().for_each(|&i| ranks[i] = middle);
        from += tied.len();
    }
    Ok(ranks)
}

fn pearson(left: &[f64], right: &[f64]) -> Option<f64> {
    let n = left.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (x, y) = (mean(left), mean(right));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in left.iter().zip(right) {
        xx += (a - x) * (a - x);
        yy += (b - y) * (b - y);
        xy += (a - x) * (b - y);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uniformity;
    use proptest::prelude::*;

    fn drawn(seed: u64, label: &str, n: usize) -> Vec<f64> {
        let mut generator = sampling::generator(seed, label);
        // Skewed, and with ties.
        (0..n).map(|_| (sampling::below(&mut generator, 500) as f64 / 500.0).powi(3)).collect()
    }

    #[test]
    fn rho_agrees_with_scipy() {
        // scipy 1.17.1: scipy.stats.spearmanr(range(n), values).statistic
        for (values, expected) in [
            (vec![5.0, 6.0, 7.0, 8.0, 7.0], 0.820_782_681_668_123_3),
            (vec![2.5, 0.1, 3.0, 3.0, 2.0, 9.0, -1.0, 4.0], 0.251_501_515_001_784_4),
        ] {
            let places: Vec<f64> = (0..values.len()).map(|i| i as f64).collect();
            let found = spearman(&places, &values).unwrap().unwrap();
            assert!((found - expected).abs() < 1e-12, "{found}");
            assert!((rank_order(&values, 9, 0, "").unwrap().unwrap().rho - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn a_rising_order_of_six_is_one_of_eight_by_pairs() {
        let found = rank_order(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 9, 0, "").unwrap().unwrap();
        assert!((found.paired.value() - 0.125).abs() < 1e-12 && found.rho == 1.0, "{found:?}");
    }

    #[test]
    fn a_long_rising_order_has_no_floor() {
        // The least that n pairs could show is 2^−n; Chernoff's bound comes to that where all differences have one sign.
        let values: Vec<f64> = (0..200).map(f64::from).collect();
        let found = rank_order(&values, 99, 0, "").unwrap().unwrap();
        assert!((found.paired.log10() / (100.0 * 0.5f64.log10()) - 1.0).abs() < 0.05, "{found:?}");
        assert!(found.p_value.log10() < -25.0 && (found.permutation.value() - 0.01).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_ordered_is_refused() {
        assert_eq!(rank_order(&[1.0], 9, 0, "").unwrap_err().to_string(), "values of an order: found 1, expected at least two");
        assert_eq!(rank_order(&[1.0, f64::NAN], 9, 0, "").unwrap_err().to_string(), "value: found NaN, expected a finite number");
        assert_eq!(rank_order(&[2.0, 2.0, 2.0], 9, 0, "").unwrap(), None);
        assert!(spearman(&[1.0], &[]).is_err() && spearman(&[1.0, 1.0], &[1.0, 2.0]).unwrap().is_none());
    }

    #[test]
    fn p_is_uniform_under_the_null() {
        let (mut permutation, mut paired, mut both) = (Vec::new(), 0, 0);
        for trial in 0..1200u64 {
            let mut values = drawn(1, "null", 61);
            sampling::shuffle(&mut sampling::generator(trial, "order"), &mut values);
            let found = rank_order(&values, 399, trial, "null").unwrap().unwrap();
            permutation.push(found.permutation.value());
            paired += usize::from(found.paired.value() <= 0.05);
            both += usize::from(found.p_value.value() <= 0.01);
        }
        let uniform = uniformity::ks_uniform(&permutation).unwrap();
        assert!(uniform.p.value() > 1e-3, "{uniform:?}");
        // 99 % of binomials of 1,200 and .01 lie between 4 and 21.
        let small = permutation.iter().filter(|p| **p <= 0.01).count();
        assert!((4..=21).contains(&small) && paired <= 60 && both <= 21, "{small} {paired} {both}");
    }

    proptest! {
        #[test]
        fn a_rising_map_of_the_values_changes_nothing(seed: u64, scale in 0.1f64..10.0, shift in -5.0f64..5.0) {
            let values = drawn(seed, "laws", 40);
            let moved: Vec<f64> = values.iter().map(|x| (scale * x).exp() + shift).collect();
            let (one, other) = (rank_order(&values, 99, 1, "").unwrap(), rank_order(&moved, 99, 1, "").unwrap());
            prop_assert_eq!(one, other);
        }

        #[test]
        fn the_other_way_round_the_sign_turns(seed: u64) {
            let values = drawn(seed, "swap", 41);
            let backward: Vec<f64> = values.iter().rev().copied().collect();
            let (one, other) = (rank_order(&values, 9, 1, "").unwrap().unwrap(), rank_order(&backward, 9, 1, "").unwrap().unwrap());
            prop_assert!((one.rho + other.rho).abs() < 1e-12);
            prop_assert!(one.paired.ln() == 0.0 || other.paired.ln() == 0.0);
        }
    }
}
