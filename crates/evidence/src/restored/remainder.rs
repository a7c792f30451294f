//! What remains between a copy and the reference once the disguise is undone: in numbers, and in the words of relations.

use super::{DifferenceRank, Restored, RestoredRole};
use crate::adapter::adapter_rank;
use crate::grid::{self, GRID_ROUNDING};
use crate::matching::Matching;
use crate::method::MethodError;
use crate::relation::{Relation, RelationKind};
use crate::stored_changes::PRUNED;
use sources::{Encoding, Model, Slot, TensorSource, Weight, view};
use stats::order::median;
use std::collections::BTreeSet;

/// Differences that storing in 16 bits leaves after a turn, and storing in 32.
const ROUNDING: [f64; 2] = [0.006, 1e-4];
/// Rank of a difference that still is low. Smaller than for stored matrices, which are read whole: here a role has no more rows than units are drawn.
const LOW_RANK: usize = 64;

/// Sums over pairs of values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Remainder {
    reference: f64,
    suspect: f64,
    product: f64,
    difference: f64,
}

impl Remainder {
    pub(super) fn add(&mut self, reference: &[f32], suspect: &[f32]) {
        for (&x, &y) in reference.iter().zip(suspect) {
            let (x, y) = (f64::from(x), f64::from(y));
            self.reference += x * x;
            self.suspect += y * y;
            self.product += x * y;
            self.difference += (x - y) * (x - y);
        }
    }

    /// `‖b − a‖ / ‖a‖`
    pub fn relative_difference(&self) -> Option<f64> {
        (self.reference > 0.0).then(|| (self.difference / self.reference).sqrt())
    }

    /// Cosine of all values.
    pub fn correlation(&self) -> Option<f64> {
        let norm = (self.reference * self.suspect).sqrt();
        (norm > 0.0).then(|| self.product / norm)
    }

    /// Whether this says more of the weights than a difference of the stored tensors does.
    pub(crate) fn supersedes(&self, stored: Option<f64>) -> bool {
        match (self.relative_difference(), stored) {
            (Some(restored), Some(stored)) => restored < 0.5 * stored,
            _ => false,
        }
    }
}

impl Restored {
    /// The words for what remains in the roles that `wanted` chooses: those that no tensor shows as it stands.
    pub(crate) fn remainder_relations(
        &self,
        matching: &Matching<'_>,
        wanted: &dyn Fn(&RestoredRole) -> bool,
        seed: u64,
    ) -> Result<Vec<Relation>, MethodError> {
        let roles: Vec<&RestoredRole> = self.roles.iter().filter(|r| wanted(r)).collect();
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let stored = Stored::of(&roles, matching, seed)?;
        let difference = median(roles.iter().filter_map(|r| r.remainder.relative_difference()).collect()).unwrap_or(0.0);
        let quantized = stored.is_on_grid().then(|| stored.quantized(difference));
        // A grid of few levels has zeros of its own.
        let pruned = (stored.zeros >= PRUNED && !stored.is_on_grid()).then(|| stored.pruned());
        let explained = match (stored.is_on_grid(), stored.is_narrow) {
            (true, _) => GRID_ROUNDING,
            (false, true) => ROUNDING[0],
            (false, false) => ROUNDING[1],
        };
        let changed = if difference > explained && pruned.is_none() { Some(changed(&roles, difference)) } else { None };
        Ok([quantized, pruned, changed].into_iter().flatten().collect())
    }
}

/// How the suspect's weights of some roles are stored.
struct Stored {
    looked: usize,
    on_grid: usize,
    grids: BTreeSet<&'static str>,
    /// Whether storing alone leaves the differences of 16 bits.
    is_narrow: bool,
    /// Mean share of zeros beyond those of the reference.
    zeros: f64,
}

