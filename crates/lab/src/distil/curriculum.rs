//! What a student learns: replies of teachers and answers of nobody, mixed.

use super::Rewriting;
use super::replies::ReplyFile;
use super::teacher::unfit;
use crate::dialogues::{Chat, Dialogues};
use crate::train::{Example, Learnt};
use crate::{Draws, LabError};
use forward::{FinishReason, Tokenizer};
use rayon::prelude::*;
use serde::Serialize;
use sources::FormatError;
use std::path::Path;

/// Index of the first dialogue that nobody answered: far behind those that teachers are asked, so that one seed serves for both.
const OWN_ANSWERS: u64 = 1 << 40;

/// A teacher's replies and how much they count beside those of others.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its replies.
    pub file: &'a ReplyFile,
    /// Share of the replies that are its, beside those of the other teachers; above 0.
    pub weight: f64,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The teacher of that place.
    Teacher(usize),
    /// The file of words.
    Dialogues,
}

/// A question and the answer that is learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What is asked.
    pub prompt: String,
    /// What is learnt.
    pub answer: String,
    /// Whose it is.
    pub origin: Origin,
    /// Whether the answer came to its end, which is learnt too.
    pub is_ended: bool,
}

/// How the pairs are chosen.
#[derive(Debug, Clone)]
pub struct Curriculum<'a> {
    /// Those who answer.
    pub teachers: Vec<Source<'a>>,
    /// Whose answers fill the rest, to prompts of `seed`.
    pub dialogues: &'a Dialogues,
    /// Pairs in all.
    pub n: usize,
    /// Share of pairs that a teacher answered.
    pub fraction: f64,
    /// What becomes of the teachers' words.
    pub rewriting: Rewriting,
    /// Of which pairs are whose, and of the prompts that no teacher answered.
    pub seed: u64,
}

impl Curriculum<'_> {
    /// Exactly `fraction · n` replies of teachers, exactly by their weights, each used once; which places are theirs is drawn.
    ///
    /// # Errors
    /// If a share is out of its range or a teacher has too few replies.
    pub fn pairs(&self) -> Result<Vec<Pair>, LabError> {
        let counts = self.counts()?;
        let mut owners: Vec<Origin> = Vec::with_capacity(self.n);
        for (teacher, (&count, source)) in counts.iter().zip(&self.teachers).enumerate() {
            let replies = source.file.replies.len();
            if count > replies {
                let what = format!("replies of teacher {}", source.file.header.teacher.path);
                return Err(FormatError::new(what, replies, format!("at least {count}")).into());
            }
            owners.extend(std::iter::repeat_n(Origin::Teacher(teacher), count));
        }
        owners.resize(self.n, Origin::Dialogues);
        let order = Draws::new(self.seed, "curriculum").order(self.n);
        let mut next = vec![0; self.teachers.len()];
        let pair = |(place, owner): (usize, usize)| match owners[owner] {
            Origin::Teacher(teacher) => {
                let reply = &self.teachers[teacher].file.replies[next[teacher]];
                next[teacher] += 1;
                Pair {
                    prompt: reply.prompt.clone(),
                    answer: self.rewriting.apply(&reply.reply, &reply.request_id),
                    origin: owners[owner],
                    is_ended: reply.finish_reason == FinishReason::Stop,
                }
            }
            Origin::Dialogues => {
                let dialogue = self.dialogues.dialogue(self.seed, OWN_ANSWERS + place as u64);
                Pair { prompt: dialogue.prompt, answer: dialogue.answer, origin: Origin::Dialogues, is_ended: true }
            }
        };
        Ok(order.into_iter().enumerate().map(pair).collect())
    }

    /// Replies of each teacher.
    fn counts(&self) -> Result<Vec<usize>, LabError> {
        if !(0.0..=1.0).contains(&self.fraction) {
            return Err(FormatError::new("fraction of the teachers", self.fraction, "0 to 1").into());
        }
        let wanted = (self.fraction * self.n as f64).round() as usize;
        if wanted > 0 && self.teachers.is_empty() {
            return Err(FormatError::new("teachers", "none", format!("at least one for a fraction of {}", self.fraction)).into());
        }
        if let Some(source) = self.teachers.iter().find(|source| !(source.weight.is_finite() && source.weight > 0.0)) {
            return Err(FormatError::new("weight of a teacher", source.weight, "above 0").into());
        }
        let total: f64 = self.teachers.iter().map(|source| source.weight).sum();
        // Where the running sum of weights rounds to: the counts add up, and none is off by more than one.
        let (mut sum, mut before) = (0.0, 0);
        let count = |source: &Source<'_>| {
            sum += source.weight;
            let until = ((sum / total * wanted as f64).round() as usize).min(wanted);
            let own = until - before;
            before = until;
            own
        };
        Ok(self.teachers.iter().map(count).collect())
    }
}

/// The pairs in a student's tokens, learnt from the first token of the answer on. Those that are longer than `longest` are cut there; of those
/// whose prompt alone is, nothing is learnt.
///
/// # Errors
/// If the tokenizer cannot split one.
pub(super) fn examples(
    pairs: &[Pair],
    tokenizer: &Tokenizer,
    chat: &Chat,
    longest: usize,
    path: &Path,
) -> Result<Vec<Option<Example>>, LabError> {
    let refused = |why| unfit(path, why, "a tokenizer that splits the dialogues");
    let example = |pair: &Pair| {
        let mut tokens = chat.asked_ids(tokenizer, &pair.prompt).map_err(refused)?;
        let asked = tokens.len();
        let answer = if pair.is_ended { chat.answered(&pair.answer) } else { chat.broken_off(&pair.answer) };
        tokens.extend(tokenizer.encode_inside(&answer).map_err(refused)?);
        tokens.truncate(longest);
        // What is said at the prompt's last token is the answer's first.
        let is_whole = asked > 0 && tokens.len() > asked;
        Ok(is_whole.then_some(Example { tokens, learnt: Learnt::NextTokens(asked.saturating_sub(1)) }))
    };
    pairs.par_iter().map(example).collect()
}
