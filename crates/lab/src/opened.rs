//! A checkpoint of any container that a family describes, as the first of a chain.

use crate::{Checkpoint, Dtype, LabError, Matrix, Outline, Spec, Tokens, config};
use sources::view::read_rows;
use sources::{Axis, Binding, FormatError, Model, Part, Role, Slot, Space, Stack, TensorSource, Weight};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An open model.
#[derive(Debug)]
pub struct Opened {
    model: Arc<Model>,
    weights: BTreeMap<Slot, Weight>,
    outline: Outline,
}

impl Opened {
    /// Looks at a model; reads no numbers.
    ///
    /// # Errors
    /// If no family describes the model.
    pub fn new(model: Arc<Model>) -> Result<Self, LabError> {
        let Some(binding) = &model.binding else {
            let families: Vec<&str> =
                sources::family::families().map(|all| all.iter().map(|f| f.name.as_str()).collect()).unwrap_or_default();
            return Err(FormatError::new(
                format!("`{}`", model.path.display()),
                "tensors that no family describes",
                format!("a checkpoint of {}", families.join(", ")),
            )
            .into());
        };
        let mut weights = BTreeMap::new();
        let mut specs = BTreeMap::new();
        for weight in &binding.weights {
            let Some(slot) = weight.slot else { continue };
            let Some(tensor) = model.tensors().get(weight.view.tensor) else { continue };
            let mut shape = vec![weight.rows];
            if weight.rank > 2 {
                shape.extend(tensor.shape.iter().skip(1));
            } else if weight.rank == 2 {
                shape.push(weight.cols);
            }
            let dtype = Dtype::of(tensor.encoding);
            specs.insert(slot, Spec { slot, shape, axes: weight.axes, dtype });
            weights.insert(slot, weight.clone());
        }
        let config = config::of(&model, binding, &specs)?;
        read_the_stream(&mut specs, &config);
        let tokens = Tokens::of(&model)?;
        let Binding { family, form, heads, .. } = binding;
        let outline = Outline { family: family.clone(), form: form.clone(), heads: *heads, weights: specs, config, tokens };
        Ok(Self { model, weights, outline })
    }
}

impl Checkpoint for Opened {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn read(&self, slot: Slot) -> Result<Matrix, LabError> {
        let spec = self.outline.spec(slot)?;
        let Some(weight) = self.weights.get(&slot) else {
            return Err(FormatError::new("weight", format!("no `{slot}`"), "one that the checkpoint has").into());
        };
        let mut values = Vec::new();
        read_rows(self.model.as_ref(), weight, 0..weight.rows, &mut values)?;
        let offset = self.outline.form.gain.offset();
        if offset != 0.0 && slot.role.is_norm() && slot.part == Part::Weight {
            values.iter_mut().for_each(|value| *value += offset);
        }
        Ok(Matrix::new(spec.rows(), spec.cols(), values))
    }
}

/// Family files call the inputs of task heads fixed, because a head may read the pooler. Where one reads the stream, its columns are the
/// stream's: those of a token or a span always, of a sequence where there is no pooler.
fn read_the_stream(specs: &mut BTreeMap<Slot, Spec>, config: &serde_json::Value) {
    let has = |specs: &BTreeMap<Slot, Spec>, role| specs.keys().any(|slot| slot.role == role);
    let architecture = config["architectures"][0].as_str().unwrap_or_default();
    let by_token = architecture.contains("TokenClassification") || architecture.contains("QuestionAnswering");
    let role = if has(specs, Role::TaskTransform) { Role::TaskTransform } else { Role::TaskHead };
    if (!by_token && has(specs, Role::Pooler)) || !has(specs, role) {
        return;
    }
    let Some(stream) = specs.values().find(|spec| spec.slot.role == Role::Embed).map(|spec| spec.axes[1]) else { return };
    for spec in specs.values_mut().filter(|spec| spec.slot.role == role && spec.slot.part == Part::Weight) {
        spec.axes[1] = if stream.space == Space::Residual(Stack::Single) { stream } else { Axis::FIXED };
    }
}
