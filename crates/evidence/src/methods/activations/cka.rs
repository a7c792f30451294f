//! `activations.cka`: do the residual streams of the two models lay out the same words alike?

use crate::card::{Card, NULL_BESIDE_CONTROLS, card};
use crate::depth::{relative_depth, same_depth};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Profile, ProfilePoint, Scale};
use crate::products::tiled_products;
use forward::observation::WordAt;
use stats::cka::{CentredGram, Components, biased_cka, unbiased_cka};
use std::collections::BTreeMap;

card! {
    /// # Question
    /// Do the residual streams of the two models lay out the same words alike?
    /// # Null hypothesis
    /// The two models were initialised independently. All models learn to lay out words by what they mean, so this is judged beside controls.
    /// # Statistic
    /// With the streams at n words, without their dominant components, `X` and `Y`: `CKA = HSIC(X, Y) / √(HSIC(X, X) HSIC(Y, Y))`, HSIC by the
    /// unbiased estimate of Song et al. with linear kernels; the mean over places of the stream. Plain CKA weighs a component by its squared
    /// eigenvalue, so that a few decide it: what massive activations and unequal frequencies of tokens make, which strangers share. Components
    /// go from the largest on until none of what is left carries more than a tenth of the weight, at most 32 and a quarter of the width; as many on
    /// both sides as the more dominated one needs. The rule is ours. The explanation gives the numbers with all components too, and with the bias.
    /// Large values count.
    /// # Shapes and units
    /// `[n, d]` before each block and after the last, at most 2048 words, each of root mean square 1; at the same relative depth. In [-1, 1], and
    /// 0 in the mean for independent streams of any width, where plain CKA of 200 words and 4096 coordinates gives .95.
    /// # Null distribution
    /// That of independent controls at the same relative depth.
    /// # Assumptions
    /// At least 2000 of the sampled words with tokens on both sides.
    /// # Survives
    /// Rotation and permutation of the residual coordinates, one scale for all, permuted units and vocabularies, quantisation, fine-tuning.
    /// # Fails when
    /// Distilled students: a new network may be taught the same layout. Common training data raise it: .22 between models of different
    /// data, .31 of equal data, without derivation.
    /// # Reference
    /// Kornblith et al., ICML 2019; Song et al., JMLR 13 (2012), eq. 5; removed components after Mu and Viswanath, ICLR 2018.
    /// # Example
    /// `testdata/models` on the shared prompts: base against finetuned, .832 (.920 with all components); against independent, .294 (.645);
    /// `testdata/lineage`: seed-1 against continued, .600 (.774); against seed-2, .315 (.601).
    pub(crate) static CARD = {
        id: "activations.cka",
        question: Question::Derivation,
        null: NULL_BESIDE_CONTROLS,
        null_basis: NullBasis::Controls,
        statistic: Quantity::correlation("CKA"),
        needs: Preparation::Outputs,
        access: &[Access::Activations],
        reference: "Kornblith et al. 2019; Song et al. 2012, eq. 5",
    }
}

/// Words that both models must have read.
const MIN_WORDS: usize = 2000;
/// A component that carries more than this share of the weight of an alignment goes: what is left is an agreement of ten directions at least.
const DOMINANT: f64 = 0.1;
/// Components that may go, at most; and of the coordinates a quarter.
const MOST_COMPONENTS: usize = 32;

pub(crate) struct Cka;

/// One place of the stream.
struct Alignment {
    reference: usize,
    suspect: usize,
    /// Without the dominant components, with them, and with them and the bias.
    values: [Option<f64>; 3],
    n_components: usize,
}

