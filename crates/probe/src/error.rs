//! Everything that can end a run of questions, with advice apart from the sentence.

use std::path::PathBuf;

/// A reply of another shape: what, found, expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: found {found}, expected {expected}")]
pub struct Shape {
    /// The place in the reply.
    pub what: String,
    /// What stands there.
    pub found: String,
    /// What would have to.
    pub expected: String,
    /// Advice.
    pub hint: Option<String>,
}

impl Shape {
    /// A broken rule.
    pub fn new(what: impl Into<String>, found: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        Self { what: what.into(), found: found.to_string(), expected: expected.into(), hint: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why an endpoint could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// An address or a key that cannot be used.
    #[error("{0}")]
    Endpoint(Box<Shape>),
    /// No request is left.
    #[error("budget of requests is used up: {spent} of {budget} were sent")]
    BudgetRequests {
        /// Sent.
        spent: u64,
        /// Declared.
        budget: u64,
    },
    /// The next request may take more tokens than are left.
    #[error("budget of tokens is used up: {spent} of {budget} are spent, and the next request may take {next}")]
    BudgetTokens {
        /// Spent.
        spent: u64,
        /// Declared.
        budget: u64,
        /// What would be reserved.
        next: u64,
    },
    /// The endpoint says no, and asking again would not change that.
    #[error("`{url}` answered {status}: {message}")]
    Refused {
        /// Which path.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it says, shortened.
        message: String,
    },
    /// Every attempt failed.
    #[error("`{url}` gave no whole answer in {attempts} attempts; the last: {last}")]
    GaveUp {
        /// Which path.
        url: String,
        /// How often it was asked.
        attempts: u32,
        /// What happened last.
        last: String,
    },
    /// The endpoint cannot be reached, or answers without end.
    #[error("`{url}`: {reason}")]
    Unreachable {
        /// Which path.
        url: String,
        /// The reason.
        reason: String,
    },
    /// An answer of another shape.
    #[error("`{url}`: {shape}")]
    Shape {
        /// Which path.
        url: String,
        /// The broken rule.
        shape: Box<Shape>,
    },
    /// A transcript that cannot be gone on with.
    #[error("`{}`: {shape}", path.display())]
    Transcript {
        /// The file.
        path: PathBuf,
        /// The broken rule.
        shape: Box<Shape>,
    },
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

impl ProbeError {
    /// Advice to print apart from the sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Endpoint(shape) | Self::Shape { shape, .. } | Self::Transcript { shape, .. } => shape.hint.as_deref(),
            Self::BudgetRequests { .. } | Self::BudgetTokens { .. } => {
                Some("everything answered is kept; the same call with a larger budget goes on from there")
            }
            Self::Refused { status: 401 | 403, .. } => Some("the key is read from the environment variable FILIATION_API_KEY alone"),
            Self::Refused { status: 404, .. } => {
                Some("the URL is the part before `/completions`, and it often ends in `/v1`; `--name` is the model's name there")
            }
            Self::GaveUp { .. } => Some("everything answered is kept; the same call goes on from there"),
            _ => None,
        }
    }

    /// Whether the budget ended the run.
    pub fn is_budget(&self) -> bool {
        matches!(self, Self::BudgetRequests { .. } | Self::BudgetTokens { .. })
    }

    /// Whether this one request was refused for what it holds, so that others may be answered.
    pub fn is_of_one_request(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 413 | 422, .. })
    }
}
