//! Maximum-weight assignment of dense matrices, exact, with a certificate that anybody can check.

mod scan;
mod shortlist;
mod solve;

use crate::InputError;
use scan::transposed;
use solve::Problem;

/// The types that weights can have: `f32` and `f64`.
pub trait Weight: Copy + PartialOrd + From<f32> + Into<f64> {}

impl Weight for f32 {}
impl Weight for f64 {}

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
/// f64 whatever the weights: augmenting row reduction from prices of zero, then shortest augmenting paths. Both look at a shortlist of
/// each row first, and at the whole row only when an unlisted column could matter, as in Volgenant, *Linear and semi-assignment problems:
/// a core oriented approach* (Computers & Operations Research 23, 1996); unlike there nothing is left to be repaired, because prices only
/// fall, and so the least cost off a list stays a bound. If many rows are still free after the reduction of a square matrix, as they are
/// where rows are equal or of rank one, prices come from an auction with ε-scaling before it is repeated. The answer is the exact optimum in real arithmetic; the certificate says what
/// rounding made of it.
///
/// `O(n³ log n)` at worst, which a degenerate matrix with columns left over can come near to; two passes over the weights and little more
/// in practice; 16 entries a row besides the weights, and one transposed copy when there are more rows than columns. Among equal optima
/// the choice is deterministic and unspecified.
///
/// # Errors
/// If the shape is wrong, or a weight is not finite or beyond `±1e150`.
pub fn maximum_weight_assignment<T: Weight>(weights: &[T], n_rows: usize, n_columns: usize) -> Result<Assignment, InputError> {
    InputError::check_shape("weights", weights.len(), n_rows, n_columns)?;
    if u32::try_from(n_rows.max(n_columns)).is_err() {
        return Err(InputError::new("weights", format!("{n_rows} rows, {n_columns} columns"), "fewer than 2^32 of each"));
    }
    if n_rows <= n_columns {
        return Problem { weights, n_rows, n_columns }.solve();
    }
    let across = Problem { weights: &transposed(weights, n_rows, n_columns), n_rows: n_columns, n_columns: n_rows }.solve()?;
    let mut column_of_row = vec![None; n_rows];
    for (column, row) in across.column_of_row.iter().enumerate() {
        if let Some(row) = row {
            column_of_row[*row] = Some(column);
        }
    }
    Ok(Assignment { column_of_row, ..across })
}

#[cfg(test)]
mod tests {
    use super::solve::Partial;
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

    /// Inner products of `n` points with as many others, in `rank` coordinates, as cosines of units on tokens; some units dead, some twice.
    fn structured(n_rows: usize, n_columns: usize, rank: usize, seed: u64) -> Vec<f32> {
        let mut points = random((n_rows + n_columns) * rank, seed, 1 << 40);
        points[..n_rows * rank].chunks_exact_mut(rank).step_by(5).for_each(|point| point.fill(0.0));
        for copy in (1..n_columns).step_by(7) {
            points.copy_within((n_rows + copy - 1) * rank..(n_rows + copy) * rank, (n_rows + copy) * rank);
        }
        let (rows, columns) = points.split_at(n_rows * rank);
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() as f32;
        rows.chunks_exact(rank).flat_map(|row| columns.chunks_exact(rank).map(move |column| product(row, column))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        // More columns than a shortlist holds, and ranks at which rows want the same ones.
        #[test]
        fn structured_problems_certify_themselves(n_rows in 1usize..300, n_columns in 1usize..300, rank in 1usize..24, seed: u64) {
            let weights = structured(n_rows, n_columns, rank, seed);
            let found = maximum_weight_assignment(&weights, n_rows, n_columns).unwrap();
            assert_one_to_one(&found, n_rows, n_columns);
            prop_assert!(found.is_certified(), "{} {}", found.total, found.upper_bound);
            let across = maximum_weight_assignment(&scan::transposed(&weights, n_rows, n_columns), n_columns, n_rows).unwrap();
            prop_assert!((across.total - found.total).abs() < 1e-9 && across.is_certified());
        }

        #[test]
        fn a_tampered_assignment_is_not_certified(n_rows in 2usize..120, n_more in 0usize..120, seed: u64) {
            let n_columns = n_rows + n_more;
            let weights = random(n_rows * n_columns, seed, 1 << 40);
            let problem = Problem { weights: &weights, n_rows, n_columns };
            let mut partial = problem.optimum().unwrap();
            let honest = problem.certify(&partial);
            prop_assert!(honest.is_certified());
            partial.column_of_row.swap(0, 1);
            for row in 0..2 {
                partial.row_of_column[partial.column_of_row[row]] = row;
            }
            let tampered = problem.certify(&partial);
            prop_assert!(!tampered.is_certified() && (tampered.upper_bound - honest.upper_bound).abs() < 1e-9);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        // Rows that are alike, so that the auction is needed.
        #[test]
        fn degenerate_square_problems_certify_themselves(n in 1usize..200, rank in 1usize..3, n_distinct in 1usize..200, seed: u64) {
            let distinct = structured(n_distinct, n, rank, seed);
            let weights: Vec<f32> = (0..n * n).map(|at| distinct[at / n % n_distinct * n + at % n]).collect();
            let found = maximum_weight_assignment(&weights, n, n).unwrap();
            assert_one_to_one(&found, n, n);
            prop_assert!(found.is_certified(), "{} {}", found.total, found.upper_bound);
        }

        // Rearrangement: the sum of products is largest when both factors are sorted alike.
        #[test]
        fn products_of_rank_one_are_sorted(n in 1usize..200, seed: u64) {
            let (mut a, mut b) = (random(n, seed, 1 << 20), random(n, seed ^ 1, 1 << 20));
            let weights: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect();
            let found = maximum_weight_assignment(&weights, n, n).unwrap();
            a.sort_by(f64::total_cmp);
            b.sort_by(f64::total_cmp);
            let best: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            prop_assert!((found.total - best).abs() < 1e-9 && found.is_certified(), "{} {best}", found.total);
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
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e200] {
            assert!(maximum_weight_assignment(&[0.0, wrong], 1, 2).is_err());
            assert!(maximum_weight_assignment(&[0.0, wrong], 2, 1).is_err());
        }
        let largest = maximum_weight_assignment(&[1e150, -1e150, -1e150, 1e150], 2, 2).unwrap();
        assert!(largest.total == 2e150 && largest.is_certified());
    }
}
