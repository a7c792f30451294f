//! What a calibration did on pairs none of whose lineages it had seen: plain data, written as `validation.json`.

use crate::bench::Truth;
use serde::{Deserialize, Serialize};
use verdict::calibration::Metrics;

/// What a calibration did on pairs none of whose lineages it had seen. All log10 LRs in it are out of fold: the frozen fit scored none of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validation {
    /// Id and digest of the frozen calibration: `zoo-1@…`.
    pub calibration: String,
    /// The smallest and largest log10 LR that it states.
    pub limits: [f64; 2],
    /// The independent sources, in order of their names.
    pub lineages: Vec<String>,
    /// How often lineages were resampled for intervals.
    pub replicates: u64,
    /// Of the bounded log10 LRs; as in the calibration.
    pub metrics: Metrics,
    /// Of the log10 LRs before bounds.
    pub raw_cllr: f64,
    /// Shares of both kinds of pairs with at least a log10 LR, in rising order.
    pub tippett: Vec<TippettStep>,
    /// Over prior log10 odds.
    pub cross_entropy: Vec<CrossEntropyPoint>,
    /// The best monotone calibration of the bounded log10 LRs.
    pub pav: Vec<PavPool>,
    /// By what stands between the two and what hides it, derived pairs first.
    pub transformations: Vec<Group>,
    /// By lineage, of all pairs that it has part in.
    pub by_lineage: Vec<Group>,
    /// In the order of the scores.
    pub pairs: Vec<ScoredPair>,
}

/// A step of a Tippett plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TippettStep {
    /// That occurs.
    pub log10_lr: f64,
    /// Share of derived pairs with at least this.
    pub derived: f64,
    /// Share of independent pairs with at least this.
    pub independent: f64,
}

/// A point of an empirical cross-entropy plot, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrossEntropyPoint {
    /// Before the evidence.
    pub prior_log10_odds: f64,
    /// With the log10 LRs.
    pub ece: f64,
    /// With the best monotone calibration of them.
    pub calibrated: f64,
    /// Without evidence.
    pub neutral: f64,
}

/// Log10 LRs that the best monotone calibration gives one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PavPool {
    /// The smallest.
    pub from: f64,
    /// The largest.
    pub to: f64,
    /// None where the pool has pairs of one kind alone, which makes it infinite: negative for the first pool, positive for the last.
    pub log10_lr: Option<f64>,
}

/// Pairs that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// The transformation or the lineage.
    pub name: String,
    /// What hides it; none where the group is a lineage.
    pub disguise: Option<String>,
    /// None where the group has both kinds.
    pub truth: Option<Truth>,
    /// How many.
    pub pairs: u64,
    /// Of these, how many lack a feature and count with a likelihood ratio of 1.
    pub without_features: u64,
    /// How many lie on the wrong side of a likelihood ratio of 1.
    pub misleading: u64,
    /// Smallest log10 LR.
    pub min: f64,
    /// The middle log10 LR.
    pub median: f64,
    /// Largest log10 LR.
    pub max: f64,
}

/// One pair with its log10 LR from a fit that had seen none of its lineages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScoredPair {
    /// Name in the zoo.
    pub reference: String,
    /// Name in the zoo.
    pub suspect: String,
    /// Of either side, in order, each once.
    pub lineages: Vec<String>,
    /// What is known.
    pub truth: Truth,
    /// What stands between the two.
    pub transformation: String,
    /// What hides it.
    pub disguise: String,
    /// Before bounds; none where nothing was weighed.
    pub raw: Option<f64>,
    /// Within bounds.
    pub log10_lr: f64,
    /// Why nothing was weighed: a feature is missing, or without the pair's lineages there is nothing to learn from.
    pub missing: Option<String>,
}
