//! Which tensor of the suspect is compared with which of the reference: by role along the best path of blocks, else by content.
//!
//! Names decide nothing. A role is only a proposal; a pair whose sampled values disagree gives way to the content.

use crate::method::MethodError;
use crate::pair_pass;
use crate::sample::{self, Sample};
use crate::side::Side;
use rayon::prelude::*;
use sources::{Role, Rows, Slot, Space, Weight};
use stats::assignment::maximum_weight_assignment;
use stats::moments::PairedMoments;
use std::collections::{BTreeMap, BTreeSet};

/// How a pair came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Same role at the same place of the block path.
    Role,
    /// Most similar sampled values among all of a compatible shape, one-to-one.
    Content,
    /// Rows of a vocabulary matched by the byte strings of their tokens.
    Tokens,
    /// Rows of a longer table compared from its start.
    Prefix,
}

impl How {
    /// As in the JSON report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Content => "content",
            Self::Tokens => "tokens",
            Self::Prefix => "prefix",
        }
    }
}

/// Two weights of one shape, compared in full.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Index into the reference's weights.
    pub reference: usize,
    /// Index into the suspect's weights.
    pub suspect: usize,
    /// The reference's weight as compared: the common rows, say.
    pub reference_weight: Weight,
    /// The suspect's weight as compared: turned, or the common rows.
    pub suspect_weight: Weight,
    /// Whether the suspect stores it the other way round.
    pub transposed: bool,
    /// Why these two.
    pub how: How,
    /// Cosine of the samples.
    pub sampled: f64,
    /// Sampled cosine with the next best weight of the reference.
    pub runner_up: Option<f64>,
    /// Of the full pass.
    pub moments: PairedMoments,
    /// Whether the two are alike in size, not only beyond chance.
    is_shared: bool,
}

/// Below this correlation a matrix is not called shared, however significant: significance excludes chance, size decides the scope.
const SHARED_MATRIX: f64 = 0.2;
/// Vectors are short and alike in all models, so more is asked of them: norm gains of two halves of one T5, which share nothing but the
/// residual coordinates, correlate at .58.
const SHARED_VECTOR: f64 = 0.8;
/// A sampled cosine that makes a proposal by role final.
const ROLE_IS_RIGHT: f64 = 0.25;
/// A sampled cosine at which one reference weight may be the origin of several suspect weights.
const STRIKING: f64 = 0.5;
/// Standard deviations of a sampled cosine that chance must not reach among thousands of pairs.
const SAMPLE_SDS: f64 = 7.0;
/// Classes with more pairs than this are paired by role only.
const MAX_CLASS_PAIRS: usize = 1_000_000;

impl Pair {
    /// Correlation of all elements, centred: the raw cosine of norm gains is .996 between strangers.
    pub fn correlation(&self) -> f64 {
        self.moments.pearson().unwrap_or(0.0)
    }

    /// Whether every element is bit-identical after widening, and they are not all one value.
    pub fn is_identical(&self) -> bool {
        self.moments.n_equal == self.moments.n && self.moments.pearson().is_some()
    }

    /// Whether the two are alike in size, not only beyond chance. A vector counts only where it is identical or some matrix is shared too:
    /// biases and gains of strangers can be alike, because all networks want them so.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn is_matrix(&self) -> bool {
        self.suspect_weight.cols > 1 && self.suspect_weight.rows > 1
    }

    fn is_alike(&self) -> bool {
        let floor = if self.is_matrix() { SHARED_MATRIX } else { SHARED_VECTOR };
        // Rows around one mean correlate as those means do; the sample is centred by rows and columns.
        let beyond_means = !self.is_matrix() || self.sampled >= SHARED_MATRIX / 2.0;
        beyond_means && self.correlation() >= floor.max(SAMPLE_SDS / (self.moments.n as f64).sqrt())
    }

    /// Elements compared.
    pub fn elements(&self) -> u64 {
        self.suspect_weight.elements() as u64
    }
}

/// Similarity of blocks, and the path through them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockMatrix {
    /// Labels of the reference's blocks or tensors.
    pub rows: Vec<String>,
    /// Labels of the suspect's.
    pub cols: Vec<String>,
    /// Mean sampled cosine of the matrices of equal role, row-major; `None` where no shape is common.
    pub values: Vec<Option<f64>>,
    /// For each column the row on the path.
    pub path: Vec<Option<usize>>,
}

