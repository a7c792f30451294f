//! Correlations of the rows of two matrices that are too wide to hold: sums that grow piece by piece.

use crate::InputError;
use crate::products::row_products;

/// Sums over pairs of values, from which Pearson's correlation follows. Parts add up in the order in which they are merged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PearsonSums {
    /// Pairs.
    pub n: f64,
    /// `Σ x`
    pub x: f64,
    /// `Σ y`
    pub y: f64,
    /// `Σ x²`
    pub xx: f64,
    /// `Σ y²`
    pub yy: f64,
    /// `Σ xy`
    pub xy: f64,
}

/// A variable whose centred squares are below this share of its squares is constant up to the rounding of products in f32.
const CONSTANT: f64 = 1e-9;

impl PearsonSums {
    /// Adds the sums of further pairs.
    pub fn merge(&mut self, further: &Self) {
        self.n += further.n;
        self.x += further.x;
        self.y += further.y;
        self.xx += further.xx;
        self.yy += further.yy;
        self.xy += further.xy;
    }

    /// `Σ (x − x̄)(y − ȳ)`; 0 without pairs.
    pub fn covariation(&self) -> f64 {
        if self.n > 0.0 { self.xy - self.x * self.y / self.n } else { 0.0 }
    }

    /// Pearson's correlation, in [−1, 1]; `None` where a side is constant up to rounding, or not finite.
    pub fn correlation(&self) -> Option<f64> {
        let (x, y) = (centred(self.n, self.x, self.xx)?, centred(self.n, self.y, self.yy)?);
        let r = self.covariation() / (x * y).sqrt();
        r.is_finite().then(|| r.clamp(-1.0, 1.0))
    }
}

/// `Σ (x − x̄)²`; `None` where that is nothing.
fn centred(n: f64, x: f64, xx: f64) -> Option<f64> {
    let squares = xx - x * x / n;
    (n > 0.0 && squares > CONSTANT * xx).then_some(squares)
}

/// Some columns of a matrix, with the sums of its rows, so that these are made once for all other matrices.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    values: Vec<f32>,
    width: usize,
    moments: Vec<(f64, f64)>,
}

impl Piece {
    /// From `n_rows` rows of equally many columns, row-major.
    ///
    /// # Errors
    /// If the values are no such matrix.
    pub fn new(values: Vec<f32>, n_rows: usize) -> Result<Self, InputError> {
        let width = values.len() / n_rows.max(1);
        InputError::check_shape("piece of a matrix", values.len(), n_rows, width)?;
        let moments = if width == 0 { vec![(0.0, 0.0); n_rows] } else { values.chunks_exact(width).map(moments).collect() };
        Ok(Self { values, width, moments })
    }
}

/// [`PearsonSums`] of every row of one matrix with every row of another, over columns that come in pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossSums {
    n: f64,
    rows: Vec<(f64, f64)>,
    columns: Vec<(f64, f64)>,
    products: Vec<f64>,
}

impl CrossSums {
    /// No columns yet, of matrices with so many rows.
    pub fn new(n_left: usize, n_right: usize) -> Self {
        let none = (0.0, 0.0);
        Self { n: 0.0, rows: vec![none; n_left], columns: vec![none; n_right], products: vec![0.0; n_left * n_right] }
    }

    /// Rows of the left and the right matrix.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// Adds further columns. Products within a piece are in f32, about `1e-6` off; sums over pieces are in f64.
    ///
    /// # Errors
    /// If a piece has another number of rows, or the two have different numbers of columns.
    pub fn add(&mut self, left: &Piece, right: &Piece) -> Result<(), InputError> {
        let (n, m) = self.shape();
        InputError::check_shape("left rows", left.values.len(), n, left.width)?;
        InputError::check_shape("right rows", right.values.len(), m, left.width)?;
        if left.width == 0 {
            return Ok(());
        }
        let mut products = vec![0.0f32; n * m];
        row_products(&left.values, &right.values, left.width, &mut products)?;
        self.n += left.width as f64;
        self.products.iter_mut().zip(&products).for_each(|(sum, &product)| *sum += f64::from(product));
        add(&mut self.rows, &left.moments);
        add(&mut self.columns, &right.moments);
        Ok(())
    }

    /// Adds the sums over further columns of the same rows; rows that only one side has are left out.
    pub fn merge(&mut self, further: &Self) {
        debug_assert_eq!(self.shape(), further.shape());
        self.n += further.n;
        self.products.iter_mut().zip(&further.products).for_each(|(sum, product)| *sum += product);
        add(&mut self.rows, &further.rows);
        add(&mut self.columns, &further.columns);
    }

    /// The sums of row `left` of the one with row `right` of the other; no pairs where there is no such row.
    pub fn pair(&self, left: usize, right: usize) -> PearsonSums {
        match (self.rows.get(left), self.columns.get(right)) {
            (Some(&(x, xx)), Some(&(y, yy))) => {
                PearsonSums { n: self.n, x, y, xx, yy, xy: self.products[left * self.columns.len() + right] }
            }
            _ => PearsonSums::default(),
        }
    }

