//! `filiation compare REFERENCE SUSPECT`: the main job, end to end.

use crate::assemble::{self, Examined};
use crate::cli::{Compare, Format};
use crate::commands::explain::find_method;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, assemble::ControlOutcomes};
use evidence::{Case, Correspondence, METHODS, Method, Outcome, Side};
use sources::{Model, digest};
use std::path::Path;
use verdict::{Conclusion, Wording};

pub(crate) fn run(args: &Compare, printer: &Printer, progress: &Progress) -> Result<Conclusion, Error> {
    let methods: Vec<&'static dyn Method> = if args.method.is_empty() {
        METHODS.to_vec()
    } else {
        args.method.iter().map(|id| find_method(id)).collect::<Result<_, _>>()?
    };
    let wording = Wording::shipped()?;
    if let Some(folder) = &args.report {
        // Before the work, not after it: a folder that cannot be made must not cost an hour.
        std::fs::create_dir_all(folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
    }
    let open = |path: &Path| -> Result<Model, Error> {
        let model = Model::open(path)?;
        for warning in &model.warnings {
            progress.note(&format!("warning: `{}`: {warning}", path.display()));
        }
        Ok(model)
    };
    let reference = open(&args.reference)?;
    let suspect = open(&args.suspect)?;
    let controls: Vec<Model> = args.control.iter().map(|path| open(path)).collect::<Result<_, _>>()?;

    let reference_custody = custody(&reference, "digests of the reference", progress)?;
    let suspect_custody = custody(&suspect, "digests of the suspect", progress)?;

    let reference_side = side(&reference)?;
    let suspect_side = side(&suspect)?;
    let (correspondence, outcomes) = examine(&reference_side, &suspect_side, "suspect", &methods, args.seed, progress)?;
    let mut beside = Vec::new();
    for control in &controls {
        let control_side = side(control)?;
        let (_, outcomes) = examine(&reference_side, &control_side, "control", &methods, args.seed, progress)?;
        beside.push(ControlOutcomes { model: control, custody: custody(control, "digests of a control", progress)?, outcomes });
    }

    let cards: Vec<_> = methods.iter().map(|method| method.card()).zip(outcomes).collect();
    let verdict = verdict::derivation(&reference_side, &suspect_side, &correspondence, &cards, &wording)?;
    let conclusion = verdict.conclusion;
    let report = assemble::report(&Examined {
        args,
        reference: &reference_side,
        reference_custody: &reference_custody,
        suspect: &suspect_side,
        suspect_custody: &suspect_custody,
        correspondence: &correspondence,
        outcomes: &cards,
        controls: &beside,
        verdict: &verdict,
    });
    let json = report::json::render(&report).map_err(|e| Error::Report(e.to_string()))?;
    let written = match &args.report {
        Some(folder) => {
            let html = report::html::render(&report).map_err(|e| Error::Report(e.to_string()))?;
            write_whole(&folder.join("report.json"), &json)?;
            let page = folder.join("report.html");
            write_whole(&page, &html)?;
            Some(page)
        }
        None => None,
    };
    let written = written.map(|path| path.display().to_string());
    let text_options = report::text::Options { colour: printer.colour(), written_to: written.as_deref() };
    match args.format {
        Format::Json => printer.result(&json),
        Format::Text => printer.result(&report::text::render(&report, text_options)),
    }
    Ok(conclusion)
}

fn custody(model: &Model, what: &str, progress: &Progress) -> Result<digest::Custody, Error> {
    let phase = progress.bytes(what, digest::custody_bytes(model));
    Ok(digest::custody(model, &|n| phase.advance(n))?)
}

fn side(model: &Model) -> Result<Side<'_>, Error> {
    Ok(Side::new(model)?)
}

fn examine(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    what: &str,
    methods: &[&'static dyn Method],
    seed: u64,
    progress: &Progress,
) -> Result<(Correspondence, Vec<Outcome>), Error> {
    let correspondence = {
        let phase = progress.bytes(&format!("comparing tensors, {what}"), suspect.trained_elements() * 4);
        Correspondence::find(reference, suspect, seed, &|elements| phase.advance(elements * 4))?
    };
    let phase = progress.steps(&format!("methods, {what}"), methods.len() as u64);
    let case = Case { reference, suspect, correspondence: &correspondence, seed };
    let outcomes = methods
        .iter()
        .map(|method| {
            let outcome = method.observe(&case)?;
            phase.advance(1);
            Ok(outcome)
        })
        .collect::<Result<_, Error>>()?;
    drop(phase);
    Ok((correspondence, outcomes))
}

/// Writes a file so that it is whole or not there: interrupting the run leaves no half-written report.
fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let fail = |error| Error::Io { action: "write", path: path.to_owned(), error };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".report").tempfile_in(folder).map_err(fail)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(fail)?;
    #[cfg(unix)]
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}
