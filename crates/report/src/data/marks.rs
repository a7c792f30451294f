//! What a watermark's key says of texts.

use super::verdict::NullKind;
use super::{finite, finite_list};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Numbers under a key, of what a suspect said or predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarksPicture {
    /// `kgw`, `gumbel`, `synthid`.
    pub scheme: String,
    /// SHA-256 of the key.
    pub key_digest: String,
    /// The suspect's own texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<MarksTest>,
    /// What the suspect predicts in the owner's texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<MarksTest>,
}

/// A test of numbers under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarksTest {
    /// Places with a window.
    pub places: u64,
    /// Places that were dropped: their window stands in a prompt, or was there before where each counts once.
    pub dropped: u64,
    /// Distinct pairs of window and token.
    pub n: u64,
    /// Sum of their numbers.
    #[serde(serialize_with = "finite")]
    pub sum: f64,
    /// What it is on average under another key.
    #[serde(serialize_with = "finite")]
    pub expected: f64,
    /// The ways to count, in the order of the method's card.
    pub counts: Vec<MarksCount>,
    /// The weighted sum under keys that nobody used, in standard deviations.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "finite_list")]
    pub null_z: Vec<f64>,
    /// log10 of the p-value that counts.
    #[serde(serialize_with = "finite")]
    pub log10_p: f64,
    /// How its null distribution is known.
    pub null: NullKind,
}

/// One way to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarksCount {
    /// `each once`, `by weight`, `naive`.
    pub name: String,
    /// In standard deviations of the null hypothesis.
    #[serde(serialize_with = "finite")]
    pub z: f64,
    /// log10 of the p-value.
    #[serde(serialize_with = "finite")]
    pub log10_p: f64,
    /// How its null distribution is known.
    pub null: NullKind,
    /// Whether it may count: copies taken for independent numbers may not.
    pub is_valid: bool,
}
