//! Findings: what each method observed, with its card, its parts and the same number for controls.

use super::attention::AttentionClaim;
use super::marks::MarksPicture;
use super::twins::TwinsPicture;
use super::verdict::{NullKind, Question};
use super::{finite, finite_list, finite_or_null, finite_or_null_list};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a method gave a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It ran and observed.
    Observed,
    /// It does not apply to these two models; `why` says so.
    #[default]
    NotApplicable,
    /// It stopped with an error; `why` holds the sentence.
    Failed,
}

/// What one method observed, or why it did not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Id of the method: `weights.unit-alignment`.
    pub method: String,
    /// The question it bears on.
    pub question: Question,
    /// Whether it gave a number.
    pub outcome: Outcome,
    /// The statistic; the card says what it is and which tail counts against the null.
    #[serde(serialize_with = "finite_or_null")]
    pub statistic: Option<f64>,
    /// log10 of the p-value, where the method gives one.
    #[serde(serialize_with = "finite_or_null")]
    pub log10_p: Option<f64>,
    /// How the null distribution is known.
    pub null_distribution: Option<NullKind>,
    /// The law, the number of permutations, the theorem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_detail: Option<String>,
    /// Units, tensors or tokens that entered.
    pub n: Option<u64>,
    /// Why there is no number, or a remark on it.
    pub why: Option<String>,
    /// One sentence: what was observed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// The same statistic for independent control models.
    pub controls: Vec<Control>,
    /// The same statistic for copies whose null holds by construction. They are no models, and never stand for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic_controls: Option<SyntheticControls>,
    /// Block by block, with every control at the same relative depth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<ProfilePoint>,
    /// What the controls allow to say, for methods whose null is a question of controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<Margin>,
    /// What the raw correlation of attention is worth, for the method that measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionClaim>,
    /// What released replies show beside their twins, for the method that tests them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twins: Option<TwinsPicture>,
    /// What a watermark's key says of texts, for the methods that count under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<MarksPicture>,
    /// The number taken apart, down to tensor digests.
    pub parts: Vec<Explanation>,
}

impl Finding {
    /// Whether its null is a question of controls: it compares what independent models share too.
    pub fn needs_controls(&self) -> bool {
        self.margin.is_some() || self.synthetic_controls.is_some() || !self.profile.is_empty()
    }
}

/// The statistic of a finding for one control model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Path or name of the control model.
    pub model: String,
    /// The statistic against the same reference.
    #[serde(serialize_with = "finite_or_null")]
    pub statistic: Option<f64>,
    /// log10 of its p-value.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
}

/// Exchangeable copies: units of the suspect re-drawn by permutation within each block and view.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyntheticControls {
    /// The statistic of each copy.
    #[serde(serialize_with = "finite_list")]
    pub statistics: Vec<f64>,
    /// log10 of the chance that a copy reaches the suspect's agreement, exact by construction.
    #[serde(serialize_with = "finite_or_null")]
    pub log10_p: Option<f64>,
    /// What they exclude.
    pub stand_for: String,
    /// What they cannot exclude.
    pub do_not_stand_for: String,
}

/// One block of a similarity statistic.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePoint {
    /// The suspect's block: `"3"`, `"dec 3"`, `"3.5"` for expert 5.
    pub label: String,
    /// The reference's block that it was matched with.
    pub reference: String,
    /// Position of the block, from 0 (first) to 1 (last).
    #[serde(serialize_with = "finite")]
    pub depth: f64,
    /// The suspect's value, a share from 0 to 1 or a correlation from -1 to 1.
    #[serde(serialize_with = "finite")]
    pub value: f64,
    /// Units that could agree.
    pub n: u64,
    /// The value of each control at the same relative depth, in the order of the finding's `controls`.
    #[serde(serialize_with = "finite_or_null_list")]
    pub controls: Vec<Option<f64>>,
    /// The largest value of a synthetic copy in this block.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<f64>,
}

/// What the controls allow to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MarginOutcome {
    /// Beyond every control by more than the controls differ.
    StandsOut,
    /// No more than independent models show.
    Within,
    /// No conclusion: too few controls, controls that fail their self-test, or too few tokens.
    #[default]
    Abstains,
}

/// The suspect's distance from the controls, in what the controls differ among themselves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Margin {
    /// The answer.
    pub outcome: MarginOutcome,
    /// In words; for an abstention, why.
    pub why: String,
    /// Distance from the mean of the controls in units of the prediction error of one more control.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub t: Option<f64>,
    /// log10 of the chance that one more independent model reaches it, if the controls' values are normal.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
    /// Largest distance of one control from the others, in the same units.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub largest_of_controls: Option<f64>,
}

/// A number with the words that say what it is and the parts that it was made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What this is: `"block 3"`, `"up projection"`.
    pub label: String,
    /// Its value.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Unit of the value: `"z"`, `"cosine"`; empty for a pure number.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// How it came about, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// What it was made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
    /// Digest of the tensor or file behind it, with its algorithm: `blake3:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Explanation {
    /// A named value with its unit.
    pub fn value(label: impl Into<String>, value: f64, unit: impl Into<String>) -> Self {
        Self { label: label.into(), value: Some(value), unit: unit.into(), ..Self::default() }
    }

    /// A named group of parts.
    pub fn group(label: impl Into<String>, parts: Vec<Self>) -> Self {
        Self { label: label.into(), parts, ..Self::default() }
    }

    /// Adds the words.
    #[must_use]
    pub fn words(mut self, words: impl Into<String>) -> Self {
        self.words = words.into();
        self
    }

    /// Adds the parts.
    #[must_use]
    pub fn parts(mut self, parts: Vec<Self>) -> Self {
        self.parts = parts;
        self
    }

    /// Adds the digest of the bytes behind it.
    #[must_use]
    pub fn digest(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }
}

/// What a method needs to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the documentation; the glossary of the report defines them")]
pub enum Access {
    Manifest,
    Tokenizer,
    Weights,
    Activations,
    Logits,
    Text,
    Log,
}

/// What a method tests, in the words of its author.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Id of the method.
    pub id: String,
    /// The question in words.
    pub question: String,
    /// Its null hypothesis.
    pub null: String,
    /// What the statistic is, its unit and its tail.
    pub statistic: String,
    /// What it needs to see.
    pub access: Vec<Access>,
    /// What the null distribution rests on.
    pub assumptions: String,
    /// Changes of a model that it survives.
    pub survives: String,
    /// Changes of a model that defeat it.
    pub defeats: String,
    /// Where it was published.
    pub reference: String,
}

/// A method that was not run at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotRun {
    /// Id of the method.
    pub method: String,
    /// Why: not asked for, no access, no prompts.
    pub why: String,
}
