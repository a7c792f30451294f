//! What was declared before the suspect was opened, and the two questions about one suspect side by side.

use super::verdict::Conclusion;
use super::{finite, finite_or_null};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The one test that may conclude.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Primary {
    /// Id of the method.
    pub method: String,
    /// Which number of it concludes, in words: the p-value of one fixed set, or e-values of batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// log10 of the level that it rejects at.
    #[serde(serialize_with = "finite")]
    pub log10_level: f64,
    /// Whether replies and twins were committed before the suspect was opened; where they were not, the answer is exploratory.
    pub committed_beforehand: bool,
    /// When they were committed, in RFC 3339; null where that is not known.
    pub committed_at: Option<String>,
    /// Digest that was published then, with its algorithm: `sha256:…`.
    pub commitment: Option<String>,
    /// When the suspect was first opened, in RFC 3339; null where that is not known.
    pub opened_at: Option<String>,
}

/// Derivation and distillation of one suspect. They are never merged: each has a null hypothesis and tests of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TwoQuestions {
    /// From another report; null where it was not asked.
    pub derivation: Option<Answer>,
    /// Of this report.
    pub distillation: Answer,
    /// Whether the tensor roots or files of the two reports' suspects are the same; null where one of them is an endpoint.
    pub same_suspect: Option<bool>,
}

/// The answer to one of the two questions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The answer.
    pub conclusion: Conclusion,
    /// Its sentence.
    pub statement: String,
    /// log10 of the p-value that it rests on; null where there is none.
    #[serde(serialize_with = "finite_or_null")]
    pub log10_p: Option<f64>,
    /// The method that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path of the suspect in the report that the answer is from.
    pub suspect: String,
    /// SHA-256 of that report, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_sha256: Option<String>,
}
