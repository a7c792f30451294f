//! What a test does on pairs of which its null hypothesis holds.

use serde::{Deserialize, Serialize};
use stats::uniformity::{clopper_pearson, ks_uniform};

/// Levels at which the size of a test is counted.
const ALPHAS: [f64; 2] = [0.01, 0.001];
/// Coverage of the intervals of sizes.
const CONFIDENCE: f64 = 0.99;

/// Whether the interval of a rate holds the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizeIs {
    /// The level lies in the interval.
    Nominal,
    /// The interval lies below: fewer false rejections than allowed.
    Conservative,
    /// The interval lies above: the test is not what it says.
    TooLarge,
}

impl SizeIs {
    /// As in the rendered table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nominal => "nominal",
            Self::Conservative => "conservative",
            Self::TooLarge => "too large",
        }
    }
}

/// How often a test rejects at a level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// The level.
    pub alpha: f64,
    /// Pairs whose p-value is at most the level.
    pub rejected: usize,
    /// Of all pairs.
    pub rate: f64,
    /// Lower end of the exact 99 % interval (Clopper and Pearson).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Against the level.
    pub is: SizeIs,
}

/// A test on independent trainings that differ in their seed alone.
///
/// Pairs of a few models share models and are not independent of each other, so that intervals and the test of uniformity say less than they seem to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Null {
    /// Pairs to which the test applies.
    pub n: usize,
    /// At .01 and .001.
    pub sizes: Vec<Size>,
    /// p-value of Kolmogorov and Smirnov's test that the p-values are uniform. Bounds and corrected p-values are larger than uniform ones by design.
    pub uniformity_p: f64,
    /// The smallest p-value.
    pub smallest_log10_p: f64,
}

impl Null {
    /// Of the p-values; `None` where there are none.
    pub(super) fn of(log10_p: &[f64]) -> Option<Self> {
        let n = log10_p.len();
        let smallest_log10_p = log10_p.iter().copied().min_by(f64::total_cmp)?;
        let size = |alpha: f64| {
            let rejected = log10_p.iter().filter(|&&p| p <= alpha.log10()).count();
            let (low, high) = clopper_pearson(rejected as u64, n as u64, CONFIDENCE).ok()?;
            let is = match () {
                () if low > alpha => SizeIs::TooLarge,
                () if high < alpha => SizeIs::Conservative,
                () => SizeIs::Nominal,
            };
            Some(Size { alpha, rejected, rate: rejected as f64 / n as f64, low, high, is })
        };
        let p: Vec<f64> = log10_p.iter().map(|&p| 10f64.powf(p).clamp(0.0, 1.0)).collect();
        let uniformity_p = ks_uniform(&p).ok()?.p.value();
        Some(Self { n, sizes: ALPHAS.into_iter().filter_map(size).collect(), uniformity_p, smallest_log10_p })
    }
}