impl Method for Cka {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let Ok(outputs) = case.outputs else { return Ok(case.without_outputs()) };
        let (reference, suspect) = (outputs.reference, outputs.suspect);
        for (name, side) in [("reference", reference), ("suspect", suspect)] {
            if side.stream(0).is_none() {
                return Ok(Outcome::not_applicable(format!("the residual stream of the {name} was not observed")));
            }
        }
        let rows = common_rows(reference.stream_words(), suspect.stream_words());
        let n = rows.len();
        if n < MIN_WORDS {
            return Ok(Outcome::not_applicable(format!("{n} sampled words have tokens in both models; at least {MIN_WORDS} are needed")));
        }
        let (ours, theirs): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
        let (n_ours, n_theirs) = (reference.subject.n_layers + 1, suspect.subject.n_layers + 1);
        let most = reference.subject.hidden.min(suspect.subject.hidden).div_ceil(4).min(MOST_COMPONENTS);
        let mut alignments = Vec::new();
        for col in 0..n_theirs {
            let row = same_depth(col, n_theirs, n_ours);
            let (Some(a), Some(b)) = (reference.stream(row), suspect.stream(col)) else { continue };
            let (a, b) = rayon::join(
                || decomposed(&a, reference.subject.hidden, &ours, most),
                || decomposed(&b, suspect.subject.hidden, &theirs, most),
            );
            let ((a, of_a), (b, of_b)) = (a?, b?);
            let n_components = of_a.dominant(DOMINANT).max(of_b.dominant(DOMINANT));
            let (rest_of_a, rest_of_b) = rayon::join(|| a.without(&of_a, n_components), || b.without(&of_b, n_components));
            let values = [unbiased_cka(&rest_of_a, &rest_of_b), unbiased_cka(&a, &b), biased_cka(&a, &b)];
            alignments.push(Alignment { reference: row, suspect: col, values, n_components });
        }
        Ok(observation(&alignments, n, n_theirs))
    }
}

/// The rows of the words that both observed.
fn common_rows(ours: &[WordAt], theirs: &[WordAt]) -> Vec<(usize, usize)> {
    let index: BTreeMap<WordAt, usize> = theirs.iter().enumerate().map(|(row, &at)| (at, row)).collect();
    ours.iter().enumerate().filter_map(|(row, at)| Some((row, *index.get(at)?))).collect()
}

fn decomposed(stream: &[f32], width: usize, rows: &[usize], most: usize) -> Result<(CentredGram, Components), MethodError> {
    let chosen: Vec<f32> = rows.iter().flat_map(|&row| stream[row * width..][..width].iter().copied()).collect();
    let gram = CentredGram::new(&tiled_products(&chosen, &chosen, width)?, rows.len())?;
    let components = gram.leading(most)?;
    Ok((gram, components))
}

fn observation(alignments: &[Alignment], n: usize, n_theirs: usize) -> Outcome {
    let observed: Vec<(&Alignment, f64)> = alignments.iter().filter_map(|a| Some((a, a.values[0]?))).collect();
    if observed.is_empty() {
        return Outcome::not_applicable("the residual stream of one side does not vary over the words");
    }
    let mean = |which: usize| {
        let values: Vec<f64> = observed.iter().filter_map(|(a, _)| a.values[which]).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let points = observed
        .iter()
        .map(|&(a, value)| ProfilePoint {
            label: a.suspect.to_string(),
            reference: a.reference.to_string(),
            depth: relative_depth(a.suspect, n_theirs),
            value,
            n,
            synthetic: None,
        })
        .collect();
    let parts = observed
        .iter()
        .map(|&(a, value)| {
            let [_, whole, biased] = a.values.map(|v| v.unwrap_or(0.0));
            Explanation {
                label: format!("stream {} against {}", a.suspect, a.reference),
                value: Some(value),
                unit: "1",
                words: format!("without the {} components that dominate a side", a.n_components),
                parts: vec![
                    Explanation::leaf("all components", whole, "1", "unbiased"),
                    Explanation::leaf("all components, biased", biased, "1", "as it is often quoted; not 0 for independent streams"),
                ],
            }
        })
        .collect();
    let statistic = mean(0);
    let explanation = Explanation {
        label: "alignment of the residual streams".into(),
        value: Some(statistic),
        unit: "1",
        words: format!(
            "mean over {} places of the stream, over {n} common words, without the components that dominate; {:.4} with them, {:.4} with \
             the bias of the plain statistic too",
            observed.len(),
            mean(1),
            mean(2)
        ),
        parts,
    };
    let profile = Some(Profile { scale: Scale::Correlation, points, synthetic: None });
    Outcome::Observed(Observation { profile, ..Observation::new(statistic, n, None, explanation) })
}
