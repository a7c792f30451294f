//! Runs every method of the registry on two checkpoints.

use evidence::{Advance, Correspondence, METHODS, Observation, Outcome, Prepared, Side};
use sources::Model;
use std::path::Path;
use testmodels::{Dtype, Network, save};

/// What all methods gave, in the order of the registry.
pub(crate) struct Observed {
    pub(crate) correspondence: Correspondence,
    pub(crate) outcomes: Vec<(&'static str, Outcome)>,
}

impl Observed {
    /// The observation of a method that ran.
    pub(crate) fn of(&self, id: &str) -> &Observation {
        match self.outcome(id) {
            Outcome::Observed(observation) => observation,
            Outcome::NotApplicable { why } => panic!("`{id}` did not apply: {why}"),
        }
    }

    /// The outcome of a method.
    pub(crate) fn outcome(&self, id: &str) -> &Outcome {
        &self.outcomes.iter().find(|(found, _)| *found == id).unwrap_or_else(|| panic!("no method `{id}`")).1
    }

    /// The observation of a method, if it ran.
    pub(crate) fn of_or_none(&self, id: &str) -> Option<&Observation> {
        self.outcome(id).observed()
    }

    /// The reason of a method that did not run.
    pub(crate) fn reason(&self, id: &str) -> &str {
        match self.outcome(id) {
            Outcome::NotApplicable { why } => why,
            Outcome::Observed(observation) => panic!("`{id}` applied: {observation:?}"),
        }
    }

    /// Everything that a report could show, to the last bit.
    pub(crate) fn bits(&self) -> String {
        format!("{:?}\n{:?}", self.correspondence, self.outcomes)
    }
}

/// All methods on two files or folders.
pub(crate) fn observe_files(reference: &Path, suspect: &Path, seed: u64) -> Observed {
    let (reference, suspect) = (Model::open(reference).unwrap(), Model::open(suspect).unwrap());
    let (reference, suspect) = (Side::new(&reference).unwrap(), Side::new(&suspect).unwrap());
    let prepared = Prepared::find(&reference, &suspect, &[], METHODS, seed, &Advance::QUIET).unwrap();
    let outcomes = prepared.observe(METHODS, &|_| {}).unwrap().into_iter().map(|(card, outcome)| (card.id, outcome)).collect();
    Observed { outcomes, correspondence: prepared.correspondence }
}

/// All methods on two networks, stored as f32.
pub(crate) fn observe(reference: &Network, suspect: &Network) -> Observed {
    let (reference, suspect) = (save(reference, Dtype::F32), save(suspect, Dtype::F32));
    observe_files(reference.path(), suspect.path(), 0)
}
