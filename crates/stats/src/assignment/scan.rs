//! The loops over whole rows of weights, with the widest vectors of the machine and the same results on every machine.

use super::Weight;
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
pub(super) fn lesser<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

#[inline(always)]
pub(super) fn greater<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
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

/// [`LeastCosts`] at prices of zero, and whether all weights are finite and of a magnitude up to `limit`, in one pass.
///
/// Compares weights in their own type, of which a vector holds twice as many if they are narrow.
pub(super) struct FirstLook<'a, T> {
    pub(super) weights: &'a [T],
    pub(super) limit: f64,
    pub(super) minima: &'a mut [f64],
}

impl<T: Weight> NullaryFnOnce for FirstLook<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let zero = T::from(0.0);
        let (mut least, mut unordered, mut greatest_of_all) = ([zero; LANES], [zero; LANES], [zero; LANES]);
        for (weights, minima) in self.weights.chunks(GROUP).zip(self.minima.as_chunks_mut::<LANES>().0) {
            let mut greatest = [T::from(f32::NEG_INFINITY); LANES];
            let mut look = |lane: usize, weight: T| {
                greatest[lane] = greater(weight, greatest[lane]);
                least[lane] = lesser(weight, least[lane]);
                // NaN, which both comparisons pass over.
                unordered[lane] = if weight.partial_cmp(&weight).is_some() { unordered[lane] } else { weight };
            };
            let (chunks, last) = weights.as_chunks::<LANES>();
            for chunk in chunks {
                chunk.iter().enumerate().for_each(|(lane, &weight)| look(lane, weight));
            }
            last.iter().enumerate().for_each(|(lane, &weight)| look(lane, weight));
            for lane in 0..LANES {
                greatest_of_all[lane] = greater(greatest[lane], greatest_of_all[lane]);
                minima[lane] = reduced_cost(greatest[lane], 0.0);
            }
        }
        let extremes = least.into_iter().chain(greatest_of_all).chain(unordered);
        extremes.map(Into::into).all(|weight: f64| weight.abs() <= self.limit)
    }
}

/// Rows that [`GreatestSums`] reads side by side.
pub(super) const N_ABREAST: usize = 4;
/// Sums of a row that are taken side by side.
const NARROW: usize = LANES / 2;

/// The greatest `w + v` of each of a few rows of the same length, side by side, so that prices are loaded once for all of them.
pub(super) struct GreatestSums<'a, T> {
    pub(super) rows: [&'a [T]; N_ABREAST],
    pub(super) prices: &'a [f64],
}

#[inline(always)]
fn raise<T: Weight>(greatest: &mut [f64; NARROW], weights: &[T; NARROW], prices: &[f64; NARROW]) {
    for lane in 0..NARROW {
        greatest[lane] = greater(weights[lane].into() + prices[lane], greatest[lane]);
    }
}

impl<T: Weight> NullaryFnOnce for GreatestSums<'_, T> {
    type Output = [f64; N_ABREAST];

    #[inline(always)]
    fn call(self) -> [f64; N_ABREAST] {
        let (prices, last_prices) = self.prices.as_chunks::<NARROW>();
        // One by one: compilers do not turn an array of accumulators into vectors.
        let [a, b, c, d] = self.rows.map(|row| row.as_chunks::<NARROW>());
        let mut best_a = [f64::NEG_INFINITY; NARROW];
        let (mut best_b, mut best_c, mut best_d) = (best_a, best_a, best_a);
        for ((((prices, a), b), c), d) in prices.iter().zip(a.0).zip(b.0).zip(c.0).zip(d.0) {
            raise(&mut best_a, a, prices);
            raise(&mut best_b, b, prices);
            raise(&mut best_c, c, prices);
            raise(&mut best_d, d, prices);
        }
        let mut greatest = [best_a, best_b, best_c, best_d].map(|lanes| lanes.into_iter().fold(f64::NEG_INFINITY, greater));
        for (greatest, last) in greatest.iter_mut().zip([a.1, b.1, c.1, d.1]) {
            for (&weight, price) in last.iter().zip(last_prices) {
                *greatest = greater(weight.into() + price, *greatest);
            }
        }
        greatest
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
            let at_zero: Vec<f64> = weights.iter().map(|&weight| -f64::from(weight)).collect();
            for limit in [4.0, 8.0] {
                let is_within = Arch::new().dispatch(FirstLook { weights: &weights, limit, minima: &mut minima });
                prop_assert_eq!(is_within, weights.iter().all(|weight| f64::from(weight.abs()) <= limit));
                prop_assert_eq!(&minima, &least(&at_zero));
            }
            let rows: [Vec<f32>; N_ABREAST] = std::array::from_fn(|row| weights.iter().map(|weight| weight * (row as f32 - 1.0)).collect());
            let greatest = Arch::new().dispatch(GreatestSums { rows: rows.each_ref().map(Vec::as_slice), prices: &prices });
            for (row, greatest) in rows.iter().zip(greatest) {
                let sums = row.iter().zip(&prices).map(|(&weight, price)| f64::from(weight) + price);
                prop_assert_eq!(Some(greatest), sums.max_by(f64::total_cmp));
            }
        }

        #[test]
        fn a_weight_that_is_no_number_or_too_large_is_seen_wherever_it_lies(n in 1usize..1200, at: u16, kind in 0usize..4) {
            let mut weights = vec![0.5f64; n];
            weights[usize::from(at) % n] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -7.5][kind];
            let mut minima = vec![0.0; n_minima(n)];
            prop_assert_eq!(Arch::new().dispatch(FirstLook { weights: &weights, limit: 7.0, minima: &mut minima }), false);
            let narrow: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            prop_assert_eq!(Arch::new().dispatch(FirstLook { weights: &narrow, limit: 7.0, minima: &mut minima }), false);
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
