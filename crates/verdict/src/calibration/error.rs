//! Why a calibration cannot be used.

/// Why a calibration cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// Not the expected TOML.
    #[error("calibration: {0}")]
    Toml(#[from] toml::de::Error),
    /// Cannot be written as TOML.
    #[error("calibration: {0}")]
    Write(#[from] toml::ser::Error),
    /// A value that contradicts another, or the form.
    #[error("calibration `{id}`: {what}: found {found}, expected {expected}")]
    Value {
        /// Of the calibration.
        id: String,
        /// The key.
        what: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}