/// All pairs of a case.
#[derive(Debug, Clone, Default)]
pub struct Correspondence {
    /// Ordered by the suspect's weights.
    pub pairs: Vec<Pair>,
    /// Suspect weights for which the reference has no weight of a compatible shape.
    pub incomparable: Vec<usize>,
    /// Suspect weights that other weights of their shape took the partners of.
    pub unmatched: Vec<usize>,
    /// Number of (reference, suspect) pairs whose samples were compared: the multiplicity of every selected p-value.
    pub candidates: u64,
    /// Block by block, or tensor by tensor where a side has no family.
    pub blocks: BlockMatrix,
    /// Whether both sides have blocks by a family and the path is not the diagonal.
    pub layers_changed: bool,
    /// For each suspect block the reference block that roles are taken from.
    pub(crate) layers: BTreeMap<(sources::Stack, usize), usize>,
}

struct Candidate {
    /// Candidates of one class have one shape, up to orientation.
    class: usize,
    reference: usize,
    suspect: usize,
    cosine: f64,
    transposed: bool,
}

impl Correspondence {
    /// Pairs the weights of two sides and compares each pair in full. `advance` is told the bytes done.
    pub fn find(reference: &Side<'_>, suspect: &Side<'_>, seed: u64, advance: &(dyn Fn(u64) + Sync)) -> Result<Self, MethodError> {
        let reference_samples = samples(reference, seed)?;
        let suspect_samples = samples(suspect, seed)?;
        let candidates = compare_classes(reference, suspect, &reference_samples, &suspect_samples);
        let mut found = Self { candidates: candidates.len() as u64, ..Self::default() };
        found.layers = found.find_path(reference, suspect, &candidates);
        let mut proposals = pair_up(reference, suspect, &candidates, &found.layers, reference_samples.iter().map(Sample::len).max().unwrap_or(1));
        propose_subsets(reference, suspect, seed, &mut proposals)?;

        let comparable: BTreeSet<usize> = candidates.iter().map(|c| c.suspect).collect();
        let paired: BTreeSet<usize> = proposals.iter().map(|p| p.suspect).collect();
        for index in (0..suspect.weights.len()).filter(|index| !paired.contains(index)) {
            if comparable.contains(&index) { found.unmatched.push(index) } else { found.incomparable.push(index) }
        }
        let runner_ups = runner_ups(&candidates);
        found.pairs = proposals
            .into_par_iter()
            .map(|p| {
                let moments = pair_pass::moments(reference.model, &p.reference_weight, suspect.model, &p.suspect_weight, advance)?;
                let runner_up = runner_ups.get(&p.suspect).and_then(|best| best.iter().find(|(row, _)| *row != p.reference).map(|&(_, cosine)| cosine));
                Ok(Pair {
                    reference: p.reference,
                    suspect: p.suspect,
                    reference_weight: p.reference_weight,
                    suspect_weight: p.suspect_weight,
                    transposed: p.transposed,
                    how: p.how,
                    sampled: p.cosine,
                    runner_up,
                    moments,
                    is_shared: false,
                })
            })
            .collect::<Result<_, MethodError>>()?;
        found.pairs.sort_by_key(|pair| pair.suspect);
        let some_matrix = found.pairs.iter().any(|pair| pair.is_matrix() && pair.is_alike());
        for pair in &mut found.pairs {
            pair.is_shared = pair.is_identical() || (pair.is_alike() && (pair.is_matrix() || some_matrix));
        }
        if found.blocks.values.is_empty() {
            found.blocks = tensor_matrix(reference, suspect, &candidates, &found.pairs);
        }
        Ok(found)
    }

