//! The cost of log likelihood ratios.

use super::{Case, class_weights, pav};
use crate::InputError;

/// `log2(1 + 10^x)`, without overflow; 0 of −∞ and ∞ of ∞.
pub(super) fn log2_1p_exp10(x: f64) -> f64 {
    let natural = x * std::f64::consts::LN_10;
    let (large, small) = if natural > 0.0 { (natural, -natural) } else { (0.0, natural) };
    (large + small.exp().ln_1p()) / std::f64::consts::LN_2
}

/// The cost of log likelihood ratios in bits, `½ [mean over targets of log2(1 + 1/LR) + mean over others of log2(1 + LR)]`.
///
/// 0 is perfect; 1 is what LR = 1 for every case costs.
///
/// Reference: Brümmer & du Preez, *Application-independent evaluation of speaker detection*, Computer Speech & Language 20 (2006), eq. 37.
///
/// # Errors
/// If a class has no weight, a score is NaN or a weight is negative.
pub fn cllr(cases: &[Case]) -> Result<f64, InputError> {
    let [targets, others] = class_weights(cases)?;
    let terms = cases.iter().filter(|case| case.weight > 0.0).map(|case| match case.is_target {
        true => case.weight / targets * log2_1p_exp10(-case.score),
        false => case.weight / others * log2_1p_exp10(case.score),
    });
    Ok(0.5 * terms.sum::<f64>())
}

/// A cost and its two parts: `cllr = min + cal`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Of the log10 LRs as they stand.
    pub cllr: f64,
    /// After the best monotone calibration ([`pav()`]): what the scores lack in discrimination.
    pub min: f64,
    /// The difference: what they lack in calibration.
    pub cal: f64,
}

/// [`cllr`] and its parts.
///
/// # Errors
/// As [`cllr`].
pub fn costs(cases: &[Case]) -> Result<Cost, InputError> {
    let cost = cllr(cases)?;
    let min = cllr(&pav(cases)?.calibrated)?;
    // Isotonic regression minimises this very cost (Brümmer & du Preez 2013), so a negative difference is rounding.
    Ok(Cost { cllr: cost, min, cal: (cost - min).clamp(0.0, f64::INFINITY) })
}
