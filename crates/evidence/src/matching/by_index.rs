//! Units and heads by their stored index, seen through what they do to tokens: an order that nobody changed shows, whatever was done to the basis.

use super::{Group, Matching, TokenVectors, head_sketches, unit_signatures};
use crate::method::MethodError;
use crate::shared_space::MAX_UNITS;
use rayon::prelude::*;
use sources::Stack;
use stats::alignment::{Centring, RowAlignment, RowPair, align_rows};
use stats::sampling;
use std::collections::BTreeMap;

/// One block whose units, or heads, were compared index by index.
pub(crate) struct ByIndex {
    pub(crate) group: Group,
    pub(crate) is_heads: bool,
    pub(crate) views: usize,
    pub(crate) n_units: usize,
    pub(crate) alignment: RowAlignment,
}

impl Matching<'_> {
    /// The alignment of every block of equal width with its counterpart, which was chosen without looking at any index.
    pub(crate) fn by_index(&self, seed: u64) -> Result<Vec<ByIndex>, MethodError> {
        let units: Vec<Option<ByIndex>> = self
            .units
            .par_iter()
            .filter(|block| block.n_reference == block.n_suspect)
            .map(|block| {
                let tokens = &self.tokens.stacks[&block.suspect.stack];
                let n = block.n_suspect;
                let drawn = sampling::draw(seed, &format!("units {}", block.suspect), n, n.min(MAX_UNITS));
                let ours = unit_signatures(&self.reference, block.reference, &drawn, &tokens.reference)?;
                let theirs = unit_signatures(&self.suspect, block.suspect, &drawn, &tokens.suspect)?;
                // A gate on one side only has no counterpart; up and down stand last on both.
                let views = ours.len().min(theirs.len());
                let pairs = ours[ours.len() - views..].iter().zip(&theirs[theirs.len() - views..]);
                Ok(align(pairs.map(|(a, b)| (a.as_slice(), b.as_slice())), drawn.len()).map(|alignment| ByIndex {
                    group: block.suspect,
                    is_heads: false,
                    views,
                    n_units: n,
                    alignment,
                }))
            })
            .collect::<Result<_, MethodError>>()?;
        let sides: [(&_, BTreeMap<Stack, &TokenVectors>); 2] =
            [(&self.reference, self.tokens.of_reference()), (&self.suspect, self.tokens.of_suspect())];
        let [ours, theirs] = sides.map(|(model, tokens)| head_sketches(model, &tokens, seed));
        let (ours, theirs) = (ours?, theirs?);
        let heads = self.heads.iter().filter(|block| block.n_reference == block.n_suspect).filter_map(|block| {
            let (a, b) = (ours.get(&block.reference)?, theirs.get(&block.suspect)?);
            let pairs = [(a.looks.as_slice(), b.looks.as_slice()), (a.hands_over.as_slice(), b.hands_over.as_slice())];
            let alignment = align(pairs.into_iter(), block.n_suspect)?;
            Some(ByIndex { group: block.suspect, is_heads: true, views: 2, n_units: block.n_suspect, alignment })
        });
        Ok(units.into_iter().flatten().chain(heads).collect())
    }
}

fn align<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>, n_units: usize) -> Option<RowAlignment> {
    let pairs: Vec<RowPair<'_>> =
        pairs.map(|(reference, suspect)| RowPair { reference, suspect, width: reference.len() / n_units.max(1) }).collect();
    align_rows(&pairs, n_units, Centring::Columns).ok()
}
