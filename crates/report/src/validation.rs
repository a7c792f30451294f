//! The validation of a calibration as a page that an expert can attach.

use crate::RenderError;
use crate::html;
use serde::Serialize;

/// What the page says. Log10 LRs are those of pairs none of whose lineages the fit had seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Validation {
    /// Names it.
    pub id: String,
    /// BLAKE3 of its file.
    pub digest: String,
    /// BLAKE3 of the scores.
    pub scores: String,
    /// Pairs that share training.
    pub derived: u64,
    /// Pairs that do not.
    pub independent: u64,
    /// Pairs that lack a similarity and count with a likelihood ratio of 1.
    pub without_features: u64,
    /// Trainings from scratch.
    pub lineages: u64,
    /// The smallest and largest log10 LR that is stated.
    pub limits: [f64; 2],
    /// The formula, line by line.
    pub formula: Vec<String>,
    /// Where it holds: what, and which values.
    pub domain: Vec<[String; 2]>,
    /// Costs in bits.
    pub costs: Vec<Cost>,
    /// Rates of misleading evidence.
    pub misleading: Vec<Rate>,
    /// Log10 LR, and the shares of derived and of independent pairs with at least that; rising.
    pub tippett: Vec<[f64; 3]>,
    /// Prior log10 odds, and bits with the evidence, with it best calibrated, and without.
    pub cross_entropy: Vec<[f64; 4]>,
    /// Pools of the best monotone calibration: smallest and largest log10 LR, and what it becomes; none where infinite.
    pub pools: Vec<(f64, f64, Option<f64>)>,
    /// Pairs by what stands between the two.
    pub groups: Vec<Group>,
    /// What the bench demands, what was found, and whether that meets it.
    pub demands: Vec<(String, String, bool)>,
    /// Words of the relation that are right, and those that were said, with how often.
    pub relations: Vec<(String, String, u64)>,
    /// How many derived pairs have the right words, of how many.
    pub relations_right: [u64; 2],
    /// The command that makes the page again.
    pub command: String,
    /// Version of the program.
    pub version: String,
}

/// A cost in bits.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cost {
    /// `Cllr`.
    pub name: String,
    /// What it measures.
    pub meaning: String,
    /// The cost.
    pub value: f64,
    /// 95 %, from resampled lineages.
    pub interval: [f64; 2],
}

/// A proportion.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// Exact, 95 %.
    pub interval: [f64; 2],
}

/// Pairs that have their kind, their transformation and their disguise in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Group {
    /// Whether they are derived.
    pub is_derived: bool,
    /// What stands between the two.
    pub name: String,
    /// What hides it.
    pub disguise: String,
    /// How many.
    pub pairs: u64,
    /// On the wrong side of a likelihood ratio of 1.
    pub misleading: u64,
    /// Smallest, middle and largest log10 LR.
    pub log10_lrs: [f64; 3],
}

/// The page. The same data give the same bytes.
///
/// # Errors
/// If a template is broken.
pub fn render(validation: &Validation) -> Result<String, RenderError> {
    html::validation_page(validation)
}
