//! `weights.matrix-match`: matrices paired by content, without family, names or orientation.

use crate::card::{Card, card};
use crate::correspondence::Pair;
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};
use rayon::prelude::*;
use sources::view;
use stats::alignment::{Centring, RowAlignment, RowPair, align_rows, coincidence_p};
use stats::{NullDistribution, PValue, sampling};

card! {
    /// # Question
    /// Does each matrix of the suspect correspond to one matrix of the reference, whatever their names, files and orientation?
    /// # Null hypothesis
    /// The two models were initialised independently. Then at least one axis of every matrix indexes units whose order is uniformly random
    /// (or, where both axes index the same units, their common order is).
    /// # Statistic
    /// Every 2-D tensor of the suspect against every one of a compatible shape, turned too, by the cosine of a centred grid of at most 4,096
    /// entries; paired one-to-one; then the correlation over all elements. The statistic is the mean correlation of the paired matrices,
    /// weighted by elements. Best and runner-up of each stand in the parts. Large values count.
    /// # Shapes and units
    /// Two `[rows, cols]` matrices a pair; the alignment is tested on at most 512 × 512 drawn entries. Correlations, dimensionless.
    /// # Null distribution
    /// A bound. For each pair the alignment of rows and that of columns are tested (exact coincidences or Chatterjee's bound, times 2), and
    /// the *larger* p-value is kept: valid if either axis is exchangeable. Where one side is a multiple of the other, both axes may index
    /// the same units; rows and columns are then drawn from two disjoint halves of the units, and the test is valid for a common
    /// permutation of both axes too. The smallest over the pairs counts, times the number of all candidate pairs and their two orientations.
    /// # Assumptions
    /// One axis of each matrix is exchangeable, which nobody has to name.
    /// # Survives
    /// Renaming, other containers, transposition, fine-tuning, pruning, quantisation, merging, vocabulary cuts; long pretraining in part.
    /// # Fails when
    /// Units were permuted on purpose or the residual stream was rotated; widths differ. Significant is not large: the scope counts only correlations of size.
    /// # Reference
    /// Our own; the tests are those of weights.unit-alignment.
    /// # Example
    /// `all-MiniLM-L6-v2` against its int8 ONNX export with anonymous names: lowest best correlation .9998, highest runner-up .14 (preliminary run, `real-pairs.toml`).
    pub(crate) static CARD = {
        id: "weights.matrix-match",
        question: Question::Derivation,
        null: "the two models were initialised independently, so one axis of every matrix is in random order",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity::correlation("mean correlation"),
        needs: Preparation::Correspondence,
        access: &[Access::Weights],
        reference: "own; Hoeffding 1951; Chatterjee 2007",
    }
}

pub(crate) struct MatrixMatch;

/// Entries drawn of each axis for the tests.
const DRAWN: usize = 512;
/// Pairs that are tested: those of the largest sampled cosine.
const MAX_TESTED: usize = 256;
/// Parts that may be stacked along an axis over the same units: gates, fused projections, the widening of an MLP.
const MAX_PARTS: usize = 8;
/// The smallest matrix whose alignment says anything.
const MIN_AXIS: usize = 4;

impl Method for MatrixMatch {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let mut pairs: Vec<&Pair> = case
            .correspondence
            .pairs
            .iter()
            .filter(|p| p.suspect_weight.rows >= MIN_AXIS && p.suspect_weight.cols >= MIN_AXIS && p.moments.pearson().is_some())
            .collect();
        if pairs.is_empty() {
            return Ok(Outcome::not_applicable("no matrix of the suspect has the shape of a matrix of the reference"));
        }
        let elements: f64 = pairs.iter().map(|p| p.elements() as f64).sum();
        let mean = pairs.iter().map(|p| p.correlation() * p.elements() as f64).sum::<f64>() / elements;
        let lowest = pairs.iter().map(|p| p.correlation()).min_by(f64::total_cmp).unwrap_or(0.0);
        let runner_up = pairs.iter().filter_map(|p| p.runner_up).max_by(f64::total_cmp);

        pairs.sort_by(|a, b| b.sampled.total_cmp(&a.sampled).then(a.suspect.cmp(&b.suspect)));
        let tested: Vec<(&Pair, Option<PValue>)> =
            pairs.par_iter().take(MAX_TESTED).map(|pair| Ok((*pair, alignment_p(case, pair)?))).collect::<Result<_, MethodError>>()?;
        // Each candidate could have been taken in either orientation.
        let candidates = 2.0 * case.correspondence.candidates.max(pairs.len() as u64) as f64;
        let smallest = tested.iter().filter_map(|(_, p)| *p).min_by(|a, b| a.ln().total_cmp(&b.ln()));
        let p = smallest.map(|p| {
            PValue::new(p.ln() + candidates.ln(), NullDistribution::Bound { of: "largest over axes, Bonferroni over all candidate pairs" })
        });

