//! What stands after a step's name: shares, numbers, blocks, other models.

use super::Setting;
use crate::{Checkpoint, LabError, Opened, Spec};
use sources::Model;
use std::path::Path;
use std::sync::Arc;

/// Whether a weight has rows and columns: what quantisers, pruners and noise work on.
pub(super) fn is_matrix(spec: &Spec) -> bool {
    spec.shape.len() > 1
}

impl Setting<'_> {
    /// The same without the value, to be kept with what is computed later.
    pub(super) fn for_later(&self) -> Setting<'static> {
        Setting { step: self.step, value: None, seed: self.seed, place: self.place }
    }

    /// A number above 0 and at most `most`.
    pub(super) fn share(&self, most: f64) -> Result<f64, LabError> {
        let share = self.value.and_then(|value| value.parse().ok()).filter(|&share| share > 0.0 && share <= most);
        share.ok_or_else(|| self.bad_value(&format!("a number above 0 and at most {most}")))
    }

    /// Blocks, counted from 0, with commas between them.
    pub(super) fn blocks(&self) -> Result<Vec<usize>, LabError> {
        let blocks: Result<Vec<usize>, _> = self.value.unwrap_or_default().split(',').map(|block| block.trim().parse()).collect();
        blocks.map_err(|_| self.bad_value("numbers of blocks from 0 with commas between them"))
    }

    /// Another model of the same family, with the same weights in the same shapes.
    pub(super) fn twin(&self, of: &dyn Checkpoint, path: &str) -> Result<Arc<dyn Checkpoint>, LabError> {
        if path.is_empty() {
            return Err(self.bad_value("the path of a model"));
        }
        let other = Opened::new(Arc::new(Model::open(Path::new(path))?))?;
        self.check_is_twin(of, &other)?;
        Ok(Arc::new(other))
    }

    fn check_is_twin(&self, this: &dyn Checkpoint, other: &dyn Checkpoint) -> Result<(), LabError> {
        let (this, other) = (this.outline(), other.outline());
        let refused = |found: String, expected: String| {
            Err(LabError::refused(self.step, format!("found {found} in the other model, expected {expected}")))
        };
        if this.family != other.family {
            return refused(format!("the family {}", other.family), this.family.clone());
        }
        for (slot, spec) in &this.weights {
            match other.weights.get(slot) {
                Some(found) if found.shape == spec.shape => {}
                Some(found) => return refused(format!("`{slot}` of {:?}", found.shape), format!("{:?}", spec.shape)),
                None => return refused(format!("no `{slot}`"), "the same weights".into()),
            }
        }
        match other.weights.keys().find(|slot| !this.weights.contains_key(slot)) {
            Some(slot) => refused(format!("`{slot}`"), "the same weights".into()),
            None => Ok(()),
        }
    }
}
