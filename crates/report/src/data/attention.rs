//! What a correlation of attention is worth: six measures of it, for the suspect and for every control, down to single heads.

use super::{finite, finite_f32_list, finite_or_null, finite_or_null_list};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One claim of the kind "their attention is correlated", measured on the suspect and on every control beside the same reference.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionClaim {
    /// Name and version of the prompts: `"shared 1"`.
    pub prompts: String,
    /// SHA-256 of their texts.
    pub prompts_digest: String,
    /// How many there are.
    pub n_prompts: u64,
    /// What the positions are that attention was compared at.
    pub unit: ClaimUnit,
    /// The measures, from the claimant's number to what remains when all that independent models share is removed.
    pub measures: Vec<ClaimMeasure>,
    /// The suspect, then the controls.
    pub rows: Vec<ClaimRow>,
    /// Each head of the suspect with the head of the reference that it is matched with.
    pub heads: Vec<ClaimHead>,
    /// Layers of the suspect.
    pub n_layers: u64,
    /// Heads of each layer of the suspect.
    pub n_heads: u64,
    /// Attention of the best matched heads on one short prompt.
    pub maps: Vec<ClaimMap>,
    /// The likelihood ratio that follows; null where none does.
    pub likelihood: Option<ClaimLikelihood>,
    /// Why no likelihood ratio follows, or what the one that does rests on.
    pub likelihood_why: String,
}

/// What one position of an attention map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClaimUnit {
    /// A token: all models cut the prompts alike.
    #[default]
    Tokens,
    /// A word: the tokenizers differ, so attention was added up over the tokens of each word first.
    Words,
}

/// One way to correlate attention.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMeasure {
    /// Stable: `raw-pooled`, `head-averaged`, `matched-heads`, `sink-removed`, `prompt-mean-removed`, `controls-regressed`.
    pub id: String,
    /// In a few plain words.
    pub title: String,
    /// What was computed, one sentence.
    pub words: String,
}

/// Whether a row is the model in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClaimRowKind {
    /// The model in question.
    Suspect,
    /// An independent model.
    #[default]
    Control,
}

/// All measures of one model beside the reference.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimRow {
    /// Path or name of the model.
    pub name: String,
    /// Whether it is the suspect.
    pub kind: ClaimRowKind,
    /// Its values, -1 to 1, in the order of the measures; null where a measure is not defined.
    #[serde(serialize_with = "finite_or_null_list")]
    pub values: Vec<Option<f64>>,
    /// Why a value is null, in the order of the measures.
    pub why: Vec<Option<String>>,
}

impl ClaimRow {
    /// The value by one measure, where there is one.
    pub fn value(&self, measure: usize) -> Option<f64> {
        self.values.get(measure).copied().flatten().filter(|v| v.is_finite())
    }
}

/// A head of the suspect beside one of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadPair {
    /// Layer of the suspect, from 0.
    pub layer: u64,
    /// Head within it, from 0.
    pub head: u64,
    /// Layer of the reference, from 0.
    pub reference_layer: u64,
    /// Head within it, from 0.
    pub reference_head: u64,
}

/// A head of the suspect and its counterpart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimHead {
    /// Which heads.
    #[serde(flatten)]
    pub at: HeadPair,
    /// Correlation of their attention as it is.
    #[serde(serialize_with = "finite")]
    pub raw: f64,
    /// Correlation of what remains by the last measure; null where that is not defined.
    #[serde(serialize_with = "finite_or_null")]
    pub residual: Option<f64>,
}

/// The attention of two matched heads on one prompt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMap {
    /// Which heads.
    #[serde(flatten)]
    pub at: HeadPair,
    /// Correlation of what the controls leave of the two heads, over all prompts.
    #[serde(serialize_with = "finite")]
    pub residual: f64,
    /// Id of the prompt.
    pub prompt: String,
    /// Its tokens or words, as text.
    pub labels: Vec<String>,
    /// Attention of the reference's head: one row for each label, which sums to 1.
    #[serde(serialize_with = "finite_f32_list")]
    pub reference: Vec<f32>,
    /// Attention of the suspect's head.
    #[serde(serialize_with = "finite_f32_list")]
    pub suspect: Vec<f32>,
}

/// How much more probable the observation is under derivation than under independence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLikelihood {
    /// log10 of the ratio.
    #[serde(serialize_with = "finite")]
    pub log10_lr: f64,
    /// `id@digest` of the calibration that it rests on.
    pub calibration: String,
}
