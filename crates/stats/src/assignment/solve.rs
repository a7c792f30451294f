//! Jonker and Volgenant over shortlists: augmenting row reduction, an auction where rows are much alike, shortest augmenting paths.

use super::scan::{GreatestSums, N_ABREAST, ShorterPaths, columns_of, greater, lesser, n_minima, reduced_cost};
use super::shortlist::Shortlists;
use super::{Assignment, Weight};
use crate::InputError;
use pulp::Arch;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

/// At most as many rows as columns; costs are negated weights.
pub(super) struct Problem<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
}

/// Weights up to here leave room for the sums of prices: no price or distance can overflow.
const LARGEST: f64 = 1e150;

/// With more than one in so many rows free after the reductions, an auction pays: strangers leave 1 in 70, products of rank 3 1 in 5.
const MANY: usize = 8;
/// Auctions, each with a fifth of the ε before: the last with a few millionths of the range of weights.
const N_AUCTIONS: usize = 8;

/// "No row" and "no column" in the tables below.
pub(super) const NONE: usize = usize::MAX;

pub(super) struct Partial {
    pub(super) column_of_row: Vec<usize>,
    pub(super) row_of_column: Vec<usize>,
    /// Prices `v_j`. They only fall. With fewer rows than columns only those of columns that are assigned and stay so do: the unassigned
    /// keep `v_j = 0`, as duality wants.
    pub(super) prices: Vec<f64>,
}

impl Partial {
    fn n_free(&self) -> usize {
        self.column_of_row.iter().filter(|&&column| column == NONE).count()
    }

    fn release_all(&mut self) {
        self.column_of_row.fill(NONE);
        self.row_of_column.fill(NONE);
    }

    /// Gives the column to the row; returns the row that held it.
    fn assign(&mut self, row: usize, column: usize) -> usize {
        let displaced = std::mem::replace(&mut self.row_of_column[column], row);
        if displaced != NONE {
            self.column_of_row[displaced] = NONE;
        }
        self.column_of_row[row] = column;
        displaced
    }
}

