//! `weights.unit-alignment`: do units, heads and residual coordinates line up by index?

use crate::card::{Card, card};
use crate::matching::ByIndex;
use crate::method::{BlockPoint, Case, Explanation, Method, MethodError, Observation, Outcome};
use crate::shared_space::{MAX_UNITS, SharedAxis, read_units, shared_spaces};
use rayon::prelude::*;
use sources::{Space, Stack};
use stats::alignment::{
    Centring, Coincidences, RowAlignment, RowPair, align_rows, coincidence_p, pooled_asymptotic_p, pooled_bound, pooled_z,
};
use stats::{NullDistribution, PValue, sampling};

card! {
    /// # Question
    /// Do the hidden units, heads and residual coordinates of the suspect carry the same indices as those of the reference?
    /// # Null hypothesis
    /// The two models were initialised independently; data, order, recipe, architecture and tokenizer may all be shared. Training does not
    /// know the order of hidden units, so which unit carries which index is a uniformly random permutation.
    /// # Statistic
    /// In every exchangeable space of `h` units, `C_ij` is the sum over its matrices of the column-centred cosine of the reference's
    /// unit `i` with the suspect's unit `j`. `X = Σ C_ii`, with `μ = (1/h) Σ_ij C_ij` and
    /// `σ² = (1/(h−1)) Σ_ij (C_ij − C̄_i· − C̄_·j + C̄)²` under the null. The reported statistic is the mean aligned cosine
    /// `Σ C_ii` over units and matrices; z and the coincidences `K` (mutual nearest neighbours with equal index) stand in the parts. Large values count.
    /// # Shapes and units
    /// Per space and matrix two `[h, d]` arrays, `h` at most 1024 units drawn by the seed, `d` at most 1024 drawn entries (16,384 a head). Cosines, dimensionless.
    /// # Null distribution
    /// Two p-values that hold at every size: the exact law of coincidences, and Chatterjee's bound `2 exp(−t²/(4μ_a + 2t))` pooled over spaces,
    /// which are independent under the null. The smaller one counts, times 4: two tests, and the path of blocks as it stands or as the values
    /// suggest, the latter times the number of possible paths as well. The same is asked of what units and heads do to common tokens, along a
    /// path that no index entered, times 2; the smaller of the two answers counts, times 2. The normal approximation is shown and concludes nothing.
    /// # Assumptions
    /// The spaces are those that the family file declares: hidden units; heads, not under ALiBi or a shared relative bias; residual coordinates,
    /// not where a fixed sinusoidal table is added. A space on both axes of one matrix is left out, and a matrix between the residual
    /// stream and an inner space serves the inner space alone: otherwise the two sums would be one number and not independent.
    /// # Survives
    /// Fine-tuning, long continued pretraining, adapters, pruning, quantisation, merging, another vocabulary; dropped blocks in part. Over
    /// common tokens also rotation of the residual stream, folded gains and maps inside heads, as long as one order is left.
    /// # Fails when
    /// Every space was permuted on purpose, or rotated where no tokens are common; the widths differ. It also rejects for two trainings from one shared initialisation, which is not derivation.
    /// # Reference
    /// Hoeffding, A combinatorial central limit theorem (1951); Chatterjee, PTRF 138 (2007), Prop. 1.1; Zhu et al., arXiv:2502.12292, Thm 3 (independence of blocks).
    /// # Example
    /// `testdata/models`: base against finetuned, z above 150 in every block; against independent (same data and order, another seed), z within ±2.5.
    pub(crate) static CARD = {
        id: "weights.unit-alignment",
        question: Question::Derivation,
        null: "the two models were initialised independently; everything else may be shared",
        null_basis: NullBasis::Symmetry,
        statistic: Quantity::correlation("mean cosine"),
        needs: Preparation::Matching,
        access: &[Access::Weights],
        reference: "Hoeffding 1951; Chatterjee 2007, Prop. 1.1; arXiv:2502.12292",
    }
}

pub(crate) struct UnitAlignment;

/// Fewer units cannot be permuted in enough ways to say anything.
const MIN_UNITS: usize = 4;

struct Block {
    label: String,
    layer: Option<usize>,
    matrices: usize,
    units_of: usize,
    alignment: RowAlignment,
}

