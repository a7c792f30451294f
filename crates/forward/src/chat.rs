//! How a question and an answer become one text: the only place that says so.

use crate::{NotRunnable, Tokenizer};
use serde::{Deserialize, Serialize};

/// What stands before, between and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Before the question.
    pub user: String,
    /// After it.
    pub assistant: String,
    /// Before the answer.
    pub answer: String,
    /// After it.
    pub end: String,
}

impl Chat {
    /// What a model reads before it answers. No space stands at the end, because tokens begin with theirs.
    pub fn asked(&self, prompt: &str) -> String {
        format!("{}{prompt}{}", self.user, self.assistant)
    }

    /// Its tokens: as the model's own pipeline begins a text, and without what that puts at the end of one.
    ///
    /// # Errors
    /// If the tokenizer cannot split it.
    pub fn asked_ids(&self, tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>, NotRunnable> {
        let encoded = tokenizer.encode(&self.asked(prompt))?;
        let with_text = encoded.spans.iter().rposition(|(start, end)| start < end).map_or(0, |last| last + 1);
        Ok(encoded.ids.into_iter().take(with_text).collect())
    }

    /// What follows that.
    pub fn answered(&self, answer: &str) -> String {
        format!("{}{answer}{}", self.answer, self.end)
    }

    /// The same of an answer that was broken off: nothing says that it ends.
    pub fn broken_off(&self, answer: &str) -> String {
        format!("{}{answer}", self.answer)
    }

    /// The text after which an answer is over.
    pub fn end(&self) -> &str {
        &self.end
    }

    /// The answer inside what a model wrote, without what marks its beginning and end.
    pub fn answer<'a>(&self, written: &'a str) -> &'a str {
        let written = written.split_once(&self.end).map_or(written, |(answer, _)| answer);
        written.strip_prefix(&self.answer).unwrap_or(written)
    }

    /// The rule that a file breaks, if it breaks one.
    pub fn fault(&self) -> Option<&'static str> {
        let marks = [&self.user, &self.assistant, &self.end];
        marks.iter().any(|mark| mark.trim_matches(' ').is_empty()).then_some("marks that are no white space of one line")
    }
}
