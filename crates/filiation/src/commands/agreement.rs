//! `filiation agreement REFERENCE SUSPECT --control MODEL…`: whom does the suspect answer like?

use crate::cli::lineage::Agreement;
use crate::endpoint::{bare, is_url, refuse_options};
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::suspect::Suspect;
use crate::{Error, json_lines};
use evidence::{Answers, ControlAnswers, OneAnswerEach, Records};
use forward::{Chat, Options, Request, Responder};
use lab::dialogues::Dialogues;
use probe::{Ask, KeptReplies, Mode};
use serde::Deserialize;
use serde_json::json;
use sources::{FormatError, Model};
use std::path::Path;

/// A question, and how the answer begins where it is to be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) prompt: String,
    #[serde(default)]
    pub(crate) begun: String,
}

/// Greedy.
const TEMPERATURE: f64 = 0.0;

pub(crate) fn run(args: &Agreement, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
    let Suspected { asked, chat, answers: suspect } = suspected(args, &dialogues, progress)?;
    let answer = |path: &Path| -> Result<OneAnswerEach, Error> { top_tokens(&open_weights(path, progress)?, &chat, &asked, progress) };
    let control = |path: &Path, is_sibling: bool| -> Result<ControlAnswers, Error> {
        Ok(ControlAnswers { name: path.display().to_string(), is_sibling, answers: answer(path)? })
    };
    let controls = args.control.iter().map(|path| (path, false)).chain(args.sibling.iter().map(|path| (path, true)));
    let controls = controls.map(|(path, is_sibling)| control(path, is_sibling)).collect::<Result<Vec<_>, _>>()?;
    let reference = answer(&args.reference)?;
    let answers = match suspect {
        ByWhom::Weights(suspect) => Answers { reference, suspect, controls },
        // Servers show the same token with and without the space before it and the mark after it.
        ByWhom::Server(suspect) => Answers {
            reference: words(reference, &chat),
            suspect: words(suspect, &chat),
            controls: controls.into_iter().map(|control| ControlAnswers { answers: words(control.answers, &chat), ..control }).collect(),
        },
    };
    observe_and_print("text.agreement", &Records { answers: Some(&answers), seed: args.seed, ..Records::default() }, args.format, printer)
}

/// What the suspect answered, and what everybody else has to be asked.
struct Suspected {
    asked: Vec<Asked>,
    chat: Chat,
    answers: ByWhom,
}

/// Whose decoding the suspect's answers went through.
enum ByWhom {
    Weights(OneAnswerEach),
    Server(OneAnswerEach),
}

fn suspected(args: &Agreement, dialogues: &Dialogues, progress: &Progress) -> Result<Suspected, Error> {
    let path = Path::new(&args.suspect.suspect);
    if !is_url(&args.suspect.suspect) && path.extension().is_some_and(|extension| extension == "jsonl") {
        refuse_options(&args.suspect.endpoint, "transcript")?;
        if args.prompts.is_some() {
            let message = "`--prompts`: found a transcript beside it, expected none: its own prompts are asked".into();
            return Err(Error::Usage { message, hint: None });
        }
        let chat = args.suspect.chat.as_deref().map_or_else(|| Ok(dialogues.chat.clone()), Chat::named)?;
        return kept(path, chat);
    }
    let asked = match &args.prompts {
        Some(path) => json_lines::read(path, "`{\"prompt\"}`, with a `\"begun\"` or none")?,
        None => invented(dialogues, args.seed, args.n),
    };
    let suspect = Suspect::open(&args.suspect, json!({ "ask": "next-token", "for": "agreement" }), &dialogues.chat, progress)?;
    let chat = suspect.chat().clone();
    let answers = match suspect.model() {
        Some(model) => ByWhom::Weights(top_tokens(model, &chat, &asked, progress)?),
        None => ByWhom::Server(first_tokens(&suspect, &asked, progress)?),
    };
    suspect.note_transcript(progress)?;
    Ok(Suspected { asked, chat, answers })
}

/// The most probable next token of an endpoint, as text; `None` where it refuses that prompt alone.
fn first_tokens(suspect: &Suspect, asked: &[Asked], progress: &Progress) -> Result<OneAnswerEach, Error> {
    let phase = progress.steps("most probable tokens", asked.len() as u64);
    let ask = Ask::new(Mode::Completions, TEMPERATURE, 1);
    let mut answers = Vec::with_capacity(asked.len());
    for (place, one) in asked.iter().enumerate() {
        let text = text(one, suspect.chat());
        let reply = suspect.in_session(|session| session.reply(&place.to_string(), &text, &ask)).transpose();
        answers.push(match reply {
            Ok(reply) => reply.map(|reply| reply.text),
            // The fault may be in this prompt, unless nothing was ever answered.
            Err(error) if error.is_of_one_request() && answers.iter().any(Option::is_some) => None,
            Err(error) => return Err(error.into()),
        });
        phase.advance(1);
    }
    Ok(answers)
}

