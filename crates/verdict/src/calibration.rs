//! A frozen calibration: how similarities of a pair become a likelihood ratio, on which pairs that was learned, and for which it holds.

mod domain;
mod error;
mod evaluate;
mod population;
mod select;
mod sentence;
mod transform;

pub use domain::{Domain, Range, Size};
pub use error::CalibrationError;
pub use evaluate::{Contribution, Evaluated, Evaluation};
pub use population::{Cost, Metrics, Population, Rate};
pub use select::{Likelihood, likelihood};
pub use transform::Transform;

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// The form of the file that this version reads and writes.
pub const SCHEMA: u32 = 1;

/// The texts of the calibrations in `data/calibrations`, oldest first.
const SHIPPED: &[&str] = &[include_str!("../../../data/calibrations/zoo-1/calibration.toml")];

/// Logistic regression on similarities, with the bounds that its validation allows.
///
/// `log10 LR = intercept + Σ weight · transform(statistic)`, held within `elub` and within ±`cap`. The likelihood ratio is that of "derived"
/// to "independent"; prior odds are in none of the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Calibration {
    /// Names it: `zoo-1`. With the digest it says exactly which.
    pub id: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// In log10 units.
    pub intercept: f64,
    /// No log10 LR lies beyond ± this: at most `log10(validation lineages + 1)`.
    pub cap: f64,
    /// Fits on resampled lineages, each the intercept and then the weights in the order of `features`. They give the interval of an evaluation.
    pub replicates: Vec<Vec<f64>>,
    /// The empirical lower and upper bound of log10 LRs (Vergeer et al. 2016).
    pub elub: Elub,
    /// What goes in.
    pub features: Vec<Feature>,
    /// Of which pairs it was learned.
    pub population: Population,
    /// For which pairs it holds.
    pub domain: Domain,
    /// How it did on pairs none of whose lineages it had seen.
    pub metrics: Metrics,
    /// BLAKE3 of the file, in hexadecimal; not in the file.
    #[serde(skip)]
    pub digest: String,
}

/// Bounds of log10 LRs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Elub {
    /// At most 0.
    pub lower: f64,
    /// At least 0.
    pub upper: f64,
}

/// One similarity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Feature {
    /// Id of the method whose statistic it is.
    pub method: String,
    /// log10 LR for each unit of the transformed statistic.
    pub weight: f64,
    /// What is done to the statistic first.
    pub transform: Transform,
}

impl Calibration {
    /// The calibrations that the program ships, oldest first; none may be.
    ///
    /// # Errors
    /// If a shipped file is not valid.
    pub fn shipped() -> Result<&'static [Self], &'static CalibrationError> {
        static READ: OnceLock<Result<Vec<Calibration>, CalibrationError>> = OnceLock::new();
        READ.get_or_init(|| SHIPPED.iter().map(|text| Self::parse(text)).collect()).as_deref()
    }

    /// Reads a `calibration.toml`, strictly.
    ///
    /// # Errors
    /// If it is not the expected TOML, or a number in it contradicts another.
    pub fn parse(text: &str) -> Result<Self, CalibrationError> {
        let mut calibration: Self = toml::from_str(text)?;
        calibration.digest = blake3::hash(text.as_bytes()).to_hex().to_string();
        calibration.check()?;
        Ok(calibration)
    }

    /// The text of its `calibration.toml`.
    ///
    /// # Errors
    /// If a number contradicts another, as [`Calibration::parse`] would find.
    pub fn to_toml(&self) -> Result<String, CalibrationError> {
        self.check()?;
        Ok(toml::to_string(self)?)
    }

    /// `zoo-1@` and the digest.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.id, self.digest)
    }

    fn check(&self) -> Result<(), CalibrationError> {
        let refuse = |what: &str, found: String, expected: String| {
            Err(CalibrationError::Value { id: self.id.clone(), what: what.into(), found, expected })
        };
        if self.schema != SCHEMA {
            return refuse("schema", self.schema.to_string(), SCHEMA.to_string());
        }
        if self.features.is_empty() {
            return refuse("features", "none".into(), "at least one".into());
        }
        for (at, feature) in self.features.iter().enumerate() {
            if self.features[..at].iter().any(|earlier| earlier.method == feature.method) {
                return refuse("features", format!("`{}` twice", feature.method), "each method once".into());
            }
            feature.transform.check().or_else(|(found, expected)| refuse("clamp", found, expected))?;
        }
        let mut numbers = self.features.iter().map(|f| f.weight).chain([self.intercept]).chain(self.replicates.iter().flatten().copied());
        if let Some(found) = numbers.find(|n| !n.is_finite()) {
            return refuse("coefficients", found.to_string(), "finite numbers".into());
        }
        if let Some(replicate) = self.replicates.iter().find(|r| r.len() != self.features.len() + 1) {
            return refuse("replicates", format!("{} numbers", replicate.len()), format!("{} each", self.features.len() + 1));
        }
        // What a validation cannot have seen must not be stated, whatever the file says; a last digit may be lost in writing.
        let most = (self.population.lineages as f64 + 1.0).log10();
        if !(0.0..=most + 1e-12).contains(&self.cap) {
            return refuse("cap", self.cap.to_string(), format!("0 to {most}, which is log10({} lineages + 1)", self.population.lineages));
        }
        let Elub { lower, upper } = self.elub;
        if !(lower.is_finite() && upper.is_finite() && lower <= 0.0 && upper >= 0.0) {
            return refuse("elub", format!("{lower} to {upper}"), "a lower bound of at most 0 and an upper bound of at least 0".into());
        }
        self.domain.check().or_else(|(what, found, expected)| refuse(what, found, expected))
    }
}

#[cfg(test)]
mod tests;
