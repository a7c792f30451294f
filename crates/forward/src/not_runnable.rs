//! Why a model could not be run, or not observed: a finding that is absent needs a reason, not an error.

use std::fmt;

/// One sentence that says what is missing or not supported, on what, without a final period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRunnable(pub String);

impl NotRunnable {
    /// A result that ends here, with the sentence.
    pub(crate) fn because<T>(sentence: impl Into<String>) -> Result<T, Self> {
        Err(Self(sentence.into()))
    }
}

impl fmt::Display for NotRunnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotRunnable {}
