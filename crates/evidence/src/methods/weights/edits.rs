//! `weights.edits`: given that weights are shared, how the suspect differs from the reference.

use crate::adapter::{Push, adapter_rank};
use crate::card::{Access, Card, NullBasis, Preparation, Quantity, Question, Tail, card};
use crate::correspondence::{How, Pair};
use crate::grid::{self, GRID_ROUNDING};
use crate::method::{Case, Explanation, Method, MethodError, Observation, Outcome, Relation};
use crate::restored::{RestoredRole, merge};
use crate::side::Side;
use half::{bf16, f16};
use rayon::prelude::*;
use sources::{Encoding, Role, Slot, TensorSource, Weight, view};
use stats::order::median;
use stats::sampling;
use std::collections::BTreeSet;

card! {
    /// # Question
    /// Given that weights are shared: what was done to them?
    /// # Null hypothesis
    /// None is tested. Edits are named only where other evidence supports derivation; they describe and do not conclude.
    /// # Statistic
    /// The share of the suspect's trained elements that correspond to the reference's. Large values mean fewer changes. The parts
    /// name each edit and what was seen of it.
    /// # Shapes and units
    /// Shared pairs of weights; a share in [0, 1]; relative differences `‖b − a‖ / ‖a‖`; ranks in dimensions.
    /// # Null distribution
    /// None.
    /// # Assumptions
    /// `identical`: every trained element is equal. `quantized`: the suspect is stored on a grid, or is the reference rounded to a narrower
    /// type. `pruned`: at least 5 % of the reference's non-zero values became zero. `adapter`: the difference has a low rank and a rest no larger than rounding.
    /// `finetune`: any other change. `layers-changed`: the best path of blocks is not the diagonal. `vocabulary-changed`: the tables of
    /// tokens have other rows. `partial`: the tensors that correspond hold less than 95 % of the suspect. Where units are matched, the disguise is
    /// undone first: `permuted`, another order of units, heads or residual coordinates; `rotated`, a turn of the stream, fitted on half of the
    /// tokens and blocks and checked on the others (Procrustes), or inside heads; `rescaled`, gains or units whose scales cancel; `upcycled`,
    /// experts that hold the units of dense blocks; `pruned`, units that are gone; `merge`, least squares over `--parent` models that leave less
    /// than half of what the nearest single one leaves. The words above then describe what remains.
    /// # Survives
    /// Any storage; several edits at once are all named where they leave their own traces.
    /// # Fails when
    /// An edit is smaller than the rounding of a quantised type: fine-tuning below the grid is not seen.
    /// # Reference
    /// Randomised range finder: Halko, Martinsson, Tropp, SIAM Review 53 (2011), algorithm 4.1; the turn: Schönemann, Psychometrika 31 (1966);
    /// words: `base_model_relation` of the Hub.
    /// # Example
    /// `all-MiniLM-L6-v2` against its int8 export: `quantized`; two halves of one T5: `partial` (`real-pairs.toml`).
    pub(crate) static CARD = {
        id: "weights.edits",
        question: Question::Derivation,
        null: "no null hypothesis: a description, given derivation",
        null_basis: NullBasis::None,
        statistic: Quantity { symbol: "share", unit: "1", range: (0.0, 1.0), tail: Tail::Upper },
        needs: Preparation::Matching,
        access: &[Access::Weights],
        reference: "Halko, Martinsson, Tropp 2011",
    }
}

pub(crate) struct Edits;

/// Less than this share of the suspect's trained elements is a part.
const WHOLE: f64 = 0.95;
/// Share of the reference's non-zero values that must have become zero.
const PRUNED: f64 = 0.05;
/// Rows and columns read of a pair to see how its values were rounded.
const LOOK_ROWS: usize = 16;
const LOOK_COLS: usize = 4096;
/// A grid of 8 bits has at most this many values in a row.
const GRID_VALUES: usize = 256;
/// Difference matrices whose spectrum is sketched, and the largest rank that counts as low.
const SPECTRA: usize = 6;
const SKETCH_RANK: usize = 96;

/// What happened to one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    None,
    Rounded(Encoding),
    /// To a grid, and stored in a wide type again.
    RoundedAgain(&'static str),
    Grid,
    Pruned {
        exactly: bool,
    },
    Other,
}

