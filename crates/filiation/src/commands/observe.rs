//! `filiation observe MODEL -o FILE`: what a model does, in a file that can be compared without the weights.

use crate::Error;
use crate::cli::Observe;
use crate::models::{custody, open_weights};
use crate::outputs::{self, prompts};
use crate::page::check_writable;
use crate::printer::Printer;
use crate::progress::Progress;
use forward::{ALL_TAPS, Observation, Observer, PromptSet};
use sources::FormatError;
use std::path::Path;

pub(crate) fn run(args: &Observe, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    check_writable(args.output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    let observation = observation(&args.model, &prompts(args.prompts.as_deref())?, progress)?;
    observation.write(&args.output)?;
    let prompts = &observation.prompts;
    printer.result(&format!(
        "observed     {}\nprompts      {}, {} of them, sha256 {}\ntensor root  {}\nwritten to   {}\n",
        args.model.display(),
        prompts.label,
        observation.n_prompts(),
        prompts.digest,
        observation.subject.tensor_root.as_deref().unwrap_or_default(),
        args.output.display(),
    ))
}

/// What a model does on prompts, bound to its tensor root.
pub(crate) fn observation(model: &Path, prompts: &PromptSet, progress: &Progress) -> Result<Observation, Error> {
    let model = open_weights(model, progress)?;
    let cannot = |why: forward::NotRunnable| -> Error {
        FormatError::new("model", why, "one that this program can run")
            .hint("the weights can be compared; the Python package observes any model of `transformers`")
            .at(&model.path)
            .into()
    };
    let custody = custody(&model, "digests of the model", progress)?;
    let observer = Observer::new(&model, Some(&custody.tensor_root), prompts, ALL_TAPS).map_err(cannot)?;
    outputs::run(observer, "model", progress)?.map_err(cannot)
}
