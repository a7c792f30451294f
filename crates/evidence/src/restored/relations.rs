//! What was done to a disguised copy, in the words of relations: the disguise itself, and what remains once it is undone.

use super::{Remainder, Restored, RestoredRole, Turn};
use crate::adapter::adapter_rank;
use crate::grid::{self, GRID_ROUNDING};
use crate::matching::Matching;
use crate::method::{MethodError, Relation};
use sources::{Encoding, Slot, TensorSource, Weight, view};
use stats::least_squares::MixtureFit;
use stats::order::median;
use std::collections::BTreeSet;

/// Share of matched units that must have moved, or have been scaled, for the word to be said: matching errs on a few.
const MOVED: f64 = 0.1;
/// The same for heads, of which there are few.
const HEADS_MOVED: f64 = 0.25;
/// Median change of gains from which they were changed on purpose, if it is this many times what remains of the weights: training moves gains
/// too, and then the weights as well.
const GAINS_CHANGED: f64 = 0.05;
const GAINS_OVER_REST: f64 = 1.5;
/// Differences that storing in 16 bits leaves after a turn, and storing in 32.
const ROUNDING: [f64; 2] = [0.006, 1e-4];
/// Least coefficient of an ingredient of a merge, and what the mixture must leave of what the best single one leaves.
const INGREDIENT: f64 = 0.05;
const BETTER: f64 = 0.5;
/// Rank of a difference that still is low.
const LOW_RANK: usize = 64;

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
        let mut relations = Vec::new();
        let mut name = |name: &'static str, words: Vec<String>| {
            if !words.is_empty() {
                relations.push(Relation { name, words: words.join("; ") });
            }
        };
        let d = &self.disguise;
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let turn = |wanted: fn(&Turn) -> bool| self.bases.values().filter(|basis| wanted(&basis.turn)).collect::<Vec<_>>();

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
        permuted.extend(turn(|turn| matches!(turn, Turn::Permuted { .. })).into_iter().map(|basis| {
            let Turn::Permuted { signs, .. } = &basis.turn else { return String::new() };
            let signs = signs.iter().filter(|s| **s < 0.0).count();
            let turned = if signs > 0 { format!(", {signs} with the other sign") } else { String::new() };
            format!(
                "the {} residual coordinates stand in another order{turned} (mean cosine {:.3} where it was not fitted)",
                basis.width, basis.held_out
            )
        }));
        name("permuted", permuted);

        let mut rotated: Vec<String> = turn(|turn| matches!(turn, Turn::Rotated { .. }))
            .into_iter()
            .map(|basis| {
                format!(
                    "the residual stream of {} coordinates was turned; the turn that tokens and half of the blocks give holds for the others \
                     with a mean cosine of {:.3}",
                    basis.width, basis.held_out
                )
            })
            .collect();
        if self.heads_were_turned() {
            rotated.push(format!("{} of {} heads were turned inside, which their products do not show", d.heads_turned, d.heads_looked_at));
        }
        name("rotated", rotated);

        let mut rescaled = Vec::new();
        if share(d.units_scaled, d.units_looked_at) >= MOVED {
            rescaled.push(format!("{} of {} units are scaled up and down, or have other signs", d.units_scaled, d.units_looked_at));
        }
        if self.gains_were_changed() {
            let percent = 100.0 * d.gains_changed;
            rescaled.push(format!("norm gains differ by {percent:.0} % in the median and are made up for in what reads them"));
        }
        name("rescaled", rescaled);
        let blocks: Vec<_> = matching.units.iter().filter(|b| b.is_matched()).collect();
        let is_expert = |b: &&&crate::BlockMatch| b.suspect.expert.is_some() && b.reference.expert.is_none();
        let experts = blocks.iter().filter(is_expert).count();
        if experts > 0 {
            name("upcycled", vec![format!("{experts} experts hold the units of dense blocks of the reference")]);
        }
        let fewer: Vec<_> = blocks.iter().filter(|b| b.n_suspect < b.n_reference).collect();
        if let Some(block) = fewer.first() {
            let words = format!(
                "{} of {} hidden units are left in block {}, and so in {} of {} blocks",
                block.n_suspect,
                block.n_reference,
                block.suspect,
                fewer.len(),
                blocks.len()
            );
            name("pruned", vec![words]);
        }
        let layers: Vec<usize> = blocks.iter().map(|b| b.reference.layer).collect();
        let n_layers = |model: &sources::canonical::Canonical<'_>| model.binding().layers.iter().map(|&(_, n)| n).sum::<usize>();
        let moved = blocks.iter().any(|b| b.reference.layer != b.suspect.layer);
        if !layers.is_empty() && (moved || n_layers(&matching.reference) != n_layers(&matching.suspect)) {
            let path = matching
                .units
                .iter()
                .filter(|b| b.suspect.expert.unwrap_or(0) == 0)
                .map(|b| if b.is_matched() { b.reference.to_string() } else { "new".into() });
            name(
                "layers-changed",
                vec![format!("the suspect's blocks come from the reference's blocks {}", path.collect::<Vec<_>>().join(", "))],
            );
        }
        let rows = |model: &sources::canonical::Canonical<'_>| {
            let stack = matching.tokens.stacks.keys().next().copied().unwrap_or_default();
            model.embedding(stack).and_then(|slot| model.n_vectors(slot)).unwrap_or(0)
        };
        let (ours, theirs) = (rows(&matching.reference), rows(&matching.suspect));
        if share(d.tokens_moved, d.tokens) >= MOVED {
            name("vocabulary-changed", vec![format!("{} of {} common tokens have another id", d.tokens_moved, d.tokens)]);
        } else if ours != theirs && theirs > 0 {
            let common = matching.common_tokens();
            name("vocabulary-changed", vec![format!("{theirs} tokens against {ours} in the reference; {common} are common")]);
        }
        relations
    }

    /// The words for what remains in the roles that `wanted` chooses: those that no tensor shows as it stands.
    pub(crate) fn remainder_relations(
        &self,
        matching: &Matching<'_>,
        wanted: &dyn Fn(&RestoredRole) -> bool,
        seed: u64,
    ) -> Result<Vec<Relation>, MethodError> {
        let mut relations = Vec::new();
        let roles: Vec<&RestoredRole> = self.roles.iter().filter(|r| wanted(r)).collect();
        if roles.is_empty() {
            return Ok(relations);
        }
        let mut grids: BTreeSet<&'static str> = BTreeSet::new();
        let (mut on_grid, mut zeros, mut narrow, mut looked) = (0, 0.0f64, false, 0);
        for role in roles.iter().filter(|r| r.block.is_some()) {
            let Some(weight) = role.block.and_then(|block| {
                let slot = block.slot(role.role);
                matching.suspect.weight(slot).or_else(|| matching.suspect.weight(Slot { expert: None, ..slot }))
            }) else {
                continue;
            };
            let model = matching.suspect.model();
            let info = &model.tensors()[weight.view.tensor];
            narrow |= !matches!(info.encoding, Encoding::F32 | Encoding::F64);
            looked += 1;
            let stored = info.is_on_grid().then(|| info.encoding.to_string());
            if let Some(stored) = stored {
                grids.insert(if stored.contains('4') { "a stored grid of 4 bits" } else { "a stored grid" });
                on_grid += 1;
            } else if let Some(grid) = grid::look(model, weight, seed)? {
                grids.insert(grid);
                on_grid += 1;
            }
            // A reference that lies on a grid has zeros of its own.
            let more = zero_share(model, weight)? - own_zeros(matching, role)?;
            zeros += more.clamp(0.0, 1.0);
        }
        let reference_is_narrow = matching.reference.model().tensors().iter().any(|t| !matches!(t.encoding, Encoding::F32 | Encoding::F64));
        let is_on_grid = looked > 0 && 2 * on_grid >= looked;
        let difference = median(roles.iter().filter_map(|r| r.remainder.relative_difference()).collect()).unwrap_or(0.0);
        if is_on_grid {
            let forms = grids.into_iter().collect::<Vec<_>>().join(", ");
            relations.push(Relation {
                name: "quantized",
                words: format!("{on_grid} of {looked} matrices lie on {forms}; relative difference {difference:.4}"),
            });
        }
        let zeros = zeros / looked.max(1) as f64;
        // A grid of few levels has zeros of its own.
        let is_pruned = zeros >= 0.05 && !is_on_grid;
        if is_pruned {
            relations.push(Relation { name: "pruned", words: format!("{:.0} % of the values are zero", 100.0 * zeros) });
        }
        let explained = match (is_on_grid, narrow || reference_is_narrow) {
            (true, _) => GRID_ROUNDING,
            (false, true) => ROUNDING[0],
            (false, false) => ROUNDING[1],
        };
        if difference > explained && !is_pruned {
            let ranks: Vec<Option<usize>> =
                roles.iter().filter(|r| !r.differences.is_empty()).map(|r| low_rank(r, matching, seed)).collect::<Result<_, _>>()?;
            if !ranks.is_empty() && ranks.iter().all(Option::is_some) {
                let rank = ranks.into_iter().flatten().max().unwrap_or(0);
                relations
                    .push(Relation { name: "adapter", words: format!("what remains has rank {rank} or less in every examined matrix") });
            } else {
                let words = format!("once the disguise is undone, {} roles of blocks differ by {difference:.4} in the median", roles.len());
                relations.push(Relation { name: "finetune", words });
            }
        }
        Ok(relations)
    }
}

