//! Disguise 2: whole key-value groups in a new order, and the query heads of each group among themselves.

use super::reorder::{Order, Reorder};
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Changed, Checkpoint, LabError};
use serde_json::json;
use sources::Space;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "permute-heads",
    value: "",
    number: "2",
    help: "key-value groups in a random order, and the query heads inside each",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let outline = checkpoint.outline();
    let Some(heads) = outline.heads else {
        return Err(LabError::refused(setting.step, "found no number of heads in the configuration, expected one"));
    };
    let per_group = heads.n_heads / heads.n_kv_heads;
    let mut orders = BTreeMap::new();
    let axes = outline.axes();
    for &(space, len) in axes.iter().filter(|(space, _)| matches!(space, Space::Heads { .. })) {
        let mut draws = setting.draws(&label(space));
        let groups = draws.order(heads.n_kv_heads);
        let members: Vec<Vec<usize>> = (0..heads.n_kv_heads).map(|_| draws.order(per_group)).collect();
        // The longer of two axes is that of the queries; where they are equally long there is one query head in a group.
        let longest = axes.iter().filter(|(other, _)| *other == space).map(|(_, len)| *len).max() == Some(len);
        let units: Vec<usize> = if longest {
            groups.iter().flat_map(|&group| members[group].iter().map(move |member| group * per_group + member)).collect()
        } else {
            groups
        };
        if !len.is_multiple_of(units.len()) {
            return Err(LabError::refused(setting.step, format!("found {len} rows of heads, expected a multiple of {}", units.len())));
        }
        let unit = len / units.len();
        let from = units.iter().flat_map(|&head| head * unit..(head + 1) * unit).collect();
        orders.insert((space, len), Order { from, signs: Vec::new() });
    }
    if orders.is_empty() {
        return Err(LabError::refused(setting.step, "found heads whose positions tell them apart, expected exchangeable ones"));
    }
    let parameters = json!({ "heads": heads.n_heads, "keyValueHeads": heads.n_kv_heads });
    Ok(setting.kept(Changed::same_outline(checkpoint, Reorder(orders)), parameters, Vec::new()))
}
