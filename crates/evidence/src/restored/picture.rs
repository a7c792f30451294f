//! Units of one block before and after: correlations by stored index, and in the order that matching found.

use super::units::{DRAWN, drawn};
use crate::matching::{BlockMatch, Group, Matching, unit_signatures};
use crate::method::MethodError;
use stats::products::row_products;

/// Units drawn for the picture.
const SIDE: usize = 40;

/// Two matrices of correlations over the same units of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct UndonePicture {
    /// The suspect's block.
    pub suspect: Group,
    /// The reference's block.
    pub reference: Group,
    /// Units of the reference, top to bottom.
    pub rows: Vec<usize>,
    /// Units of the suspect with the same indices.
    pub before: Vec<usize>,
    /// Units of the suspect that matching gave them.
    pub after: Vec<usize>,
    /// Row-major.
    pub values_before: Vec<f32>,
    /// Row-major.
    pub values_after: Vec<f32>,
}

pub(super) fn draw(matching: &Matching<'_>, block: &BlockMatch, seed: u64) -> Result<Option<UndonePicture>, MethodError> {
    let (ours, theirs) = drawn(block, DRAWN, seed);
    let mut pairs: Vec<(usize, usize)> = ours.into_iter().zip(theirs).filter(|&(unit, _)| unit < block.n_suspect).collect();
    pairs.sort_unstable();
    let step = pairs.len().div_ceil(SIDE).max(1);
    let (rows, after): (Vec<usize>, Vec<usize>) = pairs.into_iter().step_by(step).unzip();
    if rows.len() < 4 {
        return Ok(None);
    }
    let before = rows.clone();
    let tokens = &matching.tokens.stacks[&block.suspect.stack];
    let ours = unit_signatures(&matching.reference, block.reference, &rows, &tokens.reference)?;
    let of_suspect = |units: &[usize]| unit_signatures(&matching.suspect, block.suspect, units, &tokens.suspect);
    let correlations = |theirs: Vec<Vec<f32>>| -> Option<Vec<f32>> {
        // The first view reads: a gate where there is one, whose sign is not free.
        let (a, b) = (ours.first()?, theirs.first()?);
        let mut out = vec![0.0f32; rows.len() * rows.len()];
        row_products(a, b, a.len() / rows.len(), &mut out).ok()?;
        Some(out)
    };
    let (Some(values_before), Some(values_after)) = (correlations(of_suspect(&before)?), correlations(of_suspect(&after)?)) else {
        return Ok(None);
    };
    Ok(Some(UndonePicture { suspect: block.suspect, reference: block.reference, rows, before, after, values_before, values_after }))
}
