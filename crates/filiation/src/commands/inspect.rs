//! `filiation inspect MODEL`: what a checkpoint holds, and what its card claims.

use crate::Error;
use crate::cli::{Format, Inspect};
use crate::models::{custody, resolve};
use crate::printer::{Printer, printable, wrap};
use crate::progress::Progress;
use evidence::Side;
use serde_json::json;
use sources::digest::Custody;
use sources::{Model, TensorSource};
use std::collections::BTreeMap;

pub(crate) fn run(args: &Inspect, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    printer.result(&inspection(args, progress)?)
}

/// What is printed.
pub(crate) fn inspection(args: &Inspect, progress: &Progress) -> Result<String, Error> {
    let model = Model::open(&resolve(&args.model)?)?;
    let custody = custody(&model, "digests", progress)?;
    let side = Side::new(&model)?;
    match args.format {
        Format::Json => serde_json::to_string_pretty(&as_json(&side, &custody)).map_err(|e| Error::Report(e.to_string())),
        Format::Text => Ok(as_text(&side, &custody, args.tensors)),
    }
}

/// Names what the JSON holds; changes with a major version only.
const SCHEMA: &str = "urn:filiation:inspect:v1";
/// Columns of the text, and of the label that starts a fact.
const WIDTH: usize = 80;
const LABEL: usize = 12;

fn as_text(side: &Side<'_>, custody: &Custody, tensors: bool) -> String {
    let model = side.model;
    let mut lines: Vec<(&str, String)> = vec![("path", model.path.display().to_string()), ("container", model.format.to_string())];
    if model.is_adapter {
        lines.push(("adapter", "low-rank changes to another model's weights, not weights themselves".into()));
    }
    match &model.binding {
        Some(binding) => {
            let layers: Vec<String> = binding.layers.iter().map(|(_, n)| n.to_string()).collect();
            lines.push(("family", format!("{}, {} blocks", binding.family, layers.join(" + "))));
            if !binding.undescribed.is_empty() {
                lines.push(("undescribed", format!("{} tensors, compared by content", binding.undescribed.len())));
            }
        }
        None => lines.push(("family", "none describes it; compared by content".into())),
    }
    let elements: u64 = model.tensors().iter().map(|t| t.elements() as u64).sum();
    let shares: Vec<String> =
        model.encodings().iter().map(|(name, n)| format!("{name} {:.1} %", 100.0 * *n as f64 / elements.max(1) as f64)).collect();
    lines.push(("tensors", format!("{}, {} elements: {}", model.tensors().len(), grouped(elements), shares.join(", "))));
    lines.push(("parameters", format!("{} in numeric weights, {} trained", grouped(model.parameters()), grouped(side.trained_elements()))));
    let mut kinds: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for constant in &side.constants {
        let kind = kinds.entry(&constant.why).or_default();
        *kind = (kind.0 + 1, kind.1 + constant.elements as u64);
    }
    for (why, (n, elements)) in kinds {
        lines.push(("left out", format!("{n} tensors, {} elements: {why}", grouped(elements))));
    }
    if let Some(vocabulary) = &model.vocabulary {
        lines.push((
            "tokenizer",
            format!(
                "{} tokens, {} merges, from {}",
                grouped(vocabulary.used() as u64),
                grouped(vocabulary.merges.len() as u64),
                vocabulary.origin
            ),
        ));
    }
    for claim in model.claims.base_models.iter().chain(&model.claims.relation).chain(&model.claims.licence) {
        lines.push(("claims", format!("{} ({})", claim.value, claim.origin)));
    }
    lines.push(("sha256", custody.sha256.clone()));
    lines.push(("tensor root", custody.tensor_root.clone()));
    for warning in &model.warnings {
        lines.push(("warning", warning.clone()));
    }
    let mut text = String::new();
    for (name, value) in &lines {
        for (i, line) in wrap(&printable(value), WIDTH - LABEL - 2).iter().enumerate() {
            text.push_str(&format!("{:LABEL$}  {line}\n", if i == 0 { name } else { "" }));
        }
    }
    if tensors {
        text.push('\n');
        for (tensor, digest) in model.tensors().iter().zip(&custody.tensors) {
            text.push_str(&format!(
                "{}  {:8} {:?}  {}\n",
                &digest[..16],
                tensor.encoding.to_string(),
                tensor.shape,
                tensor.name.escape_debug()
            ));
        }
    }
    text
}

fn as_json(side: &Side<'_>, custody: &Custody) -> serde_json::Value {
    let model = side.model;
    let claim = |c: &sources::claims::Claim| json!({ "value": c.value, "origin": c.origin });
    json!({
        "schema": SCHEMA,
        "path": model.path.display().to_string(),
        "format": model.format.to_string(),
        "family": model.binding.as_ref().map(|b| &b.family),
        "nParameters": model.parameters(),
        "nTrained": side.trained_elements(),
        "encodings": model.encodings().into_iter().collect::<BTreeMap<_, _>>(),
        "vocabulary": model.vocabulary.as_ref().map(|v| json!({ "tokens": v.used(), "merges": v.merges.len(), "origin": v.origin })),
        "claims": {
            "baseModels": model.claims.base_models.iter().map(claim).collect::<Vec<_>>(),
            "relation": model.claims.relation.as_ref().map(claim),
            "licence": model.claims.licence.as_ref().map(claim),
        },
        "constantsLeftOut": side.constants.iter().map(|c| json!({ "name": c.label, "elements": c.elements, "why": c.why })).collect::<Vec<_>>(),
        "isAdapter": model.is_adapter,
        "warnings": model.warnings,
        "files": custody.files.iter().map(|f| json!({ "path": f.path.display().to_string(), "bytes": f.bytes, "sha256": f.sha256 })).collect::<Vec<_>>(),
        "sha256": custody.sha256,
        "tensorRoot": custody.tensor_root,
        "tensors": model.tensors().iter().zip(&custody.tensors).map(|(t, digest)| json!({
            "name": t.name, "shape": t.shape, "encoding": t.encoding.to_string(), "blake3": digest,
        })).collect::<Vec<_>>(),
    })
}

/// `1234567` → `1,234,567`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped_by_threes() {
        assert_eq!([0, 999, 1000, 22_713_728].map(super::grouped), ["0", "999", "1,000", "22,713,728"]);
    }
}
