//! `activations.attention-residual`: what does the attention of the two models have in common that independent models do not?

use super::attention::observation;
use crate::attention::{Comparison, Extent};
use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::method::{Case, Method, MethodError, Outcome};

card! {
    /// # Question
    /// Do the two models attend alike beyond what independent models have in common: sinks, positions, and what any model learns from text?
    /// # Null hypothesis
    /// The two models were initialised independently. What is left in common then is an empirical question, judged beside controls.
    /// # Statistic
    /// `r`: of each head's attention the sink (the first column, and an encoder's last) is dropped and rows are made to sum to one again; the mean
    /// over prompts is subtracted for each pair of positions; then, of each control, the head at the same relative depth that correlates
    /// most with it is found, and the mean of these heads (scaled alike) is regressed out. Heads are matched one to one within each pair of blocks so
    /// that correlations of what is left sum to the most; the mean over matched heads, then over the suspect's blocks. Large values count.
    /// # Shapes and units
    /// `A[prompt, layer, head, i, j]`; positions that fewer than 8 prompts have are left out, and so are rows with one entry. A row without
    /// mass beside the sink deviates by nothing. Where tokenizers split the prompts differently, tokens are gathered into words
    /// (summed over the word attended to, averaged over the word that attends). A number in [−1, 1].
    /// # Null distribution
    /// That of independent controls at the same relative depth, each taken through the suspect's place beside the other controls. They have one
    /// control fewer to be regressed on, which leaves them a little more in common as a rule.
    /// # Assumptions
    /// The controls are independent of both sides and learned from similar text. Both models read the same prompts, and see the same tokens:
    /// earlier ones only, or all. There are two controls or more besides the model in question.
    /// # Survives
    /// Permuted heads, rescaled and rotated weights, replaced tokenizers (by words), fine-tuning, quantisation.
    /// # Fails when
    /// Attention was retrained for long; blocks were dropped unevenly, so that equal depth is no longer equal function; the suspect was trained on
    /// the reference's attention, which is distillation and no derivation.
    /// # Reference
    /// Ours.
    /// # Example
    /// On the 240 shared prompts beside the models of `testdata/lineage`: base against finetuned .839, against permuted-units 1.000, against
    /// independent .112, the five controls .034 to .081; seed-1 against continued .595, its four controls .082 to .126.
    pub(crate) static CARD = {
        id: "activations.attention-residual",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::correlation("r"),
        needs: Preparation::Outputs,
        access: &[Access::Activations],
        reference: "ours",
    }
}

pub(crate) struct AttentionResidual;

impl Method for AttentionResidual {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = &case.outputs else { return Ok(case.without_outputs()) };
        match Comparison::of(outputs, Extent::Residual) {
            Ok(found) => Ok(match observation(&found, |layer| &layer.residual, "attention beyond the controls") {
                Some(observation) => Outcome::Observed(observation),
                None => Outcome::not_applicable("no head of one side keeps anything that the controls do not explain"),
            }),
            Err(why) => why.into_outcome(),
        }
    }
}
