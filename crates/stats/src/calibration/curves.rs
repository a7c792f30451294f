//! What a set of likelihood ratios shows when drawn: Tippett plots, empirical cross-entropy, and how often they mislead.

use super::cllr::log2_1p_exp10;
use super::{Case, class_weights, pav};
use crate::InputError;
use crate::uniformity::clopper_pearson;

/// A step of a Tippett plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TippettPoint {
    /// A log10 LR that occurs.
    pub log10_lr: f64,
    /// Share of the targets with at least this.
    pub targets: f64,
    /// Share of the others with at least this.
    pub others: f64,
}

/// For every log10 LR that occurs, in rising order, the shares of both classes with at least that.
///
/// # Errors
/// If a class has no weight, a score is NaN or a weight is negative.
pub fn tippett(cases: &[Case]) -> Result<Vec<TippettPoint>, InputError> {
    let totals = class_weights(cases)?;
    let mut sorted: Vec<&Case> = cases.iter().filter(|case| case.weight > 0.0).collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut so_far = [0.0; 2];
    let mut points = Vec::new();
    for group in sorted.chunk_by(|a, b| a.score == b.score) {
        group.iter().for_each(|case| so_far[usize::from(!case.is_target)] += case.weight);
        points.push(TippettPoint { log10_lr: group[0].score, targets: so_far[0] / totals[0], others: so_far[1] / totals[1] });
    }
    points.reverse();
    Ok(points)
}

/// A point of an empirical cross-entropy plot, in bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EcePoint {
    /// Before the evidence.
    pub prior_log10_odds: f64,
    /// Of the log10 LRs as they stand.
    pub ece: f64,
    /// After the best monotone calibration.
    pub calibrated: f64,
    /// Of LR = 1 for every case: the entropy of the prior.
    pub neutral: f64,
}

/// The mean information, in bits, that a reader with the given prior still lacks: `P(target) · mean over targets of log2(1 + 1/(LR·odds)) +
/// P(other) · mean over others of log2(1 + LR·odds)`. At odds of 1 it is the Cllr.
///
/// Reference: Ramos, Gonzalez-Rodriguez, Zadora & Aitken, *Information-theoretical assessment of the performance of likelihood ratio computation
/// methods*, J. Forensic Sci. 58 (2013), eq. 7.
///
/// # Errors
/// If a class has no weight, a score is NaN or a weight is negative.
pub fn cross_entropy(cases: &[Case], prior_log10_odds: &[f64]) -> Result<Vec<EcePoint>, InputError> {
    let best = pav(cases)?.calibrated;
    let neutral: Vec<Case> = cases.iter().map(|case| Case { score: 0.0, ..*case }).collect();
    let at = |cases: &[Case], odds: f64| -> Result<f64, InputError> {
        let [targets, others] = class_weights(cases)?;
        let prior = 1.0 / (1.0 + 10f64.powf(-odds));
        let terms = cases.iter().filter(|case| case.weight > 0.0).map(|case| match case.is_target {
            true => prior * case.weight / targets * log2_1p_exp10(-case.score - odds),
            false => (1.0 - prior) * case.weight / others * log2_1p_exp10(case.score + odds),
        });
        Ok(terms.sum())
    };
    (prior_log10_odds.iter())
        .map(|&odds| {
            Ok(EcePoint { prior_log10_odds: odds, ece: at(cases, odds)?, calibrated: at(&best, odds)?, neutral: at(&neutral, odds)? })
        })
        .collect()
}

/// How many cases mislead, with an exact interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Misleading {
    /// Cases on the wrong side of LR = 1.
    pub count: u64,
    /// Of this many.
    pub of: u64,
    /// Clopper and Pearson's interval for the rate.
    pub interval: (f64, f64),
}

/// How many targets have an LR below 1, and how many others one above 1. Cases count once each, whatever their weight.
///
/// # Errors
/// If a class has no case or `confidence` is not between 0 and 1.
pub fn misleading(cases: &[Case], confidence: f64) -> Result<[Misleading; 2], InputError> {
    let rate = |target: bool| {
        let of = cases.iter().filter(|case| case.is_target == target);
        let wrong = of.clone().filter(|case| if target { case.score < 0.0 } else { case.score > 0.0 });
        let (count, of) = (wrong.count() as u64, of.count() as u64);
        Ok(Misleading { count, of, interval: clopper_pearson(count, of, confidence)? })
    };
    Ok([rate(true)?, rate(false)?])
}
