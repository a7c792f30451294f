//! Tokens left out.

use super::{Outcome, Setting, Step, vocabulary};
use crate::{Checkpoint, LabError};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "cut-vocabulary",
    value: "=SHARE",
    number: "vocabulary cut",
    help: "the last SHARE of the tokens by id left out; special ones stay, and the others move up",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(1.0)?;
    let n = vocabulary::size(setting, checkpoint.outline())?;
    let special = vocabulary::special(checkpoint.outline())?;
    let mut left = (share * n as f64).round() as usize;
    let mut kept: Vec<usize> = Vec::new();
    for id in (0..n).rev() {
        if left > 0 && !special.contains(&id) {
            left -= 1;
        } else {
            kept.push(id);
        }
    }
    kept.reverse();
    if kept.is_empty() {
        return Err(setting.bad_value(&format!("a share that leaves some of {n} tokens")));
    }
    let parameters = json!({ "before": n, "after": kept.len() });
    let notes = vec!["what is left computes what it did; logits of the tokens left out are gone".into()];
    Ok(setting.changed(vocabulary::renumbered(setting, checkpoint, kept)?, parameters, notes))
}