impl Method for Edits {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError> {
        let superseded = |pair: &Pair| is_superseded(case, pair);
        let shared: Vec<&Pair> = case.correspondence.pairs.iter().filter(|p| p.is_shared() && !superseded(p)).collect();
        if shared.is_empty() && case.restored.is_none() {
            return Ok(Outcome::not_applicable(
                "no tensor of the suspect corresponds to one of the reference, so there is nothing to describe",
            ));
        }
        let by_weight = case.shared_elements();
        let share = by_weight.iter().sum::<u64>() as f64 / case.suspect.trained_elements().max(1) as f64;
        let disguise = disguise_relations(case)?;
        let changes: Vec<Change> = shared.par_iter().map(|pair| change(case, pair)).collect::<Result<_, MethodError>>()?;
        let of = |wanted: &dyn Fn(Change) -> bool| -> Vec<&Pair> {
            shared.iter().zip(&changes).filter(|(_, c)| wanted(**c)).map(|(p, _)| *p).collect()
        };
        let elements = |pairs: &[&Pair]| pairs.iter().map(|p| p.elements()).sum::<u64>();
        let percent = |pairs: &[&Pair]| 100.0 * elements(pairs) as f64 / elements(&shared).max(1) as f64;

        let mut relations = Vec::new();
        let mut name = |name: &'static str, words: String| relations.push(Relation { name, words });
        let unchanged = of(&|c| c == Change::None);
        if unchanged.len() == shared.len() && !shared.is_empty() && share >= WHOLE && disguise.is_empty() {
            name("identical", format!("all {} shared tensors are equal in every element", shared.len()));
        }
        let rounded = of(&|c| matches!(c, Change::Rounded(_) | Change::RoundedAgain(_) | Change::Grid));
        if !rounded.is_empty() {
            let forms: BTreeSet<String> = changes
                .iter()
                .zip(&shared)
                .filter_map(|(change, pair)| match change {
                    Change::Rounded(encoding) => Some(format!("rounded to {encoding}")),
                    Change::RoundedAgain(grid) => Some(format!("rounded to {grid} and stored in a wider type")),
                    Change::Grid => Some(format!("stored as {}", stored_form(case, pair))),
                    _ => None,
                })
                .collect();
            let worst = rounded.iter().filter_map(|p| p.moments.relative_difference()).max_by(f64::total_cmp).unwrap_or(0.0);
            name(
                "quantized",
                format!(
                    "{:.1} % of the shared elements: {}; largest relative difference {worst:.4}",
                    percent(&rounded),
                    Vec::from_iter(forms).join(", ")
                ),
            );
        }
        // A change larger than its grid hides the rounding, not that the suspect is stored on a grid.
        let stored: Vec<&Pair> = shared
            .iter()
            .filter(|p| is_on_grid(case.suspect, &p.suspect_weight) && !is_on_grid(case.reference, &p.reference_weight))
            .copied()
            .collect();
        if rounded.is_empty() && !stored.is_empty() {
            let forms: BTreeSet<String> = stored.iter().map(|pair| stored_form(case, pair)).collect();
            name(
                "quantized",
                format!("{:.1} % of the shared elements are stored as {}", percent(&stored), Vec::from_iter(forms).join(", ")),
            );
        }
        let pruned = of(&|c| matches!(c, Change::Pruned { .. }));
        if !pruned.is_empty() {
            let zeroed: u64 = pruned.iter().map(|p| p.moments.n_zeroed).sum();
            name(
                "pruned",
                format!(
                    "{:.1} % of the values of {} matrices became zero, in no whole rows' order",
                    100.0 * zeroed as f64 / elements(&pruned) as f64,
                    pruned.len()
                ),
            );
        }
        let other = of(&|c| matches!(c, Change::Other | Change::Pruned { exactly: false }));
        let mut spectra = Vec::new();
        if !other.is_empty() {
            let dense = of(&|c| c == Change::Other);
            spectra = difference_ranks(case, &dense)?;
            let ranks: Vec<usize> = spectra.iter().filter_map(|(_, rank)| *rank).collect();
            if !spectra.is_empty() && ranks.len() == spectra.len() && pruned.is_empty() {
                let rank = ranks.iter().max().copied().unwrap_or(0);
                name(
                    "adapter",
                    format!("the difference of {} examined matrices has rank {rank} or less, and a rest of rounding", ranks.len()),
                );
            } else {
                let median = median(other.iter().filter_map(|p| p.moments.relative_difference()).collect()).unwrap_or(0.0);
                name(
                    "finetune",
                    format!(
                        "{} tensors, {:.1} % of the shared elements, differ by more than rounding; median relative difference {median:.4}",
                        other.len(),
                        percent(&other)
                    ),
                );
            }
        }
        if case.correspondence.layers_changed {
            let path: Vec<String> = case
                .correspondence
                .blocks
                .path
                .iter()
                .map(|p| p.map_or("new".into(), |row| case.correspondence.blocks.rows[row].clone()))
                .collect();
            name("layers-changed", format!("the suspect's blocks come from the reference's blocks {}", path.join(", ")));
        }
        if let Some(words) = vocabulary_change(case, &shared) {
            name("vocabulary-changed", words);
        }
        // New rows of a vocabulary are named as such; they do not make a part of a whole. Nor do vectors whose matrices were disguised.
        let whole = |(weight, &shared): (&Weight, &u64)| if shared > 0 { weight.elements() as u64 } else { 0 };
        let tables: u64 = case.suspect.weights.iter().zip(&by_weight).filter(|(w, _)| is_table(w)).map(whole).sum();
        let others: u64 = case.suspect.weights.iter().zip(&by_weight).filter(|(w, _)| !is_table(w)).map(|(_, &shared)| shared).sum();
        for relation in disguise {
            match relations.iter_mut().find(|known| known.name == relation.name) {
                // What the stored tensors show is told once; what only matching shows is added.
                Some(known) if known.words != relation.words => known.words = format!("{}; {}", known.words, relation.words),
                Some(_) => {}
                None => relations.push(relation),
            }
        }
        // What a mixture explains is no fine-tune of one of its parents.
        if relations.iter().any(|relation| relation.name == "merge") {
            relations.retain(|relation| relation.name != "finetune");
        }
        let mut name = |name: &'static str, words: String| relations.push(Relation { name, words });
        if ((tables + others) as f64) < WHOLE * case.suspect.trained_elements() as f64 {
            name("partial", format!("{:.1} % of the suspect's trained elements correspond to the reference's", 100.0 * share));
        }

