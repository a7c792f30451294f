//! Blocks of 32 values: a scale, perhaps a minimum, then the integers. In 4-bit forms the low nibbles come first, then the high ones.

use half::f16;

/// The uneven grid of IQ4_NL and IQ4_XS: 4-bit codes to multiples of the scale. Part of the format (ggml-common.h, `kvalues_iq4nl`).
pub(super) const GRID: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

pub(super) fn half(low: u8, high: u8) -> f32 {
    f16::from_le_bytes([low, high]).to_f32()
}

/// Hands every value's index and its 4-bit code to `value`.
fn nibbles(codes: &[u8], out: &mut [f32; 32], value: impl Fn(u32, u8) -> f32) {
    let (first, second) = out.split_at_mut(16);
    for (i, ((&code, low), high)) in (0..16).zip(codes.iter().zip(first).zip(second)) {
        *low = value(i, code & 15);
        *high = value(i + 16, code >> 4);
    }
}

pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half(block[0], block[1]);
    nibbles(&block[2..], out, |_, q| scale * (f32::from(q) - 8.0));
}

pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, minimum) = (half(block[0], block[1]), half(block[2], block[3]));
    nibbles(&block[4..], out, |_, q| scale * f32::from(q) + minimum);
}

/// The fifth bit of value `i` is bit `i` of `high`.
fn five_bits(q: u8, high: u32, i: u32) -> f32 {
    f32::from(q | ((high >> i & 1) << 4) as u8)
}

pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let scale = half(block[0], block[1]);
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    nibbles(&block[6..], out, |i, q| scale * (five_bits(q, high, i) - 16.0));
}

pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, minimum) = (half(block[0], block[1]), half(block[2], block[3]));
    let high = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    nibbles(&block[8..], out, |i, q| scale * five_bits(q, high, i) + minimum);
}

pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half(block[0], block[1]);
    for (&q, value) in block[2..].iter().zip(out) {
        *value = scale * f32::from(q.cast_signed());
    }
}

pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half(block[0], block[1]);
    nibbles(&block[2..], out, |_, q| scale * GRID[usize::from(q & 15)]);
}
