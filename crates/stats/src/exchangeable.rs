//! Does the first of several values that could have come in any order stand out, over many clusters of such values?
//!
//! An owner's API released one reply to a request and could as well have released any of its twins, drawn alike from the same snapshot. To a
//! model that never saw the released one, all of them are strangers, so the place of the released one among them is uniformly random
//! whatever the model is. With one twin that is a random sign; with more it is not, because `x₀ − mean(x₁ … x_m)` is skewed.

use crate::tails::ln_normal_sf;
use crate::{InputError, NullDistribution, PValue, chernoff, p_value, sampling};

/// Enumerated instead of drawn up to this many arrangements.
const MAX_ENUMERATED: u64 = 1 << 14;
/// Sums that differ by less than this share of their largest possible value count as equal, against the finding.
const TIE: f64 = 1e-12;

/// What exchangeable values show.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// `T`: the sum over clusters of how far the first value lies above the mean of the others.
    pub sum: f64,
    /// `w_c0`: what each cluster adds to it, in their order.
    pub differences: Vec<f64>,
    /// `T` of the arrangements that were drawn or enumerated.
    pub null_sums: Vec<f64>,
    /// Clusters whose values are not all alike: the only ones that can say anything.
    pub n_informative: usize,
    /// Standard deviation of `T` under the null hypothesis, given the values.
    pub null_sd: f64,
    /// By enumeration, or by drawing arrangements.
    pub arrangements: PValue,
    /// The least of the bounds, which reaches below one in the number of draws.
    pub bound: PValue,
    /// By arrangements; where none that was drawn reaches the sum, and the bound says less than one in the number of draws, the bound.
    pub p_value: PValue,
}

impl Exchange {
    /// `T` in standard deviations of the null hypothesis; 0 where nothing varies.
    pub fn z(&self) -> f64 {
        if self.null_sd > 0.0 { self.sum / self.null_sd } else { 0.0 }
    }
}

/// Tests whether the first value of each cluster is larger than the others.
///
/// A cluster is a set of requests that share one fate; `clusters[c][r]` are the `m + 1` values of request `r`, the released one first. Requests of
/// one cluster must have equally many values.
///
/// Null hypothesis: within every cluster, the `m + 1` places are exchangeable, all requests of the cluster together; clusters are
/// independent. Statistic: `T = Σ_c w_c0`, `w_ck = Σ_r (m + 1)/m · (x_rk − mean_k x_rk)`, which for one twin is `Σ (x₀ − x₁)`; large values count. p in
/// three forms: all arrangements (up to 16,384 of them), else `(1 + #{T* ≥ T}) / (draws + 1)` over drawn ones; and
/// `inf_λ Π_c mean_k exp(λ w_ck) · exp(−λT)`, which is never above Hoeffding's `exp(−2T²/Σ_c (max_k w_ck − min_k w_ck)²)`, for one twin
/// `exp(−T²/2Σw²)`. For one twin `T` is a sum of fair coins, each times its `w`, whose tail is also at most `c · P(N ≥ T/√Σw²)` with
/// `1/c = 4 P(N ≥ √2)`, for a standard normal `N`; the smaller of both is given, since both bound one probability. Reference: Bentkus and
/// Dzindzalieta, *A tight Gaussian bound for weighted sums of Rademacher random variables*, Bernoulli 21 (2015), Theorem 1.1.
///
/// `p_value` needs no correction for looking twice: below `1 / (draws + 1)` it is the bound alone, and from there on the drawn arrangements
/// alone, since the bound speaks only where none of them reaches the sum.
///
/// # Errors
/// If there is no cluster, a request has fewer than two values, those of a cluster differ in number, or a value is not finite.
pub fn exchange(clusters: &[Vec<Vec<f64>>], draws: u32, seed: u64, label: &str) -> Result<Exchange, InputError> {
    if clusters.is_empty() {
        return Err(InputError::new("clusters", 0, "at least one"));
    }
    let weights: Vec<Vec<f64>> = clusters.iter().map(|requests| deviations(requests)).collect::<Result<_, _>>()?;
    let differences: Vec<f64> = weights.iter().map(|w| w[0]).collect();
    let sum = differences.iter().fold(0.0, |sum, w| sum + w);
    let informative: Vec<&Vec<f64>> = weights.iter().filter(|w| w.iter().any(|x| *x != 0.0)).collect();
    let variance: f64 = informative.iter().map(|w| w.iter().map(|x| x * x).sum::<f64>() / w.len() as f64).fold(0.0, |sum, v| sum + v);
    let (arrangements, null_sums) = by_arrangements(&informative, sum, draws, seed, label);
    let chernoff = PValue::new(ln_bound(&informative, sum), NullDistribution::Bound { of: "Chernoff" });
    let bound = match of_coins(&informative, sum, variance.sqrt()) {
        Some(of_coins) if of_coins.ln() < chernoff.ln() => of_coins,
        _ => chernoff,
    };
    let p_value = p_value::beyond_draws(arrangements, bound);
    Ok(Exchange { sum, differences, null_sums, n_informative: informative.len(), null_sd: variance.sqrt(), arrangements, bound, p_value })
}