impl Method for UnitAlignment {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        if case.reference.model.binding.is_none() || case.suspect.model.binding.is_none() {
            return Ok(Outcome::not_applicable(
                "at least one side has no family, so nothing says which axes are units; weights.matrix-match needs none",
            ));
        }
        let spaces = shared_spaces(case.reference, case.suspect, &case.correspondence.layers);
        let blocks: Vec<Block> = spaces
            .into_iter()
            .collect::<Vec<_>>()
            .par_iter()
            .map(|(space, axes)| align(case, *space, axes))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let over_tokens = match case.matching {
            Ok(matching) => matching.by_index.iter().filter(|b| b.n_units >= MIN_UNITS).map(Block::from).collect(),
            Err(_) => Vec::new(),
        };
        let as_stored = Looked::new(blocks, "as stored", 4.0, if case.correspondence.layers_changed { path_choices(case) } else { 0.0 });
        let over_tokens = Looked::new(over_tokens, "over common tokens", 2.0, 0.0);
        let looked: Vec<Looked> = [as_stored, over_tokens].into_iter().flatten().collect();
        let Some(best) = looked.iter().min_by(|a, b| a.ln_p().total_cmp(&b.ln_p())) else {
            return Ok(Outcome::not_applicable("the two models have no exchangeable space of equal width in a common role"));
        };
        Ok(Outcome::Observed(best.summarise(&looked)))
    }
}

impl From<&ByIndex> for Block {
    fn from(found: &ByIndex) -> Self {
        let what = if found.is_heads { "heads" } else { "MLP units" };
        Self {
            label: format!("block {}, {what} over tokens", found.group),
            layer: Some(found.group.layer),
            matrices: found.views,
            units_of: found.n_units,
            alignment: found.alignment,
        }
    }
}

/// All blocks seen in one way, with the two rigorous p-values over them.
struct Looked {
    how: &'static str,
    blocks: Vec<Block>,
    by_coincidence: PValue,
    by_bound: PValue,
    /// Times both p-values: the two tests, and a path that the values suggested.
    ln_choices: f64,
    ln_paths: f64,
}

fn align(case: &Case<'_>, space: Space, axes: &[SharedAxis]) -> Result<Option<Block>, MethodError> {
    let units_of = axes.first().map_or(0, SharedAxis::units);
    if units_of < MIN_UNITS {
        return Ok(None);
    }
    let label = space_label(space);
    let units = sampling::draw(case.seed, &label, units_of, units_of.min(MAX_UNITS));
    let mut matrices = Vec::new();
    for axis in axes {
        matrices.push(read_units(case.reference, case.suspect, axis, &units, case.seed)?);
    }
    let pairs: Vec<RowPair<'_>> =
        matrices.iter().map(|(reference, suspect, width)| RowPair { reference, suspect, width: *width }).collect();
    // A matrix with values that are not finite cannot be ranked; the block is left out, and the other methods report the values.
    let Ok(alignment) = align_rows(&pairs, units.len(), Centring::Columns) else { return Ok(None) };
    let layer = match space {
        Space::MlpUnits { layer, .. } | Space::Heads { layer, .. } => Some(layer),
        _ => None,
    };
    Ok(Some(Block { label, layer, matrices: axes.len(), units_of, alignment }))
}

fn space_label(space: Space) -> String {
    let stack = |stack: Stack| match stack {
        Stack::Single => "",
        Stack::Encoder => "encoder ",
        Stack::Decoder => "decoder ",
    };
    match space {
        Space::Residual(s) => format!("{}residual coordinates", stack(s)),
        Space::MlpUnits { stack: s, layer, expert: None } => format!("{}block {layer}, MLP units", stack(s)),
        Space::MlpUnits { stack: s, layer, expert: Some(expert) } => format!("{}block {layer}, units of expert {expert}", stack(s)),
        Space::Heads { stack: s, layer, cross } => {
            format!("{}block {layer}, {}heads", stack(s), if cross { "cross-attention " } else { "" })
        }
        Space::Vocabulary => "vocabulary".into(),
        Space::Fixed => "fixed".into(),
    }
}

impl Looked {
    fn new(blocks: Vec<Block>, how: &'static str, choices: f64, ln_paths: f64) -> Option<Self> {
        let alignments: Vec<RowAlignment> = blocks.iter().map(|b| b.alignment).collect();
        let coincidences: Vec<Coincidences> = alignments.iter().map(RowAlignment::coincidences).collect();
        let by_coincidence = coincidence_p(&coincidences).unwrap_or_else(|_| PValue::new(0.0, NullDistribution::Exact));
        let by_bound = pooled_bound(&alignments);
        (!blocks.is_empty()).then_some(Self { how, blocks, by_coincidence, by_bound, ln_choices: choices.ln() + ln_paths, ln_paths })
    }

    fn ln_p(&self) -> f64 {
        let smaller = if self.by_coincidence.ln() <= self.by_bound.ln() { self.by_coincidence } else { self.by_bound };
        smaller.ln() + self.ln_choices
    }

    fn alignments(&self) -> Vec<RowAlignment> {
        self.blocks.iter().map(|b| b.alignment).collect()
    }

