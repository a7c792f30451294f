//! Proposes which weights to compare in full, from small samples of all of them: roles first, then content one-to-one, then parts of tables.

use crate::correspondence::How;
use crate::method::MethodError;
use crate::sample::{self, Sample};
use crate::side::Side;
use rayon::prelude::*;
use sources::{Rows, Slot, Space, Stack, Weight};
use stats::assignment::maximum_weight_assignment;
use std::collections::{BTreeMap, BTreeSet};

/// A sampled cosine that makes a proposal by role final.
pub(crate) const ROLE_IS_RIGHT: f64 = 0.25;
/// A sampled cosine at which one reference weight may be the origin of several suspect weights.
pub(crate) const STRIKING: f64 = 0.5;
/// Standard deviations of a sampled cosine that chance must not reach among thousands of pairs.
pub(crate) const SAMPLE_SDS: f64 = 7.0;
/// Classes with more pairs than this are paired by role only.
const MAX_CLASS_PAIRS: usize = 1_000_000;

/// A pair whose samples were compared.
pub(crate) struct Candidate {
    /// Candidates of one class have one shape, up to orientation.
    pub(crate) class: usize,
    pub(crate) reference: usize,
    pub(crate) suspect: usize,
    pub(crate) cosine: f64,
    pub(crate) transposed: bool,
}

pub(crate) fn same_role(a: Slot, b: Slot) -> bool {
    (a.role, a.part, a.stack, a.expert) == (b.role, b.part, b.stack, b.expert)
}

pub(crate) fn samples(side: &Side<'_>, seed: u64) -> Result<Vec<Sample>, MethodError> {
    Ok(side.weights.par_iter().map(|weight| Sample::read(side.model, weight, seed)).collect::<Result<_, _>>()?)
}

/// Sampled cosines of all pairs of a compatible shape, in either orientation.
pub(crate) fn compare_classes(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    reference_samples: &[Sample],
    suspect_samples: &[Sample],
) -> Vec<Candidate> {
    let shape = |w: &Weight| (w.rows.max(w.cols), w.rows.min(w.cols));
    let mut classes: BTreeMap<(usize, usize), (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, weight) in reference.weights.iter().enumerate() {
        classes.entry(shape(weight)).or_default().0.push(index);
    }
    for (index, weight) in suspect.weights.iter().enumerate() {
        classes.entry(shape(weight)).or_default().1.push(index);
    }
    let mut candidates = Vec::new();
    for (class, (rows, cols)) in classes.into_values().enumerate() {
        let by_role_only = rows.len() * cols.len() > MAX_CLASS_PAIRS;
        let originals: Vec<Vec<f32>> = rows.iter().map(|&row| reference_samples[row].oriented(false)).collect();
        let of_suspect: Vec<Vec<Candidate>> = cols
            .par_iter()
            .map(|&col| {
                let weight = &suspect.weights[col];
                let (straight, turned) = (suspect_samples[col].oriented(false), suspect_samples[col].oriented(true));
                let mut found = Vec::new();
                for (&row, original) in rows.iter().zip(&originals) {
                    let other = &reference.weights[row];
                    if by_role_only && !matches!((other.slot, weight.slot), (Some(r), Some(s)) if r == s) {
                        continue;
                    }
                    let upright = (other.rows == weight.rows && other.cols == weight.cols).then(|| sample::cosine(original, &straight));
                    let lying = (other.rows == weight.cols && other.cols == weight.rows && weight.cols > 1)
                        .then(|| sample::cosine(original, &turned));
                    // Only a view of whole rows in order can be turned; one of the two must be.
                    let lying = lying.filter(|_| weight.view.rows == Rows::All || other.view.rows == Rows::All);
                    let (cosine, transposed) = match (upright, lying) {
                        (Some(up), Some(down)) if down > up => (down, true),
                        (Some(up), _) => (up, false),
                        (None, Some(down)) => (down, true),
                        (None, None) => continue,
                    };
                    found.push(Candidate { class, reference: row, suspect: col, cosine, transposed });
                }
                found
            })
            .collect();
        candidates.extend(of_suspect.into_iter().flatten());
    }
    candidates
}

/// A pair to be compared in full.
pub(crate) struct Proposal {
    pub(crate) reference: usize,
    pub(crate) suspect: usize,
    pub(crate) reference_weight: Weight,
    pub(crate) suspect_weight: Weight,
    pub(crate) transposed: bool,
    pub(crate) how: How,
    pub(crate) cosine: f64,
}

