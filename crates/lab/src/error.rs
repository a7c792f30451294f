//! Everything that can end a transformation.

use sources::{FormatError, SourceError};
use std::path::PathBuf;
use verdict::CalibrationError;

/// Why a model could not be transformed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The model could not be opened or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The model is not what the laboratory needs.
    #[error("{0}")]
    Model(Box<FormatError>),
    /// A step does not apply to this model.
    #[error("step `{step}`: {reason}")]
    Refused {
        /// The step's name.
        step: &'static str,
        /// Why.
        reason: String,
        /// What can be done instead.
        hint: Option<String>,
    },
    /// A step that is not known, or a value that it does not take.
    #[error("{message}")]
    Usage {
        /// The sentence.
        message: String,
        /// Advice.
        hint: Option<String>,
    },
    /// Numbers that a statistic does not take.
    #[error(transparent)]
    Statistics(#[from] stats::InputError),
    /// A calibration that contradicts itself.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The system refused.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// The verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
}

impl LabError {
    /// Advice to print apart from the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Model(error) => error.hint.as_deref(),
            Self::Refused { hint, .. } | Self::Usage { hint, .. } => hint.as_deref(),
            Self::Statistics(_) | Self::Calibration(_) | Self::Io { .. } => None,
        }
    }

    /// Whether the caller, not the data, is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage { .. })
    }

    /// A step that does not apply, without advice.
    pub fn refused(step: &'static str, reason: impl Into<String>) -> Self {
        Self::Refused { step, reason: reason.into(), hint: None }
    }
}

impl From<FormatError> for LabError {
    fn from(error: FormatError) -> Self {
        Self::Model(Box::new(error))
    }
}
