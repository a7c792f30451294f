//! `weights.head-matching`: do two independent ways of recognising attention heads recognise the same ones?

use crate::agreement_profile::AgreementProfile;
use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::method::{Case, Method, MethodError, Outcome};

card! {
    /// # Question
    /// Do the two models hold the same attention heads, whatever their order and the maps inside them?
    /// # Null hypothesis
    /// The two models were initialised independently. How often views agree then is an empirical question, judged beside controls.
    /// # Statistic
    /// Every query head has two forms over common tokens: which token looks at which, `E W_Qᵀ W_K Eᵀ`, and what it hands over,
    /// `O W_O W_V Eᵀ`; both stay the same under any map inside the head that the function does not see. Heads are matched twice by maximum-weight
    /// assignment on the cosines of the forms; `K` is the number on which both agree, `f` the mean of `K / min(H1, H2)` over blocks. Large values count.
    /// # Shapes and units
    /// Forms are compared through their factors, evaluated on 1024 random pairs of token combinations: the cosine of two such sketches estimates
    /// that of the forms without bias, with an error of about .03. Grouped and multi-query heads take the key and value of their group. A share in [0, 1].
    /// # Null distribution
    /// That of independent controls at the same relative depth; the exact law for synthetic copies stands beside it.
    /// # Assumptions
    /// As `weights.unit-matching`; the number of heads is known. Norms over a head's dimensions enter by their gains alone.
    /// # Survives
    /// Permuted heads and groups, maps inside heads that commute with rotary positions, rotation of the stream, replaced MLPs, upcycling.
    /// # Fails when
    /// There are few heads in all: four in a block agree by chance once in a block.
    /// # Reference
    /// Ours.
    /// # Example
    /// `testdata/models`: base against finetuned, 16 of 16 heads; base against independent, 3 of 16.
    pub(crate) static CARD = {
        id: "weights.head-matching",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::share("f"),
        needs: Preparation::Matching,
        access: &[Access::Weights, Access::Tokenizer],
        reference: "ours",
    }
}

pub(crate) struct HeadMatching;

impl Method for HeadMatching {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(matching) = case.matching else { return Ok(case.unmatched()) };
        let Some(found) = AgreementProfile::of(&matching.heads, "heads", case.seed) else {
            return Ok(Outcome::not_applicable("the number of heads is not known on both sides, or no stack has common tokens"));
        };
        Ok(Outcome::Observed(found.observation(&format!("{} common tokens", matching.common_tokens()))))
    }
}
