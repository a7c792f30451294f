//! One compared pair: what is known of it and what every method gave.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// The suspect's weights started from the reference's, or both from one ancestor's.
    Derived,
    /// They started from their own draws.
    Independent,
    /// Both were trained apart from one initialisation. It is not derivation, and the null hypothesis of independent initialisations is false.
    SharedInitialisation,
}

/// One pair of a zoo. A line of `scores.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Name of the reference in the zoo.
    pub reference: String,
    /// Name of the suspect in the zoo.
    pub suspect: String,
    /// The trainings from scratch whose weights went into the reference.
    pub reference_lineages: Vec<String>,
    /// The trainings from scratch whose weights went into the suspect.
    pub suspect_lineages: Vec<String>,
    /// What is known of the pair.
    pub truth: Truth,
    /// What stands between the two, as a row of the table: `fine-tune`, `int4`, `same data and order, other seed`, `student`.
    pub transformation: String,
    /// What hides it, or `none`.
    pub disguise: String,
    /// Independent trainings that differ in their seed alone, which make the null of exact tests.
    pub is_same_recipe: bool,
    /// Words of the relation that a right answer has.
    pub expected_words: Vec<String>,
    /// Words that are not wrong either.
    pub allowed_words: Vec<String>,
    /// Of the reference.
    pub reference_sizes: Sizes,
    /// Of the suspect.
    pub suspect_sizes: Sizes,
    /// Whether the two have one tokenizer.
    pub same_tokenizer: bool,
    /// As in the report: `supports-derivation`.
    pub conclusion: String,
    /// As in the report.
    pub relation: Vec<String>,
    /// By the method's or the baseline's id.
    pub scores: BTreeMap<String, Score>,
}

/// How large a model is, and what kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sizes {
    /// As the family file calls it; none where no family describes the model.
    pub family: Option<String>,
    /// Numbers in all.
    pub parameters: u64,
    /// Blocks.
    pub layers: u64,
}

/// What one method gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Score {
    /// Higher is more alike; none where the method did not apply.
    pub statistic: Option<f64>,
    /// Of tests.
    pub log10_p: Option<f64>,
    /// Why it did not apply.
    pub why: Option<String>,
    /// Seconds that the method took; what methods share is not in it.
    pub seconds: f64,
}
