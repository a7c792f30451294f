//! Weights of both sides that are indexed by the same exchangeable units, by role alone: no value of any weight decides what is compared.

use crate::method::MethodError;
use crate::pairing::common_tokens;
use crate::side::Side;
use sources::{Rows, Slot, Space, Stack, TensorSource, Weight, view};
use stats::sampling;
use std::collections::BTreeMap;

/// Units drawn of a block; a permutation test restricted to units that the seed draws is still exact.
pub(crate) const MAX_UNITS: usize = 1024;
/// Entries drawn of a unit's other axis.
const MAX_WIDTH: usize = 1024;
/// Entries of a head: all its rows, so fewer columns.
const MAX_HEAD_WIDTH: usize = 16 * 1024;

/// One axis of a pair of weights that runs over the units of a space.
#[derive(Debug, Clone)]
pub(crate) struct SharedAxis {
    pub(crate) reference: Weight,
    pub(crate) suspect: Weight,
    /// 0: rows are units; 1: columns are.
    pub(crate) axis: usize,
    /// Consecutive indices that form one unit.
    pub(crate) unit: usize,
}

impl SharedAxis {
    /// Number of units along the axis.
    pub(crate) fn units(&self) -> usize {
        let n = if self.axis == 0 { self.suspect.rows } else { self.suspect.cols };
        n / self.unit.max(1)
    }
}

/// The axes that both sides have in common, grouped by the suspect's space. `layers` leads from a suspect block to the reference's.
pub(crate) fn shared_spaces(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    layers: &BTreeMap<(Stack, usize), usize>,
) -> BTreeMap<Space, Vec<SharedAxis>> {
    let by_slot: BTreeMap<Slot, &Weight> = reference.weights.iter().filter_map(|w| Some((w.slot?, w))).collect();
    let mut spaces: BTreeMap<Space, Vec<SharedAxis>> = BTreeMap::new();
    for weight in &suspect.weights {
        let Some(slot) = weight.slot else { continue };
        let layer = match slot.layer {
            Some(layer) => match layers.get(&(slot.stack, layer)) {
                Some(&mapped) => Some(mapped),
                None => continue,
            },
            None => None,
        };
        let Some(&other) = by_slot.get(&Slot { layer, ..slot }) else { continue };
        let Some((other, weight)) = same_rows(reference, suspect, other, weight) else { continue };
        for axis in 0..2 {
            let (mine, theirs, opposite) = (weight.axes[axis], other.axes[axis], weight.axes[1 - axis]);
            let lengths_agree = other.rows == weight.rows && other.cols == weight.cols;
            // One space on both axes is permuted on both together; this test does not cover it.
            if !mine.space.is_exchangeable()
                || mine.unit != theirs.unit
                || opposite.space == mine.space
                || !lengths_agree
                || weight.cols < 2
            {
                continue;
            }
            // A matrix between two exchangeable spaces would enter the sums of both, and their p-values would not be independent: it serves
            // the inner one. Given the order of the residual coordinates the inner spaces are independent of each other.
            if matches!(mine.space, Space::Residual(_)) && opposite.space.is_exchangeable() {
                continue;
            }
            if std::mem::discriminant(&mine.space) == std::mem::discriminant(&theirs.space) {
                spaces.entry(mine.space).or_default().push(SharedAxis {
                    reference: other.clone(),
                    suspect: weight.clone(),
                    axis,
                    unit: mine.unit,
                });
            }
        }
    }
    for axes in spaces.values_mut() {
        let units = axes.first().map_or(0, SharedAxis::units);
        axes.retain(|a| a.units() == units);
    }
    spaces.retain(|_, axes| !axes.is_empty());
    spaces
}

/// The two weights with the same rows: all, or for tables of tokens the common ones.
pub(crate) fn same_rows(reference: &Side<'_>, suspect: &Side<'_>, other: &Weight, weight: &Weight) -> Option<(Weight, Weight)> {
    let is_table = weight.is_table() && weight.axes[0].space == Space::Vocabulary;
    if !is_table || other.view.rows != Rows::All || weight.view.rows != Rows::All {
        return (other.rows == weight.rows && other.cols == weight.cols).then(|| (other.clone(), weight.clone()));
    }
    let (reference_rows, suspect_rows): (Vec<usize>, Vec<usize>) = match common_tokens(reference, suspect) {
        Some((a, b)) => a.into_iter().zip(b).filter(|&(r, s)| r < other.rows && s < weight.rows).unzip(),
        None => (0..other.rows.min(weight.rows)).map(|i| (i, i)).unzip(),
    };
    (other.cols == weight.cols && reference_rows.len() >= 2).then(|| (other.with_rows(reference_rows), weight.with_rows(suspect_rows)))
}

/// The drawn units of an axis as row-major matrices, one a side: `[units, width]`.
pub(crate) fn read_units(
    reference: &Side<'_>,
    suspect: &Side<'_>,
    axis: &SharedAxis,
    units: &[usize],
    seed: u64,
) -> Result<(Vec<f32>, Vec<f32>, usize), MethodError> {
    let along: Vec<usize> = units.iter().flat_map(|&u| u * axis.unit..(u + 1) * axis.unit).collect();
    let across_len = if axis.axis == 0 { axis.suspect.cols } else { axis.suspect.rows };
    let width = if axis.unit == 1 { MAX_WIDTH } else { (MAX_HEAD_WIDTH / axis.unit).max(1) };
    let across = sampling::draw(seed, "across", across_len, across_len.min(width));
    let read = |source: &dyn TensorSource, weight: &Weight| -> Result<Vec<f32>, MethodError> {
        let mut values = Vec::new();
        if axis.axis == 0 {
            view::gather(source, weight, &along, &across, &mut values)?;
            return Ok(values);
        }
        view::gather(source, weight, &across, &along, &mut values)?;
        // [across, along] → [along, across]
        Ok((0..along.len()).flat_map(|i| values.iter().skip(i).step_by(along.len()).copied()).collect())
    };
    Ok((read(reference.model, &axis.reference)?, read(suspect.model, &axis.suspect)?, across.len() * axis.unit))
}
