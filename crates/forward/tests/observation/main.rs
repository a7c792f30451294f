//! Tests of observations, by whoever they were made.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

mod hostile;
mod laws;
mod made;
