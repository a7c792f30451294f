//! REEF: plain linear alignment of representations.

use super::{Baseline, BaselineCard, BaselinePair, Measured, baseline_card};
use forward::Observation;
use stats::InputError;
use stats::cka::{CentredGram, biased_cka};
use stats::products::row_products;
use std::collections::BTreeMap;

baseline_card! {
    /// Representation encoding fingerprints.
    ///
    /// # Formula
    /// `CKA(X, Y) = HSIC(XXᵀ, YYᵀ) / √(HSIC(XXᵀ, XXᵀ) HSIC(YYᵀ, YYᵀ))` with the biased `HSIC(K, L) = tr(KHLH) / (m − 1)²`; the mean over blocks.
    /// # Shapes
    /// X and Y `[m, width]`: the residual stream of each of m prompts at its last word, before a block and at the same relative depth of
    /// the other model.
    /// # Departures
    /// The authors take 200 questions of TruthfulQA and show maps of all pairs of layers; here the 240 shared prompts and the layers of one
    /// depth, over the last word that both models observed.
    /// # Fails when
    /// The estimate is biased: with more coordinates than prompts independent representations score near 1 (.954 for 200 prompts and 4,096
    /// coordinates). Models that read the same text learn alike representations, so that students and independent models score high.
    static CARD = {
        id: "baseline.reef",
        source: "Zhang et al., REEF, arXiv:2410.14273",
        states_p: false,
        threshold: None,
    }
}

/// Fewer prompts give no Gram matrix worth the name.
const MIN_PROMPTS: usize = 16;

pub(super) struct Reef;

impl Baseline for Reef {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let (Some(ours), Some(theirs)) = (pair.reference.observation, pair.suspect.observation) else {
            return Measured::not_applicable("a side was not run on prompts");
        };
        if ours.prompts != theirs.prompts {
            return Measured::not_applicable("the two models were run on other prompts");
        }
        let rows = last_common_words(ours, theirs);
        if rows.len() < MIN_PROMPTS {
            let n = rows.len();
            return Measured::not_applicable(format!("{n} prompts have a word whose stream both models kept; {MIN_PROMPTS} are needed"));
        }
        let (rows_of_ours, rows_of_theirs): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
        let (n_ours, n_theirs) = (ours.subject.n_layers + 1, theirs.subject.n_layers + 1);
        let mut alignments = Vec::new();
        // The larger number of places walks, so that exchanging the sides changes nothing.
        let n = n_ours.max(n_theirs);
        for place in 0..n {
            let (a, b) = (same_depth(place, n, n_ours), same_depth(place, n, n_theirs));
            match (gram(ours, a, &rows_of_ours), gram(theirs, b, &rows_of_theirs)) {
                (Some(Ok(a)), Some(Ok(b))) => alignments.extend(biased_cka(&a, &b)),
                (Some(Err(error)), _) | (_, Some(Err(error))) => return Measured::not_applicable(error.to_string()),
                _ => return Measured::not_applicable("the residual stream of a side was not observed"),
            }
        }
        if alignments.is_empty() {
            return Measured::not_applicable("the residual stream of a side does not vary over the prompts");
        }
        Measured::value(alignments.iter().sum::<f64>() / alignments.len() as f64)
    }
}

/// The place of `n_other` that is as deep as `place` of `n`.
fn same_depth(place: usize, n: usize, n_other: usize) -> usize {
    if n == n_other || n < 2 {
        return place.min(n_other.saturating_sub(1));
    }
    (place as f64 / (n - 1) as f64 * (n_other - 1) as f64).round() as usize
}

/// For each prompt the rows of the last word that both models kept.
fn last_common_words(ours: &Observation, theirs: &Observation) -> Vec<(usize, usize)> {
    let index: BTreeMap<_, usize> = theirs.stream_words().iter().enumerate().map(|(row, &at)| (at, row)).collect();
    let mut last: BTreeMap<u32, (u32, usize, usize)> = BTreeMap::new();
    for (row, at) in ours.stream_words().iter().enumerate() {
        let Some(&other) = index.get(at) else { continue };
        let kept = last.entry(at.prompt).or_insert((at.word, row, other));
        if at.word >= kept.0 {
            *kept = (at.word, row, other);
        }
    }
    last.into_values().map(|(_, row, other)| (row, other)).collect()
}

fn gram(side: &Observation, layer: usize, rows: &[usize]) -> Option<Result<CentredGram, InputError>> {
    let stream = side.stream(layer)?;
    let width = side.subject.hidden;
    let chosen: Vec<f32> = rows.iter().flat_map(|&row| stream[row * width..][..width].iter().copied()).collect();
    let mut products = vec![0.0; rows.len() * rows.len()];
    Some(row_products(&chosen, &chosen, width, &mut products).and_then(|()| CentredGram::new(&products, rows.len())))
}
