//! Where everything lies in an observation: prompts, words, and the samples of words that every observer draws alike.

use super::{Tokens, WordAt};
use crate::words::WordTokens;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

impl Tokens {
    /// Number of prompts.
    pub fn n_prompts(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The places of a prompt's tokens.
    pub fn prompt(&self, prompt: usize) -> Range<usize> {
        let at = |index: usize| self.starts.get(index).map_or(0, |&start| start as usize);
        at(prompt)..at(prompt + 1)
    }

    /// Word of each token of a prompt.
    pub fn words_of(&self, prompt: usize) -> &[u32] {
        self.words.get(self.prompt(prompt)).unwrap_or_default()
    }

    /// The words that have a token, prompt by prompt.
    pub(crate) fn word_tokens(&self) -> Vec<WordTokens> {
        (0..self.n_prompts()).map(|prompt| WordTokens::new(self.words_of(prompt))).collect()
    }
}

/// Kept attention entries of a prompt of `n` tokens.
pub(crate) fn entries(n: usize, causal: bool) -> usize {
    if causal { n * (n + 1) / 2 } else { n * n }
}

/// Where row `i` of a prompt of `n` tokens lies among its kept entries.
pub(crate) fn row(i: usize, n: usize, causal: bool) -> Range<usize> {
    if causal { i * (i + 1) / 2..(i + 1) * (i + 2) / 2 } else { i * n..(i + 1) * n }
}

/// Kept attention entries of all prompts before each, and of all.
pub(crate) fn entry_starts(tokens: &Tokens, causal: bool) -> Vec<usize> {
    let mut starts = Vec::with_capacity(tokens.n_prompts() + 1);
    starts.push(0);
    for prompt in 0..tokens.n_prompts() {
        starts.push(starts[prompt] + entries(tokens.prompt(prompt).len(), causal));
    }
    starts
}

/// The `limit` words that come first by the SHA-256 of their indices (u32, little-endian): a sample that nobody chose, and that two models
/// share as far as both have tokens there.
pub(crate) fn sampled(words: &[WordTokens], limit: usize) -> Vec<WordAt> {
    let mut all: Vec<([u8; 32], WordAt)> = Vec::new();
    for (prompt, words) in words.iter().enumerate() {
        for &word in &words.words {
            let at = WordAt { prompt: prompt as u32, word };
            let mut hash = Sha256::new();
            hash.update(at.prompt.to_le_bytes());
            hash.update(at.word.to_le_bytes());
            all.push((hash.finalize().into(), at));
        }
    }
    all.sort_unstable();
    all.truncate(limit);
    all.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_causal_prompt_cover_its_entries_once() {
        for (n, causal) in [(1, true), (5, true), (4, false)] {
            let rows: Vec<usize> = (0..n).flat_map(|i| row(i, n, causal)).collect();
            assert_eq!(rows, (0..entries(n, causal)).collect::<Vec<_>>());
        }
    }

    /// Digests: `printf '\0\0\0\0\0\0\0\0' | sha256sum` and so on (coreutils 9.1): (0, 0) af5570f5…, (0, 1) 01acecb5…, (1, 0) 7c9fa136….
    #[test]
    fn the_sample_is_by_the_digest_of_the_place() {
        let words = [WordTokens::new(&[0, 1]), WordTokens::new(&[0])];
        let at = |prompt, word| WordAt { prompt, word };
        assert_eq!(sampled(&words, 9), [at(0, 1), at(1, 0), at(0, 0)]);
        assert_eq!(sampled(&words, 2), [at(0, 1), at(1, 0)]);
    }
}