/// `w_ck` of one cluster.
fn deviations(requests: &[Vec<f64>]) -> Result<Vec<f64>, InputError> {
    let n = requests.first().map_or(0, Vec::len);
    if n < 2 {
        return Err(InputError::new("values of a request", n, "at least two"));
    }
    let mut weights = vec![0.0; n];
    for values in requests {
        if values.len() != n {
            return Err(InputError::new("values of a request", values.len(), format!("{n}, as others of its cluster have")));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(InputError::new("value", value, "a finite number"));
        }
        // Values that are all alike give zeros, not what rounding leaves of a mean.
        if values.iter().all(|value| *value == values[0]) {
            continue;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let scale = n as f64 / (n - 1) as f64;
        weights.iter_mut().zip(values).for_each(|(weight, value)| *weight += scale * (value - mean));
    }
    Ok(weights)
}

fn by_arrangements(weights: &[&Vec<f64>], sum: f64, draws: u32, seed: u64, label: &str) -> (PValue, Vec<f64>) {
    let reach: f64 = weights.iter().map(|w| w.iter().fold(0.0f64, |most: f64, x: &f64| if x.abs() > most { x.abs() } else { most })).sum();
    let mark = sum - TIE * reach;
    let all = weights.iter().try_fold(1u64, |n, w| n.checked_mul(w.len() as u64).filter(|n| *n <= MAX_ENUMERATED));
    if let Some(all) = all {
        let total = |mut index: u64| {
            weights.iter().fold(0.0, |total: f64, w| {
                let place = (index % w.len() as u64) as usize;
                index /= w.len() as u64;
                total + w[place]
            })
        };
        let sums: Vec<f64> = (0..all).map(total).collect();
        let reached = sums.iter().filter(|sum| **sum >= mark).count();
        return (PValue::new((reached as f64 / all as f64).ln(), NullDistribution::Exact), sums);
    }
    let mut generator = sampling::generator(seed, label);
    let mut total = || weights.iter().fold(0.0, |total: f64, w| total + w[sampling::below(&mut generator, w.len() as u64) as usize]);
    let sums: Vec<f64> = (0..draws).map(|_| total()).collect();
    let reached = sums.iter().filter(|sum| **sum >= mark).count();
    (PValue::from_permutations(reached as u32, draws), sums)
}

/// `c · P(N ≥ T/sd)` where every cluster is a fair coin.
fn of_coins(weights: &[&Vec<f64>], sum: f64, sd: f64) -> Option<PValue> {
    let are_coins = sd > 0.0 && weights.iter().all(|w| w.len() == 2);
    let ln_c = || -(4.0f64.ln() + ln_normal_sf(std::f64::consts::SQRT_2));
    let bound = |ln_p: f64| PValue::new(if ln_p < 0.0 { ln_p } else { 0.0 }, NullDistribution::Bound { of: "Bentkus and Dzindzalieta" });
    are_coins.then(|| bound(ln_c() + ln_normal_sf(sum / sd)))
}

/// `min_λ Σ_c ln mean_k e^{λ w_ck} − λ T`.
fn ln_bound(weights: &[&Vec<f64>], sum: f64) -> f64 {
    if sum <= 0.0 {
        return 0.0;
    }
    // Value and slope. The sum is taken away cluster by cluster: a large λ would round away what is left of it at the end.
    let at = |lambda: f64| {
        weights.iter().fold((0.0, -sum), |(value, slope), w| {
            let most = w.iter().fold(f64::NEG_INFINITY, |most, &x| if x > most { x } else { most });
            let (total, first) = w.iter().fold((0.0, 0.0), |(total, first), &x| {
                let e = (lambda * (x - most)).exp();
                (total + e, first + x * e)
            });
            (value + lambda * (most - w[0]) + (total / w.len() as f64).ln(), slope + first / total)
        })
    };
    chernoff::least(at, 1.0 / sum, 1e12 / sum)
}

/// `x − Σ_k β_k b_k`, where each `b` are the same values of a model that nobody suspects: the least squares of deviations from the mean of a
/// request. Given first is the share of each, taken one after the other: `β_k = Σ (x − x̄)(b − b̄) / Σ (b − b̄)²`, with the earlier ones taken
/// away from `x` and `b`.
///
/// Every `β` stays what it is whichever place the released reply has, so the residuals are as exchangeable as the values. What the models find
/// likely for its words alone is gone from them.
///
/// # Errors
/// If a base has another shape than the values.
pub fn residuals(values: &[Vec<f64>], bases: &[&[Vec<f64>]]) -> Result<(Vec<f64>, Vec<Vec<f64>>), InputError> {
    let mut rest = values.to_vec();
    let mut bases: Vec<Vec<Vec<f64>>> = bases.iter().map(|base| base.to_vec()).collect();
    if bases.iter().any(|base| base.len() != values.len() || values.iter().zip(base).any(|(x, b)| x.len() != b.len())) {
        return Err(InputError::new("values of the base", "another shape", "one for each of the suspect's"));
    }
    let mut betas = Vec::with_capacity(bases.len());
    for k in 0..bases.len() {
        let (base, later) = bases[k..].split_first_mut().unwrap_or((&mut rest, &mut []));
        let base = std::mem::take(base);
        betas.push(take_away(&mut rest, &base));
        later.iter_mut().for_each(|later| {
            take_away(later, &base);
        });
    }
    Ok((betas, rest))
}

/// Takes `β b` away from `x` and gives `β`; 0 where the base says nothing.
fn take_away(values: &mut [Vec<f64>], base: &[Vec<f64>]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (mut cross, mut square, mut whole) = (0.0, 0.0, 0.0);
    for (x, b) in values.iter().zip(base) {
        let (x_mean, b_mean) = (mean(x), mean(b));
        for (x, b) in x.iter().zip(b) {
            cross += (x - x_mean) * (b - b_mean);
            square += (b - b_mean) * (b - b_mean);
            whole += b * b;
        }
    }
    // What rounding leaves of a base that others explain is no base.
    let beta = if square > 1e-20 * whole { cross / square } else { 0.0 };
    values.iter_mut().zip(base).for_each(|(x, b)| x.iter_mut().zip(b).for_each(|(x, b)| *x -= beta * b));
    beta
}

/// Standard deviations of the null hypothesis at which [`exchange`] rejects at `alpha` with probability `power`: the least sum at which
/// Hoeffding's bound is `alpha`, and the normal quantile of the power beyond it. What it is used for, planning and the least effect
/// that would have been seen, needs no more.
pub fn detectable(alpha: f64, power: f64) -> f64 {
    (2.0 * (1.0 / alpha).ln()).sqrt() + normal_quantile(1.0 - power)
}

/// The `z` that a standard normal number exceeds with probability `p`.
pub fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if ln_normal_sf(middle) > p.ln() {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uniformity;
    use proptest::prelude::*;

    fn one_request(values: Vec<Vec<f64>>) -> Vec<Vec<Vec<f64>>> {
        values.into_iter().map(|values| vec![values]).collect()
    }

    /// Skewed on purpose: what a sign test of `x₀ − mean` would take for a finding.
    fn skewed(seed: u64, label: &str, n: usize, m: usize) -> Vec<Vec<f64>> {
        let mut generator = sampling::generator(seed, label);
        let mut uniform = || (sampling::below(&mut generator, 1 << 30) as f64 + 0.5) / f64::from(1 << 30);
        (0..n).map(|_| (0..=m).map(|_| -uniform().ln()).collect()).collect()
    }

    #[test]
    fn few_clusters_are_counted_by_hand() {
        // Signs of 3, 2, 1: sums of at least 6, 4, 2: one, two, three of eight.
        let of = |first: [f64; 3]| exchange(&one_request(first.map(|x| vec![x, 0.0]).to_vec()), 99, 0, "").unwrap();
        for (values, expected) in
            [([3.0, 2.0, 1.0], 1.0 / 8.0), ([3.0, 2.0, -1.0], 2.0 / 8.0), ([3.0, -2.0, 1.0], 3.0 / 8.0), ([-3.0, -2.0, -1.0], 1.0)]
        {
            let found = of(values);
            assert_eq!(found.p_value.from(), NullDistribution::Exact);
            assert!((found.p_value.value() - expected).abs() < 1e-15, "{values:?} {}", found.p_value.value());
        }
        // The largest of four, in two clusters: one of sixteen.
        let found = exchange(&one_request(vec![vec![4.0, 1.0, 2.0, 3.0]; 2]), 99, 0, "").unwrap();
        assert!((found.p_value.value() - 1.0 / 16.0).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_tested_is_refused() {
        for (clusters, expected) in [
            (vec![], "clusters: found 0, expected at least one"),
            (vec![vec![vec![1.0]]], "values of a request: found 1, expected at least two"),
            (vec![vec![vec![1.0, 2.0], vec![1.0]]], "values of a request: found 1, expected 2, as others of its cluster have"),
            (vec![vec![vec![1.0, f64::NAN]]], "value: found NaN, expected a finite number"),
        ] {
            assert_eq!(exchange(&clusters, 9, 0, "").unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn nothing_that_varies_is_no_finding() {
        let found = exchange(&one_request(vec![vec![0.1, 0.1, 0.1]; 40]), 99, 0, "").unwrap();
        assert_eq!((found.n_informative, found.p_value.value(), found.z()), (0, 1.0, 0.0));
    }

    /// 1,200 nulls each: p by drawn arrangements is uniform, by the bound never more often small than it says; also with skewed values, several
    /// twins, clusters of several requests and a residual against a base.
    #[test]
    fn p_is_uniform_under_the_null() {
        for (m, requests) in [(1, 1), (3, 1), (2, 3)] {
            let mut arrangements = Vec::new();
            let (mut bound, mut both) = (0, 0);
            for trial in 0..1200u64 {
                let label = format!("{m}/{requests}/{trial}");
                let values = skewed(1, &label, 30 * requests, m);
                let base = skewed(2, &label, 30 * requests, m);
                let mixed: Vec<Vec<f64>> =
                    values.iter().zip(&base).map(|(x, b)| x.iter().zip(b).map(|(x, b)| x + 0.7 * b).collect()).collect();
                let (_, residual) = residuals(&mixed, &[&base]).unwrap();
                let clusters: Vec<Vec<Vec<f64>>> = residual.chunks(requests).map(<[_]>::to_vec).collect();
                let found = exchange(&clusters, 399, trial, "null").unwrap();
                arrangements.push(found.arrangements.value());
                bound += usize::from(found.bound.value() <= 0.05);
                both += usize::from(found.p_value.value() <= 0.01);
            }
            let uniform = uniformity::ks_uniform(&arrangements).unwrap();
            assert!(uniform.p.value() > 1e-3, "{m} twins of {requests}: {uniform:?}");
            // 99 % of binomials of 1,200 and .01 are at most 21.
            let small = arrangements.iter().filter(|p| **p <= 0.01).count();
            assert!((4..=21).contains(&small) && bound <= 60 && both <= 21, "{m} twins of {requests}: {small} {bound} {both}");
        }
    }

    #[test]
    fn the_quantile_is_that_of_the_normal_law() {
        // scipy 1.17.1: scipy.stats.norm.isf([0.025, 1e-6, 0.9])
        for (p, z) in [(0.025, 1.959_963_984_540_054), (1e-6, 4.753_424_308_822_899), (0.9, -1.281_551_565_544_600_4)] {
            assert!((normal_quantile(p) - z).abs() < 1e-9, "{p}");
        }
        // Python 3.12: math.sqrt(2 * math.log(1e6)) + scipy.stats.norm.isf(0.1)
        assert!((detectable(1e-6, 0.9) - 6.538073335301533).abs() < 1e-9);
    }

    #[test]
    fn several_bases_are_taken_away_together() {
        let [one, other, own] = [1, 2, 3].map(|seed| skewed(seed, "bases", 200, 2));
        let mix = |a: f64, b: f64, c: f64| -> Vec<Vec<f64>> {
            let at = |r: usize, k: usize| a * one[r][k] + b * other[r][k] + c * own[r][k];
            (0..200).map(|r| (0..3).map(|k| at(r, k)).collect()).collect()
        };
        // Whatever is a mixture of bases vanishes, in any order and with a base given twice.
        let mixed = mix(0.3, -1.7, 0.0);
        for bases in [[&one[..], &other], [&other[..], &one]] {
            let (_, rest) = residuals(&mixed, &bases).unwrap();
            assert!(rest.iter().all(|r| r.iter().all(|x| (x - r[0]).abs() < 1e-9)));
        }
        let (_, once) = residuals(&mix(0.3, -1.7, 1.0), &[&one, &other]).unwrap();
        let (betas, twice) = residuals(&mix(0.3, -1.7, 1.0), &[&one, &other, &one]).unwrap();
        assert_eq!(betas[2], 0.0);
        assert!(once.iter().flatten().zip(twice.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn many_small_coins_are_bounded_near_the_normal_law() {
        // scipy 1.17.1: log10(scipy.stats.norm.sf(6) / (4 * scipy.stats.norm.sf(2 ** 0.5)))
        let coins = (0..400).map(|i| vec![if i < 260 { 1.0 } else { -1.0 }, 0.0]).collect();
        let found = exchange(&one_request(coins), 99, 0, "").unwrap();
        assert!((found.z() - 6.0).abs() < 1e-12 && (found.bound.log10() + 8.503_620_856_478_827).abs() < 1e-9, "{}", found.bound.log10());
        // Python 3.12: math.log10(sum(math.comb(400, k) for k in range(260, 401)) / 2 ** 400)
        assert!(found.bound.log10() > -8.990_016_749_209_822);
    }

    proptest! {
        #[test]
        fn the_bound_is_at_most_hoeffding_s_and_at_least_the_law(values in prop::collection::vec(-3.0f64..3.0, 2..12)) {
            let clusters = one_request(values.iter().map(|&x| vec![x, 0.0]).collect());
            let found = exchange(&clusters, 99, 0, "").unwrap();
            let square: f64 = values.iter().map(|x| x * x).sum();
            if found.sum > 0.0 && square > 0.0 {
                prop_assert!(found.bound.ln() <= -found.sum * found.sum / (2.0 * square) + 1e-9);
                prop_assert!(found.bound.ln() >= found.arrangements.ln() - 1e-9);
            }
        }

        #[test]
        fn scale_order_and_what_all_share_do_not_matter(seed: u64, scale in 0.01f64..100.0, shift in -5.0f64..5.0) {
            let values = skewed(seed, "laws", 8, 2);
            let found = exchange(&one_request(values.clone()), 99, 0, "").unwrap();
            let mut moved: Vec<Vec<f64>> = values.iter().map(|v| v.iter().map(|x| scale * x + shift).collect()).collect();
            moved.reverse();
            let other = exchange(&one_request(moved), 99, 0, "").unwrap();
            prop_assert!((found.p_value.ln() - other.p_value.ln()).abs() < 1e-9);
            prop_assert!((found.z() - other.z()).abs() < 1e-6);
        }

        #[test]
        fn swapping_released_and_twin_turns_the_sign(seed: u64) {
            let values = skewed(seed, "swap", 40, 1);
            let swapped = values.iter().map(|v| vec![v[1], v[0]]).collect();
            let (one, other) = (exchange(&one_request(values), 99, 0, "").unwrap(), exchange(&one_request(swapped), 99, 0, "").unwrap());
            prop_assert!((one.sum + other.sum).abs() < 1e-9 && (one.null_sd - other.null_sd).abs() < 1e-12);
        }
    }
}
