//! Products of the rows of two matrices, in tiles that threads share.

use rayon::prelude::*;
use stats::InputError;
use stats::products::row_products;

/// Rows of the left matrix that one task multiplies. The tiles decide the last bits, so they do not depend on the number of threads.
const TILE: usize = 256;

/// `A Bᵀ`, row-major `[n, m]`, of `a` `[n, width]` and `b` `[m, width]`.
///
/// # Errors
/// If one of the two is not whole rows.
pub(crate) fn tiled_products(a: &[f32], b: &[f32], width: usize) -> Result<Vec<f32>, InputError> {
    let (n, m) = (a.len() / width.max(1), b.len() / width.max(1));
    InputError::check_shape("left rows", a.len(), n, width)?;
    InputError::check_shape("right rows", b.len(), m, width)?;
    let mut products = vec![0.0f32; n * m];
    if !products.is_empty() {
        products
            .par_chunks_mut(TILE * m)
            .zip(a.par_chunks(TILE * width))
            .try_for_each(|(products, rows)| row_products(rows, b, width, products))?;
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_make_one_product_and_rows_are_whole() {
        let a: Vec<f32> = (0..(2 * TILE + 3) * 2).map(|i| i as f32).collect();
        let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let expected: Vec<f32> = a.chunks(2).flat_map(|row| [row[0], row[1], row[0] + row[1]]).collect();
        assert_eq!(tiled_products(&a, &b, 2).unwrap(), expected);
        assert_eq!(tiled_products(&[], &b, 2).unwrap(), Vec::<f32>::new());
        // One entry beyond whole tiles, which no tile would see.
        assert!(tiled_products(&a[..TILE * 2 + 1], &b, 2).is_err());
        assert!(tiled_products(&a, &b[..5], 2).is_err());
    }
}
