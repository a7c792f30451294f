//! Other words for the same: what somebody may do to replies before a student learns them.

use crate::Draws;
use std::collections::BTreeMap;

/// Puts synonyms in one another's place and turns around pairs that `and` joins.
#[derive(Debug, Clone)]
pub struct Rewriting {
    /// Where a word's set is, and its place in the set.
    places: BTreeMap<String, (usize, usize)>,
    synonyms: Vec<Vec<String>>,
    /// How many of the words that can be replaced are, and of the pairs that can be turned.
    share: f64,
    seed: u64,
}

impl Rewriting {
    /// From sets of words that may stand for one another; `share` is between 0 and 1.
    pub fn new(synonyms: &[Vec<String>], share: f64, seed: u64) -> Self {
        let mut places = BTreeMap::new();
        for (set, words) in synonyms.iter().enumerate() {
            for (place, word) in words.iter().enumerate() {
                places.entry(word.clone()).or_insert((set, place));
            }
        }
        Self { places, synonyms: synonyms.to_vec(), share, seed }
    }

    /// How many of the words that can be replaced are.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// A text in other words: the same for one seed and one `label`, which names the text.
    pub fn apply(&self, text: &str, label: &str) -> String {
        if self.share <= 0.0 {
            return text.to_owned();
        }
        let mut draws = Draws::new(self.seed, &format!("rewriting/{label}"));
        let mut parts: Vec<String> = split(text).into_iter().map(|part| self.replaced(part, &mut draws)).collect();
        let is_plain = |part: &String| part.starts_with(char::is_lowercase);
        // A word, a space, `and`, a space, a word.
        for start in 0..parts.len().saturating_sub(4) {
            let [first, before, and, after, second] = &parts[start..start + 5] else { continue };
            let joined = before == " " && and == "and" && after == " ";
            if joined && is_plain(first) && is_plain(second) && draws.uniform() < self.share {
                parts.swap(start, start + 4);
            }
        }
        parts.concat()
    }

    fn replaced(&self, part: &str, draws: &mut Draws) -> String {
        let Some(&(set, place)) = self.places.get(&part.to_lowercase()) else { return part.to_owned() };
        if draws.uniform() >= self.share {
            return part.to_owned();
        }
        let words = &self.synonyms[set];
        let drawn = draws.below(words.len().saturating_sub(1));
        let Some(word) = words.get(drawn + usize::from(drawn >= place)) else { return part.to_owned() };
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if part.starts_with(char::is_uppercase) => first.to_uppercase().chain(chars).collect(),
            _ => word.clone(),
        }
    }
}

/// Words, and what stands between them.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut of_word = None;
    for (at, c) in text.char_indices() {
        let is_letter = c.is_alphabetic();
        if of_word.is_some_and(|of_word| of_word != is_letter) {
            parts.push(&text[start..at]);
            start = at;
        }
        of_word = Some(is_letter);
    }
    if start < text.len() {
        parts.push(&text[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewriting(share: f64) -> Rewriting {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Rewriting::new(&[set(&["big", "large"]), set(&["begin", "start"])], share, 1)
    }

    #[test]
    fn a_share_of_one_replaces_every_word_that_has_another() {
        assert_eq!(rewriting(1.0).apply("Begin with a big, old dog and cat.", "x"), "Start with a large, old cat and dog.");
        assert_eq!(rewriting(0.0).apply("Begin with a big dog.", "x"), "Begin with a big dog.");
        assert_eq!(rewriting(1.0).apply("", "x"), "");
    }

    #[test]
    fn about_the_share_of_words_is_replaced_and_the_same_each_time() {
        let text = "big ".repeat(4000);
        let half = rewriting(0.25).apply(&text, "x");
        let replaced = half.split(' ').filter(|word| *word == "large").count();
        // Standard deviation of a binomial of 4,000 and 1/4: 27.4; five of them.
        assert!(replaced.abs_diff(1000) < 137, "{replaced}");
        assert_eq!(half, rewriting(0.25).apply(&text, "x"));
        assert_ne!(half, rewriting(0.25).apply(&text, "y"));
    }
}
