//! Products of the rows of two matrices in f32, in tiles, so that callers can spread the tiles over threads.

use crate::InputError;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `A Bᵀ`, row-major `[n, m]`, of `a` `[n, width]` and `b` `[m, width]`, into `out`; on one thread, about `1e-6` off.
///
/// # Errors
/// If a shape is wrong.
pub fn row_products(a: &[f32], b: &[f32], width: usize, out: &mut [f32]) -> Result<(), InputError> {
    let (n, m) = (a.len() / width.max(1), b.len() / width.max(1));
    InputError::check_shape("left rows", a.len(), n, width)?;
    InputError::check_shape("right rows", b.len(), m, width)?;
    InputError::check_shape("products", out.len(), n, m)?;
    matmul(
        MatMut::from_row_major_slice_mut(out, n, m),
        Accum::Replace,
        MatRef::from_row_major_slice(a, n, width),
        MatRef::from_row_major_slice(b, m, width).transpose(),
        1.0f32,
        Par::Seq,
    );
    Ok(())
}

/// `Σ aᵢ bᵢ`, summed in f64.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

/// Adds the products of all pairs of vectors to a symmetric matrix `[n, n]`; vectors beyond `n` are left out.
pub(crate) fn add_gram(gram: &mut [f64], n: usize, vectors: &[&[f32]]) {
    for (i, a) in vectors.iter().enumerate().take(n) {
        for (j, b) in vectors.iter().enumerate().take(n).skip(i) {
            let product = dot(a, b);
            gram[i * n + j] += product;
            if i != j {
                gram[j * n + i] += product;
            }
        }
    }
}

/// The cosine of two vectors; 0 where one of them has no length.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

/// Scales every row to length 1; rows of zeros, or with a value that is not finite, become zeros: similar to nothing.
pub fn normalise_rows(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width.max(1)) {
        let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let scale = if squares > 0.0 && squares.is_finite() { 1.0 / squares.sqrt() } else { 0.0 };
        row.iter_mut().for_each(|v| *v = if scale > 0.0 { (f64::from(*v) * scale) as f32 } else { 0.0 });
    }
}

/// Takes the mean row away from every row.
pub fn centre_columns(rows: &mut [f32], width: usize) {
    let n = rows.len() / width.max(1);
    let mut means = vec![0.0f64; width];
    for row in rows.chunks_exact(width.max(1)) {
        means.iter_mut().zip(row).for_each(|(mean, &v)| *mean += f64::from(v) / n as f64);
    }
    for row in rows.chunks_exact_mut(width.max(1)) {
        row.iter_mut().zip(&means).for_each(|(v, &mean)| *v -= mean as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_are_sums_of_products(n in 1usize..9, m in 1usize..9, width in 1usize..20, seed: u64) {
            let mut rng = crate::sampling::generator(seed, "products");
            let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| crate::sampling::below(&mut rng, 100) as f32 / 50.0 - 1.0).collect() };
            let (a, b) = (draw(n * width), draw(m * width));
            let mut out = vec![0.0; n * m];
            row_products(&a, &b, width, &mut out).unwrap();
            for (at, &product) in out.iter().enumerate() {
                let (x, y) = (&a[at / m * width..][..width], &b[at % m * width..][..width]);
                let expected: f64 = x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                prop_assert!((f64::from(product) - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn rows_without_length_become_zeros_and_means_go() {
        let mut rows = [3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0];
        normalise_rows(&mut rows, 2);
        assert_eq!(rows, [0.6, 0.8, 0.0, 0.0, 0.0, 0.0]);
        let mut rows = [1.0, 2.0, 3.0, 6.0];
        centre_columns(&mut rows, 2);
        assert_eq!(rows, [-1.0, -2.0, 1.0, 2.0]);
        assert_eq!((cosine(&[3.0, 4.0], &[6.0, 8.0]), cosine(&[1.0, 0.0], &[0.0, 2.0]), cosine(&[0.0], &[1.0])), (1.0, 0.0, 0.0));
        assert!(row_products(&[1.0; 4], &[1.0; 3], 2, &mut [0.0; 4]).is_err());
    }
}
