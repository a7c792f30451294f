//! What one pass over the rows of a similarity matrix leaves behind: Hoeffding's statistic, its moments under the null, and coincidences.

use super::Coincidences;
use crate::tails::ln_normal_sf;
use crate::{InputError, NullDistribution, PValue};
use std::f64::consts::LN_2;

/// Two best similarities closer than this, relative to the better one, are a tie: rounding of a matrix product must not decide it.
const TIE: f64 = 1e-5;

/// The alignment of the h units of one block, from its h × h similarity matrix `C` (rows: reference, columns: suspect).
///
/// Statistic: `X = Σ_i C_ii`. Under the null of this [module](crate::alignment), given `C` (Hoeffding, *A combinatorial central limit
/// theorem*, 1951): `μ = (1/h) Σ_ij C_ij` and `σ² = (1/(h−1)) Σ_ij (C_ij − C̄_i· − C̄_·j + C̄)²`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowAlignment {
    /// Number of units, `h`.
    pub n_units: u64,
    /// `X`, the trace of `C`. Divided by `n_units`: the mean similarity of units with the same index.
    pub observed: f64,
    /// `μ`, the expectation of `X` under the null.
    pub expected: f64,
    /// `σ²`, its variance under the null; 0 where `C` has no structure beyond row and column effects.
    pub variance: f64,
    /// The smallest entry of `C`.
    pub smallest: f64,
    /// The largest entry of `C`.
    pub largest: f64,
    /// `m`, the number of mutual nearest neighbours: pairs (i, j) with `j` the one best column of row `i`, and `i` the one best row of
    /// column `j`. A unit whose best is tied is in no pair, so that ties cannot favour equal indices.
    pub n_mutual: u64,
    /// `K`, the number of mutual nearest neighbours with `i = j`.
    pub n_hits: u64,
}

impl RowAlignment {
    /// The alignment of a similarity matrix held in memory, row-major `[n_units, n_units]`.
    ///
    /// # Errors
    /// If the shape is wrong, or an entry is not finite.
    pub fn of_matrix<T: Copy + Into<f64>>(similarity: &[T], n_units: usize) -> Result<Self, InputError> {
        let mut builder = AlignmentBuilder::new(n_units);
        builder.push_rows(similarity)?;
        builder.finish()
    }

    /// `z = (X − μ) / σ`, or `None` where `σ = 0` and the statistic says nothing.
    pub fn z(&self) -> Option<f64> {
        pooled_z(std::slice::from_ref(self))
    }

    /// `P(Z ≥ z)` by the combinatorial central limit theorem; 1 where [`z`](Self::z) is not defined.
    pub fn asymptotic_p(&self) -> PValue {
        pooled_asymptotic_p(std::slice::from_ref(self))
    }

    /// [`pooled_bound`] of this block alone: `ln p ≤ ln 2 − t²/(4μ_a + 2t)`.
    pub fn chatterjee_bound(&self) -> PValue {
        pooled_bound(std::slice::from_ref(self))
    }

    /// What [`coincidence_p`](super::coincidence_p) needs.
    pub fn coincidences(&self) -> Coincidences {
        Coincidences { n_units: self.n_units, n_mutual: self.n_mutual, n_hits: self.n_hits }
    }
}

/// `z = Σ(X_b − μ_b) / √Σσ_b²` over independent blocks; `None` if all variances are 0.
pub fn pooled_z(blocks: &[RowAlignment]) -> Option<f64> {
    let excess: f64 = blocks.iter().map(|block| block.observed - block.expected).sum();
    let variance: f64 = blocks.iter().map(|block| block.variance).sum();
    (variance > 0.0).then(|| excess / variance.sqrt())
}

/// `P(Z ≥ z)` for [`pooled_z`] over blocks that are independent under the null; 1 where it is not defined.
pub fn pooled_asymptotic_p(blocks: &[RowAlignment]) -> PValue {
    let ln_p = pooled_z(blocks).map_or(0.0, ln_normal_sf);
    PValue::new(ln_p, NullDistribution::Asymptotic { law: "normal, Hoeffding's combinatorial central limit theorem" })
}

/// A bound on the upper tail of `Σ X_b` over blocks that are independent under the null, at any sample size.
///
/// One block: with `a = (C − min) / (max − min)`, `μ_a` its `μ` and `t = Σ_i a_ii − μ_a ≥ 0`, `p ≤ 2 exp(−t² / (4μ_a + 2t))`: Chatterjee,
/// *Stein's method for concentration inequalities*, PTRF 138 (2007), Prop. 1.1. Swapping the images of two random units gives an
/// exchangeable pair, from which `(ln E e^{θ(X_a − μ_a)})′ ≤ 2μ_a θ / (1 − θ)`.
/// Several blocks: their logarithms of moment generating functions add. In units of the widest range `S = max_b (max_b − min_b)` and with
/// `r_b = (max_b − min_b) / S ≤ 1`, the same step gives `p ≤ 2 exp(−t² / (2c + 2t))` with `t = Σ(X_b − μ_b) / S` and
/// `c = Σ 2 r_b² μ_{a,b}`. The factor 2 is that of the published two-sided statement.
pub fn pooled_bound(blocks: &[RowAlignment]) -> PValue {
    let widest = blocks.iter().map(|block| block.largest - block.smallest).max_by(f64::total_cmp).unwrap_or(0.0);
    let from = NullDistribution::Bound { of: "Chatterjee 2007, Prop. 1.1" };
    if widest <= 0.0 {
        return PValue::new(0.0, from);
    }
    let excess = blocks.iter().map(|block| block.observed - block.expected).sum::<f64>() / widest;
    let curvature: f64 = blocks
        .iter()
        .map(|block| {
            // 2 r² μ_a with μ_a = (μ − h·min)/range, written without dividing by a range that may be zero.
            let range = block.largest - block.smallest;
            2.0 * range * (block.expected - block.n_units as f64 * block.smallest) / (widest * widest)
        })
        .sum();
    let ln_p = if excess > 0.0 { LN_2 - excess * excess / (2.0 * curvature + 2.0 * excess) } else { 0.0 };
    PValue::new(ln_p, from)
}

