//! `weights.embedding-gram`: are the same tokens near each other in both models?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::matching::TokenVectors;
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Scale};
use rayon::prelude::*;
use stats::InputError;
use stats::products::{normalise_rows, row_products};

card! {
    /// # Question
    /// Are the same tokens near each other in the embeddings of both models?
    /// # Null hypothesis
    /// The two models were initialised independently. Every model puts like tokens near each other, so this is judged beside controls.
    /// # Statistic
    /// `r`, Pearson's correlation of the off-diagonal entries of the two matrices of cosines between centred token embeddings. Large values count.
    /// # Shapes and units
    /// Two Gram matrices `[T, T]` of the same T tokens, at most 2048; dimensionless, in [-1, 1].
    /// # Null distribution
    /// That of independent controls. Models of one laboratory reach .72 without derivation (METHODS.md, section 2).
    /// # Assumptions
    /// At least 256 tokens with equal byte strings, whose embeddings were trained.
    /// # Survives
    /// Rotation, permutation of coordinates and of the vocabulary, one scale for all; replaced blocks.
    /// # Fails when
    /// Both models use one public embedding, which is no derivation of the rest; the embedding was trained anew.
    /// # Reference
    /// None needed.
    /// # Example
    /// `testdata/models`: base against permuted-units, 1.
    pub(crate) static CARD = {
        id: "weights.embedding-gram",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::correlation("r"),
        needs: Preparation::Matching,
        access: &[Access::Weights, Access::Tokenizer],
        reference: "none needed",
    }
}

pub(crate) struct EmbeddingGram;

const MOST_TOKENS: usize = 2048;
const TILE: usize = 256;

impl Method for EmbeddingGram {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(matching) = case.matching else { return Ok(case.unmatched()) };
        let Some((_, tokens)) = matching.tokens.stacks.iter().next() else {
            return Ok(Outcome::not_applicable("no stack has common tokens"));
        };
        let n = tokens.ids.len().min(MOST_TOKENS);
        let unit = |side: &TokenVectors| {
            let mut rows = side.embed[..n * side.width].to_vec();
            normalise_rows(&mut rows, side.width);
            rows
        };
        let (ours, theirs) = (unit(&tokens.reference), unit(&tokens.suspect));
        let (a, b) = (tokens.reference.width, tokens.suspect.width);
        let tiles: Vec<usize> = (0..n).step_by(TILE).collect();
        let sums_of = |&start: &usize| gram_sums(&ours, a, &theirs, b, start..(start + TILE).min(n));
        let sums: Vec<[f64; 5]> = tiles.par_iter().map(sums_of).collect::<Result<_, _>>()?;
        let mut total = [0.0; 5];
        sums.iter().for_each(|sums| total.iter_mut().zip(sums).for_each(|(t, s)| *t += s));
        let [x, y, xx, yy, xy] = total;
        let entries = (n * (n - 1)) as f64;
        let (vx, vy, cov) = (xx - x * x / entries, yy - y * y / entries, xy - x * y / entries);
        if !(vx > 0.0 && vy > 0.0) {
            return Ok(Outcome::not_applicable("the embeddings of one side are all alike, or not finite"));
        }
        let r = (cov / (vx * vy).sqrt()).clamp(-1.0, 1.0);
        let words = format!("correlation of {n} × {n} cosines between the same tokens");
        let explanation = Explanation::leaf("token Gram matrices", r, "1", words);
        Ok(Outcome::Observed(Observation::new(r, n, None, explanation).beside_controls("embedding", Scale::Correlation)))
    }
}

/// Sums of x, y, x², y² and xy over the off-diagonal entries of some rows of the two Gram matrices.
fn gram_sums(a: &[f32], a_width: usize, b: &[f32], b_width: usize, rows: std::ops::Range<usize>) -> Result<[f64; 5], InputError> {
    let n = a.len() / a_width.max(1);
    let (mut x, mut y) = (vec![0.0f32; rows.len() * n], vec![0.0f32; rows.len() * n]);
    let mut sums = [0.0; 5];
    row_products(&a[rows.start * a_width..rows.end * a_width], a, a_width, &mut x)?;
    row_products(&b[rows.start * b_width..rows.end * b_width], b, b_width, &mut y)?;
    for (at, (&x, &y)) in x.iter().zip(&y).enumerate() {
        if at % n != rows.start + at / n {
            let (x, y) = (f64::from(x), f64::from(y));
            sums.iter_mut().zip([x, y, x * x, y * y, x * y]).for_each(|(sum, v)| *sum += v);
        }
    }
    Ok(sums)
}
