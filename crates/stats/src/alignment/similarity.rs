//! Cosine similarities of units in tiles: two matrices in, the rows of `C` out, never all of `C` at once.

use super::{AlignmentBuilder, RowAlignment};
use crate::InputError;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::ops::Range;

/// Rows of one tile of `C`, and rows of the suspect that are normalised at a time.
const ROWS_PER_TILE: usize = 256;
const COLUMNS_PER_TILE: usize = 512;

/// What is subtracted before cosines are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centring {
    /// Nothing.
    None,
    /// The mean of each column over the units of its own side: removes a direction that all units share. Permuting units changes nothing
    /// in it, so the null hypothesis is untouched.
    Columns,
}

/// One matrix of each side whose rows are the units: `[n_units, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct RowPair<'a> {
    /// The reference's rows.
    pub reference: &'a [f32],
    /// The suspect's rows.
    pub suspect: &'a [f32],
    /// Numbers a row.
    pub width: usize,
}

/// The alignment of `n_units` units, seen in one or more pairs of matrices that share the permutation: `C` is the sum of their cosines.
///
/// `C_ij = Σ_pairs cos(reference_i, suspect_j)`; a row of zeros has cosine 0 with everything. Products are in f32, about `1e-6` off;
/// `O(n_units² · width)` operations, `O(n_units + tile)` memory besides the matrices.
///
/// # Errors
/// If a shape is wrong, there is no pair, or an entry is not finite.
pub fn align_rows(pairs: &[RowPair<'_>], n_units: usize, centring: Centring) -> Result<RowAlignment, InputError> {
    let mut builder = AlignmentBuilder::new(n_units);
    similarity_rows(pairs, n_units, centring, |rows| builder.push_rows(rows))?;
    builder.finish()
}

/// Calls `visit` with the rows of the `C` of [`align_rows`], in order, in tiles `[up to 256, n_units]`; for callers that also want to keep them.
///
/// # Errors
/// As [`align_rows`], and what `visit` returns.
pub fn similarity_rows(
    pairs: &[RowPair<'_>],
    n_units: usize,
    centring: Centring,
    mut visit: impl FnMut(&[f32]) -> Result<(), InputError>,
) -> Result<(), InputError> {
    if pairs.is_empty() || n_units == 0 {
        return Err(InputError::new("matrices to align", format!("{} pairs of {n_units} units", pairs.len()), "at least one of each"));
    }
    let sides: Vec<(Side<'_>, Side<'_>)> = pairs
        .iter()
        .map(|pair| {
            Ok((
                Side::new("matrix of the reference", pair.reference, n_units, pair.width, centring)?,
                Side::new("matrix of the suspect", pair.suspect, n_units, pair.width, centring)?,
            ))
        })
        .collect::<Result<_, InputError>>()?;
    let mut tile = vec![0.0f32; ROWS_PER_TILE.min(n_units) * n_units];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for rows in tiles(n_units, ROWS_PER_TILE) {
        let tile = &mut tile[..rows.len() * n_units];
        tile.fill(0.0);
        for (reference, suspect) in &sides {
            let width = reference.width;
            reference.normalise(rows.clone(), &mut left);
            let lhs = MatRef::from_row_major_slice(&left, rows.len(), width);
            for columns in tiles(n_units, COLUMNS_PER_TILE) {
                suspect.normalise(columns.clone(), &mut right);
                let rhs = MatRef::from_row_major_slice(&right, columns.len(), width).transpose();
                let target = MatMut::from_row_major_slice_mut(&mut *tile, rows.len(), n_units);
                let target = target.subcols_mut(columns.start, columns.len());
                matmul(target, Accum::Add, lhs, rhs, 1.0, Par::Seq);
            }
        }
        visit(tile)?;
    }
    Ok(())
}

fn tiles(n: usize, height: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(height).map(move |start| start..(start + height).min(n))
}

/// The rows of one side, with what makes them unit vectors.
struct Side<'a> {
    rows: &'a [f32],
    width: usize,
    means: Vec<f32>,
    scales: Vec<f32>,
}

impl<'a> Side<'a> {
    fn new(what: &'static str, rows: &'a [f32], n_units: usize, width: usize, centring: Centring) -> Result<Self, InputError> {
        InputError::check_shape(what, rows.len(), n_units, width)?;
        if width == 0 {
            return Err(InputError::new(what, "rows of width 0", "at least one column"));
        }
        let mut means = vec![0.0f32; width];
        if centring == Centring::Columns {
            let mut sums = vec![0.0f64; width];
            for row in rows.chunks_exact(width) {
                for (sum, &entry) in sums.iter_mut().zip(row) {
                    *sum += f64::from(entry);
                }
            }
            for (mean, sum) in means.iter_mut().zip(&sums) {
                *mean = (sum / n_units as f64) as f32;
            }
        }
        let scales = rows
            .chunks_exact(width)
            .map(|row| {
                let square: f64 = row.iter().zip(&means).map(|(&entry, &mean)| f64::from(entry - mean) * f64::from(entry - mean)).sum();
                if !square.is_finite() {
                    return Err(InputError::new(what, "an entry that is not finite", "finite entries"));
                }
                // A row of rounding errors around the mean is a row of zeros.
                let size: f64 = row.iter().map(|&entry| f64::from(entry) * f64::from(entry)).sum();
                Ok(if square > 1e-12 * size && square > 1e-70 { (1.0 / square.sqrt()) as f32 } else { 0.0 })
            })
            .collect::<Result<_, InputError>>()?;
        Ok(Self { rows, width, means, scales })
    }

    /// Unit vectors of the given rows, row-major.
    fn normalise(&self, rows: Range<usize>, out: &mut Vec<f32>) {
        out.clear();
        let entries = &self.rows[rows.start * self.width..rows.end * self.width];
        for (row, &scale) in entries.chunks_exact(self.width).zip(&self.scales[rows]) {
            out.extend(row.iter().zip(&self.means).map(|(entry, mean)| (entry - mean) * scale));
        }
    }
}
