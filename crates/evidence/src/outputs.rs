//! What the models of a case do on one set of prompts.

use crate::attention::split_alike;
use forward::{NotRunnable, Observation};

/// Controls besides the model in question without which nobody can say what independent models share: one alone has whims of its own.
pub(crate) const LEAST_CONTROLS: usize = 2;

/// Observations of both sides and of the controls, on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    /// Of the model that is claimed to be the origin.
    pub reference: &'a Observation,
    /// Of the model that is questioned.
    pub suspect: &'a Observation,
    /// Of independent models; without the suspect itself where a control is taken through the suspect's place.
    pub controls: &'a [&'a Observation],
    /// Whether places are words: where not all of these models split the prompts into the same tokens, no number is of tokens.
    pub by_words: bool,
    /// Whether the suspect is a control, of which only the statistics are wanted.
    pub is_control: bool,
}

impl<'a> Outputs<'a> {
    /// Puts observations side by side.
    ///
    /// # Errors
    /// If they are not of the same prompts.
    pub fn new(reference: &'a Observation, suspect: &'a Observation, controls: &'a [&'a Observation]) -> Result<Self, NotRunnable> {
        let expected = &reference.prompts.digest;
        match std::iter::once(&suspect).chain(controls).find(|other| other.prompts.digest != *expected) {
            Some(other) => Err(NotRunnable(format!(
                "`{}` was observed on the prompts {}, the reference on {expected}",
                other.subject.model.escape_debug(),
                other.prompts.digest
            ))),
            None => {
                let by_words = std::iter::once(&suspect).chain(controls).any(|other| !split_alike(reference, other));
                Ok(Self { reference, suspect, controls, by_words, is_control: false })
            }
        }
    }

    /// The same with a control in the suspect's place and the other controls beside it. Places stay what they were, since numbers of words
    /// and of tokens do not compare.
    #[must_use]
    pub fn with_control(self, control: &'a Observation, others: &'a [&'a Observation]) -> Self {
        Self { suspect: control, controls: others, is_control: true, ..self }
    }
}