        let mut parts: Vec<Explanation> = spectra
            .into_iter()
            .map(|(pair, rank)| {
                let words = if rank.is_some() { "rank of the difference" } else { "no low rank: the difference is dense" };
                Explanation {
                    label: case.suspect.weights[pair.suspect].label(),
                    value: rank.map(|r| r as f64),
                    unit: "dimensions",
                    words: words.into(),
                    parts: Vec::new(),
                }
            })
            .collect();
        parts.insert(
            0,
            Explanation::leaf(
                "unchanged",
                elements(&unchanged) as f64,
                "elements",
                format!("in {} of {} shared tensors", unchanged.len(), shared.len()),
            ),
        );
        let mut observation = Observation::new(
            share,
            shared.len(),
            None,
            Explanation {
                label: "edits".into(),
                value: Some(share),
                unit: "1",
                words: if relations.is_empty() {
                    "no edit could be named".into()
                } else {
                    relations.iter().map(|r| format!("{}: {}", r.name, r.words)).collect::<Vec<_>>().join("; ")
                },
                parts,
            },
        );
        observation.relations = relations;
        Ok(Outcome::Observed(observation))
    }
}

/// Whether a pair differs by a disguise more than by what remains once that is undone.
fn is_superseded(case: &Case<'_>, pair: &Pair) -> bool {
    let Some(slot) = case.suspect.weights[pair.suspect].slot else { return false };
    let stored = pair.moments.relative_difference();
    case.restored.is_some_and(|restored| {
        let matrix = |role| restored.roles.iter().find(|r| r.is_of(Slot { role, ..slot }));
        match slot.role {
            // A gain that was moved into what reads it is no change of its own.
            Role::AttnNorm | Role::MlpNorm | Role::FinalNorm => restored.gains_were_moved() && stored.is_some_and(|d| d > 0.0),
            // Gains inside a head go from queries to keys and back without a trace in their products.
            Role::AttnQNorm | Role::AttnKNorm => restored.heads_were_turned() && stored.is_some_and(|d| d > 0.0),
            role => matrix(role).is_some_and(|role| role.remainder.supersedes(stored)),
        }
    })
}

