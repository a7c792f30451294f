//! `activations.unit-matching`: do hidden units of the two models react to the same words?

use crate::agreement_profile::AgreementProfile;
use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::matching::match_units;
use crate::method::{Case, Method, MethodError, Outcome};
use forward::Observation;

card! {
    /// # Question
    /// Do hidden units of the two models react to the same words, whatever their order, scale and basis?
    /// # Null hypothesis
    /// The two models were initialised independently. How often views agree then is an empirical question, judged beside controls.
    /// # Statistic
    /// Every unit has two views: the activation of its gate and that of its up projection, before the nonlinearity, over all words of the prompts.
    /// `π_v` is the maximum-weight assignment of the reference's units to the suspect's on the matrix of Pearson correlations in view v (by size
    /// for up, whose sign may flip with down's), exact by its dual certificate; `K = #{i: π_gate(i) = π_up(i)}` and `f` is the mean of
    /// `K / min(h1, h2)` over blocks. Large values count.
    /// # Shapes and units
    /// Correlations are estimated by sketches of 512 numbers a unit with an error of .044 at most; all pairs of blocks on 256 drawn units, then
    /// whole blocks along the best monotone path, else at the same relative depth. A share in [0, 1].
    /// # Null distribution
    /// That of independent controls at the same relative depth. Beside it stands the exact law for synthetic copies, in which each view's
    /// units were re-drawn by permutation: it excludes chance in the matching, not features that independent models share.
    /// # Assumptions
    /// At least 4096 words with tokens on both sides. Without gates there is one view, up, and the two assignments are those of two halves of
    /// its sketches. Their signs are independent, but both estimate the same correlations, so they agree wherever one counterpart is clearly the
    /// best, with strangers too: taken as views, halves of one matrix agree on 8 to 29 % of the units of independent models, gate and up on at
    /// most 2.7 %. For such models the number describes, no exact law stands beside it, and only controls without gates say what it is worth.
    /// # Survives
    /// Permuted units, heads and vocabularies, rotation of the residual stream, folded and new gains, rescaled units, retrained
    /// embeddings, fine-tuning, long continued pretraining, quantisation, dropped or doubled blocks.
    /// # Fails when
    /// Every MLP was trained anew or distilled; a side is a mixture, whose units see only the words that a router sends them; one side has gates
    /// and the other has none.
    /// # Reference
    /// Ours; certificates: Jonker and Volgenant, Computing 38 (1987).
    /// # Example
    /// `testdata/models` on the shared prompts: base against finetuned and permuted-units, 1024 of 1024 units; against independent, 10.
    /// `testdata/lineage`: seed-1 against continued, 1022; against seed-2, 6.
    pub(crate) static CARD = {
        id: "activations.unit-matching",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::share("f"),
        needs: Preparation::Outputs,
        access: &[Access::Activations],
        reference: "ours; assignment by Jonker and Volgenant 1987",
    }
}

/// Words that both models must have read: a correlation over fewer is noise beside what sketches add.
const MIN_WORDS: usize = 4096;

pub(crate) struct UnitMatching;

impl Method for UnitMatching {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = case.outputs else { return Ok(case.without_outputs()) };
        let (reference, suspect) = (outputs.reference, outputs.suspect);
        let gates = match [gated("reference", reference), gated("suspect", suspect)] {
            [Ok(ours), Ok(theirs)] => [ours, theirs],
            [Err(why), _] | [_, Err(why)] => return Ok(Outcome::not_applicable(why)),
        };
        if gates[0] != gates[1] {
            let why =
                "the MLPs of one side have a gate and those of the other have none, so no unit of one does what a unit of the other does";
            return Ok(Outcome::not_applicable(why));
        }
        let n_words = common_words(reference, suspect);
        if n_words < MIN_WORDS {
            return Ok(Outcome::not_applicable(format!("{n_words} words have tokens in both models; at least {MIN_WORDS} are needed")));
        }
        let blocks = match_units(reference, suspect, case.seed)?;
        let Some(mut found) = AgreementProfile::of(&blocks, "units", case.seed) else {
            return Ok(Outcome::not_applicable("the MLPs of one side have no units"));
        };
        let mut over = format!("{n_words} common words");
        if !gates[0] {
            // Both halves see the same correlations, so re-drawn views are no law for them.
            found = found.without_synthetic();
            over += ", which are halves of the sketches of one view, because the MLPs have no gate: strangers agree there too";
        }
        Ok(Outcome::Observed(found.observation(&over)))
    }
}

/// Whether a side's units have gates, or why they cannot be matched.
fn gated(name: &str, side: &Observation) -> Result<bool, String> {
    match (side.subject.units, side.sketches(0)) {
        (0, _) => Err(format!("the {name} is a mixture: each of its units sees the words that a router sends it, and no others")),
        (_, None) => Err(format!("the units of the {name} were not observed")),
        (_, Some(sketches)) => Ok(sketches.gate.is_some()),
    }
}

/// Words that have a token in both models.
fn common_words(reference: &Observation, suspect: &Observation) -> usize {
    let of_prompt = |prompt: usize| {
        let theirs = suspect.words(prompt);
        reference.words(prompt).iter().filter(|word| theirs.binary_search(word).is_ok()).count()
    };
    (0..reference.n_prompts().min(suspect.n_prompts())).map(of_prompt).sum()
}
