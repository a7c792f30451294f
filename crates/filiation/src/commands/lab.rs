//! `filiation lab disguise MODEL -o DIR --step STEP…`: models with a known history.

use crate::Error;
use crate::cli::{Disguise, Dtype};
use crate::models::open;
use crate::printer::{Printer, printable, wrap};
use crate::progress::Progress;
use lab::steps::STEPS;
use lab::{Precision, Request};
use sources::digest;

/// Columns of the list, and of the name that starts a line of it.
const WIDTH: usize = 80;
const LABEL: usize = 24;

pub(crate) fn disguise(args: &Disguise, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    if args.list {
        return printer.result(&list());
    }
    let (Some(path), Some(folder)) = (&args.model, &args.output) else {
        return Err(Error::Usage { message: "model and folder: found one of them at most, expected both".into(), hint: None });
    };
    let model = open(path, progress)?;
    let precision = match args.dtype {
        Dtype::AsStored => Precision::AsStored,
        Dtype::F32 => Precision::Of(lab::Dtype::F32),
        Dtype::F16 => Precision::Of(lab::Dtype::F16),
        Dtype::Bf16 => Precision::Of(lab::Dtype::Bf16),
    };
    let request = Request { folder, steps: &args.step, seed: args.seed, precision };
    let made = {
        let reading = progress.bytes("digests of the model", digest::custody_bytes(&model));
        let writing = progress.bytes("writing", 4 * model.parameters());
        lab::disguise(model, &request, &|n| reading.advance(n), &|n| writing.advance(n))?
    };
    let mut text = String::new();
    for record in &made.records {
        let verb = if record.keeps_function { "keeps the function" } else { "changes the function" };
        text.push_str(&line(&record.step, verb));
        record.notes.iter().for_each(|note| text.push_str(&line("", note)));
    }
    made.skipped.iter().for_each(|reason| text.push_str(&line("left out", reason)));
    text.push_str(&line("written to", &folder.display().to_string()));
    printer.result(&text)
}

fn list() -> String {
    let mut text = String::new();
    for step in STEPS {
        text.push_str(&line(&format!("{}{}", step.name, step.value), &format!("{} ({})", step.help, step.number)));
    }
    text
}

fn line(label: &str, value: &str) -> String {
    let mut text = String::new();
    for (i, line) in wrap(&printable(value), WIDTH - LABEL - 2).iter().enumerate() {
        text.push_str(&format!("{:LABEL$}  {line}\n", if i == 0 { label } else { "" }));
    }
    text
}
