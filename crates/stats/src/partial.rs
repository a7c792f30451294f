//! Partial correlation: what two series share beyond what further series explain of both.

use crate::InputError;
use crate::products::add_gram;
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
        self.sums.iter_mut().zip(series).for_each(|(sum, a)| *sum += a.iter().map(|&v| f64::from(v)).sum::<f64>());
        add_gram(&mut self.products, self.n_series, series);
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
        // Rounding may leave a constant series with less than nothing, whose root is no number.
        let varies = |s: usize| scale[s] > 0.0;
        if !self.products.iter().all(|v| v.is_finite()) || !varies(i) || !varies(j) {
            return None;
        }
        let r = |a: usize, b: usize| self.at(a, b) / (scale[a] * scale[b]);
        let given: Vec<usize> = given.iter().copied().filter(|&s| varies(s)).collect();
        let [ii, jj, ij] = explained(&given, i, j, r)?;
        let (vi, vj) = (1.0 - ii, 1.0 - jj);
        (vi > RANK_TOLERANCE && vj > RANK_TOLERANCE).then(|| ((r(i, j) - ij) / (vi * vj).sqrt()).clamp(-1.0, 1.0))
    }
}

/// What given series explain of the variances and of the correlation of two others, as `[ii, jj, ij]`.
fn explained(given: &[usize], i: usize, j: usize, r: impl Fn(usize, usize) -> f64) -> Option<[f64; 3]> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::uniform;

    fn draw(label: &str, n: usize) -> Vec<f32> {
        uniform(9, label, n)
    }

    fn of(series: &[&[f32]]) -> Covariances {
        let mut found = Covariances::new(series.len());
        found.push(series).unwrap();
        found
    }

    /// Yule's formula for one given series: `(r_xy − r_xz r_yz) / √((1 − r_xz²)(1 − r_yz²))`.
    #[test]
    fn one_given_series_is_yules_formula() {
        let (u, v, z) = (draw("u", 4000), draw("v", 4000), draw("z", 4000));
        let x: Vec<f32> = u.iter().zip(&z).map(|(u, z)| u + 2.0 * z + 3.0).collect();
        let y: Vec<f32> = u.iter().zip(&v).zip(&z).map(|((u, v), z)| 0.5 * u + v + z).collect();
        let found = of(&[&x, &y, &z]);
        let r = |i, j| found.correlation(i, j).unwrap();
        let expected = (r(0, 1) - r(0, 2) * r(1, 2)) / ((1.0 - r(0, 2) * r(0, 2)) * (1.0 - r(1, 2) * r(1, 2))).sqrt();
        let partial = found.partial(0, 1, &[2]).unwrap();
        assert!((partial - expected).abs() < 1e-12, "{partial} against {expected}");
        // u against u/2 + v is left, 1/√5 = .447 with an error of .016.
        assert!((partial - 0.447).abs() < 0.05 && r(0, 1) > 0.7, "{partial} and {}", r(0, 1));
        assert!((found.partial(1, 0, &[2]).unwrap() - partial).abs() < 1e-14);
    }

    #[test]
    fn what_given_series_make_is_nothing_and_the_same_series_is_one() {
        let (z, w, e, f) = (draw("z", 9000), draw("w", 9000), draw("e", 9000), draw("f", 9000));
        let mix =
            |a: f32, b: f32, noise: &[f32]| -> Vec<f32> { z.iter().zip(&w).zip(noise).map(|((z, w), e)| a * z + b * w + e).collect() };
        let (x, y) = (mix(3.0, -1.0, &e), mix(2.0, 2.0, &f));
        let found = of(&[&x, &y, &z, &w, &z]);
        assert!(found.partial(0, 1, &[2, 3]).unwrap().abs() < 0.03);
        // A series given twice counts once.
        assert!((found.partial(0, 1, &[2, 3, 4]).unwrap() - found.partial(0, 1, &[2, 3]).unwrap()).abs() < 1e-9);
        assert!((of(&[&x, &x, &z]).partial(0, 1, &[2]).unwrap() - 1.0).abs() < 1e-9);
        let negative: Vec<f32> = x.iter().map(|v| 1.0 - v).collect();
        assert!((of(&[&x, &negative, &z]).partial(0, 1, &[2]).unwrap() + 1.0).abs() < 1e-6);
    }

    #[test]
    fn pieces_make_the_whole_and_bad_input_nothing() {
        let (x, y, z) = (draw("x", 1000), draw("y", 1000), draw("z", 1000));
        let whole = of(&[&x, &y, &z]);
        let mut pieces = of(&[&x[..300], &y[..300], &z[..300]]);
        pieces.merge(&of(&[&x[300..], &y[300..], &z[300..]]));
        assert!((whole.partial(0, 1, &[2]).unwrap() - pieces.partial(0, 1, &[2]).unwrap()).abs() < 1e-12);
        let mut sums = Covariances::new(2);
        assert!(sums.push(&[&x]).is_err() && sums.push(&[&x, &y[1..]]).is_err());
        assert_eq!(sums.correlation(0, 1), None);
        // Explained in full, constant, not finite, not there.
        assert_eq!(of(&[&x, &y, &x]).partial(0, 1, &[2]), None);
        assert_eq!(of(&[&x, &[1.0; 1000]]).correlation(0, 1), None);
        assert_eq!(of(&[&[1.0, f32::NAN], &[1.0, 2.0]]).correlation(0, 1), None);
        assert_eq!((whole.partial(0, 1, &[3]), whole.partial(0, 1, &[1])), (None, None));
    }
}
