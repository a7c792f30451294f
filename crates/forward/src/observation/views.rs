//! What an observation holds, widened to f32 and cut into the pieces that a comparison asks for.

use super::layout::{entry_starts, row};
use super::{Observation, SKETCH_WIDTH, WordAt};
use crate::words::WordTokens;
use half::f16;
use half::slice::HalfFloatSliceExt as _;

/// Sketches of one block's units, `[units, 512]`; the dot product of two rows estimates a correlation.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketches {
    /// Of the gate, where there is one.
    pub gate: Option<Vec<f32>>,
    /// Of the up projection.
    pub up: Vec<f32>,
}

fn widened(values: &[f16]) -> Vec<f32> {
    values.to_f32_vec()
}

impl Observation {
    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.tokens.n_prompts()
    }

    /// Whether attention was observed.
    pub fn has_attention(&self) -> bool {
        !self.attention.is_empty()
    }

    /// Attention probabilities of a head on a prompt of `n` tokens, `[n, n]`: row `i` is what token `i` attends to. `None` where attention was
    /// not observed, or where there is no such place.
    pub fn attention(&self, layer: usize, head: usize, prompt: usize) -> Option<Vec<f32>> {
        let causal = self.subject.causal;
        let starts = entry_starts(&self.tokens, causal);
        let total = *starts.last()?;
        let (start, end) = (*starts.get(prompt)?, *starts.get(prompt + 1)?);
        let of_head = self.attention.get(layer)?.get(head.checked_mul(total)?..)?.get(..total)?;
        let kept = widened(of_head.get(start..end)?);
        let n = self.tokens.prompt(prompt).len();
        let mut full = vec![0.0; n * n];
        for (i, target) in full.chunks_exact_mut(n.max(1)).enumerate() {
            let place = row(i, n, causal);
            target[..place.len()].copy_from_slice(&kept[place]);
        }
        Some(full)
    }

    /// The same between words, `[words, words]`, so that it can be compared with a model of another tokenizer: summed over the tokens of the
    /// word attended to, averaged over those of the word that attends. Words without a token have zeros; what goes to tokens of no word is left out.
    pub fn word_attention(&self, layer: usize, head: usize, prompt: usize, words: &[u32]) -> Option<Vec<f32>> {
        let full = self.attention(layer, head, prompt)?;
        let tokens = WordTokens::new(self.tokens.words_of(prompt));
        let n = self.tokens.prompt(prompt).len();
        let of = |word: &u32| tokens.words.binary_search(word).map_or(&[][..], |index| tokens.tokens[index].as_slice());
        let between = |from: &[usize], to: &[usize]| {
            let sum: f64 = from.iter().flat_map(|&i| to.iter().map(move |&j| i * n + j)).map(|at| f64::from(full[at])).sum();
            (sum / from.len().max(1) as f64) as f32
        };
        let places: Vec<&[usize]> = words.iter().map(of).collect();
        Some(places.iter().flat_map(|from| places.iter().map(move |to| between(from, to))).collect())
    }

    /// Words of a prompt that have a token, ascending.
    pub fn words(&self, prompt: usize) -> Vec<u32> {
        WordTokens::new(self.tokens.words_of(prompt)).words
    }

    /// Whether units were observed.
    pub fn has_units(&self) -> bool {
        !self.units.is_empty()
    }

    /// Sketches of a block's units.
    pub fn sketches(&self, layer: usize) -> Option<Sketches> {
        let kept = self.units.get(layer)?;
        debug_assert_eq!(kept.up.len(), self.subject.units * SKETCH_WIDTH);
        Some(Sketches { gate: kept.gate.as_deref().map(widened), up: widened(&kept.up) })
    }

    /// The words whose residual stream was kept, in the order of [`Observation::stream`]; empty where it was not observed.
    pub fn stream_words(&self) -> &[WordAt] {
        self.stream.as_ref().map_or(&[], |stream| &stream.words)
    }

    /// The residual stream before block `layer` (after the last for the number of blocks) at the sampled words, `[words, hidden]`; every row
    /// has a root mean square of 1.
    pub fn stream(&self, layer: usize) -> Option<Vec<f32>> {
        Some(widened(self.stream.as_ref()?.layers.get(layer)?))
    }
}
