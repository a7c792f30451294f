//! Logarithms of upper tail probabilities, accurate far beyond the range in which the probability itself is a number.
//!
//! `10^-4000` is an ordinary p-value here, and no maintained crate returns `ln p`. Every function in this module has a relative error
//! of at most `1e-12` in `ln p` down to `p = e^-5e7`, checked against a table made with mpmath (`testdata/tails.tsv`).

mod beta;
mod gamma;
mod gamma_tail;
mod normal;

pub use beta::{ln_beta_cdf, ln_beta_sf, ln_binomial_sf, ln_student_sf};
pub use gamma::{ln_choose, ln_factorial, ln_gamma};
pub use gamma_tail::{ln_chi2_sf, ln_gamma_sf};
pub use normal::ln_normal_sf;

/// `ln(1 − e^x)` for `x ≤ 0`: the logarithm of the complement of a probability given as a logarithm.
///
/// Switches between `ln_1p` and `exp_m1` at `−ln 2` (Mächler, *Accurately computing log(1 − exp(−|a|))*, 2012).
pub fn ln_complement(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// `ln(e^a + e^b)`, without overflow. `−∞` is the logarithm of zero.
pub fn ln_add(a: f64, b: f64) -> f64 {
    let (large, small) = if a >= b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY { large } else { large + (small - large).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows `function, arguments, ln p`, made by `testdata/scripts/tails.py` with mpmath 1.4.1 at 60 digits.
    const TABLE: &str = include_str!("../../testdata/tails.tsv");

    fn evaluate(function: &str, arguments: &[f64]) -> f64 {
        match (function, arguments) {
            ("normal", &[z]) => ln_normal_sf(z),
            ("chi2", &[x, k]) => ln_chi2_sf(x, k),
            ("beta", &[x, a, b]) => ln_beta_sf(x, a, b),
            ("beta_cdf", &[x, a, b]) => ln_beta_cdf(x, a, b),
            ("binomial", &[k, n, p]) => ln_binomial_sf(k as u64, n as u64, p),
            ("gamma", &[x]) => ln_gamma(x),
            ("choose", &[n, k]) => ln_choose(n as u64, k as u64),
            _ => panic!("unknown row {function} {arguments:?}"),
        }
    }

    /// Closed forms: Cauchy for one degree of freedom, `1/2 − t/(2√(2 + t²))` for two; symmetry; the normal law in the limit.
    #[test]
    fn the_tail_of_student_is_that_of_its_closed_forms() {
        for t in [0.0f64, 0.3, 1.0, 5.0, 300.0] {
            let cauchy = if t > 0.0 { (1.0 / t).atan() / std::f64::consts::PI } else { 0.5 };
            assert!((ln_student_sf(t, 1.0) - cauchy.ln()).abs() < 1e-9, "{t}");
            let two = 1.0 / (t * t + 2.0 + t * (t * t + 2.0).sqrt());
            assert!((ln_student_sf(t, 2.0) - two.ln()).abs() < 1e-9, "{t}");
            assert!((ln_student_sf(t, 7.0).exp() + ln_student_sf(-t, 7.0).exp() - 1.0).abs() < 1e-12);
        }
        assert!((ln_student_sf(3.0, 1e9) - ln_normal_sf(3.0)).abs() < 1e-7);
    }

    #[test]
    fn the_table_of_mpmath_is_reproduced_to_1e_12() {
        let mut worst = (0.0, String::new());
        let mut smallest = 0.0;
        let mut n_rows = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let function = fields.next().unwrap();
            let mut numbers: Vec<f64> = fields.map(|field| field.parse().unwrap()).collect();
            let expected = numbers.pop().unwrap();
            let found = evaluate(function, &numbers);
            // ln Γ and ln C cross zero; there the absolute error counts.
            let scale = if matches!(function, "gamma" | "choose") && expected.abs() < 1.0 { 1.0 } else { expected.abs() };
            let error = (found - expected).abs() / scale;
            assert!(error <= 1e-12, "{line}: found {found:e}, relative error {error:e}");
            if error > worst.0 {
                worst = (error, line.to_owned());
            }
            if expected < smallest {
                smallest = expected;
            }
            n_rows += 1;
        }
        assert!(n_rows > 250, "{n_rows} rows");
        assert!(smallest < -5e7, "the table must reach e^-5e7, found e^{smallest}");
        println!("worst: {:e} at {}", worst.0, worst.1);
    }

    #[test]
    fn the_ends_of_each_law_are_exact() {
        assert_eq!(ln_normal_sf(f64::INFINITY), f64::NEG_INFINITY);
        assert_eq!(ln_normal_sf(f64::NEG_INFINITY), 0.0);
        assert!(ln_normal_sf(f64::NAN).is_nan());
        assert_eq!(ln_chi2_sf(0.0, 3.0), 0.0);
        assert_eq!(ln_chi2_sf(f64::INFINITY, 3.0), f64::NEG_INFINITY);
        assert!(ln_chi2_sf(1.0, 0.0).is_nan());
        assert_eq!(ln_beta_sf(0.0, 2.0, 3.0), 0.0);
        assert_eq!(ln_beta_sf(1.0, 2.0, 3.0), f64::NEG_INFINITY);
        assert_eq!(ln_binomial_sf(0, 5, 0.1), 0.0);
        assert_eq!(ln_binomial_sf(6, 5, 0.1), f64::NEG_INFINITY);
        assert_eq!(ln_factorial(1), 0.0);
        assert!((ln_factorial(5) - 120f64.ln()).abs() < 1e-14);
        assert_eq!(ln_choose(3, 4), f64::NEG_INFINITY);
        assert_eq!(ln_choose(7, 7), 0.0);
    }

    #[test]
    fn the_ordinary_range_agrees_with_cdflib() {
        use cdflib::ContinuousCdf;
        use cdflib::{Beta, ChiSquared, Normal};
        for i in 0..60 {
            let z = -3.0 + 0.1 * f64::from(i);
            let oracle = Normal::new(0.0, 1.0).ccdf(z).ln();
            assert!((ln_normal_sf(z) - oracle).abs() <= 1e-12 * oracle.abs().max_total(1e-3), "z = {z}");
            let x = 0.3 + 0.7 * f64::from(i);
            let oracle = ChiSquared::new(7.0).ccdf(x).ln();
            assert!((ln_chi2_sf(x, 7.0) - oracle).abs() <= 1e-11 * oracle.abs().max_total(1e-3), "x = {x}");
            let x = (f64::from(i) + 0.5) / 60.0;
            let oracle = Beta::new(2.5, 4.0).ccdf(x).ln();
            assert!((ln_beta_sf(x, 2.5, 4.0) - oracle).abs() <= 1e-11 * oracle.abs().max_total(1e-3), "x = {x}");
        }
    }

    trait MaxTotal {
        fn max_total(self, other: Self) -> Self;
    }
    impl MaxTotal for f64 {
        fn max_total(self, other: f64) -> f64 {
            if self.total_cmp(&other).is_lt() { other } else { self }
        }
    }

    proptest! {
        #[test]
        fn both_tails_of_the_normal_law_make_one(z in -8.0f64..8.0) {
            let sum = ln_normal_sf(z).exp() + ln_normal_sf(-z).exp();
            prop_assert!((sum - 1.0).abs() < 1e-14, "{sum}");
        }

        #[test]
        fn chi_square_with_two_degrees_is_exponential(x in 0.0f64..2e7) {
            prop_assert!((ln_chi2_sf(x, 2.0) + x / 2.0).abs() <= 1e-13 * x);
        }

        #[test]
        fn the_square_of_a_normal_is_chi_square(z in 0.01f64..5e3) {
            let expected = ln_normal_sf(z) + std::f64::consts::LN_2;
            prop_assert!((ln_chi2_sf(z * z, 1.0) - expected).abs() <= 1e-12 * expected.abs());
        }

        #[test]
        fn beta_is_symmetric_in_its_sides(x in 0.001f64..0.999, a in 0.1f64..300.0, b in 0.1f64..300.0) {
            let (one, other) = (ln_beta_sf(x, a, b), ln_beta_cdf(1.0 - x, b, a));
            prop_assert!((one - other).abs() <= 1e-9 * one.abs() + 1e-12, "{one} {other}");
        }

        #[test]
        fn a_binomial_tail_is_the_sum_of_its_terms(n in 1u64..60, k in 0u64..60, p in 0.001f64..0.999) {
            let sum: f64 = (k..=n).map(|i| (ln_choose(n, i) + i as f64 * p.ln() + (n - i) as f64 * (-p).ln_1p()).exp()).sum();
            prop_assert!((ln_binomial_sf(k, n, p).exp() - sum).abs() <= 1e-11 * sum + 1e-300);
        }

        #[test]
        fn tails_fall(z in -10.0f64..1e4, step in 1e-6f64..10.0, k in 0.5f64..500.0) {
            prop_assert!(ln_normal_sf(z + step) <= ln_normal_sf(z));
            prop_assert!(ln_chi2_sf(z.abs() + step, k) <= ln_chi2_sf(z.abs(), k) + 1e-12);
        }

        #[test]
        fn complements_and_sums_of_logarithms(x in -40.0f64..-1e-9, y in -700.0f64..700.0) {
            prop_assert!((ln_complement(x).exp() + x.exp() - 1.0).abs() < 1e-15);
            prop_assert!((ln_add(y, y) - y - std::f64::consts::LN_2).abs() < 1e-12);
            prop_assert_eq!(ln_add(y, f64::NEG_INFINITY), y);
        }
    }
}
