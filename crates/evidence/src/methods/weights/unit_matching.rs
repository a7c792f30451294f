//! `weights.unit-matching`: do two independent ways of recognising hidden units recognise the same ones?

use crate::agreement_profile::AgreementProfile;
use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::method::{Case, Method, MethodError, Outcome};

card! {
    /// # Question
    /// Do the two models hold the same hidden units, whatever their order, scale and basis?
    /// # Null hypothesis
    /// The two models were initialised independently. How often views agree then is an empirical question: models of the same data
    /// learn some of the same features, so the number is judged beside controls and never by a formula.
    /// # Statistic
    /// Every unit has three views over common tokens, centred and of length 1: what its gate reads (`G Eᵀ`), what its up projection reads
    /// (`U Eᵀ`) and what its down projection writes (`O D`). `π_v` is the maximum-weight assignment of the reference's units to the suspect's on
    /// the Pearson matrix of view v (by size for up and down where there is a gate, whose signs may flip together), exact by its dual
    /// certificate. `K_uv = #{i: π_u(i) = π_v(i)}`; `f` is the mean of `K_uv / min(h1, h2)` over pairs of views and blocks. Large values count.
    /// # Shapes and units
    /// Per block and view `[h, T]` with T at most 1024 tokens; all pairs of blocks on 256 drawn units and 256 tokens, then whole blocks
    /// along the best monotone path, else at the same relative depth. Experts one by one, against dense blocks too. A share in [0, 1].
    /// # Null distribution
    /// That of independent controls at the same relative depth. Beside it stands the exact law for synthetic copies, in which each
    /// view's units were re-drawn by permutation: it excludes chance in the matching, not features that independent models share.
    /// # Assumptions
    /// At least 256 tokens with equal byte strings, whose embeddings were trained; a family that says what reads and writes the stream.
    /// # Survives
    /// Permuted units, heads and vocabularies, rotation of the residual stream, folded and new gains, rescaled units, fine-tuning, long
    /// continued pretraining, pruning, quantisation, dropped or doubled blocks, upcycling, dummy units.
    /// # Fails when
    /// Every MLP was trained anew or distilled; fewer than 256 tokens are common.
    /// # Reference
    /// Ours; certificates: Jonker and Volgenant, Computing 38 (1987).
    /// # Example
    /// `testdata/models`: base against permuted-units, 256 of 256 units in every block; base against independent, at most 13 of 256.
    pub(crate) static CARD = {
        id: "weights.unit-matching",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::share("f"),
        needs: Preparation::Matching,
        access: &[Access::Weights, Access::Tokenizer],
        reference: "ours; assignment by Jonker and Volgenant 1987",
    }
}

pub(crate) struct UnitMatching;

impl Method for UnitMatching {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(matching) = case.matching else { return Ok(case.unmatched()) };
        let Some(found) = AgreementProfile::of(&matching.units, "units", case.seed) else {
            return Ok(Outcome::not_applicable("the two models have no MLPs in a stack whose tokens are common"));
        };
        Ok(Outcome::Observed(found.observation(&format!("{} common tokens", matching.common_tokens()))))
    }
}
