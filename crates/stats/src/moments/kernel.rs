//! The inner loop of the moments: f32 lanes over short blocks, flushed into f64.

use super::{Element, PairedMoments};
use crate::InputError;
use pulp::{Arch, NullaryFnOnce};
use std::marker::PhantomData;

/// Independent sums: one vector of 256 bits. Ten of them fit the registers of AVX2.
const N_LANES: usize = 8;
/// Pairs between two flushes: 128 additions a lane.
const BLOCK: usize = 1024;

/// The [`PairedMoments`] of two tensors given as little-endian bytes.
///
/// Each lane adds at most 128 numbers in f32 before it is flushed into f64, so every sum is off by at most
/// `129 · 2^−24 < 8e-6` of the sum of the magnitudes it adds (typically `3e-7`); `Σ(b − a)²` too. Products of bf16 or f16 are exact.
/// A block whose squares leave the range of f32 is summed again in f64. The order of additions is fixed: the same bits on every machine.
///
/// # Errors
/// If the sides are not whole numbers of elements, or not equally many.
pub fn paired_moments<A: Element, B: Element>(a: &[u8], b: &[u8]) -> Result<PairedMoments, InputError> {
    let n = a.len() / A::N_BYTES;
    if !a.len().is_multiple_of(A::N_BYTES) || !b.len().is_multiple_of(B::N_BYTES) || n != b.len() / B::N_BYTES {
        return Err(InputError::new(
            "pair of tensors",
            format!("{} and {} bytes", a.len(), b.len()),
            format!("equally many numbers of {} and {} bytes", A::N_BYTES, B::N_BYTES),
        ));
    }
    let arch = Arch::new();
    let mut moments = PairedMoments::default();
    for (a, b) in a.chunks(BLOCK * A::N_BYTES).zip(b.chunks(BLOCK * B::N_BYTES)) {
        moments.merge(&arch.dispatch(Block::<A, B> { reference: a, suspect: b, formats: PhantomData }));
    }
    Ok(moments)
}

/// Whether no square can have overflowed, and none that matters can have been lost below the smallest f32.
fn in_range(block: &PairedMoments) -> bool {
    const SAFE: std::ops::Range<f64> = 1e-24..1e30;
    SAFE.contains(&block.sum_aa)
        && SAFE.contains(&block.sum_bb)
        && (SAFE.contains(&block.sum_squared_differences) || block.largest_difference == 0.0)
        && block.sum_ab.is_finite()
}

/// Both sides of one block, as bytes.
struct Block<'a, A, B> {
    reference: &'a [u8],
    suspect: &'a [u8],
    formats: PhantomData<(A, B)>,
}

impl<A: Element, B: Element> NullaryFnOnce for Block<'_, A, B> {
    type Output = PairedMoments;

    /// Widens both sides into buffers that stay in the first-level cache, then reads them twice: the sums and the counts do not fit the
    /// registers of most machines together.
    #[inline(always)]
    fn call(self) -> PairedMoments {
        let (mut a, mut b) = ([0.0f32; BLOCK], [0.0f32; BLOCK]);
        let n = widen::<A>(self.reference, &mut a);
        widen::<B>(self.suspect, &mut b);
        let (a, b) = (&a[..n], &b[..n]);
        let (chunks_a, rest_a) = a.as_chunks::<N_LANES>();
        let (chunks_b, rest_b) = b.as_chunks::<N_LANES>();
        let mut moments = PairedMoments { n: (n - rest_a.len()) as u64, ..sums(chunks_a, chunks_b) };
        moments.merge(&counts(chunks_a, chunks_b));
        if !in_range(&moments) {
            return by_definition(a, b);
        }
        moments.merge(&by_definition(rest_a, rest_b));
        moments
    }
}

#[inline(always)]
fn widen<E: Element>(bytes: &[u8], out: &mut [f32; BLOCK]) -> usize {
    let mut n = 0;
    for (place, number) in out.iter_mut().zip(bytes.chunks_exact(E::N_BYTES)) {
        // A chunk of N_BYTES always converts.
        *place = E::Bytes::try_from(number).map_or(f32::NAN, E::widen);
        n += 1;
    }
    n
}

type Lanes = [f32; N_LANES];

