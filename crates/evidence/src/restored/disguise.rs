//! What was done to disguise a copy: counted while it is undone, and named in the words of relations.

use super::{Restored, Turn};
use crate::blocks::path_in_words;
use crate::matching::{BlockMatch, Matching};
use crate::relation::{Relation, RelationKind};
use sources::canonical::Canonical;
use stats::order::median;

/// Share of matched units that must have moved, or have been scaled, for the word to be said: matching errs on a few.
const MOVED: f64 = 0.1;
/// The same for heads, of which there are few.
const HEADS_MOVED: f64 = 0.25;
/// Median change of gains from which they were changed on purpose, if it is this many times what remains of the weights: training moves gains
/// too, and then the weights as well.
const GAINS_CHANGED: f64 = 0.05;
const GAINS_OVER_REST: f64 = 1.5;

/// What was undone, in numbers that the relation words rest on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Disguise {
    /// Matched units, and those of them that break the order of the others.
    pub(crate) units: usize,
    pub(crate) units_moved: usize,
    /// Units that the suspect has more than the reference.
    pub(crate) units_added: usize,
    /// Matched heads, and those of them that break the order of the others.
    pub(crate) heads: usize,
    pub(crate) heads_moved: usize,
    /// Heads whose inner basis was turned, of those looked at.
    pub(crate) heads_looked_at: usize,
    pub(crate) heads_turned: usize,
    /// Units whose up and down scales changed, or their signs.
    pub(crate) units_scaled: usize,
    pub(crate) units_looked_at: usize,
    /// Largest median relative change of the gains of a norm.
    pub(crate) gains_changed: f64,
    /// Common tokens with another id.
    pub(crate) tokens_moved: usize,
    pub(crate) tokens: usize,
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Restored {
    /// Whether gains stand elsewhere than in the reference, or the stream that they belong to was turned.
    pub(crate) fn gains_were_moved(&self) -> bool {
        self.gains_were_changed() || self.bases.values().any(|basis| basis.turn != Turn::Same)
    }

    /// Whether heads were turned inside.
    pub(crate) fn heads_were_turned(&self) -> bool {
        let d = &self.disguise;
        d.heads_looked_at > 0 && d.heads_turned as f64 >= HEADS_MOVED * d.heads_looked_at as f64
    }

    fn gains_were_changed(&self) -> bool {
        let rest = median(self.roles.iter().filter_map(|role| role.remainder.relative_difference()).collect()).unwrap_or(0.0);
        self.disguise.gains_changed >= GAINS_CHANGED && self.disguise.gains_changed >= GAINS_OVER_REST * rest
    }

    /// The words for the disguise.
    pub(crate) fn disguise_relations(&self, matching: &Matching<'_>) -> Vec<Relation> {
        let blocks: Vec<&BlockMatch> = matching.units.iter().filter(|block| block.is_matched()).collect();
        let said = [
            (RelationKind::Permuted, self.permuted()),
            (RelationKind::Rotated, self.rotated()),
            (RelationKind::Rescaled, self.rescaled()),
            (RelationKind::Upcycled, upcycled(&blocks).into_iter().collect()),
            (RelationKind::Pruned, pruned(&blocks).into_iter().collect()),
            (RelationKind::LayersChanged, layers_changed(matching, &blocks).into_iter().collect()),
            (RelationKind::VocabularyChanged, self.vocabulary_changed(matching).into_iter().collect()),
        ];
        let named = said.into_iter().filter(|(_, words): &(_, Vec<String>)| !words.is_empty());
        named.map(|(kind, words)| Relation { kind, words: words.join("; ") }).collect()
    }

    fn permuted(&self) -> Vec<String> {
        let d = &self.disguise;
        let mut permuted = Vec::new();
        if share(d.units_moved, d.units) >= MOVED {
            permuted.push(format!("{} of {} matched hidden units stand in another order", d.units_moved, d.units));
        }
        if d.units_added > 0 {
            permuted.push(format!("the matched units stand among {} more than the reference has", d.units_added));
        }
        if share(d.heads_moved, d.heads) >= HEADS_MOVED {
            permuted.push(format!("{} of {} matched heads stand in another order", d.heads_moved, d.heads));
        }
        for basis in self.bases.values() {
            let Turn::Permuted { signs, .. } = &basis.turn else { continue };
            let signs = signs.iter().filter(|s| **s < 0.0).count();
            let turned = if signs > 0 { format!(", {signs} with the other sign") } else { String::new() };
            permuted.push(format!(
                "the {} residual coordinates stand in another order{turned} (mean cosine {:.3} where it was not fitted)",
                basis.width, basis.held_out
            ));
        }
        permuted
    }

    fn rotated(&self) -> Vec<String> {
        let d = &self.disguise;
        let mut rotated = Vec::new();
        for basis in self.bases.values().filter(|basis| matches!(basis.turn, Turn::Rotated { .. })) {
            rotated.push(format!(
                "the residual stream of {} coordinates was turned; the turn that tokens and half of the blocks give holds for the others \
                 with a mean cosine of {:.3}",
                basis.width, basis.held_out
            ));
        }
        if self.heads_were_turned() {
            rotated.push(format!("{} of {} heads were turned inside, which their products do not show", d.heads_turned, d.heads_looked_at));
        }
        rotated
    }

    fn rescaled(&self) -> Vec<String> {
        let d = &self.disguise;
        let mut rescaled = Vec::new();
        if share(d.units_scaled, d.units_looked_at) >= MOVED {
            rescaled.push(format!("{} of {} units are scaled up and down, or have other signs", d.units_scaled, d.units_looked_at));
        }
        if self.gains_were_changed() {
            let percent = 100.0 * d.gains_changed;
            rescaled.push(format!("norm gains differ by {percent:.0} % in the median and are made up for in what reads them"));
        }
        rescaled
    }

    fn vocabulary_changed(&self, matching: &Matching<'_>) -> Option<String> {
        let d = &self.disguise;
        if share(d.tokens_moved, d.tokens) >= MOVED {
            return Some(format!("{} of {} common tokens have another id", d.tokens_moved, d.tokens));
        }
        let rows = |model: &Canonical<'_>| {
            let stack = matching.tokens.stacks.keys().next().copied().unwrap_or_default();
            model.embedding(stack).and_then(|slot| model.n_vectors(slot)).unwrap_or(0)
        };
        let (ours, theirs, common) = (rows(&matching.reference), rows(&matching.suspect), matching.common_tokens());
        (ours != theirs && theirs > 0).then(|| format!("{theirs} tokens against {ours} in the reference; {common} are common"))
    }
}

