//! Empirical bounds on likelihood ratios.

use super::{Case, class_weights};
use crate::InputError;

/// The interval of log10 LRs around 0 in which decisions by these LRs are no worse than decisions without evidence, with one extra misleading
/// LR of unbounded size in each class.
///
/// With a threshold `t` on the LR, a share `m(t)` of the targets below and a share `f(t)` of the others above it, the normalised Bayes error rate
/// is `m + t·f` for `t ≥ 1` and `f + m/t` for `t ≤ 1`; the extra case makes the shares `(count + 1) / (n + 1)`. The bounds are the ends of the
/// interval around `t = 1` where it is at most 1; they are 0 where it is above 1 at once.
///
/// Cases count once each, whatever their weight: repeats of one case are no further evidence.
///
/// Reference: Vergeer, van Es, de Jongh, Alberink & Stoel, *Numerical likelihood ratios outputted by LR systems are often based on extrapolation:
/// when to stop extrapolating?*, Science & Justice 56 (2016), section 2.3.
///
/// # Errors
/// If a class has no case or a score is NaN.
pub fn elub(cases: &[Case]) -> Result<[f64; 2], InputError> {
    class_weights(cases)?;
    let scores = |target: bool, sign: f64| {
        let mut scores: Vec<f64> = cases.iter().filter(|case| case.is_target == target).map(|case| sign * case.score).collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    // Exchanging the classes and the sign of the scores exchanges the bounds.
    let lower = -upper_bound(&scores(false, -1.0), &scores(true, -1.0));
    Ok([lower, upper_bound(&scores(true, 1.0), &scores(false, 1.0))])
}

/// The upper bound, of sorted log10 LRs of both classes.
fn upper_bound(targets: &[f64], others: &[f64]) -> f64 {
    let mut ends: Vec<f64> = targets.iter().chain(others).copied().filter(|&score| score > 0.0).collect();
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    let mut start = 0.0;
    for end in ends {
        // Between two scores the shares do not change, so that the error rate grows with t alone.
        let found = targets.len() - targets.partition_point(|&score| score <= start);
        let misleading = others.len() - others.partition_point(|&score| score <= start) + 1;
        let most = (found as f64 / (targets.len() + 1) as f64).log10() - (misleading as f64 / (others.len() + 1) as f64).log10();
        if most < end {
            return if most > start { most } else { start };
        }
        start = end;
    }
    // Above the largest score every target is missed: no better than no evidence, and worse with the extra case.
    start
}
