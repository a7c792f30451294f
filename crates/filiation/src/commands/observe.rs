//! `filiation observe MODEL -o FILE`: what a model does, in a file that can be compared without the weights.

use crate::Error;
use crate::cli::Observe;
use crate::models::{custody, open_weights};
use crate::outputs::prompts;
use crate::printer::Printer;
use crate::progress::Progress;
use forward::{ALL_TAPS, ObserveError, Observer};
use sources::FormatError;

pub(crate) fn run(args: &Observe, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let prompts = prompts(args.prompts.as_deref())?;
    let model = open_weights(&args.model, progress)?;
    let cannot = |why: forward::NotRunnable| -> Error {
        FormatError::new("model", why, "one that this program can run")
            .hint("the weights can be compared; the Python package observes any model of `transformers`")
            .at(&model.path)
            .into()
    };
    let custody = custody(&model, "digests of the model", progress)?;
    let observer = Observer::new(&model, Some(&custody.tensor_root), &prompts, ALL_TAPS).map_err(cannot)?;
    let phase = progress.steps("running the model", observer.blocks());
    let observation = match observer.run(&|n| phase.advance(n)) {
        Ok(observation) => observation,
        Err(ObserveError::NotRunnable(why)) => return Err(cannot(why)),
        Err(ObserveError::Source(error)) => return Err(error.into()),
    };
    drop(phase);
    observation.write(&args.output)?;
    let prompts = &observation.prompts;
    printer.result(&format!(
        "observed     {}\nprompts      {}, {} of them, sha256 {}\ntensor root  {}\nwritten to   {}\n",
        args.model.display(),
        prompts.label,
        observation.n_prompts(),
        prompts.digest,
        custody.tensor_root,
        args.output.display(),
    ))
}
