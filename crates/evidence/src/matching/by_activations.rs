//! Hidden units matched by what they do over the words of the prompts: correlations of their activations, estimated from sketches.
//!
//! A unit with a gate has two views, gate and up, which read the stream by two rows of their own. A unit without one is seen once; two halves
//! of its sketch, whose random signs are independent, give two noisy looks at the same correlations. They tell whether a counterpart is found
//! again, and not whether anything else than these correlations confirms it.

use super::blocks::{Agreement, BlockMatch, Group, agreeing};
use super::fitting::{self, Assignments, DRAWN_UNITS, largest};
use crate::blocks::monotone_path;
use crate::depth::{relative_depth, same_depth};
use crate::method::MethodError;
use forward::Observation;
use forward::observation::SKETCH_WIDTH;
use rayon::prelude::*;
use sources::Stack;
use stats::products::normalise_rows;
use stats::{InputError, sampling};

/// One way to see the units of a block: sketches `[units, width]`, rows of length 1.
struct View {
    width: usize,
    rows: Vec<f32>,
    /// Where there is a gate, up and down may change signs together, so correlations of up count by size.
    sign_is_free: bool,
}

/// What reports call the two views.
const GATED: &str = "gate, up";
const HALVES: &str = "halves of the sketches";

/// The views of a block: gate and up, or two halves of up where there is no gate.
fn views(model: &Observation, layer: usize) -> Option<[View; 2]> {
    let sketches = model.sketches(layer)?;
    let view = |mut rows: Vec<f32>, width, sign_is_free| {
        normalise_rows(&mut rows, width);
        View { width, rows, sign_is_free }
    };
    let half = SKETCH_WIDTH / 2;
    let part = |at: usize| sketches.up.chunks_exact(SKETCH_WIDTH).flat_map(|row| row[at..at + half].iter().copied()).collect();
    Some(match sketches.gate {
        Some(gate) => [view(gate, SKETCH_WIDTH, false), view(sketches.up, SKETCH_WIDTH, true)],
        None => [view(part(0), half, false), view(part(half), half, false)],
    })
}

impl View {
    fn n(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    fn drawn(&self, units: &[usize]) -> Self {
        let rows = units.iter().flat_map(|&unit| self.rows[unit * self.width..][..self.width].iter().copied()).collect();
        Self { rows, ..*self }
    }

    /// Correlations `[own units, the other's]`.
    fn correlations(&self, other: &Self) -> Result<Vec<f32>, InputError> {
        fitting::correlations(&self.rows, &other.rows, self.width, self.sign_is_free)
    }
}

/// Matches all MLPs of two observations, of which both or neither have gates: a drawn look at every pair of blocks, then in full along the best path.
pub(crate) fn match_units(reference: &Observation, suspect: &Observation, seed: u64) -> Result<Vec<BlockMatch>, MethodError> {
    let (n_ours, n_theirs) = (reference.subject.n_layers, suspect.subject.n_layers);
    let drawn: Vec<Option<[View; 2]>> = (0..n_ours)
        .into_par_iter()
        .map(|layer| {
            let views = views(reference, layer)?;
            let units = sampling::draw(seed, &format!("activations of units {layer}"), views[0].n(), views[0].n().min(DRAWN_UNITS));
            Some(views.map(|view| view.drawn(&units)))
        })
        .collect();
    let columns: Vec<Vec<Option<f64>>> = (0..n_theirs).map(|layer| look(suspect, layer, &drawn)).collect::<Result<_, MethodError>>()?;
    drop(drawn);
    let path = monotone_path(n_ours, n_theirs, |row, col| columns[col][row]);
    let blocks: Vec<(usize, Option<usize>)> = path.into_iter().enumerate().collect();
    let of = |&(col, row): &(usize, Option<usize>)| {
        let place = row.map_or((same_depth(col, n_theirs, n_ours), false), |row| (row, true));
        in_full((reference, place.0), (suspect, col), place.1)
    };
    let found = fitting::in_full(&blocks, |_| reference.subject.units * suspect.subject.units, of)?;
    Ok(found.into_iter().flatten().collect())
}

/// Share of drawn units of every reference block on whose nearest unit of one suspect block both views agree.
fn look(suspect: &Observation, layer: usize, drawn: &[Option<[View; 2]>]) -> Result<Vec<Option<f64>>, MethodError> {
    let Some(mine) = views(suspect, layer) else { return Ok(vec![None; drawn.len()]) };
    let n = mine[0].n();
    let of = |drawn: &Option<[View; 2]>| {
        let Some(drawn) = drawn.as_ref().filter(|_| n > 0) else { return Ok(None) };
        let nearest = |view: usize| -> Result<Vec<Option<usize>>, MethodError> {
            Ok(drawn[view].correlations(&mine[view])?.chunks(n).map(largest).collect())
        };
        Ok(Some(agreeing(&nearest(0)?, &nearest(1)?) as f64 / drawn[0].n().min(n).max(1) as f64))
    };
    drawn.par_iter().map(of).collect()
}

fn in_full(
    (reference, row): (&Observation, usize),
    (suspect, col): (&Observation, usize),
    is_on_path: bool,
) -> Result<Option<BlockMatch>, MethodError> {
    let (Some(ours), Some(theirs)) = (views(reference, row), views(suspect, col)) else { return Ok(None) };
    let (n_reference, n_suspect) = (ours[0].n(), theirs[0].n());
    let mut assignments = Assignments::new(n_reference, n_suspect);
    for (a, b) in ours.iter().zip(&theirs) {
        assignments.push(&a.correlations(b)?)?;
    }
    let is_gated = ours[0].width == SKETCH_WIDTH;
    let group = |layer| Group { stack: Stack::Single, layer, expert: None };
    Ok(Some(BlockMatch {
        suspect: group(col),
        reference: group(row),
        is_on_path,
        depth: relative_depth(col, suspect.subject.n_layers),
        n_reference,
        n_suspect,
        agreements: vec![Agreement { views: if is_gated { GATED } else { HALVES }, units: assignments.agreeing(0, 1) }],
        counterparts: assignments.counterparts(),
        is_certified: assignments.is_certified,
    }))
}
