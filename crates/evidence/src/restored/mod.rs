//! The disguise undone: matched units and heads of the suspect in the reference's order, scale and basis, and what then remains between the two.

mod basis;
mod disguise;
mod heads;
mod ingredients;
mod picture;
mod remainder;
mod units;

pub use picture::UndonePicture;
pub use remainder::Remainder;

pub(crate) use basis::{Basis, Turn};
pub(crate) use disguise::Disguise;
pub(crate) use ingredients::merge;

use crate::matching::{BlockMatch, Group, Matching};
use crate::method::MethodError;
use crate::side::Side;
use basis::Anchors;
use ingredients::Ingredients;
use sources::canonical::Canonical;
use sources::{Role, Slot, Stack};
use stats::least_squares::MixtureFit;
use std::collections::BTreeMap;

/// What remains between one role of one block of the suspect and its counterpart.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredRole {
    /// The suspect's block; `None` for tables of tokens.
    pub block: Option<Group>,
    /// The stack of the suspect.
    pub stack: Stack,
    /// The role.
    pub role: Role,
    /// Share of its units, heads or tokens that have a counterpart.
    pub matched: f64,
    /// Units, heads or tokens that were compared.
    pub n: usize,
    /// Of the values after undoing.
    pub remainder: Remainder,
    /// The rank of what remains of matrices, where it is low.
    pub(crate) rank: DifferenceRank,
}

/// The rank of a difference. The difference itself is not kept: those of all roles would be as large as the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DifferenceRank {
    /// Nobody looked: a table of tokens.
    NotExamined,
    /// As an adapter of this rank leaves it.
    Low(usize),
    /// Of no low rank.
    Full,
}

impl RestoredRole {
    /// From `n` units or heads of a block: what they are in the reference, and in the suspect in the reference's terms, `[rows, width]`.
    fn of_block(
        block: &BlockMatch,
        (role, n): (Role, usize),
        width: usize,
        seed: u64,
        [reference, suspect]: [&[f32]; 2],
    ) -> Result<Self, MethodError> {
        let mut remainder = Remainder::default();
        remainder.add(reference, suspect);
        let differences: Vec<f32> = suspect.iter().zip(reference).map(|(b, a)| b - a).collect();
        let rank = remainder::difference_rank(&differences, width, &remainder, seed)?;
        Ok(Self { block: Some(block.suspect), stack: block.suspect.stack, role, matched: block.matched_share(), n, remainder, rank })
    }

    /// Whether a weight of the suspect is this role.
    pub(crate) fn is_of(&self, slot: Slot) -> bool {
        let block = self.block.map_or((None, None), |b| (Some(b.layer), b.expert));
        (self.stack, self.role, block.0) == (slot.stack, slot.role, slot.layer) && (block.1.is_none() || block.1 == slot.expert)
    }
}

/// Matched units that the turn is fitted on and checked on, in all blocks together, where the stream is not wider than half of it: rows as wide
/// as the stream of both sides are in memory for each.
const MAX_ANCHORS: usize = 8192;
/// Mean cosine of held-out tokens from which tables are another's where no block is.
const TABLES_KEPT: f64 = 0.8;

/// The suspect in the reference's terms.
#[derive(Debug, Clone)]
pub struct Restored {
    pub(crate) bases: BTreeMap<Stack, Basis>,
    /// By block and role, in order.
    pub roles: Vec<RestoredRole>,
    pub(crate) disguise: Disguise,
    /// The suspect as a mixture of the reference and the parents, in this order, with what each of them alone leaves.
    pub(crate) mixture: Option<(MixtureFit, Vec<f64>)>,
    /// Names of the parents in the mixture, in its order.
    pub(crate) parents: Vec<String>,
    /// Units of one block before and after.
    pub picture: Option<UndonePicture>,
}

impl Restored {
    /// Undoes what matching found; `None` where neither blocks nor tables are matched beyond what strangers show.
    pub fn find(matching: &Matching<'_>, parents: &[&Side<'_>], seed: u64) -> Result<Option<Self>, MethodError> {
        let units: Vec<&BlockMatch> = matching.units.iter().filter(|block| block.is_matched()).collect();
        // Few heads agree by chance; they count where the units of their block do, or where nearly all of them agree in every block.
        let by_heads_alone = !matching.heads.is_empty() && matching.heads.iter().all(|b| b.is_on_path && b.share() >= 0.9);
        let of_block = |head: &&BlockMatch| by_heads_alone || units.iter().any(|u| same_block(u, head));
        let heads: Vec<&BlockMatch> = matching.heads.iter().filter(|block| block.is_matched()).filter(of_block).collect();
        let mut bases = BTreeMap::new();
        for (&stack, tokens) in &matching.tokens.stacks {
            let width = tokens.suspect.width;
            if tokens.reference.width != width {
                continue;
            }
            let [mut fit, mut check] = [Anchors::default(), Anchors::default()];
            for (i, (a, b)) in tokens.reference.embed.chunks_exact(width).zip(tokens.suspect.embed.chunks_exact(width)).enumerate() {
                if i % 2 == 0 { &mut fit } else { &mut check }.push(a, b, width);
            }
            let blocks: Vec<_> = units.iter().filter(|block| block.suspect.stack == stack).collect();
            let most = MAX_ANCHORS.max(2 * width) / blocks.len().max(1);
            for (i, block) in blocks.into_iter().enumerate() {
                let (a, b) = units::anchors(matching, block, most, seed)?;
                if i % 2 == 0 { &mut fit } else { &mut check }.push(&a, &b, width);
            }
            // Without blocks that match, the turn rests on the tables alone; those of strangers can be turned towards each other a little.
            let least = if units.is_empty() && !by_heads_alone { TABLES_KEPT } else { 0.0 };
            if let Some(basis) = Basis::find(&fit, &check, width)?.filter(|basis| basis.held_out >= least) {
                bases.insert(stack, basis);
            }
        }
        if units.is_empty() && !by_heads_alone && bases.is_empty() {
            return Ok(None);
        }
        let mut disguise = Disguise::default();
        let parents: Vec<Canonical<'_>> =
            parents.iter().filter_map(|parent| Canonical::new(parent.model).transpose()).collect::<Result<_, _>>()?;
        // Of those that a family describes: each name stands beside a coefficient.
        let names = parents.iter().map(|parent| parent.model().path.display().to_string()).collect();
        let mut ingredients = Ingredients::new(&parents);
        let mut roles = units::tables(matching, &bases)?;
        for block in &units {
            roles.extend(units::restore(matching, block, &bases, seed, &mut disguise, &mut ingredients)?);
        }
        for block in &heads {
            roles.extend(heads::restore(matching, block, &bases, seed, &mut disguise)?);
        }
        disguise.gains_changed = units::gains_changed(matching, &bases, &units)?;
        for tokens in matching.tokens.stacks.values() {
            disguise.tokens += tokens.ids.len();
            disguise.tokens_moved += tokens.ids.iter().filter(|(a, b)| a != b).count();
        }
        let best = units.iter().max_by(|a, b| a.share().total_cmp(&b.share()).then(b.suspect.cmp(&a.suspect)));
        let picture = best.map(|block| picture::draw(matching, block, seed)).transpose()?.flatten();
        Ok(Some(Self { bases, roles, disguise, mixture: ingredients.solve(), parents: names, picture }))
    }
}

fn same_block(a: &BlockMatch, b: &BlockMatch) -> bool {
    (a.suspect.stack, a.suspect.layer) == (b.suspect.stack, b.suspect.layer)
}