impl<T: Weight> Problem<'_, T> {
    fn row(&self, row: usize) -> &[T] {
        &self.weights[row * self.n_columns..(row + 1) * self.n_columns]
    }

    pub(super) fn solve(&self) -> Result<Assignment, InputError> {
        Ok(self.certify(&self.optimum()?))
    }

    /// A complete assignment, and prices at which every row has the column that is best for it.
    pub(super) fn optimum(&self) -> Result<Partial, InputError> {
        let mut partial = Partial {
            column_of_row: vec![NONE; self.n_rows],
            row_of_column: vec![NONE; self.n_columns],
            prices: vec![0.0; self.n_columns],
        };
        let Some(&any) = self.weights.first() else { return Ok(partial) };
        let mut lists = Shortlists::new(self.n_rows, self.n_columns, any);
        for row in 0..self.n_rows {
            if !lists.make_first(row, self.row(row), LARGEST) {
                let expected = format!("finite weights up to {LARGEST:e}");
                return Err(InputError::new("weights", "a weight that is not finite or too large", expected));
            }
        }
        self.reduce_rows(&mut partial, &mut lists);
        if self.n_rows == self.n_columns && partial.n_free() > self.n_rows / MANY {
            self.auction(&mut partial, &mut lists);
            self.reduce_rows(&mut partial, &mut lists);
        }
        Search::new(self, &mut partial, lists).run();
        Ok(partial)
    }

    /// The best and the second best column of a row, with their reduced costs.
    fn best_two(&self, row: usize, prices: &[f64], lists: &mut Shortlists<T>) -> ((f64, usize), (f64, usize)) {
        loop {
            let (mut best, mut second) = ((f64::INFINITY, NONE), (f64::INFINITY, NONE));
            for candidate in lists.of(row) {
                let column = candidate.column as usize;
                let cost = reduced_cost(candidate.weight, prices[column]);
                if cost < second.0 {
                    if cost < best.0 {
                        second = best;
                        best = (cost, column);
                    } else {
                        second = (cost, column);
                    }
                }
            }
            // Always so on a list that has just been made.
            if second.0 <= lists.floor(row) {
                return (best, second);
            }
            lists.make(row, self.row(row), prices);
        }
    }

    /// The prices of an auction with ε-scaling (Bertsekas, *Annals of Operations Research* 14, 1988), and nobody assigned.
    ///
    /// Where many rows are alike, all of them bid for the same columns by nothing, and searches from far too high prices visit nearly
    /// everything. A least bid of ε, large first, brings prices near to where they must be. What it assigns is not kept, for that is
    /// optimal up to ε only. Columns that stay unassigned would have to keep a price of zero, so this is for square problems alone.
    fn auction(&self, partial: &mut Partial, lists: &mut Shortlists<T>) {
        let range = |(least, greatest): (f64, f64), &weight: &T| (lesser(weight.into(), least), greater(weight.into(), greatest));
        let (least, greatest) = self.weights.iter().fold((f64::INFINITY, f64::NEG_INFINITY), range);
        let mut epsilon = greatest - least;
        for _ in 0..N_AUCTIONS {
            epsilon /= 5.0;
            partial.release_all();
            let mut free: VecDeque<usize> = (0..self.n_rows).collect();
            // An auction that is stopped leaves prices that are as good to start from, if not as near.
            for _ in 0..self.n_rows.saturating_mul(32) {
                let Some(row) = free.pop_front() else { break };
                let (best, second) = self.best_two(row, &partial.prices, lists);
                let lead = if second.1 == NONE { 0.0 } else { second.0 - best.0 };
                partial.prices[best.1] -= lead + epsilon;
                let displaced = partial.assign(row, best.1);
                if displaced != NONE {
                    free.push_back(displaced);
                }
            }
        }
        partial.release_all();
    }

    /// Twice: each free row takes its best column, and lowers its price until the second best is as good; the displaced row goes on.
    fn reduce_rows(&self, partial: &mut Partial, lists: &mut Shortlists<T>) {
        for _ in 0..2 {
            self.reduce_rows_once(partial, lists);
        }
    }

    fn reduce_rows_once(&self, partial: &mut Partial, lists: &mut Shortlists<T>) {
        let free: Vec<usize> = (0..self.n_rows).filter(|&row| partial.column_of_row[row] == NONE).collect();
        // Prices may fall by less and less; the rows that are left when the allowance is spent are augmented.
        let mut n_steps_left = free.len().saturating_mul(8);
        for first in free {
            let mut row = first;
            while n_steps_left > 0 {
                n_steps_left -= 1;
                let (best, second) = self.best_two(row, &partial.prices, lists);
                let mut column = best.1;
                let lowered = if second.1 == NONE { partial.prices[column] } else { partial.prices[column] - (second.0 - best.0) };
                let falls = lowered < partial.prices[column];
                if falls {
                    partial.prices[column] = lowered;
                } else if partial.row_of_column[column] != NONE && second.1 != NONE {
                    column = second.1;
                }
                row = partial.assign(row, column);
                if row == NONE || !falls {
                    break;
                }
            }
        }
    }

    /// The greatest `w + v` of each of up to [`N_ABREAST`] rows.
    fn best_of_rows(&self, rows: Range<usize>, prices: &[f64]) -> [f64; N_ABREAST] {
        // Places beyond the last row repeat it.
        let rows = std::array::from_fn(|at| self.row((rows.start + at).min(rows.end - 1)));
        Arch::new().dispatch(GreatestSums { rows, prices })
    }

    /// Weak duality, from nothing but the weights and the prices: `Σ_i max_j (w_ij + v_j) − Σ_j v_j` bounds every assignment from above
    /// (with `v ≤ 0` if columns are left over).
    pub(super) fn certify(&self, partial: &Partial) -> Assignment {
        let is_square = self.n_rows == self.n_columns;
        let prices: Vec<f64> = partial.prices.iter().map(|&price| if !is_square && price > 0.0 { 0.0 } else { price }).collect();
        let (mut total, mut upper_bound) = (0.0, 0.0);
        // The rows that were read last are still in a cache.
        for first in (0..self.n_rows).step_by(N_ABREAST).rev() {
            let rows = first..self.n_rows.min(first + N_ABREAST);
            for (row, best) in rows.clone().zip(self.best_of_rows(rows, &prices)) {
                let assigned = partial.column_of_row[row];
                // The price of the assigned column enters here, so that the two sums are of like size and the gap keeps its digits.
                upper_bound += best - prices[assigned];
                total += self.row(row)[assigned].into();
            }
        }
        let left_over = prices.iter().zip(&partial.row_of_column).filter(|(_, row)| **row == NONE);
        upper_bound -= left_over.map(|(price, _)| price).sum::<f64>();
        let column_of_row = partial.column_of_row.iter().map(|&column| Some(column)).collect();
        Assignment { column_of_row, total, upper_bound }
    }
}

/// What a search does next, nearest first: settle a column, or look at what a row's shortlist left out.
type Event = Reverse<(Distance, u32, bool)>;

/// A distance that is never NaN, in its order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Distance(f64);

impl Eq for Distance {}

