//! MLPs as they are before a training.

use super::{Outcome, Setting, Step};
use crate::train::drawn;
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use sources::Role;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "redraw-mlp",
    value: "",
    number: "every FFN re-distilled",
    help: "the weights of every MLP drawn anew, as a training begins; to be taught again by the model that it was",
    run,
};

/// Whether a role is inside an MLP; its norm is not.
pub(crate) fn is_inside(role: Role) -> bool {
    matches!(role, Role::MlpGate | Role::MlpUp | Role::MlpDown)
}

struct Redrawn {
    setting: Setting<'static>,
    layers: usize,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let weights = checkpoint.outline().weights.keys();
    let layers = weights.filter(|slot| slot.role == Role::MlpDown).filter_map(|slot| slot.layer).max().map(|last| last + 1);
    let layers = layers.ok_or_else(|| LabError::refused(setting.step, "found no MLP, expected one"))?;
    let redrawn = Redrawn { setting: setting.for_later(), layers };
    Ok(setting.changed(Changed::same_outline(checkpoint, redrawn), json!({ "layers": layers }), Vec::new()))
}

impl Change for Redrawn {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        match is_inside(spec.slot.role) {
            true => Ok(drawn(spec, self.layers, &mut self.setting.draws(&spec.slot.to_string()))),
            false => inner.read(spec.slot),
        }
    }
}