/// Share of zeros in the first rows of a matrix.
fn zero_share(model: &sources::Model, weight: &Weight) -> Result<f64, MethodError> {
    let mut values = Vec::new();
    view::read_rows(model, weight, 0..weight.rows.min(16), &mut values)?;
    Ok(values.iter().filter(|v| **v == 0.0).count() as f64 / values.len().max(1) as f64)
}

/// The same in the reference's counterpart of a role.
fn own_zeros(matching: &Matching<'_>, role: &RestoredRole) -> Result<f64, MethodError> {
    let counterpart = matching.units.iter().chain(&matching.heads).find(|b| Some(b.suspect) == role.block).map(|b| b.reference);
    match counterpart.and_then(|group| matching.reference.weight(group.slot(role.role))) {
        Some(weight) => zero_share(matching.reference.model(), weight),
        None => Ok(0.0),
    }
}

/// The word for a mixture of several models, if it is one.
pub(crate) fn merge(fit: &MixtureFit, singles: &[f64], names: &[String]) -> Option<Relation> {
    let ingredients = fit.coefficients.iter().filter(|c| c.abs() >= INGREDIENT).count();
    let best = singles.iter().copied().min_by(f64::total_cmp)?;
    if ingredients < 2 || fit.residual > BETTER * best {
        return None;
    }
    let terms: Vec<String> = fit.coefficients.iter().zip(names).map(|(c, name)| format!("{c:.3} of {name}")).collect();
    let words = format!(
        "{}; what the mixture leaves is {:.4} of the weights, what the nearest single model leaves {best:.4}",
        terms.join(" and "),
        fit.residual
    );
    Some(Relation { name: "merge", words })
}

