//! Are p-values uniform, and between which bounds lies a rate? Kolmogorov and Smirnov's statistic, and Clopper and Pearson's intervals.

use crate::tails::{ln_beta_sf, ln_binomial_sf, ln_choose};
use crate::{InputError, NullDistribution, PValue};
use std::f64::consts::{LN_2, PI};

/// The outcome of [`ks_uniform`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Sample size.
    pub n: usize,
    /// `D = sup |F_n(x) − x|`
    pub distance: f64,
    /// `P(D_n ≥ D)` under uniformity.
    pub p: PValue,
}

/// Kolmogorov and Smirnov's one-sample statistic against the uniform law on (0, 1), two-sided.
///
/// Null hypothesis: the sample is independent and uniform. Three ranges, each where it is accurate:
/// p below `1e-4`: twice the exact one-sided tail of Birnbaum and Tingey (1951), off by about p⁴;
/// n up to 100: exact, by the matrix power of Marsaglia, Tsang and Wang (J. Stat. Software 8, 2003);
/// beyond: Kolmogorov's limit at `√n D + 1/(6√n) + (√n D − 1)/(4n)` (Vrbik, 2018), within `2e-4` of the exact p.
///
/// # Errors
/// If the sample is empty or has a value outside [0, 1].
pub fn ks_uniform(sample: &[f64]) -> Result<KolmogorovSmirnov, InputError> {
    if let Some(bad) = sample.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(InputError::new("sample", bad, "values in [0, 1]"));
    }
    if sample.is_empty() {
        return Err(InputError::new("sample", "no values", "at least one"));
    }
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = sorted.iter().enumerate().fold(0.0, |largest, (rank, &value)| {
        let (above, below) = ((rank as f64 + 1.0) / n - value, value - rank as f64 / n);
        let here = if above > below { above } else { below };
        if here > largest { here } else { largest }
    });
    Ok(KolmogorovSmirnov { n: sorted.len(), distance, p: ks_p(sorted.len(), distance) })
}

/// The p-value of a distance `d` at sample size `n`; see [`ks_uniform`] for the null and the method.
fn ks_p(n: usize, d: f64) -> PValue {
    let twice_one_sided = LN_2 + ln_smirnov_sf(n as u64, d);
    if twice_one_sided < 1e-4f64.ln() || d >= 0.5 {
        return PValue::new(twice_one_sided, NullDistribution::Exact);
    }
    if n <= 100 {
        return PValue::new((1.0 - kolmogorov_cdf(n, d)).ln(), NullDistribution::Exact);
    }
    let root = (n as f64).sqrt();
    let x = root * d + 1.0 / (6.0 * root) + (root * d - 1.0) / (4.0 * n as f64);
    PValue::new(kolmogorov_limit_sf(x).ln(), NullDistribution::Asymptotic { law: "Kolmogorov, corrected by Vrbik" })
}

/// `ln P(D⁺_n ≥ d) = ln d Σ_j C(n, j) (d + j/n)^{j−1} (1 − d − j/n)^{n−j}` over `j ≤ n(1 − d)`: positive terms only.
fn ln_smirnov_sf(n: u64, d: f64) -> f64 {
    if d <= 0.0 {
        return 0.0;
    }
    let size = n as f64;
    let terms: Vec<f64> = (0..=n)
        .map_while(|j| {
            let rest = 1.0 - d - j as f64 / size;
            let power = if j == n { 0.0 } else { (n - j) as f64 * rest.ln() };
            (rest > 0.0).then(|| ln_choose(n, j) + (j as f64 - 1.0) * (d + j as f64 / size).ln() + power)
        })
        .collect();
    let Some(largest) = terms.iter().copied().max_by(f64::total_cmp) else { return f64::NEG_INFINITY };
    d.ln() + largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
}

