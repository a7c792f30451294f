//! Disguise 6: every hidden unit louder on one side of the MLP and quieter on the other.

use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Outline, Spec};
use serde_json::json;
use sources::form::Activation;
use sources::{Role, Space};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "scale-units",
    value: "",
    number: "6",
    help: "up by s and down by 1/s, s log-uniform in [1/4, 4]; with random signs where there is a gate",
    run,
};

const RANGE: (f64, f64) = (0.25, 4.0);

struct Scaled(BTreeMap<Space, Vec<f32>>);

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let outline = checkpoint.outline();
    let mlps = outline.mlps();
    if mlps.is_empty() {
        return Err(LabError::refused(setting.step, "found no MLP, expected one in every block"));
    }
    let gated: Vec<Space> =
        outline.weights.values().filter(|spec| spec.slot.role == Role::MlpGate).map(|spec| spec.axes[0].space).collect();
    if !mlps.keys().all(|space| gated.contains(space)) && !is_relu(outline) {
        return Err(LabError::refused(
            setting.step,
            "found an activation between up and down that is neither gated nor ReLU, so a factor does not pass it, expected one that it passes",
        ));
    }
    let factors = |(space, n): (Space, usize)| {
        let mut draws = setting.draws(&label(space));
        let is_gated = gated.contains(&space);
        let factor = |_| (draws.log_uniform(RANGE.0, RANGE.1) * if is_gated { draws.sign() } else { 1.0 }) as f32;
        (space, (0..n).map(factor).collect())
    };
    let parameters = json!({ "mlps": mlps.len(), "from": RANGE.0, "to": RANGE.1, "signs": !gated.is_empty() });
    let factors = mlps.into_iter().map(factors).collect();
    Ok(setting.kept(Changed::same_outline(checkpoint, Scaled(factors)), parameters, Vec::new()))
}

/// Whether a positive factor passes the activation; the configuration knows better than the family.
fn is_relu(outline: &Outline) -> bool {
    let keys = ["hidden_act", "activation_function", "hidden_activation", "dense_act_fn", "feed_forward_proj", "activation"];
    match keys.into_iter().find_map(|key| outline.setting(key)?.as_str()) {
        Some(name) => name == "relu",
        None => outline.form.activation == Activation::Relu,
    }
}

impl Change for Scaled {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        match spec.slot.role {
            Role::MlpUp => {
                if let Some(factors) = self.0.get(&spec.axes[0].space) {
                    matrix.scale_rows(factors);
                }
            }
            Role::MlpDown => {
                if let Some(factors) = self.0.get(&spec.axes[1].space) {
                    matrix.scale_cols(&factors.iter().map(|factor| 1.0 / factor).collect::<Vec<_>>());
                }
            }
            _ => {}
        }
        Ok(matrix)
    }
}
