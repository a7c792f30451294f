//! What the program does, for callers that are no command line: nothing is printed.

use crate::cli::suspect::SuspectArgs;
use crate::cli::{Compare, Inspect};
use crate::page::{Page, prepare_folder};
use crate::progress::Progress;
use crate::suspect::{Suspect, logprobs};
use crate::{Error, commands, models};
use forward::{Observation, PromptSet, Scheme, Watermark};
use report::data::Report;
use sources::Model;
use sources::digest::Custody;
use std::path::Path;

/// Compares as `filiation compare` does. What the arguments say about output is not looked at.
pub fn compare(args: &Compare) -> Result<Report, Error> {
    Ok(commands::compare::comparison(args, Page::Report, &Progress::Quiet)?.0)
}

/// Writes a report as `report.json` and `report.html` into a folder, which is made where there is none.
pub fn write_report(report: &Report, folder: &Path) -> Result<(), Error> {
    prepare_folder(folder)?;
    Page::Report.write(report, folder)
}

/// A watermark with a fresh key from the system's randomness.
pub fn new_watermark(scheme: Scheme, window: usize) -> Result<Watermark, Error> {
    commands::watermark::fresh(scheme, window)
}

/// Writes a watermark's key into a new file that only its owner can read.
pub fn save_watermark(watermark: &Watermark, path: &Path) -> Result<(), Error> {
    commands::watermark::save(watermark, path)
}

/// What `filiation inspect` prints.
pub fn inspect(args: &Inspect) -> Result<String, Error> {
    commands::inspect::inspection(args, &Progress::Quiet)
}

/// Runs a checkpoint with this program's own engine, as `filiation observe` does.
pub fn observe(model: &Path, prompts: &PromptSet) -> Result<Observation, Error> {
    commands::observe::observation(model, prompts, &Progress::Quiet)
}

/// Opens a suspect that says how probable it finds replies; `asked` is what a transcript says it is asked for.
pub fn suspect(args: &SuspectArgs, asked: &str) -> Result<Suspect, Error> {
    Suspect::open(args, logprobs(asked), &forward::Chat::named("dialogues")?, &Progress::Quiet)
}

/// Opens weights by path or Hub id, with all their digests.
pub fn open(model: &Path) -> Result<(Model, Custody), Error> {
    let model = models::open_weights(model, &Progress::Quiet)?;
    let custody = models::custody(&model, "digests", &Progress::Quiet)?;
    Ok((model, custody))
}
