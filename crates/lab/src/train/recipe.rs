//! What a model is trained from nothing by: a TOML file, strict.

use super::{Schedule, Sizes};
use crate::LabError;
use serde::{Deserialize, Serialize};
use sources::FormatError;
use std::path::{Path, PathBuf};

/// A recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// How large.
    pub model: Sizes,
    /// Tokens of the vocabulary, or a `tokenizer.json` that is taken as it is.
    pub tokenizer: Vocabulary,
    /// What is read.
    pub text: Text,
    /// How fast.
    #[serde(default)]
    pub schedule: Schedule,
}

/// Where the tokenizer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Vocabulary {
    /// Trained on the text, with so many tokens.
    Tokens(usize),
    /// A `tokenizer.json`.
    File(PathBuf),
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Text {
    /// Text files, each a document, in this order; paths are relative to the recipe.
    pub files: Vec<PathBuf>,
    /// Tokens of a sequence.
    pub length: usize,
    /// Seeds the places of the windows.
    #[serde(default)]
    pub order: u64,
}

impl Recipe {
    /// Reads a file; its paths become relative to the working folder.
    ///
    /// # Errors
    /// If it cannot be read, or has a key that nothing reads.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let text = std::fs::read_to_string(path).map_err(|error| LabError::Io { action: "read", path: path.to_owned(), error })?;
        let parsed: Result<Self, _> = toml::from_str(&text);
        let mut recipe = parsed
            .map_err(|error| LabError::from(FormatError::new("recipe", error.to_string().trim_end(), "the keys of a recipe").at(path)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        recipe.text.files.iter_mut().for_each(|file| *file = folder.join(&file));
        if let Vocabulary::File(file) = &mut recipe.tokenizer {
            *file = folder.join(&file);
        }
        Ok(recipe)
    }
}
