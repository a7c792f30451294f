//! Sketches of units: 512 numbers by which the correlation of two units over all words can be estimated, whichever models they belong to.
//!
//! A unit's activations over all words, centred and of length 1, are summed with random signs, 512 times. The signs depend on the place of a
//! word alone, so the dot product of two sketches estimates the correlation of two units without bias, with a standard error of
//! `sqrt((1 + ρ²) / 512)` at most: .044 for unrelated units.

use super::SKETCH_WIDTH;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use half::f16;
use std::sync::Mutex;

/// BLAKE3's context for the signs.
const CONTEXT: &str = "filiation observation v1 sketch signs";
/// Units of one tile: its products stay in a core's cache, and threads that add to different tiles do not wait for one another.
const TILE: usize = 128;
/// Sums are kept as integers of this unit, which any order of additions gives alike.
const SCALE: f64 = (1u64 << 28) as f64;
/// A group's sum beyond this might not fit with the others'. Activations are far smaller; a model that reaches it is broken.
const LARGEST: f64 = (1u64 << 24) as f64;
/// Groups whose sums fit into 63 bits together.
pub(crate) const MAX_GROUPS: usize = 1 << 10;
/// The same for sums of squares, in 128 bits.
const MOMENT_SCALE: f64 = (1u64 << 60) as f64;
const LARGEST_MOMENT: f64 = 1e15;

/// The 512 signs of a word: bit `k % 8` of byte `k / 8` of BLAKE3's output, 1 for plus.
pub(crate) fn signs(prompt: u32, word: u32) -> [u8; SKETCH_WIDTH / 8] {
    let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
    hash.update(&prompt.to_le_bytes());
    hash.update(&word.to_le_bytes());
    let mut bits = [0; SKETCH_WIDTH / 8];
    hash.finalize_xof().fill(&mut bits);
    bits
}

/// Signs as a row of ±1.
fn widen(bits: &[u8; SKETCH_WIDTH / 8], row: &mut [f32]) {
    for (k, value) in row.iter_mut().enumerate() {
        *value = if bits[k / 8] >> (k % 8) & 1 == 1 { 1.0 } else { -1.0 };
    }
}

/// The sum of a group's activations or sketches is not a number that can be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OutOfRange(pub(crate) f64);

/// Sums over words for one matrix of units, added group by group in any order.
#[derive(Debug)]
pub(crate) struct Sums {
    units: usize,
    tiles: Vec<Mutex<Tile>>,
}

#[derive(Debug)]
struct Tile {
    /// `[units of the tile, 512]`, in units of `1 / SCALE`.
    sketches: Vec<i64>,
    /// Sum and sum of squares of each unit, in units of `1 / MOMENT_SCALE`.
    moments: Vec<[i128; 2]>,
}

impl Sums {
    pub(crate) fn new(units: usize) -> Self {
        let tile = |start: usize| {
            let n = TILE.min(units - start);
            Mutex::new(Tile { sketches: vec![0; n * SKETCH_WIDTH], moments: vec![[0; 2]; n] })
        };
        Self { units, tiles: (0..units).step_by(TILE).map(tile).collect() }
    }

