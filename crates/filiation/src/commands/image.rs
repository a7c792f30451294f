//! `filiation image REFERENCE SUSPECT`: could the reference's output layer have given what the suspect says of some tokens?

use crate::Error;
use crate::cli::lineage::Image as Args;
use crate::endpoint::{bare, is_url, mode, reply};
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::suspect::Suspect;
use evidence::{PartialLogits, Records, partial_image_tokens};
use forward::observation::image;
use forward::{Chat, Image, Network, NotRunnable, ObserveError, Tokenizer, next_logits};
use lab::dialogues::Dialogues;
use probe::{Ask, Reply};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sources::canonical::Canonical;
use sources::{FormatError, Model};
use std::collections::BTreeMap;
use std::path::Path;

/// Ids by the texts that name them.
type Tokens = BTreeMap<String, u32>;

/// Raises a token above all that are not raised: the most that OpenAI's servers take, and further than logits of a model spread.
const BIAS: f64 = 100.0;

pub(crate) fn run(args: &Args, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
    let prompts: Vec<String> = (0..args.n).map(|index| dialogues.prompt(args.seed, index)).collect();
    let reference = open_weights(&args.reference, progress)?;
    let shape = Network::open(&reference).map_err(|why| refused(&reference, why))?.shape();
    if let Some(cap) = shape.logit_cap {
        let found = format!("logits that are capped at {cap}");
        return Err(FormatError::new("reference", found, "logits that lie in an image").at(&reference.path).into());
    }
    let hidden = shape.hidden;
    let tokens = chosen(&reference, args.tokens.unwrap_or(hidden + hidden.div_ceil(2)), partial_image_tokens(hidden))?;
    let ids: Vec<u32> = tokens.values().copied().collect();
    let controls = args.control.iter().map(|path| control(path, &tokens, progress)).collect::<Result<_, _>>()?;
    let reference = image_at(&reference, &ids)?;
    if is_url(&args.suspect.suspect) {
        check_budget(args, tokens.len())?;
    }
    let what = json!({ "ask": "logits", "tokens": tokens.len(), "topLogprobs": args.top_logprobs, "seed": args.seed });
    let suspect = Suspect::open(&args.suspect, what, &dialogues.chat, progress)?;
    let vectors = match suspect.model() {
        Some(model) => heard(model, &tokens, &prompts, suspect.chat(), progress)?,
        None => asked(args, &suspect, &tokens, &prompts, progress)?,
    };
    suspect.note_transcript(progress)?;
    let partial = PartialLogits { vectors, reference, controls };
    observe_and_print(
        "logits.partial-image",
        &Records { partial: Some(&partial), seed: args.seed, ..Records::default() },
        args.format,
        printer,
    )
}

fn refused(model: &Model, why: NotRunnable) -> Error {
    FormatError::new("model", why.0, "a decoder that predicts next tokens, with a tokenizer").at(&model.path).into()
}

/// Tokens that one text names, without the mark of a space before it, which servers show in their own ways; with their ids.
fn named(model: &Model) -> Result<Tokens, Error> {
    let tokenizer = Tokenizer::of(model).map_err(|why| refused(model, why))?;
    let vocabulary = Network::open(model).map_err(|why| refused(model, why))?.shape().vocabulary;
    let mut named: BTreeMap<String, Option<u32>> = BTreeMap::new();
    for id in (0..tokenizer.ids()).filter(|&id| (id as usize) < vocabulary) {
        let text = tokenizer.decode(&[id]).map_err(|why| refused(model, why))?;
        let bare = bare(&text);
        if !bare.is_empty() && !bare.contains('\u{fffd}') {
            named.entry(bare.to_owned()).and_modify(|id| *id = None).or_insert(Some(id));
        }
    }
    Ok(named.into_iter().filter_map(|(text, id)| Some((text, id?))).collect())
}

/// So many tokens, those of the smallest SHA-256 of their texts.
fn chosen(model: &Model, n: usize, least: usize) -> Result<Tokens, Error> {
    let named = named(model)?;
    if n < least || named.len() < least {
        let found = format!("{n} of {} whose text names them", named.len());
        let expected = format!("at least {least}, five quarters of the width of its stream");
        return Err(FormatError::new("tokens of the reference", found, expected).at(&model.path).into());
    }
    let mut by_digest: Vec<(Vec<u8>, String, u32)> =
        named.into_iter().map(|(text, id)| (Sha256::digest(text.as_bytes()).to_vec(), text, id)).collect();
    by_digest.sort();
    Ok(by_digest.into_iter().take(n).map(|(_, text, id)| (text, id)).collect())
}

/// A model's own ids of these tokens, in their order.
fn ids_of(model: &Model, tokens: &Tokens) -> Result<Vec<u32>, Error> {
    let named = named(model)?;
    let ids: Vec<u32> = tokens.keys().filter_map(|text| named.get(text).copied()).collect();
    if ids.len() < tokens.len() {
        let found = format!("{} of the {} that are asked for", ids.len(), tokens.len());
        return Err(FormatError::new("tokens of the model", found, "all of them, as the reference has").at(&model.path).into());
    }
    Ok(ids)
}

