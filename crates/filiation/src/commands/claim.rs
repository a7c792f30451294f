//! `filiation claim attention REFERENCE SUSPECT`: what a claimed correlation is worth, as a page of its own.

use crate::Error;
use crate::cli::{Compare, Pair, Run};
use crate::commands::compare::comparison;
use crate::page::{Page, prepare_folder};
use crate::printer::Printer;
use crate::progress::Progress;

pub(crate) fn attention(pair: &Pair, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    pair.report.as_deref().map(prepare_folder).transpose()?;
    let method = report::claim::METHODS.map(str::to_owned).to_vec();
    // Whoever asks what models attend to wants them run.
    let args = Compare { pair: pair.clone(), parent: Vec::new(), method, run: Run::Always, fail_on: None };
    let (report, _) = comparison(&args, Page::AttentionClaim, progress)?;
    Page::AttentionClaim.deliver(&report, pair, printer)
}
