//! Units of two blocks fitted to each other: one assignment a view, each with its certificate.

use super::blocks::{agreeing, counterparts};
use crate::method::MethodError;
use crate::products::tiled_products;
use rayon::prelude::*;
use stats::InputError;
use stats::assignment::maximum_weight_assignment;

/// Units drawn of a block of the reference for the pass over all pairs of blocks.
pub(super) const DRAWN_UNITS: usize = 256;
/// Matrices of correlations up to this many entries are solved side by side; larger ones one after another, to hold one at a time.
const SIDE_BY_SIDE: usize = 4 << 20;

/// Correlations `[a, b]` of rows of length 1; by size where a sign is free.
pub(super) fn correlations(a: &[f32], b: &[f32], width: usize, sign_is_free: bool) -> Result<Vec<f32>, InputError> {
    let mut correlations = tiled_products(a, b, width)?;
    if sign_is_free {
        correlations.iter_mut().for_each(|c| *c = c.abs());
    }
    Ok(correlations)
}

/// The place of the largest value, if that is above zero.
pub(super) fn largest(row: &[f32]) -> Option<usize> {
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    (*best.1 > 0.0).then_some(best.0)
}

/// Matches blocks in full, side by side if all of their matrices of `n_entries` are small enough for it.
pub(super) fn in_full<T: Sync, R: Send>(
    blocks: &[T],
    n_entries: impl Fn(&T) -> usize,
    of: impl Fn(&T) -> Result<R, MethodError> + Sync + Send,
) -> Result<Vec<R>, MethodError> {
    if blocks.iter().all(|block| n_entries(block) <= SIDE_BY_SIDE) {
        blocks.par_iter().with_max_len(1).map(of).collect()
    } else {
        blocks.iter().map(of).collect()
    }
}

/// The assignments of two blocks, view by view.
pub(super) struct Assignments {
    n_reference: usize,
    n_suspect: usize,
    of_views: Vec<Vec<Option<usize>>>,
    /// Whether every dual certificate closed.
    pub(super) is_certified: bool,
}

impl Assignments {
    pub(super) fn new(n_reference: usize, n_suspect: usize) -> Self {
        Self { n_reference, n_suspect, of_views: Vec::new(), is_certified: true }
    }

    /// Fits the units by the correlations of one more view, `[n_reference, n_suspect]`.
    pub(super) fn push(&mut self, correlations: &[f32]) -> Result<(), InputError> {
        let found = maximum_weight_assignment(correlations, self.n_reference, self.n_suspect)?;
        self.is_certified &= found.is_certified();
        self.of_views.push(found.column_of_row);
        Ok(())
    }

    /// Units on which two views agree.
    pub(super) fn agreeing(&self, a: usize, b: usize) -> usize {
        agreeing(&self.of_views[a], &self.of_views[b])
    }

    /// For each unit of the suspect the unit of the reference that at least two views give it.
    pub(super) fn counterparts(&self) -> Vec<Option<usize>> {
        counterparts(&self.of_views, self.n_suspect)
    }
}
