//! Seeded draws that stay the same for ever: the generator, the bounded draw and the shuffle are fixed here, not in a crate's next version.

use crate::InputError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;

/// The generator for one purpose: ChaCha8 keyed by `seed`, and by `label`, which names what is drawn (`"weights.unit-alignment/up/3"`).
///
/// The 32-byte key is, in little-endian words of 64 bits: the seed, FNV-1a of the label, the label's length in bytes, and zero. Two labels
/// with one seed give unrelated streams; the key protects nothing, it only separates.
pub fn generator(seed: u64, label: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, word) in key.chunks_exact_mut(8).zip([seed, fnv_1a(label.as_bytes()), label.len() as u64, 0]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits. Reference: Eastlake et al., *The FNV Non-Cryptographic Hash Algorithm*, RFC 9923.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A uniform draw from `0..n`; 0 if `n` is 0 or 1. Unbiased: draws that would favour small values are rejected.
///
/// Reference: Lemire, *Fast random integer generation in an interval*, ACM TOMACS 29 (2019).
pub fn below(generator: &mut impl Rng, n: u64) -> u64 {
    if n < 2 {
        return 0;
    }
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(n);
        // The low half below 2^64 mod n marks the draws to reject.
        if product as u64 >= n.wrapping_neg() % n {
            return (product >> 64) as u64;
        }
    }
}

/// Puts `items` in a uniformly random order (Fisher and Yates, from the last place down).
pub fn shuffle<T>(generator: &mut impl Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let place = below(generator, last as u64 + 1) as usize;
        items.swap(last, place);
    }
}

/// `k` distinct indices out of `0..n`, uniformly among all subsets, in rising order; the same for ever for one `(n, k, seed, label)`.
///
/// Floyd's method (Bentley and Floyd, *A sample of brilliance*, CACM 30, 1987): memory `O(k)`.
///
/// # Errors
/// If `k > n`.
pub fn distinct_sorted(n: u64, k: u64, seed: u64, label: &str) -> Result<Vec<u64>, InputError> {
    if k > n {
        return Err(InputError::new("number of indices to draw", k, format!("at most {n}")));
    }
    let mut rng = generator(seed, label);
    let mut chosen = BTreeSet::new();
    for last in n - k..n {
        let draw = below(&mut rng, last + 1);
        if !chosen.insert(draw) {
            chosen.insert(last);
        }
    }
    Ok(chosen.into_iter().collect())
}

/// [`distinct_sorted`] for indices of slices; draws all of them where there are fewer than `k`.
pub fn draw(seed: u64, label: &str, n: usize, k: usize) -> Vec<usize> {
    let chosen = distinct_sorted(n as u64, k.min(n) as u64, seed, label).unwrap_or_default();
    chosen.into_iter().map(|index| index as usize).collect()
}

/// Values in [-1, 1] for tests.
#[cfg(test)]
pub(crate) fn uniform(seed: u64, label: &str, n: usize) -> Vec<f32> {
    let mut rng = generator(seed, label);
    (0..n).map(|_| below(&mut rng, 2001) as f32 / 1000.0 - 1.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // RFC 9923, section 8.3 (and the FNV reference test vectors): "", "a", "foobar".
        assert_eq!(fnv_1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv_1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn draws_stay_the_same_for_ever() {
        // Golden, written by this function in version 0.1.0. A change here changes every report: do not update, repair.
        assert_eq!(distinct_sorted(1000, 8, 0, "golden").unwrap(), GOLDEN);
        assert_eq!(distinct_sorted(u64::MAX, 2, 7, "").unwrap(), GOLDEN_WIDE);
        let mut order: Vec<u8> = (0..8).collect();
        shuffle(&mut generator(1, "order"), &mut order);
        assert_eq!(order, GOLDEN_ORDER);
    }
    const GOLDEN: [u64; 8] = [68, 160, 288, 308, 549, 827, 909, 946];
    const GOLDEN_WIDE: [u64; 2] = [6_948_959_106_149_497_482, 12_941_851_421_259_694_717];
    const GOLDEN_ORDER: [u8; 8] = [3, 5, 1, 2, 0, 7, 6, 4];

    #[test]
    fn every_index_is_drawn_equally_often() {
        let mut counts = [0u32; 10];
        for seed in 0..10_000 {
            for index in distinct_sorted(10, 3, seed, "uniform").unwrap() {
                counts[index as usize] += 1;
            }
        }
        // 3,000 expected, standard deviation 46: five deviations.
        assert!(counts.iter().all(|&count| (2771..3229).contains(&count)), "{counts:?}");
    }

    #[test]
    fn every_order_of_four_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut rng = generator(3, "orders");
        for _ in 0..24_000 {
            let mut order = [0, 1, 2, 3];
            shuffle(&mut rng, &mut order);
            *counts.entry(order).or_insert(0i32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // 1,000 expected, standard deviation 31.
        assert!(counts.values().all(|count| (count - 1000).abs() < 155), "{counts:?}");
    }

    #[test]
    fn more_than_there_are_is_refused() {
        let error = distinct_sorted(3, 4, 0, "").unwrap_err();
        assert_eq!(error.to_string(), "number of indices to draw: found 4, expected at most 3");
    }

    proptest! {
        #[test]
        fn draws_are_distinct_sorted_and_in_range(n in 0u64..500, seed: u64, share in 0.0f64..=1.0) {
            let k = (share * n as f64) as u64;
            let drawn = distinct_sorted(n, k, seed, "law").unwrap();
            prop_assert_eq!(drawn.len() as u64, k);
            prop_assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(drawn.last().is_none_or(|&last| last < n));
        }

        #[test]
        fn labels_and_seeds_separate(seed: u64) {
            let draw = |seed, label| generator(seed, label).next_u64();
            prop_assert_ne!(draw(seed, "a"), draw(seed, "b"));
            prop_assert_ne!(draw(seed, "a"), draw(seed.wrapping_add(1), "a"));
        }
    }
}
