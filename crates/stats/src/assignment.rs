//! Maximum-weight assignment of dense matrices, exact, with a certificate that anybody can check.

use crate::InputError;

/// A one-to-one assignment of rows to columns, and how far from the best it can be at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column of each row; `None` for the rows that are left over when there are more rows than columns.
    pub column_of_row: Vec<Option<usize>>,
    /// The sum of the assigned weights.
    pub total: f64,
    /// No assignment has a larger sum than this: the value of a feasible solution of the dual program, computed after the fact.
    pub upper_bound: f64,
}

impl Assignment {
    /// Whether the certificate closes: the bound is reached up to rounding.
    pub fn is_certified(&self) -> bool {
        self.upper_bound - self.total <= 1e-9 * (1.0 + self.total.abs())
    }
}

/// Assigns min(rows, columns) pairs of a row-major matrix `[n_rows, n_columns]` so that the sum of their weights is as large as possible.
///
/// Jonker and Volgenant, *A shortest augmenting path algorithm for dense and sparse linear assignment problems* (Computing 38, 1987), in
/// f64 whatever the weights: column reduction (square only), augmenting row reduction, shortest augmenting paths. `O(n³)` at
/// worst, far less in practice; `O(n)` memory besides the weights, and one transposed copy when there are more rows than columns.
/// Among equal optima the choice is deterministic and unspecified.
///
/// # Errors
/// If the shape is wrong, or a weight is not finite.
pub fn maximum_weight_assignment<T: Copy + Into<f64>>(weights: &[T], n_rows: usize, n_columns: usize) -> Result<Assignment, InputError> {
    InputError::check_shape("weights", weights.len(), n_rows, n_columns)?;
    if weights.iter().any(|&weight| !weight.into().is_finite()) {
        return Err(InputError::new("weights", "a weight that is not finite", "finite weights"));
    }
    if n_rows <= n_columns {
        return Ok(Problem { weights, n_rows, n_columns }.solve());
    }
    let transposed: Vec<T> = (0..weights.len()).map(|at| weights[at % n_rows * n_columns + at / n_rows]).collect();
    let across = Problem { weights: &transposed, n_rows: n_columns, n_columns: n_rows }.solve();
    let mut column_of_row = vec![None; n_rows];
    for (column, row) in across.column_of_row.iter().enumerate() {
        if let Some(row) = row {
            column_of_row[*row] = Some(column);
        }
    }
    Ok(Assignment { column_of_row, ..across })
}

/// At most as many rows as columns; costs are negated weights.
struct Problem<'a, T> {
    weights: &'a [T],
    n_rows: usize,
    n_columns: usize,
}

/// "No row" and "no column" in the tables below.
const NONE: usize = usize::MAX;

struct Partial {
    column_of_row: Vec<usize>,
    row_of_column: Vec<usize>,
    /// Prices `v_j`. With fewer rows than columns they only fall, and only in columns that are assigned and stay so: the unassigned
    /// keep `v_j = 0`, as duality wants.
    prices: Vec<f64>,
}

impl Partial {
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

impl<T: Copy + Into<f64>> Problem<'_, T> {
    fn row(&self, row: usize) -> &[T] {
        &self.weights[row * self.n_columns..(row + 1) * self.n_columns]
    }

    fn solve(&self) -> Assignment {
        let mut partial = Partial {
            column_of_row: vec![NONE; self.n_rows],
            row_of_column: vec![NONE; self.n_columns],
            prices: vec![0.0; self.n_columns],
        };
        if self.n_rows == self.n_columns {
            self.reduce_columns(&mut partial);
        }
        for _ in 0..2 {
            self.reduce_rows(&mut partial);
        }
        self.augment(&mut partial);
        self.certify(&partial)
    }

    /// Prices every column at its least cost, and gives it to the row that has it, if that row is free.
    fn reduce_columns(&self, partial: &mut Partial) {
        let mut cheapest_row = vec![0; self.n_columns];
        partial.prices.fill(f64::INFINITY);
        for row in 0..self.n_rows {
            for ((price, cheapest), &weight) in partial.prices.iter_mut().zip(&mut cheapest_row).zip(self.row(row)) {
                let cost = -weight.into();
                if cost < *price {
                    *price = cost;
                    *cheapest = row;
                }
            }
        }
        for (column, &row) in cheapest_row.iter().enumerate().rev() {
            if partial.column_of_row[row] == NONE {
                partial.assign(row, column);
            }
        }
    }