/// The disguise, and what remains under it where no tensor shows it as it stands.
fn disguise_relations(case: &Case<'_>) -> Result<Vec<Relation>, MethodError> {
    let (Some(restored), Ok(matching)) = (case.restored, case.matching) else { return Ok(Vec::new()) };
    let mut relations = restored.disguise_relations(matching);
    let as_stored: Vec<Slot> = case
        .correspondence
        .pairs
        .iter()
        .filter(|pair| pair.is_shared() && !is_superseded(case, pair))
        .filter_map(|pair| case.suspect.weights[pair.suspect].slot)
        .collect();
    let is_hidden = |role: &RestoredRole| !role.role.is_table() && !as_stored.iter().any(|&slot| role.is_of(slot));
    relations.extend(restored.remainder_relations(matching, &is_hidden, case.seed)?);
    if let Some((fit, singles)) = &restored.mixture {
        let names: Vec<String> =
            std::iter::once("the reference".to_owned()).chain(restored.parents.iter().map(|p| format!("`{p}`"))).collect();
        relations.extend(merge(fit, singles, &names));
    }
    Ok(relations)
}

fn is_table(weight: &Weight) -> bool {
    weight.slot.is_some_and(|slot| slot.role.is_table())
}

fn is_on_grid(side: &Side<'_>, weight: &Weight) -> bool {
    side.model.tensors()[weight.view.tensor].is_on_grid()
}

fn stored_form(case: &Case<'_>, pair: &Pair) -> String {
    let form = |source: &sources::Model, weight: &sources::Weight| {
        let info = &source.tensors()[weight.view.tensor];
        info.is_on_grid().then(|| if info.affine.is_some() { format!("{} with scales", info.encoding) } else { info.encoding.to_string() })
    };
    form(case.suspect.model, &pair.suspect_weight)
        .or_else(|| form(case.reference.model, &pair.reference_weight).map(|f| format!("{f} (the reference)")))
        .unwrap_or_else(|| "few values a row".into())
}

/// Largest relative difference that rounding to a form explains: three times the root mean square error on Gaussian values, by the width of its grid.
fn rounding_noise(encoding: Encoding) -> f64 {
    match encoding {
        Encoding::F8E5M2 => 0.16,
        Encoding::F8E4M3 => 0.08,
        Encoding::Block(quant) => {
            let bits = 8.0 * quant.block_bytes() as f64 / quant.block_values() as f64;
            // A grid of b bits over ±3 standard deviations has a step of 6/2^b and an error of step/√12.
            3.0 * 6.0 / 2f64.powf(bits) / 12f64.sqrt()
        }
        _ => 0.06,
    }
}

