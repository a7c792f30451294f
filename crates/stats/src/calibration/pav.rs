//! Isotonic calibration by pooling adjacent violators.

use super::{Case, class_weights};
use crate::InputError;

/// Scores of one pool, and what they become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PavPoint {
    /// The smallest score of the pool.
    pub from: f64,
    /// The largest.
    pub to: f64,
    /// −∞ for a pool without targets and ∞ for one without others.
    pub log10_lr: f64,
}

/// The outcome of [`pav()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    /// Pools from low to high scores; their log10 LRs rise strictly.
    pub points: Vec<PavPoint>,
    /// The cases in the order given, with calibrated log10 LRs as their scores. A case without weight keeps its own.
    pub calibrated: Vec<Case>,
}

/// A run of scores with the class-balanced weight of targets and others in it.
struct Pool {
    from: f64,
    to: f64,
    target: f64,
    other: f64,
}

impl Pool {
    /// Whether the share of targets is at least that of a later pool, which a calibration that rises must not have.
    fn is_not_below(&self, later: &Self) -> bool {
        self.target * later.other >= later.target * self.other
    }
}

/// The monotone map from scores to log10 LRs that fits best: the pooled share of targets, each class weighing ½, as odds. Equal scores stay together.
///
/// Reference: Ayer et al., Ann. Math. Statist. 26 (1955); for likelihood ratios Brümmer & du Preez, Computer Speech & Language 20 (2006), section 9.
///
/// # Errors
/// If a class has no weight, a score is NaN or a weight is negative.
pub fn pav(cases: &[Case]) -> Result<Isotonic, InputError> {
    let [targets, others] = class_weights(cases)?;
    let mut sorted: Vec<&Case> = cases.iter().filter(|case| case.weight > 0.0).collect();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let mut pools: Vec<Pool> = Vec::new();
    for group in sorted.chunk_by(|a, b| a.score == b.score) {
        // Sums first, division after: pools of one share compare equal whatever the totals.
        // The sum of nothing is −0, and a division by it −∞.
        let weight = |target: bool| group.iter().filter(|case| case.is_target == target).map(|case| case.weight).sum::<f64>() + 0.0;
        let mut next = Pool { from: group[0].score, to: group[0].score, target: weight(true), other: weight(false) };
        while let Some(last) = pools.pop_if(|last| last.is_not_below(&next)) {
            next = Pool { from: last.from, to: next.to, target: last.target + next.target, other: last.other + next.other };
        }
        pools.push(next);
    }
    let points: Vec<PavPoint> = (pools.iter())
        .map(|pool| PavPoint { from: pool.from, to: pool.to, log10_lr: ((pool.target / targets) / (pool.other / others)).log10() })
        .collect();
    let calibrated = (cases.iter())
        .map(|case| match points.get(points.partition_point(|point| point.to < case.score)) {
            Some(point) if case.weight > 0.0 => Case { score: point.log10_lr, ..*case },
            _ => *case,
        })
        .collect();
    Ok(Isotonic { points, calibrated })
}
