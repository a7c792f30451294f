//! How probable a model finds replies that are there already: what tests on outputs ask of a suspect, wherever its weights are.

use crate::taps::{Taps, Wanted};
use crate::{Chat, FinishReason, Network, NotRunnable, Tokenizer};
use rayon::prelude::*;
use sources::{Model, SourceError};
use std::sync::Mutex;

/// Tokens of a reply that count: a long reply says what it has to say at its beginning, and should not outweigh ten short ones.
pub const SCORED_TOKENS: usize = 256;
/// Values of the residual stream that are in memory together, 1 GiB.
const STREAM_VALUES: usize = 256 << 20;

/// A question and a reply that somebody may have given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored<'a> {
    /// What was asked.
    pub prompt: &'a str,
    /// What was answered.
    pub reply: &'a str,
    /// Whether the reply came to its end, which is scored too.
    pub finish_reason: FinishReason,
}

/// What a model gives a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Sum of the natural logarithms of the probabilities of its tokens, of the first [`SCORED_TOKENS`].
    pub logprob: f64,
    /// Tokens that count; at least one.
    pub tokens: usize,
}

impl Score {
    /// Mean log-probability of a token, in nats.
    pub fn mean(self) -> f64 {
        self.logprob / self.tokens.max(1) as f64
    }
}

/// Why nothing could be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A tensor could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The model gives no log-probabilities here.
    #[error(transparent)]
    NotRunnable(#[from] NotRunnable),
    /// A model elsewhere did not answer as it should.
    #[error("{message}")]
    Remote {
        /// The sentence.
        message: String,
        /// Advice.
        hint: Option<String>,
    },
}

impl ScoreError {
    /// Advice to print apart from the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::NotRunnable(_) => None,
            Self::Remote { hint, .. } => hint.as_deref(),
        }
    }
}

/// A model that can be asked how probable it finds a reply.
pub trait Scorer {
    /// The scores in the order of the texts, `None` where the model cannot read one: a reply without a token, a prompt that is too long.
    /// `advance` is told each text that is done.
    ///
    /// # Errors
    /// If the model cannot be read or reached, or answers what cannot be understood.
    fn score(&self, texts: &[Scored<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Option<Score>>, ScoreError>;
}

/// A checkpoint on this machine that scores.
pub struct LocalScorer<'a> {
    network: Network<'a>,
    tokenizer: Tokenizer,
    chat: &'a Chat,
}

impl<'a> LocalScorer<'a> {
    /// Reads headers and the tokenizer. Weights are read block by block with each call.
    ///
    /// # Errors
    /// With the reason why the model cannot say how probable a reply is.
    pub fn open(model: &'a Model, chat: &'a Chat) -> Result<Self, NotRunnable> {
        let network = Network::open(model)?;
        let shape = network.shape();
        if !(shape.causal && shape.has_logits) {
            return NotRunnable::because(format!("`{}` does not predict next tokens", model.path.display()));
        }
        Ok(Self { network, tokenizer: Tokenizer::of(model)?, chat })
    }

    /// Tokens of a text, and where the reply begins; `None` where it cannot be scored.
    fn tokens(&self, text: &Scored<'_>) -> Result<Option<Sequence>, NotRunnable> {
        let mut tokens = self.chat.asked_ids(&self.tokenizer, text.prompt)?;
        let from = tokens.len();
        let reply = match text.finish_reason {
            FinishReason::Stop => self.chat.answered(text.reply),
            FinishReason::Length => self.chat.broken_off(text.reply),
        };
        tokens.extend(self.tokenizer.encode_inside(&reply)?.into_iter().take(SCORED_TOKENS));
        let shape = self.network.shape();
        tokens.truncate(shape.max_positions.unwrap_or(usize::MAX));
        let is_known = tokens.iter().all(|&id| (id as usize) < shape.vocabulary);
        Ok((from > 0 && tokens.len() > from && is_known).then_some(Sequence { tokens, from }))
    }
}

struct Sequence {
    tokens: Vec<u32>,
    from: usize,
}

impl AsRef<[u32]> for Sequence {
    fn as_ref(&self) -> &[u32] {
        &self.tokens
    }
}

impl Scorer for LocalScorer<'_> {
    fn score(&self, texts: &[Scored<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Option<Score>>, ScoreError> {
        let sequences: Vec<Option<Sequence>> = texts.par_iter().map(|text| self.tokens(text)).collect::<Result<_, _>>()?;
        let mut scores = vec![None; texts.len()];
        let most = (STREAM_VALUES / self.network.shape().hidden.max(1)).max(1);
        let (mut batch, mut tokens): (Vec<(usize, Sequence)>, usize) = (Vec::new(), 0);
        let mut flush = |batch: &mut Vec<(usize, Sequence)>| -> Result<(), ScoreError> {
            let (places, sequences): (Vec<usize>, Vec<Sequence>) = std::mem::take(batch).into_iter().unzip();
            if sequences.is_empty() {
                return Ok(());
            }
            let heard = Heard::of(&sequences);
            self.network.run(&sequences, &heard, &|_| ())?;
            for (place, logprobs) in places.into_iter().zip(heard.logprobs) {
                let logprobs = logprobs.into_inner().unwrap_or_default();
                scores[place] = Some(Score { logprob: logprobs.iter().sum(), tokens: logprobs.len() });
                advance(1);
            }
            Ok(())
        };
        for (place, sequence) in sequences.into_iter().enumerate() {
            let Some(sequence) = sequence else {
                advance(1);
                continue;
            };
            if tokens + sequence.tokens.len() > most {
                flush(&mut batch)?;
                tokens = 0;
            }
            tokens += sequence.tokens.len();
            batch.push((place, sequence));
        }
        flush(&mut batch)?;
        Ok(scores)
    }
}

/// Keeps the log-probability of each token of the replies. By place, so that no order of threads shows in a sum.
struct Heard<'a> {
    sequences: &'a [Sequence],
    logprobs: Vec<Mutex<Vec<f64>>>,
}

impl<'a> Heard<'a> {
    fn of(sequences: &'a [Sequence]) -> Self {
        Self { sequences, logprobs: sequences.iter().map(|s| Mutex::new(vec![0.0; s.tokens.len() - s.from])).collect() }
    }
}

impl Taps for Heard<'_> {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logit_positions(&self, sequence: usize, n: usize) -> Vec<usize> {
        // What is said at the prompt's last token is the reply's first.
        (self.sequences[sequence].from - 1..n - 1).collect()
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        let Sequence { tokens, from } = &self.sequences[sequence];
        let said = f64::from(values[tokens[position + 1] as usize]) - crate::sampling::ln_sum_of_powers(values);
        if let Ok(mut logprobs) = self.logprobs[sequence].lock() {
            logprobs[position + 1 - from] = said;
        }
    }
}
