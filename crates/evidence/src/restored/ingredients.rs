//! The suspect as a mixture of the reference and of further parents, fitted on matched units in the reference's terms.

use super::Turn;
use crate::matching::BlockMatch;
use crate::method::MethodError;
use crate::relation::{Relation, RelationKind};
use sources::Role;
use sources::canonical::Canonical;
use stats::least_squares::{Mixture, MixtureFit};

/// Least coefficient of an ingredient of a merge, and what the mixture must leave of what the best single one leaves.
const INGREDIENT: f64 = 0.05;
const BETTER: f64 = 0.5;

/// Sums for the mixture, as the weights are stored and with the gains of norms folded in.
///
/// A merge mixes gains and weights apart, so that folded weights are not quite the mixture of folded weights; but where gains were moved, or the
/// stream was turned, only folded weights can be compared. The reading that leaves less is taken.
pub(super) struct Ingredients<'a> {
    parents: &'a [Canonical<'a>],
    folded: Sums,
    stored: Sums,
    /// Whether every pushed role could be read as stored too.
    has_stored: bool,
}

/// Sums for the mixture of all, and for each ingredient alone.
struct Sums {
    all: Mixture,
    singles: Vec<Mixture>,
}

impl Sums {
    fn new(n: usize) -> Self {
        Self { all: Mixture::new(n), singles: vec![Mixture::new(1); n] }
    }

    fn push(&mut self, vectors: &[Vec<f32>], suspect: &[f32]) {
        let views: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        self.all.push(&views, suspect);
        self.singles.iter_mut().zip(&views).for_each(|(single, view)| single.push(&[view], suspect));
    }

    fn solve(&self) -> Option<(MixtureFit, Vec<f64>)> {
        let singles: Option<Vec<f64>> = self.singles.iter().map(|single| Some(single.solve()?.residual)).collect();
        Some((self.all.solve()?, singles?))
    }
}

/// Matched units of one role of one block.
pub(super) struct Portion<'a> {
    pub(super) block: &'a BlockMatch,
    pub(super) role: Role,
    /// Indices in the reference.
    pub(super) units: &'a [usize],
    pub(super) reference: &'a [f32],
    /// In the reference's order and basis.
    pub(super) suspect: &'a [f32],
    pub(super) turn: &'a Turn,
}

impl<'a> Ingredients<'a> {
    pub(super) fn new(parents: &'a [Canonical<'a>]) -> Self {
        let n = parents.len() + 1;
        Self { parents, folded: Sums::new(n), stored: Sums::new(n), has_stored: true }
    }

    /// Adds some units of one role. Parents are read at the reference's place; where one has none of this shape, the role is left out.
    pub(super) fn push(&mut self, models: [&Canonical<'_>; 2], portion: &Portion<'_>) -> Result<(), MethodError> {
        if self.parents.is_empty() {
            return Ok(());
        }
        let &Portion { block, role, units, reference, suspect, turn } = portion;
        let slot = block.reference.slot(role);
        let mut vectors = vec![reference.to_vec()];
        for parent in self.parents {
            let mut own = Vec::new();
            let n = parent.n_vectors(slot).unwrap_or(0);
            if units.iter().all(|&unit| unit < n) {
                parent.vectors(slot, role, units, &mut own)?;
            }
            vectors.push(own);
        }
        if vectors.iter().any(|v| v.len() != suspect.len()) {
            return Ok(());
        }
        self.folded.push(&vectors, suspect);
        let gains = std::iter::once(models[0]).chain(self.parents).map(|model| model.read_gain(slot));
        let unfolded: Option<Vec<Vec<f32>>> = vectors.iter().zip(gains).map(|(vectors, gain)| unfolded(vectors, gain)).collect();
        let own = unfolded_of_suspect(suspect, models[1].read_gain(block.suspect.slot(role)), turn);
        match (unfolded, own) {
            (Some(vectors), Some(suspect)) => self.stored.push(&vectors, &suspect),
            _ => self.has_stored = false,
        }
        Ok(())
    }

    pub(super) fn solve(&self) -> Option<(MixtureFit, Vec<f64>)> {
        if self.parents.is_empty() {
            return None;
        }
        let folded = self.folded.solve();
        let stored = self.stored.solve().filter(|_| self.has_stored);
        match (folded, stored) {
            (Some(folded), Some(stored)) if stored.0.residual < folded.0.residual => Some(stored),
            (folded, stored) => folded.or(stored),
        }
    }
}

fn unfolded_of_suspect(vectors: &[f32], gain: Option<&[f32]>, turn: &Turn) -> Option<Vec<f32>> {
    if *turn == Turn::Same { unfolded(vectors, gain) } else { None }
}

/// Vectors with their gains divided out; `None` where a gain is zero and its column lost.
fn unfolded(vectors: &[f32], gain: Option<&[f32]>) -> Option<Vec<f32>> {
    let Some(gain) = gain else { return Some(vectors.to_vec()) };
    if gain.contains(&0.0) {
        return None;
    }
    Some(vectors.chunks(gain.len().max(1)).flat_map(|vector| vector.iter().zip(gain).map(|(v, g)| v / g)).collect())
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
    Some(Relation { kind: RelationKind::Merge, words })
}