    /// Adds the activations of some words, `[words, units]`.
    ///
    /// Products are rounded to integers before they are added to those of other groups; what is added is the same whenever it comes.
    pub(crate) fn add(&self, activations: &[f32], signs: &[[u8; SKETCH_WIDTH / 8]]) -> Result<(), OutOfRange> {
        let words = signs.len();
        let mut widened = vec![0.0f32; words * SKETCH_WIDTH];
        widened.chunks_exact_mut(SKETCH_WIDTH).zip(signs).for_each(|(row, bits)| widen(bits, row));
        let matrix = MatRef::from_row_major_slice(activations, words, self.units);
        let signs = MatRef::from_row_major_slice(&widened, words, SKETCH_WIDTH);
        let mut products = vec![0.0f32; TILE * SKETCH_WIDTH];
        for (index, tile) in self.tiles.iter().enumerate() {
            let start = index * TILE;
            let n = TILE.min(self.units - start);
            let products = &mut products[..n * SKETCH_WIDTH];
            let target = MatMut::from_row_major_slice_mut(products, n, SKETCH_WIDTH);
            matmul(target, Accum::Replace, matrix.subcols(start, n).transpose(), signs, 1.0f32, Par::Seq);
            let mut sums = vec![[0.0f64; 2]; n];
            for row in activations.chunks_exact(self.units) {
                for ([sum, squares], &value) in sums.iter_mut().zip(&row[start..start + n]) {
                    let value = f64::from(value);
                    *sum += value;
                    *squares += value * value;
                }
            }
            // NaN is in no range.
            let fits = |value: f64, limit: f64| (-limit..=limit).contains(&value);
            if let Some(&value) = products.iter().find(|&&value| !fits(f64::from(value), LARGEST)) {
                return Err(OutOfRange(f64::from(value)));
            }
            if let Some(&value) = sums.iter().flatten().find(|&&value| !fits(value, LARGEST_MOMENT)) {
                return Err(OutOfRange(value));
            }
            let mut tile = tile.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let tile = &mut *tile;
            tile.sketches.iter_mut().zip(&*products).for_each(|(sum, &value)| *sum += (f64::from(value) * SCALE).round() as i64);
            for (kept, new) in tile.moments.iter_mut().zip(&sums) {
                kept.iter_mut().zip(new).for_each(|(sum, &value)| *sum += (value * MOMENT_SCALE).round() as i128);
            }
        }
        Ok(())
    }

    /// The sketches, `[units, 512]`, after all words were added; `signs` are those of all words. A unit that never changes has zeros.
    pub(crate) fn finish(self, signs: &[[u8; SKETCH_WIDTH / 8]]) -> Vec<f16> {
        let words = signs.len() as f64;
        let mut totals = vec![0.0f64; SKETCH_WIDTH];
        let mut row = vec![0.0f32; SKETCH_WIDTH];
        for bits in signs {
            widen(bits, &mut row);
            totals.iter_mut().zip(&row).for_each(|(total, &sign)| *total += f64::from(sign));
        }
        let mut out = Vec::with_capacity(self.units * SKETCH_WIDTH);
        for tile in self.tiles {
            let tile = tile.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (sums, &[sum, squares]) in tile.sketches.chunks_exact(SKETCH_WIDTH).zip(&tile.moments) {
                let (sum, squares) = (sum as f64 / MOMENT_SCALE, squares as f64 / MOMENT_SCALE);
                let mean = sum / words;
                let length = (squares - sum * mean).sqrt();
                // Below this the difference is rounding alone.
                let varies = length > 1e-7 * squares.sqrt();
                let scale = if varies { 1.0 / (length * (SKETCH_WIDTH as f64).sqrt()) } else { 0.0 };
                out.extend(sums.iter().zip(&totals).map(|(&s, total)| f16::from_f64((s as f64 / SCALE - mean * total) * scale)));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `testdata/vectors/observation.json`, which the `blake3` package of Python made.
    #[test]
    fn signs_are_the_bits_of_blake3() {
        let mut row = [0.0; SKETCH_WIDTH];
        widen(&signs(3, 5), &mut row);
        let expected = [1, 1, 1, 1, 1, -1, 1, 1, -1, 1, -1, -1, -1, -1, 1, -1, -1, 1, -1, 1, 1, 1, 1, -1];
        assert_eq!(row[..24], expected.map(|sign| sign as f32));
        assert_ne!(signs(5, 3), signs(3, 5));
    }

    #[test]
    fn sums_beyond_what_can_be_kept_are_refused() {
        let signs = [signs(0, 0), signs(0, 1)];
        assert!(Sums::new(1).add(&[1e9, 1e8], &signs).is_err());
        assert!(Sums::new(1).add(&[f32::NAN, 1.0], &signs).is_err());
        assert_eq!(Sums::new(1).add(&[1e3, 1e3], &signs), Ok(()));
    }
}
