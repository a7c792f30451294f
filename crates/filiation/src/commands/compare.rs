//! `filiation compare REFERENCE SUSPECT`: the main job, end to end.

use crate::assemble::{self, ControlOutcomes, Examined, Outcomes};
use crate::cli::{Compare, Format};
use crate::commands::explain::find_method;
use crate::controls::Registry;
use crate::controls::beside::Choice;
use crate::models::{custody, open_weights};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, whole};
use evidence::{Advance, METHODS, Method, Prepared, Side};
use sources::Model;
use std::collections::BTreeMap;
use verdict::{Conclusion, Control, Wording};

pub(crate) fn run(args: &Compare, printer: &Printer, progress: &Progress) -> Result<Conclusion, Error> {
    for id in &args.method {
        find_method(id)?;
    }
    // In the registry's order, each once: the report does not depend on the order of the options.
    let is_wanted = |method: &&&dyn Method| args.method.is_empty() || args.method.iter().any(|id| id == method.card().id);
    let methods: Vec<&'static dyn Method> = METHODS.iter().filter(is_wanted).copied().collect();
    let wording = Wording::shipped()?;
    if let Some(folder) = &args.report {
        // Before the work, not after it: a folder that cannot be made or written must not cost an hour.
        std::fs::create_dir_all(folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
        tempfile::tempfile_in(folder).map_err(|error| Error::Io { action: "write into", path: folder.clone(), error })?;
    }
    let reference = open_weights(&args.reference, progress)?;
    let suspect = open_weights(&args.suspect, progress)?;
    let controls: Vec<Model> = args.control.iter().map(|path| open_weights(path, progress)).collect::<Result<_, _>>()?;
    let parents: Vec<Model> = args.parent.iter().map(|path| open_weights(path, progress)).collect::<Result<_, _>>()?;

    let reference_custody = custody(&reference, "digests of the reference", progress)?;
    let suspect_custody = custody(&suspect, "digests of the suspect", progress)?;
    let mut choice = Choice::beside(&reference_custody, &suspect_custody, progress);
    for (path, control) in args.control.iter().zip(controls) {
        choice.take_given(path.clone(), control)?;
    }
    if let Some(registry) = Registry::of_user().filter(|_| !args.no_registered_controls) {
        choice.take_registered(&registry, &reference)?;
    }
    let controls = choice.finish();

    let reference_side = side(&reference)?;
    let suspect_side = side(&suspect)?;
    let parents: Vec<Side<'_>> = parents.iter().map(side).collect::<Result<_, _>>()?;
    let parents: Vec<&Side<'_>> = parents.iter().collect();
    let prepared = prepare((&reference_side, &suspect_side, &parents), "suspect", &methods, args.seed, progress)?;
    let outcomes = observe(&prepared, "suspect", &methods, progress)?;
    let mut beside = Vec::new();
    for control in &controls {
        let control_side = side(&control.model)?;
        let prepared = prepare((&reference_side, &control_side, &[]), "control", &methods, args.seed, progress)?;
        let outcomes = observe(&prepared, "control", &methods, progress)?;
        beside.push(ControlOutcomes { control, outcomes });
    }

    let case = prepared.case();
    let verdict = verdict::derivation(&case, &outcomes, &by_method(&beside), &wording)?;
    let conclusion = verdict.conclusion;
    let report = assemble::report(&Examined {
        args,
        case: &case,
        reference_custody: &reference_custody,
        suspect_custody: &suspect_custody,
        outcomes: &outcomes,
        controls: &beside,
        verdict: &verdict,
        wording: &wording,
    })?;
    let json = report::json::render(&report).map_err(|e| Error::Report(e.to_string()))?;
    let written = match &args.report {
        Some(folder) => {
            let html = report::html::render(&report).map_err(|e| Error::Report(e.to_string()))?;
            whole::write(folder, &[("report.json", &json), ("report.html", &html)])?;
            Some(folder.join("report.html"))
        }
        None => None,
    };
    let written = written.map(|path| path.display().to_string());
    let text_options = report::text::Options { colour: printer.colour(), written_to: written.as_deref() };
    match args.format {
        Format::Json => printer.result(&json)?,
        Format::Text => printer.result(&report::text::render(&report, text_options))?,
    }
    Ok(conclusion)
}

fn side(model: &Model) -> Result<Side<'_>, Error> {
    Ok(Side::new(model)?)
}

fn prepare<'a>(
    (reference, suspect, parents): (&'a Side<'a>, &'a Side<'a>, &[&Side<'_>]),
    what: &str,
    methods: &[&'static dyn Method],
    seed: u64,
    progress: &Progress,
) -> Result<Prepared<'a>, Error> {
    let elements = progress.bytes(&format!("comparing tensors, {what}"), suspect.trained_elements() * 4);
    let blocks = suspect.model.binding.as_ref().map_or(0, |b| b.layers.iter().map(|&(_, n)| n as u64).sum());
    // Every block is looked at once, and once in full.
    let units = progress.steps(&format!("matching units, {what}"), 2 * blocks);
    let advance = Advance { elements: &|n| elements.advance(n * 4), blocks: &|n| units.advance(n) };
    Ok(Prepared::find(reference, suspect, parents, methods, seed, &advance)?)
}

fn observe(prepared: &Prepared<'_>, what: &str, methods: &[&dyn Method], progress: &Progress) -> Result<Outcomes, Error> {
    let phase = progress.steps(&format!("methods, {what}"), methods.len() as u64);
    Ok(prepared.observe(methods, &|n| phase.advance(n))?)
}

/// The controls' profiles, method by method.
fn by_method(controls: &[ControlOutcomes<'_>]) -> BTreeMap<&'static str, Vec<Control>> {
    let mut by_method: BTreeMap<&'static str, Vec<Control>> = BTreeMap::new();
    for beside in controls {
        let name = beside.control.model.path.display().to_string();
        for (card, outcome) in &beside.outcomes {
            by_method.entry(card.id).or_default().push(Control::of(name.clone(), outcome));
        }
    }
    by_method
}