    /// Fills [`Self::blocks`] and gives, for each suspect block, the reference block to propose roles from.
    fn find_path(&mut self, reference: &Side<'_>, suspect: &Side<'_>, candidates: &[Candidate]) -> BTreeMap<(sources::Stack, usize), usize> {
        let mut layers = BTreeMap::new();
        let (Some(reference_binding), Some(suspect_binding)) = (&reference.model.binding, &suspect.model.binding) else { return layers };
        let mut sums: BTreeMap<(sources::Stack, usize, usize), (f64, usize)> = BTreeMap::new();
        for c in candidates {
            let (Some(r), Some(s)) = (reference.weights[c.reference].slot, suspect.weights[c.suspect].slot) else { continue };
            let (Some(row), Some(col)) = (r.layer, s.layer) else { continue };
            if same_role(r, s) && suspect.weights[c.suspect].cols > 1 {
                let sum = sums.entry((s.stack, row, col)).or_default();
                *sum = (sum.0 + c.cosine, sum.1 + 1);
            }
        }
        for &(stack, n_suspect) in &suspect_binding.layers {
            let n_reference = reference_binding.layers.iter().find(|(s, _)| *s == stack).map_or(0, |&(_, n)| n);
            let value = |row: usize, col: usize| sums.get(&(stack, row, col)).map(|&(sum, n)| sum / n as f64);
            let mut path = best_path(n_reference, n_suspect, value);
            add_returns(&mut path, n_reference, value);
            let diagonal = n_suspect <= n_reference && diagonal_is_as_good(&path, value);
            // The blocks that a truncated file, or a file with a part of the tensors, lacks were not taken away by anybody.
            let has_moved = path.iter().enumerate().any(|(col, row)| row.is_some_and(|row| row != col));
            self.layers_changed |= if is_whole(reference) && is_whole(suspect) { !diagonal || n_reference != n_suspect } else { !diagonal && has_moved };
            let (row_base, n_rows) = (self.blocks.rows.len(), n_reference);
            extend_matrix(&mut self.blocks, stack, n_rows, n_suspect, value);
            for col in 0..n_suspect {
                let row = if diagonal { Some(col) } else { path[col] };
                self.blocks.path.push(row.map(|row| row_base + row));
                // A block that resembles none is still compared with its own place, so that the report shows what was seen there.
                if let Some(row) = row.or((col < n_reference).then_some(col)) {
                    layers.insert((stack, col), row);
                }
            }
        }
        layers
    }

    /// Shared elements of the suspect.
    pub fn shared_elements(&self) -> u64 {
        self.pairs.iter().filter(|p| p.is_shared()).map(Pair::elements).sum()
    }
}

/// Whether a checkpoint holds a model from its first block to its last: one with a table of tokens, and without gaps among the blocks.
fn is_whole(side: &Side<'_>) -> bool {
    let Some(binding) = &side.model.binding else { return false };
    let blocks: BTreeSet<_> = side.weights.iter().filter_map(|w| Some((w.slot?.stack, w.slot?.layer?))).collect();
    let n_blocks: usize = binding.layers.iter().map(|&(_, n)| n).sum();
    let has_table = side.weights.iter().any(|w| w.slot.is_some_and(|slot| slot.role == Role::Embed));
    !side.model.is_truncated && has_table && n_blocks > 0 && blocks.len() == n_blocks
}

fn same_role(a: Slot, b: Slot) -> bool {
    (a.role, a.part, a.stack, a.expert) == (b.role, b.part, b.stack, b.expert)
}

fn samples(side: &Side<'_>, seed: u64) -> Result<Vec<Sample>, MethodError> {
    Ok(side.weights.par_iter().map(|weight| Sample::read(side.model, weight, seed)).collect::<Result<_, _>>()?)
}

/// Sampled cosines of all pairs of a compatible shape, in either orientation.
fn compare_classes(reference: &Side<'_>, suspect: &Side<'_>, reference_samples: &[Sample], suspect_samples: &[Sample]) -> Vec<Candidate> {
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
                    let lying = (other.rows == weight.cols && other.cols == weight.rows && weight.cols > 1).then(|| sample::cosine(original, &turned));
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

struct Proposal {
    reference: usize,
    suspect: usize,
    reference_weight: Weight,
    suspect_weight: Weight,
    transposed: bool,
    how: How,
    cosine: f64,
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
        Self { reference: c.reference, suspect: c.suspect, reference_weight, suspect_weight, transposed: c.transposed, how, cosine: c.cosine }
    }
}

