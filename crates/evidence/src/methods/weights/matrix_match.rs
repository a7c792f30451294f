//! `weights.matrix-match`: matrices paired by content, without family, names or orientation.

use crate::card::{Access, Card, NullBasis, Quantity, Question, Tail, card};
use crate::correspondence::Pair;
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome};
use rayon::prelude::*;
use sources::view;
use stats::alignment::{Centring, RowAlignment, RowPair, align_rows, coincidence_p, joint_permutation};
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
    /// A bound. For each pair the alignment of rows, of columns and, where one side is a multiple of the other, of both together are tested
    /// (exact coincidences or Chatterjee's bound, times 2; 9,999 joint permutations), and the *largest* p-value is kept: valid if any one
    /// of the axes is exchangeable. The smallest over the pairs counts, times the number of all candidate pairs and their two orientations.
    /// # Assumptions
    /// One axis of each matrix is exchangeable, which nobody has to name.
    /// # Survives
    /// Renaming, other containers, transposition, fine-tuning, pruning, quantisation, merging, vocabulary cuts; long pretraining in part.
    /// # Fails when
    /// Units were permuted on purpose or the residual stream was rotated; widths differ. Significant is not large: the scope counts only correlations of size.
    /// # Reference
    /// Our own; the tests are those of weights.unit-alignment. Joint permutation after Mantel (1967).
    /// # Example
    /// `all-MiniLM-L6-v2` against its int8 ONNX export with anonymous names: lowest best correlation .9998, highest runner-up .14 (preliminary run, `real-pairs.toml`).
    pub(crate) static CARD = {
        id: "weights.matrix-match",
        question: Question::Derivation,
        null: "the two models were initialised independently, so one axis of every matrix is in random order",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity { symbol: "mean correlation", unit: "1", range: (-1.0, 1.0), tail: Tail::Upper },
        access: &[Access::Weights],
        reference: "own; Chatterjee 2007; Mantel 1967",
    }
}

pub(crate) struct MatrixMatch;

/// Entries drawn of each axis for the tests.
const DRAWN: usize = 512;
/// Pairs that are tested: those of the largest sampled cosine.
const MAX_TESTED: usize = 256;
/// Permutations of both axes together, and the largest axis for which they are affordable.
const JOINT_DRAWS: u32 = 9_999;
const JOINT_UNITS: usize = 64;
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

/// The largest p-value over the axes of a pair, on drawn rows and columns; `None` where it cannot be computed.
fn alignment_p(case: &Case<'_>, pair: &Pair) -> Result<Option<PValue>, MethodError> {
    let (rows, cols) = (pair.suspect_weight.rows, pair.suspect_weight.cols);
    let drawn_rows = sampling::draw(case.seed, "matrix rows", rows, rows.min(DRAWN));
    let drawn_cols = sampling::draw(case.seed, "matrix cols", cols, cols.min(DRAWN));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    view::gather(case.reference.model, &pair.reference_weight, &drawn_rows, &drawn_cols, &mut a)?;
    view::gather(case.suspect.model, &pair.suspect_weight, &drawn_rows, &drawn_cols, &mut b)?;
    let by_rows = axis_p(&a, &b, drawn_rows.len(), drawn_cols.len());
    let by_cols = axis_p(&turned(&a, drawn_cols.len()), &turned(&b, drawn_cols.len()), drawn_cols.len(), drawn_rows.len());
    let (Some(by_rows), Some(by_cols)) = (by_rows, by_cols) else { return Ok(None) };
    let mut largest = if by_rows.ln() >= by_cols.ln() { by_rows } else { by_cols };
    if let Some(joint) = joint_p(case, pair)? {
        largest = if joint.ln() > largest.ln() { joint } else { largest };
    }
    Ok(Some(largest))
}

fn turned(values: &[f32], cols: usize) -> Vec<f32> {
    (0..cols).flat_map(|col| values.iter().skip(col).step_by(cols).copied()).collect()
}

fn axis_p(a: &[f32], b: &[f32], units: usize, width: usize) -> Option<PValue> {
    let alignment: RowAlignment = align_rows(&[RowPair { reference: a, suspect: b, width }], units, Centring::Columns).ok()?;
    let by_coincidence = coincidence_p(&[alignment.coincidences()]).ok()?;
    let by_bound = alignment.chatterjee_bound();
    let smaller = if by_coincidence.ln() <= by_bound.ln() { by_coincidence } else { by_bound };
    Some(PValue::new(smaller.ln() + 2f64.ln(), NullDistribution::Bound { of: "the smaller of two, times 2" }))
}

/// Both axes together, where one is a multiple of the other and the two may index the same units: recurrent gates, head transforms.
fn joint_p(case: &Case<'_>, pair: &Pair) -> Result<Option<PValue>, MethodError> {
    let (rows, cols) = (pair.suspect_weight.rows, pair.suspect_weight.cols);
    let (long, short) = (rows.max(cols), rows.min(cols));
    // Axes that either family declares settle the question for both: they differ, or index no common units.
    let declares = |weight: &sources::Weight| weight.slot.is_some() && weight.axes[0].space != weight.axes[1].space;
    let declared = declares(&pair.reference_weight) || declares(&pair.suspect_weight);
    if declared || !long.is_multiple_of(short) || long / short > 4 {
        return Ok(None);
    }
    let units = sampling::draw(case.seed, "joint", short, short.min(JOINT_UNITS));
    let stacked: Vec<usize> = (0..long / short).flat_map(|block| units.iter().map(move |&u| block * short + u)).collect();
    let read = |source: &sources::Model, weight: &sources::Weight| -> Result<Vec<f32>, MethodError> {
        let mut values = Vec::new();
        if rows >= cols {
            view::gather(source, weight, &stacked, &units, &mut values)?;
        } else {
            view::gather(source, weight, &units, &stacked, &mut values)?;
            values = turned(&values, stacked.len());
        }
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
        values.iter_mut().for_each(|v| *v -= mean as f32);
        Ok(values)
    };
    let a = read(case.reference.model, &pair.reference_weight)?;
    let b = read(case.suspect.model, &pair.suspect_weight)?;
    let mut generator = sampling::generator(case.seed, "joint permutations");
    Ok(joint_permutation(&a, &b, long / short, units.len(), JOINT_DRAWS, &mut generator).ok().map(|joint| joint.p))
}
