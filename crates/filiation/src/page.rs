//! The pages that a report can be given as, and how each reaches the user.

use crate::cli::{Format, Pair};
use crate::printer::Printer;
use crate::{Error, whole};
use report::data::Report;
use std::path::Path;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// All that was found.
    Report,
    /// What a claimed correlation of attention is worth.
    AttentionClaim,
    /// Whether the suspect was trained on what the reference released.
    Distillation,
}

impl Page {
    /// The words of the command line that ask for it.
    pub(crate) fn subcommand(self) -> &'static str {
        match self {
            Self::Report => "compare",
            Self::AttentionClaim => "claim attention",
            Self::Distillation => "twins test",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Report => "report.html",
            Self::AttentionClaim => "claim.html",
            Self::Distillation => "distillation.html",
        }
    }

    /// Writes the page, and `report.json` beside it, into a folder that exists.
    pub(crate) fn write(self, report: &Report, folder: &Path) -> Result<(), Error> {
        let html = match self {
            Self::Report => report::html::render(report),
            Self::AttentionClaim => report::claim::render(report),
            Self::Distillation => report::distillation::render(report),
        };
        let html = html.map_err(|e| Error::Report(e.to_string()))?;
        whole::write(folder, &[("report.json", &as_json(report)?), (self.file(), &html)])
    }

    /// Writes what was asked for and prints the result.
    pub(crate) fn deliver(self, report: &Report, pair: &Pair, printer: &Printer) -> Result<(), Error> {
        self.deliver_to(report, pair.report.as_deref(), pair.format, printer)
    }

    /// The same for a command without a pair of models.
    pub(crate) fn deliver_to(self, report: &Report, folder: Option<&Path>, format: Format, printer: &Printer) -> Result<(), Error> {
        let mut written = None;
        if let Some(folder) = folder {
            self.write(report, folder)?;
            written = Some(folder.join(self.file()).display().to_string());
        }
        let options = report::text::Options { colour: printer.colour(), written_to: written.as_deref() };
        match (format, self) {
            (Format::Json, _) => printer.result(&as_json(report)?),
            (Format::Text, Self::Report) => printer.result(&report::text::render(report, options)),
            (Format::Text, Self::AttentionClaim) => printer.result(&report::claim::text(report, options)),
            (Format::Text, Self::Distillation) => printer.result(&report::distillation::text(report, options)),
        }
    }
}

/// Before the work, not after it: a folder that cannot be made or written must not cost an hour.
pub(crate) fn prepare_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|error| Error::Io { action: "create", path: folder.to_owned(), error })?;
    check_writable(folder)
}

/// The same for a folder that must be there.
pub(crate) fn check_writable(folder: &Path) -> Result<(), Error> {
    let tried = std::fs::read_dir(folder).and_then(|_| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| Error::Io { action: "write into", path: folder.to_owned(), error })
}

fn as_json(report: &Report) -> Result<String, Error> {
    report::json::render(report).map_err(|e| Error::Report(e.to_string()))
}
