//! Everything that can end a run, with the advice that is printed apart from the sentence.

use std::path::PathBuf;

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model could not be opened or read.
    #[error(transparent)]
    Source(#[from] sources::SourceError),
    /// A model could not be disguised.
    #[error(transparent)]
    Lab(#[from] lab::LabError),
    /// Twins could not be drawn or committed.
    #[error(transparent)]
    Twins(#[from] twins::TwinError),
    /// A model did not say how probable it finds replies.
    #[error(transparent)]
    Score(#[from] forward::ScoreError),
    /// A method failed.
    #[error(transparent)]
    Method(#[from] evidence::MethodError),
    /// The wording file of this build is broken.
    #[error(transparent)]
    Wording(#[from] verdict::WordingError),
    /// An endpoint could not be asked.
    #[error(transparent)]
    Probe(#[from] probe::ProbeError),
    /// The report could not be rendered.
    #[error("report: {0}")]
    Report(String),
    /// A file could not be written.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// The verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The call makes no sense.
    #[error("{message}")]
    Usage {
        /// The sentence.
        message: String,
        /// Advice.
        hint: Option<String>,
    },
}

impl Error {
    /// Advice to print after the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Lab(error) => error.hint(),
            Self::Method(evidence::MethodError::Source(error)) => error.hint(),
            Self::Twins(error) => error.hint(),
            Self::Score(error) => error.hint(),
            Self::Probe(error) => error.hint(),
            Self::Usage { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// Whether the caller, not the data, is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Lab(error) => error.is_usage(),
            Self::Twins(error) => matches!(error, twins::TwinError::Usage(_)),
            other => matches!(other, Self::Usage { .. } | Self::Probe(probe::ProbeError::Endpoint(_))),
        }
    }
}
