//! Families as data: which tensor plays which role, under which names, in which layout, and which of its axes may be permuted.
//!
//! A family is a TOML file under `data/families/`, embedded in the program; this module holds no tensor name.
//! Adding a family is adding its file and its line in [`FILES`].

mod bind;
pub mod compute;
mod dims;
mod draft;
mod expression;
mod file;
mod layout;
#[cfg(test)]
mod lists;
mod pattern;

pub use bind::{bind_to, unbound};
pub use draft::Draft;
pub use file::Family;
pub use layout::{Piece, Spelling, Stored};

use crate::tensor::{MetaValue, TensorInfo};
use crate::{Binding, FormatError};
use std::collections::BTreeMap;
use std::sync::OnceLock;

macro_rules! family_files {
    ($($name:literal),+ $(,)?) => {
        /// Every family file, by name. Where two families fit a checkpoint equally and it declares none, the earlier one is taken.
        static FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../../data/families/", $name, ".toml")))),+];
    };
}

family_files![
    "llama",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "gemma",
    "gemma2",
    "gemma3",
    "phi3",
    "gpt2",
    "gpt_neox",
    "olmo2",
    "bert",
    "t5",
    "whisper"
];

/// The families that this program knows.
///
/// Fails if an embedded file breaks its schema; a test loads every file, so a released program does not.
pub fn families() -> Result<&'static [Family], &'static FormatError> {
    static LOADED: OnceLock<Result<Vec<Family>, FormatError>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let load = |&(name, text): &(&str, &str)| {
            let family = Family::parse(text)?;
            if family.name != name {
                return Err(FormatError::new(
                    "family file",
                    format!("family `{}`", family.name),
                    format!("`{name}`, as the file is called"),
                ));
            }
            Ok(family)
        };
        FILES.iter().map(load).collect()
    });
    loaded.as_deref()
}

/// The family of a name, as [`Binding::family`] says it.
pub fn named(name: &str) -> Option<&'static Family> {
    families().ok()?.iter().find(|family| family.name == name)
}

/// Binds a checkpoint to the family that describes it; `None` if none describes four fifths of its elements. See [`bind_to`].
pub fn bind(tensors: &[TensorInfo], config: Option<&serde_json::Value>, metadata: &BTreeMap<String, MetaValue>) -> Option<Binding> {
    bind_to(families().ok()?, tensors, config, metadata)
}
