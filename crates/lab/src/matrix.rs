//! One weight in memory, `[out, in]`, and the maps that steps apply to it.

use rayon::prelude::*;

/// A matrix, row-major; a vector has one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// Row after row.
    pub values: Vec<f32>,
}

/// Values for one task of a parallel loop.
const VALUES_PER_TASK: usize = 1 << 16;

impl Matrix {
    /// A matrix of these values.
    ///
    /// # Panics
    /// If there are not `rows · cols` of them.
    pub fn new(rows: usize, cols: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix of {rows} × {cols}");
        Self { rows, cols, values }
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.cols..][..self.cols]
    }

    /// Calls `each(first row, rows)` for blocks of whole rows, side by side.
    pub fn for_row_blocks(&mut self, each: impl Fn(usize, &mut [f32]) + Sync) {
        self.for_blocks_of(VALUES_PER_TASK / self.cols.max(1), each);
    }

    /// The same for blocks of this many rows, at least one.
    pub fn for_blocks_of(&mut self, rows_per_task: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
        let (cols, rows_per_task) = (self.cols.max(1), rows_per_task.max(1));
        self.values.par_chunks_mut(rows_per_task * cols).enumerate().for_each(|(i, block)| each(i * rows_per_task, block));
    }

    /// Row `i` becomes the old row `order[i]`; also drops and repeats rows.
    #[must_use]
    pub fn take_rows(&self, order: &[usize]) -> Self {
        let mut taken = Self::new(order.len(), self.cols, vec![0.0; order.len() * self.cols]);
        let cols = self.cols.max(1);
        taken.for_row_blocks(|first, block| {
            for (row, &from) in block.chunks_exact_mut(cols).zip(&order[first..]) {
                row.copy_from_slice(self.row(from));
            }
        });
        taken
    }

    /// Column `i` becomes the old column `order[i]`; also drops and repeats columns.
    #[must_use]
    pub fn take_cols(&self, order: &[usize]) -> Self {
        let mut taken = Self::new(self.rows, order.len(), vec![0.0; self.rows * order.len()]);
        let cols = order.len().max(1);
        taken.for_row_blocks(|first, block| {
            for (i, row) in block.chunks_exact_mut(cols).enumerate() {
                let old = self.row(first + i);
                row.iter_mut().zip(order).for_each(|(value, &from)| *value = old[from]);
            }
        });
        taken
    }

    /// Multiplies row `i` by `factors[i]`.
    pub fn scale_rows(&mut self, factors: &[f32]) {
        let cols = self.cols.max(1);
        self.for_row_blocks(|first, block| {
            for (row, &factor) in block.chunks_exact_mut(cols).zip(&factors[first..]) {
                row.iter_mut().for_each(|value| *value *= factor);
            }
        });
    }

    /// Multiplies column `i` by `factors[i]`.
    pub fn scale_cols(&mut self, factors: &[f32]) {
        let cols = self.cols.max(1);
        self.for_row_blocks(|_, block| {
            for row in block.chunks_exact_mut(cols) {
                row.iter_mut().zip(factors).for_each(|(value, &factor)| *value *= factor);
            }
        });
    }

    /// Takes the mean of each row away.
    pub fn centre_rows(&mut self) {
        let cols = self.cols.max(1);
        self.for_row_blocks(|_, block| {
            for row in block.chunks_exact_mut(cols) {
                let mean = (row.iter().map(|&value| f64::from(value)).sum::<f64>() / cols as f64) as f32;
                row.iter_mut().for_each(|value| *value -= mean);
            }
        });
    }

    /// Takes the mean of each column away.
    pub fn centre_cols(&mut self) {
        let mut means = vec![0.0f64; self.cols];
        for row in self.values.chunks_exact(self.cols.max(1)) {
            means.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
        }
        let means: Vec<f32> = means.iter().map(|mean| (mean / self.rows.max(1) as f64) as f32).collect();
        let cols = self.cols.max(1);
        self.for_row_blocks(|_, block| {
            for row in block.chunks_exact_mut(cols) {
                row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
            }
        });
    }

    /// The product with a vector, summed in f64.
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        let product = |row: usize| self.row(row).iter().zip(vector).map(|(&a, &b)| f64::from(a) * b).sum();
        (0..self.rows).into_par_iter().with_min_len(VALUES_PER_TASK / self.cols.max(1) + 1).map(product).collect()
    }

    /// Root mean square of all values.
    pub fn rms(&self) -> f64 {
        let squares: f64 = self.values.iter().map(|&value| f64::from(value).powi(2)).sum();
        (squares / self.values.len().max(1) as f64).sqrt()
    }

    /// Columns become rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut turned = Self::new(self.cols, self.rows, vec![0.0; self.values.len()]);
        let rows = self.rows.max(1);
        turned.for_row_blocks(|first, block| {
            for (i, out) in block.chunks_exact_mut(rows).enumerate() {
                out.iter_mut().enumerate().for_each(|(row, value)| *value = self.values[row * self.cols + first + i]);
            }
        });
        turned
    }
}
