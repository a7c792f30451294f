//! For which pairs a calibration holds.

use serde::{Deserialize, Serialize};

/// For which pairs a calibration holds: those whose two models are of a kind and size that its population had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Domain {
    /// As the family files call them.
    pub families: Vec<String>,
    /// Whether the population had only pairs of one tokenizer.
    pub same_tokenizer_only: bool,
    /// Of each model, in all.
    pub parameters: Range,
    /// Blocks of each model.
    pub layers: Range,
}

/// Smallest and largest value, both within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Range {
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
}

/// Of which kind and how large a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<'a> {
    /// As the family file calls it; none where no family describes the model.
    pub family: Option<&'a str>,
    /// Numbers in all.
    pub parameters: u64,
    /// Blocks.
    pub layers: u64,
}

impl Domain {
    /// Why a pair lies outside, as the end of a sentence; `None` of a pair inside.
    pub fn excludes(&self, reference: Size<'_>, suspect: Size<'_>, same_tokenizer: bool) -> Option<String> {
        for (name, size) in [("reference", reference), ("suspect", suspect)] {
            match size.family {
                None => return Some(format!("no family describes the {name}")),
                Some(family) if !self.families.iter().any(|known| known == family) => {
                    return Some(format!("the {name} is of the family `{family}`, the validation had {}", self.families.join(", ")));
                }
                Some(_) => {}
            }
            for (what, value, range) in [("parameters", size.parameters, self.parameters), ("layers", size.layers, self.layers)] {
                if !(range.min..=range.max).contains(&value) {
                    return Some(format!("the {name} has {value} {what}, the models of the validation had {} to {}", range.min, range.max));
                }
            }
        }
        (self.same_tokenizer_only && !same_tokenizer)
            .then(|| "the two have different tokenizers, the pairs of the validation had one".into())
    }

    /// What, found and expected, of a range that holds nothing.
    pub(super) fn check(&self) -> Result<(), (&'static str, String, String)> {
        for (what, Range { min, max }) in [("domain.parameters", self.parameters), ("domain.layers", self.layers)] {
            if min > max {
                return Err((what, format!("{min} to {max}"), "a minimum that is at most the maximum".into()));
            }
        }
        Ok(())
    }
}
