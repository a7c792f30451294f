//! How stored bytes become numbers.

use crate::gguf::BlockQuant;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::fmt;

/// The stored form of a tensor's elements; all multi-byte forms are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Encoding {
    F64,
    F32,
    F16,
    Bf16,
    F8E4M3,
    F8E5M2,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    /// GGML's block quantisation: a block of values shares its scales.
    Block(BlockQuant),
}

impl Encoding {
    /// Values in the smallest piece that can be decoded alone.
    pub fn block_values(self) -> usize {
        match self {
            Self::Block(quant) => quant.block_values(),
            _ => 1,
        }
    }

    /// Bytes of that piece.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::I8 | Self::U8 | Self::Bool => 1,
            Self::Block(quant) => quant.block_bytes(),
        }
    }

    /// Bits of one value, with its share of the scales.
    pub fn bits_per_value(self) -> f64 {
        8.0 * self.block_bytes() as f64 / self.block_values() as f64
    }

    /// Bytes of `values` elements, or `None` if that overflows or splits a block.
    pub fn bytes_for(self, values: u64) -> Option<u64> {
        let block = self.block_values() as u64;
        values.is_multiple_of(block).then(|| (values / block).checked_mul(self.block_bytes() as u64)).flatten()
    }

    /// Whether every stored value is a floating-point number of at most f32's precision, so that widening is exact.
    pub fn widens_exactly(self) -> bool {
        !matches!(self, Self::F64 | Self::I64 | Self::U64 | Self::I32 | Self::U32)
    }

    /// Whether the form itself is a quantisation grid.
    pub fn is_quantised(self) -> bool {
        matches!(self, Self::Block(_) | Self::I8 | Self::U8 | Self::F8E4M3 | Self::F8E5M2)
    }

    /// Decodes whole blocks. `bytes.len()` and `out.len()` must agree with [`Self::bytes_for`].
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(Some(bytes.len() as u64), self.bytes_for(out.len() as u64), "decode: bytes do not fit the values");
        fn each<const N: usize>(bytes: &[u8], out: &mut [f32], to_f32: impl Fn([u8; N]) -> f32) {
            for (chunk, value) in bytes.as_chunks::<N>().0.iter().zip(out) {
                *value = to_f32(*chunk);
            }
        }
        match self {
            Self::F64 => each(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => each(bytes, out, f32::from_le_bytes),
            Self::F16 => {
                let mut halves = [f16::ZERO; 256];
                for (bytes, out) in bytes.chunks(512).zip(out.chunks_mut(256)) {
                    for (b, h) in bytes.as_chunks::<2>().0.iter().zip(&mut halves) {
                        *h = f16::from_le_bytes(*b);
                    }
                    halves[..out.len()].convert_to_f32_slice(out);
                }
            }
            Self::Bf16 => each(bytes, out, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
            Self::F8E4M3 => each(bytes, out, |[b]| f8_e4m3(b)),
            // E5M2 is the upper byte of an f16.
            Self::F8E5M2 => each(bytes, out, |[b]| f16::from_bits(u16::from(b) << 8).to_f32()),
            Self::I64 => each(bytes, out, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, out, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => each(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
            Self::I8 => each(bytes, out, |b| f32::from(i8::from_le_bytes(b))),
            Self::U64 => each(bytes, out, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => each(bytes, out, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => each(bytes, out, |b| f32::from(u16::from_le_bytes(b))),
            Self::U8 => each(bytes, out, |[b]| f32::from(b)),
            Self::Bool => each(bytes, out, |[b]| f32::from(u8::from(b != 0))),
            Self::Block(quant) => quant.decode(bytes, out),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bf16 => f.write_str("BF16"),
            Self::F8E4M3 => f.write_str("F8_E4M3"),
            Self::F8E5M2 => f.write_str("F8_E5M2"),
            Self::Block(quant) => write!(f, "{quant}"),
            other => f.write_str(&format!("{other:?}").to_uppercase()),
        }
    }
}

/// OCP 8-bit floating point E4M3 (finite-only variant): bias 7, no infinities, `S.1111.111` is NaN.
fn f8_e4m3(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let exponent = (byte >> 3) & 0x0f;
    let mantissa = f32::from(byte & 0x07);
    match (exponent, byte & 0x07) {
        (15, 7) => f32::NAN,
        (0, _) => sign * mantissa * (1.0 / 512.0),
        _ => sign * (1.0 + mantissa / 8.0) * (i32::from(exponent) - 7).exp2_f32(),
    }
}

trait Exp2 {
    fn exp2_f32(self) -> f32;
}

impl Exp2 for i32 {
    fn exp2_f32(self) -> f32 {
        f32::from_bits(((self + 127) as u32) << 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
        let mut out = vec![0.0; bytes.len() / encoding.block_bytes()];
        encoding.decode(bytes, &mut out);
        out
    }

    /// Values: OCP 8-bit Floating Point Specification rev. 1.0, table 2 (max 448, min subnormal 2^-9, NaN S.1111.111).
    #[test]
    fn f8_e4m3_matches_the_specification() {
        assert_eq!(decode(Encoding::F8E4M3, &[0x7e, 0x01, 0x08, 0xb8, 0x80]), [448.0, 2f32.powi(-9), 2f32.powi(-6), -1.0, -0.0]);
        assert!(decode(Encoding::F8E4M3, &[0x7f])[0].is_nan());
    }

    /// Values: the same specification, table 2 (max 57344, min subnormal 2^-16, infinities as in IEEE).
    #[test]
    fn f8_e5m2_matches_the_specification() {
        assert_eq!(decode(Encoding::F8E5M2, &[0x7b, 0x01, 0x7c]), [57344.0, 2f32.powi(-16), f32::INFINITY]);
    }

    #[test]
    fn halves_and_integers_widen_exactly() {
        assert_eq!(decode(Encoding::Bf16, &[0x80, 0x3f, 0x20, 0xc0]), [1.0, -2.5]);
        assert_eq!(decode(Encoding::F16, &[0x00, 0x3c, 0x00, 0xc1]), [1.0, -2.5]);
        assert_eq!(decode(Encoding::I8, &[0xff, 0x7f]), [-1.0, 127.0]);
        assert_eq!(decode(Encoding::I16, &[0x00, 0x80]), [-32768.0]);
        assert_eq!(decode(Encoding::Bool, &[0, 1, 7]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn a_length_that_overflows_is_none() {
        assert_eq!(Encoding::F64.bytes_for(u64::MAX), None);
        assert_eq!(Encoding::F32.bytes_for(3), Some(12));
    }
}
