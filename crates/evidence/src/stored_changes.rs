//! What the stored tensors show of how shared weights were changed: rounded, pruned, moved along a few directions, or otherwise.

use crate::adapter::{Push, adapter_rank};
use crate::correspondence::{How, Pair};
use crate::grid::{self, GRID_ROUNDING};
use crate::method::{Case, MethodError};
use crate::relation::{Relation, RelationKind};
use crate::side::Side;
use half::{bf16, f16};
use rayon::prelude::*;
use sources::{Encoding, TensorSource, Weight, view};
use stats::order::median;
use stats::sampling;
use std::collections::BTreeSet;

/// Share of the reference's non-zero values that must have become zero.
pub(crate) const PRUNED: f64 = 0.05;
/// Rows and columns read of a pair to see how its values were rounded.
const LOOK_ROWS: usize = 16;
const LOOK_COLS: usize = 4096;
/// A grid of 8 bits has at most this many values in a row.
const GRID_VALUES: usize = 256;
/// Difference matrices whose spectrum is sketched, and the largest rank that counts as low.
const SPECTRA: usize = 6;
const SKETCH_RANK: usize = 96;

/// Every shared pair with what happened to it.
pub(crate) struct StoredChanges<'a> {
    case: &'a Case<'a>,
    pub(crate) shared: Vec<&'a Pair>,
    changes: Vec<Change>,
    /// The ranks of a few large differences that are neither rounding nor pruning; `None` where a rank is not low.
    pub(crate) spectra: Vec<(&'a Pair, Option<usize>)>,
}

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

/// Elements of some pairs.
pub(crate) fn elements(pairs: &[&Pair]) -> u64 {
    pairs.iter().map(|p| p.elements()).sum()
}

impl<'a> StoredChanges<'a> {
    /// Looks at pairs that are shared.
    pub(crate) fn find(case: &'a Case<'a>, shared: Vec<&'a Pair>) -> Result<Self, MethodError> {
        let changes = shared.par_iter().map(|pair| change(case, pair)).collect::<Result<_, MethodError>>()?;
        let mut found = Self { case, shared, changes, spectra: Vec::new() };
        found.spectra = difference_ranks(case, &found.of(|change| change == Change::Other))?;
        Ok(found)
    }

