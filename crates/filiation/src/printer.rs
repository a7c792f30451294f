//! The only place that writes to stdout and stderr. Colour follows the terminal, `NO_COLOR` and `CLICOLOR`, and carries no meaning alone.

use crate::Error;
use std::io::{IsTerminal, Write};

/// Results go to stdout, everything else to stderr.
pub(crate) struct Printer {
    colour: bool,
}

impl Printer {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal() }
    }

    /// Whether results may be coloured.
    pub(crate) fn colour(&self) -> bool {
        self.colour
    }

    /// Prints a result. A reader that went away early (`| head`) is not an error.
    pub(crate) fn result(&self, text: &str) {
        let mut stdout = anstream::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(stdout, "{text}{end}").and_then(|()| stdout.flush());
    }

    /// Prints an error and its advice.
    pub(crate) fn error(&self, error: &Error) {
        let mut stderr = anstream::stderr().lock();
        let _ = writeln!(stderr, "error: {error}");
        if let Some(hint) = error.hint() {
            let _ = writeln!(stderr, "\nhint: {hint}");
        }
    }
}
