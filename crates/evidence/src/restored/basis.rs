//! Which turn of the residual stream leads from the suspect to the reference, and whether it holds where it was not fitted.

use crate::products::tiled_products;
use stats::InputError;
use stats::assignment::maximum_weight_assignment;
use stats::haar_bound::{cross_gram, polar_factor};
use stats::products::{dot, normalise_rows};

/// Vectors of the same things (tokens, matched units) in both streams; rows of length 1.
#[derive(Default)]
pub(super) struct Anchors {
    pub(super) reference: Vec<f32>,
    pub(super) suspect: Vec<f32>,
}

impl Anchors {
    pub(super) fn push(&mut self, reference: &[f32], suspect: &[f32], width: usize) {
        for (rows, target) in [(reference, &mut self.reference), (suspect, &mut self.suspect)] {
            let start = target.len();
            target.extend_from_slice(rows);
            normalise_rows(&mut target[start..], width);
        }
    }
}

/// How the coordinates of the suspect's stream come from the reference's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// They are the same.
    Same,
    /// The same in another order, with signs: coordinate `order[c]` of the suspect times `signs[c]` is `c` of the reference.
    Permuted { order: Vec<usize>, signs: Vec<f32> },
    /// Turned: `x ↦ x Q`, `Q` row-major `[d, d]`.
    Rotated { q: Vec<f32> },
}

/// A turn, and the mean cosine of vectors that it was not fitted on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Basis {
    pub(crate) width: usize,
    pub(crate) turn: Turn,
    pub(crate) held_out: f64,
}

/// A turn is found where held-out vectors agree at least this closely; strangers' aligned embeddings stay well below.
const FOUND: f64 = 0.5;
/// Coordinates count as the same from here on: independent order leaves cosines about zero.
const SAME: f64 = 0.3;

impl Basis {
    /// Fits on some anchors and checks on others. Simple turns first: none, a signed permutation, any.
    pub(super) fn find(fit: &Anchors, check: &Anchors, width: usize) -> Result<Option<Self>, InputError> {
        let with = |turn: Turn| -> Result<Self, InputError> {
            let held_out = mean_cosine(check, &turn, width)?;
            Ok(Self { width, turn, held_out })
        };
        let same = with(Turn::Same)?;
        if same.held_out >= SAME {
            return Ok(Some(same));
        }
        // Suspect against reference: rows are the suspect's coordinates.
        let Ok(gram) = cross_gram(&fit.suspect, &fit.reference, width) else { return Ok(None) };
        let permuted = signed_permutation(&gram, fit, width).map(with).transpose()?;
        if let Some(permuted) = permuted.filter(|basis| basis.held_out >= FOUND) {
            return Ok(Some(permuted));
        }
        let Ok((polar, _)) = polar_factor(&gram, width) else { return Ok(None) };
        let q = polar.into_iter().map(|entry| entry as f32).collect();
        Ok(Some(with(Turn::Rotated { q })?).filter(|basis| basis.held_out >= FOUND))
    }

    /// Vectors of the suspect's stream in the reference's coordinates.
    pub(crate) fn apply(&self, vectors: &[f32]) -> Result<Vec<f32>, InputError> {
        apply(&self.turn, vectors, self.width)
    }
}

fn apply(turn: &Turn, vectors: &[f32], width: usize) -> Result<Vec<f32>, InputError> {
    Ok(match turn {
        Turn::Same => vectors.to_vec(),
        Turn::Permuted { order, signs } => {
            vectors.chunks_exact(width).flat_map(|row| order.iter().zip(signs).map(|(&c, sign)| row[c] * sign)).collect()
        }
        Turn::Rotated { q } => {
            let columns: Vec<f32> = (0..width).flat_map(|c| (0..width).map(move |r| q[r * width + c])).collect();
            tiled_products(vectors, &columns, width)?
        }
    })
}

/// The assignment of coordinates with the largest correlations by size.
fn signed_permutation(gram: &[f64], fit: &Anchors, width: usize) -> Option<Turn> {
    let norms = |rows: &[f32]| {
        let mut squares = vec![0.0f64; width];
        rows.chunks_exact(width).for_each(|row| squares.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v) * f64::from(v)));
        squares
    };
    let (theirs, ours) = (norms(&fit.suspect), norms(&fit.reference));
    let sizes: Vec<f64> = (0..width * width)
        .map(|at| {
            let scale = (theirs[at / width] * ours[at % width]).sqrt();
            if scale > 0.0 { gram[at].abs() / scale } else { 0.0 }
        })
        .collect();
    let assignment = maximum_weight_assignment(&sizes, width, width).ok()?;
    let mut order = vec![0; width];
    for (theirs, ours) in assignment.column_of_row.iter().enumerate() {
        order[(*ours)?] = theirs;
    }
    let signs = order.iter().enumerate().map(|(ours, &theirs)| if gram[theirs * width + ours] < 0.0 { -1.0 } else { 1.0 }).collect();
    Some(Turn::Permuted { order, signs })
}

fn mean_cosine(anchors: &Anchors, turn: &Turn, width: usize) -> Result<f64, InputError> {
    let aligned = apply(turn, &anchors.suspect, width)?;
    let n = aligned.len() / width.max(1);
    Ok(dot(&aligned, &anchors.reference) / n.max(1) as f64)
}
