//! `filiation completions SHELL`.

use crate::Error;
use crate::cli;
use crate::printer::Printer;
use clap_complete::Shell;

pub(crate) fn run(shell: Shell, printer: &Printer) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "filiation", &mut script);
    printer.result(&String::from_utf8_lossy(&script))
}