    /// Pairs that are equal in every element.
    pub(crate) fn unchanged(&self) -> Vec<&'a Pair> {
        self.of(|change| change == Change::None)
    }

    /// The words for what was done to the values.
    pub(crate) fn relations(&self) -> Vec<Relation> {
        let pruned = self.of(|change| matches!(change, Change::Pruned { .. }));
        [self.quantized(), self.pruned(&pruned), self.moved(!pruned.is_empty())].into_iter().flatten().collect()
    }

    fn of(&self, wanted: impl Fn(Change) -> bool) -> Vec<&'a Pair> {
        self.shared.iter().zip(&self.changes).filter(|(_, change)| wanted(**change)).map(|(pair, _)| *pair).collect()
    }

    fn percent(&self, pairs: &[&Pair]) -> f64 {
        100.0 * elements(pairs) as f64 / elements(&self.shared).max(1) as f64
    }

    fn quantized(&self) -> Option<Relation> {
        let rounded = self.of(|change| matches!(change, Change::Rounded(_) | Change::RoundedAgain(_) | Change::Grid));
        if rounded.is_empty() {
            return self.stored_on_grid();
        }
        let forms: BTreeSet<String> = self
            .changes
            .iter()
            .zip(&self.shared)
            .filter_map(|(change, pair)| match change {
                Change::Rounded(encoding) => Some(format!("rounded to {encoding}")),
                Change::RoundedAgain(grid) => Some(format!("rounded to {grid} and stored in a wider type")),
                Change::Grid => Some(format!("stored as {}", stored_form(self.case, pair))),
                _ => None,
            })
            .collect();
        let worst = rounded.iter().filter_map(|p| p.moments.relative_difference()).max_by(f64::total_cmp).unwrap_or(0.0);
        let words = format!(
            "{:.1} % of the shared elements: {}; largest relative difference {worst:.4}",
            self.percent(&rounded),
            Vec::from_iter(forms).join(", ")
        );
        Some(Relation { kind: RelationKind::Quantized, words })
    }

    /// A change larger than its grid hides the rounding, not that the suspect is stored on a grid.
    fn stored_on_grid(&self) -> Option<Relation> {
        let (reference, suspect) = (self.case.reference, self.case.suspect);
        let is_new = |p: &&&Pair| is_on_grid(suspect, &p.suspect_weight) && !is_on_grid(reference, &p.reference_weight);
        let stored: Vec<&Pair> = self.shared.iter().filter(is_new).copied().collect();
        if stored.is_empty() {
            return None;
        }
        let forms: BTreeSet<String> = stored.iter().map(|pair| stored_form(self.case, pair)).collect();
        let words = format!("{:.1} % of the shared elements are stored as {}", self.percent(&stored), Vec::from_iter(forms).join(", "));
        Some(Relation { kind: RelationKind::Quantized, words })
    }

    fn pruned(&self, pruned: &[&Pair]) -> Option<Relation> {
        let zeroed: u64 = pruned.iter().map(|p| p.moments.n_zeroed).sum();
        (!pruned.is_empty()).then(|| Relation {
            kind: RelationKind::Pruned,
            words: format!(
                "{:.1} % of the values of {} matrices became zero, in no whole rows' order",
                100.0 * zeroed as f64 / elements(pruned) as f64,
                pruned.len()
            ),
        })
    }

    /// The word for differences that are neither rounding nor zeros.
    fn moved(&self, is_pruned: bool) -> Option<Relation> {
        let other = self.of(|change| matches!(change, Change::Other | Change::Pruned { exactly: false }));
        if other.is_empty() {
            return None;
        }
        let ranks: Vec<usize> = self.spectra.iter().filter_map(|(_, rank)| *rank).collect();
        if !self.spectra.is_empty() && ranks.len() == self.spectra.len() && !is_pruned {
            let rank = ranks.iter().max().copied().unwrap_or(0);
            let words = format!("the difference of {} examined matrices has rank {rank} or less, and a rest of rounding", ranks.len());
            return Some(Relation { kind: RelationKind::Adapter, words });
        }
        let median = median(other.iter().filter_map(|p| p.moments.relative_difference()).collect()).unwrap_or(0.0);
        let words = format!(
            "{} tensors, {:.1} % of the shared elements, differ by more than rounding; median relative difference {median:.4}",
            other.len(),
            self.percent(&other)
        );
        Some(Relation { kind: RelationKind::Finetune, words })
    }

    /// The word for tables that have other rows.
    pub(crate) fn vocabulary_changed(&self) -> Option<Relation> {
        let case = self.case;
        let pair = self.shared.iter().find(|p| {
            let (reference, suspect) = (&case.reference.weights[p.reference], &case.suspect.weights[p.suspect]);
            let is_body = suspect.slot.is_some() && !suspect.is_table();
            !is_body && matches!(p.how, How::Tokens | How::Prefix) && (reference.rows != suspect.rows || p.how == How::Tokens)
        })?;
        let (reference, suspect) = (&case.reference.weights[pair.reference], &case.suspect.weights[pair.suspect]);
        let words = format!(
            "`{}` has {} rows against {} in the reference; {} of them correspond",
            suspect.label(),
            suspect.rows,
            reference.rows,
            pair.suspect_weight.rows
        );
        Some(Relation { kind: RelationKind::VocabularyChanged, words })
    }
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
        // A grid of b bits over ±3 standard deviations has a step of 6/2^b and an error of step/√12.
        Encoding::Block(_) => 3.0 * 6.0 / 2f64.powf(encoding.bits_per_value()) / 12f64.sqrt(),
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