    /// Each free row takes its best column, and lowers its price until the second best is as good; the displaced row goes on.
    fn reduce_rows(&self, partial: &mut Partial) {
        let free: Vec<usize> = (0..self.n_rows).filter(|&row| partial.column_of_row[row] == NONE).collect();
        // Prices may fall by less and less; the rows that are left when the allowance is spent are augmented.
        let mut n_steps_left = free.len().saturating_mul(8);
        for first in free {
            let mut row = first;
            while n_steps_left > 0 {
                n_steps_left -= 1;
                let (mut best, mut second) = ((f64::INFINITY, NONE), (f64::INFINITY, NONE));
                for (column, (&weight, price)) in self.row(row).iter().zip(&partial.prices).enumerate() {
                    let cost = -weight.into() - price;
                    if cost < second.0 {
                        if cost < best.0 {
                            second = best;
                            best = (cost, column);
                        } else {
                            second = (cost, column);
                        }
                    }
                }
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

    /// For each free row, the shortest path (Dijkstra over reduced costs) to a free column; prices move so that they stay feasible.
    fn augment(&self, partial: &mut Partial) {
        let mut distance = vec![0.0; self.n_columns];
        let mut came_from = vec![NONE; self.n_columns];
        let mut unscanned: Vec<usize> = Vec::with_capacity(self.n_columns);
        for start in 0..self.n_rows {
            if partial.column_of_row[start] != NONE {
                continue;
            }
            unscanned.clear();
            unscanned.extend(0..self.n_columns);
            distance.fill(f64::INFINITY);
            let mut scanned = Vec::new();
            let (mut row, mut offset) = (start, 0.0);
            let (sink, length) = loop {
                // `offset` turns a cost of this row into a distance from the start.
                let costs = self.row(row);
                let mut nearest = (f64::INFINITY, 0);
                for (place, &column) in unscanned.iter().enumerate() {
                    let through_row = -costs[column].into() - partial.prices[column] + offset;
                    if through_row < distance[column] {
                        distance[column] = through_row;
                        came_from[column] = row;
                    }
                    let here = distance[column];
                    // A free column as near as any ends the search.
                    if here < nearest.0 || (here == nearest.0 && partial.row_of_column[column] == NONE) {
                        nearest = (here, place);
                    }
                }
                let column = unscanned.swap_remove(nearest.1);
                row = partial.row_of_column[column];
                if row == NONE {
                    break (column, nearest.0);
                }
                scanned.push(column);
                offset = nearest.0 - (-self.row(row)[column].into() - partial.prices[column]);
            };
            for &column in &scanned {
                partial.prices[column] += distance[column] - length;
            }
            let mut column = sink;
            loop {
                let row = came_from[column];
                partial.row_of_column[column] = row;
                std::mem::swap(&mut partial.column_of_row[row], &mut column);
                if row == start {
                    break;
                }
            }
        }
    }

    /// Weak duality, from nothing but the weights and the prices: `Σ_i max_j (w_ij + v_j) − Σ_j v_j` bounds every assignment from above
    /// (with `v ≤ 0` if columns are left over).
    fn certify(&self, partial: &Partial) -> Assignment {
        let is_square = self.n_rows == self.n_columns;
        let prices: Vec<f64> = partial.prices.iter().map(|&price| if !is_square && price > 0.0 { 0.0 } else { price }).collect();
        let mut total = 0.0;
        let mut upper_bound = 0.0;
        for (row, &assigned) in partial.column_of_row.iter().enumerate() {
            let weights = self.row(row);
            let margins = weights.iter().zip(&prices).map(|(&weight, price)| weight.into() + price);
            let best = margins.fold(f64::NEG_INFINITY, |best, margin| if margin > best { margin } else { best });
            // The price of the assigned column enters here, so that the two sums are of like size and the gap keeps its digits.
            upper_bound += best - prices[assigned];
            total += weights[assigned].into();
        }
        let left_over = prices.iter().zip(&partial.row_of_column).filter(|(_, row)| **row == NONE);
        upper_bound -= left_over.map(|(price, _)| price).sum::<f64>();
        let column_of_row = partial.column_of_row.iter().map(|&column| Some(column)).collect();
        Assignment { column_of_row, total, upper_bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{below, generator};
    use proptest::prelude::*;

    fn random(n: usize, seed: u64, n_levels: u64) -> Vec<f64> {
        let mut rng = generator(seed, "weights");
        (0..n).map(|_| below(&mut rng, n_levels) as f64 / n_levels as f64 - 0.5).collect()
    }

    fn best_by_enumeration(weights: &[f64], n_rows: usize, n_columns: usize, row: usize, taken: u32) -> f64 {
        let n_left = n_columns - taken.count_ones() as usize;
        if row == n_rows || n_left == 0 {
            return 0.0;
        }
        let with = (0..n_columns).filter(|column| taken >> column & 1 == 0).map(|column| {
            weights[row * n_columns + column] + best_by_enumeration(weights, n_rows, n_columns, row + 1, taken | 1 << column)
        });
        let skip = (n_rows - row > n_left).then(|| best_by_enumeration(weights, n_rows, n_columns, row + 1, taken));
        with.chain(skip).max_by(f64::total_cmp).unwrap()
    }

    fn assert_one_to_one(assignment: &Assignment, n_rows: usize, n_columns: usize) {
        let columns: std::collections::BTreeSet<usize> = assignment.column_of_row.iter().flatten().copied().collect();
        assert_eq!(assignment.column_of_row.len(), n_rows);
        assert_eq!(columns.len(), n_rows.min(n_columns));
        assert!(columns.last().is_none_or(|&last| last < n_columns));
    }

    proptest! {
        #[test]
        fn the_optimum_is_that_of_enumeration(n_rows in 1usize..7, n_columns in 1usize..7, seed: u64, n_levels in 2u64..1000) {
            let weights = random(n_rows * n_columns, seed, n_levels);
            let found = maximum_weight_assignment(&weights, n_rows, n_columns).unwrap();
            assert_one_to_one(&found, n_rows, n_columns);
            let best = best_by_enumeration(&weights, n_rows, n_columns, 0, 0);
            prop_assert!((found.total - best).abs() < 1e-12, "{} {best}", found.total);
            prop_assert!(found.is_certified(), "{found:?}");
        }

        #[test]
        fn larger_problems_certify_themselves(n_rows in 1usize..80, n_columns in 1usize..80, seed: u64, n_levels in 2u64..10_000) {
            let weights = random(n_rows * n_columns, seed, n_levels);
            let found = maximum_weight_assignment(&weights, n_rows, n_columns).unwrap();
            assert_one_to_one(&found, n_rows, n_columns);
            prop_assert!(found.is_certified(), "{} {}", found.total, found.upper_bound);
            let narrow: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            let narrow = maximum_weight_assignment(&narrow, n_rows, n_columns).unwrap();
            prop_assert!((narrow.total - found.total).abs() < 1e-5);
        }

        #[test]
        fn a_planted_permutation_is_found_from_both_sides(n in 1usize..60, seed: u64) {
            let mut order: Vec<usize> = (0..n).collect();
            crate::sampling::shuffle(&mut generator(seed, "planted"), &mut order);
            let mut weights = random(n * n, seed, 1000);
            order.iter().enumerate().for_each(|(row, &column)| weights[row * n + column] += 2.0);
            let found = maximum_weight_assignment(&weights, n, n).unwrap();
            let columns: Vec<usize> = found.column_of_row.iter().flatten().copied().collect();
            prop_assert_eq!(&columns, &order);
            let transposed: Vec<f64> = (0..n * n).map(|at| weights[at % n * n + at / n]).collect();
            let across = maximum_weight_assignment(&transposed, n, n).unwrap();
            for (row, column) in across.column_of_row.iter().enumerate() {
                prop_assert_eq!(order[column.unwrap()], row);
            }
        }
    }

    #[test]
    fn a_wrong_assignment_is_not_certified() {
        let problem = Problem { weights: &[1.0, 0.0, 0.0, 1.0], n_rows: 2, n_columns: 2 };
        let wrong = Partial { column_of_row: vec![1, 0], row_of_column: vec![1, 0], prices: vec![0.0, 0.0] };
        assert!(!problem.certify(&wrong).is_certified());
    }

    #[test]
    fn hard_and_empty_cases() {
        // Products of ranks: every greedy choice is wrong, and differences are small (Machol and Wien, Operations Research 1976).
        let n = 200;
        let weights: Vec<f32> = (0..n * n).map(|at| -(((at / n + 1) * (at % n + 1)) as f32)).collect();
        let found = maximum_weight_assignment(&weights, n, n).unwrap();
        let expected: f64 = (1..=n).map(|i| -((i * (n + 1 - i)) as f64)).sum();
        assert!((found.total - expected).abs() < 1e-6 && found.is_certified());
        assert_eq!(maximum_weight_assignment::<f64>(&[], 0, 0).unwrap().total, 0.0);
        assert_eq!(maximum_weight_assignment::<f64>(&[], 3, 0).unwrap().column_of_row, vec![None; 3]);
        assert!(maximum_weight_assignment(&[1.0], 1, 2).is_err());
        assert!(maximum_weight_assignment(&[f64::NAN], 1, 1).is_err());
    }
}
