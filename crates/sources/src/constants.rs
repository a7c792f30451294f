//! Tensors that no training touched: position ids, frequency tables, masks, Fourier bases, filter banks.
//!
//! Two independent models agree on them bit for bit, so they say nothing about derivation and are set apart before any method runs.
//! Each rule states a formula that the values must obey; none is a matter of degree that trained weights could drift into.

use std::fmt;

/// The rule that a tensor obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constant {
    /// All values are equal, or there are at most eight distinct ones and neighbours, along the rows or down the columns, differ in
    /// at most one place in sixteen: gains never trained, masks, one-hot tables. Ternary weights have few values too, but no runs.
    FewValues,
    /// The values in storage order are an arithmetic or geometric progression of at least eight terms: position ids, `inv_freq`.
    Progression,
    /// Every column `x` obeys `x[t+1] + x[t-1] = 2 cos(w) x[t]` for a frequency `w` of its own, down at least eight rows (or every row
    /// along at least eight columns), within 1e-3 of twice its norm, and one column in eight passes a whole period: sinusoidal
    /// positions, rotary cosines and sines.
    Sinusoidal,
    /// `[2k, n]`: row `j` is `w[t] cos(2 pi j t / n)`, row `k + j` is `w[t] sin(2 pi j t / n)` or its negative, for the window `w` that
    /// stands in row 0, within 1e-3 of its norm: the basis of a short-time Fourier transform.
    FourierBasis,
    /// No value is negative, half are zero or more, every row (or every column) rises to one peak and falls, without gaps, and the
    /// peaks are in order: triangular mel filters.
    FilterBank,
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FewValues => "few distinct values",
            Self::Progression => "an arithmetic or geometric progression",
            Self::Sinusoidal => "a sinusoidal table",
            Self::FourierBasis => "a windowed Fourier basis",
            Self::FilterBank => "a triangular filter bank",
        })
    }
}

/// Larger tensors are never constants worth knowing, and looking at them all would cost a pass over the checkpoint.
pub const MAX_CONSTANT_ELEMENTS: usize = 4_000_000;

const MAX_DISTINCT: usize = 8;
const MIN_TERMS: usize = 8;
const TOLERANCE: f64 = 1e-3;

/// The rule that the values of a row-major `[rows, cols]` tensor obey, if there is one.
pub fn recognise(rows: usize, cols: usize, values: &[f32]) -> Option<Constant> {
    let n = values.len();
    if rows.checked_mul(cols) != Some(n) || !(MIN_TERMS..=MAX_CONSTANT_ELEMENTS).contains(&n) {
        return None;
    }
    let matrix = Matrix { rows, cols, values, row_stride: cols, col_stride: 1 };
    // Masks hold infinities, so this rule comes before the arithmetic ones.
    if has_few_values(&matrix) {
        return Some(Constant::FewValues);
    }
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    if is_progression(values) {
        return Some(Constant::Progression);
    }
    if is_fourier_basis(&matrix) {
        return Some(Constant::FourierBasis);
    }
    if is_sinusoidal(&matrix) || is_sinusoidal(&matrix.transposed()) {
        return Some(Constant::Sinusoidal);
    }
    (is_filter_bank(&matrix) || is_filter_bank(&matrix.transposed())).then_some(Constant::FilterBank)
}

#[derive(Clone, Copy)]
struct Matrix<'a> {
    rows: usize,
    cols: usize,
    values: &'a [f32],
    row_stride: usize,
    col_stride: usize,
}

impl Matrix<'_> {
    fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    fn at(&self, row: usize, col: usize) -> f64 {
        f64::from(self.values[row * self.row_stride + col * self.col_stride])
    }

    fn row(&self, row: usize) -> impl Iterator<Item = f64> + Clone {
        (0..self.cols).map(move |col| self.at(row, col))
    }

    /// Places where a value differs from its left neighbour.
    fn changes(&self) -> usize {
        (0..self.rows).map(|row| (1..self.cols).filter(|&col| self.at(row, col) != self.at(row, col - 1)).count()).sum()
    }
}

fn has_few_values(matrix: &Matrix<'_>) -> bool {
    let mut distinct: Vec<f32> = Vec::with_capacity(MAX_DISTINCT);
    for value in matrix.values {
        if value.is_nan() {
            return false;
        }
        if !distinct.contains(value) {
            if distinct.len() == MAX_DISTINCT {
                return false;
            }
            distinct.push(*value);
        }
    }
    let few = matrix.values.len() / 16;
    // Where an axis has one place there are no neighbours along it, and nothing that could differ.
    let has_runs = |along: &Matrix<'_>| along.cols > 1 && along.changes() <= few;
    distinct.len() == 1 || has_runs(matrix) || has_runs(&matrix.transposed())
}

