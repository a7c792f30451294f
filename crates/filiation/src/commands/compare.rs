//! `filiation compare REFERENCE SUSPECT`: the main job, end to end.

use crate::Error;
use crate::assemble::{self, ControlOutcomes, Examined, Outcomes};
use crate::cli::Compare;
use crate::commands::explain::check_compares;
use crate::controls::Registry;
use crate::controls::beside::Choice;
use crate::models::{Compared, Opened, open_weights};
use crate::outputs::{self, Observed, Prompting};
use crate::page::{Page, prepare_folder};
use crate::printer::Printer;
use crate::progress::Progress;
use evidence::{Advance, METHODS, Method, Prepared, Side};
use forward::Observation;
use report::data::Report;
use sources::Model;
use std::collections::BTreeMap;
use verdict::calibration::{self, Calibration, Likelihood, Size};
use verdict::{Conclusion, Control, Wording};

pub(crate) fn run(args: &Compare, printer: &Printer, progress: &Progress) -> Result<Conclusion, Error> {
    args.pair.report.as_deref().map(prepare_folder).transpose()?;
    let (report, conclusion) = comparison(args, Page::Report, progress)?;
    Page::Report.deliver(&report, &args.pair, printer)?;
    Ok(conclusion)
}

/// The comparison itself; what `args` says about output is not looked at, and `page` only for the command that gives it again.
pub(crate) fn comparison(args: &Compare, page: Page, progress: &Progress) -> Result<(Report, Conclusion), Error> {
    for id in &args.method {
        check_compares(id)?;
    }
    // In the registry's order, each once: the report does not depend on the order of the options.
    let is_wanted = |method: &&&dyn Method| args.method.is_empty() || args.method.iter().any(|id| id == method.card().id);
    let methods: Vec<&'static dyn Method> = METHODS.iter().filter(is_wanted).copied().collect();
    let wording = Wording::shipped()?;
    let prompting = Prompting::of(args.pair.prompts.as_deref(), args.run, &methods)?;
    let reference = Opened::of(&args.pair.reference, progress)?;
    let suspect = Opened::of(&args.pair.suspect, progress)?;
    let controls: Vec<Opened> = args.pair.control.iter().map(|path| Opened::of(path, progress)).collect::<Result<_, _>>()?;
    let parents: Vec<Model> = args.parent.iter().map(|path| open_weights(path, progress)).collect::<Result<_, _>>()?;

    let reference = reference.digested("digests of the reference", progress)?;
    let suspect = suspect.digested("digests of the suspect", progress)?;
    let mut choice = Choice::beside(&reference.custody, &suspect.custody, progress);
    controls.into_iter().try_for_each(|control| choice.take_given(control))?;
    if let Some(registry) = Registry::of_user().filter(|_| !args.pair.no_registered_controls) {
        choice.take_registered(&registry, &reference.model)?;
    }
    let controls = choice.finish();

    let reference_run = prompting.observe(&reference, "reference", progress)?;
    // What nothing can be held against need not be run.
    let run = |model, what| if reference_run.is_ok() { prompting.observe(model, what, progress) } else { Ok(reference_run.clone()) };
    let suspect_run = run(&suspect, "suspect")?;
    let control_runs: Vec<Observed<'_>> = controls.iter().map(|control| run(control, "control")).collect::<Result<_, Error>>()?;
    note_unrun(&controls, &control_runs, reference_run.is_ok(), progress);

    let reference_side = reference.side()?;
    let suspect_side = suspect.side()?;
    let parents: Vec<Side<'_>> = parents.iter().map(Side::new).collect::<Result<_, _>>()?;
    let parents: Vec<&Side<'_>> = parents.iter().collect();
    let beside_suspect: Vec<&Observation> = control_runs.iter().flatten().map(AsRef::as_ref).collect();
    let run_of_suspect = outputs::beside(&reference_run, &suspect_run, &beside_suspect);
    let prepared = prepare((&reference_side, &suspect_side, &parents), "suspect", &methods, args.pair.seed, progress)?
        .with_outputs(run_of_suspect.clone());
    let outcomes = observe(&prepared, "suspect", &methods, progress)?;
    let mut beside = Vec::new();
    for (i, control) in controls.iter().enumerate() {
        let control_side = control.side()?;
        let others = control_runs.iter().enumerate().filter(|(other, _)| *other != i);
        let others: Vec<&Observation> = others.filter_map(|(_, run)| run.as_deref().ok()).collect();
        let prepared = prepare((&reference_side, &control_side, &[]), "control", &methods, args.pair.seed, progress)?
            .with_outputs(outputs::in_place_of_suspect(&run_of_suspect, &control_runs[i], &others));
        let outcomes = observe(&prepared, "control", &methods, progress)?;
        beside.push(ControlOutcomes { control, was_run: control_runs[i].is_ok(), outcomes });
    }

    let case = prepared.case();
    let verdict = verdict::derivation(&case, &outcomes, &by_method(&beside), &wording)?;
    let conclusion = verdict.conclusion;
    let likelihood = likelihood([&reference, &suspect], &outcomes, &wording)?;
    let report = assemble::report(&Examined {
        args,
        page,
        case: &case,
        reference: &reference,
        suspect: &suspect,
        prompts: reference_run.is_ok().then_some(&prompting.prompts),
        outcomes: &outcomes,
        controls: &beside,
        verdict: &verdict,
        likelihood: likelihood.as_ref(),
        wording: &wording,
    });
    Ok((report, conclusion))
}

/// What the shipped calibrations say of the similarities.
fn likelihood<'a>(sides: [&'a Compared; 2], outcomes: &Outcomes, wording: &Wording) -> Result<Option<Likelihood<'a>>, Error> {
    let calibrations = Calibration::shipped().map_err(|error| Error::Report(error.to_string()))?;
    let [ours, theirs] = sides.map(|side| side.model.vocabulary.as_ref().map(|vocabulary| &vocabulary.tokens));
    let statistic = |id: &str| outcomes.iter().find(|(card, _)| card.id == id)?.1.observed().map(|observed| observed.statistic);
    Ok(calibration::likelihood(calibrations, sides.map(size), ours == theirs, &statistic, wording)?)
}

fn size(side: &Compared) -> Size<'_> {
    match &side.observation {
        Some(Observation { subject, .. }) => {
            Size { family: Some(&subject.family), parameters: subject.n_parameters, layers: subject.n_layers as u64 }
        }
        None => Size {
            family: side.model.binding.as_ref().map(|binding| binding.family.as_str()),
            parameters: side.model.parameters(),
            layers: side.model.binding.as_ref().map_or(0, |binding| binding.n_blocks() as u64),
        },
    }
}

/// A control that cannot be run counts for weights alone; the reader of the report should know why.
fn note_unrun(controls: &[Compared], runs: &[Observed<'_>], is_asked: bool, progress: &Progress) {
    for (control, run) in controls.iter().zip(runs) {
        if let (Err(why), true) = (run, is_asked) {
            progress.note(&format!("note: control `{}` was not run on prompts: {why}", control.given.display()));
        }
    }
}

fn prepare<'a>(
    (reference, suspect, parents): (&'a Side<'a>, &'a Side<'a>, &[&Side<'_>]),
    what: &str,
    methods: &[&'static dyn Method],
    seed: u64,
    progress: &Progress,
) -> Result<Prepared<'a>, Error> {
    let elements = progress.bytes(&format!("comparing tensors, {what}"), suspect.trained_elements() * 4);
    let blocks = suspect.model.binding.as_ref().map_or(0, |b| b.n_blocks() as u64);
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
