//! The steps: one file each, and one list of them.
//!
//! To add a step: write `steps/its_name.rs` with a `pub(super) const STEP: Step`, whose `run` takes the checkpoint before it and gives the one
//! after it, and name it in [`STEPS`]. A step that changes numbers only implements [`crate::Change`] and wraps with
//! [`crate::Changed::same_outline`]; one that changes shapes, blocks, configuration or tokens clones the outline, changes it, and wraps with
//! [`crate::Changed`] itself; one that needs another model opens it by [`crate::Opened`]. All draws come from [`Setting::draws`], so that a
//! seed gives the same bytes whatever the number of threads; draw before reading, or once for each weight by a label of its own, never in
//! the order in which weights happen to be read.

mod all;
mod cut_vocabulary;
mod drop_layers;
mod dummy_units;
mod duplicate_layers;
mod forge;
mod layers;
mod low_rank;
mod merge;
mod noise;
mod permute_heads;
mod permute_residual;
mod permute_units;
mod permute_vocabulary;
mod prune;
mod prune_units;
mod redraw_mlp;
mod regain;
mod reorder;
mod retokenise;
mod rotate;
mod round;
mod scale_units;
mod split_units;
mod turn_heads;
mod units;
mod untie;
mod upcycle;
mod values;
mod vocabulary;

pub(crate) use redraw_mlp::is_inside as is_inside_mlp;

use crate::{Checkpoint, Draws, LabError, Record};
use serde_json::Value;
use std::sync::Arc;

/// A transformation that can be asked for.
#[derive(Debug)]
pub struct Step {
    /// As on the command line.
    pub name: &'static str,
    /// What may follow the name: `[=CONDITION]`; empty for nothing.
    pub value: &'static str,
    /// Its number or its word in METHODS.md, section 9.
    pub number: &'static str,
    /// One line.
    pub help: &'static str,
    /// Wraps a checkpoint.
    pub run: fn(&Setting<'_>, Arc<dyn Checkpoint>) -> Result<Outcome, LabError>,
}

/// Every step, in the order of `--list`.
pub static STEPS: &[&Step] = &[
    &permute_units::STEP,
    &permute_heads::STEP,
    &permute_residual::STEP,
    &rotate::STEP,
    &turn_heads::STEP,
    &scale_units::STEP,
    &regain::STEP,
    &all::STEP,
    &noise::STEP,
    &round::STEP,
    &prune::STEP,
    &prune_units::STEP,
    &drop_layers::STEP,
    &duplicate_layers::STEP,
    &cut_vocabulary::STEP,
    &permute_vocabulary::STEP,
    &retokenise::STEP,
    &merge::STEP,
    &upcycle::STEP,
    &low_rank::STEP,
    &split_units::STEP,
    &dummy_units::STEP,
    &redraw_mlp::STEP,
    &forge::STEP,
];

/// A step as it was asked for.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which.
    pub step: &'static Step,
    /// After the `=`.
    pub value: Option<String>,
}

/// What a step runs with.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The step's name.
    pub step: &'static str,
    /// After the `=`.
    pub value: Option<&'a str>,
    /// Of the whole run.
    pub seed: u64,
    /// Place among the steps of the run, so that a step that is asked for twice draws anew.
    pub place: usize,
}

/// A checkpoint after a step.
pub struct Outcome {
    /// After it.
    pub checkpoint: Arc<dyn Checkpoint>,
    /// What was done.
    pub records: Vec<Record>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

impl Call {
    /// Reads `name` or `name=value`.
    pub fn parse(text: &str) -> Result<Self, LabError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let Some(step) = STEPS.iter().find(|step| step.name == name) else {
            let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            return Err(LabError::Usage {
                message: format!("step: found `{name}`, expected one of {}", known.join(", ")),
                hint: Some("`filiation lab disguise --list` says what each does".into()),
            });
        };
        if step.value.is_empty() && value.is_some() {
            return Err(LabError::Usage { message: format!("step `{name}`: found a value, expected none"), hint: None });
        }
        Ok(Self { step, value })
    }
}

/// Runs one step.
pub fn apply(call: &Call, place: usize, seed: u64, checkpoint: &Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let setting = Setting { step: call.step.name, value: call.value.as_deref(), seed, place };
    (call.step.run)(&setting, checkpoint.clone())
}

impl Setting<'_> {
    /// The draws of one purpose inside the step.
    pub fn draws(&self, label: &str) -> Draws {
        Draws::new(self.seed, &format!("lab/{}/{}/{label}", self.place, self.step))
    }

    /// The step as it could be asked for.
    pub fn text(&self) -> String {
        match self.value {
            Some(value) => format!("{}={value}", self.step),
            None => self.step.to_owned(),
        }
    }

    /// A value that the step does not take.
    pub fn bad_value(&self, expected: &str) -> LabError {
        LabError::Usage {
            message: format!("step `{}`: found the value `{}`, expected {expected}", self.step, self.value.unwrap_or_default()),
            hint: None,
        }
    }

    /// The record and the result of a step that keeps the function, in the sense of the notes.
    pub fn kept(&self, checkpoint: Arc<dyn Checkpoint>, parameters: Value, notes: Vec<String>) -> Outcome {
        self.done(checkpoint, parameters, true, notes)
    }

    /// The record and the result of a step that changes the function, for the reasons in the notes.
    pub fn changed(&self, checkpoint: Arc<dyn Checkpoint>, parameters: Value, notes: Vec<String>) -> Outcome {
        self.done(checkpoint, parameters, false, notes)
    }

    fn done(&self, checkpoint: Arc<dyn Checkpoint>, parameters: Value, keeps_function: bool, notes: Vec<String>) -> Outcome {
        let record = Record { step: self.text(), parameters, keeps_function, notes };
        Outcome { checkpoint, records: vec![record], skipped: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_step_says_what_it_is() {
        for (i, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..i].iter().all(|other| other.name != step.name), "{}", step.name);
            assert!(!step.help.is_empty() && !step.help.ends_with('.') && !step.number.is_empty(), "{}", step.name);
            assert!(step.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", step.name);
        }
    }

    #[test]
    fn unknown_steps_and_values_without_use_are_refused() {
        let error = Call::parse("shuffle").unwrap_err();
        assert!(error.to_string().starts_with("step: found `shuffle`, expected one of permute-units, permute-heads"), "{error}");
        assert!(error.is_usage() && error.hint().is_some());
        assert_eq!(Call::parse("regain=2").unwrap_err().to_string(), "step `regain`: found a value, expected none");
        assert_eq!(Call::parse("turn-heads=100").unwrap().value.as_deref(), Some("100"));
    }
}
