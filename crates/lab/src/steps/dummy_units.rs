//! Units that do nothing: the same function with more units.

use super::units::{self, Unit};
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Checkpoint, LabError};
use serde_json::json;
use sources::Space;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "dummy-units",
    value: "=SHARE",
    number: "dummy units",
    help: "SHARE as many new units in every MLP that read at random and write zero",
    run,
};

/// Adds `share` as many units as every MLP has, in random places: they read at random, as strongly as the others, and write zero.
fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(10.0)?;
    let (mlps, width) = units::mlps(setting, checkpoint.outline())?;
    let added = (share * width as f64).round() as usize;
    let plan = |mlp: Space| {
        let mut draws = setting.draws(&label(mlp));
        let mut plan: Vec<Unit> = (0..width).map(|unit| Unit::Old { unit, share: 1.0 }).collect();
        for _ in 0..added {
            plan.insert(draws.below(plan.len() + 1), Unit::Dummy);
        }
        plan
    };
    let plans = mlps.into_iter().map(|mlp| (mlp, plan(mlp))).collect();
    let parameters = json!({ "before": width, "after": width + added });
    Ok(setting.kept(units::rebuilt(setting, checkpoint, plans), parameters, Vec::new()))
}
