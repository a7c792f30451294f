//! The one error of this crate: an input that the mathematics does not cover, as what, found, expected.

use std::fmt;

/// An argument outside the domain of a function. Says what was wrong, what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The argument or property: `"rows of the second matrix"`.
    pub what: &'static str,
    /// What was given.
    pub found: String,
    /// What would be accepted.
    pub expected: String,
}

impl InputError {
    pub(crate) fn new(what: &'static str, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self { what, found: found.to_string(), expected: expected.to_string() }
    }

    /// Fails unless a row-major matrix of `rows` × `columns` has exactly that many entries.
    ///
    /// # Errors
    /// If it has another number.
    pub fn check_shape(what: &'static str, entries: usize, rows: usize, columns: usize) -> Result<(), Self> {
        match rows.checked_mul(columns) {
            Some(expected) if expected == entries => Ok(()),
            _ => Err(Self::new(what, format!("{entries} entries"), format!("{rows} × {columns}"))),
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.what, self.found, self.expected)
    }
}

impl std::error::Error for InputError {}
