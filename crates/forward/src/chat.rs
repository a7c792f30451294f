//! How a question and an answer become one text: the only place that says so.

use crate::{NotRunnable, Tokenizer};
use serde::{Deserialize, Serialize};
use sources::store::read_whole;
use sources::{FormatError, SourceError};
use std::path::Path;

/// Four marks; the longest shipped file has 300 bytes.
const MAX_CHAT_BYTES: u64 = 64 << 10;

/// The shipped chats by name: `data/chats`.
static NAMED: &[(&str, &str)] = &[
    ("chatml", include_str!("../../../data/chats/chatml.toml")),
    ("dialogues", include_str!("../../../data/chats/dialogues.toml")),
    ("gemma", include_str!("../../../data/chats/gemma.toml")),
    ("llama3", include_str!("../../../data/chats/llama3.toml")),
];

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
    /// The chat of a shipped name, or of a user's file (`data/chats/README.md`).
    ///
    /// # Errors
    /// If it is neither, or the file breaks a rule of its form.
    pub fn named(name_or_path: &str) -> Result<Self, SourceError> {
        let path = Path::new(name_or_path);
        if let Some((_, text)) = NAMED.iter().find(|(name, _)| *name == name_or_path) {
            return Self::parse(text).map_err(|error| error.at(path));
        }
        if !path.exists() {
            let names = Self::names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(FormatError::new("chat", "neither a name nor a file", format!("{names} or a file of marks")).at(path));
        }
        let bytes = read_whole(path, MAX_CHAT_BYTES)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::new("chat", error, "UTF-8 text").at(path))?;
        Self::parse(text).map_err(|error| error.at(path))
    }

    /// A chat without marks: a text is read as it is.
    pub fn bare() -> Self {
        Self { user: String::new(), assistant: String::new(), answer: String::new(), end: String::new() }
    }

    /// The shipped names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    fn parse(text: &str) -> Result<Self, FormatError> {
        let chat: Result<Self, _> = toml::from_str(text);
        let chat = chat.map_err(|error| FormatError::new("chat", error.message(), "`user`, `assistant`, `answer` and `end`"))?;
        match chat.fault() {
            Some(expected) => Err(FormatError::new("chat", "a mark of spaces alone", expected)),
            None => Ok(chat),
        }
    }

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
        let written = match self.end.as_str() {
            "" => written,
            end => written.split_once(end).map_or(written, |(answer, _)| answer),
        };
        written.strip_prefix(&self.answer).unwrap_or(written)
    }

    /// The rule that a file breaks, if it breaks one.
    pub fn fault(&self) -> Option<&'static str> {
        let marks = [&self.user, &self.assistant, &self.end];
        marks.iter().any(|mark| mark.trim_matches(' ').is_empty()).then_some("marks that are no white space of one line")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_chat_is_read_by_its_name() {
        for name in Chat::names() {
            let chat = Chat::named(name).unwrap();
            assert_eq!(chat.fault(), None, "{name}");
            assert_eq!(chat.answer(&chat.answered("said")), "said", "{name}");
            assert!(!chat.asked("q").ends_with(' '), "{name}: tokens begin with their space");
        }
    }

    #[test]
    fn a_chat_without_marks_changes_nothing() {
        let bare = Chat::bare();
        assert_eq!((bare.asked("q").as_str(), bare.answered("said").as_str(), bare.answer(" said\n")), ("q", "said", " said\n"));
    }

    #[test]
    fn every_file_of_chats_has_a_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/chats");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, Chat::names().collect::<Vec<_>>());
    }

    #[test]
    fn a_users_file_is_read_strictly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Chat::named(path.to_str().unwrap())
        };
        let good = "user = \"Q:\"\nassistant = \"\\nA:\"\nanswer = \" \"\nend = \"\\n\"\n";
        assert_eq!(read(good).unwrap().asked("why?"), "Q:why?\nA:");
        let sentence = |text: &str| read(text).unwrap_err().to_string();
        assert!(sentence(&format!("{good}system = \"x\"\n")).contains("chat: found unknown field `system`"));
        assert!(sentence("user = \"Q:\"").contains("chat: found missing field"));
        assert!(sentence(&good.replace("Q:", " ")).contains("chat: found a mark of spaces alone, expected marks that are no white space"));
        let error = Chat::named("lama3").unwrap_err().to_string();
        assert_eq!(
            error,
            "`lama3`: chat: found neither a name nor a file, expected `chatml`, `dialogues`, `gemma`, `llama3` or a file of marks"
        );
    }
}
