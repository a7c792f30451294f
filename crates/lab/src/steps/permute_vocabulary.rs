//! Tokens with the ids of others.

use super::{Outcome, Setting, Step, vocabulary};
use crate::{Checkpoint, LabError};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "permute-vocabulary",
    value: "",
    number: "vocabulary permuted",
    help: "the ids of all tokens in a random order, in tables, tokenizer and configuration",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let n = vocabulary::size(setting, checkpoint.outline())?;
    let order = setting.draws("order").order(n);
    let notes = vec!["the same function of token strings: the ids are other ones".into()];
    Ok(setting.kept(vocabulary::renumbered(setting, checkpoint, order)?, json!({ "tokens": n }), notes))
}
