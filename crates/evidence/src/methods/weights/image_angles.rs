//! `weights.image-angles`: do the two unembeddings span the same logits?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Scale};
use stats::spectra::mean_squared_cosine;

card! {
    /// # Question
    /// Do the logits that the two models can give lie in the same directions?
    /// # Null hypothesis
    /// The two models were initialised independently. Common data give common directions, so this is judged beside controls.
    /// # Statistic
    /// The mean of `cos² θ_i` over the principal angles between the column spaces of the two unembeddings on common tokens, centred over tokens,
    /// minus what random spaces give, `max(d1, d2) / (T − 1)`. Large values count.
    /// # Shapes and units
    /// Two matrices `[T, d]` of the same T tokens, at most 4096; dimensionless, at most 1.
    /// # Null distribution
    /// That of independent controls.
    /// # Assumptions
    /// At least twice as many tokens as coordinates, or the spaces fill the room and every angle is small.
    /// # Survives
    /// Rotation, permutation and any invertible map of the residual coordinates, gains folded or not.
    /// # Fails when
    /// The unembedding was trained anew; both models use one public embedding.
    /// # Reference
    /// Björck and Golub, Numerical methods for computing angles between linear subspaces, Math. Comp. 27 (1973).
    /// # Example
    /// `testdata/models`: base against permuted-units, 1 − 96/1023 = .906.
    pub(crate) static CARD = {
        id: "weights.image-angles",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::correlation("mean cos²"),
        needs: Preparation::Matching,
        access: &[Access::Weights, Access::Tokenizer],
        reference: "Björck and Golub 1973",
    }
}

pub(crate) struct ImageAngles;

impl Method for ImageAngles {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(matching) = case.matching else { return Ok(case.unmatched()) };
        let Some(tokens) = matching.tokens.stacks.values().next_back() else {
            return Ok(Outcome::not_applicable("no stack has common tokens"));
        };
        let (ours, theirs, n) = (&tokens.reference, &tokens.suspect, tokens.ids.len());
        let widest = ours.width.max(theirs.width);
        if n < 2 * widest {
            let why = format!("{n} common tokens for {widest} coordinates; at least {} are needed, or every angle is small", 2 * widest);
            return Ok(Outcome::not_applicable(why));
        }
        let Ok(mean) = mean_squared_cosine((&ours.unembed, ours.width), (&theirs.unembed, theirs.width)) else {
            return Ok(Outcome::not_applicable("an unembedding holds values that are not finite"));
        };
        let chance = widest as f64 / (n - 1) as f64;
        let value = mean - chance;
        let words = format!("mean cos² of the principal angles {mean:.4} on {n} tokens, minus {chance:.4} for random spaces");
        let explanation = Explanation::leaf("images of the unembeddings", value, "1", words);
        Ok(Outcome::Observed(Observation::new(value, n, None, explanation).beside_controls("unembedding", Scale::Correlation)))
    }
}
