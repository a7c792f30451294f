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
    /// A method failed.
    #[error(transparent)]
    Method(#[from] evidence::MethodError),
    /// The wording file of this build is broken.
    #[error(transparent)]
    Wording(#[from] verdict::WordingError),
    /// An endpoint could not be asked.
    #[error(transparent)]
    Probe(#[from] probe::ProbeError),
    /// A suspect does not say how probable it finds a reply.
    #[error(transparent)]
    Score(#[from] forward::ScoreError),
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
            Self::Method(evidence::MethodError::Source(error)) | Self::Score(forward::ScoreError::Source(error)) => error.hint(),
            Self::Probe(error) => error.hint(),
            Self::Score(forward::ScoreError::Remote { hint, .. }) => hint.as_deref(),
            Self::Usage { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// Whether the caller, not the data, is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Lab(error) => error.is_usage(),
            other => matches!(other, Self::Usage { .. } | Self::Probe(probe::ProbeError::Endpoint(_))),
        }
    }
}
