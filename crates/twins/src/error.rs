//! Why twins could not be drawn or committed.

use forward::NotRunnable;
use sources::{FormatError, SourceError};
use std::path::PathBuf;

/// Why twins could not be drawn or committed.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// A file is not what it should be, or a snapshot could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The snapshot does not answer here.
    #[error(transparent)]
    NotRunnable(#[from] NotRunnable),
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
    /// The call makes no sense.
    #[error("{0}")]
    Usage(Box<FormatError>),
    /// A service elsewhere did not answer as it should.
    #[error("{message}")]
    Remote {
        /// The sentence.
        message: String,
        /// Advice.
        hint: Option<String>,
    },
}

impl TwinError {
    /// Advice to print apart from the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source(error) => error.hint(),
            Self::Usage(error) => error.hint.as_deref(),
            Self::Remote { hint, .. } => hint.as_deref(),
            Self::NotRunnable(_) | Self::Io { .. } => None,
        }
    }
}

impl From<FormatError> for TwinError {
    fn from(error: FormatError) -> Self {
        Self::Usage(Box::new(error))
    }
}
