//! Sets of prompts: the texts that both models are given, named, versioned and digested.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sources::digest::hex;
use sources::store::read_whole;
use sources::{FormatError, SourceError};
use std::collections::BTreeSet;
use std::path::Path;

/// Names the form of the file.
pub const PROMPTS_SCHEMA: &str = "urn:filiation:prompts:v1";
/// A set is a few hundred short texts; more would run for days.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Texts in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSet {
    /// Name of the set: `shared`.
    pub name: String,
    /// Version of the set. A published version never changes.
    pub version: String,
    /// Licence of the texts, as SPDX writes it.
    pub licence: String,
    /// Where the texts come from.
    pub origin: String,
    /// At least one; ids are unique, texts not empty.
    pub prompts: Vec<Prompt>,
}

/// One text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Unique in its set.
    pub id: String,
    /// What kind of text it is: `prose`, `code`.
    pub kind: String,
    /// BCP 47 tag of its language, or the name of a programming language.
    pub language: String,
    /// What the models read.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    name: String,
    version: String,
    licence: String,
    origin: String,
    #[serde(default)]
    prompt: Vec<Prompt>,
}

impl PromptSet {
    /// The shared benchmark, version 1: `data/prompts/shared-v1.toml`.
    pub fn shared() -> Result<Self, FormatError> {
        Self::parse(include_str!("../../../data/prompts/shared-v1.toml"))
    }

    /// Reads a user's file.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let bytes = read_whole(path, MAX_FILE_BYTES)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::new("file of prompts", error, "UTF-8 text").at(path))?;
        Self::parse(text).map_err(|error| error.at(path))
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let File { schema, name, version, licence, origin, prompt: prompts } =
            toml::from_str(text).map_err(|error| FormatError::new("file of prompts", one_line(&error), "the keys of a set of prompts"))?;
        let quoted = |text: &str| format!("`{}`", text.escape_debug());
        if schema != PROMPTS_SCHEMA {
            return Err(FormatError::new("schema of the prompts", quoted(&schema), quoted(PROMPTS_SCHEMA)));
        }
        Self { name, version, licence, origin, prompts }.checked()
    }

    /// The same, if it is a set of prompts.
    ///
    /// # Errors
    /// If it has none, two of one id, or one that is white space alone.
    pub fn checked(self) -> Result<Self, FormatError> {
        let quoted = |text: &str| format!("`{}`", text.escape_debug());
        if self.prompts.is_empty() {
            return Err(FormatError::new("set of prompts", "no prompt", "at least one `[[prompt]]`"));
        }
        let mut ids = BTreeSet::new();
        for prompt in &self.prompts {
            if prompt.id.is_empty() || !ids.insert(prompt.id.as_str()) {
                return Err(FormatError::new("id of a prompt", quoted(&prompt.id), "an id that no other prompt has"));
            }
            if prompt.text.trim().is_empty() {
                return Err(FormatError::new(format!("text of prompt {}", quoted(&prompt.id)), "white space alone", "some text"));
            }
        }
        Ok(self)
    }

    /// How reports call it: `shared 1`.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// SHA-256, in hexadecimal, over each text in order: its length in bytes (u64, little-endian), then its UTF-8 bytes.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for prompt in &self.prompts {
            hash.update((prompt.text.len() as u64).to_le_bytes());
            hash.update(prompt.text.as_bytes());
        }
        hex(&hash.finalize())
    }
}

/// A TOML error shows its place as a drawing over several lines; our sentences are one line.
fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "schema = \"urn:filiation:prompts:v1\"\nname = \"two\"\nversion = \"1\"\nlicence = \"CC0-1.0\"\norigin = \"here\"\n";

    fn with(prompts: &str) -> Result<PromptSet, FormatError> {
        PromptSet::parse(&format!("{HEAD}{prompts}"))
    }

    fn prompt(id: &str, text: &str) -> String {
        format!("[[prompt]]\nid = \"{id}\"\nkind = \"prose\"\nlanguage = \"en\"\ntext = \"{text}\"\n")
    }

    /// Digest: `printf '\x03\0\0\0\0\0\0\0abc\x02\0\0\0\0\0\0\0\xc3\xa9' | sha256sum` (coreutils 9.1).
    #[test]
    fn the_digest_is_over_lengths_and_texts_in_order() {
        let set = with(&(prompt("a", "abc") + &prompt("b", "é"))).unwrap();
        assert_eq!(set.digest(), "535b5f7ed4c33037718d01ce661b6a18dfa1c593bab6f234add7abccefa48a50");
        let swapped = with(&(prompt("b", "é") + &prompt("a", "abc"))).unwrap();
        assert_ne!(swapped.digest(), set.digest());
        // Where one text ends is part of it.
        assert_ne!(with(&(prompt("a", "ab") + &prompt("b", "cé"))).unwrap().digest(), set.digest());
        assert_eq!(set.label(), "two 1");
    }

    /// Digest and number: `data/prompts/README.md`, whose script is Python.
    #[test]
    fn the_shared_set_is_the_published_one() {
        let set = PromptSet::shared().unwrap();
        assert_eq!(set.digest(), "5163ae5ccbee8a863cc8e07536020b18ec9c9b5055e186a17c0c879bfb156661");
        assert_eq!((set.label().as_str(), set.prompts.len()), ("shared 1", 240));
    }

    #[test]
    fn each_broken_rule_has_its_sentence() {
        let sentence = |prompts: &str| with(prompts).unwrap_err().to_string();
        assert_eq!(sentence(""), "set of prompts: found no prompt, expected at least one `[[prompt]]`");
        assert_eq!(sentence(&(prompt("a", "x") + &prompt("a", "y"))), "id of a prompt: found `a`, expected an id that no other prompt has");
        assert_eq!(sentence(&prompt("a", " ")), "text of prompt `a`: found white space alone, expected some text");
        let unknown = prompt("a", "x") + "weight = 2\n";
        assert!(sentence(&unknown).contains("unknown field `weight`"), "{}", sentence(&unknown));
        let other = PromptSet::parse(&HEAD.replace(":v1", ":v2")).unwrap_err().to_string();
        assert_eq!(other, "schema of the prompts: found `urn:filiation:prompts:v2`, expected `urn:filiation:prompts:v1`");
    }
}
