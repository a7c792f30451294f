//! A student learns its curriculum and is written, with the record of what it learnt from whom.

use super::curriculum::examples;
use super::teacher::unfit;
use super::{Curriculum, Distilled, Origin, Pair, Teacher};
use crate::dialogues::Chat;
use crate::train::{Example, Examples, Made, Progress, Replies, Request, Schedule, Tune, train};
use crate::{LabError, Precision};
use forward::{Network, Tokenizer};
use serde_json::{Value, json};
use sources::{FormatError, Model};
use std::path::Path;

/// Tokens of a sequence of a model that does not say how many it reads.
const LONGEST: usize = 2048;

/// A distillation.
pub struct Lesson<'a> {
    /// What is learnt.
    pub curriculum: &'a Curriculum<'a>,
    /// How a pair becomes a text.
    pub chat: &'a Chat,
    /// Times that every pair is read.
    pub epochs: f64,
    /// How fast; its steps follow from the epochs.
    pub schedule: Schedule,
    /// Which weights learn.
    pub tune: Tune,
    /// Whose probabilities are learnt at what temperature, instead of the tokens of the replies.
    pub logits: Option<(&'a Teacher, f32)>,
    /// Of the order in which pairs are read, and of adapters.
    pub seed: u64,
    /// Of the written numbers.
    pub precision: Precision,
}

/// The pairs that a lesson teaches, in the order in which the student reads them for the first time: what an owner would keep of the training.
///
/// # Errors
/// As [`distil`].
pub fn reading(student: &Model, lesson: &Lesson<'_>) -> Result<Vec<Pair>, LabError> {
    let (pairs, examples) = readable(student, lesson)?;
    let (pairs, examples): (Vec<Pair>, Vec<Example>) =
        pairs.into_iter().zip(examples).filter_map(|(pair, example)| Some((pair, example?))).unzip();
    let order = Replies::new(examples.into(), lesson.seed).order(0);
    Ok(order.into_iter().filter_map(|place| pairs.get(place).cloned()).collect())
}

/// The pairs, and what the student can read of each.
fn readable(student: &Model, lesson: &Lesson<'_>) -> Result<(Vec<Pair>, Vec<Option<Example>>), LabError> {
    let refused = |why| unfit(&student.path, why, "a decoder with a tokenizer beside it");
    let tokenizer = Tokenizer::of(student).map_err(refused)?;
    let shape = Network::open(student).map_err(refused)?.shape();
    let longest = longest(student).min(shape.max_positions.unwrap_or(usize::MAX));
    let pairs = lesson.curriculum.pairs()?;
    let examples = examples(&pairs, &tokenizer, lesson.chat, longest, &student.path)?;
    Ok((pairs, examples))
}

/// Teaches a student, which is a model as it starts, and writes what it becomes into a new folder.
///
/// # Errors
/// If the student cannot be trained here, the curriculum does not add up, or the folder is not free.
pub fn distil(student: Model, lesson: &Lesson<'_>, folder: &Path, advance: &dyn Fn(Progress, usize)) -> Result<Made, LabError> {
    let (pairs, examples) = readable(&student, lesson)?;
    let left_out = examples.iter().filter(|example| example.is_none()).count();
    let examples: Vec<Example> = examples.into_iter().flatten().collect();
    if examples.is_empty() {
        return Err(FormatError::new("curriculum", "no pair that the student can read", "at least one").into());
    }
    if !(lesson.epochs.is_finite() && lesson.epochs > 0.0) {
        return Err(FormatError::new("epochs", lesson.epochs, "above 0").into());
    }
    let longest = examples.iter().map(|example| example.tokens.len()).max().unwrap_or(0);
    let replies = Replies::new(examples.into(), lesson.seed);
    let steps = replies.steps(lesson.epochs, lesson.schedule.batch);
    let schedule = Schedule { steps, warmup: lesson.schedule.warmup.min(steps / 10), ..lesson.schedule };
    let vocabulary =
        Network::open(&student).map_err(|why| unfit(&student.path, why, "a decoder with a tokenizer beside it"))?.shape().vocabulary;
    let distilled = lesson.logits.map(|(teacher, temperature)| {
        let of = (&teacher.responder.sampler, teacher.tensor_root.as_str());
        Distilled::new(&replies, of, vocabulary, (longest, schedule.batch), temperature)
    });
    let distilled = distilled.transpose()?;
    let examples: &dyn Examples = match &distilled {
        Some(distilled) => distilled,
        None => &replies,
    };
    let request = Request {
        folder,
        schedule,
        examples,
        tune: lesson.tune.clone(),
        seed: lesson.seed,
        precision: lesson.precision,
        history: history(lesson, &pairs.iter().map(|pair| pair.origin).collect::<Vec<_>>(), left_out),
    };
    train(student, &request, &|progress| advance(progress, steps))
}

/// Tokens that the configuration says a model was made for.
fn longest(model: &Model) -> usize {
    let keys = ["max_position_embeddings", "n_positions", "n_ctx"];
    let said = model.config.as_ref().and_then(|config| keys.iter().find_map(|key| config[*key].as_u64()));
    said.and_then(|n| usize::try_from(n).ok()).unwrap_or(LONGEST)
}

fn history(lesson: &Lesson<'_>, origins: &[Origin], left_out: usize) -> Value {
    let Curriculum { teachers, dialogues, fraction, rewriting, seed, .. } = lesson.curriculum;
    let used = |origin: Origin| origins.iter().filter(|found| **found == origin).count();
    let teachers: Vec<Value> = teachers
        .iter()
        .enumerate()
        .map(|(i, source)| json!({ "weight": source.weight, "replies": used(Origin::Teacher(i)), "header": source.file.header }))
        .collect();
    let logits = lesson.logits.map(|(teacher, temperature)| {
        json!({ "path": teacher.path.display().to_string(), "tensorRoot": teacher.tensor_root, "temperature": temperature })
    });
    json!({ "distillation": {
        "teachers": teachers,
        "fraction": fraction,
        "rewriting": rewriting.share(),
        "epochs": lesson.epochs,
        "pairs": origins.len(),
        "ownAnswers": { "pairs": used(Origin::Dialogues), "dialogues": dialogues.label, "digest": dialogues.digest, "seed": seed },
        "leftOut": left_out,
        "logits": logits,
    } })
}