/// Takes the rows of a similarity matrix in order, in tiles of any height, and keeps `O(h)` numbers.
#[derive(Debug, Clone)]
pub struct AlignmentBuilder {
    n_units: usize,
    n_rows: usize,
    trace: f64,
    sum_squares: f64,
    sum_squared_row_sums: f64,
    column_sums: Vec<f64>,
    smallest: f64,
    largest: f64,
    best_of_row: Vec<Best>,
    best_of_column: Vec<Best>,
}

/// The largest value seen, where, and the runner-up.
#[derive(Debug, Clone, Copy)]
struct Best {
    place: u32,
    value: f64,
    runner_up: f64,
}

impl Best {
    const NONE: Self = Self { place: u32::MAX, value: f64::NEG_INFINITY, runner_up: f64::NEG_INFINITY };

    #[inline]
    fn update(&mut self, place: u32, value: f64) {
        if value > self.value {
            *self = Self { place, value, runner_up: self.value };
        } else if value > self.runner_up {
            self.runner_up = value;
        }
    }

    /// The place of the maximum, unless another comes as close as rounding.
    fn unique(&self) -> Option<usize> {
        (self.value - self.runner_up > TIE * self.value.abs()).then_some(self.place as usize)
    }
}

impl AlignmentBuilder {
    /// For `n_units` units on each side.
    pub fn new(n_units: usize) -> Self {
        Self {
            n_units,
            n_rows: 0,
            trace: 0.0,
            sum_squares: 0.0,
            sum_squared_row_sums: 0.0,
            column_sums: vec![0.0; n_units],
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            best_of_row: Vec::with_capacity(n_units),
            best_of_column: vec![Best::NONE; n_units],
        }
    }

    /// Adds the next rows, row-major `[any, n_units]`.
    ///
    /// # Errors
    /// If the slice is not whole rows, there are more rows than units, or an entry is not finite.
    pub fn push_rows<T: Copy + Into<f64>>(&mut self, rows: &[T]) -> Result<(), InputError> {
        let n_left = self.n_units - self.n_rows;
        let fits = if self.n_units == 0 {
            rows.is_empty()
        } else {
            rows.len().is_multiple_of(self.n_units) && rows.len() / self.n_units <= n_left
        };
        if !fits {
            return Err(InputError::new(
                "similarity rows",
                format!("{} entries", rows.len()),
                format!("at most {n_left} rows of {}", self.n_units),
            ));
        }
        rows.chunks_exact(self.n_units.max(1)).try_for_each(|row| self.push_row(row))
    }

    fn push_row<T: Copy + Into<f64>>(&mut self, row: &[T]) -> Result<(), InputError> {
        let index = self.n_rows as u32;
        let mut sum = 0.0;
        let mut sum_squares = 0.0;
        let mut best = Best::NONE;
        for (j, ((&entry, column_sum), best_of_column)) in row.iter().zip(&mut self.column_sums).zip(&mut self.best_of_column).enumerate() {
            let value: f64 = entry.into();
            sum += value;
            sum_squares += value * value;
            *column_sum += value;
            best.update(j as u32, value);
            best_of_column.update(index, value);
            if value < self.smallest {
                self.smallest = value;
            }
        }
        if !sum_squares.is_finite() {
            return Err(InputError::new("similarity matrix", format!("an entry of row {index} that is not finite"), "finite entries"));
        }
        if best.value > self.largest {
            self.largest = best.value;
        }
        self.trace += row[self.n_rows].into();
        self.sum_squares += sum_squares;
        self.sum_squared_row_sums += sum * sum;
        self.best_of_row.push(best);
        self.n_rows += 1;
        Ok(())
    }

    /// The alignment, once every row is in.
    ///
    /// # Errors
    /// If rows are missing, or there are fewer than two units.
    pub fn finish(self) -> Result<RowAlignment, InputError> {
        if self.n_rows != self.n_units || self.n_units < 2 {
            return Err(InputError::new("similarity rows", self.n_rows, format!("all {} of at least 2 units", self.n_units)));
        }
        let h = self.n_units as f64;
        let total: f64 = self.column_sums.iter().sum();
        let sum_squared_column_sums: f64 = self.column_sums.iter().map(|sum| sum * sum).sum();
        let centred = self.sum_squares - self.sum_squared_row_sums / h - sum_squared_column_sums / h + (total / h) * (total / h);
        // Below this the difference is rounding: a matrix of row and column effects alone.
        let variance = if centred > 1e-12 * self.sum_squares { centred / (h - 1.0) } else { 0.0 };
        let mutual = || {
            self.best_of_row.iter().enumerate().filter_map(|(i, best)| {
                let j = best.unique()?;
                (self.best_of_column[j].unique()? == i).then_some((i, j))
            })
        };
        Ok(RowAlignment {
            n_units: self.n_units as u64,
            observed: self.trace,
            expected: total / h,
            variance,
            smallest: self.smallest,
            largest: self.largest,
            n_mutual: mutual().count() as u64,
            n_hits: mutual().filter(|(i, j)| i == j).count() as u64,
        })
    }
}
