//! `tokenizer.overlap`: how much two vocabularies share. Context, never a conclusion.

use crate::card::{Card, card};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};
use sources::vocabulary::Vocabulary;
use std::collections::BTreeSet;

card! {
    /// # Question
    /// How much do the two vocabularies have in common?
    /// # Null hypothesis
    /// None is tested. Independent models share tokenizers openly, and a derived model may have a new one.
    /// # Statistic
    /// Jaccard index `|A ∩ B| / |A ∪ B|` of the sets of decoded byte strings. Large values mean more in common.
    /// # Shapes and units
    /// Two sets of byte strings; a share in [0, 1].
    /// # Null distribution
    /// None.
    /// # Assumptions
    /// Token text decodes by the scheme that the tokenizer file declares: byte-level, SentencePiece or WordPiece.
    /// # Survives
    /// Permuted ids, another file format, extension.
    /// # Fails when
    /// The vocabulary was trained anew, or is a public one.
    /// # Reference
    /// None needed.
    /// # Example
    /// Any two models of one public tokenizer: 1, whatever their weights.
    pub(crate) static CARD = {
        id: "tokenizer.overlap",
        question: Question::Derivation,
        null: "no null hypothesis: context for the other methods",
        null_basis: NullBasis::None,
        statistic: Quantity::share("J"),
        needs: Preparation::Correspondence,
        access: &[Access::Tokenizer],
        reference: "none needed",
    }
}

pub(crate) struct Overlap;

impl Method for Overlap {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let (reference, suspect) = match (&case.reference.model.vocabulary, &case.suspect.model.vocabulary) {
            (Some(reference), Some(suspect)) => (reference, suspect),
            (None, None) => return Ok(Outcome::not_applicable("neither side has a tokenizer")),
            (None, _) => return Ok(Outcome::not_applicable("the reference has no tokenizer")),
            (_, None) => return Ok(Outcome::not_applicable("the suspect has no tokenizer")),
        };
        let tokens = |v: &'_ Vocabulary| v.tokens.iter().flatten().cloned().collect::<BTreeSet<Vec<u8>>>();
        let (a, b) = (tokens(reference), tokens(suspect));
        let common = a.intersection(&b).count();
        let union = a.len() + b.len() - common;
        if union == 0 {
            return Ok(Outcome::not_applicable("both vocabularies are empty"));
        }
        let jaccard = common as f64 / union as f64;
        let same_ids = reference.tokens.iter().zip(&suspect.tokens).filter(|(x, y)| x.is_some() && x == y).count();
        let mut parts = vec![
            Explanation::leaf("common tokens", common as f64, "tokens", format!("of {} and {}", a.len(), b.len())),
            Explanation::leaf("common tokens with the same id", same_ids as f64, "tokens", ""),
        ];
        if !reference.merges.is_empty() && !suspect.merges.is_empty() {
            let equal = reference.merges.iter().zip(&suspect.merges).take_while(|(x, y)| x == y).count();
            parts.push(Explanation::leaf(
                "leading merge rules in the same order",
                equal as f64,
                "rules",
                format!("of {} and {}", reference.merges.len(), suspect.merges.len()),
            ));
        }
        let special = |v: &Vocabulary| v.special.iter().filter_map(|&id| v.tokens.get(id).cloned().flatten()).collect::<BTreeSet<_>>();
        let (x, y) = (special(reference), special(suspect));
        parts.push(Explanation::leaf(
            "common special tokens",
            x.intersection(&y).count() as f64,
            "tokens",
            format!("of {} and {}", x.len(), y.len()),
        ));
        Ok(Outcome::Observed(Observation::new(
            jaccard,
            union,
            None,
            Explanation {
                label: "vocabularies".into(),
                value: Some(jaccard),
                unit: "1",
                words: format!("{common} of {union} distinct tokens are in both vocabularies"),
                parts,
            },
        )))
    }
}
