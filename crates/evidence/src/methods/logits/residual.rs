//! `logits.residual`: do the two models' next-token logits agree beyond what independent models explain of both?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::common_logits::{CommonLogits, TILE, without_mean_row};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Scale};
use crate::outputs::{LEAST_CONTROLS, Outputs};
use rayon::prelude::*;
use stats::InputError;
use stats::partial::Covariances;

card! {
    /// # Question
    /// Do the two models' next-token logits agree beyond what independent models explain of both?
    /// # Null hypothesis
    /// The two models were initialised independently. What they learned from common data no control explains fully, so the number is judged
    /// beside the same number of controls.
    /// # Statistic
    /// Logits before the final cap, less their mean over the common tokens at each position and their mean over positions for each token: what
    /// varies with the context. `r` is the correlation of what linear regression on all controls together leaves of the reference's and of the
    /// suspect's. Large values count. The explanation gives the plain correlations, and both without removing the mean over positions: there the
    /// frequencies of tokens alone give .93 between independent models.
    /// # Shapes and units
    /// `[N, K]`, at most 1024 positions (the last tokens of words) and 8192 tokens of equal byte strings; dimensionless, in [-1, 1].
    /// # Null distribution
    /// That of independent controls. A control in the suspect's place is regressed on the others, one series fewer, which as a rule leaves more
    /// of it: the comparison errs towards the null hypothesis.
    /// # Assumptions
    /// At least two controls with logits, 512 tokens that all have (controls that would leave fewer are left out and counted), 128 positions.
    /// Controls trained on other data than the reference leave what common data make.
    /// # Survives
    /// Whatever keeps the function: permutation, rotation, scales, folded gains; one temperature for all; quantisation; fine-tuning; long
    /// continued pretraining in part.
    /// # Fails when
    /// No control shares the reference's data and the suspect does: then independent models stand out as derived ones do. A student taught on the
    /// reference's outputs stands out too, which is distillation and no derivation.
    /// # Reference
    /// Partial correlation: Yule, Proc. R. Soc. A 79 (1907); as a method, ours.
    /// # Example
    /// Shared prompts; controls `models/independent` and `lineage/seed-1`, `seed-2` and `other-data` of `testdata`. `models/base` against finetuned,
    /// .757; against independent, which read the same data and is no control then, .434; against seed-2, .05.
    pub(crate) static CARD = {
        id: "logits.residual",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::correlation("r"),
        needs: Preparation::Outputs,
        access: &[Access::Logits],
        reference: "partial correlation; ours as a method",
    }
}

/// Tokens that all of the models must have.
const MIN_TOKENS: usize = 512;

pub(crate) struct Residual;

impl Method for Residual {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = case.outputs else { return Ok(case.without_outputs()) };
        match CommonLogits::of(&[outputs.reference, outputs.suspect]) {
            Ok(_) => among(&outputs),
            Err(why) => Ok(Outcome::not_applicable(why)),
        }
    }
}

fn among(outputs: &Outputs<'_>) -> Result<Outcome, MethodError> {
    let chosen = chosen_controls(outputs);
    if chosen.len() < LEAST_CONTROLS {
        let why = format!(
            "{} of {} controls have logits for {MIN_TOKENS} tokens that both sides have too; at least {LEAST_CONTROLS} are needed",
            chosen.len(),
            outputs.controls.len()
        );
        return Ok(Outcome::not_applicable(why));
    }
    let mut models = vec![outputs.reference, outputs.suspect];
    models.extend(chosen.iter().map(|&i| outputs.controls[i]));
    let found = CommonLogits::of(&models).and_then(|common| Ok((common.n_positions()?, common)));
    let (n, common) = match found {
        Ok(found) => found,
        Err(why) => return Ok(Outcome::not_applicable(why)),
    };
    let n_tokens = common.n_tokens();
    let values: Vec<Vec<f32>> = (0..models.len()).map(|model| common.values(model)).collect();
    let as_given = covariances(&values, n_tokens)?;
    let values: Vec<Vec<f32>> = values.iter().map(|values| without_mean_row(values, n_tokens)).collect();
    let by_context = covariances(&values, n_tokens)?;
    let given: Vec<usize> = (2..models.len()).collect();
    let (Some(statistic), Some(plain)) = (by_context.partial(0, 1, &given), by_context.correlation(0, 1)) else {
        return Ok(Outcome::not_applicable(
            "the controls explain all of one side's logits: one of them is that model, or the logits do not vary",
        ));
    };
    let mut parts = vec![Explanation::leaf("nothing regressed out", plain, "1", "correlation of what varies with the context")];
    for (label, value, words) in [
        ("as given", as_given.correlation(0, 1), "correlation of the centred logits, with what a model says everywhere"),
        ("as given, given the controls", as_given.partial(0, 1, &given), "the same, regressed on the controls"),
    ] {
        parts.extend(value.map(|value| Explanation::leaf(label, value, "1", words)));
    }
    let names: Vec<String> = chosen.iter().map(|&i| format!("`{}`", outputs.controls[i].subject.model.escape_debug())).collect();
    let left_out = outputs.controls.len() - chosen.len();
    let explanation = Explanation {
        label: "logits beyond the controls".into(),
        value: Some(statistic),
        unit: "1",
        words: format!(
            "partial correlation over {n} positions and {n_tokens} common tokens, given {}{}; {plain:.4} without them",
            names.join(", "),
            if left_out == 0 { String::new() } else { format!(" (left out for too few common tokens: {left_out})") }
        ),
        parts,
    };
    Ok(Outcome::Observed(Observation::new(statistic, n, None, explanation).beside_controls("logits", Scale::Correlation)))
}

/// The controls that leave enough tokens in common: those with most of them first, each taken if enough stay.
fn chosen_controls(outputs: &Outputs<'_>) -> Vec<usize> {
    let with = |chosen: &[usize], more: usize| {
        let mut models = vec![outputs.reference, outputs.suspect];
        models.extend(chosen.iter().chain([&more]).map(|&i| outputs.controls[i]));
        CommonLogits::of(&models).map_or(0, |common| common.n_tokens())
    };
    let mut order: Vec<(usize, usize)> = (0..outputs.controls.len()).map(|i| (with(&[], i), i)).collect();
    order.sort_by_key(|&(n, i)| (std::cmp::Reverse(n), i));
    let mut chosen = Vec::new();
    for (_, i) in order {
        if with(&chosen, i) >= MIN_TOKENS {
            chosen.push(i);
        }
    }
    chosen.sort_unstable();
    chosen
}

fn covariances(values: &[Vec<f32>], width: usize) -> Result<Covariances, InputError> {
    let n = values.first().map_or(0, |first| first.len() / width.max(1));
    let tiles: Vec<usize> = (0..n).step_by(TILE).collect();
    let of_tile = |&start: &usize| {
        let range = start * width..(start + TILE).min(n) * width;
        let series: Vec<&[f32]> = values.iter().map(|values| &values[range.clone()]).collect();
        let mut sums = Covariances::new(values.len());
        sums.push(&series).map(|()| sums)
    };
    let sums: Vec<Covariances> = tiles.par_iter().map(of_tile).collect::<Result<_, _>>()?;
    let mut total = Covariances::new(values.len());
    sums.iter().for_each(|sums| total.merge(sums));
    Ok(total)
}
