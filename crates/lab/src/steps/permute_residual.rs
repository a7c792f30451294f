//! Disguise 3: coordinates of the residual stream in a new order, with random signs where the norms do not see them.

use super::reorder::{Order, Reorder};
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Changed, Checkpoint, LabError, Outline};
use serde_json::json;
use sources::Role;
use sources::form::NormKind;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "permute-residual",
    value: "",
    number: "3",
    help: "coordinates of the residual stream in a random order, with random signs where the norms are RMS norms",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let outline = checkpoint.outline();
    let residuals = outline.residuals();
    if residuals.is_empty() {
        return Err(LabError::refused(setting.step, FIXED));
    }
    let with_signs = outline.form.norm == NormKind::Rms;
    let order = |(space, n)| {
        let mut draws = setting.draws(&label(space));
        let from = draws.order(n);
        let signs = if with_signs { (0..n).map(|_| draws.sign() as f32).collect() } else { Vec::new() };
        ((space, n), Order { from, signs })
    };
    let notes = output_note(outline).into_iter().collect();
    let parameters = json!({ "streams": residuals.len(), "signs": with_signs });
    let orders = residuals.into_iter().map(order).collect();
    Ok(setting.kept(Changed::same_outline(checkpoint, Reorder(orders)), parameters, notes))
}

/// Why a stream may not be touched.
pub(super) const FIXED: &str = "found a residual stream whose coordinates have an order of their own, expected exchangeable ones";

/// What a model without a head gives is the stream itself.
pub(super) fn output_note(outline: &Outline) -> Option<String> {
    let has_head = outline.weights.keys().any(|slot| slot.role == Role::Unembed) || outline.tied_embedding().is_some();
    (!has_head).then(|| {
        "the model has no head, so its hidden states come out in the new coordinates; inner products between them are unchanged".into()
    })
}