/// Roles first where the values do not contradict them, then content one-to-one, then the remaining roles.
fn pair_up(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    candidates: &[Candidate],
    layers: &BTreeMap<(sources::Stack, usize), usize>,
    sample_len: usize,
) -> Vec<Proposal> {
    let is_role_pair = |c: &&Candidate| match (reference.weights[c.reference].slot, suspect.weights[c.suspect].slot) {
        (Some(r), Some(s)) => same_role(r, s) && r.layer == s.layer.and_then(|layer| layers.get(&(s.stack, layer)).copied()) && !c.transposed,
        _ => false,
    };
    let convincing = ROLE_IS_RIGHT.max(SAMPLE_SDS / (sample_len as f64).sqrt());
    let mut taken = Taken::default();
    // A duplicated block shares its origin, so a role may use a weight of the reference again.
    candidates.iter().filter(is_role_pair).filter(|c| c.cosine >= convincing).for_each(|c| taken.take(c, How::Role));
    taken.assigned(candidates).into_iter().filter(|c| c.cosine >= convincing).for_each(|c| taken.take(c, How::Content));
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
fn propose_subsets(reference: &Side<'_>, suspect: &Side<'_>, seed: u64, proposals: &mut Vec<Proposal>) -> Result<(), MethodError> {
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
                (Some(r), Some(s)) => same_role(r, s) || [r.role, s.role].iter().all(|role| matches!(role, Role::Embed | Role::Unembed)),
                _ => true,
            };
            if other.cols != weight.cols || !roles_agree || other.view.rows != Rows::All || paired_rows.contains(&row) {
                continue;
            }
            let mut attempts: Vec<(How, Vec<usize>, Vec<usize>)> = Vec::new();
            if let Some((reference_ids, suspect_ids)) = common.as_ref().filter(|_| is_vocabulary(reference, other) && is_vocabulary(suspect, weight)) {
                let ids: Vec<(usize, usize)> =
                    reference_ids.iter().zip(suspect_ids).map(|(&r, &s)| (r, s)).filter(|&(r, s)| r < other.rows && s < weight.rows).collect();
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
                    best = Some(Proposal { reference: row, suspect: index, reference_weight, suspect_weight, transposed: false, how, cosine });
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
    let (a, b) = (reference.model.vocabulary.as_ref()?, suspect.model.vocabulary.as_ref()?);
    let reference_ids = a.ids();
    let mut common: Vec<(usize, usize)> = b.ids().into_iter().filter_map(|(token, id)| Some((id, *reference_ids.get(token)?))).collect();
    common.sort_unstable();
    Some(common.into_iter().map(|(suspect, reference)| (reference, suspect)).unzip())
}

/// The two most similar reference weights of each suspect weight.
fn runner_ups(candidates: &[Candidate]) -> BTreeMap<usize, Vec<(usize, f64)>> {
    let mut best: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for c in candidates {
        let list = best.entry(c.suspect).or_default();
        list.push((c.reference, c.cosine));
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        list.truncate(2);
    }
    best
}

/// The non-decreasing assignment of suspect blocks to reference blocks with the largest sum; blocks that resemble none are left out.
fn best_path(n_reference: usize, n_suspect: usize, value: impl Fn(usize, usize) -> Option<f64>) -> Vec<Option<usize>> {
    let mut path = vec![None; n_suspect];
    if n_reference == 0 {
        return path;
    }
    let gain = |row: usize, col: usize| value(row, col).unwrap_or(0.0) - ROLE_IS_RIGHT / 2.0;
    // best[col][row]: the largest sum over columns before `col` whose rows are at most `row`.
    let mut best = vec![vec![0.0f64; n_reference]; n_suspect + 1];
    for col in 0..n_suspect {
        let mut running = f64::NEG_INFINITY;
        for row in 0..n_reference {
            let taken = best[col][row] + gain(row, col);
            let here = if taken > best[col][row] { taken } else { best[col][row] };
            if here > running {
                running = here;
            }
            best[col + 1][row] = running;
        }
    }
    let mut limit = n_reference - 1;
    for col in (0..n_suspect).rev() {
        let target = best[col + 1][limit];
        while limit > 0 && best[col + 1][limit - 1] == target {
            limit -= 1;
        }
        if gain(limit, col) > 0.0 && best[col][limit] + gain(limit, col) == target {
            path[col] = Some(limit);
        }
    }
    path
}

/// Gives blocks that the path passed over their striking likeness: a suspect that was stacked from overlapping runs of blocks goes back.
fn add_returns(path: &mut [Option<usize>], n_reference: usize, value: impl Fn(usize, usize) -> Option<f64>) {
    for (col, row) in path.iter_mut().enumerate().filter(|(_, row)| row.is_none()) {
        let best = (0..n_reference).filter_map(|row| Some((row, value(row, col)?))).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        *row = best.filter(|(_, value)| *value >= STRIKING).map(|(row, _)| row);
    }
}

fn diagonal_is_as_good(path: &[Option<usize>], value: impl Fn(usize, usize) -> Option<f64>) -> bool {
    path.iter().enumerate().all(|(col, row)| match row {
        None => true,
        Some(row) if *row == col => true,
        Some(row) => value(col, col).unwrap_or(0.0) >= value(*row, col).unwrap_or(0.0) - 0.02,
    })
}

fn extend_matrix(blocks: &mut BlockMatrix, stack: sources::Stack, n_rows: usize, n_cols: usize, value: impl Fn(usize, usize) -> Option<f64>) {
    let prefix = match stack {
        sources::Stack::Single => "",
        sources::Stack::Encoder => "enc ",
        sources::Stack::Decoder => "dec ",
    };
    let (old_rows, old_cols) = (blocks.rows.len(), blocks.cols.len());
    let old = std::mem::take(&mut blocks.values);
    blocks.rows.extend((0..n_rows).map(|i| format!("{prefix}{i}")));
    blocks.cols.extend((0..n_cols).map(|i| format!("{prefix}{i}")));
    for row in 0..old_rows + n_rows {
        for col in 0..old_cols + n_cols {
            blocks.values.push(match (row.checked_sub(old_rows), col.checked_sub(old_cols)) {
                (None, None) => old[row * old_cols + col],
                (Some(row), Some(col)) => value(row, col),
                _ => None,
            });
        }
    }
}

/// Tensors shown when a side has no blocks.
const MATRIX_TENSORS: usize = 48;

fn tensor_matrix(reference: &Side<'_>, suspect: &Side<'_>, candidates: &[Candidate], pairs: &[Pair]) -> BlockMatrix {
    let mut pairs: Vec<&Pair> = pairs.iter().filter(|p| p.suspect_weight.cols > 1).collect();
    pairs.sort_by_key(|p| (std::cmp::Reverse(p.elements()), p.suspect));
    pairs.truncate(MATRIX_TENSORS);
    pairs.sort_by_key(|p| p.suspect);
    let position = |list: &[usize], index: usize| list.iter().position(|&i| i == index);
    let (rows, cols): (Vec<usize>, Vec<usize>) = pairs.iter().map(|p| (p.reference, p.suspect)).unzip();
    let mut values = vec![None; rows.len() * cols.len()];
    for c in candidates {
        if let (Some(row), Some(col)) = (position(&rows, c.reference), position(&cols, c.suspect)) {
            values[row * cols.len() + col] = Some(c.cosine);
        }
    }
    for (i, pair) in pairs.iter().enumerate() {
        values[i * cols.len() + i] = Some(pair.sampled);
    }
    BlockMatrix {
        path: pairs.iter().enumerate().map(|(i, p)| p.is_shared().then_some(i)).collect(),
        rows: rows.iter().map(|&i| reference.weights[i].label()).collect(),
        cols: cols.iter().map(|&i| suspect.weights[i].label()).collect(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(matrix: &[&[f64]]) -> Vec<Option<usize>> {
        best_path(matrix.len(), matrix[0].len(), |row, col| Some(matrix[row][col]))
    }

    #[test]
    fn a_dropped_a_duplicated_and_an_inserted_block_are_found() {
        // The suspect keeps 0 and 2 of three blocks.
        assert_eq!(path_of(&[&[0.9, 0.0], &[0.0, 0.0], &[0.0, 0.9]]), [Some(0), Some(2)]);
        // The suspect has block 1 twice.
        assert_eq!(path_of(&[&[0.9, 0.0, 0.0], &[0.0, 0.9, 0.9]]), [Some(0), Some(1), Some(1)]);
        // The suspect's second block is new.
        assert_eq!(path_of(&[&[0.9, 0.0, 0.0], &[0.0, 0.0, 0.9]]), [Some(0), None, Some(1)]);
        // The suspect has both blocks twice, one run after the other.
        let stacked: [&[f64]; 2] = [&[0.9, 0.0, 0.9, 0.0], &[0.0, 0.9, 0.0, 0.9]];
        let mut path = path_of(&stacked);
        add_returns(&mut path, 2, |row, col| Some(stacked[row][col]));
        assert_eq!(path, [Some(0), Some(1), Some(0), Some(1)]);
        // Strangers.
        assert_eq!(path_of(&[&[0.01, -0.02], &[0.0, 0.03]]), [None, None]);
    }
}
