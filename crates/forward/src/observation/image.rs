//! The image of an unembedding: which logits a model could give at all, as an orthonormal basis and a shape.
//!
//! Logits are the unembedding times a vector of the residual stream, so however the model is prompted they lie in a space of as many dimensions
//! as the stream has. Another unembedding that was trained on its own spans another space.

use super::ObserveError;
use crate::NotRunnable;
use faer::Mat;
use sources::canonical::Canonical;
use sources::form::NormKind;
use sources::{Role, Stack};

/// Basis and shape of the canonical unembedding at `K` tokens, its mean over the tokens taken away: `centred rows = basis * ellipse`.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// `K`.
    pub n_tokens: usize,
    /// Width of the stream.
    pub hidden: usize,
    /// Orthonormal columns, `[K, m]` with `m = min(K, hidden)`.
    pub basis: Vec<f32>,
    /// Upper triangular with a diagonal that is not negative, `[m, hidden]`. It has rows of zeros where the tokens span less.
    pub ellipse: Vec<f32>,
}

impl Image {
    /// Columns of the basis.
    pub fn rank(&self) -> usize {
        self.n_tokens.min(self.hidden)
    }
}

/// The image of a model's unembedding at these tokens, with the final norm's gain folded in; `None` where the model has no unembedding in the
/// one stack that a forward pass runs through.
///
/// # Errors
/// If the unembedding cannot be read, or [`image_from_rows`] refuses its rows.
pub fn image(canonical: &Canonical<'_>, tokens: &[u32]) -> Result<Option<Image>, ObserveError> {
    let Some(table) = canonical.unembedding(Stack::Single) else { return Ok(None) };
    let Some(hidden) = canonical.width(table) else { return Ok(None) };
    let ids: Vec<usize> = tokens.iter().map(|&id| id as usize).collect();
    let mut rows = Vec::new();
    canonical.vectors(table, Role::Unembed, &ids, &mut rows)?;
    Ok(Some(image_from_rows(&rows, ids.len(), hidden)?))
}

/// Rows of an unembedding as [`image_from_rows`] takes them: the final norm's gain multiplied in, and for a LayerNorm, which gives it no vector
/// with a mean, the mean of each row taken away. A width that does not divide the rows is refused by [`image_from_rows`].
pub fn fold_final_norm(rows: &mut [f32], gain: &[f32], norm: NormKind) {
    for row in rows.chunks_exact_mut(gain.len().max(1)) {
        row.iter_mut().zip(gain).for_each(|(v, g)| *v *= g);
        if norm == NormKind::Layer {
            let mean = (row.iter().map(|&v| f64::from(v)).sum::<f64>() / row.len() as f64) as f32;
            row.iter_mut().for_each(|v| *v -= mean);
        }
    }
}

/// The same from rows that the caller has read: `rows` is `[n_tokens, hidden]`, the unembedding with the final norm's gain multiplied in.
///
/// One thread, f64 inside: the answer does not depend on the machine's cores.
///
/// # Errors
/// If the shape is wrong, or a value is not finite.
pub fn image_from_rows(rows: &[f32], n_tokens: usize, hidden: usize) -> Result<Image, NotRunnable> {
    if n_tokens.checked_mul(hidden) != Some(rows.len()) || rows.is_empty() {
        let n = rows.len();
        return NotRunnable::because(format!("the unembedding has {n} values for {n_tokens} tokens of width {hidden}"));
    }
    if let Some(value) = rows.iter().find(|value| !value.is_finite()) {
        return NotRunnable::because(format!("the unembedding holds the value {value}"));
    }
    let mut means = vec![0.0f64; hidden];
    for row in rows.chunks_exact(hidden) {
        means.iter_mut().zip(row).for_each(|(mean, &v)| *mean += f64::from(v));
    }
    means.iter_mut().for_each(|mean| *mean /= n_tokens as f64);
    let qr = Mat::from_fn(n_tokens, hidden, |i, j| f64::from(rows[i * hidden + j]) - means[j]).qr();
    let rank = n_tokens.min(hidden);
    let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
    // A QR leaves the sign of each column open.
    let signs: Vec<f64> = (0..rank).map(|i| if r[(i, i)] < 0.0 { -1.0 } else { 1.0 }).collect();
    let basis = (0..n_tokens)
        .flat_map(|i| signs.iter().enumerate().map(move |(j, sign)| (i, j, sign)))
        .map(|(i, j, sign)| (q[(i, j)] * sign) as f32);
    let ellipse =
        (0..rank).flat_map(|i| (0..hidden).map(move |j| (i, j))).map(|(i, j)| if i <= j { (r[(i, j)] * signs[i]) as f32 } else { 0.0 });
    Ok(Image { n_tokens, hidden, basis: basis.collect(), ellipse: ellipse.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without a pattern that a QR would notice.
    fn rows(n_tokens: usize, hidden: usize) -> Vec<f32> {
        (0..n_tokens * hidden).map(|i| ((i * i % 97) as f32 - 40.0) * 0.03 + (i % 7) as f32).collect()
    }

    #[test]
    fn basis_and_ellipse_give_the_centred_rows_back() {
        for (n_tokens, hidden) in [(40, 6), (5, 8)] {
            let rows = rows(n_tokens, hidden);
            let image = image_from_rows(&rows, n_tokens, hidden).unwrap();
            let rank = image.rank();
            for j in 0..hidden {
                let mean = (0..n_tokens).map(|i| rows[i * hidden + j]).sum::<f32>() / n_tokens as f32;
                for i in 0..n_tokens {
                    let product: f32 = (0..rank).map(|l| image.basis[i * rank + l] * image.ellipse[l * hidden + j]).sum();
                    assert!((product - (rows[i * hidden + j] - mean)).abs() < 1e-5, "row {i}, column {j}: {product}");
                }
            }
            for a in 0..rank {
                for b in 0..rank {
                    let dot: f32 = (0..n_tokens).map(|i| image.basis[i * rank + a] * image.basis[i * rank + b]).sum();
                    assert!((dot - if a == b { 1.0 } else { 0.0 }).abs() < 1e-5, "columns {a} and {b}: {dot}");
                }
                assert!(image.ellipse[a * hidden + a] >= 0.0);
            }
        }
    }

    #[test]
    fn rows_of_another_shape_or_without_a_value_are_refused() {
        let sentence = |rows: &[f32], n, hidden| image_from_rows(rows, n, hidden).unwrap_err().to_string();
        assert_eq!(sentence(&[1.0; 5], 2, 3), "the unembedding has 5 values for 2 tokens of width 3");
        assert_eq!(sentence(&[1.0, f32::NAN], 1, 2), "the unembedding holds the value NaN");
    }
}
