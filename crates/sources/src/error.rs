//! Errors of the readers. One sentence: what failed, on what, found against expected; advice stands apart in a hint.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the bytes of a file could not be understood, before anybody says which file it was.
///
/// Parsers work on bytes and know no path; [`FormatError::at`] adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// The tensor at fault, where one is known.
    pub tensor: Option<String>,
    /// The field or rule: `"header length"`, `"data offsets"`.
    pub what: String,
    /// What the file holds.
    pub found: String,
    /// What it would have to hold.
    pub expected: String,
    /// What the user can do about it, if anything.
    pub hint: Option<String>,
}

impl FormatError {
    /// A broken rule: `what` holds `found` where `expected` was needed.
    pub fn new(what: impl Into<String>, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self { tensor: None, what: what.into(), found: found.to_string(), expected: expected.to_string(), hint: None }
    }

    /// A well-formed thing that this version does not read.
    pub fn unsupported(what: impl Into<String>, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::new(format!("{} is not supported yet", what.into()), found, expected)
    }

    /// Names the tensor at fault.
    #[must_use]
    pub fn tensor(mut self, name: impl Into<String>) -> Self {
        self.tensor = Some(name.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says in which file it happened.
    pub fn at(self, path: &Path) -> SourceError {
        SourceError::Format { path: path.to_owned(), error: Box::new(self) }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tensor) = &self.tensor {
            write!(f, "tensor `{}`: ", tensor.escape_debug())?;
        }
        write!(f, "{}: found {}, expected {}", self.what, self.found, self.expected)
    }
}

impl std::error::Error for FormatError {}

/// Why a model could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The verb: `"open"`, `"read"`.
        action: &'static str,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The bytes break a rule of their format.
    #[error("`{}`: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The broken rule.
        error: Box<FormatError>,
    },
    /// A part of a tensor was asked for that it does not have: a defect of the caller, not of a file.
    #[error("{0}")]
    Request(Box<FormatError>),
}

impl SourceError {
    /// Advice to print apart from the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Io { .. } => None,
            Self::Format { error, .. } | Self::Request(error) => error.hint.as_deref(),
        }
    }
}
