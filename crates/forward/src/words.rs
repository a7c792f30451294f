//! Words of a text, by which positions are compared across tokenizers.
//!
//! Two tokenizers cut a text in different places, but both cover it. A word is a segment of the text by the Unicode standard (UAX #29) that is
//! not white space alone; a token belongs to the word in which its own text begins.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// The word of a token that belongs to none: a special token, or white space.
pub const NO_WORD: u32 = u32::MAX;

/// Byte ranges of the words of a text, in order; word `i` is the `i`-th.
pub fn words(text: &str) -> Vec<Range<usize>> {
    text.split_word_bound_indices()
        .filter(|(_, segment)| !segment.trim().is_empty())
        .map(|(start, segment)| start..start + segment.len())
        .collect()
}

/// The word of each token, [`NO_WORD`] for none: the word that contains the first byte of the token's span that is not white space.
///
/// Spans are in bytes of `text`. A span that begins inside a character, as tokens of single bytes have it, is taken to begin with it.
pub fn words_of_tokens(text: &str, spans: &[(usize, usize)]) -> Vec<u32> {
    let words = words(text);
    let word_at = |byte: usize| {
        let index = words.partition_point(|word| word.end <= byte);
        words.get(index).is_some_and(|word| word.contains(&byte)).then_some(index)
    };
    let first_byte = |&(start, end): &(usize, usize)| {
        let start = text.floor_char_boundary(start.min(text.len()));
        let inside = text[start..].char_indices().map(|(at, c)| (start + at, c)).take_while(|&(at, _)| at < end);
        inside.filter(|(_, c)| !c.is_whitespace()).map(|(at, _)| at).next()
    };
    spans.iter().map(|span| first_byte(span).and_then(word_at).and_then(|word| u32::try_from(word).ok()).unwrap_or(NO_WORD)).collect()
}

/// The words of one prompt that have a token, with their tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WordTokens {
    /// Ascending.
    pub(crate) words: Vec<u32>,
    /// Positions of each word's tokens, ascending.
    pub(crate) tokens: Vec<Vec<usize>>,
}

impl WordTokens {
    /// From the word of each token.
    pub(crate) fn new(words_of_tokens: &[u32]) -> Self {
        let mut by_word = std::collections::BTreeMap::<u32, Vec<usize>>::new();
        for (position, &word) in words_of_tokens.iter().enumerate().filter(|&(_, &word)| word != NO_WORD) {
            by_word.entry(word).or_default().push(position);
        }
        let (words, tokens) = by_word.into_iter().unzip();
        Self { words, tokens }
    }

    /// Mean row of a word's tokens in `rows` `[n, width]`, summed in the order of the tokens.
    pub(crate) fn mean(&self, index: usize, rows: &[f32], width: usize, out: &mut [f32]) {
        let tokens = &self.tokens[index];
        out.fill(0.0);
        for &token in tokens {
            out.iter_mut().zip(&rows[token * width..][..width]).for_each(|(sum, &v)| *sum += v);
        }
        if tokens.len() > 1 {
            let n = tokens.len() as f32;
            out.iter_mut().for_each(|sum| *sum /= n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        words(text).into_iter().map(|word| &text[word]).collect()
    }

    #[test]
    fn words_are_the_segments_of_the_standard_without_white_space() {
        // The example of UAX #29, section 4: the quick ("brown") fox can't jump 32.3 feet, right?
        let text = "The quick (“brown”) fox can’t jump 32.3 feet, right?";
        let expected = ["The", "quick", "(", "“", "brown", "”", ")", "fox", "can’t", "jump", "32.3", "feet", ",", "right", "?"];
        assert_eq!(texts(text), expected);
        assert_eq!(texts(" \n\t"), [""; 0]);
    }

    #[test]
    fn a_token_belongs_to_the_word_in_which_its_text_begins() {
        let text = "ab  cd, é";
        // `a`, `b`, two spaces with `cd,`, `,`, a space, the two bytes of `é`, a special token, and a span behind the text.
        let spans = [(0, 1), (1, 2), (2, 7), (6, 7), (7, 8), (8, 9), (9, 10), (0, 0), (10, 20)];
        assert_eq!(words_of_tokens(text, &spans), [0, 0, 1, 2, NO_WORD, 3, 3, NO_WORD, NO_WORD]);
    }

    #[test]
    fn tokens_of_a_word_are_averaged() {
        let found = WordTokens::new(&[NO_WORD, 2, 0, 2]);
        assert_eq!(found, WordTokens { words: vec![0, 2], tokens: vec![vec![2], vec![1, 3]] });
        let rows = [9.0, 9.0, 1.0, 2.0, 5.0, 6.0, 3.0, 6.0];
        let mut mean = [0.0; 2];
        found.mean(1, &rows, 2, &mut mean);
        assert_eq!(mean, [2.0, 4.0]);
    }
}
