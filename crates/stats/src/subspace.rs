//! The space that some columns span: how much of a vector lies in it, and which combination of the columns gives that part.

use crate::InputError;
use crate::basis::orthonormal_basis;
use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatRef, Par};

/// Columns that depend on the others up to this are rounding.
const RANK_TOLERANCE: f64 = 1e-6;

/// A space of columns.
#[derive(Debug, Clone)]
pub struct Subspace {
    /// Orthonormal, `[n, rank]`.
    basis: Mat<f64>,
    /// `columns = basis * map`, `[rank, width]`.
    map: Mat<f64>,
}

/// Some vectors, and where they lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Coordinates in the orthonormal basis, `[vectors, rank]`.
    pub coordinates: Vec<f64>,
    /// Squared length of each vector.
    pub squares: Vec<f64>,
    /// Squared length of the part of each that lies outside, summed entry by entry, so that it is exact where it is small.
    pub outside: Vec<f64>,
}

impl Subspace {
    /// Spanned by the columns of a row-major matrix `[n, width]`.
    ///
    /// # Errors
    /// If the shape is wrong, there are not more rows than columns (any vector then lies in it), or an entry is not finite.
    pub fn of_columns(rows: &[f32], width: usize) -> Result<Self, InputError> {
        let n = rows.len() / width.max(1);
        InputError::check_shape("columns", rows.len(), n, width)?;
        if width == 0 || n <= width {
            return Err(InputError::new("rows", n, format!("more than {width}, the number of columns")));
        }
        if rows.iter().any(|v| !v.is_finite()) {
            return Err(InputError::new("columns", "an entry that is not finite", "finite entries"));
        }
        let wide: Vec<f64> = rows.iter().map(|&v| f64::from(v)).collect();
        let matrix = MatRef::from_row_major_slice(&wide, n, width);
        let plain = matrix.qr();
        let sizes: Vec<f64> = (0..width).map(|i| plain.thin_R()[(i, i)].abs()).collect();
        let largest = sizes.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
        if sizes.iter().all(|&size| size > RANK_TOLERANCE * largest) {
            return Ok(Self { basis: plain.compute_thin_Q(), map: plain.thin_R().to_owned() });
        }
        // Slower by far, and needed only where some columns depend on others.
        let basis = orthonormal_basis(matrix, RANK_TOLERANCE);
        let map = basis.transpose() * matrix;
        Ok(Self { basis, map })
    }

    /// Dimensions.
    pub fn rank(&self) -> usize {
        self.basis.ncols()
    }

    /// Projects vectors, row-major `[any, n]`.
    ///
    /// # Errors
    /// If they are not whole vectors of the space's length.
    pub fn split(&self, vectors: &[f32]) -> Result<Split, InputError> {
        let (n, rank) = (self.basis.nrows(), self.rank());
        let count = vectors.len() / n;
        InputError::check_shape("vectors", vectors.len(), count, n)?;
        let mut rest: Vec<f64> = vectors.iter().map(|&v| f64::from(v)).collect();
        let squares = rest.chunks_exact(n).map(|row| row.iter().map(|v| v * v).sum()).collect();
        let mut coordinates = vec![0.0f64; count * rank];
        if count > 0 && rank > 0 {
            let target = faer::MatMut::from_row_major_slice_mut(&mut coordinates, count, rank);
            matmul(target, Accum::Replace, MatRef::from_row_major_slice(&rest, count, n), self.basis.as_ref(), 1.0, Par::Seq);
            let inside = MatRef::from_row_major_slice(&coordinates, count, rank);
            let target = faer::MatMut::from_row_major_slice_mut(&mut rest, count, n);
            matmul(target, Accum::Add, inside, self.basis.transpose(), -1.0, Par::Seq);
        }
        let outside = rest.chunks_exact(n).map(|row| row.iter().map(|v| v * v).sum()).collect();
        Ok(Split { coordinates, squares, outside })
    }

