//! What the section on a watermark's key says: the number in plain words, how it was counted, and the key among keys that nobody used.

use super::p_in_words;
use crate::data::{MarksPicture, MarksTest};
use crate::figures::{Figure, twins};
use crate::numbers;
use serde::Serialize;

/// The section, ready for the template.
#[derive(Debug, Serialize)]
pub(crate) struct MarksView {
    pub(crate) tests: Vec<MarksTestView>,
    pub(crate) steps: [&'static str; 3],
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// One test.
#[derive(Debug, Serialize)]
pub(crate) struct MarksTestView {
    pub(crate) title: &'static str,
    /// `p ≤ 10^−9`.
    pub(crate) p: String,
    pub(crate) sentence: String,
    pub(crate) figure: Option<Figure>,
    pub(crate) table: Vec<MarksRow>,
}

/// One way to count.
#[derive(Debug, Serialize)]
pub(crate) struct MarksRow {
    pub(crate) name: String,
    pub(crate) z: String,
    pub(crate) p: String,
    pub(crate) words: &'static str,
    pub(crate) is_valid: bool,
}

impl MarksView {
    pub(crate) fn of(marks: &MarksPicture) -> Self {
        let facts = vec![("scheme", scheme(&marks.scheme).to_owned()), ("SHA-256 of the key", marks.key_digest.clone())];
        let steps = [
            "A service draws its replies with a secret key: after every few words the key prefers some tokens to others.",
            "A model that was trained on such replies learns some of these preferences. One that was not cannot know them: to it the key is as good as \
             any other.",
            "The test counts how often the suspect's choices are those that the key prefers, each window and token once, and asks how often another \
             key would fit as well.",
        ];
        Self { tests: tests(marks).into_iter().map(|(title, test)| view(title, test)).collect(), steps, facts }
    }
}

/// With their headings.
pub(super) fn tests(marks: &MarksPicture) -> Vec<(&'static str, &MarksTest)> {
    let named = [("What the suspect says", &marks.texts), ("What the suspect predicts in the owner's texts", &marks.reading)];
    named.into_iter().filter_map(|(title, test)| Some((title, test.as_ref()?))).collect()
}

fn view(title: &'static str, test: &MarksTest) -> MarksTestView {
    let row = |count: &crate::data::MarksCount| MarksRow {
        name: count.name.clone(),
        z: numbers::z(count.z),
        p: p_in_words(count.log10_p, count.null),
        words: words(&count.name),
        is_valid: count.is_valid,
    };
    MarksTestView {
        title,
        p: p_in_words(test.log10_p, test.null),
        sentence: sentence(test),
        figure: twins::keys(test),
        table: test.counts.iter().map(row).collect(),
    }
}

/// What was counted, in one sentence.
pub(super) fn sentence(test: &MarksTest) -> String {
    format!(
        "{} distinct pairs of window and token have a sum of {}, where another key would give {} on average; {} of {} places were dropped, because their window \
         stands in a prompt or was there before",
        numbers::grouped(test.n),
        numbers::plain(test.sum),
        numbers::plain(test.expected),
        numbers::grouped(test.dropped),
        numbers::grouped(test.places)
    )
}

fn words(name: &str) -> &'static str {
    match name {
        "naive" => "every copy taken for a number of its own, which it is not: concludes nothing",
        "each once" => "every pair counts once",
        "by weight, fresh keys" => "what is said often counts more; beside keys that nobody used",
        _ => "the same, bounded; reaches further down",
    }
}

fn scheme(name: &str) -> &str {
    match name {
        "kgw" => "green lists (`kgw`)",
        "gumbel" => "Gumbel-max (`gumbel`)",
        "synthid" => "SynthID-Text (`synthid`)",
        other => other,
    }
}
