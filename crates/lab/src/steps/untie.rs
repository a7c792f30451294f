//! Gives the head a matrix of its own, where it shares the embedding's: a gain that is folded into the head must not reach the embedding.

use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::Value;
use sources::family::compute::TiedScale;
use sources::{Part, Role, Slot};
use std::sync::Arc;

struct Untied {
    /// The head's slot, and the embedding that it is read from.
    head: Option<(Slot, Slot)>,
    factor: f32,
}

/// The checkpoint with a head of its own, and what is to be noted about it. Untouched where there is no head.
pub(super) fn untied(checkpoint: Arc<dyn Checkpoint>) -> (Arc<dyn Checkpoint>, Vec<String>) {
    let mut outline = checkpoint.outline().clone();
    let Some(family) = outline.described() else { return (checkpoint, Vec::new()) };
    let Some(key) = family.head.tied.written_key() else { return (checkpoint, Vec::new()) };
    let declared = outline.setting(key).and_then(Value::as_bool);
    let stored = outline.weights.keys().copied().find(|slot| slot.role == Role::Unembed && slot.part == Part::Weight);
    let embed = outline.weights.keys().copied().find(|slot| slot.role == Role::Embed && slot.part == Part::Weight);
    // A loader that ties gives a stored head the embedding's values.
    let is_tied = outline.said(family, &family.head.tied).and_then(|tied| tied.as_bool()) == Some(true);
    let head = match (outline.tied_embedding(), stored, embed) {
        (Some(embed), _, _) => Some((Slot { role: Role::Unembed, ..embed }, embed)),
        (None, Some(stored), Some(embed)) if is_tied => Some((stored, embed)),
        (None, Some(_), _) if declared.is_none() => None,
        _ => return (checkpoint, Vec::new()),
    };
    let mut factor = 1.0;
    let mut notes = Vec::new();
    if let Some((head, embed)) = head {
        let Some(spec) = outline.weights.get(&embed).cloned() else { return (checkpoint, Vec::new()) };
        if family.head.tied_scale == Some(TiedScale::InverseRootOfHidden) && declared != Some(false) {
            factor = 1.0 / (spec.cols().max(1) as f32).sqrt();
            if outline.setting("scale_decoder_outputs").is_some() {
                outline.set("scale_decoder_outputs", false);
            }
        }
        outline.weights.insert(head, Spec { slot: head, ..spec });
        notes.push(format!("the head has a matrix of its own now: `{key}` is false"));
    }
    outline.set(key, false);
    (Arc::new(Changed { inner: checkpoint, outline, change: Untied { head, factor } }), notes)
}

impl Change for Untied {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let Some((_, embed)) = self.head.filter(|(head, _)| *head == spec.slot) else { return inner.read(spec.slot) };
        let mut matrix = inner.read(embed)?;
        if self.factor != 1.0 {
            matrix.values.iter_mut().for_each(|value| *value *= self.factor);
        }
        Ok(matrix)
    }
}
