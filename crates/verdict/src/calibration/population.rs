//! On which pairs a calibration was learned and validated, and how it did there.

use serde::{Deserialize, Serialize};

/// The pairs of known history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Population {
    /// Pairs that share training.
    pub derived: u64,
    /// Pairs that do not.
    pub independent: u64,
    /// Pairs among these that lack a feature; they count with a likelihood ratio of 1.
    pub without_features: u64,
    /// Trainings from scratch among them: the number of independent sources.
    pub lineages: u64,
    /// BLAKE3 of the `scores.jsonl`, in hexadecimal.
    pub scores: String,
    /// What stood between derived pairs: `fine-tune`, `int4`.
    pub derivations: Vec<String>,
    /// What hid it.
    pub disguises: Vec<String>,
}

/// Of log10 LRs that a fit gave which had seen none of the pair's lineages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Metrics {
    /// Cost of the log likelihood ratios, in bits: 0 is perfect, 1 is what saying nothing costs.
    pub cllr: Cost,
    /// What remains of it under the best monotone calibration: discrimination.
    pub cllr_min: Cost,
    /// The difference: calibration.
    pub cllr_cal: Cost,
    /// Derived pairs whose likelihood ratio is below 1.
    pub misleading_derived: Rate,
    /// Independent pairs whose likelihood ratio is above 1.
    pub misleading_independent: Rate,
    /// Lineages with a misleading pair: pairs of one lineage are not independent of each other, lineages are.
    pub misleading_lineages: Rate,
}

/// A cost with an interval from resampled lineages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cost {
    /// In bits.
    pub value: f64,
    /// The 2.5th percentile.
    pub lower: f64,
    /// The 97.5th percentile.
    pub upper: f64,
}

/// A proportion with an exact interval (Clopper and Pearson, 95 %).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}
