//! Blocks as matching sees them, and what came of matching two of them.

use sources::{Part, Role, Slot, Stack};
use stats::sampling;
use std::fmt;

/// The units of one MLP, or the heads of one attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// Stack of the block.
    pub stack: Stack,
    /// Layer of the block.
    pub layer: usize,
    /// Expert, in a mixture.
    pub expert: Option<usize>,
}

impl Group {
    /// The weight of a role in this block.
    pub fn slot(self, role: Role) -> Slot {
        Slot { stack: self.stack, layer: Some(self.layer), expert: self.expert, role, part: Part::Weight }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stack {
            Stack::Single => {}
            Stack::Encoder => f.write_str("enc ")?,
            Stack::Decoder => f.write_str("dec ")?,
        }
        write!(f, "{}", self.layer)?;
        self.expert.map_or(Ok(()), |expert| write!(f, ".{expert}"))
    }
}

/// How often two views give a unit the same counterpart.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// `"gate, up"`.
    pub views: &'static str,
    /// Units on which they agree.
    pub units: usize,
}

/// One block of the suspect against its counterpart in the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockMatch {
    /// Where in the suspect.
    pub suspect: Group,
    /// Where in the reference.
    pub reference: Group,
    /// Whether the drawn units of the two resemble each other; if not, the counterpart is the block at the same relative depth.
    pub is_on_path: bool,
    /// Position of the block between the first (0) and the last (1).
    pub depth: f64,
    /// Units or heads of the two sides.
    pub n_reference: usize,
    /// See `n_reference`.
    pub n_suspect: usize,
    /// One for each pair of views.
    pub agreements: Vec<Agreement>,
    /// For each unit of the suspect the unit of the reference that at least two views give it.
    pub counterparts: Vec<Option<usize>>,
    /// Whether every assignment's dual certificate closed.
    pub is_certified: bool,
}

impl BlockMatch {
    /// Units that could agree.
    pub fn n(&self) -> usize {
        self.n_reference.min(self.n_suspect)
    }

    /// Mean share of units on which two views agree: `f = K / min(h1, h2)`.
    pub fn share(&self) -> f64 {
        let sum: usize = self.agreements.iter().map(|a| a.units).sum();
        sum as f64 / (self.agreements.len().max(1) * self.n().max(1)) as f64
    }

    /// Whether the two blocks hold the same units: they resemble each other, and more units agree than strangers' do.
    pub fn is_matched(&self) -> bool {
        self.is_on_path && self.share() >= MATCHED
    }

    /// Matched units: index in the reference and in the suspect, in the suspect's order.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        self.counterparts.iter().enumerate().filter_map(|(suspect, reference)| Some(((*reference)?, suspect))).collect()
    }

    /// At most `most` of the [`pairs`](Self::pairs), drawn by the seed and by what they are drawn for.
    pub(crate) fn drawn_pairs(&self, purpose: &str, most: usize, seed: u64) -> Vec<(usize, usize)> {
        let pairs = self.pairs();
        let chosen = sampling::draw(seed, &format!("{purpose} {}", self.suspect), pairs.len(), pairs.len().min(most));
        chosen.into_iter().map(|i| pairs[i]).collect()
    }

    /// Units of the suspect that have a counterpart.
    pub fn n_matched(&self) -> usize {
        self.counterparts.iter().flatten().count()
    }

    /// Matched units that stand elsewhere: at another index, or where units were taken out or put in, which shifts the others and changes no order,
    /// outside of a longest run of rising indices.
    pub(crate) fn n_out_of_order(&self) -> usize {
        if self.n_suspect == self.n_reference {
            return self.counterparts.iter().enumerate().filter(|(i, unit)| unit.is_some_and(|unit| unit != *i)).count();
        }
        // The least last index of a rising run of each length (Fredman, Discrete Mathematics 11, 1975).
        let mut last: Vec<usize> = Vec::new();
        for &unit in self.counterparts.iter().flatten() {
            let place = last.partition_point(|&end| end < unit);
            if place == last.len() { last.push(unit) } else { last[place] = unit }
        }
        self.n_matched() - last.len()
    }

    /// Share of the suspect's units that have a counterpart, where there are more of them than matchings of strangers give; else 0.
    pub fn matched_share(&self) -> f64 {
        if self.share() >= MATCHED { self.n_matched() as f64 / self.n_suspect.max(1) as f64 } else { 0.0 }
    }
}

/// From this mean agreement on a block is called matched. Independent models share features, at most 11 of 576 units in the preliminary
/// work (METHODS.md, section 5); this decides scope and caution, never derivation.
pub const MATCHED: f64 = 0.1;

/// The counterpart that at least two of the assignments give a unit of the suspect; they run from the reference's units.
pub(super) fn counterparts(assignments: &[Vec<Option<usize>>], n_suspect: usize) -> Vec<Option<usize>> {
    let mut chosen = vec![None; n_suspect];
    let n_reference = assignments.first().map_or(0, Vec::len);
    for unit in 0..n_reference {
        let images: Vec<usize> = assignments.iter().filter_map(|a| a[unit]).collect();
        if let Some(&image) = images.iter().find(|&&image| images.iter().filter(|&&other| other == image).count() >= 2) {
            chosen[image] = Some(unit);
        }
    }
    chosen
}

/// Units on which two assignments agree.
pub(super) fn agreeing(a: &[Option<usize>], b: &[Option<usize>]) -> usize {
    a.iter().zip(b).filter(|(x, y)| x.is_some() && x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_views_decide() {
        let a = vec![Some(0), Some(1), Some(2), None];
        let b = vec![Some(0), Some(2), Some(1), Some(3)];
        let c = vec![Some(1), Some(2), Some(0), Some(3)];
        assert_eq!(counterparts(&[a.clone(), b.clone(), c.clone()], 4), [Some(0), None, Some(1), Some(3)]);
        assert_eq!((agreeing(&a, &b), agreeing(&b, &c), agreeing(&a, &c)), (1, 2, 0));
    }
}
