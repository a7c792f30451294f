//! A small grid of a matrix, the same grid for every matrix of its shape, so that thousands of pairs can be compared for the price of one pass.

use sources::{SourceError, TensorSource, Weight, view};

/// Side of the grid for square matrices; thin ones get more of their long side.
const GRID: usize = 64;

/// The sampled, centred and normalised entries of a weight.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    rows: usize,
    cols: usize,
    values: Vec<f32>,
}

/// How many indices to draw of an axis of length `n` beside one of length `other`. Symmetric, so that a transposed copy has the same grid.
fn grid_len(n: usize, other: usize) -> usize {
    n.min(GRID.max(GRID * GRID / other.max(1)))
}

/// The drawn indices of an axis; a function of the lengths and the seed alone.
pub(crate) fn grid(seed: u64, n: usize, other: usize) -> Vec<usize> {
    stats::sampling::draw(seed, "grid", n, grid_len(n, other))
}

impl Sample {
    /// Reads the grid of `weight`.
    pub(crate) fn read(source: &dyn TensorSource, weight: &Weight, seed: u64) -> Result<Self, SourceError> {
        let rows = grid(seed, weight.rows, weight.cols);
        let cols = grid(seed, weight.cols, weight.rows);
        let mut values = Vec::new();
        view::gather(source, weight, &rows, &cols, &mut values)?;
        let mut sample = Self { rows: rows.len(), cols: cols.len(), values };
        sample.normalise();
        Ok(sample)
    }

    /// Removes row and column means (a common mean direction makes independent tables correlate) and scales to length 1.
    /// A sample without variance, or with values that are not finite, becomes zeros: similar to nothing.
    fn normalise(&mut self) {
        let (rows, cols) = (self.rows, self.cols);
        if self.values.iter().any(|v| !v.is_finite()) || rows == 0 || cols == 0 {
            self.values.fill(0.0);
            return;
        }
        if cols > 1 {
            for row in self.values.chunks_exact_mut(cols) {
                let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / cols as f64;
                row.iter_mut().for_each(|v| *v -= mean as f32);
            }
        }
        if rows > 1 {
            for col in 0..cols {
                let mean = (0..rows).map(|row| f64::from(self.values[row * cols + col])).sum::<f64>() / rows as f64;
                (0..rows).for_each(|row| self.values[row * cols + col] -= mean as f32);
            }
        }
        let norm = self.values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        self.values.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
    }

    /// Number of sampled entries.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The entries, row-major, or those of the transposed matrix.
    pub(crate) fn oriented(&self, transposed: bool) -> Vec<f32> {
        if !transposed {
            return self.values.clone();
        }
        (0..self.cols).flat_map(|col| (0..self.rows).map(move |row| self.values[row * self.cols + col])).collect()
    }
}

/// Cosine of two samples in one orientation.
pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}