impl PartialOrd for Distance {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Distance {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Shortest paths (Dijkstra over reduced costs) from one free row at a time to a free column.
struct Search<'a, T> {
    problem: &'a Problem<'a, T>,
    partial: &'a mut Partial,
    lists: Shortlists<T>,
    minima: Vec<f64>,
    distance: Vec<f64>,
    came_from: Vec<usize>,
    is_settled: Vec<bool>,
    /// Columns whose distance is known, to be forgotten after the search.
    touched: Vec<usize>,
    /// What turns a reduced cost of a row into a distance from the start.
    offset: Vec<f64>,
    /// The search in which the list of a row was made.
    listed_in: Vec<usize>,
    /// Rows for which a new list did not reach far enough the last time: every other time, all their columns are looked at at once.
    is_exhausted: Vec<bool>,
    weight_of_row: Vec<f64>,
    events: BinaryHeap<Event>,
    nearest_free: (f64, usize),
    /// Of this search; the first is 1.
    number: usize,
}

impl<'a, T: Weight> Search<'a, T> {
    fn new(problem: &'a Problem<'a, T>, partial: &'a mut Partial, lists: Shortlists<T>) -> Self {
        let (n_rows, n_columns) = (problem.n_rows, problem.n_columns);
        let weight_of = |(row, &column): (usize, &usize)| if column == NONE { 0.0 } else { problem.row(row)[column].into() };
        Self {
            problem,
            lists,
            minima: vec![0.0; n_minima(n_columns)],
            is_exhausted: vec![false; n_rows],
            distance: vec![f64::INFINITY; n_columns],
            came_from: vec![NONE; n_columns],
            is_settled: vec![false; n_columns],
            touched: Vec::new(),
            offset: vec![0.0; n_rows],
            listed_in: vec![0; n_rows],
            weight_of_row: partial.column_of_row.iter().enumerate().map(weight_of).collect(),
            partial,
            events: BinaryHeap::new(),
            nearest_free: (f64::INFINITY, NONE),
            number: 0,
        }
    }

    fn run(&mut self) {
        for start in 0..self.problem.n_rows {
            if self.partial.column_of_row[start] == NONE {
                self.number += 1;
                self.find_path(start);
                self.move_prices();
                self.augment(start);
            }
        }
    }

    fn find_path(&mut self, start: usize) {
        self.nearest_free = (f64::INFINITY, NONE);
        self.events.clear();
        self.leave(start, 0.0);
        while let Some(Reverse((Distance(here), index, is_row))) = self.events.pop() {
            if here >= self.nearest_free.0 {
                break;
            }
            let index = index as usize;
            if is_row {
                self.look_beyond(index);
            } else if !self.is_settled[index] {
                self.is_settled[index] = true;
                let row = self.partial.row_of_column[index];
                self.leave(row, here - reduced_cost(self.weight_of_row[row], self.partial.prices[index]));
            }
        }
    }

    /// Takes the edges of a row's shortlist, and plans to look beyond it.
    fn leave(&mut self, row: usize, offset: f64) {
        self.offset[row] = offset;
        for at in 0..self.lists.of(row).len() {
            let candidate = self.lists.of(row)[at];
            let column = candidate.column as usize;
            self.reach(column, offset + reduced_cost(candidate.weight, self.partial.prices[column]), row);
        }
        let beyond = offset + self.lists.floor(row);
        if beyond < self.nearest_free.0 {
            self.events.push(Reverse((Distance(beyond), row as u32, true)));
        }
    }

    /// The search has come to where an unlisted column of this row may be the nearest.
    fn look_beyond(&mut self, row: usize) {
        let weights = self.problem.row(row);
        if self.listed_in[row] != self.number && !self.is_exhausted[row] {
            self.listed_in[row] = self.number;
            self.lists.make(row, weights, &self.partial.prices);
            self.leave(row, self.offset[row]);
            return;
        }
        self.is_exhausted[row] = !self.is_exhausted[row];
        let offset = self.offset[row];
        Arch::new().dispatch(ShorterPaths {
            weights,
            prices: &self.partial.prices,
            distances: &self.distance,
            offset,
            minima: &mut self.minima,
        });
        for place in 0..self.minima.len() {
            if self.minima[place] < self.nearest_free.0 {
                for column in columns_of(place, weights.len()) {
                    self.reach(column, offset + reduced_cost(weights[column], self.partial.prices[column]), row);
                }
            }
        }
    }

    #[inline]
    fn reach(&mut self, column: usize, distance: f64, row: usize) {
        if distance < self.nearest_free.0 && distance < self.distance[column] && !self.is_settled[column] {
            if self.distance[column] == f64::INFINITY {
                self.touched.push(column);
            }
            self.distance[column] = distance;
            self.came_from[column] = row;
            if self.partial.row_of_column[column] == NONE {
                self.nearest_free = (distance, column);
            } else {
                self.events.push(Reverse((Distance(distance), column as u32, false)));
            }
        }
    }

    /// Prices fall so that reduced costs stay positive, and those along the path become zero.
    fn move_prices(&mut self) {
        for column in self.touched.drain(..) {
            if std::mem::replace(&mut self.is_settled[column], false) {
                self.partial.prices[column] += self.distance[column] - self.nearest_free.0;
            }
            self.distance[column] = f64::INFINITY;
        }
    }

    fn augment(&mut self, start: usize) {
        let mut column = self.nearest_free.1;
        loop {
            let row = self.came_from[column];
            self.partial.row_of_column[column] = row;
            self.weight_of_row[row] = self.problem.row(row)[column].into();
            std::mem::swap(&mut self.partial.column_of_row[row], &mut column);
            if row == start {
                break;
            }
        }
    }
}