#[inline(always)]
fn sums(a: &[Lanes], b: &[Lanes]) -> PairedMoments {
    let zero: Lanes = [0.0; N_LANES];
    let (mut sum_a, mut sum_b, mut sum_ab, mut sum_aa, mut sum_bb, mut sum_dd) = (zero, zero, zero, zero, zero, zero);
    for (a, b) in a.iter().zip(b) {
        for lane in 0..N_LANES {
            sum_a[lane] += a[lane];
        }
        for lane in 0..N_LANES {
            sum_b[lane] += b[lane];
        }
        for lane in 0..N_LANES {
            sum_ab[lane] += a[lane] * b[lane];
        }
        for lane in 0..N_LANES {
            sum_aa[lane] += a[lane] * a[lane];
        }
        for lane in 0..N_LANES {
            sum_bb[lane] += b[lane] * b[lane];
        }
        for lane in 0..N_LANES {
            let difference = b[lane] - a[lane];
            sum_dd[lane] += difference * difference;
        }
    }
    let [sum_a, sum_b, sum_ab, sum_aa, sum_bb, sum_squared_differences] = totals(&[sum_a, sum_b, sum_ab, sum_aa, sum_bb, sum_dd]);
    PairedMoments { sum_a, sum_b, sum_ab, sum_aa, sum_bb, sum_squared_differences, ..PairedMoments::default() }
}

/// Not inlined: a compiler that sees the horizontal sums arranges the lanes of the loop for them, at a third of the speed.
#[inline(never)]
fn totals<const N: usize>(sums: &[Lanes; N]) -> [f64; N] {
    sums.map(|lanes| lanes.iter().map(|&lane| f64::from(lane)).sum())
}

/// Not inlined, as [`totals`].
#[inline(never)]
fn total_counts<const N: usize>(counts: &[[u32; N_LANES]; N]) -> [u64; N] {
    counts.map(|lanes| lanes.iter().map(|&lane| u64::from(lane)).sum())
}

/// Not inlined, as [`totals`].
#[inline(never)]
fn largest_of(lanes: &Lanes) -> f32 {
    lanes.iter().fold(0.0, |largest, &lane| if lane > largest { lane } else { largest })
}

#[inline(always)]
fn counts(a: &[Lanes], b: &[Lanes]) -> PairedMoments {
    let none = [0u32; N_LANES];
    let (mut largest, mut n_equal, mut n_zeroed, mut n_zero_b) = ([0.0f32; N_LANES], none, none, none);
    for (a, b) in a.iter().zip(b) {
        for lane in 0..N_LANES {
            // NaN does not pass the comparison, but it is in the sums.
            let difference = (b[lane] - a[lane]).abs();
            largest[lane] = if difference > largest[lane] { difference } else { largest[lane] };
        }
        // Wrapping, so that a build with overflow checks vectorises too; a block is far shorter than 2^32.
        for lane in 0..N_LANES {
            n_equal[lane] = n_equal[lane].wrapping_add(u32::from(a[lane].to_bits() == b[lane].to_bits()));
        }
        for lane in 0..N_LANES {
            n_zero_b[lane] = n_zero_b[lane].wrapping_add(u32::from(b[lane] == 0.0));
        }
        for lane in 0..N_LANES {
            n_zeroed[lane] = n_zeroed[lane].wrapping_add(u32::from((a[lane] != 0.0) & (b[lane] == 0.0)));
        }
    }
    let [n_equal, n_zeroed, n_zero_b] = total_counts(&[n_equal, n_zeroed, n_zero_b]);
    PairedMoments { largest_difference: largest_of(&largest).into(), n_equal, n_zeroed, n_zero_b, ..PairedMoments::default() }
}

/// Pair by pair in f64: for what is left of a block, for magnitudes whose squares do not fit f32, and for values that are not finite.
fn by_definition(a: &[f32], b: &[f32]) -> PairedMoments {
    let mut moments = PairedMoments::default();
    for (&a, &b) in a.iter().zip(b) {
        let (x, y) = (f64::from(a), f64::from(b));
        let difference = y - x;
        moments.merge(&PairedMoments {
            n: 1,
            sum_a: x,
            sum_b: y,
            sum_ab: x * y,
            sum_aa: x * x,
            sum_bb: y * y,
            sum_squared_differences: difference * difference,
            largest_difference: difference.abs(),
            n_equal: u64::from(a.to_bits() == b.to_bits()),
            n_zeroed: u64::from(a != 0.0 && b == 0.0),
            n_zero_b: u64::from(b == 0.0),
        });
    }
    moments
}