fn is_progression(values: &[f32]) -> bool {
    let magnitude =
        values.iter().fold(0.0, |largest: f64, &value| if f64::from(value.abs()) > largest { f64::from(value.abs()) } else { largest });
    // Half an ulp of f32 for the largest term, where the step is too small to measure against.
    if is_arithmetic(values.iter().map(|&value| f64::from(value)), magnitude * 6e-8) {
        return true;
    }
    let is_of_one_sign = values.iter().all(|&value| value > 0.0) || values.iter().all(|&value| value < 0.0);
    is_of_one_sign && is_arithmetic(values.iter().map(|&value| f64::from(value.abs()).ln()), 1e-7)
}

/// Whether the terms lie on the line through the first and the last one, within a hundredth of a step or `rounding`.
fn is_arithmetic(terms: impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + Clone, rounding: f64) -> bool {
    let n = terms.len();
    let (Some(first), Some(last)) = (terms.clone().next(), terms.clone().next_back()) else { return false };
    let step = (last - first) / (n - 1) as f64;
    // Where rounding is as large as the steps, any slowly changing sequence would fit.
    if step.abs() <= 4.0 * rounding {
        return false;
    }
    let hundredth = step.abs() / 100.0;
    let tolerance = if hundredth > rounding { hundredth } else { rounding };
    terms.enumerate().all(|(i, term)| (term - (first + i as f64 * step)).abs() <= tolerance)
}

fn is_sinusoidal(matrix: &Matrix<'_>) -> bool {
    let (length, n_sequences) = (matrix.rows, matrix.cols);
    if length < MIN_TERMS || n_sequences < 2 {
        return false;
    }
    let mut n_periodic = 0;
    for col in 0..n_sequences {
        let (mut cross, mut inner) = (0.0, 0.0);
        for t in 1..length - 1 {
            let x = matrix.at(t, col);
            cross += (matrix.at(t - 1, col) + matrix.at(t + 1, col)) * x;
            inner += x * x;
        }
        if inner == 0.0 {
            continue;
        }
        let double_cosine = cross / inner;
        let residual: f64 =
            (1..length - 1).map(|t| (matrix.at(t - 1, col) + matrix.at(t + 1, col) - double_cosine * matrix.at(t, col)).powi(2)).sum();
        if residual > 4.0 * TOLERANCE * TOLERANCE * inner || double_cosine.abs() > 2.0 + TOLERANCE {
            return false;
        }
        let frequency = (double_cosine / 2.0).clamp(-1.0, 1.0).acos();
        n_periodic += usize::from(frequency * length as f64 >= std::f64::consts::TAU);
    }
    n_periodic * 8 >= n_sequences
}

fn is_fourier_basis(matrix: &Matrix<'_>) -> bool {
    let (k, n) = (matrix.rows / 2, matrix.cols);
    if !matrix.rows.is_multiple_of(2) || k < 2 || n < MIN_TERMS {
        return false;
    }
    let energy: f64 = matrix.row(0).map(|w| w * w).sum();
    let limit = TOLERANCE * TOLERANCE * energy;
    let cosines = (0..k).all(|j| misfit(matrix, j, |t| angle(j, t, n).cos()) <= limit);
    let sines = |sign: f64| (0..k).all(|j| misfit(matrix, k + j, |t| sign * angle(j, t, n).sin()) <= limit);
    energy > 0.0 && cosines && (sines(-1.0) || sines(1.0))
}

fn angle(j: usize, t: usize, n: usize) -> f64 {
    std::f64::consts::TAU * ((j * t) % n) as f64 / n as f64
}

/// Squared distance of a row from the window in row 0 times `wave`.
fn misfit(matrix: &Matrix<'_>, row: usize, wave: impl Fn(usize) -> f64) -> f64 {
    (0..matrix.cols).map(|t| (matrix.at(row, t) - matrix.at(0, t) * wave(t)).powi(2)).sum()
}

fn is_filter_bank(matrix: &Matrix<'_>) -> bool {
    if matrix.rows < 4 || matrix.cols < 2 * MIN_TERMS || matrix.values.iter().any(|&value| value < 0.0) {
        return false;
    }
    let n_zeros = matrix.values.iter().filter(|&&value| value == 0.0).count();
    if 2 * n_zeros < matrix.values.len() {
        return false;
    }
    let (mut last_peak, mut n_empty) = (0, 0);
    for row in 0..matrix.rows {
        let Some((peak, _)) = matrix.row(row).enumerate().filter(|(_, value)| *value > 0.0).max_by(|a, b| a.1.total_cmp(&b.1)) else {
            n_empty += 1;
            continue;
        };
        let rises = (1..=peak).all(|col| is_step(matrix.at(row, col - 1), matrix.at(row, col)));
        let falls = (peak + 1..matrix.cols).all(|col| is_step(matrix.at(row, col), matrix.at(row, col - 1)));
        if !rises || !falls || peak < last_peak {
            return false;
        }
        last_peak = peak;
    }
    // Narrow filters at low frequencies may miss every bin.
    4 * n_empty <= matrix.rows
}

/// Outside a filter nothing happens; inside, it rises towards the peak.
fn is_step(outer: f64, inner: f64) -> bool {
    outer < inner || (outer == 0.0 && inner == 0.0)
}

#[cfg(test)]
mod tests;
