//! Random linear maps: turns of the residual stream, and invertible maps inside a head.

use crate::{Draws, Matrix};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows of a product that one task computes: enough that preparing the other factor does not show.
const ROWS_PER_PRODUCT: usize = 512;

/// A random orthogonal matrix, `[n, n]`.
#[derive(Debug)]
pub struct Orthogonal {
    n: usize,
    /// Row-major.
    values: Vec<f32>,
}

impl Orthogonal {
    /// Uniform on the orthogonal group: the Q of a Gaussian matrix, with the signs of R's diagonal.
    ///
    /// Reference: Mezzadri, *How to generate random matrices from the classical compact groups*, Notices of the AMS 54 (2007).
    pub fn random(n: usize, draws: &mut Draws) -> Self {
        Self::from(&haar(n, draws))
    }

    /// Uniform among those that keep the direction of equal coordinates, on which a LayerNorm depends.
    pub fn keeping_ones(n: usize, draws: &mut Draws) -> Self {
        // H exchanges the first axis and the direction of equal coordinates: a reflection along v = e₁ − 1/√n.
        let mut v = vec![-1.0 / (n as f64).sqrt(); n];
        if let Some(first) = v.first_mut() {
            *first += 1.0;
        }
        let length: f64 = v.iter().map(|x| x * x).sum();
        let inner = haar(n.saturating_sub(1), draws);
        let mut q = Mat::from_fn(n, n, |i, j| match (i, j) {
            (0, 0) => 1.0,
            (0, _) | (_, 0) => 0.0,
            _ => inner[(i - 1, j - 1)],
        });
        if length > 0.0 {
            for j in 0..n {
                let along: f64 = (0..n).map(|i| v[i] * q[(i, j)]).sum();
                (0..n).for_each(|i| q[(i, j)] -= 2.0 * v[i] * along / length);
            }
            for i in 0..n {
                let along: f64 = (0..n).map(|j| q[(i, j)] * v[j]).sum();
                (0..n).for_each(|j| q[(i, j)] -= 2.0 * along * v[j] / length);
            }
        }
        Self::from(&q)
    }

    fn from(q: &Mat<f64>) -> Self {
        let n = q.nrows();
        let values = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| q[(i, j)] as f32).collect();
        Self { n, values }
    }

    /// `M Qᵀ`: every row is turned.
    pub fn turn_cols(&self, matrix: &mut Matrix) {
        let source = std::mem::take(&mut matrix.values);
        let (n, cols) = (self.n, matrix.cols);
        assert_eq!(n, cols, "a turn of the columns");
        matrix.values = vec![0.0; source.len()];
        let q = MatRef::from_row_major_slice(&self.values, n, n);
        matrix.for_blocks_of(ROWS_PER_PRODUCT, |first, block| {
            let rows = block.len() / n.max(1);
            let tile = MatRef::from_row_major_slice(&source[first * n..][..block.len()], rows, n);
            matmul(MatMut::from_row_major_slice_mut(block, rows, n), Accum::Replace, tile, q.transpose(), 1.0f32, Par::Seq);
        });
    }

    /// `Q M`: every column is turned.
    pub fn turn_rows(&self, matrix: &mut Matrix) {
        let source = std::mem::take(&mut matrix.values);
        let (n, cols) = (self.n, matrix.cols);
        assert_eq!(n, matrix.rows, "a turn of the rows");
        matrix.values = vec![0.0; source.len()];
        let whole = MatRef::from_row_major_slice(&source, n, cols);
        matrix.for_blocks_of(ROWS_PER_PRODUCT, |first, block| {
            let rows = block.len() / cols.max(1);
            let tile = MatRef::from_row_major_slice(&self.values[first * n..][..rows * n], rows, n);
            matmul(MatMut::from_row_major_slice_mut(block, rows, cols), Accum::Replace, tile, whole, 1.0f32, Par::Seq);
        });
    }

    /// `Q x`.
    pub fn turn(&self, vector: &[f64]) -> Vec<f64> {
        let row = |row: &[f32]| row.iter().zip(vector).map(|(&a, &b)| f64::from(a) * b).sum();
        self.values.chunks_exact(self.n.max(1)).map(row).collect()
    }
}

fn haar(n: usize, draws: &mut Draws) -> Mat<f64> {
    let gaussian = Mat::from_fn(n, n, |_, _| draws.normal());
    let decomposition = gaussian.qr();
    let mut q = decomposition.compute_thin_Q();
    let r = decomposition.thin_R();
    for j in 0..n {
        if r[(j, j)] < 0.0 {
            (0..n).for_each(|i| q[(i, j)] = -q[(i, j)]);
        }
    }
    q
}

/// A small square matrix.
#[derive(Debug, Clone)]
pub struct Square {
    /// Rows and columns.
    pub n: usize,
    /// Row-major.
    pub values: Vec<f64>,
}

