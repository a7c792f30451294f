//! The report as plain serde data: the JSON contract `urn:filiation:report:v1`.
//!
//! Keys are lowerCamelCase and frozen for the major version; keys may be added, none changes its meaning. Where the contract says
//! `| null` the key is always written. Numbers are finite: a measurement that has no value is `None`, and a number that is not
//! finite is written as `null` where a value may be absent and refused where it may not.

mod attention;
mod finding;
mod marks;
mod picture;
mod plan;
mod side;
mod twins;
mod verdict;

pub use attention::{AttentionClaim, ClaimHead, ClaimLikelihood, ClaimMap, ClaimMeasure, ClaimRow, ClaimRowKind, ClaimUnit, HeadPair};
pub use finding::{Access, Card, Control, Explanation, Finding, Margin, MarginOutcome, NotRun, Outcome, ProfilePoint, SyntheticControls};
pub use marks::{MarksCount, MarksPicture, MarksTest};
pub use picture::{BlockMatrix, DigestPair, Entries, Layer, MatchedBy, Pictures, Remainder, TensorMatch, TensorRef, Undone};
pub use plan::{Answer, Primary, TwoQuestions};
pub use side::{Case, Claim, ClaimOutcome, Constant, CustodyFile, Prompts, Side, SideRole};
pub use twins::{Combination, CurvePoint, TwinsPicture, TwinsTest};
pub use verdict::{Conclusion, LayerScope, NullKind, PValue, Question, Relation, Scope, Verdict};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The id of this report format.
pub const SCHEMA: &str = "urn:filiation:report:v1";

/// One comparison of a suspect with a reference, whole: from the sentence down to the digests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program that wrote the report.
    pub tool: Tool,
    /// What was compared.
    pub case: Case,
    /// The one test that may conclude, where one was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<Primary>,
    /// One conclusion per question that was asked.
    pub verdicts: Vec<Verdict>,
    /// Derivation and distillation side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_questions: Option<TwoQuestions>,
    /// What each method observed, or why it did not.
    pub findings: Vec<Finding>,
    /// The cards of the methods named in `findings` and `notRun`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
    /// Numbers behind the figures.
    #[serde(default, skip_serializing_if = "Pictures::is_empty")]
    pub pictures: Pictures,
    /// Tensors of the suspect and the tensors of the reference that they correspond to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<TensorMatch>,
    /// Tensors that no training touched, left out of every count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constants_left_out: Vec<Constant>,
    /// What the suspect's card says of itself, and what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Methods that this program has and that were not run at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
    /// What the report does not say, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Every file that was read, with its digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custody: Vec<CustodyFile>,
    /// The command that makes the same report again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            tool: Tool::default(),
            case: Case::default(),
            primary: None,
            verdicts: Vec::new(),
            two_questions: None,
            findings: Vec::new(),
            cards: Vec::new(),
            pictures: Pictures::default(),
            matches: Vec::new(),
            constants_left_out: Vec::new(),
            claims: Vec::new(),
            not_run: Vec::new(),
            limits: Vec::new(),
            custody: Vec::new(),
            command: None,
        }
    }
}

/// The program that wrote a report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// `filiation`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit that it was built from; empty where the build did not know it.
    pub commit: String,
}

/// Writes a number that must exist; anything but a finite one is an error, because JSON has no word for it.
fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        Err(serde::ser::Error::custom(format!("a number of the report is {value}, but must be finite")))
    }
}

/// Writes a measurement that may be absent; one that is not finite is absent.
fn finite_or_null<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.filter(|v| v.is_finite()).serialize(serializer)
}

/// The same as [`finite`] for a list.
fn finite_list<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    match values.iter().find(|v| !v.is_finite()) {
        None => values.serialize(serializer),
        Some(v) => Err(serde::ser::Error::custom(format!("a number of the report is {v}, but must be finite"))),
    }
}

/// The same as [`finite`] for a list in single precision.
fn finite_f32_list<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
    match values.iter().find(|v| !v.is_finite()) {
        None => values.serialize(serializer),
        Some(v) => Err(serde::ser::Error::custom(format!("a number of the report is {v}, but must be finite"))),
    }
}

/// The same as [`finite`] for a matrix.
fn finite_rows<S: Serializer>(rows: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    match rows.iter().flatten().find(|v| !v.is_finite()) {
        None => rows.serialize(serializer),
        Some(v) => Err(serde::ser::Error::custom(format!("a number of the report is {v}, but must be finite"))),
    }
}

/// The same as [`finite_or_null`] for a list.
fn finite_or_null_list<S: Serializer>(values: &[Option<f64>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| value.filter(|v| v.is_finite())))
}

/// The same as [`finite`] for fractions by name.
fn finite_values<S: Serializer>(values: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match values.iter().find(|(_, v)| !v.is_finite()) {
        None => values.serialize(serializer),
        Some((name, v)) => Err(serde::ser::Error::custom(format!("the fraction of `{name}` is {v}, but must be finite"))),
    }
}

/// The same as [`finite_or_null`] for an interval.
fn finite_interval_or_null<S: Serializer>(interval: &Option<[f64; 2]>, serializer: S) -> Result<S::Ok, S::Error> {
    interval.filter(|[low, high]| low.is_finite() && high.is_finite()).serialize(serializer)
}