    /// Whether a row of the left matrix varies; what is constant correlates with nothing.
    pub fn left_varies(&self, row: usize) -> bool {
        self.rows.get(row).is_some_and(|&(x, xx)| centred(self.n, x, xx).is_some())
    }

    /// Whether a row of the right matrix varies.
    pub fn right_varies(&self, row: usize) -> bool {
        self.columns.get(row).is_some_and(|&(y, yy)| centred(self.n, y, yy).is_some())
    }
}

/// Sums that run side by side, so that the processor adds several values at once; always as many, so that the order of additions is fixed.
const LANES: usize = 8;

/// Sum and sum of squares.
fn moments(row: &[f32]) -> (f64, f64) {
    let (mut totals, mut squares) = ([0.0f64; LANES], [0.0f64; LANES]);
    for values in row.chunks(LANES) {
        for ((total, square), &value) in totals.iter_mut().zip(&mut squares).zip(values) {
            let value = f64::from(value);
            *total += value;
            *square += value * value;
        }
    }
    (totals.iter().sum(), squares.iter().sum())
}

fn add(sums: &mut [(f64, f64)], further: &[(f64, f64)]) {
    sums.iter_mut().zip(further).for_each(|(sum, part)| *sum = (sum.0 + part.0, sum.1 + part.1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator};
    use proptest::prelude::*;

    fn draw(n: usize, seed: u64, label: &str) -> Vec<f32> {
        let mut rng = generator(seed, label);
        (0..n).map(|_| below(&mut rng, 1000) as f32 / 1000.0).collect()
    }

    /// By the definition, in two passes.
    fn plain(x: &[f32], y: &[f32]) -> f64 {
        let mean = |v: &[f32]| v.iter().map(|&v| f64::from(v)).sum::<f64>() / v.len() as f64;
        let (mx, my) = (mean(x), mean(y));
        let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(&x, &y)| f(f64::from(x) - mx, f64::from(y) - my)).sum::<f64>();
        sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
    }

    proptest! {
        #[test]
        fn pieces_add_up_to_the_definition(n in 1usize..5, m in 1usize..5, widths in prop::collection::vec(0usize..40, 1..5), seed: u64) {
            // Three values may all but agree, and then rounding is most of what is left of their correlation.
            prop_assume!(widths.iter().sum::<usize>() > 7);
            let (mut sums, mut swapped) = (CrossSums::new(n, m), CrossSums::new(m, n));
            let (mut left, mut right) = (vec![Vec::new(); n], vec![Vec::new(); m]);
            for (piece, &width) in widths.iter().enumerate() {
                let (a, b) = (draw(n * width, seed, &format!("left {piece}")), draw(m * width, seed, &format!("right {piece}")));
                let (x, y) = (Piece::new(a.clone(), n).unwrap(), Piece::new(b.clone(), m).unwrap());
                let mut part = CrossSums::new(n, m);
                part.add(&x, &y).unwrap();
                sums.merge(&part);
                swapped.add(&y, &x).unwrap();
                left.iter_mut().enumerate().for_each(|(i, row)| row.extend_from_slice(&a[i * width..][..width]));
                right.iter_mut().enumerate().for_each(|(i, row)| row.extend_from_slice(&b[i * width..][..width]));
            }
            for (i, left) in left.iter().enumerate() {
                for (j, right) in right.iter().enumerate() {
                    let (found, turned) = (sums.pair(i, j), swapped.pair(j, i));
                    let r = found.correlation().unwrap();
                    prop_assert!((r - plain(left, right)).abs() < 1e-5, "{r}");
                    prop_assert!((r - turned.correlation().unwrap()).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn what_is_constant_correlates_with_nothing() {
        let mut sums = CrossSums::new(2, 1);
        let left = Piece::new(vec![0.3, 0.3, 0.3, 1.0, 2.0, 4.0], 2).unwrap();
        let right = Piece::new(vec![1.0, 2.0, 4.0], 1).unwrap();
        sums.add(&left, &right).unwrap();
        assert_eq!((sums.left_varies(0), sums.left_varies(1), sums.right_varies(0)), (false, true, true));
        assert_eq!((sums.pair(0, 0).correlation(), sums.pair(2, 0).correlation()), (None, None));
        assert!((sums.pair(1, 0).correlation().unwrap() - 1.0).abs() < 1e-7);
        assert!(Piece::new(vec![0.0; 5], 2).is_err());
        assert!(sums.add(&right, &right).is_err() && sums.add(&left, &Piece::new(vec![0.0; 4], 1).unwrap()).is_err());
        let mut whole = sums.pair(1, 0);
        whole.merge(&PearsonSums { n: 1.0, x: 0.0, y: 8.0, xx: 0.0, yy: 64.0, xy: 0.0 });
        // (1, 2, 4, 0) against (1, 2, 4, 8): by hand, covariation 21 − 7 · 15 / 4 and squares 21 − 49 / 4, 85 − 225 / 4.
        assert!((whole.correlation().unwrap() - (-5.25 / (8.75f64 * 28.75).sqrt())).abs() < 1e-6);
    }
}