    /// The vectors `x`, `[any, width]`, whose image `columns * shape * x` is the part inside the space, for a square `shape` `[width, width]`;
    /// `None` where more than one vector has the same image.
    pub fn preimages(&self, coordinates: &[f64], shape: &[f32]) -> Option<Vec<f64>> {
        let (rank, width) = (self.rank(), self.map.ncols());
        if rank < width || shape.len() != width * width || rank == 0 || !coordinates.len().is_multiple_of(rank) {
            return None;
        }
        let shape: Vec<f64> = shape.iter().map(|&v| f64::from(v)).collect();
        let square: Mat<f64> = &self.map * MatRef::from_row_major_slice(&shape, width, width);
        let decomposition = square.qr();
        let r = decomposition.R();
        let sizes: Vec<f64> = (0..width).map(|i| r[(i, i)].abs()).collect();
        let largest = sizes.iter().copied().max_by(f64::total_cmp)?;
        if !sizes.iter().all(|&size| size > RANK_TOLERANCE * largest) {
            return None;
        }
        let count = coordinates.len() / rank;
        let solved = decomposition.solve(MatRef::from_row_major_slice(coordinates, count, rank).transpose());
        Some((0..count).flat_map(|k| (0..width).map(move |i| (i, k))).map(|at| solved[at]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::uniform;

    fn draw(label: &str, n: usize) -> Vec<f32> {
        uniform(3, label, n)
    }

    /// `columns * x` for every row `x` of `xs`.
    fn images(columns: &[f32], width: usize, xs: &[f32]) -> Vec<f32> {
        let product = |x: &[f32], row: &[f32]| x.iter().zip(row).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32;
        xs.chunks(width).flat_map(|x| columns.chunks(width).map(|row| product(x, row)).collect::<Vec<f32>>()).collect()
    }

    fn share(split: &Split) -> f64 {
        split.outside.iter().sum::<f64>() / split.squares.iter().sum::<f64>()
    }

    #[test]
    fn combinations_of_the_columns_lie_inside_and_random_vectors_by_the_share_of_the_dimensions() {
        let (n, width) = (300, 60);
        let columns = draw("columns", n * width);
        let space = Subspace::of_columns(&columns, width).unwrap();
        assert_eq!(space.rank(), width);
        let xs = draw("xs", 10 * width);
        let inside = space.split(&images(&columns, width, &xs)).unwrap();
        assert!(share(&inside) < 1e-12, "{}", share(&inside));
        // 1 − 60/300 of the squares, with a standard deviation of .023 for one vector and .0036 for forty.
        let strangers = space.split(&draw("strangers", 40 * n)).unwrap();
        assert!((share(&strangers) - 0.8).abs() < 0.015, "{}", share(&strangers));
        let lengths: Vec<f64> = strangers.coordinates.chunks(width).map(|c| c.iter().map(|v| v * v).sum()).collect();
        for ((length, squares), outside) in lengths.iter().zip(&strangers.squares).zip(&strangers.outside) {
            assert!((length + outside - squares).abs() < 1e-9 * squares);
        }
    }

    #[test]
    fn a_column_that_depends_on_others_adds_nothing() {
        let (n, width) = (50, 4);
        let mut columns = draw("columns", n * width);
        columns.chunks_mut(width).for_each(|row| row[1] = 2.0 * row[0]);
        let space = Subspace::of_columns(&columns, width).unwrap();
        assert_eq!(space.rank(), 3);
        let inside = space.split(&images(&columns, width, &draw("xs", 3 * width))).unwrap();
        assert!(share(&inside) < 1e-12, "{}", share(&inside));
        assert_eq!(space.preimages(&inside.coordinates, &[1.0; 16]), None);
    }

    #[test]
    fn preimages_are_the_vectors_that_were_mapped() {
        let (n, width) = (80, 5);
        let (columns, shape, xs) = (draw("columns", n * width), draw("shape", width * width), draw("xs", 7 * width));
        // columns * (shape * x)
        let mapped = images(&columns, width, &images(&shape, width, &xs));
        let space = Subspace::of_columns(&columns, width).unwrap();
        let found = space.preimages(&space.split(&mapped).unwrap().coordinates, &shape).unwrap();
        for (found, expected) in found.iter().zip(&xs) {
            assert!((found - f64::from(*expected)).abs() < 1e-4, "{found} against {expected}");
        }
        assert_eq!(space.preimages(&[1.0; 5], &[0.0; 25]), None);
        assert_eq!(space.preimages(&[1.0; 4], &shape), None);
    }

    #[test]
    fn shapes_that_say_nothing_are_refused() {
        assert!(Subspace::of_columns(&[1.0; 9], 3).is_err());
        assert!(Subspace::of_columns(&[1.0; 10], 3).is_err());
        assert!(Subspace::of_columns(&[], 0).is_err());
        assert!(Subspace::of_columns(&[1.0, f32::INFINITY, 2.0], 1).is_err());
        let space = Subspace::of_columns(&[1.0, 2.0, 3.0], 1).unwrap();
        assert!(space.split(&[1.0; 4]).is_err());
        assert_eq!(space.split(&[]).unwrap().squares, Vec::<f64>::new());
    }
}
