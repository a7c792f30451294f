//! Least squares: the map that leads from some rows to others, and the coefficients of a mixture.

use crate::InputError;
use crate::basis::orthonormal_basis;
use crate::products::{add_gram, dot};
use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef};

/// `X A` for the `X` that minimises `‖X A − B‖`, with `A` and `B` `[n, width]`: B as far as it is a linear map of A's rows.
///
/// Where rows of A depend on each other, the smallest such map.
///
/// # Errors
/// If a shape is wrong, an entry is not finite, or there are more rows than columns (any B is then a map of A).
pub fn mapped(a: &[f32], b: &[f32], width: usize) -> Result<Vec<f32>, InputError> {
    let n = a.len() / width.max(1);
    InputError::check_shape("rows", a.len(), n, width)?;
    InputError::check_shape("image", b.len(), n, width)?;
    if n == 0 || n >= width {
        return Err(InputError::new("rows", n, format!("at least one, and fewer than {width}")));
    }
    if a.iter().chain(b).any(|v| !v.is_finite()) {
        return Err(InputError::new("rows", "an entry that is not finite", "finite entries"));
    }
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (a, b) = (wide(a), wide(b));
    // B projected on the row space of A, by an orthonormal basis of it.
    let q = orthonormal_basis(MatRef::from_row_major_slice(&a, n, width).transpose(), 1e-9);
    let projected: Mat<f64> = (MatRef::from_row_major_slice(&b, n, width) * &q) * q.transpose();
    Ok((0..n * width).map(|at| projected[(at / width, at % width)] as f32).collect())
}

/// Accumulates the normal equations of `y ≈ Σ_k c_k x_k` over streamed entries.
#[derive(Debug, Clone)]
pub struct Mixture {
    n: usize,
    gram: Vec<f64>,
    products: Vec<f64>,
    squares: f64,
}

/// Coefficients of a mixture, and what they leave.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureFit {
    /// One for each ingredient.
    pub coefficients: Vec<f64>,
    /// `‖y − Σ c_k x_k‖ / ‖y‖`
    pub residual: f64,
}

impl Mixture {
    /// Of `n` ingredients.
    pub fn new(n: usize) -> Self {
        Self { n, gram: vec![0.0; n * n], products: vec![0.0; n], squares: 0.0 }
    }

    /// Adds entries: `xs[k]` and `y` are of one length; entries beyond the shortest are left out.
    pub fn push(&mut self, xs: &[&[f32]], y: &[f32]) {
        add_gram(&mut self.gram, self.n, xs);
        self.products.iter_mut().zip(xs).for_each(|(product, x)| *product += dot(x, y));
        self.squares += dot(y, y);
    }

    /// Solves the normal equations; `None` without entries, with entries that are not finite, or where ingredients depend on each other.
    pub fn solve(&self) -> Option<MixtureFit> {
        let scale: Vec<f64> = (0..self.n).map(|i| self.gram[i * self.n + i].sqrt()).collect();
        if self.n == 0 || self.squares <= 0.0 || scale.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return None;
        }
        // Of unit diagonal, so that the conditioning is that of the directions.
        let gram = Mat::from_fn(self.n, self.n, |i, j| self.gram[i * self.n + j] / (scale[i] * scale[j]));
        let right = Mat::from_fn(self.n, 1, |i, _| self.products[i] / scale[i]);
        let values = gram.self_adjoint_eigenvalues(faer::Side::Lower).ok()?;
        if values.first().is_none_or(|least| *least < 1e-9) {
            return None;
        }
        let solved = gram.partial_piv_lu().solve(&right);
        let coefficients: Vec<f64> = (0..self.n).map(|i| solved[(i, 0)] / scale[i]).collect();
        let explained: f64 = coefficients.iter().zip(&self.products).map(|(c, p)| c * p).sum();
        Some(MixtureFit { residual: ((self.squares - explained) / self.squares).clamp(0.0, 1.0).sqrt(), coefficients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::uniform;

    fn draw(label: &str, n: usize) -> Vec<f32> {
        uniform(5, label, n)
    }

    #[test]
    fn a_map_of_the_rows_is_found_and_noise_is_not() {
        let (n, width) = (6, 40);
        let (a, map, noise) = (draw("a", n * width), draw("map", n * n), draw("noise", n * width));
        let b: Vec<f32> = (0..n * width).map(|at| (0..n).map(|k| map[at / width * n + k] * a[k * width + at % width]).sum()).collect();
        let found = mapped(&a, &b, width).unwrap();
        assert!(found.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-5));
        // Of noise, a share n/width of the squares lies in the space of the rows, 0.15 here.
        let found = mapped(&a, &noise, width).unwrap();
        let share = found.iter().map(|v| v * v).sum::<f32>() / noise.iter().map(|v| v * v).sum::<f32>();
        assert!(share > 0.05 && share < 0.3, "{share}");
        assert!(mapped(&a, &b, 5).is_err());
    }

    #[test]
    fn coefficients_of_a_mixture_are_found_with_what_they_leave() {
        let (x, z, noise) = (draw("x", 5000), draw("z", 5000), draw("rest", 5000));
        let y: Vec<f32> = x.iter().zip(&z).zip(&noise).map(|((x, z), e)| 0.7 * x + 0.3 * z + 0.1 * e).collect();
        let mut mixture = Mixture::new(2);
        y.chunks(700).enumerate().for_each(|(i, part)| mixture.push(&[&x[i * 700..][..part.len()], &z[i * 700..][..part.len()]], part));
        let fit = mixture.solve().unwrap();
        assert!((fit.coefficients[0] - 0.7).abs() < 0.01 && (fit.coefficients[1] - 0.3).abs() < 0.01, "{fit:?}");
        // √(.01 / (.49 + .09 + .01)) of equal variances.
        assert!((fit.residual - 0.130).abs() < 0.01, "{fit:?}");
        let mut same = Mixture::new(2);
        same.push(&[&x, &x], &y);
        assert_eq!(same.solve(), None);
    }
}