impl Proposal {
    fn new(reference: &Side<'_>, suspect: &Side<'_>, c: &Candidate, how: How) -> Self {
        let mut reference_weight = reference.weights[c.reference].clone();
        let mut suspect_weight = suspect.weights[c.suspect].clone();
        if c.transposed {
            // The side whose rows lie in order, as a family that reorders the rows of a head leaves those of the other.
            let turned = if suspect_weight.view.rows == Rows::All { &mut suspect_weight } else { &mut reference_weight };
            turned.view.transposed = !turned.view.transposed;
            std::mem::swap(&mut turned.rows, &mut turned.cols);
            turned.axes.swap(0, 1);
        }
        Self {
            reference: c.reference,
            suspect: c.suspect,
            reference_weight,
            suspect_weight,
            transposed: c.transposed,
            how,
            cosine: c.cosine,
        }
    }
}

/// Roles first where the values do not contradict them, then content one-to-one, then the remaining roles.
pub(crate) fn pair_up(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    candidates: &[Candidate],
    layers: &BTreeMap<(Stack, usize), usize>,
    sample_len: usize,
) -> Vec<Proposal> {
    let is_role_pair = |c: &&Candidate| match (reference.weights[c.reference].slot, suspect.weights[c.suspect].slot) {
        (Some(r), Some(s)) => {
            same_role(r, s) && r.layer == s.layer.and_then(|layer| layers.get(&(s.stack, layer)).copied()) && !c.transposed
        }
        _ => false,
    };
    let is_convincing = |c: &&Candidate| c.cosine >= ROLE_IS_RIGHT && c.cosine >= SAMPLE_SDS / (sample_len as f64).sqrt();
    let mut taken = Taken::default();
    // A duplicated block shares its origin, so a role may use a weight of the reference again.
    candidates.iter().filter(is_role_pair).filter(is_convincing).for_each(|c| taken.take(c, How::Role));
    taken.assigned(candidates).into_iter().filter(is_convincing).for_each(|c| taken.take(c, How::Content));
    // So may a striking likeness: a table that is tied on one side only, an expert made from a dense block.
    let mut striking: Vec<&Candidate> = candidates.iter().filter(|c| c.cosine >= STRIKING).collect();
    striking.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then((a.suspect, a.reference).cmp(&(b.suspect, b.reference))));
    striking.into_iter().for_each(|c| taken.take(c, How::Content));
    candidates.iter().filter(is_role_pair).for_each(|c| taken.take(c, How::Role));
    // What is left resembles nothing; its best partner is compared in full all the same, so that the report can say how little they share.
    taken.assigned(candidates).into_iter().for_each(|c| taken.take(c, How::Content));
    taken.pairs.into_iter().map(|(c, how)| Proposal::new(reference, suspect, c, how)).collect()
}

/// The pairs chosen so far.
#[derive(Default)]
struct Taken<'a> {
    rows: BTreeSet<usize>,
    cols: BTreeSet<usize>,
    pairs: Vec<(&'a Candidate, How)>,
}

impl<'a> Taken<'a> {
    /// Gives a suspect weight its partner, unless it has one.
    fn take(&mut self, c: &'a Candidate, how: How) {
        if self.cols.insert(c.suspect) {
            self.rows.insert(c.reference);
            self.pairs.push((c, how));
        }
    }

    /// The one-to-one pairing of what is free with the largest sum of cosines, class by class.
    fn assigned(&self, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
        let mut classes: BTreeMap<usize, Vec<&Candidate>> = BTreeMap::new();
        for c in candidates.iter().filter(|c| !self.rows.contains(&c.reference) && !self.cols.contains(&c.suspect)) {
            classes.entry(c.class).or_default().push(c);
        }
        let mut chosen = Vec::new();
        for class in classes.into_values() {
            let rows = Vec::from_iter(class.iter().map(|c| c.reference).collect::<BTreeSet<_>>());
            let cols = Vec::from_iter(class.iter().map(|c| c.suspect).collect::<BTreeSet<_>>());
            // Cosines are shifted, so that any candidate beats a pair that is none.
            let mut weights = vec![0.0f64; rows.len() * cols.len()];
            let mut places: BTreeMap<(usize, usize), &Candidate> = BTreeMap::new();
            for c in class {
                if let (Ok(row), Ok(col)) = (rows.binary_search(&c.reference), cols.binary_search(&c.suspect)) {
                    weights[row * cols.len() + col] = 2.0 + c.cosine;
                    places.insert((row, col), c);
                }
            }
            // Cosines are finite, so there is an assignment.
            let Ok(assignment) = maximum_weight_assignment(&weights, rows.len(), cols.len()) else { continue };
            chosen.extend(assignment.column_of_row.iter().enumerate().filter_map(|(row, col)| places.get(&(row, (*col)?)).copied()));
        }
        chosen.sort_by_key(|c| (c.suspect, c.reference));
        chosen
    }
}

