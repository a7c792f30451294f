//! Blocks of 256 values with scales of their own for each 16 or 32 of them.
//!
//! The integers' bits lie in planes: a run of 32 bytes serves several runs of 32 values, one for each pair or nibble of bits.

use super::quant_32::{GRID, half};

/// Runs of 32 values, each with its number.
fn runs(out: &mut [f32; 256]) -> impl Iterator<Item = (usize, &mut [f32; 32])> {
    out.as_chunks_mut::<32>().0.iter_mut().enumerate()
}

/// 2-bit scales and minima for 16 values each, then the values, four runs in 32 bytes.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (scale, minimum) = (half(block[80], block[81]), half(block[82], block[83]));
    let planes = block[16..80].as_chunks::<32>().0;
    for (run, values) in runs(out) {
        let shift = 2 * (run % 4);
        let codes = planes[run / 4].as_chunks::<16>().0;
        for (group, (values, codes)) in values.as_chunks_mut::<16>().0.iter_mut().zip(codes).enumerate() {
            let packed = block[2 * run + group];
            let (scale, minimum) = (scale * f32::from(packed & 15), minimum * f32::from(packed >> 4));
            for (value, code) in values.iter_mut().zip(codes) {
                *value = scale * f32::from(code >> shift & 3) - minimum;
            }
        }
    }
}

/// High bits (one plane a run), low pairs of bits, 6-bit scales for 16 values each.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let scale = half(block[108], block[109]);
    let high = block[..32].as_chunks::<16>().0;
    let planes = block[32..96].as_chunks::<32>().0;
    let packed = &block[96..108];
    for (run, values) in runs(out) {
        let shift = 2 * (run % 4);
        let codes = planes[run / 4].as_chunks::<16>().0;
        for (group, (values, (codes, high))) in values.as_chunks_mut::<16>().0.iter_mut().zip(codes.iter().zip(high)).enumerate() {
            let k = 2 * run + group;
            let low_nibble = packed[k % 8] >> (4 * (k / 8)) & 15;
            let high_pair = packed[8 + k % 4] >> (2 * (k / 4)) & 3;
            let scale = scale * (f32::from(low_nibble | high_pair << 4) - 32.0);
            for (value, (code, high)) in values.iter_mut().zip(codes.iter().zip(high)) {
                let code = code >> shift & 3 | (high >> run & 1) << 2;
                *value = scale * (f32::from(code) - 4.0);
            }
        }
    }
}

/// Eight 6-bit scales and eight 6-bit minima in 12 bytes: the last four of each are split between the nibbles of the third word
/// and the two upper bits of the first two.
fn scales_and_minima(packed: &[u8; 12]) -> [(u8, u8); 8] {
    let mut pairs = [(0, 0); 8];
    for i in 0..4 {
        let (a, b, c) = (packed[i], packed[4 + i], packed[8 + i]);
        pairs[i] = (a & 63, b & 63);
        pairs[4 + i] = (c & 15 | a >> 6 << 4, c >> 4 | b >> 6 << 4);
    }
    pairs
}

/// The first 12 bytes of a slice whose length is known to suffice; the copy disappears in optimised code.
fn twelve(bytes: &[u8]) -> [u8; 12] {
    let mut array = [0; 12];
    array.copy_from_slice(&bytes[..12]);
    array
}

pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, minimum) = (half(block[0], block[1]), half(block[2], block[3]));
    let pairs = scales_and_minima(&twelve(&block[4..16]));
    let planes = block[16..].as_chunks::<32>().0;
    for (run, values) in runs(out) {
        let (scale, minimum) = (scale * f32::from(pairs[run].0), minimum * f32::from(pairs[run].1));
        let shift = 4 * (run % 2);
        for (value, code) in values.iter_mut().zip(&planes[run / 2]) {
            *value = scale * f32::from(code >> shift & 15) - minimum;
        }
    }
}

pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (scale, minimum) = (half(block[0], block[1]), half(block[2], block[3]));
    let pairs = scales_and_minima(&twelve(&block[4..16]));
    let high = &block[16..48];
    let planes = block[48..].as_chunks::<32>().0;
    for (run, values) in runs(out) {
        let (scale, minimum) = (scale * f32::from(pairs[run].0), minimum * f32::from(pairs[run].1));
        let shift = 4 * (run % 2);
        for (value, (code, high)) in values.iter_mut().zip(planes[run / 2].iter().zip(high)) {
            *value = scale * f32::from(code >> shift & 15 | (high >> run & 1) << 4) - minimum;
        }
    }
}

/// Low nibbles (64 bytes for four runs), high pairs of bits (32 bytes for four runs), signed scales for 16 values each.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half(block[208], block[209]);
    let low = block[..128].as_chunks::<32>().0;
    let high = block[128..192].as_chunks::<32>().0;
    let scales = &block[192..208];
    for (run, values) in runs(out) {
        let (low_shift, high_shift) = (4 * (run % 4 / 2), 2 * (run % 4));
        let low = low[2 * (run / 4) + run % 2].as_chunks::<16>().0;
        let high = high[run / 4].as_chunks::<16>().0;
        for (group, (values, (low, high))) in values.as_chunks_mut::<16>().0.iter_mut().zip(low.iter().zip(high)).enumerate() {
            let scale = scale * f32::from(scales[2 * run + group].cast_signed());
            for (value, (low, high)) in values.iter_mut().zip(low.iter().zip(high)) {
                let code = low >> low_shift & 15 | (high >> high_shift & 3) << 4;
                *value = scale * (f32::from(code) - 32.0);
            }
        }
    }
}

/// The 32 bytes after the values are sums that only a dot product uses.
pub(super) fn q8_k(block: &[u8; 292], out: &mut [f32; 256]) {
    let scale = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    for (&q, value) in block[4..260].iter().zip(out) {
        *value = scale * f32::from(q.cast_signed());
    }
}

/// 6-bit scales: low nibbles in four bytes, high pairs in a u16.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let scale = half(block[0], block[1]);
    let high_pairs = u16::from_le_bytes([block[2], block[3]]);
    let planes = block[8..].as_chunks::<16>().0;
    for (run, values) in runs(out) {
        let low_nibble = block[4 + run / 2] >> (4 * (run % 2)) & 15;
        let high_pair = (high_pairs >> (2 * run) & 3) as u8;
        let scale = scale * (f32::from(low_nibble | high_pair << 4) - 32.0);
        let (first, second) = values.split_at_mut(16);
        for ((code, low), high) in planes[run].iter().zip(first).zip(second) {
            *low = scale * GRID[usize::from(code & 15)];
            *high = scale * GRID[usize::from(code >> 4)];
        }
    }
}
