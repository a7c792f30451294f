//! `weights.haar-bound`: the best signed permutation between two embedding tables, bounded under Haar measure.

use crate::card::{Card, Tail, card};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};
use crate::shared_space::same_rows;
use crate::side::Side;
use sources::{Role, Space, Weight, view};
use stats::haar_bound::{cross_gram, haar_bound};
use stats::sampling;

card! {
    /// # Question
    /// Are the coordinates of the two embedding tables those of one table, up to order and sign?
    /// # Null hypothesis
    /// The two models were initialised independently, and the directions of their embedding spaces are independent and uniform: the orthogonal
    /// factor between the tables is Haar-distributed.
    /// # Statistic
    /// On the rows of common tokens `C = polar(E₁ᵀ E₂)`, `[D, D]`; π the assignment of largest weight on `|C|`; `tr = Σ_i |C_{i,π(i)}|`.
    /// Large values count.
    /// # Shapes and units
    /// `E₁`, `E₂`: `[n, D]`, n at most 8,192 drawn common tokens and at least 2 D, D at most 2048. `tr` is dimensionless, at most D.
    /// # Null distribution
    /// A bound over all signed permutations: `ln p ≤ −tr²/2 + ln D! + D ln 2`. Conservative: for
    /// independent models the bound is far above 1 and says nothing.
    /// # Assumptions
    /// Directions are uniform under the null. Optimisers that act by coordinate (Adam) break this slightly; the union over all signed
    /// permutations leaves a wide margin, but the bound is a theorem only for the Haar measure. The p-value therefore never stands before one
    /// that rests on the symmetry of training alone.
    /// # Survives
    /// Fine-tuning, long pretraining, pruning, quantisation, another vocabulary, permuted and sign-flipped residual coordinates.
    /// # Fails when
    /// The residual stream was rotated; the embedding was trained anew; D differs.
    /// # Reference
    /// MDIR, arXiv:2508.06309.
    /// # Example
    /// Preliminary run: independent models log10 p bound +13 to +230 (so p = 1), copies −799 to −13,000.
    pub(crate) static CARD = {
        id: "weights.haar-bound",
        question: Question::Derivation,
        null: "independent initialisation with embedding directions uniform under Haar measure",
        null_basis: NullBasis::Model,
        statistic: Quantity { symbol: "tr", unit: "1", range: (0.0, 2048.0), tail: Tail::Upper },
        needs: Preparation::Correspondence,
        access: &[Access::Weights],
        reference: "arXiv:2508.06309",
    }
}

pub(crate) struct HaarBound;

const MAX_DIMENSION: usize = 2048;
const MAX_TOKENS: usize = 8192;

impl Method for HaarBound {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let table = |side: &Side<'_>| {
            side.weights.iter().find(|w| w.slot.is_some_and(|s| s.role == Role::Embed) && w.axes[0].space == Space::Vocabulary).cloned()
        };
        let (Some(reference), Some(suspect)) = (table(case.reference), table(case.suspect)) else {
            return Ok(Outcome::not_applicable("at least one side has no embedding table that a family names"));
        };
        let d = suspect.cols;
        if reference.cols != d {
            return Ok(Outcome::not_applicable(format!(
                "the embeddings have {} and {d} coordinates, expected equally many",
                reference.cols
            )));
        }
        if d > MAX_DIMENSION {
            return Ok(Outcome::not_applicable(format!(
                "the embeddings have {d} coordinates, more than the {MAX_DIMENSION} that this method decomposes"
            )));
        }
        let rows = same_rows(case.reference, case.suspect, &reference, &suspect).filter(|(r, _)| r.rows >= 2 * d);
        let Some((reference, suspect)) = rows else {
            return Ok(Outcome::not_applicable(format!("fewer than {} tokens are common, twice the {d} coordinates", 2 * d)));
        };
        let drawn = sampling::draw(case.seed, "tokens", reference.rows, MAX_TOKENS);
        let cols: Vec<usize> = (0..d).collect();
        let read = |side: &Side<'_>, weight: &Weight| -> Result<Vec<f32>, MethodError> {
            let mut values = Vec::new();
            view::gather(side.model, weight, &drawn, &cols, &mut values)?;
            Ok(values)
        };
        let product = cross_gram(&read(case.reference, &reference)?, &read(case.suspect, &suspect)?, d);
        let Ok(found) = product.and_then(|c| haar_bound(&c, d)) else {
            return Ok(Outcome::not_applicable("the embeddings hold values that are not finite, or no direction at all"));
        };
        let explanation = Explanation {
            label: "best signed permutation".into(),
            value: Some(found.trace),
            unit: "1",
            words: format!("of {d} coordinates on {} common tokens; equal tables reach {d}", drawn.len()),
            parts: Vec::new(),
        };
        Ok(Outcome::Observed(Observation::new(found.trace, d, Some(found.p), explanation)))
    }
}
