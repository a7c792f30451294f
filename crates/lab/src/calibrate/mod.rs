//! From the scores of pairs of known history to a frozen calibration and its validation.

mod fit;
mod freeze;
mod plan;
mod validation;
mod write;

pub use freeze::{Frozen, freeze};
pub use plan::{Input, Plan};
pub use validation::{CrossEntropyPoint, Group, PavPool, ScoredPair, TippettStep, Validation};
pub use write::{CALIBRATION_FILE, SCORES_FILE, VALIDATION_FILE, rows};

#[cfg(test)]
mod tests;
