//! A dense model as a mixture of experts.

use super::{Outcome, Setting, Step, noise};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::{Value, json};
use sources::{Axis, Part, Role, Slot, Space};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "upcycle",
    value: "=N",
    number: "MoE upcycling",
    help: "N experts a block that are copies of its MLP with 1 % noise, and a random router: Mixtral",
    run,
};

/// What experts start with that tells them apart (Komatsuzaki et al. 2023 start with none).
const NOISE: f64 = 0.01;
/// Hugging Face's standard deviation of new matrices.
const ROUTER: f64 = 0.02;

struct Upcycle(Setting<'static>);

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let refused = |reason: &str| Err(LabError::refused(setting.step, reason));
    let n = setting.value.and_then(|value| value.parse::<usize>().ok()).filter(|n| (2..=256).contains(n));
    let n = n.ok_or_else(|| setting.bad_value("a number of experts from 2 to 256"))?;
    let old = checkpoint.outline();
    if old.family != "llama" {
        return refused(&format!("found the family {}, expected llama, which has names for experts", old.family));
    }
    if old.weights.keys().any(|slot| slot.expert.is_some() || slot.role == Role::MoeRouter) {
        return refused("found a mixture, expected a dense model");
    }
    if old.weights.keys().any(|slot| slot.layer.is_some() && slot.part == Part::Bias) {
        return refused("found biases in the blocks, expected none, as Mixtral has");
    }
    match old.setting("model_type").and_then(Value::as_str) {
        None | Some("llama" | "mistral") => {}
        Some(other) => return refused(&format!("found the model type {other}, expected llama or mistral, which compute as Mixtral does")),
    }
    let mut outline = old.clone();
    outline.weights = BTreeMap::new();
    for spec in old.weights.values() {
        if !is_mlp(spec.slot.role) {
            outline.weights.insert(spec.slot, spec.clone());
            continue;
        }
        for expert in 0..n {
            let mut spec = spec.clone();
            spec.slot.expert = Some(expert);
            spec.axes.iter_mut().for_each(|axis| axis.space = of_expert(axis.space, expert));
            outline.weights.insert(spec.slot, spec);
        }
        if spec.slot.role == Role::MlpUp {
            let slot = Slot { role: Role::MoeRouter, ..spec.slot };
            let router = Spec { slot, shape: vec![n, spec.cols()], axes: [Axis::FIXED, spec.axes[1]], dtype: spec.dtype };
            outline.weights.insert(slot, router);
        }
    }
    // What the two families take for granted is not the same.
    let or = |key: &str, default: Value| outline.setting(key).cloned().unwrap_or(default);
    let kept = [
        ("rms_norm_eps", or("rms_norm_eps", json!(1e-6))),
        ("rope_theta", or("rope_theta", json!(10_000.0))),
        ("tie_word_embeddings", or("tie_word_embeddings", json!(false))),
        ("num_key_value_heads", or("num_key_value_heads", or("num_attention_heads", Value::Null))),
        ("sliding_window", or("sliding_window", Value::Null)),
        ("hidden_act", or("hidden_act", json!("silu"))),
    ];
    kept.into_iter().for_each(|(key, value)| outline.set(key, value));
    outline.set("architectures", json!(["MixtralForCausalLM"]));
    outline.set("model_type", "mixtral");
    outline.set("num_local_experts", n);
    outline.set("num_experts_per_tok", 2);
    let change = Upcycle(setting.for_later());
    let parameters = json!({ "experts": n, "noise": NOISE, "router": ROUTER });
    Ok(setting.changed(Arc::new(Changed { inner: checkpoint, outline, change }), parameters, Vec::new()))
}

fn is_mlp(role: Role) -> bool {
    matches!(role, Role::MlpGate | Role::MlpUp | Role::MlpDown)
}

fn of_expert(space: Space, expert: usize) -> Space {
    match space {
        Space::MlpUnits { stack, layer, .. } => Space::MlpUnits { stack, layer, expert: Some(expert) },
        other => other,
    }
}

impl Change for Upcycle {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut draws = self.0.draws(&spec.slot.to_string());
        if spec.slot.role == Role::MoeRouter {
            let values = (0..spec.rows() * spec.cols()).map(|_| (ROUTER * draws.normal()) as f32).collect();
            return Ok(Matrix::new(spec.rows(), spec.cols(), values));
        }
        let mut matrix = inner.read(Slot { expert: None, ..spec.slot })?;
        if spec.slot.expert.is_some() {
            noise::add(&mut matrix, NOISE, &mut draws);
        }
        Ok(matrix)
    }
}
