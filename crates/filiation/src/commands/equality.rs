//! `filiation equality MODEL ENDPOINT`: do two sources answer alike?

use crate::cli::lineage::Equality;
use crate::endpoint::bare;
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, json_lines};
use evidence::{PromptSamples, Records, Sample, Samples};
use forward::{Chat, Responder, Sampling};
use lab::dialogues::Dialogues;
use serde::Deserialize;
use sources::{FormatError, Model};
use stats::sampling;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt: String,
    reply: String,
    logprob: Option<f64>,
    first: Option<First>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    token: String,
    logprob: f64,
}

/// Answers by their prompt.
pub(crate) type ByPrompt = BTreeMap<String, Vec<Sample>>;

/// What a model on this machine is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    pub(crate) sampling: Sampling,
    pub(crate) samples: u64,
    pub(crate) seed: u64,
}

pub(crate) fn run(args: &Equality, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
    let (model, endpoint) = (file(&args.model)?, file(&args.endpoint)?);
    let prompts: Vec<String> = match model.as_ref().or(endpoint.as_ref()) {
        Some(samples) => samples.keys().cloned().collect(),
        None => (0..args.n).map(|index| dialogues.prompt(args.seed, index)).collect(),
    };
    let sampling = Sampling { temperature: args.temperature, top_p: None, max_tokens: args.max_tokens };
    let asking = Asking { sampling, samples: args.samples, seed: args.seed };
    let of = |file: Option<ByPrompt>, path: &Path, side: &str| match file {
        Some(samples) => Ok(samples),
        None => sampled(&open_weights(path, progress)?, &dialogues.chat, &prompts, side, asking, progress),
    };
    let samples = together(&of(model, &args.model, "model")?, &of(endpoint, &args.endpoint, "endpoint")?);
    observe_and_print("text.equality", &Records { samples: Some(&samples), seed: args.seed, ..Records::default() }, args.format, printer)
}

/// The samples of a file, `None` where the argument names a model.
fn file(path: &Path) -> Result<Option<ByPrompt>, Error> {
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return Ok(None);
    }
    let mut samples = ByPrompt::new();
    for line in json_lines::read::<Line>(path, "`{\"prompt\", \"reply\"}`, with a `\"logprob\"` and a `\"first\"` or without")? {
        let first = line.first.map(|first| (bare(&first.token).to_owned(), first.logprob));
        samples.entry(line.prompt).or_default().push(Sample { reply: line.reply, logprob: line.logprob, first });
    }
    Ok(Some(samples))
}

/// Answers of a model on this machine. What it draws depends on the side, so that a model beside itself draws anew.
pub(crate) fn sampled(
    model: &Model,
    chat: &Chat,
    prompts: &[String],
    side: &str,
    asking: Asking,
    progress: &Progress,
) -> Result<ByPrompt, Error> {
    let refused = |why: forward::NotRunnable| {
        Error::from(FormatError::new("model", why.0, "a decoder that answers, with a tokenizer").at(&model.path))
    };
    let responder = Responder::read(model)?.map_err(refused)?;
    let mut questions = Vec::new();
    for (place, prompt) in prompts.iter().enumerate() {
        let ids = chat.asked_ids(&responder.tokenizer, prompt).map_err(refused)?;
        let mut seeds = sampling::generator(asking.seed, &format!("equality/{side}/{place}"));
        questions.extend((0..asking.samples).map(|_| (ids.clone(), sampling::below(&mut seeds, u64::MAX))));
    }
    let phase = progress.steps(&format!("answers of the {side}"), questions.len() as u64);
    let answers = responder.answer(chat, asking.sampling, &questions, &|n| phase.advance(n))?.map_err(refused)?;
    let mut samples = ByPrompt::new();
    let of_prompts = prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt, asking.samples as usize));
    for (prompt, answer) in of_prompts.zip(answers) {
        let sum: f64 = answer.logprobs.iter().copied().map(f64::from).sum();
        let logprob = (!answer.logprobs.is_empty()).then(|| sum / answer.logprobs.len() as f64);
        let first = match (answer.tokens.first(), answer.logprobs.first()) {
            (Some(&token), Some(&logprob)) => {
                Some((bare(&responder.tokenizer.decode(&[token]).map_err(refused)?).to_owned(), f64::from(logprob)))
            }
            _ => None,
        };
        samples.entry(prompt.clone()).or_default().push(Sample { reply: answer.text, logprob, first });
    }
    Ok(samples)
}

/// Prompts that both answered.
pub(crate) fn together(model: &ByPrompt, endpoint: &ByPrompt) -> Samples {
    let both = model.iter().filter_map(|(prompt, reference)| Some((reference, endpoint.get(prompt)?)));
    Samples { prompts: both.map(|(reference, suspect)| PromptSamples { reference: reference.clone(), suspect: suspect.clone() }).collect() }
}
