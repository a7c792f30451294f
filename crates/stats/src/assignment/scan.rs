//! The loops over whole rows of weights, with the widest vectors of the machine and the same results on every machine.

use pulp::{Arch, NullaryFnOnce};

/// Columns that share one minimum.
pub(super) const BLOCK: usize = 32;

/// The reduced cost of one entry; costs are negated weights.
#[inline(always)]
pub(super) fn reduced_cost<T: Into<f64>>(weight: T, price: f64) -> f64 {
    -weight.into() - price
}

#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
fn least(mut costs: [f64; BLOCK]) -> f64 {
    // Halving keeps whole vectors busy; a minimum along the block would be one chain.
    let mut width = BLOCK / 2;
    while width > 0 {
        for lane in 0..width {
            costs[lane] = lesser(costs[lane], costs[lane + width]);
        }
        width /= 2;
    }
    costs[0]
}

/// The least reduced cost of every [`BLOCK`] columns of one row.
pub(super) struct BlockMinima<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) prices: &'a [f64],
    pub(super) minima: &'a mut [f64],
}

impl<T: Copy + Into<f64>> BlockMinima<'_, T> {
    pub(super) fn compute(self, arch: Arch) {
        arch.dispatch(self);
    }
}

impl<T: Copy + Into<f64>> NullaryFnOnce for BlockMinima<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (weights, last_weights) = self.weights.as_chunks::<BLOCK>();
        let (prices, last_prices) = self.prices.as_chunks::<BLOCK>();
        for ((weights, prices), minimum) in weights.iter().zip(prices).zip(self.minima.iter_mut()) {
            let mut costs = [0.0; BLOCK];
            for lane in 0..BLOCK {
                costs[lane] = reduced_cost(weights[lane], prices[lane]);
            }
            *minimum = least(costs);
        }
        if let Some(minimum) = self.minima.get_mut(weights.len()) {
            let costs = last_weights.iter().zip(last_prices).map(|(&weight, &price)| reduced_cost(weight, price));
            *minimum = costs.fold(f64::INFINITY, lesser);
        }
    }
}

/// The least distance, of every [`BLOCK`] columns, that is shorter by way of one row than what is known; infinite where none is.
pub(super) struct ShorterPaths<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) prices: &'a [f64],
    pub(super) distances: &'a [f64],
    pub(super) offset: f64,
    pub(super) minima: &'a mut [f64],
}

impl<T: Copy + Into<f64>> NullaryFnOnce for ShorterPaths<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let shorter = |weight: T, price: f64, known: f64| {
            let distance = self.offset + reduced_cost(weight, price);
            if distance < known { distance } else { f64::INFINITY }
        };
        let (weights, last_weights) = self.weights.as_chunks::<BLOCK>();
        let (prices, last_prices) = self.prices.as_chunks::<BLOCK>();
        let (known, last_known) = self.distances.as_chunks::<BLOCK>();
        for (((weights, prices), known), minimum) in weights.iter().zip(prices).zip(known).zip(self.minima.iter_mut()) {
            let mut distances = [0.0; BLOCK];
            for lane in 0..BLOCK {
                distances[lane] = shorter(weights[lane], prices[lane], known[lane]);
            }
            *minimum = least(distances);
        }
        if let Some(minimum) = self.minima.get_mut(weights.len()) {
            let distances = last_weights.iter().zip(last_prices).zip(last_known).map(|((&w, &price), &known)| shorter(w, price, known));
            *minimum = distances.fold(f64::INFINITY, lesser);
        }
    }
}

/// Whether all weights are finite and of a magnitude up to `limit`.
pub(super) struct AllWithin<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) limit: f64,
}

impl<T: Copy + Into<f64>> NullaryFnOnce for AllWithin<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        // No early exit: it is true nearly always, and a loop without one is vectorised.
        self.weights.iter().fold(true, |all, &weight| all & (weight.into().abs() <= self.limit))
    }
}

/// A transposed copy, in tiles that stay in the first-level cache.
pub(super) fn transposed<T: Copy>(weights: &[T], n_rows: usize, n_columns: usize) -> Vec<T> {
    const TILE: usize = 32;
    let Some(&any) = weights.first() else { return Vec::new() };
    let mut across = vec![any; weights.len()];
    for first_row in (0..n_rows).step_by(TILE) {
        let rows = first_row..n_rows.min(first_row + TILE);
        for first_column in (0..n_columns).step_by(TILE) {
            for column in first_column..n_columns.min(first_column + TILE) {
                for row in rows.clone() {
                    across[column * n_rows + row] = weights[row * n_columns + column];
                }
            }
        }
    }
    across
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn minima_are_those_of_the_definition(entries in prop::collection::vec((-9.0f32..9.0, -9.0f64..0.0, -9.0f64..9.0), 1..200)) {
            let weights: Vec<f32> = entries.iter().map(|e| e.0).collect();
            let prices: Vec<f64> = entries.iter().map(|e| e.1).collect();
            let distances: Vec<f64> = entries.iter().map(|e| e.2).collect();
            let least_of = |costs: &[f64]| costs.iter().copied().min_by(f64::total_cmp).unwrap();
            let costs: Vec<f64> = weights.iter().zip(&prices).map(|(&w, price)| -f64::from(w) - price).collect();
            let shorter: Vec<f64> = costs.iter().map(|cost| 0.5 + cost).zip(&distances).map(|(d, known)| if d < *known { d } else { f64::INFINITY }).collect();
            let mut minima = vec![0.0; weights.len().div_ceil(BLOCK)];
            BlockMinima { weights: &weights, prices: &prices, minima: &mut minima }.compute(Arch::new());
            prop_assert_eq!(&minima, &costs.chunks(BLOCK).map(least_of).collect::<Vec<_>>());
            Arch::new().dispatch(ShorterPaths { weights: &weights, prices: &prices, distances: &distances, offset: 0.5, minima: &mut minima });
            prop_assert_eq!(&minima, &shorter.chunks(BLOCK).map(least_of).collect::<Vec<_>>());
        }

        #[test]
        fn transposing_twice_is_nothing(n_rows in 0usize..70, n_columns in 0usize..70) {
            let weights: Vec<u32> = (0..(n_rows * n_columns) as u32).collect();
            let across = transposed(&weights, n_rows, n_columns);
            prop_assert!(across.iter().enumerate().all(|(at, &weight)| weight as usize == at % n_rows * n_columns + at / n_rows));
            prop_assert_eq!(transposed(&across, n_columns, n_rows), weights);
        }
    }
}