/// Experts made from the units of dense blocks.
fn upcycled(blocks: &[&BlockMatch]) -> Option<String> {
    let experts = blocks.iter().filter(|b| b.suspect.expert.is_some() && b.reference.expert.is_none()).count();
    (experts > 0).then(|| format!("{experts} experts hold the units of dense blocks of the reference"))
}

/// Blocks that have fewer units than their counterparts.
fn pruned(blocks: &[&BlockMatch]) -> Option<String> {
    let fewer: Vec<_> = blocks.iter().filter(|b| b.n_suspect < b.n_reference).collect();
    let first = fewer.first()?;
    Some(format!(
        "{} of {} hidden units are left in block {}, and so in {} of {} blocks",
        first.n_suspect,
        first.n_reference,
        first.suspect,
        fewer.len(),
        blocks.len()
    ))
}

/// Matched blocks that stand elsewhere than in the reference, or are fewer or more.
fn layers_changed(matching: &Matching<'_>, blocks: &[&BlockMatch]) -> Option<String> {
    let moved = blocks.iter().any(|b| b.reference.layer != b.suspect.layer);
    if blocks.is_empty() || !(moved || matching.reference.binding().n_blocks() != matching.suspect.binding().n_blocks()) {
        return None;
    }
    let first_experts = matching.units.iter().filter(|b| b.suspect.expert.unwrap_or(0) == 0);
    Some(path_in_words(first_experts.map(|b| b.is_matched().then(|| b.reference.to_string()))))
}
