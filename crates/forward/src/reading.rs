//! What a model would say next, at every place of texts that are there already.

use crate::Network;
use crate::taps::{Taps, Wanted};
use sources::SourceError;
use std::sync::Mutex;

/// Values of the residual stream that are in memory together, 1 GiB.
const STREAM_VALUES: usize = 256 << 20;

/// The most probable next token after each token of each sequence, the last one left out; of equal ones, the first.
///
/// # Errors
/// If a tensor cannot be read, or a sequence is none that the model can read.
pub fn predictions(network: &Network<'_>, sequences: &[Vec<u32>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Vec<u32>>, SourceError> {
    let mut all = Vec::with_capacity(sequences.len());
    for batch in batches(network, sequences) {
        let heard = Heard(batch.iter().map(|sequence| Mutex::new(vec![0; sequence.len().saturating_sub(1)])).collect());
        network.run(batch, &heard, &|_| ())?;
        all.extend(heard.0.into_iter().map(|tokens| tokens.into_inner().unwrap_or_default()));
        advance(batch.len() as u64);
    }
    Ok(all)
}

/// Logits of some tokens after the last token of each sequence, in the order of `tokens`, which are below the model's vocabulary.
///
/// # Errors
/// As [`predictions`].
pub fn next_logits(
    network: &Network<'_>,
    sequences: &[Vec<u32>],
    tokens: &[u32],
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Vec<f32>>, SourceError> {
    let mut all = Vec::with_capacity(sequences.len());
    for batch in batches(network, sequences) {
        let next = Next { tokens, logits: batch.iter().map(|_| Mutex::default()).collect() };
        network.run(batch, &next, &|_| ())?;
        all.extend(next.logits.into_iter().map(|logits| logits.into_inner().unwrap_or_default()));
        advance(batch.len() as u64);
    }
    Ok(all)
}

/// As many sequences together as fit, at least one.
fn batches<'a>(network: &Network<'_>, sequences: &'a [Vec<u32>]) -> impl Iterator<Item = &'a [Vec<u32>]> {
    let most = (STREAM_VALUES / network.shape().hidden.max(1)).max(1);
    let mut rest = sequences;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fitting = rest.iter().take_while(|sequence| {
            tokens += sequence.len();
            tokens <= most
        });
        let (batch, later) = rest.split_at(fitting.count().max(1).min(rest.len()));
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

struct Next<'a> {
    tokens: &'a [u32],
    logits: Vec<Mutex<Vec<f32>>>,
}

impl Taps for Next<'_> {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logit_positions(&self, _: usize, n: usize) -> Vec<usize> {
        n.checked_sub(1).into_iter().collect()
    }

    fn logits(&self, sequence: usize, _: usize, values: &[f32]) {
        if let Ok(mut logits) = self.logits[sequence].lock() {
            *logits = self.tokens.iter().map(|&token| values[token as usize]).collect();
        }
    }
}

struct Heard(Vec<Mutex<Vec<u32>>>);

impl Taps for Heard {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logit_positions(&self, _: usize, n: usize) -> Vec<usize> {
        (0..n.saturating_sub(1)).collect()
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        let (mut best, mut most) = (0, f32::NEG_INFINITY);
        for (token, &value) in (0u32..).zip(values) {
            if value > most {
                (best, most) = (token, value);
            }
        }
        if let Ok(mut tokens) = self.0[sequence].lock() {
            tokens[position] = best;
        }
    }
}
