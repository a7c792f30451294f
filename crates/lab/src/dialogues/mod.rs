//! Invented dialogues, drawn by seed and index: what a teacher is asked, and texts that small models can learn.
//!
//! The words stand in `data/dialogues`; the README there says what they are.

mod compose;
mod file;
mod template;

pub use forward::Chat;

use crate::{Draws, LabError};
use compose::Composer;
use file::{File, Style, Tables, Task};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;
use sources::store::read_whole;
use std::path::Path;

/// Names the form of the file.
pub const DIALOGUES_SCHEMA: &str = "urn:filiation:dialogues:v1";
/// The shipped file has 70 thousand.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The dialogues of one file, or those of some of its topics, tasks and styles.
#[derive(Debug, Clone)]
pub struct Dialogues {
    /// How records call the file, and the seed's stream with it: `en 1`.
    pub label: String,
    /// BCP 47 tag.
    pub language: String,
    /// Licence of the words, as SPDX writes it, and where they come from.
    pub licence: String,
    /// Where the words come from.
    pub origin: String,
    /// SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// How a dialogue becomes one text.
    pub chat: Chat,
    /// Sets of words that may stand for one another.
    pub synonyms: Vec<Vec<String>>,
    /// What is drawn of it.
    pub subset: Subset,
    tables: Tables,
    topics: Vec<String>,
    tasks: Vec<Task>,
    styles: Vec<Style>,
}

/// Which dialogues are drawn, by name; an empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subset {
    /// What they are about.
    pub topics: Vec<String>,
    /// What is asked.
    pub tasks: Vec<String>,
    /// How.
    pub styles: Vec<String>,
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialogue {
    /// What is asked.
    pub prompt: String,
    /// What the file answers.
    pub answer: String,
    /// What it is about.
    pub topic: String,
    /// What is asked for.
    pub task: String,
    /// How.
    pub style: String,
}

impl Dialogues {
    /// English, version 1: `data/dialogues/en-v1.toml`.
    ///
    /// # Errors
    /// Never, for what is shipped; a test reads it.
    pub fn shipped() -> Result<Self, FormatError> {
        Self::parse(include_str!("../../../../data/dialogues/en-v1.toml"))
    }

    /// Reads a user's file.
    ///
    /// # Errors
    /// If it cannot be read, or breaks a rule of its form.
    pub fn open(path: &Path) -> Result<Self, LabError> {
        let bytes = read_whole(path, MAX_FILE_BYTES)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::new("file of dialogues", error, "UTF-8 text").at(path))?;
        Ok(Self::parse(text).map_err(|error| error.at(path))?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it breaks a rule of its form: a key that is not known, a slot that leads nowhere, a list that nothing draws from.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let (file, tables, tasks) = File::parse(text)?;
        Ok(Self {
            label: format!("{} {}", file.name, file.version),
            language: file.language,
            licence: file.licence,
            origin: file.origin,
            digest: hex(&Sha256::digest(text.as_bytes())),
            chat: file.chat,
            synonyms: file.synonyms,
            subset: Subset::default(),
            topics: tables.topics.keys().cloned().collect(),
            tables,
            tasks,
            styles: file.style,
        })
    }

    /// Those of some topics, tasks and styles: another domain, or the same domain and other data.
    ///
    /// # Errors
    /// If one of the names is not known.
    pub fn only(mut self, subset: &Subset) -> Result<Self, FormatError> {
        let known = |what: &str, wanted: &[String], known: Vec<&str>| match wanted.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(FormatError::new(format!("{what} of the dialogues"), format!("`{}`", name.escape_debug()), known.join(", "))),
            None => Ok(()),
        };
        known("topic", &subset.topics, self.topics.iter().map(String::as_str).collect())?;
        known("task", &subset.tasks, self.tasks.iter().map(|task| task.id.as_str()).collect())?;
        known("style", &subset.styles, self.styles.iter().map(|style| style.id.as_str()).collect())?;
        let keeps = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
        self.topics.retain(|topic| keeps(&subset.topics, topic));
        self.tasks.retain(|task| keeps(&subset.tasks, &task.id));
        self.styles.retain(|style| keeps(&subset.styles, &style.id));
        self.subset = subset.clone();
        Ok(self)
    }

    /// Names of the topics that are drawn.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// What is asked in the dialogue of a seed and an index.
    pub fn prompt(&self, seed: u64, index: u64) -> String {
        self.drawn(seed, index).map(|mut drawn| drawn.1.prompt()).unwrap_or_default()
    }

    /// The dialogue of a seed and an index; it does not depend on which others are drawn.
    pub fn dialogue(&self, seed: u64, index: u64) -> Dialogue {
        let Some((topic, mut composer, task, style)) = self.drawn(seed, index) else {
            return Dialogue {
                prompt: String::new(),
                answer: String::new(),
                topic: String::new(),
                task: String::new(),
                style: String::new(),
            };
        };
        let prompt = composer.prompt();
        Dialogue { prompt, answer: composer.answer(), topic: topic.into(), task: task.id.clone(), style: style.id.clone() }
    }

    /// A dialogue as one text, with the marks of the chat.
    pub fn text(&self, seed: u64, index: u64) -> String {
        let Dialogue { prompt, answer, .. } = self.dialogue(seed, index);
        self.chat.asked(&prompt) + &self.chat.answered(&answer)
    }

    fn drawn(&self, seed: u64, index: u64) -> Option<(&str, Composer<'_>, &Task, &Style)> {
        let mut draws = Draws::new(seed, &format!("dialogues/{}/{index}", self.label));
        let topic = self.topics.get(draws.below(self.topics.len()))?.as_str();
        let task = by_share(&self.tasks, |task| task.share, &mut draws)?;
        let style = by_share(&self.styles, |style| style.share, &mut draws)?;
        Some((topic, Composer::new(&self.tables, topic, task, style, draws), task, style))
    }
}

fn by_share<'a, T>(items: &'a [T], share: impl Fn(&T) -> u32, draws: &mut Draws) -> Option<&'a T> {
    let total: usize = items.iter().map(|item| share(item) as usize).sum();
    let mut mark = draws.below(total);
    items.iter().find(|item| {
        let own = share(item) as usize;
        let is_here = mark < own;
        mark = mark.saturating_sub(own);
        is_here
    })
}
