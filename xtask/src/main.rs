//! Work on the repository itself, a subcommand each: `cargo xtask --help`.

mod bench;
mod contract;
mod disguises;
mod generate;
mod pairs;
mod parity;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Work on the repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write what is made from the code: method docs, glossary, the report's schema, its types for Python, the command line reference, man pages.
    Generate {
        /// Write nothing; fail if a file is not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Real published weights with a documented truth.
    Pairs {
        #[command(subcommand)]
        task: pairs::Task,
    },
    /// Run two published models beside what `transformers` computed of the same files; those that are not in the cache are skipped.
    Parity,
    /// Make every disguise of `testdata/disguises.toml`, compare it, and write the table `docs/disguises.md`.
    Disguises(disguises::Disguises),
    /// Time and memory of comparing two large checkpoints, beside `cat` and numpy.
    Bench(bench::Bench),
}

/// Why a task ended.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io { action: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{0}")]
    Failed(String),
}

impl Error {
    fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |error| Self::Io { action, path: path.to_owned(), error }
    }

    fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The repository's root: this crate lies one folder below it.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where fetched weights and bench files go: outside the tree, in the user's cache.
fn cache() -> Result<PathBuf, Error> {
    filiation::cache::folder(|name| std::env::var_os(name))
        .ok_or_else(|| Error::Failed("cache: found neither FILIATION_CACHE nor XDG_CACHE_HOME nor HOME, expected one of them".into()))
}

#[expect(clippy::print_stdout, reason = "the one place where tasks talk")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where tasks fail")]
fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Generate { check } => generate::run(check),
        Task::Pairs { task } => pairs::run(&task),
        Task::Parity => parity::run(),
        Task::Disguises(args) => disguises::run(&args),
        Task::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
