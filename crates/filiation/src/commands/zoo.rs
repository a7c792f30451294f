//! `filiation lab zoo build PLAN -o DIR`: models whose history is known.

use crate::Error;
use crate::cli::training::ZooBuild;
use crate::printer::Printer;
use crate::progress::Progress;
use lab::zoo::{Built, GRAPH_FILE, Plan, Told, models};
use std::path::Path;

pub(crate) fn run(args: &ZooBuild, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let built = build(&Plan::named(&args.plan)?, &args.output, progress)?;
    let (all, graph) = (built.graph.models.len(), args.output.join(GRAPH_FILE));
    printer.result(&format!("{all} models, {} made now; their history is in {}\n", built.made, graph.display()))
}

/// Makes what is not there yet.
pub(crate) fn build(plan: &Plan, folder: &Path, progress: &Progress) -> Result<Built, Error> {
    let phase = progress.steps("building the zoo", models(plan)?.len() as u64);
    let built = lab::zoo::build(plan, folder, &|told| match told {
        Told::Model { .. } => phase.advance(1),
    })?;
    Ok(built)
}
