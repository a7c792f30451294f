//! The tokenizer of another model, with rows made from those that spell its tokens here.

use super::vocabulary::{self, renumber_settings};
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec, Tokens};
use forward::{NotRunnable, Tokenizer};
use serde_json::{Value, json};
use sources::{FormatError, Model, Space};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "retokenise",
    value: "=PATH",
    number: "vocabulary re-tokenised",
    help: "the tokenizer of another model; the rows of a token are the mean of those that spell it here",
    run,
};

/// Takes each row of a table as the mean of old ones.
struct Spelled {
    /// For each new token the old ones that spell it.
    by: Vec<Vec<usize>>,
}

impl Change for Spelled {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let matrix = inner.read(spec.slot)?;
        if spec.axes[0].space != Space::Vocabulary {
            return Ok(matrix);
        }
        let mut values = Vec::with_capacity(self.by.len() * matrix.cols);
        for spelled in &self.by {
            let mean = |col: usize| spelled.iter().map(|&old| f64::from(matrix.row(old)[col])).sum::<f64>() / spelled.len() as f64;
            values.extend((0..matrix.cols).map(|col| mean(col) as f32));
        }
        Ok(Matrix::new(self.by.len(), matrix.cols, values))
    }
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let path = setting.value.ok_or_else(|| setting.bad_value("the path of a model with a tokenizer.json"))?;
    let n = vocabulary::size(setting, checkpoint.outline())?;
    let unnamed =
        || LabError::refused(setting.step, "found no tokenizer.json beside the model, expected one whose tokens spell the new ones");
    let old = checkpoint.outline().tokens.json()?.ok_or_else(unnamed)?;
    let other = Tokens::of(&Model::open(Path::new(path))?)?;
    let none = || FormatError::new("tokenizer.json", "none", "one beside the other model").at(Path::new(path));
    let new = other.json()?.ok_or_else(none)?;
    let (old_ids, tokens) = (numbers(&old), by_number(&new));
    let by = spelled(&old, &new, &tokens, &old_ids, n).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts"))?;
    let kept = by.iter().zip(&tokens).filter(|(_, token)| token.as_ref().is_some_and(|token| old_ids.contains_key(token))).count();

    let mut outline = checkpoint.outline().clone();
    for spec in outline.weights.values_mut().filter(|spec| spec.axes[0].space == Space::Vocabulary) {
        if let Some(rows) = spec.shape.first_mut() {
            *rows = by.len();
        }
    }
    let new_ids = numbers(&new);
    let same = old_ids.iter().filter_map(|(token, old)| Some((*old as u64, *new_ids.get(token)? as u64)));
    renumber_settings(&mut outline.config, &same.collect());
    outline.set("vocab_size", by.len());
    outline.tokens = other;
    let parameters = json!({ "before": n, "after": by.len(), "keptTokens": kept });
    let notes =
        vec!["tokens of both vocabularies keep their rows; texts are split elsewhere, and their tokens compute something else".into()];
    Ok(setting.changed(Arc::new(Changed { inner: checkpoint, outline, change: Spelled { by } }), parameters, notes))
}

/// Ids by what a `tokenizer.json` calls the tokens.
fn numbers(tokenizer: &Value) -> BTreeMap<String, usize> {
    let id = |id: &Value| id.as_u64().and_then(|id| usize::try_from(id).ok());
    let of_model: Vec<(String, usize)> = match &tokenizer["model"]["vocab"] {
        Value::Object(vocab) => vocab.iter().filter_map(|(token, number)| Some((token.clone(), id(number)?))).collect(),
        Value::Array(pieces) => pieces.iter().enumerate().filter_map(|(id, piece)| Some((piece[0].as_str()?.to_owned(), id))).collect(),
        _ => Vec::new(),
    };
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    of_model.into_iter().chain(added.filter_map(|token| Some((token["content"].as_str()?.to_owned(), id(&token["id"])?)))).collect()
}

/// Tokens by their ids; `None` where an id has no token.
fn by_number(tokenizer: &Value) -> Vec<Option<String>> {
    let numbers = numbers(tokenizer);
    let mut tokens = vec![None; numbers.values().max().map_or(0, |last| last + 1)];
    for (token, id) in numbers {
        tokens[id] = Some(token);
    }
    tokens
}

/// For each new token: itself where the old vocabulary has it, else the old tokens of its text, else all of them.
fn spelled(
    old: &Value,
    new: &Value,
    tokens: &[Option<String>],
    old_ids: &BTreeMap<String, usize>,
    n: usize,
) -> Result<Vec<Vec<usize>>, NotRunnable> {
    let read = |json: &Value| Tokenizer::from_json(json.to_string().as_bytes(), "tokenizer.json");
    let (before, after) = (read(old)?, read(new)?);
    let spell = |(id, token): (usize, &Option<String>)| {
        if let Some(&same) = token.as_ref().and_then(|token| old_ids.get(token)).filter(|id| **id < n) {
            return Ok(vec![same]);
        }
        let text = after.decode(&[u32::try_from(id).unwrap_or(u32::MAX)])?;
        let ids = before.encode_inside(&text)?.into_iter().map(|id| id as usize).filter(|id| *id < n).collect::<Vec<_>>();
        Ok(if ids.is_empty() { (0..n).collect() } else { ids })
    };
    tokens.iter().enumerate().map(spell).collect()
}
