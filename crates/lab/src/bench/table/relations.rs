//! Words that were said of derived pairs against words that would have been right.

use crate::bench::{Row, Truth};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Stands for no word at all.
pub(super) const NO_WORD: &str = "(none)";

/// How often one word was said where another was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Confusion {
    /// A word that a right answer has.
    pub expected: String,
    /// A word that was said, or [`NO_WORD`].
    pub said: String,
    /// Rows.
    pub n: usize,
}

/// Relations of derived pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relations {
    /// Derived pairs.
    pub n: usize,
    /// Rows of which every expected word was said, and none beyond the expected and the allowed ones.
    pub right: usize,
    /// Rows of which an expected word was not said.
    pub missed: usize,
    /// Rows of which a word was said that is neither expected nor allowed.
    pub wrong: usize,
    /// By transformation, all disguises: rows, and right ones.
    pub by_transformation: BTreeMap<String, (usize, usize)>,
    /// By expected word and said word; a row with several words counts in several places.
    pub confusion: Vec<Confusion>,
}

pub(super) fn relations(rows: &[Row]) -> Relations {
    let (mut n, mut right) = (0, 0);
    let (mut missed, mut wrong) = (0, 0);
    let mut by_transformation: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut confusion: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.truth == Truth::Derived) {
        let is_missed = row.expected_words.iter().any(|word| !row.relation.contains(word));
        let is_wrong = row.relation.iter().any(|word| !row.expected_words.contains(word) && !row.allowed_words.contains(word));
        let is_right = !is_missed && !is_wrong;
        n += 1;
        right += usize::from(is_right);
        missed += usize::from(is_missed);
        wrong += usize::from(is_wrong);
        let own = by_transformation.entry(row.transformation.clone()).or_default();
        own.0 += 1;
        own.1 += usize::from(is_right);
        for expected in or_no_word(&row.expected_words) {
            for said in or_no_word(&row.relation) {
                *confusion.entry((expected, said)).or_default() += 1;
            }
        }
    }
    let confusion = confusion.into_iter().map(|((expected, said), n)| Confusion { expected: expected.into(), said: said.into(), n });
    Relations { n, right, missed, wrong, by_transformation, confusion: confusion.collect() }
}

fn or_no_word(words: &[String]) -> Vec<&str> {
    if words.is_empty() { vec![NO_WORD] } else { words.iter().map(String::as_str).collect() }
}
