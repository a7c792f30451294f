//! Conclusions: one per question, each with its scope, its relation and its strongest p-value.

use super::{finite, finite_interval_or_null, finite_or_null, finite_values};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a verdict answers. Questions are never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// Do the two models share trained weights?
    #[default]
    Derivation,
    /// Was the suspect trained on the reference's outputs?
    Distillation,
    /// Does an endpoint serve the model that it claims to serve?
    Identity,
    /// Is somebody using an API as a teacher?
    Extraction,
    /// What was the model trained on, by whom, in what order?
    Provenance,
}

/// The answer to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// The observations support derivation (common ancestry included) over independence.
    SupportsDerivation,
    /// The observations support independence over derivation.
    SupportsIndependence,
    /// The observations support training on outputs that the reference released.
    SupportsDistillation,
    /// No such training shows, and the declared smallest effect of it would have shown.
    NoEvidenceOfDistillation,
    /// Access or size does not allow an answer.
    #[default]
    Inconclusive,
}

/// What best explains the agreement: the Hub's words where they exist, and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the documentation; the glossary of the report defines them")]
pub enum Relation {
    Identical,
    Quantized,
    Finetune,
    Adapter,
    Merge,
    Pruned,
    Distilled,
    LayersChanged,
    VocabularyChanged,
    Upcycled,
    Permuted,
    Rotated,
    Rescaled,
    Partial,
}

impl Relation {
    /// The word as it stands in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Quantized => "quantized",
            Self::Finetune => "finetune",
            Self::Adapter => "adapter",
            Self::Merge => "merge",
            Self::Pruned => "pruned",
            Self::Distilled => "distilled",
            Self::LayersChanged => "layers-changed",
            Self::VocabularyChanged => "vocabulary-changed",
            Self::Upcycled => "upcycled",
            Self::Permuted => "permuted",
            Self::Rotated => "rotated",
            Self::Rescaled => "rescaled",
            Self::Partial => "partial",
        }
    }
}

/// How the distribution of a statistic under the null hypothesis is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NullKind {
    /// The distribution is known exactly.
    Exact,
    /// Drawn by permuting; never below 1/(n + 1).
    Permutation,
    /// A limit law, good for many units.
    Asymptotic,
    /// A proven upper bound.
    Bound,
}

/// A probability under the null hypothesis, in powers of ten: 10^-4000 is an ordinary value here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PValue {
    /// log10 of the p-value; at most 0.
    #[serde(serialize_with = "finite")]
    pub log10: f64,
    /// How the null distribution is known.
    pub null: NullKind,
    /// The method that gave it.
    pub method: String,
    /// The law, the number of permutations, the theorem: `"normal"`, `"9,999 permutations"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_detail: Option<String>,
}

/// How much of the suspect's trained parameters is shared, and where.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Shared fraction of the suspect's trained parameters, 0 to 1.
    #[serde(serialize_with = "finite")]
    pub shared_fraction: f64,
    /// Shared fraction by role, 0 to 1; keys in lowerCamelCase: `embed`, `mlpUp`.
    #[serde(serialize_with = "finite_values")]
    pub roles: BTreeMap<String, f64>,
    /// Trained parameters of the suspect by role: what each fraction is a fraction of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<String, u64>,
    /// Shared fraction by block of the suspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_layer: Vec<LayerScope>,
}

/// How much of one block of the suspect is shared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerScope {
    /// Name of the block: `"0"`, `"decoder 3"`.
    pub layer: String,
    /// Shared fraction of its trained parameters, 0 to 1.
    #[serde(serialize_with = "finite")]
    pub shared_fraction: f64,
    /// Its trained parameters.
    pub elements: u64,
}

/// The answer to one question, with its measure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What is answered.
    pub question: Question,
    /// The answer.
    pub conclusion: Conclusion,
    /// How much is shared, and where.
    pub scope: Scope,
    /// Best explanations of the agreement; may be several, may be empty.
    pub relation: Vec<Relation>,
    /// What was seen of each relation, in words; keys are the words of `relation`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relation_words: BTreeMap<String, String>,
    /// The strongest admissible p-value.
    pub p_value: Option<PValue>,
    /// log10 of the likelihood ratio of derivation over independence, where a calibration exists.
    #[serde(serialize_with = "finite_or_null")]
    pub log10_lr: Option<f64>,
    /// The interval that the calibration supports.
    #[serde(serialize_with = "finite_interval_or_null")]
    pub log10_lr_bounds: Option<[f64; 2]>,
    /// `id@digest` of the calibration.
    pub calibration: Option<String>,
    /// The likelihood ratio in one sentence, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<String>,
    /// One sentence that a judge can read.
    pub statement: String,
    /// What would allow an answer, where the conclusion is inconclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_help: Option<String>,
}
