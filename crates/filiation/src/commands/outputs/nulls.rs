//! P-values of cases whose null hypothesis is true: are they uniform, and how many are small?

use super::Demand;
use crate::Error;
use stats::uniformity::{clopper_pearson, ks_uniform};

/// The level that sizes are stated at.
const LEVEL: f64 = 0.01;
/// Of the interval of a rate.
const CONFIDENCE: f64 = 0.99;
/// Uniformity is doubted below this.
const DOUBT: f64 = 1e-3;

/// What many p-values under the null hypothesis show.
pub(super) struct Nulls {
    /// How many.
    pub(super) n: usize,
    /// Those at most .01.
    pub(super) small: usize,
    /// 99 % interval of their rate.
    pub(super) interval: (f64, f64),
    /// Of the hypothesis that all are uniform.
    pub(super) uniform: f64,
}

impl Nulls {
    pub(super) fn of(p_values: &[f64]) -> Result<Self, Error> {
        let failed = |error: stats::InputError| Error::Method(error.into());
        let small = p_values.iter().filter(|p| **p <= LEVEL).count();
        let interval = clopper_pearson(small as u64, p_values.len() as u64, CONFIDENCE).map_err(failed)?;
        Ok(Self { n: p_values.len(), small, interval, uniform: ks_uniform(p_values).map_err(failed)?.p.value() })
    }

    pub(super) fn words(&self) -> String {
        let (low, high) = self.interval;
        format!("{} of {} at most .01 (99 % interval {low:.4} to {high:.4}); uniform: p {:.3}", self.small, self.n, self.uniform)
    }

    /// Size and uniformity as demands; where p-values are conservative by design, the size may be smaller and uniformity is not asked.
    pub(super) fn demands(&self, what: &str, is_conservative: bool) -> Vec<Demand> {
        let (low, high) = self.interval;
        let size = Demand {
            what: format!("{what}: size at .01"),
            found: format!("{} of {}, {low:.4} to {high:.4}", self.small, self.n),
            is_met: low <= LEVEL && (is_conservative || high >= LEVEL),
        };
        let uniform = Demand { what: format!("{what}: uniform"), found: format!("p {:.3}", self.uniform), is_met: self.uniform > DOUBT };
        if is_conservative { vec![size] } else { vec![size, uniform] }
    }
}
