//! Disguise 1: hidden units of every MLP in a new order.

use super::reorder::{Order, Reorder};
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Changed, Checkpoint, LabError};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "permute-units",
    value: "",
    number: "1",
    help: "hidden units of every MLP in a random order, of every expert by itself",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let mlps = checkpoint.outline().mlps();
    if mlps.is_empty() {
        return Err(LabError::refused(setting.step, "found no MLP, expected one in every block"));
    }
    let order = |(space, n)| ((space, n), Order { from: setting.draws(&label(space)).order(n), signs: Vec::new() });
    let parameters = json!({ "mlps": mlps.len() });
    let orders = mlps.into_iter().map(order).collect();
    Ok(setting.kept(Changed::same_outline(checkpoint, Reorder(orders)), parameters, Vec::new()))
}
