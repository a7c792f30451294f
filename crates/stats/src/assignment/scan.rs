//! The loops over whole rows of weights, with the widest vectors of the machine and the same results on every machine.

use pulp::NullaryFnOnce;

/// Minima that are taken side by side: two or four vectors, so that one does not wait for the other.
const LANES: usize = 16;
/// Columns that share one minimum lie [`LANES`] apart, so that no vector is ever taken to pieces.
const GROUP: usize = 32 * LANES;

/// How many minima a row of so many columns has.
pub(super) fn n_minima(n_columns: usize) -> usize {
    n_columns.div_ceil(GROUP) * LANES
}

/// The columns of the minimum at `place`.
pub(super) fn columns_of(place: usize, n_columns: usize) -> impl Iterator<Item = usize> {
    let group = place / LANES * GROUP;
    (group + place % LANES..n_columns.min(group + GROUP)).step_by(LANES)
}

/// The reduced cost of one entry; costs are negated weights.
#[inline(always)]
pub(super) fn reduced_cost<T: Into<f64>>(weight: T, price: f64) -> f64 {
    -weight.into() - price
}

#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// For every group of columns, the least of `value(weight, price, known)` in each lane.
#[inline(always)]
fn minima_by<T: Copy>(weights: &[T], prices: &[f64], known: &[f64], minima: &mut [f64], value: impl Fn(T, f64, f64) -> f64) {
    let groups = weights.chunks(GROUP).zip(prices.chunks(GROUP)).zip(known.chunks(GROUP));
    for (((weights, prices), known), minima) in groups.zip(minima.as_chunks_mut::<LANES>().0) {
        let mut least = [f64::INFINITY; LANES];
        let (weights, last_weights) = weights.as_chunks::<LANES>();
        let (prices, last_prices) = prices.as_chunks::<LANES>();
        let (known, last_known) = known.as_chunks::<LANES>();
        for ((weights, prices), known) in weights.iter().zip(prices).zip(known) {
            for lane in 0..LANES {
                least[lane] = lesser(value(weights[lane], prices[lane], known[lane]), least[lane]);
            }
        }
        for (least, ((&weight, &price), &known)) in least.iter_mut().zip(last_weights.iter().zip(last_prices).zip(last_known)) {
            *least = lesser(value(weight, price, known), *least);
        }
        *minima = least;
    }
}

/// The least reduced costs of one row, each of the [`columns_of`] its place.
pub(super) struct LeastCosts<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) prices: &'a [f64],
    pub(super) minima: &'a mut [f64],
}

impl<T: Copy + Into<f64>> NullaryFnOnce for LeastCosts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        minima_by(self.weights, self.prices, self.prices, self.minima, |weight, price, _| reduced_cost(weight, price));
    }
}

/// The least distances that are shorter by way of one row than those that are known; infinite where none is.
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
        let offset = self.offset;
        minima_by(self.weights, self.prices, self.distances, self.minima, |weight, price, known| {
            let distance = offset + reduced_cost(weight, price);
            if distance < known { distance } else { f64::INFINITY }
        });
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
        let mut beyond = [0.0; LANES];
        let (chunks, rest) = self.weights.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                beyond[lane] = if chunk[lane].into().abs() <= self.limit { beyond[lane] } else { 1.0 };
            }
        }
        beyond == [0.0; LANES] && rest.iter().all(|&weight| weight.into().abs() <= self.limit)
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
    use pulp::Arch;

    proptest! {
        #[test]
        fn minima_are_those_of_the_definition(entries in prop::collection::vec((-9.0f32..9.0, -9.0f64..0.0, -9.0f64..9.0), 1..1200)) {
            let weights: Vec<f32> = entries.iter().map(|e| e.0).collect();
            let prices: Vec<f64> = entries.iter().map(|e| e.1).collect();
            let distances: Vec<f64> = entries.iter().map(|e| e.2).collect();
            let costs: Vec<f64> = weights.iter().zip(&prices).map(|(&w, price)| -f64::from(w) - price).collect();
            let shorter: Vec<f64> = costs.iter().zip(&distances).map(|(c, d)| if 0.5 + c < *d { 0.5 + c } else { f64::INFINITY }).collect();
            let n = weights.len();
            let least = |costs: &[f64]| -> Vec<f64> {
                let least_of = |place| columns_of(place, n).map(|column| costs[column]).fold(f64::INFINITY, lesser);
                (0..n_minima(n)).map(least_of).collect()
            };
            let mut columns: Vec<usize> = (0..n_minima(n)).flat_map(|place| columns_of(place, n)).collect();
            columns.sort_unstable();
            prop_assert_eq!(columns, (0..n).collect::<Vec<_>>());
            let mut minima = vec![0.0; n_minima(n)];
            Arch::new().dispatch(LeastCosts { weights: &weights, prices: &prices, minima: &mut minima });
            prop_assert_eq!(&minima, &least(&costs));
            Arch::new().dispatch(ShorterPaths { weights: &weights, prices: &prices, distances: &distances, offset: 0.5, minima: &mut minima });
            prop_assert_eq!(&minima, &least(&shorter));
            let within = |limit| Arch::new().dispatch(AllWithin { weights: &weights, limit });
            prop_assert_eq!(within(4.0), weights.iter().all(|weight| weight.abs() <= 4.0));
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