fn control(path: &Path, tokens: &Tokens, progress: &Progress) -> Result<(String, Image), Error> {
    let model = open_weights(path, progress)?;
    let ids = ids_of(&model, tokens)?;
    Ok((path.display().to_string(), image_at(&model, &ids)?))
}

fn image_at(model: &Model, ids: &[u32]) -> Result<Image, Error> {
    let none = || FormatError::new("output layer", "none that is described", "one whose rows can be read").at(&model.path);
    let canonical = Canonical::new(model)?.ok_or_else(none)?;
    match image(&canonical, ids) {
        Ok(image) => Ok(image.ok_or_else(none)?),
        Err(ObserveError::NotRunnable(why)) => Err(refused(model, why)),
        Err(ObserveError::Source(error)) => Err(error.into()),
    }
}

/// What a model on this machine says, by its own ids of the tokens.
fn heard(model: &Model, tokens: &Tokens, prompts: &[String], chat: &Chat, progress: &Progress) -> Result<Vec<Vec<f64>>, Error> {
    let ids = ids_of(model, tokens)?;
    let network = Network::open(model).map_err(|why| refused(model, why))?;
    let tokenizer = Tokenizer::of(model).map_err(|why| refused(model, why))?;
    let sequences: Vec<Vec<u32>> =
        prompts.iter().map(|prompt| chat.asked_ids(&tokenizer, prompt)).collect::<Result<_, _>>().map_err(|why| refused(model, why))?;
    let phase = progress.steps("running the suspect", prompts.len() as u64);
    let logits = next_logits(&network, &sequences, &ids, &|n| phase.advance(n))?;
    Ok(logits.into_iter().map(|logits| logits.into_iter().map(f64::from).collect()).collect())
}

/// Questions to a prompt: batches of tokens that a bias raises into view, each with the first token, which joins them.
fn questions(args: &Args, tokens: usize) -> u64 {
    tokens.saturating_sub(1).div_ceil(args.top_logprobs.saturating_sub(1).max(1) as usize) as u64
}

/// Before anything is paid for.
fn check_budget(args: &Args, tokens: usize) -> Result<(), Error> {
    if args.top_logprobs < 2 {
        return Err(Error::Usage {
            message: format!("top log-probabilities: found {}, expected at least 2", args.top_logprobs),
            hint: None,
        });
    }
    let (each, prompts) = (questions(args, tokens), args.n);
    let needed = each * prompts;
    match args.suspect.endpoint.budget_requests.filter(|budget| *budget < needed) {
        None => Ok(()),
        Some(budget) => Err(Error::Usage {
            message: format!("requests: found a budget of {budget}, expected at least {needed}, {each} for each of {prompts} prompts"),
            hint: Some("fewer `--n`, or more `--top-logprobs` where the server gives them, need fewer".into()),
        }),
    }
}

/// What an endpoint says.
fn asked(args: &Args, suspect: &Suspect, tokens: &Tokens, prompts: &[String], progress: &Progress) -> Result<Vec<Vec<f64>>, Error> {
    let all: Vec<(&String, u32)> = tokens.iter().map(|(text, &id)| (text, id)).collect();
    let Some((anchor, others)) = all.split_first() else { return Ok(Vec::new()) };
    let phase = progress.steps("asking the suspect", questions(args, tokens.len()) * args.n);
    let of_prompt = |(place, prompt): (usize, &String)| {
        let mut vector = vec![0.0];
        for (batch, tokens) in others.chunks(args.top_logprobs as usize - 1).enumerate() {
            let raised: Vec<&(&String, u32)> = std::iter::once(anchor).chain(tokens).collect();
            let ask = Ask {
                top_logprobs: Some(raised.len() as u32),
                logit_bias: raised.iter().map(|(_, id)| (*id, BIAS)).collect(),
                ..Ask::new(mode(Some(args.mode)), 0.0, 1)
            };
            let id = format!("{place}/{batch}");
            let answer = suspect.in_session(|session| reply(session, &id, prompt, suspect.chat(), &ask));
            let said = answer.transpose()?.map_or_else(|| Ok(Vec::new()), |answer| said(answer, &id, &raised))?;
            vector.extend(said.iter().skip(1).map(|value| value - said[0]));
            phase.advance(1);
        }
        Ok(vector)
    };
    prompts.iter().enumerate().map(of_prompt).collect()
}

/// Log-probabilities of the tokens that were raised, in their order.
fn said(answer: Reply, id: &str, raised: &[&(&String, u32)]) -> Result<Vec<f64>, Error> {
    let first = answer.tokens.and_then(|tokens| tokens.into_iter().next());
    let shown: BTreeMap<String, f64> =
        first.map(|first| first.top.into_iter().map(|(text, logprob)| (bare(&text).to_owned(), logprob)).collect()).unwrap_or_default();
    let of = |(text, _): &&(&String, u32)| {
        shown.get(*text).copied().ok_or_else(|| {
            let found = format!("no `{}` among {} of the endpoint", text.escape_debug(), shown.len());
            Error::Report(format!("log-probabilities of the answer to `{id}`: {found}, expected those that `logit_bias` raised"))
        })
    };
    raised.iter().map(of).collect()
}