    fn mean(&self) -> f64 {
        let weight: f64 = self.blocks.iter().map(|b| (b.matrices as u64 * b.alignment.n_units) as f64).sum();
        self.blocks.iter().map(|b| b.alignment.observed).sum::<f64>() / weight
    }

    /// The observation of this way of looking, which gave the smaller p-value of the ones tried.
    fn summarise(&self, tried: &[Self]) -> Observation {
        let p = PValue::new(
            self.ln_p() + (tried.len() as f64).ln(),
            NullDistribution::Bound { of: "the smallest of rigorous p-values, times the ways of looking and the paths of blocks" },
        );
        let alignments = self.alignments();
        let units: u64 = alignments.iter().map(|a| a.n_units).sum();
        let hits: u64 = alignments.iter().map(|a| a.n_hits).sum();
        let mut parts = vec![
            Explanation::leaf(
                "coincidences",
                hits as f64,
                "units",
                format!(
                    "of {units} units have their nearest neighbour, mutually, at their own index; log10 p = {:.1} ({})",
                    self.by_coincidence.log10(),
                    kind(self.by_coincidence)
                ),
            ),
            Explanation::leaf("Chatterjee's bound", self.by_bound.log10(), "log10 p", "pooled over all spaces"),
        ];
        if let Some(z) = pooled_z(&alignments) {
            let asymptotic = pooled_asymptotic_p(&alignments).log10();
            parts.push(Explanation::leaf(
                "z",
                z,
                "1",
                format!("pooled over all spaces; asymptotic log10 p = {asymptotic:.1}, shown and not concluded from"),
            ));
        }
        if self.ln_paths > 0.0 {
            parts.push(Explanation::leaf(
                "paths of blocks",
                self.ln_paths / std::f64::consts::LN_10,
                "log10",
                "number of possible paths, by which the p-value was multiplied",
            ));
        }
        parts.extend(tried.iter().filter(|other| other.how != self.how).map(|other| {
            let words =
                format!("the other way of looking; log10 p = {:.1}", other.ln_p().clamp(f64::NEG_INFINITY, 0.0) / std::f64::consts::LN_10);
            Explanation::leaf(other.how, other.mean(), "1", words)
        }));
        parts.extend(self.blocks.iter().map(Block::explanation));
        let explanation = Explanation {
            label: "aligned units".into(),
            value: Some(self.mean()),
            unit: "1",
            words: format!(
                "{hits} of {units} units in {} spaces, {}, find their nearest neighbour at their own index; about {} are expected by chance",
                self.blocks.len(),
                self.how,
                self.blocks.len()
            ),
            parts,
        };
        let mut observation = Observation::new(self.mean(), units as usize, Some(p), explanation);
        observation.blocks = self.blocks.iter().map(Block::point).collect();
        observation
    }
}

impl Block {
    fn explanation(&self) -> Explanation {
        let alignment = &self.alignment;
        Explanation {
            label: self.label.clone(),
            value: Some(alignment.observed / (self.matrices as u64 * alignment.n_units) as f64),
            unit: "1",
            words: format!("mean aligned cosine of {} of {} units in {} matrices", alignment.n_units, self.units_of, self.matrices),
            parts: vec![
                Explanation::leaf("z", alignment.z().unwrap_or(0.0), "1", ""),
                Explanation::leaf(
                    "coincidences",
                    alignment.n_hits as f64,
                    "units",
                    format!("of {} mutual nearest neighbours", alignment.n_mutual),
                ),
                Explanation::leaf(
                    "expected sum",
                    alignment.expected,
                    "1",
                    format!("observed {:.3}, standard deviation {:.3}", alignment.observed, alignment.variance.sqrt()),
                ),
            ],
        }
    }

    fn point(&self) -> BlockPoint {
        BlockPoint {
            label: self.label.clone(),
            layer: self.layer,
            z: self.alignment.z().unwrap_or(0.0),
            coincidences: self.alignment.n_hits as usize,
            units: self.alignment.n_units as usize,
            p_value: coincidence_p(&[self.alignment.coincidences()]).unwrap_or(self.alignment.chatterjee_bound()),
        }
    }
}

/// ln of the number of ways to give each suspect block a reference block or none.
fn path_choices(case: &Case<'_>) -> f64 {
    let blocks = |side: &crate::Side<'_>| side.model.binding.as_ref().map_or(0, |binding| binding.n_blocks());
    blocks(case.suspect) as f64 * (blocks(case.reference) as f64 + 1.0).ln()
}

fn kind(p: PValue) -> &'static str {
    match p.from() {
        NullDistribution::Exact => "exact",
        _ => "bound",
    }
}