fn change(case: &Case<'_>, pair: &Pair) -> Result<Change, MethodError> {
    if pair.is_identical() {
        return Ok(Change::None);
    }
    let moments = &pair.moments;
    // Before all else: a grid of few levels has zeros of its own, and one of eight bits a row is coarser than one of eight bits a block.
    let on_grid = |side: &Side<'_>, weight: &Weight| grid::look(side.model, weight, case.seed);
    if let Some(name) =
        on_grid(case.suspect, &pair.suspect_weight)?.filter(|_| moments.relative_difference().is_some_and(|d| d <= GRID_ROUNDING))
        && on_grid(case.reference, &pair.reference_weight)?.is_none()
    {
        return Ok(Change::RoundedAgain(name));
    }
    let reference_info = &case.reference.model.tensors()[pair.reference_weight.view.tensor];
    let suspect_info = &case.suspect.model.tensors()[pair.suspect_weight.view.tensor];
    let noise = [reference_info, suspect_info]
        .into_iter()
        .filter(|info| info.is_on_grid())
        .map(|info| rounding_noise(info.encoding))
        .max_by(f64::total_cmp);
    if let Some(noise) = noise {
        let difference = moments.relative_difference().unwrap_or(f64::INFINITY);
        return Ok(if difference <= noise { Change::Grid } else { Change::Other });
    }
    let nonzero = moments.n - (moments.n_zero_b - moments.n_zeroed);
    if moments.n_zeroed as f64 >= PRUNED * nonzero as f64 && pair.suspect_weight.cols > 1 {
        return Ok(Change::Pruned { exactly: moments.n_equal + moments.n_zeroed == moments.n });
    }
    let look_rows = if pair.suspect_weight.cols == 1 { LOOK_COLS } else { LOOK_ROWS };
    let rows = sampling::draw(case.seed, "look rows", pair.suspect_weight.rows, pair.suspect_weight.rows.min(look_rows));
    let cols: Vec<usize> = (0..pair.suspect_weight.cols.min(LOOK_COLS)).collect();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    view::gather(case.reference.model, &pair.reference_weight, &rows, &cols, &mut a)?;
    view::gather(case.suspect.model, &pair.suspect_weight, &rows, &cols, &mut b)?;
    // Values that are all equal where one looks were not rounded there; what differs elsewhere is another change.
    let rounds = |to: fn(f32) -> f32| a != b && a.iter().zip(&b).all(|(&x, &y)| to(x) == y || to(y) == x);
    if rounds(|v| bf16::from_f32(v).to_f32()) {
        return Ok(Change::Rounded(Encoding::Bf16));
    }
    if rounds(|v| f16::from_f32(v).to_f32()) {
        return Ok(Change::Rounded(Encoding::F16));
    }
    let few_values =
        |values: &[f32]| values.chunks(cols.len()).all(|row| row.iter().map(|v| v.to_bits()).collect::<BTreeSet<_>>().len() <= GRID_VALUES);
    if cols.len() >= 4 * GRID_VALUES && few_values(&b) && !few_values(&a) {
        return Ok(if moments.relative_difference().is_some_and(|d| d <= GRID_ROUNDING) { Change::Grid } else { Change::Other });
    }
    Ok(Change::Other)
}

/// The ranks of the differences of a few large changed matrices, spread over the model.
fn difference_ranks<'a>(case: &Case<'_>, changed: &[&'a Pair]) -> Result<Vec<(&'a Pair, Option<usize>)>, MethodError> {
    let mut matrices: Vec<&Pair> =
        changed.iter().copied().filter(|p| p.suspect_weight.rows.min(p.suspect_weight.cols) >= 32 && p.how != How::Tokens).collect();
    matrices.sort_by_key(|p| p.suspect);
    let step = matrices.len().div_ceil(SPECTRA).max(1);
    matrices
        .into_iter()
        .step_by(step)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|pair| {
            let (m, n) = (pair.suspect_weight.rows, pair.suspect_weight.cols);
            let rows_at_once = ((4 << 20) / n).max(1);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            let pass = |push: &mut Push<'_>| -> Result<bool, MethodError> {
                for start in (0..m).step_by(rows_at_once) {
                    let rows = start..(start + rows_at_once).min(m);
                    view::read_rows(case.reference.model, &pair.reference_weight, rows.clone(), &mut a)?;
                    view::read_rows(case.suspect.model, &pair.suspect_weight, rows, &mut b)?;
                    b.iter_mut().zip(&a).for_each(|(b, a)| *b -= a);
                    if push(&b).is_err() {
                        return Ok(false);
                    }
                }
                Ok(true)
            };
            let n_values = SKETCH_RANK.min(m.min(n) / 2);
            Ok((pair, adapter_rank(n, n_values, case.seed, pair.moments.relative_difference(), pass)?))
        })
        .collect()
}

fn vocabulary_change(case: &Case<'_>, shared: &[&Pair]) -> Option<String> {
    let pair = shared.iter().find(|p| {
        let (reference, suspect) = (&case.reference.weights[p.reference], &case.suspect.weights[p.suspect]);
        let is_body = suspect.slot.is_some() && !is_table(suspect);
        !is_body && matches!(p.how, How::Tokens | How::Prefix) && (reference.rows != suspect.rows || p.how == How::Tokens)
    })?;
    let (reference, suspect) = (&case.reference.weights[pair.reference], &case.suspect.weights[pair.suspect]);
    Some(format!(
        "`{}` has {} rows against {} in the reference; {} of them correspond",
        suspect.label(),
        suspect.rows,
        reference.rows,
        pair.suspect_weight.rows
    ))
}
