//! `filiation agreement REFERENCE SUSPECT --control MODEL…`: whom does the suspect answer like?

use crate::cli::lineage::Agreement;
use crate::models::open_weights;
use crate::one_finding::observe_and_print;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::{Error, json_lines};
use evidence::{Answers, ControlAnswers, OneAnswerEach, Records};
use forward::{Chat, Options, Request, Responder};
use lab::dialogues::Dialogues;
use serde::Deserialize;
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

pub(crate) fn run(args: &Agreement, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = Dialogues::shipped().map_err(lab::LabError::from)?;
    let asked = match &args.prompts {
        Some(path) => json_lines::read(path, "`{\"prompt\"}`, with a `\"begun\"` or none")?,
        None => invented(&dialogues, args.seed, args.n),
    };
    let answer = |path: &Path| -> Result<OneAnswerEach, Error> {
        let model = open_weights(path, progress)?;
        top_tokens(&model, &dialogues.chat, &asked, progress)
    };
    let control = |path: &Path, is_sibling: bool| -> Result<ControlAnswers, Error> {
        Ok(ControlAnswers { name: path.display().to_string(), is_sibling, answers: answer(path)? })
    };
    let controls = args.control.iter().map(|path| (path, false)).chain(args.sibling.iter().map(|path| (path, true)));
    let answers = Answers {
        reference: answer(&args.reference)?,
        suspect: answer(&args.suspect)?,
        controls: controls.map(|(path, is_sibling)| control(path, is_sibling)).collect::<Result<_, _>>()?,
    };
    observe_and_print("text.agreement", &Records { answers: Some(&answers), seed: args.seed, ..Records::default() }, args.format, printer)
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