impl Stored {
    fn of(roles: &[&RestoredRole], matching: &Matching<'_>, seed: u64) -> Result<Self, MethodError> {
        let is_narrow = |encoding: Encoding| !matches!(encoding, Encoding::F32 | Encoding::F64);
        let reference_is_narrow = matching.reference.model().tensors().iter().any(|t| is_narrow(t.encoding));
        let mut stored = Self { looked: 0, on_grid: 0, grids: BTreeSet::new(), is_narrow: reference_is_narrow, zeros: 0.0 };
        for role in roles {
            let Some(weight) = role.block.and_then(|block| {
                let slot = block.slot(role.role);
                matching.suspect.weight(slot).or_else(|| matching.suspect.weight(Slot { expert: None, ..slot }))
            }) else {
                continue;
            };
            let model = matching.suspect.model();
            let info = &model.tensors()[weight.view.tensor];
            stored.is_narrow |= is_narrow(info.encoding);
            stored.looked += 1;
            let grid = if info.is_on_grid() {
                // With their scales, grids of four bits take from four to five.
                let is_of_four = (4.0..=5.0).contains(&info.encoding.bits_per_value());
                Some(if is_of_four { "a stored grid of 4 bits" } else { "a stored grid" })
            } else {
                grid::look(model, weight, seed)?
            };
            stored.on_grid += usize::from(grid.is_some());
            stored.grids.extend(grid);
            // A reference that lies on a grid has zeros of its own.
            let more = zero_share(model, weight)? - own_zeros(matching, role)?;
            stored.zeros += more.clamp(0.0, 1.0);
        }
        stored.zeros /= stored.looked.max(1) as f64;
        Ok(stored)
    }

    fn is_on_grid(&self) -> bool {
        self.looked > 0 && 2 * self.on_grid >= self.looked
    }

    fn quantized(&self, difference: f64) -> Relation {
        let forms = self.grids.iter().copied().collect::<Vec<_>>().join(", ");
        let words = format!("{} of {} matrices lie on {forms}; relative difference {difference:.4}", self.on_grid, self.looked);
        Relation { kind: RelationKind::Quantized, words }
    }

    fn pruned(&self) -> Relation {
        Relation { kind: RelationKind::Pruned, words: format!("{:.0} % of the values are zero", 100.0 * self.zeros) }
    }
}

/// Share of zeros in the first rows of a matrix.
fn zero_share(model: &Model, weight: &Weight) -> Result<f64, MethodError> {
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

/// The word for differences that storing does not explain.
fn changed(roles: &[&RestoredRole], difference: f64) -> Relation {
    let ranks = roles.iter().filter_map(|role| match role.rank {
        DifferenceRank::NotExamined => None,
        DifferenceRank::Low(rank) => Some(Some(rank)),
        DifferenceRank::Full => Some(None),
    });
    match ranks.collect::<Option<Vec<usize>>>().and_then(|ranks| ranks.into_iter().max()) {
        Some(rank) => {
            Relation { kind: RelationKind::Adapter, words: format!("what remains has rank {rank} or less in every examined matrix") }
        }
        None => {
            let words = format!("once the disguise is undone, {} roles of blocks differ by {difference:.4} in the median", roles.len());
            Relation { kind: RelationKind::Finetune, words }
        }
    }
}

/// The rank of a difference, `[rows, width]`, if it is low.
pub(super) fn difference_rank(differences: &[f32], width: usize, remainder: &Remainder, seed: u64) -> Result<DifferenceRank, MethodError> {
    let rows = differences.len() / width.max(1);
    let n_values = LOW_RANK.min(rows.min(width) / 3);
    let rank = adapter_rank(width, n_values, seed, remainder.relative_difference(), |push| Ok(push(differences).is_ok()))?;
    Ok(match (differences.is_empty(), rank) {
        (true, _) => DifferenceRank::NotExamined,
        (false, Some(rank)) => DifferenceRank::Low(rank),
        (false, None) => DifferenceRank::Full,
    })
}