/// Prompts and answers of a transcript, in its order. A text that was sent as it is has no marks for anybody.
fn kept(path: &Path, chat: Chat) -> Result<Suspected, Error> {
    let kept = KeptReplies::open(path)?;
    let refused = |found: String| {
        let error = FormatError::new("answers of the transcript", found, "the most probable next token of each prompt");
        Error::from(error.hint("make one with `filiation probe --ask next-token`").at(path))
    };
    let how = kept.asked().unwrap_or_else(|| Ask::new(Mode::Chat, TEMPERATURE, 1));
    if how.max_tokens != 1 || how.temperature != TEMPERATURE {
        return Err(refused(format!("replies of up to {} tokens at temperature {}", how.max_tokens, how.temperature)));
    }
    let chat = if how.mode == Mode::Completions { Chat::bare() } else { chat };
    let answers = kept.replies.iter().map(|one| Some(one.reply.text.clone())).collect();
    let asked = kept.replies.into_iter().map(|one| Asked { prompt: one.prompt, begun: String::new() }).collect();
    Ok(Suspected { asked, chat, answers: ByWhom::Server(answers) })
}

/// Without what servers and tokenizers show differently: spaces round a token, and the mark after which an answer is over.
fn words(answers: OneAnswerEach, chat: &Chat) -> OneAnswerEach {
    answers.into_iter().map(|answer| answer.map(|answer| bare(chat.answer(&answer)).to_owned())).collect()
}

/// What a model goes on from.
fn text(asked: &Asked, chat: &Chat) -> String {
    let begun = if asked.begun.is_empty() { String::new() } else { chat.broken_off(&asked.begun) };
    chat.asked(&asked.prompt) + &begun
}

/// Invented dialogues, each broken off at a drawn word of its answer: the first word of an answer alone is often the same whatever the model.
pub(crate) fn invented(dialogues: &Dialogues, seed: u64, n: u64) -> Vec<Asked> {
    let asked = |index: u64| {
        let dialogue = dialogues.dialogue(seed, index);
        let words: Vec<&str> = dialogue.answer.split(' ').collect();
        let mut draws = lab::Draws::new(seed, &format!("agreement/{index}"));
        Asked { prompt: dialogue.prompt, begun: words[..draws.below(words.len().max(1))].join(" ") }
    };
    (0..n).map(asked).collect()
}

/// The most probable next token of each, as text; `None` where the model cannot read the prompt.
pub(crate) fn top_tokens(model: &Model, chat: &Chat, asked: &[Asked], progress: &Progress) -> Result<OneAnswerEach, Error> {
    let refused = |why: forward::NotRunnable| {
        Error::from(FormatError::new("model", why.0, "a decoder that answers, with a tokenizer").at(&model.path))
    };
    let responder = Responder::read(model)?.map_err(refused)?;
    let limit = responder.sampler.max_positions().unwrap_or(usize::MAX);
    let ids = |asked: &Asked| {
        let mut ids = chat.asked_ids(&responder.tokenizer, &asked.prompt)?;
        if !asked.begun.is_empty() {
            ids.extend(responder.tokenizer.encode_inside(&chat.broken_off(&asked.begun))?);
        }
        Ok(ids)
    };
    let all: Vec<Vec<u32>> = asked.iter().map(ids).collect::<Result<_, _>>().map_err(refused)?;
    let is_readable =
        |ids: &[u32]| !ids.is_empty() && ids.len() < limit && ids.iter().all(|&id| (id as usize) < responder.sampler.vocabulary());
    let places: Vec<usize> = (0..all.len()).filter(|&place| is_readable(&all[place])).collect();
    let requests: Vec<Request<'_>> = places.iter().map(|&place| Request { prompt: &all[place], seed: 0 }).collect();
    let options = Options { temperature: 0.0, top_p: None, max_tokens: 1, stop: Vec::new(), watermark: None };
    let phase = progress.steps("most probable tokens", requests.len() as u64);
    let replies = responder.sampler.reply(&requests, &options, &|n| phase.advance(n))?;
    let mut answers = vec![None; asked.len()];
    for (place, reply) in places.into_iter().zip(replies) {
        answers[place] = Some(responder.tokenizer.decode(&reply.tokens).map_err(refused)?);
    }
    Ok(answers)
}
