//! What heads have in common beyond the heads of independent models.
//!
//! Let `X` be a head's deviations from its mean over prompts. In each control, at the same relative depth, the head that correlates most with it
//! is found; `m` is the mean of these heads, each scaled to length 1. `e = X − β m`, with the `β` of least squares, is what no control explains.
//! The controls are looked up for each head of both sides separately, so nothing is taken away from one side that only the other has in
//! common with them, and the sides may be exchanged. Everything follows from the covariations of heads; no entry is read again.

use super::stage::{At, StageSums};
use stats::correlation::PearsonSums;

/// A head whose residual keeps less than this share of its squares is explained by the controls, up to rounding.
const EXPLAINED: f64 = 1e-5;

/// Covariations of heads at one stage, in either order of the blocks.
pub(super) struct Covariations<'a>(pub(super) &'a StageSums);

/// A head of a block.
type Head = (At, usize);

impl Covariations<'_> {
    fn sums(&self, (a, i): Head, (b, j): Head) -> Option<PearsonSums> {
        let sums = &self.0.deviations;
        sums.get(&(a, b)).map(|found| found.pair(i, j)).or_else(|| Some(sums.get(&(b, a))?.pair(j, i)))
    }

    fn between(&self, a: Head, b: Head) -> f64 {
        self.sums(a, b).map_or(0.0, |sums| sums.covariation())
    }

    fn correlation(&self, a: Head, b: Head) -> Option<f64> {
        self.sums(a, b)?.correlation()
    }
}

/// A head less what the controls explain of it.
pub(super) struct Residual {
    head: Head,
    /// Heads of the controls with their share of the mean, times `β`.
    explained_by: Vec<(Head, f64)>,
    /// `‖e‖²`, positive.
    squares: f64,
}

impl Residual {
    /// The residual of a head; `None` where there is nothing left, or there was nothing. `controls` are blocks with their number of heads.
    pub(super) fn of(head: Head, controls: &[(At, usize)], known: &Covariations<'_>) -> Option<Self> {
        let squares = known.between(head, head);
        let best = |&(block, n_heads): &(At, usize)| {
            let all = (0..n_heads).filter_map(|other| Some(((block, other), known.correlation(head, (block, other))?)));
            let (best, _) = all.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
            let length = known.between(best, best).sqrt();
            (length > 0.0).then_some((best, 1.0 / length))
        };
        let mean: Vec<(Head, f64)> = controls.iter().filter_map(best).collect();
        let with_mean: f64 = mean.iter().map(|&(other, weight)| weight * known.between(head, other)).sum();
        let of_mean: f64 =
            mean.iter().flat_map(|a| mean.iter().map(move |b| (a, b))).map(|(a, b)| a.1 * b.1 * known.between(a.0, b.0)).sum();
        let slope = if of_mean > 0.0 { with_mean / of_mean } else { 0.0 };
        let left = squares - slope * with_mean;
        let explained_by = mean.into_iter().map(|(other, weight)| (other, weight * slope)).collect();
        (squares > 0.0 && left > EXPLAINED * squares).then_some(Self { head, explained_by, squares: left })
    }

    /// Correlation of two residuals.
    pub(super) fn correlation(&self, other: &Self, known: &Covariations<'_>) -> f64 {
        let terms = |residual: &Self| {
            let explained = residual.explained_by.iter().map(|&(head, weight)| (head, -weight));
            std::iter::once((residual.head, 1.0)).chain(explained).collect::<Vec<_>>()
        };
        let (mine, theirs) = (terms(self), terms(other));
        let product: f64 = mine.iter().flat_map(|a| theirs.iter().map(move |b| a.1 * b.1 * known.between(a.0, b.0))).sum();
        (product / (self.squares * other.squares).sqrt()).clamp(-1.0, 1.0)
    }
}
