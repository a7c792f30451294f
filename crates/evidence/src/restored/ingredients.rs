//! The suspect as a mixture of the reference and of further parents, fitted on matched units in the reference's terms.

use crate::matching::Group;
use crate::method::MethodError;
use sources::canonical::Canonical;
use sources::{Part, Role, Slot};
use stats::least_squares::{Mixture, MixtureFit};

/// Sums for the mixture of all, and for each ingredient alone.
pub(super) struct Ingredients<'a> {
    parents: &'a [Canonical<'a>],
    all: Mixture,
    singles: Vec<Mixture>,
}

impl<'a> Ingredients<'a> {
    pub(super) fn new(parents: &'a [Canonical<'a>]) -> Self {
        let n = parents.len() + 1;
        Self { parents, all: Mixture::new(n), singles: vec![Mixture::new(1); n] }
    }

    /// Adds some units of one role: the reference's vectors, and the suspect's in its terms. Parents are read at the reference's place; one that
    /// has none of this shape there is no ingredient here, and the role is left out.
    pub(super) fn push(
        &mut self,
        block: Group,
        role: Role,
        units: &[usize],
        reference: &[f32],
        suspect: &[f32],
    ) -> Result<(), MethodError> {
        if self.parents.is_empty() {
            return Ok(());
        }
        let at = Slot { stack: block.stack, layer: Some(block.layer), expert: block.expert, role, part: Part::Weight };
        let mut vectors = vec![reference.to_vec()];
        for parent in self.parents {
            let mut own = Vec::new();
            let n = parent.n_vectors(at).unwrap_or(0);
            if units.iter().all(|&unit| unit < n) {
                parent.vectors(at, role, units, &mut own)?;
            }
            vectors.push(own);
        }
        if vectors.iter().any(|v| v.len() != suspect.len()) {
            return Ok(());
        }
        let views: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
        self.all.push(&views, suspect);
        self.singles.iter_mut().zip(&views).for_each(|(single, view)| single.push(&[view], suspect));
        Ok(())
    }

    pub(super) fn solve(&self) -> Option<(MixtureFit, Vec<f64>)> {
        if self.parents.is_empty() {
            return None;
        }
        let singles: Option<Vec<f64>> = self.singles.iter().map(|single| Some(single.solve()?.residual)).collect();
        Some((self.all.solve()?, singles?))
    }
}