/// `P(D_n < d)` by Marsaglia, Tsang and Wang: the middle entry of the n-th power of a matrix of `2⌈nd⌉ − 1` rows, times `n!/n^n`.
fn kolmogorov_cdf(n: usize, d: f64) -> f64 {
    let k = (n as f64 * d) as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - n as f64 * d;
    let mut matrix = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..m {
            matrix[i * m + j] = if i + 1 >= j { 1.0 } else { 0.0 };
        }
    }
    for i in 0..m {
        matrix[i * m] -= h.powi(i as i32 + 1);
        matrix[(m - 1) * m + i] -= h.powi((m - i) as i32);
    }
    matrix[(m - 1) * m] += if 2.0 * h > 1.0 { (2.0 * h - 1.0).powi(m as i32) } else { 0.0 };
    for i in 0..m {
        for j in 0..m {
            if i + 1 > j {
                matrix[i * m + j] /= (1..=i + 1 - j).map(|g| g as f64).product::<f64>();
            }
        }
    }
    // One step i of n!/n^n after every product: nothing leaves the range of f64 while n ≤ 100.
    let mut row = vec![0.0; m];
    row[k - 1] = 1.0;
    for i in 1..=n {
        let scale = i as f64 / n as f64;
        row = (0..m).map(|j| scale * (0..m).map(|l| row[l] * matrix[l * m + j]).sum::<f64>()).collect();
    }
    row[k - 1].clamp(0.0, 1.0)
}

/// `P(K ≥ x)` of Kolmogorov's limit law.
fn kolmogorov_limit_sf(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // The theta function's other expansion converges fast here.
        let sum: f64 = (1..=6).map(|i| (-f64::from((2 * i - 1) * (2 * i - 1)) * PI * PI / (8.0 * x * x)).exp()).sum();
        return 1.0 - (2.0 * PI).sqrt() / x * sum;
    }
    2.0 * (1..=8).map(|i| (if i % 2 == 1 { 1.0 } else { -1.0 }) * (-2.0 * f64::from(i * i) * x * x).exp()).sum::<f64>()
}

/// Clopper and Pearson's exact interval for a rate, of which `k` of `n` trials were seen: at least `confidence` coverage whatever the rate.
///
/// The lower end solves `P(K ≥ k) = (1 − confidence)/2`, the upper `P(K ≤ k) = (1 − confidence)/2`. (Biometrika 26, 1934.)
///
/// # Errors
/// If `k > n`, `n = 0`, or `confidence` is not between 0 and 1.
pub fn clopper_pearson(k: u64, n: u64, confidence: f64) -> Result<(f64, f64), InputError> {
    if k > n || n == 0 {
        return Err(InputError::new("successes", format!("{k} of {n}"), "at most as many as trials, and a trial"));
    }
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(InputError::new("confidence", confidence, "a number between 0 and 1"));
    }
    let ln_tail = ((1.0 - confidence) / 2.0).ln();
    let lower = if k == 0 { 0.0 } else { bisect(|rate| ln_binomial_sf(k, n, rate) < ln_tail) };
    let upper = if k == n { 1.0 } else { bisect(|rate| ln_beta_sf(rate, k as f64 + 1.0, (n - k) as f64) > ln_tail) };
    Ok((lower, upper))
}

