//! An orthonormal basis of the space that some columns span.

use faer::{Mat, MatRef};

/// By pivoted QR; columns that depend on others up to `tolerance`, relative to the largest, leave the space.
pub(crate) fn orthonormal_basis(columns: MatRef<'_, f64>, tolerance: f64) -> Mat<f64> {
    let decomposition = columns.col_piv_qr();
    let r = decomposition.thin_R();
    let n = columns.nrows().min(columns.ncols());
    let rank = (0..n).take_while(|&i| r[(i, i)].abs() > tolerance * r[(0, 0)].abs()).count();
    decomposition.compute_thin_Q().get(.., ..rank).to_owned()
}
