//! From scores to likelihood ratios, and how far to trust them.
//!
//! A likelihood ratio here is that of "target" (what the evidence speaks for when high) to "other". Both classes weigh the same in every
//! measure, so none depends on how many pairs of either kind happen to be there: prior odds are 1.

pub mod cllr;
pub mod cluster_bootstrap;
pub mod curves;
pub mod elub;
pub mod logistic;
pub mod pav;

pub use cllr::{Cost, cllr, costs};
pub use cluster_bootstrap::{multiplicities, pair_weight, quantile};
pub use curves::{EcePoint, Misleading, TippettPoint, cross_entropy, misleading, tippett};
pub use elub::elub;
pub use logistic::{Fit, logistic};
pub use pav::{PavPoint, pav};

use crate::InputError;

/// A score whose truth is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Case {
    /// A log10 LR, or for [`pav()`] any score that grows with one.
    pub score: f64,
    /// Which class it is of.
    pub is_target: bool,
    /// How often it counts; 1 outside a bootstrap.
    pub weight: f64,
}

/// The total weights of targets and others.
///
/// # Errors
/// If a score is NaN, a weight is negative or not finite, or a class has no weight.
fn class_weights(cases: &[Case]) -> Result<[f64; 2], InputError> {
    if cases.iter().any(|case| case.score.is_nan()) {
        return Err(InputError::new("scores", "NaN", "numbers"));
    }
    if let Some(case) = cases.iter().find(|case| !(case.weight.is_finite() && case.weight >= 0.0)) {
        return Err(InputError::new("weights", case.weight, "finite numbers of at least 0"));
    }
    let total = |target: bool| cases.iter().filter(|case| case.is_target == target).map(|case| case.weight).sum::<f64>();
    match [total(true), total(false)] {
        [targets, others] if targets > 0.0 && others > 0.0 => Ok([targets, others]),
        [targets, others] => Err(InputError::new("weights of the classes", format!("{targets} and {others}"), "both above 0")),
    }
}

#[cfg(test)]
mod tests;
