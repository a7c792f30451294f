//! An independent model made to look like another.

use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use sources::Role;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "forge",
    value: "=REFERENCE",
    number: "forge",
    help: "the norms, tables and configuration of REFERENCE, and its size for each matrix, which stays this model's own",
    run,
};

/// Gives a model what can be copied without copying what it learned.
struct Forge {
    reference: Arc<dyn Checkpoint>,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let path = setting.value.unwrap_or_default();
    let reference = setting.twin(checkpoint.as_ref(), path)?;
    let mut outline = checkpoint.outline().clone();
    outline.config = reference.outline().config.clone();
    outline.tokens = reference.outline().tokens.clone();
    let forged = Changed { inner: checkpoint, outline, change: Forge { reference } };
    Ok(setting.changed(Arc::new(forged), json!({ "reference": path }), Vec::new()))
}

fn is_taken(role: Role) -> bool {
    matches!(role, Role::Embed | Role::PositionEmbed | Role::TypeEmbed | Role::Unembed) || role.is_norm()
}

impl Change for Forge {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let theirs = self.reference.read(spec.slot)?;
        if is_taken(spec.slot.role) {
            return Ok(theirs);
        }
        let mut own = inner.read(spec.slot)?;
        let factor = theirs.rms() / own.rms();
        // A zero bias has no size that could be changed.
        if factor.is_finite() {
            own.values.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        }
        Ok(own)
    }
}