/// The point in (0, 1) below which `is_below` holds.
fn bisect(is_below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if is_below(middle) { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator};

    #[test]
    fn p_values_agree_with_scipy() {
        // scipy 1.17.1: scipy.stats.kstwo(n).sf(d), exact by Simard and L'Ecuyer (2011).
        for (n, d, expected, tolerance) in KSTWO {
            let found = ks_p(n, d).value();
            assert!((found - expected).abs() <= tolerance, "n {n}, d {d}: {found} {expected}");
        }
    }
    const KSTWO: [(usize, f64, f64, f64); 19] = [
        (1, 0.6, 0.8, 1e-12),
        (1, 0.3, 1.0, 1e-12),
        (5, 0.3, 0.664, 1e-12),
        (5, 0.45, 0.19399374999999963, 1e-12),
        (10, 0.274, 0.3715203845434957, 1e-12),
        (40, 0.1, 0.7818109707182903, 1e-12),
        (40, 0.15, 0.2984139906821305, 1e-12),
        (100, 0.05, 0.9532159710635725, 1e-12),
        (100, 0.09, 0.37063202558632835, 1e-12),
        (100, 0.12, 0.1033037490181987, 1e-12),
        (101, 0.09, 0.364775433173104, 2e-4),
        (140, 0.06, 0.6719092248862638, 2e-4),
        (300, 0.05, 0.42744120502346905, 2e-4),
        (300, 0.07, 0.1007893525964727, 2e-4),
        (1000, 0.02, 0.8108971656895577, 2e-4),
        (1000, 0.03, 0.3226902143914636, 2e-4),
        (1000, 0.045, 0.03378304014546085, 2e-4),
        (5000, 0.01, 0.6954557253913853, 2e-4),
        (5000, 0.019, 0.05341472616091414, 2e-4),
    ];

    #[test]
    fn tiny_p_values_keep_their_digits() {
        for (n, d, expected) in KSTWO_TAIL {
            let found = ks_p(n, d).value();
            assert!((found / expected - 1.0f64).abs() < 1e-9, "n {n}, d {d}: {found} {expected}");
        }
    }
    const KSTWO_TAIL: [(usize, f64, f64); 6] = [
        (5, 0.95, 6.250000000000028e-07),
        (20, 0.6, 2.0483011649719853e-07),
        (100, 0.3, 1.7719869892662917e-08),
        (100, 0.35, 1.865228719089831e-11),
        (1000, 0.1, 3.703687096817711e-09),
        (1000, 0.2, 1.5528629204250538e-35),
    ];

    #[test]
    fn the_p_value_of_uniform_samples_is_uniform() {
        for n in [5, 50, 400] {
            let ps: Vec<f64> = (0..1000)
                .map(|seed| {
                    let mut rng = generator(seed, "uniform");
                    let sample: Vec<f64> = (0..n).map(|_| below(&mut rng, 1 << 53) as f64 / (1u64 << 53) as f64).collect();
                    ks_uniform(&sample).unwrap().p.value()
                })
                .collect();
            assert!(ks_uniform(&ps).unwrap().p.value() > 1e-3, "n {n}");
        }
    }

    #[test]
    fn samples_from_elsewhere_are_recognised() {
        let squares: Vec<f64> = (0..200).map(|i| (f64::from(i) / 200.0).powi(2)).collect();
        assert!(ks_uniform(&squares).unwrap().p.log10() < -9.0);
        let mirrored: Vec<f64> = squares.iter().map(|x| 1.0 - x).collect();
        let (one, other) = (ks_uniform(&squares).unwrap(), ks_uniform(&mirrored).unwrap());
        assert!((one.distance - other.distance).abs() < 1e-12);
        let grid: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        assert!(ks_uniform(&grid).unwrap().p.value() > 0.999);
        assert!(ks_uniform(&[]).is_err() && ks_uniform(&[1.5]).is_err() && ks_uniform(&[f64::NAN]).is_err());
    }

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy 1.17.1: scipy.stats.binomtest(k, n).proportion_ci(confidence, "exact")
        for (k, n, confidence, low, high) in CLOPPER_PEARSON {
            let found = clopper_pearson(k, n, confidence).unwrap();
            assert!((found.0 - low).abs() < 1e-10 && (found.1 - high).abs() < 1e-10, "{k} of {n}: {found:?}");
        }
        // No event in n trials: the rule of three, 1 − 0.05^(1/n) one-sided.
        assert!((clopper_pearson(0, 300, 0.9).unwrap().1 - (1.0 - 0.05f64.powf(1.0 / 300.0))).abs() < 1e-14);
        assert!(clopper_pearson(2, 1, 0.9).is_err() && clopper_pearson(0, 0, 0.9).is_err() && clopper_pearson(0, 1, 1.0).is_err());
    }
    const CLOPPER_PEARSON: [(u64, u64, f64, f64, f64); 6] = [
        (0, 10, 0.95, 0.0, 0.30849710781876294),
        (3, 10, 0.95, 0.06673951117773447, 0.652452850060008),
        (10, 10, 0.95, 0.6915028921812371, 1.0),
        (1, 300, 0.9, 0.00017096303225260683, 0.01571455489158635),
        (57, 1000, 0.99, 0.039764310673349755, 0.0785889073265357),
        (1, 1000000, 0.95, 2.5317805139113815e-08, 5.571630655512304e-06),
    ];

    #[test]
    fn intervals_cover() {
        // Exact coverage at a rate of 0.3, n = 40: the sum of the binomial terms whose interval holds it.
        let coverage: f64 = (0..=40)
            .filter(|&k| {
                let (low, high) = clopper_pearson(k, 40, 0.95).unwrap();
                (low..=high).contains(&0.3)
            })
            .map(|k| (ln_choose(40, k) + k as f64 * 0.3f64.ln() + (40 - k) as f64 * 0.7f64.ln()).exp())
            .sum();
        assert!((0.95..0.99).contains(&coverage), "{coverage}");
    }
}
