//! Disguise 7: new gains for every norm of the stream, taken back in the columns of what reads it.

use super::untie::untied;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use sources::{Part, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "regain",
    value: "",
    number: "7",
    help: "norm gains times random factors around 1, taken back in the columns of the readers; unties the head",
    run,
};

/// Standard deviation of the logarithm of a factor.
const DEVIATION: f64 = 0.3;

struct Regained(BTreeMap<Slot, Vec<f32>>);

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let (checkpoint, notes) = untied(checkpoint);
    let outline = checkpoint.outline();
    let mut factors = BTreeMap::new();
    for (norm, _) in outline.readers().into_iter().filter(|(_, readers)| !readers.is_empty()) {
        factors.insert(norm, setting.draws(&norm.to_string()).around_one(outline.spec(norm)?.rows(), DEVIATION));
    }
    if factors.is_empty() {
        return Err(LabError::refused(
            setting.step,
            "found no norm whose output only matrices read, expected one: a gain inside the stream or behind a writer cannot be taken back",
        ));
    }
    let parameters = json!({ "norms": factors.len(), "logDeviation": DEVIATION });
    Ok(setting.kept(Changed::same_outline(checkpoint, Regained(factors)), parameters, notes))
}

impl Change for Regained {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        // The bias of a norm is read through the same columns as what it is added to.
        if let Some(factors) = self.0.get(&Slot { part: Part::Weight, ..spec.slot }) {
            matrix.scale_rows(factors);
        }
        if spec.slot.part == Part::Weight
            && let Some(factors) = inner.outline().read_norm(spec.slot).and_then(|norm| self.0.get(&norm))
        {
            matrix.scale_cols(&factors.iter().map(|factor| 1.0 / factor).collect::<Vec<_>>());
        }
        Ok(matrix)
    }
}
