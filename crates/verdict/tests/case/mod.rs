//! Two checkpoints through every method to a verdict, as `filiation compare` does it.

#![allow(dead_code, reason = "each file of tests uses its part")]

use evidence::{Advance, ConstantWeight, Correspondence, METHODS, Observation, Outcome, Prepared, Side};
use sources::Model;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use testmodels::{Dtype, Network, save};
use verdict::{Conclusion, Control, Verdict, Wording};

/// What was observed and concluded.
pub(crate) struct Compared {
    pub(crate) verdict: Verdict,
    pub(crate) correspondence: Correspondence,
    pub(crate) constants: Vec<ConstantWeight>,
    outcomes: Vec<(&'static str, Outcome)>,
}

impl Compared {
    /// The observation of a method that ran.
    pub(crate) fn of(&self, id: &str) -> &Observation {
        match self.outcomes.iter().find(|(found, _)| *found == id) {
            Some((_, Outcome::Observed(observation))) => observation,
            other => panic!("`{id}`: {other:?}"),
        }
    }

    /// The smallest p-value that a conclusion may rest on.
    pub(crate) fn log10_p(&self) -> f64 {
        self.verdict.strongest.as_ref().map_or(0.0, |strongest| strongest.p_value.log10())
    }

    #[track_caller]
    pub(crate) fn expect_derivation(&self, relation: &[&str]) {
        assert_eq!(self.verdict.conclusion, Conclusion::SupportsDerivation, "{}", self.verdict.statement);
        assert_eq!(self.verdict.relation_words(), relation, "{}", self.of("weights.edits").explanation.words);
    }

    #[track_caller]
    pub(crate) fn expect_independence(&self) {
        assert_eq!(self.verdict.conclusion, Conclusion::SupportsIndependence, "{}", self.verdict.statement);
        assert!(self.verdict.relation.is_empty(), "{:?}", self.verdict.relation);
    }
}

/// The verdict on two files or folders.
pub(crate) fn compare_files(reference: &Path, suspect: &Path) -> Compared {
    compare_with(reference, suspect, &[], &[])
}

/// The verdict on two files or folders beside controls, with further parents that the suspect may be a mixture of.
pub(crate) fn compare_with(reference: &Path, suspect: &Path, controls: &[PathBuf], parents: &[PathBuf]) -> Compared {
    let open = |path: &Path| Model::open(path).unwrap();
    let (reference, suspect) = (open(reference), open(suspect));
    let (reference, suspect) = (Side::new(&reference).unwrap(), Side::new(&suspect).unwrap());
    let parents: Vec<Model> = parents.iter().map(|path| open(path)).collect();
    let parents: Vec<Side<'_>> = parents.iter().map(|model| Side::new(model).unwrap()).collect();
    let parents: Vec<&Side<'_>> = parents.iter().collect();
    let mut beside: BTreeMap<&'static str, Vec<Control>> = BTreeMap::new();
    for path in controls {
        let model = open(path);
        let control = Side::new(&model).unwrap();
        let prepared = Prepared::find(&reference, &control, &[], METHODS, 0, &Advance::QUIET).unwrap();
        for (card, outcome) in prepared.observe(METHODS, &|_| {}).unwrap() {
            beside.entry(card.id).or_default().push(Control::of(path.display().to_string(), &outcome));
        }
    }
    let prepared = Prepared::find(&reference, &suspect, &parents, METHODS, 0, &Advance::QUIET).unwrap();
    let outcomes = prepared.observe(METHODS, &|_| {}).unwrap();
    let verdict = verdict::derivation(&prepared.case(), &outcomes, &beside, &Wording::shipped().unwrap()).unwrap();
    let outcomes = outcomes.into_iter().map(|(card, outcome)| (card.id, outcome)).collect();
    Compared { verdict, outcomes, correspondence: prepared.correspondence, constants: suspect.constants }
}

/// The verdict on two networks, stored as f32.
pub(crate) fn compare(reference: &Network, suspect: &Network) -> Compared {
    let (reference, suspect) = (save(reference, Dtype::F32), save(suspect, Dtype::F32));
    compare_files(reference.path(), suspect.path())
}

/// A model that the repository keeps for tests.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/models").join(name)
}
