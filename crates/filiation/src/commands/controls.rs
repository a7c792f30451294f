//! `filiation controls add|list|remove`: independent models that `compare` takes as controls without being told.

use crate::Error;
use crate::cli::{Controls, Format};
use crate::commands::inspect::grouped;
use crate::controls::{Added, Registered, Registry, absolute};
use crate::models::{custody, open_weights, resolve};
use crate::printer::{Printer, printable};
use crate::progress::Progress;
use std::path::{Path, PathBuf};

/// Names what the list as JSON holds; changes with a major version only.
const SCHEMA: &str = "urn:filiation:controls:v1";
/// Digits of a tensor root that tell a control from all others that one user will have.
const SHOWN: usize = 16;
/// Fewer digits are no digest but a slip.
const MIN_DIGITS: usize = 8;

pub(crate) fn run(command: &Controls, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let registry = Registry::required()?;
    match command {
        Controls::Add { models } => printer.result(&add(&registry, models, progress)?),
        Controls::List { format: Format::Text } => printer.result(&as_text(&registry.all()?)),
        Controls::List { format: Format::Json } => {
            let list = serde_json::json!({ "schema": SCHEMA, "controls": registry.all()? });
            printer.result(&serde_json::to_string_pretty(&list).map_err(|e| Error::Report(e.to_string()))?)
        }
        Controls::Remove { controls } => printer.result(&remove(&registry, controls)?),
    }
}

/// All of them or none: a model that cannot be a control leaves the registry as it was.
fn add(registry: &Registry, models: &[PathBuf], progress: &Progress) -> Result<String, Error> {
    let mut controls = Vec::new();
    for path in models {
        let model = open_weights(path, progress)?;
        controls.push(Registered::new(&model, &custody(&model, "digests of a control", progress)?)?);
    }
    let mut text = String::new();
    for control in &controls {
        let outcome = match registry.add(control)? {
            Added::New => "registered".to_owned(),
            Added::Known => "already registered".to_owned(),
            Added::Moved(from) => format!("registered anew, in place of `{}`", from.display()),
        };
        let root = &control.tensor_root[..SHOWN];
        text.push_str(&format!("{root}  {}: {}\n", control.shape_class, printable(&outcome)));
        text.push_str(&path_line(&control.path));
    }
    Ok(text)
}

fn remove(registry: &Registry, names: &[PathBuf]) -> Result<String, Error> {
    let all = registry.all()?;
    let mut found: Vec<&Registered> = Vec::new();
    for name in names {
        let control = find(&all, name)?;
        if !found.contains(&control) {
            found.push(control);
        }
    }
    let mut text = String::new();
    for control in found {
        registry.remove(control)?;
        text.push_str(&format!("{}  {}: removed from the registry\n", &control.tensor_root[..SHOWN], control.shape_class));
        text.push_str(&path_line(&control.path));
    }
    Ok(text)
}

/// The control of a tensor root, of the beginning of one, or of a path; the model itself may be gone.
fn find<'a>(all: &'a [Registered], name: &Path) -> Result<&'a Registered, Error> {
    let by_root = |digits: &str| -> Vec<&Registered> {
        let digits = digits.to_ascii_lowercase();
        all.iter().filter(|control| digits.len() >= MIN_DIGITS && control.tensor_root.starts_with(&digits)).collect()
    };
    let resolved = resolve(name).unwrap_or_else(|_| name.to_owned());
    let resolved = absolute(&resolved)?;
    let at_path = all.iter().find(|control| control.path == resolved);
    let of_root = name.to_str().map(by_root).unwrap_or_default();
    let error = |found: String, expected: &str| Error::Usage {
        message: format!("control: found {found}, expected {expected}"),
        hint: Some("`filiation controls list` shows the registered controls".into()),
    };
    match (at_path, of_root.as_slice()) {
        (Some(control), _) => Ok(control),
        (None, [control]) => Ok(*control),
        (None, []) => {
            Err(error(format!("`{}`", name.display()), "the path of a registered control, or eight or more digits of its tensor root"))
        }
        (None, several) => {
            Err(error(format!("`{}`, with which {} tensor roots begin", name.display(), several.len()), "the digits of one"))
        }
    }
}

fn as_text(controls: &[Registered]) -> String {
    if controls.is_empty() {
        return "no controls are registered; `filiation controls add MODEL` registers one\n".into();
    }
    let mut text = String::new();
    for class in controls.chunk_by(|a, b| a.shape_class == b.shape_class) {
        let plural = if class.len() == 1 { "" } else { "s" };
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}: {} control{plural}\n", class[0].shape_class, class.len()));
        for control in class {
            let gone = if control.path.exists() { "" } else { ", no longer there" };
            let root = &control.tensor_root[..SHOWN];
            text.push_str(&format!("  {root}  {}, {} parameters{gone}\n", printable(&control.family), grouped(control.n_parameters)));
            text.push_str(&format!("  {}", path_line(&control.path)));
        }
    }
    text
}

/// A path under the root that it belongs to, never broken: people copy it.
fn path_line(path: &Path) -> String {
    format!("{:SHOWN$}  {}\n", "", printable(&path.display().to_string()))
}
