//! Replies of a decoder, drawn token by token, and what it gives the next tokens of texts that are there already.
//!
//! Every request has a seed of its own, and a step takes a fixed number of tokens through the network whatever they belong to. So what is
//! drawn for a request depends on nothing but the weights, the options, the prompt and the seed: not on the other requests, their order or
//! the number of threads.

mod choice;
mod decode;

pub(crate) use choice::ln_sum_of_powers;

use crate::rotary::{Rotary, RotaryTables};
use crate::training::Trainable;
use crate::{NotRunnable, Watermark};
use decode::{Decoder, Sequence};
use rayon::prelude::*;
use sources::{FormatError, Model, SourceError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keys and values that one thread keeps of all its sequences, in bytes: where they would be more, it takes fewer sequences at a time.
const CACHE_BYTES: usize = 512 << 20;
/// Bytes of distributions that one call of [`Sampler::distributions`] answers.
pub const MAX_DISTRIBUTION_BYTES: usize = 2 << 30;

/// A decoder in memory that answers.
pub struct Sampler {
    decoder: Trainable,
}

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What logits are divided by before the draw; at 0 the most probable token is taken.
    pub temperature: f32,
    /// Draws from the fewest tokens that together have at least this probability.
    pub top_p: Option<f32>,
    /// Tokens of a reply.
    pub max_tokens: usize,
    /// Tokens that end a reply.
    pub stop: Vec<u32>,
    /// What the draws hang on besides the seed. Log-probabilities stay the model's own.
    pub watermark: Option<Watermark>,
}

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// At least one token.
    pub prompt: &'a [u32],
    /// Of the draws.
    pub seed: u64,
}

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The tokens, with the one that ended the reply where one did.
    pub tokens: Vec<u32>,
    /// The natural logarithm of each token's probability under the model itself, without temperature and without leaving tokens out.
    pub logprobs: Vec<f32>,
}

/// What becomes of a sequence.
#[derive(Debug, Clone, Copy)]
enum Task {
    /// Tokens are drawn after the given ones.
    Draw { seed: u64 },
    /// Distributions after the tokens from this position on are kept, the last token's left out.
    Read { from: usize, temperature: f32 },
}

impl Sampler {
    /// Reads all weights.
    ///
    /// # Errors
    /// If a tensor cannot be read; inside, the reason why the model cannot answer here.
    pub fn read(model: &Model) -> Result<Result<Self, NotRunnable>, SourceError> {
        Ok(Trainable::read(model)?.map(Self::of))
    }

    /// Of a decoder that is in memory already.
    pub fn of(decoder: Trainable) -> Self {
        Self { decoder }
    }

    /// Rows of the table of tokens.
    pub fn vocabulary(&self) -> usize {
        self.decoder.vocabulary()
    }

    /// The most tokens that prompt and reply can have together, where there is a limit: a table of positions that ends, or positions that
    /// turn otherwise in longer sequences.
    pub fn max_positions(&self) -> Option<usize> {
        let computation = &self.decoder.computation;
        computation.rotaries.iter().filter_map(Rotary::limit).chain(computation.max_positions).min()
    }

    /// Answers every request, in their order, and tells `advance` each that is done. A reply that meets the model's last position ends there.
    ///
    /// # Errors
    /// If a prompt has no token, one that the model does not know or more than it has positions, or an option is out of its range.
    pub fn reply(&self, requests: &[Request<'_>], options: &Options, advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Reply>, SourceError> {
        let refuse = |what: &str, found: f32, expected: &str| Err(request_error(what, found, expected));
        if !options.temperature.is_finite() || options.temperature < 0.0 {
            return refuse("temperature", options.temperature, "0 or more");
        }
        if let Some(top_p) = options.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return refuse("top p", top_p, "above 0 and at most 1");
        }
        let tasks: Vec<(&[u32], Task)> = requests.iter().map(|r| (r.prompt, Task::Draw { seed: r.seed })).collect();
        let done = self.run(&tasks, options, advance)?;
        Ok(done.into_iter().map(|sequence| Reply { tokens: sequence.drawn, logprobs: sequence.logprobs }).collect())
    }

