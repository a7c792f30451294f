//! Width pruning: whole units are taken out of all MLPs.

use super::units::{self, Unit};
use super::{Outcome, Setting, Step};
use crate::{Checkpoint, LabError};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "prune-units",
    value: "=SHARE",
    number: "width pruning",
    help: "SHARE of the units of every MLP taken out, those with the smallest |up| · |down|",
    run,
};

/// Leaves out `share` of the units of every MLP, those with the smallest `|up| · |down|`; the others keep their order.
fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(1.0)?;
    let (mlps, width) = units::mlps(setting, checkpoint.outline())?;
    let dropped = (share * width as f64).round() as usize;
    if dropped >= width {
        return Err(setting.bad_value(&format!("a share that leaves some of {width} units")));
    }
    let mut plans = BTreeMap::new();
    for mlp in mlps {
        let sizes = units::sizes(checkpoint.as_ref(), mlp, width)?;
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&a, &b| sizes[a].total_cmp(&sizes[b]).then(a.cmp(&b)));
        let mut kept = order.split_off(dropped);
        kept.sort_unstable();
        plans.insert(mlp, kept.into_iter().map(|unit| Unit::Old { unit, share: 1.0 }).collect());
    }
    let parameters = json!({ "before": width, "after": width - dropped });
    Ok(setting.changed(units::rebuilt(setting, checkpoint, plans), parameters, Vec::new()))
}
