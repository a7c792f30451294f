//! What the attention of two models has in common: laws on made attention, and the ranking of micro models whose history is known.

#![expect(clippy::unwrap_used, reason = "a test stops where a model of its own cannot be observed")]

mod laws;
mod made;
mod micro_models;

use evidence::{Advance, AttentionClaim, METHODS, Method, Observation, Outcome, Outputs, Prepared, Side};
use forward::Observation as Seen;
use sources::Model;
use testmodels::{Dtype, Llama, save};

/// What the two methods make of some observations; no weights are given.
struct Answers {
    attention: Outcome,
    residual: Outcome,
}

impl Answers {
    fn of(outputs: Outputs<'_>) -> Self {
        let saved = save(&Llama::new(1).build(), Dtype::F32);
        let model = Model::open(saved.path()).unwrap();
        let (reference, suspect) = (Side::observed(&model), Side::observed(&model));
        let methods: Vec<&dyn Method> = ["activations.attention", "activations.attention-residual"]
            .into_iter()
            .map(|id| *METHODS.iter().find(|method| method.card().id == id).unwrap())
            .collect();
        let prepared = Prepared::find(&reference, &suspect, &[], &methods, 0, &Advance::QUIET).unwrap().with_outputs(Ok(outputs));
        let mut outcomes = prepared.observe(&methods, &|_| {}).unwrap().into_iter().map(|(_, outcome)| outcome);
        Self { attention: outcomes.next().unwrap(), residual: outcomes.next().unwrap() }
    }

    fn claim(&self) -> &AttentionClaim {
        ran(&self.attention).attention.as_deref().unwrap()
    }

    /// The six measures of a row of the claim: 0 is the suspect.
    fn row(&self, row: usize) -> Vec<Option<f64>> {
        self.claim().rows[row].values.iter().map(|value| value.as_ref().ok().copied()).collect()
    }

    fn r(&self) -> f64 {
        ran(&self.residual).statistic
    }
}

fn ran(outcome: &Outcome) -> &Observation {
    outcome.observed().unwrap_or_else(|| panic!("did not apply: {outcome:?}"))
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::NotApplicable { why } => why,
        Outcome::Observed(observation) => panic!("applied: {observation:?}"),
    }
}

fn compare(reference: &Seen, suspect: &Seen, controls: &[&Seen]) -> Answers {
    Answers::of(Outputs::new(reference, suspect, controls).unwrap())
}
