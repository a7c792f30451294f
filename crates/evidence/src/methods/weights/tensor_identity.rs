//! `weights.tensor-identity`: bit-identical tensors, whatever they are called and wherever they lie.

use crate::card::{Card, card};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};

card! {
    /// # Question
    /// Which trained tensors of the suspect hold exactly the values of a tensor of the reference?
    /// # Null hypothesis
    /// None is tested. Identity of thousands of trained values is a fact, reported with digests; a name or a file hash is neither
    /// needed for it nor enough.
    /// # Statistic
    /// The share of the suspect's trained elements that lie in tensors with `a_i = b_i` for every element `i`, after canonical
    /// orientation and exact widening to f32. Large values count.
    /// # Shapes and units
    /// Two matrices or vectors of one shape; a share in [0, 1].
    /// # Null distribution
    /// None. Two independent trainings do not produce one equal tensor of any size; the shared constants that programs ship are left out.
    /// # Assumptions
    /// Constants were recognised: Fourier bases, sinusoidal and rotary tables, filter banks, progressions, tensors of few distinct values.
    /// # Survives
    /// Renaming, other files and shards, other containers, transposed or fused storage, gates in another order, widening of the type.
    /// # Fails when
    /// One bit of every tensor differs: any further training, rounding or quantisation.
    /// # Reference
    /// None needed.
    /// # Example
    /// `all-MiniLM-L6-v2` from two packages: 1; two seeds of one configuration (`testdata/models`): 0.
    pub(crate) static CARD = {
        id: "weights.tensor-identity",
        question: Question::Derivation,
        null: "no null hypothesis: identity is a fact",
        null_basis: NullBasis::None,
        statistic: Quantity::share("share"),
        needs: Preparation::Correspondence,
        access: &[Access::Weights],
        reference: "none needed",
    }
}

pub(crate) struct TensorIdentity;

impl Method for TensorIdentity {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let trained = case.suspect.trained_elements();
        if trained == 0 {
            return Ok(Outcome::not_applicable("the suspect has no trained tensor that could be read"));
        }
        let identical: Vec<_> = case.correspondence.pairs.iter().filter(|pair| pair.is_identical()).collect();
        let elements: u64 = identical.iter().map(|pair| pair.elements()).sum();
        let share = elements as f64 / trained as f64;
        let parts = identical
            .iter()
            .map(|pair| {
                let (reference, suspect) = (&case.reference.weights[pair.reference], &case.suspect.weights[pair.suspect]);
                Explanation::leaf(
                    suspect.label(),
                    pair.elements() as f64,
                    "elements",
                    format!("equal to `{}` of the reference in every element", reference.label()),
                )
            })
            .collect();
        Ok(Outcome::Observed(Observation::new(
            share,
            identical.len(),
            None,
            Explanation {
                label: "identical tensors".into(),
                value: Some(share),
                unit: "1",
                words: format!(
                    "{} of {} trained tensors of the suspect, {elements} of {trained} elements, equal a tensor of the reference bit for bit",
                    identical.len(),
                    case.suspect.weights.len()
                ),
                parts,
            },
        )))
    }
}
