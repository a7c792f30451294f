//! Products of matrices on one thread: the caller spreads tiles over threads.

use gemm::Parallelism;

/// A matrix of a checkpoint, `[rows, cols]` = `[out, in]`, row-major, with the bias of its outputs where it has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Linear {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Linear {
    /// `y = x Wᵀ + b` for each row of `x`, `[tokens, cols]`, into `y`, `[tokens, rows]`.
    pub(crate) fn apply(&self, x: &[f32], y: &mut Vec<f32>) {
        let tokens = x.len() / self.cols.max(1);
        y.clear();
        match &self.bias {
            Some(bias) => (0..tokens).for_each(|_| y.extend_from_slice(bias)),
            None => y.resize(tokens * self.rows, 0.0),
        }
        let (x, w) = (Matrix::rows(x, self.cols), Matrix::rows(&self.weight, self.cols));
        add_product(x, w.transposed(), y, if self.bias.is_some() { Accumulate::Add } else { Accumulate::Replace });
    }

    /// Outputs `part · rows ..` of each row of `x`, without bias.
    pub(crate) fn part(&self, part: usize, rows: usize, x: &[f32]) -> Vec<f32> {
        let own = part * rows..((part + 1) * rows).min(self.rows);
        let mut y = vec![0.0; x.len() / self.cols.max(1) * own.len()];
        let weight = &self.weight[own.start * self.cols..own.end * self.cols];
        add_product(Matrix::rows(x, self.cols), Matrix::rows(weight, self.cols).transposed(), &mut y, Accumulate::Replace);
        y
    }
}

/// A view of a matrix inside a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Of whole rows.
    pub(crate) fn rows(values: &'a [f32], cols: usize) -> Self {
        Self::block(values, values.len() / cols.max(1), cols, cols)
    }

    /// Of the first `cols` columns of `rows` rows that lie `stride` apart.
    pub(crate) fn block(values: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(cols <= stride || rows <= 1, "rows of {cols} values that lie {stride} apart");
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= values.len(), "{rows} rows inside {} values", values.len());
        Self { values, rows, cols, row_stride: stride, col_stride: 1 }
    }

    /// Turned over.
    pub(crate) fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// What happens to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulate {
    Replace,
    Add,
}

/// `out (+)= a b`, row-major `[a.rows, b.cols]`.
pub(crate) fn add_product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], accumulate: Accumulate) {
    add_scaled_product(a, b, 1.0, out, b.cols, accumulate);
}

/// `out (+)= scale · a b` into rows that lie `stride` apart.
pub(crate) fn add_scaled_product(a: Matrix<'_>, b: Matrix<'_>, scale: f32, out: &mut [f32], stride: usize, accumulate: Accumulate) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "columns of the left matrix and rows of the right");
    assert!(n <= stride || m <= 1, "rows of {n} values that lie {stride} apart");
    assert!(m == 0 || n == 0 || (m - 1) * stride + n <= out.len(), "{m} rows of {n} inside {} values", out.len());
    if m == 0 || n == 0 {
        return;
    }
    let keep = accumulate == Accumulate::Add;
    #[expect(unsafe_code, reason = "gemm takes pointers; every index that it forms was checked above against its slice")]
    // SAFETY: `a` and `b` cover their rows and columns inside their slices (checked where they are made), `out` covers `m` rows of `n`
    // values (checked above), and it is borrowed exclusively.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            keep,
            a.values.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
