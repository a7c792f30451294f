//! Units and heads by their stored index, seen through what they do to tokens: an order that nobody changed shows, whatever was done to the basis.
//!
//! A block's counterpart is chosen without looking at any index. By index no sign is free: a unit whose sign was turned counts against, as it should.

use super::Group;
use crate::shared_space::MAX_UNITS;
use stats::alignment::{Centring, RowAlignment, RowPair, align_rows};
use stats::sampling;

/// One block of equal width on both sides whose units, or heads, were compared index by index.
pub(crate) struct ByIndex {
    pub(crate) group: Group,
    pub(crate) is_heads: bool,
    pub(crate) views: usize,
    pub(crate) n_units: usize,
    pub(crate) alignment: RowAlignment,
}

impl ByIndex {
    /// Heads, by two views of all of them: `[n_heads, any]` on each side.
    pub(super) fn of_heads(group: Group, n_heads: usize, views: [(&[f32], &[f32]); 2]) -> Option<Self> {
        let alignment = align(views.into_iter(), n_heads)?;
        Some(Self { group, is_heads: true, views: views.len(), n_units: n_heads, alignment })
    }
}

/// Gathers drawn units of a block while its views are read one after another.
pub(super) struct DrawnUnits {
    group: Group,
    n_units: usize,
    drawn: Vec<usize>,
    views: Vec<(Vec<f32>, Vec<f32>)>,
}

impl DrawnUnits {
    /// Of a block of the suspect with as many units as its counterpart.
    pub(super) fn new(group: Group, n_units: usize, seed: u64) -> Self {
        let drawn = sampling::draw(seed, &format!("units {group}"), n_units, n_units.min(MAX_UNITS));
        Self { group, n_units, drawn, views: Vec::new() }
    }

    /// Keeps the drawn ones of all units, `[n_units, width]` on each side.
    pub(super) fn push(&mut self, reference: &[f32], suspect: &[f32]) {
        let rows = |all: &[f32]| {
            let width = all.len() / self.n_units.max(1);
            self.drawn.iter().flat_map(|&unit| &all[unit * width..][..width]).copied().collect()
        };
        let view = (rows(reference), rows(suspect));
        self.views.push(view);
    }

    pub(super) fn aligned(&self) -> Option<ByIndex> {
        let alignment = align(self.views.iter().map(|(a, b)| (a.as_slice(), b.as_slice())), self.drawn.len())?;
        Some(ByIndex { group: self.group, is_heads: false, views: self.views.len(), n_units: self.n_units, alignment })
    }
}

fn align<'a>(views: impl Iterator<Item = (&'a [f32], &'a [f32])>, n_units: usize) -> Option<RowAlignment> {
    let pairs: Vec<RowPair<'_>> =
        views.map(|(reference, suspect)| RowPair { reference, suspect, width: reference.len() / n_units.max(1) }).collect();
    align_rows(&pairs, n_units, Centring::Columns).ok()
}
