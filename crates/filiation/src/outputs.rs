//! What the models of a comparison do on prompts: observations that were given, and forward passes of the others.

use crate::Error;
use crate::cli::Run;
use crate::models::Compared;
use crate::progress::Progress;
use evidence::{Method, Outputs, Preparation};
use forward::{ALL_TAPS, NotRunnable, Observation, ObserveError, Observer, PromptSet};
use std::borrow::Cow;
use std::path::Path;

/// Products of numbers that a forward pass may take without being asked for: some minutes of two cores.
const AFFORDABLE: f64 = 5e12;

/// The prompts of a comparison, and whether models are run on them.
pub(crate) struct Prompting {
    pub(crate) prompts: PromptSet,
    run: Run,
    /// Why no model is run, whatever it is.
    unwanted: Option<NotRunnable>,
}

impl Prompting {
    /// From the command line.
    pub(crate) fn of(file: Option<&Path>, run: Run, methods: &[&'static dyn Method]) -> Result<Self, Error> {
        let is_needed = methods.iter().any(|method| method.card().needs == Preparation::Outputs);
        let unwanted = match (is_needed, run) {
            (false, _) => Some("no method asked for it"),
            (true, Run::Never) => Some("`--run never` was given"),
            (true, Run::Auto | Run::Always) => None,
        };
        Ok(Self { prompts: prompts(file)?, run, unwanted: unwanted.map(|why| NotRunnable(why.into())) })
    }

    /// What a model does on the prompts; it is run, unless an observation was given.
    pub(crate) fn observe<'a>(&self, model: &'a Compared, what: &str, progress: &Progress) -> Result<Observed<'a>, Error> {
        if let Some(why) = &self.unwanted {
            return Ok(Err(why.clone()));
        }
        if let Some(observation) = &model.observation {
            return Ok(Ok(Cow::Borrowed(observation)));
        }
        let observer = match Observer::new(&model.model, Some(&model.custody.tensor_root), &self.prompts, ALL_TAPS) {
            Ok(observer) => observer,
            Err(why) => return Ok(Err(why)),
        };
        let work = observer.work();
        if self.run == Run::Auto && work > AFFORDABLE {
            let (found, limit) = (work / 1e12, AFFORDABLE / 1e12);
            let why = format!(
                "a forward pass takes about {found:.0}e12 products, more than the {limit:.0}e12 that are run without `--run always`"
            );
            return Ok(Err(NotRunnable(why)));
        }
        Ok(run(observer, what, progress)?.map(Cow::Owned))
    }
}

/// Runs a model on its prompts.
pub(crate) fn run(observer: Observer<'_>, what: &str, progress: &Progress) -> Result<Result<Observation, NotRunnable>, Error> {
    let phase = progress.steps(&format!("running the {what}"), observer.blocks());
    match observer.run(&|n| phase.advance(n)) {
        Ok(observation) => Ok(Ok(observation)),
        Err(ObserveError::NotRunnable(why)) => Ok(Err(why)),
        Err(ObserveError::Source(error)) => Err(error.into()),
    }
}

/// The set of prompts in a file, or the shared one.
pub(crate) fn prompts(file: Option<&Path>) -> Result<PromptSet, Error> {
    match file {
        Some(path) => Ok(PromptSet::open(path)?),
        None => PromptSet::shared().map_err(|error| error.at(Path::new("data/prompts/shared-v1.toml")).into()),
    }
}

/// An observation of one model, or why there is none.
pub(crate) type Observed<'a> = Result<Cow<'a, Observation>, NotRunnable>;

/// Observations side by side, with the name of the side that has none.
pub(crate) fn beside<'a>(
    reference: &'a Observed<'_>,
    suspect: &'a Observed<'_>,
    controls: &'a [&'a Observation],
) -> Result<Outputs<'a>, NotRunnable> {
    Outputs::new(observed("reference", reference)?, observed("suspect", suspect)?, controls)
}

/// A control in the place of the suspect, with the other controls beside it.
pub(crate) fn in_place_of_suspect<'a>(
    suspect: &Result<Outputs<'a>, NotRunnable>,
    control: &'a Observed<'_>,
    others: &'a [&'a Observation],
) -> Result<Outputs<'a>, NotRunnable> {
    Ok(suspect.clone()?.with_control(observed("control", control)?, others))
}

fn observed<'a>(what: &str, observed: &'a Observed<'_>) -> Result<&'a Observation, NotRunnable> {
    observed.as_deref().map_err(|why| NotRunnable(format!("the {what} was not run on prompts: {why}")))
}
