//! Partial correlation: what two series share beyond what further series explain of both.

use crate::InputError;
use faer::Mat;

/// Directions of the given series below this share of the largest are rounding, not information.
const RANK_TOLERANCE: f64 = 1e-9;

/// Sums of some series and of their products, over streamed entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariances {
    n_series: usize,
    n: u64,
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl Covariances {
    /// Of `n_series` series without entries.
    pub fn new(n_series: usize) -> Self {
        Self { n_series, n: 0, sums: vec![0.0; n_series], products: vec![0.0; n_series * n_series] }
    }

    /// Adds the next entries of every series.
    ///
    /// # Errors
    /// If there is another number of series, or they are not of one length.
    pub fn push(&mut self, series: &[&[f32]]) -> Result<(), InputError> {
        let length = series.first().map_or(0, |s| s.len());
        if series.len() != self.n_series {
            return Err(InputError::new("series", series.len(), self.n_series));
        }
        if let Some(other) = series.iter().find(|s| s.len() != length) {
            return Err(InputError::new("entries of a series", other.len(), length));
        }
        for (i, a) in series.iter().enumerate() {
            self.sums[i] += a.iter().map(|&v| f64::from(v)).sum::<f64>();
            for (j, b) in series.iter().enumerate().skip(i) {
                let product = crate::products::dot(a, b);
                self.products[i * self.n_series + j] += product;
                if i != j {
                    self.products[j * self.n_series + i] += product;
                }
            }
        }
        self.n += length as u64;
        Ok(())
    }

    /// Adds the sums of further entries of the same series.
    pub fn merge(&mut self, further: &Self) {
        self.n += further.n;
        self.sums.iter_mut().zip(&further.sums).for_each(|(sum, more)| *sum += more);
        self.products.iter_mut().zip(&further.products).for_each(|(sum, more)| *sum += more);
    }

    /// Sum of the products of two centred series.
    fn at(&self, i: usize, j: usize) -> f64 {
        self.products[i * self.n_series + j] - self.sums[i] * self.sums[j] / self.n as f64
    }

    /// Pearson's correlation of two series; `None` where one does not vary.
    pub fn correlation(&self, i: usize, j: usize) -> Option<f64> {
        self.partial(i, j, &[])
    }

    /// The correlation of what linear regression on the `given` series leaves of two others.
    ///
    /// From the Schur complement of the covariance matrix. Given series that depend on each other count once. `None` where there is no such
    /// series, an entry was not finite, or regression leaves nothing of one of the two.
    pub fn partial(&self, i: usize, j: usize, given: &[usize]) -> Option<f64> {
        if self.n == 0 || given.iter().chain([&i, &j]).any(|&s| s >= self.n_series) || given.contains(&i) || given.contains(&j) {
            return None;
        }
        let scale: Vec<f64> = (0..self.n_series).map(|s| self.at(s, s).sqrt()).collect();
        if !self.products.iter().all(|v| v.is_finite()) || [i, j].iter().any(|&s| !(scale[s] > 0.0)) {
            return None;
        }
        let r = |a: usize, b: usize| self.at(a, b) / (scale[a] * scale[b]);
        let given: Vec<usize> = given.iter().copied().filter(|&s| scale[s] > 0.0).collect();
        let explained = self.explained(&given, i, j, r)?;
        let rest = |a: usize, b: usize, explained: f64| if a == b { 1.0 - explained } else { r(a, b) - explained };
        let [ii, jj, ij] = explained;
        let (vi, vj) = (rest(i, i, ii), rest(j, j, jj));
        (vi > RANK_TOLERANCE && vj > RANK_TOLERANCE)
            .then(|| (if i == j { 1.0 } else { rest(i, j, ij) / (vi * vj).sqrt() }).clamp(-1.0, 1.0))
    }

    /// What the given series explain of the variances and of the correlation, as `[ii, jj, ij]`.
    fn explained(&self, given: &[usize], i: usize, j: usize, r: impl Fn(usize, usize) -> f64) -> Option<[f64; 3]> {
        if given.is_empty() {
            return Some([0.0; 3]);
        }
        let among = Mat::from_fn(given.len(), given.len(), |a, b| if a == b { 1.0 } else { r(given[a], given[b]) });
        let eigen = among.self_adjoint_eigen(faer::Side::Lower).ok()?;
        let largest = eigen.S()[given.len() - 1];
        let mut explained = [0.0; 3];
        for k in (0..given.len()).filter(|&k| eigen.S()[k] > RANK_TOLERANCE * largest) {
            let along = |s: usize| given.iter().enumerate().map(|(g, &other)| eigen.U()[(g, k)] * r(other, s)).sum::<f64>();
            let (x, y) = (along(i), along(j));
            [x * x, y * y, x * y].iter().zip(&mut explained).for_each(|(product, sum)| *sum += product / eigen.S()[k]);
        }
        Some(explained)
    }
}
