//! Disguise 8: every disguise that keeps this family's function, one after another.

use super::{Outcome, Setting, Step, permute_heads, permute_residual, permute_units, regain, rotate, scale_units, turn_heads};
use crate::{Checkpoint, LabError};
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "all",
    value: "",
    number: "8",
    help: "turn-heads, scale-units, permute-heads, permute-units, rotate (or permute-residual where no rotation is exact), regain",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let mut outcome = Outcome { checkpoint, records: Vec::new(), skipped: Vec::new() };
    let mut is_rotated = false;
    for step in [
        &turn_heads::STEP,
        &scale_units::STEP,
        &permute_heads::STEP,
        &permute_units::STEP,
        &rotate::STEP,
        &permute_residual::STEP,
        &regain::STEP,
    ] {
        // A rotation is any order and any signs at once.
        if step.name == permute_residual::STEP.name && is_rotated {
            continue;
        }
        let inner = Setting { step: step.name, value: None, ..*setting };
        match (step.run)(&inner, outcome.checkpoint.clone()) {
            Ok(next) => {
                is_rotated |= step.name == rotate::STEP.name;
                outcome.checkpoint = next.checkpoint;
                outcome.records.extend(next.records);
            }
            Err(error @ LabError::Refused { .. }) => outcome.skipped.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    if outcome.records.is_empty() {
        return Err(LabError::refused(
            setting.step,
            format!("found nothing that applies ({}), expected one disguise", outcome.skipped.join("; ")),
        ));
    }
    Ok(outcome)
}
