//! A model before its first step: drawn weights beside a configuration and a tokenizer.

use super::{Architecture, END_OF_TEXT, START_OF_TEXT, Sizes};
use crate::write::{Record, write};
use crate::{Checkpoint, Draws, Dtype, LabError, Matrix, Outline, Precision, Spec, Tokens};
use serde_json::{Value, json};
use sources::family::named;
use sources::{Axis, FormatError, Part, Role, Slot};
use std::path::Path;

/// Standard deviation of drawn weights, as `initializer_range` of most published configurations.
const DEVIATION: f64 = 0.02;

/// Drawn weights.
struct Begun {
    outline: Outline,
    seed: u64,
    layers: usize,
}

impl Checkpoint for Begun {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn read(&self, slot: Slot) -> Result<Matrix, LabError> {
        Ok(drawn(self.outline.spec(slot)?, self.layers, &mut Draws::new(self.seed, &format!("begun/{slot}"))))
    }
}

/// Gaussian; what writes to the stream is smaller by `√(2 · blocks)`, so that depth does not widen it (GPT-2, section 2.3). Gains are 1,
/// biases 0.
pub(crate) fn drawn(spec: &Spec, layers: usize, draws: &mut Draws) -> Matrix {
    let n = spec.rows() * spec.cols();
    let values = match spec.slot.part {
        Part::Bias => vec![0.0; n],
        _ if spec.slot.role.is_norm() => vec![1.0; n],
        _ => {
            let writes = matches!(spec.slot.role, Role::AttnOut | Role::MlpDown);
            let deviation = if writes { DEVIATION / (2.0 * layers as f64).sqrt() } else { DEVIATION };
            (0..n).map(|_| (deviation * draws.normal()) as f32).collect()
        }
    };
    Matrix::new(spec.rows(), spec.cols(), values)
}

/// Writes a model of drawn weights into a folder. `tokenizer` is a `tokenizer.json`.
///
/// # Errors
/// If the sizes do not fit, or the folder is not free.
pub fn begin(sizes: &Sizes, tokenizer: &Value, seed: u64, folder: &Path) -> Result<(), LabError> {
    let architecture = Architecture::named(&sizes.architecture)?;
    let vocabulary = vocabulary(tokenizer)?;
    let (config, draft) = architecture.draft(sizes, vocabulary)?;
    let family = named(&architecture.family).ok_or_else(|| FormatError::new("family", &architecture.family, "one of data/families"))?;
    let specs = draft.shapes.into_iter().map(|(slot, shape)| (slot, Spec { slot, shape, axes: [Axis::FIXED; 2], dtype: Dtype::F32 }));
    let words = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": START_OF_TEXT, "eos_token": END_OF_TEXT });
    let tokens = Tokens { tokenizer: Some(tokenizer.clone()), config: Some(words), ..Tokens::default() };
    let outline =
        Outline { family: architecture.family, form: family.form().clone(), heads: draft.heads, weights: specs.collect(), config, tokens };
    let begun = Begun { outline, seed, layers: sizes.layers };
    let record = json!({ "schema": "urn:filiation:begun:v1", "seed": seed, "sizes": sizes });
    write(&begun, None, folder, Precision::Of(Dtype::F32), &Record { file: "begun.json", value: &record }, &|_| ())?;
    Ok(())
}

/// One more than the largest id that a tokenizer gives.
fn vocabulary(tokenizer: &Value) -> Result<usize, LabError> {
    let of_model = tokenizer["model"]["vocab"].as_object().into_iter().flat_map(|vocab| vocab.values());
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten().map(|token| &token["id"]);
    let largest = of_model.chain(added).filter_map(Value::as_u64).max();
    let n = largest.and_then(|id| usize::try_from(id + 1).ok());
    n.ok_or_else(|| FormatError::new("tokenizer.json", "no token with an id", "a vocabulary").into())
}
