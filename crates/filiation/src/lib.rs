//! The command line program as a library, so that `xtask` makes its reference and man page from the same definition.

mod assemble;
pub mod cache;
pub mod cli;
mod commands;
mod controls;
mod endpoint;
mod error;
mod json_lines;
pub mod library;
mod models;
mod one_finding;
mod outputs;
mod page;
mod printer;
mod progress;
mod served;
pub mod suspect;
mod whole;

use clap::Parser;
use cli::{Cli, Command};
pub use error::Error;
use printer::Printer;
use progress::Progress;
use std::process::ExitCode;

/// Exit code where a conclusion was asked to fail the run.
const EXIT_CONCLUSION: u8 = 3;
/// Exit code of a run that failed.
const EXIT_FAILED: u8 = 1;
/// Exit code of a call that makes no sense.
const EXIT_USAGE: u8 = 2;

/// More than any machine has; more yet, and the system refuses them one by one.
const MAX_THREADS: usize = 4096;

/// Runs the program on the process's arguments. 0: ran; 1: failed; 2: usage; 3: the conclusion that `--fail-on` names.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new();
    match execute(&cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(if error.is_usage() { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

fn execute(cli: &Cli, printer: &Printer) -> Result<ExitCode, Error> {
    if let Some(n) = cli.threads {
        if !(1..=MAX_THREADS).contains(&n) {
            return Err(Error::Usage { message: format!("threads: found {n}, expected 1 to {MAX_THREADS}"), hint: None });
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build_global()
            .map_err(|error| Error::Usage { message: format!("threads: {error}"), hint: None })?;
    }
    let progress = Progress::new(cli.quiet);
    match &cli.command {
        Command::Compare(args) => {
            let conclusion = commands::compare::run(args, printer, &progress)?;
            let failed = match args.fail_on {
                Some(cli::FailOn::Derivation) => conclusion == verdict::Conclusion::SupportsDerivation,
                Some(cli::FailOn::Inconclusive) => conclusion == verdict::Conclusion::Inconclusive,
                None => false,
            };
            return Ok(ExitCode::from(if failed { EXIT_CONCLUSION } else { 0 }));
        }
        Command::Claim { command: cli::Claim::Attention(args) } => commands::claim::attention(args, printer, &progress)?,
        Command::Observe(args) => commands::observe::run(args, printer, &progress)?,
        Command::Probe(args) => commands::probe::run(args, printer, &progress)?,
        Command::Inspect(args) => commands::inspect::run(args, printer, &progress)?,
        Command::Twins { command } => commands::twins::run(command, printer, &progress)?,
        Command::Controls { command } => commands::controls::run(command, printer, &progress)?,
        Command::Palimpsest(args) => commands::palimpsest::run(args, printer, &progress)?,
        Command::Agreement(args) => commands::agreement::run(args, printer, &progress)?,
        Command::Image(args) => commands::image::run(args, printer, &progress)?,
        Command::Equality(args) => commands::equality::run(args, printer, &progress)?,
        Command::Explain(args) => commands::explain::run(args, printer)?,
        Command::Lab { command: cli::Lab::Disguise(args) } => commands::lab::disguise(args, printer, &progress)?,
        Command::Lab { command: cli::Lab::Dialogues(args) } => commands::distil::dialogues(args, printer)?,
        Command::Lab { command: cli::Lab::Distil { command } } => commands::distil::distil(command, printer, &progress)?,
        Command::Lab { command: cli::Lab::Train(args) } => commands::train::from_nothing(args, printer, &progress)?,
        Command::Lab { command: cli::Lab::Finetune(args) } => commands::train::finetune(args, printer, &progress)?,
        Command::Lab { command: cli::Lab::Zoo { command: cli::training::Zoo::Build(args) } } => {
            commands::zoo::run(args, printer, &progress)?
        }
        Command::Lab { command: cli::Lab::Bench(args) } => commands::bench::run(args, printer, &progress)?,
        Command::Lab { command: cli::Lab::Outputs(args) } => commands::outputs::run(args, printer, &progress)?,
        Command::Lab { command: cli::Lab::Calibrate(args) } => commands::calibrate::run(args, printer)?,
        Command::Watermark { command } => commands::watermark::run(command, printer, &progress)?,
        Command::Methods { format } => commands::methods::run(*format, printer)?,
        Command::Completions { shell } => commands::completions::run(*shell, printer)?,
    }
    Ok(ExitCode::SUCCESS)
}
