//! Blocks taken twice.

use super::{Outcome, Setting, Step, layers};
use crate::{Checkpoint, LabError};
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "duplicate-layers",
    value: "=I,J",
    number: "layers duplicated",
    help: "each of these blocks twice in a row, counted from 0; of the decoder where there are two stacks",
    run,
};

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    layers::rearranged(setting, checkpoint, |is_named| if is_named { 2 } else { 1 })
}
