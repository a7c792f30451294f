//! How a question and an answer become one text: the only place that says so.

use serde::{Deserialize, Serialize};

/// What stands before, between and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    user: String,
    assistant: String,
    answer: String,
    end: String,
}

impl Chat {
    /// What a model reads before it answers. No space stands at the end, because tokens begin with theirs.
    pub fn asked(&self, prompt: &str) -> String {
        format!("{}{prompt}{}", self.user, self.assistant)
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
    pub(super) fn fault(&self) -> Option<&'static str> {
        let marks = [&self.user, &self.assistant, &self.end];
        marks.iter().any(|mark| mark.trim_matches(' ').is_empty()).then_some("marks that are no white space of one line")
    }
}