/// The rank of a role's difference, if it is low.
fn low_rank(role: &RestoredRole, matching: &Matching<'_>, seed: u64) -> Result<Option<usize>, MethodError> {
    let Some(tokens) = matching.tokens.stacks.get(&role.stack) else { return Ok(None) };
    let width = tokens.suspect.width;
    let rows = role.differences.len() / width.max(1);
    let n_values = LOW_RANK.min(rows.min(width) / 3);
    adapter_rank(width, n_values, seed, role.remainder.relative_difference(), |push| Ok(push(&role.differences).is_ok()))
}

impl Remainder {
    /// Whether this says more of the weights than a difference of the stored tensors does.
    pub(crate) fn supersedes(&self, stored: Option<f64>) -> bool {
        match (self.relative_difference(), stored) {
            (Some(restored), Some(stored)) => restored < 0.5 * stored,
            _ => false,
        }
    }
}

impl RestoredRole {
    /// Whether a weight of the suspect is this role.
    pub(crate) fn is_of(&self, slot: Slot) -> bool {
        let block = self.block.map_or((None, None), |b| (Some(b.layer), b.expert));
        (self.stack, self.role, block.0) == (slot.stack, slot.role, slot.layer) && (block.1.is_none() || block.1 == slot.expert)
    }
}
