//! The few best columns of each row, and a bound on all the others that stays true while prices fall.

use super::Weight;
use super::scan::{FirstLook, LeastCosts, columns_of, n_minima, reduced_cost};
use pulp::Arch;

/// Columns kept of each row.
pub(super) const LENGTH: usize = 16;
/// Minima of which a limit is taken: four times the length, so that it is exceeded by all but few more columns than are listed.
const N_COARSE: usize = 4 * LENGTH;

/// A column of a row's shortlist, with its weight, so that the matrix itself is not touched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<T> {
    pub(super) column: u32,
    pub(super) weight: T,
}

/// Shortlists of all rows.
///
/// A row's list holds the columns of least reduced cost `−w − v` at the time it was made. Prices `v` only fall, so reduced costs only
/// rise, and the columns that are not listed cost at least `floor` for ever after.
pub(super) struct Shortlists<T> {
    length: usize,
    candidates: Vec<Candidate<T>>,
    floors: Vec<f64>,
    minima: Vec<f64>,
    order: Vec<f64>,
    found: Vec<(f64, u32)>,
    arch: Arch,
}

impl<T: Weight> Shortlists<T> {
    pub(super) fn new(n_rows: usize, n_columns: usize, any: T) -> Self {
        let length = LENGTH.min(n_columns);
        Self {
            length,
            candidates: vec![Candidate { column: 0, weight: any }; n_rows * length],
            floors: vec![f64::NEG_INFINITY; n_rows],
            minima: vec![0.0; n_minima(n_columns)],
            order: Vec::new(),
            found: Vec::new(),
            arch: Arch::new(),
        }
    }

    /// The listed columns, in no order; meaningless before the first [`Self::make`].
    pub(super) fn of(&self, row: usize) -> &[Candidate<T>] {
        &self.candidates[row * self.length..(row + 1) * self.length]
    }

    /// The reduced cost that every column off the list has at least; infinite if there is none.
    pub(super) fn floor(&self, row: usize) -> f64 {
        self.floors[row]
    }

    /// Makes the list of a row at prices of zero, if its weights are finite and of a magnitude up to `limit`; returns whether they are.
    pub(super) fn make_first(&mut self, row: usize, weights: &[T], limit: f64) -> bool {
        let is_within = self.arch.dispatch(FirstLook { weights, limit, minima: &mut self.minima });
        if is_within {
            self.take_least(row, weights, |column| reduced_cost(weights[column], 0.0));
        }
        is_within
    }

    /// Makes the list of a row anew, at the prices of now.
    pub(super) fn make(&mut self, row: usize, weights: &[T], prices: &[f64]) {
        self.arch.dispatch(LeastCosts { weights, prices, minima: &mut self.minima });
        self.take_least(row, weights, |column| reduced_cost(weights[column], prices[column]));
    }

    /// A cost that at least `length` columns do not exceed, and few more than that.
    fn limit(&mut self) -> f64 {
        // The `length`-th least of minima, of which a few dozen are enough.
        self.order.clear();
        if self.minima.len() <= self.length {
            return f64::INFINITY;
        }
        let (first, rest) = self.minima.split_at(N_COARSE.min(self.minima.len()));
        self.order.extend_from_slice(first);
        for more in rest.chunks(N_COARSE) {
            for (least, &minimum) in self.order.iter_mut().zip(more) {
                *least = if minimum < *least { minimum } else { *least };
            }
        }
        *self.order.select_nth_unstable_by(self.length - 1, f64::total_cmp).1
    }

    /// Lists the columns of least cost, given the minima of the costs.
    fn take_least(&mut self, row: usize, weights: &[T], cost_of: impl Fn(usize) -> f64) {
        let limit = self.limit();
        self.found.clear();
        for (place, _) in self.minima.iter().enumerate().filter(|(_, minimum)| **minimum <= limit) {
            for column in columns_of(place, weights.len()) {
                let cost = cost_of(column);
                if cost <= limit {
                    self.found.push((cost, column as u32));
                }
            }
        }
        self.floors[row] = f64::INFINITY;
        if self.found.len() > self.length {
            // Equal columns are taken from a place of the row's own, lest rows that do not care all list the same columns.
            let place = |column: u32| (column as usize + weights.len() - row % weights.len()) % weights.len();
            let by_cost = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then_with(|| place(a.1).cmp(&place(b.1)));
            self.floors[row] = self.found.select_nth_unstable_by(self.length, by_cost).1.0;
        } else if weights.len() > self.length {
            self.floors[row] = limit;
        }
        let list = &mut self.candidates[row * self.length..(row + 1) * self.length];
        for (candidate, &(_, column)) in list.iter_mut().zip(&self.found) {
            *candidate = Candidate { column, weight: weights[column as usize] };
        }
    }
}