/// Embedding tables of different lengths: by token strings where both tokenizers are known, else from the start.
pub(crate) fn propose_subsets(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    seed: u64,
    proposals: &mut Vec<Proposal>,
) -> Result<(), MethodError> {
    let paired_rows: BTreeSet<usize> = proposals.iter().filter(|p| p.cosine >= ROLE_IS_RIGHT).map(|p| p.reference).collect();
    let weak: BTreeSet<usize> = proposals.iter().filter(|p| p.cosine < ROLE_IS_RIGHT).map(|p| p.suspect).collect();
    let paired: BTreeSet<usize> = proposals.iter().map(|p| p.suspect).collect();
    let common = common_tokens(reference, suspect);
    for (index, weight) in suspect.weights.iter().enumerate() {
        if weight.cols < 8 || weight.rows < 64 || (paired.contains(&index) && !weak.contains(&index)) || weight.view.rows != Rows::All {
            continue;
        }
        let mut best: Option<Proposal> = None;
        for (row, other) in reference.weights.iter().enumerate() {
            let roles_agree = match (other.slot, weight.slot) {
                (Some(r), Some(s)) => same_role(r, s) || [r.role, s.role].iter().all(|role| role.is_table()),
                _ => true,
            };
            if other.cols != weight.cols || !roles_agree || other.view.rows != Rows::All || paired_rows.contains(&row) {
                continue;
            }
            let mut attempts: Vec<(How, Vec<usize>, Vec<usize>)> = Vec::new();
            if let Some((reference_ids, suspect_ids)) =
                common.as_ref().filter(|_| is_vocabulary(reference, other) && is_vocabulary(suspect, weight))
            {
                let ids: Vec<(usize, usize)> = reference_ids
                    .iter()
                    .zip(suspect_ids)
                    .map(|(&r, &s)| (r, s))
                    .filter(|&(r, s)| r < other.rows && s < weight.rows)
                    .collect();
                attempts.push((How::Tokens, ids.iter().map(|p| p.0).collect(), ids.iter().map(|p| p.1).collect()));
            }
            if other.rows != weight.rows {
                let shorter: Vec<usize> = (0..other.rows.min(weight.rows)).collect();
                attempts.push((How::Prefix, shorter.clone(), shorter));
            }
            for (how, reference_rows, suspect_rows) in attempts.into_iter().filter(|(_, rows, _)| rows.len() >= 64) {
                let reference_weight = other.with_rows(reference_rows);
                let suspect_weight = weight.with_rows(suspect_rows);
                let a = Sample::read(reference.model, &reference_weight, seed)?.oriented(false);
                let b = Sample::read(suspect.model, &suspect_weight, seed)?.oriented(false);
                let cosine = sample::cosine(&a, &b);
                if cosine >= ROLE_IS_RIGHT && best.as_ref().is_none_or(|best| cosine > best.cosine) {
                    best =
                        Some(Proposal { reference: row, suspect: index, reference_weight, suspect_weight, transposed: false, how, cosine });
                }
            }
        }
        if let Some(best) = best {
            proposals.retain(|p| p.suspect != index);
            proposals.push(best);
        }
    }
    Ok(())
}

fn is_vocabulary(side: &Side<'_>, weight: &Weight) -> bool {
    let tokens = side.model.vocabulary.as_ref().map_or(usize::MAX, |v| v.tokens.len());
    // Tables are padded to round lengths, never cut below the tokenizer by much.
    weight.axes[0].space == Space::Vocabulary || (weight.rows >= tokens && weight.rows < tokens.saturating_add(tokens / 8 + 256))
}

/// Ids of the tokens that decode to the same bytes on both sides, in the order of the suspect's ids.
pub(crate) fn common_tokens(reference: &Side<'_>, suspect: &Side<'_>) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut common = reference.model.vocabulary.as_ref()?.common(suspect.model.vocabulary.as_ref()?);
    common.sort_unstable_by_key(|&(_, suspect)| suspect);
    Some(common.into_iter().unzip())
}

/// The two most similar reference weights of each suspect weight.
pub(crate) fn runner_ups(candidates: &[Candidate]) -> BTreeMap<usize, Vec<(usize, f64)>> {
    let mut best: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for c in candidates {
        let list = best.entry(c.suspect).or_default();
        list.push((c.reference, c.cosine));
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        list.truncate(2);
    }
    best
}
