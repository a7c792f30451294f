//! `filiation claim attention REFERENCE SUSPECT`: what a claimed correlation is worth, as a page of its own.

use crate::cli::{Compare, Format, Pair, Run};
use crate::commands::compare::{as_json, comparison, prepare_folder};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, whole};

/// The methods that the page shows.
const METHODS: [&str; 2] = ["activations.attention", "activations.attention-residual"];

pub(crate) fn attention(pair: &Pair, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    pair.report.as_deref().map(prepare_folder).transpose()?;
    // Whoever asks what models attend to wants them run.
    let run = Run::Always;
    let args = Compare { pair: pair.clone(), parent: Vec::new(), method: METHODS.map(str::to_owned).to_vec(), run, fail_on: None };
    let (report, _) = comparison(&args, progress)?;
    let written = match &pair.report {
        Some(folder) => {
            let page = report::claim::render(&report).map_err(|e| Error::Report(e.to_string()))?;
            whole::write(folder, &[("report.json", &as_json(&report)?), ("claim.html", &page)])?;
            Some(folder.join("claim.html").display().to_string())
        }
        None => None,
    };
    match pair.format {
        Format::Json => printer.result(&as_json(&report)?),
        Format::Text => {
            let options = report::text::Options { colour: printer.colour(), written_to: written.as_deref() };
            printer.result(&report::claim::text(&report, options))
        }
    }
}
