//! Units split in two: the same function with more units.

use super::units::{self, Unit};
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Checkpoint, LabError};
use serde_json::json;
use sources::Space;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "split-units",
    value: "=SHARE",
    number: "unit splitting",
    help: "SHARE of the units of every MLP become two each, whose outputs add up to it",
    run,
};

/// Makes two units of `share` of the units of every MLP: both read what the one read, and their outputs add up to its. The second stands
/// at the end.
fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(1.0)?;
    let (mlps, width) = units::mlps(setting, checkpoint.outline())?;
    let split = (share * width as f64).round() as usize;
    let plan = |mlp: Space| {
        let mut draws = setting.draws(&label(mlp));
        let mut plan: Vec<Unit> = (0..width).map(|unit| Unit::Old { unit, share: 1.0 }).collect();
        for &unit in draws.order(width).iter().take(split) {
            // Of 4,096 parts, so that most halves are exact in f32.
            let part = (1 + draws.below(4095)) as f32 / 4096.0;
            plan[unit] = Unit::Old { unit, share: part };
            plan.push(Unit::Old { unit, share: 1.0 - part });
        }
        plan
    };
    let plans = mlps.into_iter().map(|mlp| (mlp, plan(mlp))).collect();
    let parameters = json!({ "before": width, "after": width + split });
    Ok(setting.kept(units::rebuilt(setting, checkpoint, plans), parameters, Vec::new()))
}