    /// The probabilities of every next token at each position of a sequence but the last, from a given one on: `[n − 1 − from, vocabulary]`
    /// for each, as [`crate::Target::Distributions`] wants them. Logits are divided by `temperature` first.
    ///
    /// # Errors
    /// As [`Self::reply`], or if the distributions take more than 2 GiB.
    pub fn distributions(&self, sequences: &[(&[u32], usize)], temperature: f32) -> Result<Vec<Vec<f32>>, SourceError> {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(request_error("temperature of distributions", temperature, "above 0"));
        }
        let positions = sequences.iter().try_fold(0usize, |sum, (tokens, _)| sum.checked_add(tokens.len()));
        let bytes = positions.and_then(|n| n.checked_mul(self.vocabulary())?.checked_mul(size_of::<f32>()));
        if bytes.is_none_or(|bytes| bytes > MAX_DISTRIBUTION_BYTES) {
            let found = bytes.map_or("more than the machine can address".into(), |bytes| format!("{bytes} bytes"));
            return Err(request_error("distributions", found, format!("at most {MAX_DISTRIBUTION_BYTES} bytes in one call")));
        }
        let tasks: Vec<(&[u32], Task)> = sequences.iter().map(|&(tokens, from)| (tokens, Task::Read { from, temperature })).collect();
        let options = Options { temperature, top_p: None, max_tokens: 0, stop: Vec::new(), watermark: None };
        let done = self.run(&tasks, &options, &|_| ())?;
        Ok(done.into_iter().map(|sequence| sequence.distributions).collect())
    }

    fn run(&self, tasks: &[(&[u32], Task)], options: &Options, advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Sequence>, SourceError> {
        let longest = self.check(tasks, options)?;
        let computation = &self.decoder.computation;
        let tables: Vec<RotaryTables> = computation.rotaries.iter().map(|rotary| rotary.tables(longest)).collect();
        let limit = self.max_positions().unwrap_or(usize::MAX);
        let workers = rayon::current_num_threads().min(tasks.len()).max(1);
        let together = tasks.len().div_ceil(workers).min(self.sequences_together(longest)?);
        let next = AtomicUsize::new(0);
        let take = || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            tasks.get(index).map(|&(tokens, task)| (index, Sequence::new(tokens, task)))
        };
        let done: Mutex<Vec<(usize, Sequence)>> = Mutex::new(Vec::with_capacity(tasks.len()));
        (0..workers).into_par_iter().with_max_len(1).for_each(|_| {
            let mut decoder = Decoder::new(&self.decoder, &tables, options, limit, together);
            decoder.run(&take, &|index, sequence| {
                if let Ok(mut done) = done.lock() {
                    done.push((index, sequence));
                }
                advance(1);
            });
        });
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, sequence)| sequence).collect())
    }

    /// Tokens of the longest sequence that can come of the tasks.
    fn check(&self, tasks: &[(&[u32], Task)], options: &Options) -> Result<usize, SourceError> {
        let limit = self.max_positions().unwrap_or(usize::MAX);
        let vocabulary = self.vocabulary();
        let mut longest = 0;
        for (index, (tokens, task)) in tasks.iter().enumerate() {
            if tokens.is_empty() {
                return Err(request_error(&format!("prompt {index}"), "no token", "at least one"));
            }
            if tokens.len() > limit {
                return Err(request_error(&format!("prompt {index}"), format!("{} tokens", tokens.len()), format!("at most {limit}")));
            }
            if let Some(id) = tokens.iter().find(|&&id| id as usize >= vocabulary) {
                return Err(request_error("token", id, format!("one below {vocabulary}")));
            }
            let drawn = if matches!(task, Task::Draw { .. }) { options.max_tokens } else { 0 };
            longest = longest.max(tokens.len().saturating_add(drawn).min(limit));
        }
        Ok(longest)
    }

    /// Sequences whose keys and values one thread may keep.
    fn sequences_together(&self, longest: usize) -> Result<usize, SourceError> {
        let widths: usize = self.decoder.parameters.blocks.iter().map(|block| block.attention.k.rows + block.attention.v.rows).sum();
        let bytes = widths.saturating_mul(size_of::<f32>()).saturating_mul(longest).max(1);
        if bytes > CACHE_BYTES {
            let found = format!("{bytes} bytes for one of {longest} tokens");
            return Err(request_error("keys and values of a sequence", found, format!("at most {CACHE_BYTES} bytes")));
        }
        Ok((CACHE_BYTES / bytes).min(decode::ROWS))
    }
}

fn request_error(what: &str, found: impl ToString, expected: impl ToString) -> SourceError {
    SourceError::Request(Box::new(FormatError::new(what, found.to_string(), expected.to_string())))
}
