//! Which tensor of the suspect is compared with which of the reference: by role along the best path of blocks, else by content.
//!
//! Names decide nothing. A role is only a proposal; a pair whose sampled values disagree gives way to the content.

use crate::blocks::{BlockMatrix, BlockPath, tensor_matrix};
use crate::method::MethodError;
use crate::pair_pass;
use crate::pairing::{SAMPLE_SDS, compare_classes, pair_up, propose_subsets, runner_ups, samples};
use crate::sample::Sample;
use crate::side::Side;
use rayon::prelude::*;
use sources::{Stack, Weight};
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
        beyond_means && self.correlation() >= floor && self.correlation() >= SAMPLE_SDS / (self.moments.n as f64).sqrt()
    }

    /// Elements compared.
    pub fn elements(&self) -> u64 {
        self.suspect_weight.elements() as u64
    }
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
    pub(crate) layers: BTreeMap<(Stack, usize), usize>,
}

impl Correspondence {
    /// Pairs the weights of two sides and compares each pair in full. `advance` is told the bytes done.
    pub fn find(reference: &Side<'_>, suspect: &Side<'_>, seed: u64, advance: &(dyn Fn(u64) + Sync)) -> Result<Self, MethodError> {
        let reference_samples = samples(reference, seed)?;
        let suspect_samples = samples(suspect, seed)?;
        let candidates = compare_classes(reference, suspect, &reference_samples, &suspect_samples);
        let path = BlockPath::find(reference, suspect, &candidates);
        let mut proposals =
            pair_up(reference, suspect, &candidates, &path.layers, reference_samples.iter().map(Sample::len).max().unwrap_or(1));
        propose_subsets(reference, suspect, seed, &mut proposals)?;
        let mut found = Self {
            candidates: candidates.len() as u64,
            blocks: path.matrix,
            layers_changed: path.changed,
            layers: path.layers,
            ..Self::default()
        };

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
                let runner_up =
                    runner_ups.get(&p.suspect).and_then(|best| best.iter().find(|(row, _)| *row != p.reference).map(|&(_, cosine)| cosine));
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
}
