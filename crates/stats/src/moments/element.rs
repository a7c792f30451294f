//! The number formats the moments are computed from, as little-endian bytes.

/// A number format that widens to f32 exactly.
pub trait Element {
    /// The bytes of one number, little-endian.
    type Bytes: for<'a> TryFrom<&'a [u8]> + Copy;
    /// Bytes of one number.
    const N_BYTES: usize;
    /// The same number as f32.
    fn widen(bytes: Self::Bytes) -> f32;
}

/// IEEE binary32.
#[derive(Debug, Clone, Copy)]
pub struct F32;

/// The upper half of an [`F32`].
#[derive(Debug, Clone, Copy)]
pub struct Bf16;

/// IEEE binary16.
#[derive(Debug, Clone, Copy)]
pub struct F16;

impl Element for F32 {
    type Bytes = [u8; 4];
    const N_BYTES: usize = 4;

    #[inline(always)]
    fn widen(bytes: [u8; 4]) -> f32 {
        f32::from_le_bytes(bytes)
    }
}

impl Element for Bf16 {
    type Bytes = [u8; 2];
    const N_BYTES: usize = 2;

    #[inline(always)]
    fn widen(bytes: [u8; 2]) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
    }
}

impl Element for F16 {
    type Bytes = [u8; 2];
    const N_BYTES: usize = 2;

    /// Exponent and fraction are moved into place and the exponent is corrected by an exact product, which also normalises subnormals:
    /// no branch, so that the loop around it becomes vector instructions.
    #[inline(always)]
    fn widen(bytes: [u8; 2]) -> f32 {
        const TWO_TO_112: f32 = f32::from_bits((112 + 127) << 23);
        let bits = u32::from(u16::from_le_bytes(bytes));
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * TWO_TO_112;
        // Infinity and NaN come out at 2^16 and above; their exponent is all ones.
        let special = if magnitude >= 65536.0 { 0x7f80_0000 } else { 0 };
        f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
    }
}
