//! `filiation equality MODEL ENDPOINT`: do two sources answer alike?

use crate::cli::lineage::Equality;
use crate::endpoint::{bare, decimal, is_url, mode, note_transcript, refuse_options, reply, session, without_endpoint};
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, json_lines};
use evidence::{PromptSamples, Records, Sample, Samples};
use forward::{Chat, Responder, Sampling};
use lab::dialogues::Dialogues;
use probe::{Ask, KeptReplies, KeptReply, Mode, TRANSCRIPT_SCHEMA, TokenLogprob};
use serde::Deserialize;
use serde_json::json;
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

/// How the other side is to be asked, where a transcript says so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct How {
    mode: Mode,
    sampling: Sampling,
}

/// Answers that are there already.
struct Kept {
    samples: ByPrompt,
    /// Of a transcript; a file of samples does not say.
    how: Option<How>,
}

pub(crate) fn run(args: &Equality, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
    let suspect = &args.suspect;
    let (model, endpoint) = (kept(&args.model)?, if is_url(&suspect.suspect) { None } else { kept(Path::new(&suspect.suspect))? });
    let is_both = model.is_some() && endpoint.is_some();
    if endpoint.is_some() {
        refuse_options(&suspect.endpoint, "file of answers")?;
    }
    if args.mode.is_some() && !is_url(&suspect.suspect) {
        return Err(without_endpoint("--mode", "source"));
    }
    let prompts: Vec<String> = match model.as_ref().or(endpoint.as_ref()) {
        Some(kept) => kept.samples.keys().cloned().collect(),
        None => (0..args.n).map(|index| dialogues.prompt(args.seed, index)).collect(),
    };
    let stated = model.as_ref().or(endpoint.as_ref()).and_then(|kept| kept.how);
    let sampling = Sampling { temperature: args.temperature, top_p: None, max_tokens: args.max_tokens };
    let asking = Asking { sampling: stated.map_or(sampling, |how| how.sampling), samples: args.samples, seed: args.seed };
    // A text that was sent as it is has no marks for anybody.
    let chat = match stated {
        Some(How { mode: Mode::Completions, .. }) => Chat::bare(),
        _ => suspect.chat.as_deref().map_or_else(|| Ok(dialogues.chat.clone()), Chat::named)?,
    };
    // What an endpoint lacks is said before a model is read.
    let endpoint = match endpoint {
        Some(kept) => kept.beside(is_both),
        None if is_url(&suspect.suspect) => {
            let mode = args.mode.map_or_else(|| stated.map_or(Mode::Chat, |how| how.mode), |way| mode(Some(way)));
            served(args, &chat, &prompts, mode, asking, progress)?
        }
        None => {
            refuse_options(&suspect.endpoint, "model")?;
            sampled(&open_weights(Path::new(&suspect.suspect), progress)?, &chat, &prompts, "endpoint", asking, progress)?
        }
    };
    let model = match model {
        Some(kept) => kept.beside(is_both),
        None => sampled(&open_weights(&args.model, progress)?, &chat, &prompts, "model", asking, progress)?,
    };
    let samples = together(&model, &endpoint);
    observe_and_print("text.equality", &Records { samples: Some(&samples), seed: args.seed, ..Records::default() }, args.format, printer)
}

impl Kept {
    /// The answers. Engines round in their own ways and count the token that ends an answer or do not, so that log-probabilities of a transcript
    /// stand beside those of a file alone.
    fn beside(self, is_file: bool) -> ByPrompt {
        let mut samples = self.samples;
        if self.how.is_some() && !is_file {
            samples.values_mut().flatten().for_each(|sample| (sample.logprob, sample.first) = (None, None));
        }
        samples
    }
}

/// The answers of a file, `None` where the argument names a model.
fn kept(path: &Path) -> Result<Option<Kept>, Error> {
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return Ok(None);
    }
    let mut samples = ByPrompt::new();
    if json_lines::schema(path)?.as_deref() == Some(TRANSCRIPT_SCHEMA) {
        let kept = KeptReplies::open(path)?;
        let how = kept.asked().map(|ask| How {
            mode: ask.mode,
            sampling: Sampling {
                temperature: ask.temperature as f32,
                top_p: ask.top_p.map(|top_p| top_p as f32),
                max_tokens: usize::try_from(ask.max_tokens).unwrap_or(usize::MAX),
            },
        });
        for KeptReply { prompt, reply, .. } in kept.replies {
            let logprob = reply.tokens.as_deref().and_then(mean);
            let first = reply.tokens.as_deref().and_then(|tokens| tokens.first());
            let first = first.and_then(|first| Some((bare(&first.token).to_owned(), first.logprob?)));
            samples.entry(prompt).or_default().push(Sample { reply: reply.text, logprob, first });
        }
        return Ok(Some(Kept { samples, how }));
    }
    for line in json_lines::read::<Line>(path, "`{\"prompt\", \"reply\"}`, with a `\"logprob\"` and a `\"first\"` or without")? {
        let first = line.first.map(|first| (bare(&first.token).to_owned(), first.logprob));
        samples.entry(line.prompt).or_default().push(Sample { reply: line.reply, logprob: line.logprob, first });
    }
    Ok(Some(Kept { samples, how: None }))
}

/// Mean log-probability of a token, where each has one.
fn mean(tokens: &[TokenLogprob]) -> Option<f64> {
    let all: Option<Vec<f64>> = tokens.iter().map(|token| token.logprob).collect();
    all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
}

/// Answers of an endpoint, each drawn by a seed of its own.
fn served(args: &Equality, chat: &Chat, prompts: &[String], mode: Mode, asking: Asking, progress: &Progress) -> Result<ByPrompt, Error> {
    let Sampling { temperature, top_p, max_tokens } = asking.sampling;
    let ask = Ask { top_p: top_p.map(decimal), ..Ask::new(mode, decimal(temperature), max_tokens as u64) };
    let asked = json!({
        "ask": "reply",
        "for": "equality",
        "mode": if mode == Mode::Chat { "chat" } else { "completions" },
        "temperature": ask.temperature,
        "topP": ask.top_p,
        "maxTokens": max_tokens,
        "seed": asking.seed,
        "chat": chat,
    });
    let mut session = session(&args.suspect.suspect, &args.suspect.endpoint, "source", asked)?;
    let phase = progress.steps("answers of the endpoint", (prompts.len() as u64).saturating_mul(asking.samples));
    let mut samples = ByPrompt::new();
    for (place, prompt) in prompts.iter().enumerate() {
        let mut seeds = sampling::generator(asking.seed, &format!("equality/endpoint/{place}"));
        for sample in 0..asking.samples {
            // Some servers keep 31 bits of a seed.
            let ask = Ask { seed: Some(sampling::below(&mut seeds, 1 << 31)), ..ask.clone() };
            let said = reply(&mut session, &format!("{place}/{sample}"), prompt, chat, &ask)?;
            samples.entry(prompt.clone()).or_default().push(Sample { reply: said.text, logprob: None, first: None });
            phase.advance(1);
        }
    }
    drop(phase);
    note_transcript(&mut session, progress)?;
    Ok(samples)
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