/// A random invertible map of `n` dimensions with this condition number, and its inverse.
pub fn invertible(n: usize, condition: f64, draws: &mut Draws) -> (Square, Square) {
    let (u, v) = (haar(n, draws), haar(n, draws));
    // From the largest to the smallest, evenly on a logarithmic scale, with the geometric mean 1.
    let singular = |i: usize| condition.powf(if n > 1 { 0.5 - i as f64 / (n - 1) as f64 } else { 0.0 });
    let product = |left: &Mat<f64>, right: &Mat<f64>, middle: &dyn Fn(usize) -> f64| {
        let mut values = vec![0.0; n * n];
        let scaled = Mat::from_fn(n, n, |i, k| left[(i, k)] * middle(k));
        let target = MatMut::from_row_major_slice_mut(&mut values, n, n);
        matmul(target, Accum::Replace, scaled.as_ref(), right.transpose(), 1.0, Par::Seq);
        Square { n, values }
    };
    (product(&u, &v, &singular), product(&v, &u, &|k| 1.0 / singular(k)))
}

impl Square {
    /// The map that changes nothing.
    pub fn identity(n: usize) -> Self {
        Self { n, values: (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect() }
    }

    /// The map with its axes exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let n = self.n;
        Self { n, values: (0..n * n).map(|at| self.values[at % n * n + at / n]).collect() }
    }

    /// Applies the map to `n` rows of a matrix, the first of them `first`.
    pub fn apply_rows(&self, matrix: &mut Matrix, first: usize) {
        let (n, cols) = (self.n, matrix.cols);
        let block = &mut matrix.values[first * cols..][..n * cols];
        let old = block.to_vec();
        block.par_chunks_mut(cols.max(1)).zip(self.values.par_chunks(n)).for_each(|(row, map)| {
            let mut sum = vec![0.0f64; cols];
            // Most entries of a map that commutes with rotary positions are zero.
            for (k, &factor) in map.iter().enumerate().filter(|(_, factor)| **factor != 0.0) {
                sum.iter_mut().zip(&old[k * cols..][..cols]).for_each(|(sum, &value)| *sum += factor * f64::from(value));
            }
            row.iter_mut().zip(sum).for_each(|(value, sum)| *value = sum as f32);
        });
    }

    /// Multiplies `n` columns of a matrix, the first of them `first`, by the map from the right.
    pub fn apply_cols(&self, matrix: &mut Matrix, first: usize) {
        let n = self.n;
        let cols = matrix.cols.max(1);
        matrix.for_row_blocks(|_, block| {
            for row in block.chunks_exact_mut(cols) {
                let part = &mut row[first..][..n];
                let old: Vec<f64> = part.iter().map(|&value| f64::from(value)).collect();
                for (j, value) in part.iter_mut().enumerate() {
                    *value = old.iter().enumerate().map(|(k, x)| x * self.values[k * n + j]).sum::<f64>() as f32;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(rows: usize, cols: usize) -> Matrix {
        let mut draws = Draws::new(9, "matrix");
        Matrix::new(rows, cols, (0..rows * cols).map(|_| draws.normal() as f32).collect())
    }

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d > most { d } else { most })
    }

    #[test]
    fn turns_are_orthogonal_and_agree_on_both_sides() {
        for turn in [Orthogonal::random(17, &mut Draws::new(1, "q")), Orthogonal::keeping_ones(17, &mut Draws::new(1, "q"))] {
            let mut product = Matrix::new(17, 17, turn.values.clone());
            turn.turn_cols(&mut product);
            let identity: Vec<f32> = (0..17 * 17).map(|at| if at % 18 == 0 { 1.0 } else { 0.0 }).collect();
            assert!(largest_difference(&product.values, &identity) < 1e-5);

            let (mut by_rows, mut by_cols) = (gaussian(17, 5), gaussian(17, 5).transposed());
            turn.turn_rows(&mut by_rows);
            turn.turn_cols(&mut by_cols);
            assert!(largest_difference(&by_rows.values, &by_cols.transposed().values) < 1e-5);
        }
    }

    #[test]
    fn a_turn_for_layer_norms_keeps_the_mean() {
        let turned = Orthogonal::keeping_ones(12, &mut Draws::new(4, "q")).turn(&[2.5; 12]);
        assert!(turned.iter().all(|x| (x - 2.5).abs() < 1e-5), "{turned:?}");
        let other = Orthogonal::random(12, &mut Draws::new(4, "q")).turn(&[2.5; 12]);
        assert!(other.iter().any(|x| (x - 2.5).abs() > 0.1), "{other:?}");
    }

    #[test]
    fn an_invertible_map_and_its_inverse_cancel() {
        for condition in [1.0, 100.0] {
            let (map, inverse) = invertible(6, condition, &mut Draws::new(2, "map"));
            let mut matrix = gaussian(9, 4);
            map.apply_rows(&mut matrix, 2);
            assert!(largest_difference(&matrix.values[2 * 4..], &gaussian(9, 4).values[2 * 4..]) > 0.1);
            inverse.apply_rows(&mut matrix, 2);
            assert!(largest_difference(&matrix.values, &gaussian(9, 4).values) < 1e-4);

            let mut matrix = gaussian(4, 9);
            map.apply_cols(&mut matrix, 1);
            inverse.apply_cols(&mut matrix, 1);
            assert!(largest_difference(&matrix.values, &gaussian(4, 9).values) < 1e-4);
        }
    }
}
