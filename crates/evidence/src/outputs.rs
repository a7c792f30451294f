//! What the models of a case do on one set of prompts.

use forward::{NotRunnable, Observation};

/// Observations of both sides and of the controls, on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    /// Of the model that is claimed to be the origin.
    pub reference: &'a Observation,
    /// Of the model that is questioned.
    pub suspect: &'a Observation,
    /// Of independent models; without the suspect itself where a control is taken through the suspect's place.
    pub controls: &'a [&'a Observation],
}

impl<'a> Outputs<'a> {
    /// Puts observations side by side.
    ///
    /// # Errors
    /// If they are not of the same prompts.
    pub fn new(reference: &'a Observation, suspect: &'a Observation, controls: &'a [&'a Observation]) -> Result<Self, NotRunnable> {
        let expected = &reference.prompts.digest;
        match std::iter::once(&suspect).chain(controls).find(|other| other.prompts.digest != *expected) {
            Some(other) => Err(NotRunnable::new(format!(
                "`{}` was observed on the prompts {}, the reference on {expected}",
                other.subject.model.escape_debug(),
                other.prompts.digest
            ))),
            None => Ok(Self { reference, suspect, controls }),
        }
    }
}
