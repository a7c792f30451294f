//! What a calibration is fitted to, and how.

use crate::LabError;
use serde::Deserialize;
use sources::FormatError;
use std::path::Path;
use verdict::calibration::Transform;

/// What to fit. A `plan.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// Id of the new calibration.
    pub id: String,
    /// Penalty of the weights of standardised features; above 0.
    pub ridge: f64,
    /// How often lineages are resampled.
    pub replicates: u64,
    /// Of the resampling.
    pub seed: u64,
    /// What goes in.
    pub features: Vec<Input>,
}

/// A method, and what is done to its statistic.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Input {
    /// Its id.
    pub method: String,
    /// Before it is weighed.
    pub transform: Transform,
}

impl Plan {
    /// Reads a plan, strictly.
    ///
    /// # Errors
    /// If it cannot be read or has another key than a plan.
    pub fn read(path: &Path) -> Result<Self, LabError> {
        let text = std::fs::read_to_string(path).map_err(|error| LabError::Io { action: "read", path: path.to_owned(), error })?;
        let refused =
            |error: toml::de::Error| FormatError::new("plan", error.to_string().trim_end(), "the keys of a calibration plan").at(path);
        Ok(toml::from_str(&text).map_err(refused)?)
    }
}
