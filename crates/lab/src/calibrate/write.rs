//! The files of a frozen calibration.

use super::Frozen;
use crate::LabError;
use crate::bench::Row;
use sources::FormatError;

/// The file of the calibration.
pub const CALIBRATION_FILE: &str = "calibration.toml";
/// The file of the scores that it was fitted to.
pub const SCORES_FILE: &str = "scores.jsonl";
/// The file of the validation.
pub const VALIDATION_FILE: &str = "validation.json";

/// Reads a `scores.jsonl`, strictly.
///
/// # Errors
/// If a line is not a pair, or there is none.
pub fn rows(text: &str) -> Result<Vec<Row>, FormatError> {
    let row = |(i, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| FormatError::new("pair", format!("line {}: {error}", i + 1), "a pair as `lab bench` writes it"))
    };
    let rows = text.lines().enumerate().map(row).collect::<Result<Vec<Row>, FormatError>>()?;
    if rows.is_empty() {
        return Err(FormatError::new("pairs", "none", "a line for each"));
    }
    Ok(rows)
}

impl Frozen {
    /// Name and text of each file, in order.
    ///
    /// # Errors
    /// If the calibration cannot be written.
    pub fn files(&self, scores: &str) -> Result<[(&'static str, String); 3], LabError> {
        let validation = serde_json::to_string(&self.validation).map_err(|error| FormatError::new("validation", error, "numbers"))?;
        Ok([(CALIBRATION_FILE, self.calibration.to_toml()?), (SCORES_FILE, scores.to_owned()), (VALIDATION_FILE, validation + "\n")])
    }
}