        let mut parts = vec![Explanation::leaf("lowest best correlation", lowest, "1", format!("over {} paired matrices", pairs.len()))];
        parts.extend(runner_up.map(|r| {
            Explanation::leaf("highest runner-up", r, "1", "sampled cosine of a suspect matrix with its second-best counterpart")
        }));
        parts.push(Explanation::leaf(
            "candidate pairs",
            candidates,
            "pairs",
            "of a compatible shape and an orientation, by which the smallest p-value was multiplied",
        ));
        parts.extend(tested.iter().map(|(pair, p)| Explanation {
            label: case.suspect.weights[pair.suspect].label(),
            value: Some(pair.correlation()),
            unit: "1",
            words: format!(
                "correlation with `{}`, paired by {}{}",
                case.reference.weights[pair.reference].label(),
                pair.how.name(),
                p.map_or(String::new(), |p| format!("; log10 p of the alignment {:.1}", p.log10()))
            ),
            parts: pair.runner_up.map(|r| Explanation::leaf("runner-up", r, "1", "sampled cosine")).into_iter().collect(),
        }));
        let explanation = Explanation {
            label: "paired matrices".into(),
            value: Some(mean),
            unit: "1",
            words: format!(
                "mean correlation of {} paired matrices, lowest {lowest:.4}{}",
                pairs.len(),
                runner_up.map_or(String::new(), |r| format!(", highest runner-up {r:.2}"))
            ),
            parts,
        };
        Ok(Outcome::Observed(Observation::new(mean, pairs.len(), p, explanation)))
    }
}

/// The larger p-value of the two axes of a pair, on drawn rows and columns; `None` where it cannot be computed.
fn alignment_p(case: &Case<'_>, pair: &Pair) -> Result<Option<PValue>, MethodError> {
    let (rows, cols) = Drawn::of(case, pair);
    let (drawn_rows, drawn_cols) = (rows.indices(), cols.indices());
    let (mut a, mut b) = (Vec::new(), Vec::new());
    view::gather(case.reference.model, &pair.reference_weight, &drawn_rows, &drawn_cols, &mut a)?;
    view::gather(case.suspect.model, &pair.suspect_weight, &drawn_rows, &drawn_cols, &mut b)?;
    let by_rows = axis_p(&a, &b, &rows, drawn_cols.len());
    let by_cols = axis_p(&turned(&a, drawn_cols.len()), &turned(&b, drawn_cols.len()), &cols, drawn_rows.len());
    Ok(by_rows.zip(by_cols).map(|(by_rows, by_cols)| if by_rows.ln() >= by_cols.ln() { by_rows } else { by_cols }))
}

/// Units drawn of one axis.
struct Drawn {
    /// Of the units of one stacked part.
    units: Vec<usize>,
    /// Parts that are stacked along the axis, each over the same units: the gates of a recurrent layer. 1 for a plain axis.
    parts: usize,
    /// Length of one part.
    part_len: usize,
}

impl Drawn {
    /// The rows and the columns to test.
    ///
    /// Where one axis is a multiple of the other, both may index the same units (recurrent gates, head transforms), and permuting one
    /// axis alone is then no symmetry. Two disjoint halves of the units, one for each axis, make it one: a permutation that moves
    /// the one half only leaves the other axis as it is, and moves the unit's rows in all stacked parts together.
    fn of(case: &Case<'_>, pair: &Pair) -> (Self, Self) {
        let (rows, cols) = (pair.suspect_weight.rows, pair.suspect_weight.cols);
        let (long, short) = (rows.max(cols), rows.min(cols));
        // Axes that either family declares settle the question for both: they differ, or index no common units.
        let declares = |weight: &sources::Weight| weight.slot.is_some() && weight.axes[0].space != weight.axes[1].space;
        let is_declared = declares(&pair.reference_weight) || declares(&pair.suspect_weight);
        if is_declared || !long.is_multiple_of(short) || long / short > MAX_PARTS {
            let plain = |label: &str, n: usize| Self { units: sampling::draw(case.seed, label, n, DRAWN), parts: 1, part_len: n };
            return (plain("matrix rows", rows), plain("matrix cols", cols));
        }
        let drawn = sampling::draw(case.seed, "matrix units", short, 2 * DRAWN);
        // Alternating, so that both halves spread over the whole axis.
        let half = |odd: bool| drawn.iter().enumerate().filter(|(i, _)| (i % 2 == 1) == odd).map(|(_, &unit)| unit).collect();
        (
            Self { units: half(false), parts: rows / short, part_len: short },
            Self { units: half(true), parts: cols / short, part_len: short },
        )
    }

    /// The indices along the axis, part by part.
    fn indices(&self) -> Vec<usize> {
        (0..self.parts).flat_map(|part| self.units.iter().map(move |&unit| part * self.part_len + unit)).collect()
    }
}

fn turned(values: &[f32], cols: usize) -> Vec<f32> {
    (0..cols).flat_map(|col| values.iter().skip(col).step_by(cols).copied()).collect()
}

/// The alignment of the units of one axis; the parts share the permutation.
fn axis_p(a: &[f32], b: &[f32], drawn: &Drawn, width: usize) -> Option<PValue> {
    let n = drawn.units.len();
    let pairs: Vec<RowPair<'_>> = a
        .chunks_exact(n * width)
        .zip(b.chunks_exact(n * width))
        .map(|(reference, suspect)| RowPair { reference, suspect, width })
        .collect();
    let alignment: RowAlignment = align_rows(&pairs, n, Centring::Columns).ok()?;
    let by_coincidence = coincidence_p(&[alignment.coincidences()]).ok()?;
    let by_bound = alignment.chatterjee_bound();
    let smaller = if by_coincidence.ln() <= by_bound.ln() { by_coincidence } else { by_bound };
    Some(PValue::new(smaller.ln() + 2f64.ln(), NullDistribution::Bound { of: "the smaller of two, times 2" }))
}
