//! Progress on stderr: a bar with bytes and time left on a terminal, one plain line a phase elsewhere, nothing when quiet.

use crate::printer::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};

/// How a run tells what it is doing.
pub(crate) enum Progress {
    Quiet,
    Lines,
    Bars,
}

/// One phase with a known amount of work.
pub(crate) struct Phase {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }

    /// A phase measured in bytes.
    pub(crate) fn bytes(&self, what: &str, total: u64) -> Phase {
        self.phase(
            what,
            total,
            "{msg:26} {wide_bar} {bytes:>10} of {total_bytes:>10} {eta:>4} left",
            &format!(", {}", indicatif::HumanBytes(total)),
        )
    }

    /// A phase measured in steps.
    pub(crate) fn steps(&self, what: &str, total: u64) -> Phase {
        self.phase(what, total, "{msg:26} {wide_bar} {pos:>10} of {len:>10} {eta:>4} left", "")
    }

    fn phase(&self, what: &str, total: u64, template: &str, size: &str) -> Phase {
        let bar = match self {
            Self::Bars => {
                let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10))
                    .with_style(style)
                    .with_message(what.to_owned())
            }
            Self::Lines => {
                self.note(&format!("{what}{size}"));
                ProgressBar::hidden()
            }
            Self::Quiet => ProgressBar::hidden(),
        };
        Phase { bar }
    }

    /// Something that the user should know and that is in the report too.
    pub(crate) fn note(&self, text: &str) {
        if !matches!(self, Self::Quiet) {
            let _ = writeln!(anstream::stderr().lock(), "{}", printable(text));
        }
    }
}

impl Phase {
    /// Adds to what is done.
    pub(crate) fn advance(&self, n: u64) {
        self.bar.inc(n);
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
