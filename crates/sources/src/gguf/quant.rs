//! GGML's block quantisation: which forms there are, how large their blocks are, and how they become numbers.

use super::{quant_32, quant_256};
use std::fmt;

/// GGML's block-quantised forms. A block of values shares its scales; blocks never cross a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockQuant {
    /// 32 values of 4 bits, centred on 8, one f16 scale.
    Q4_0,
    /// 32 values of 4 bits, f16 scale and minimum.
    Q4_1,
    /// 32 values of 5 bits, centred on 16, one f16 scale.
    Q5_0,
    /// 32 values of 5 bits, f16 scale and minimum.
    Q5_1,
    /// 32 int8, one f16 scale.
    Q8_0,
    /// 256 values of 2 bits; each 16 have a 4-bit scale and minimum.
    Q2K,
    /// 256 values of 3 bits; each 16 have a 6-bit scale.
    Q3K,
    /// 256 values of 4 bits; each 32 have a 6-bit scale and minimum.
    Q4K,
    /// 256 values of 5 bits; each 32 have a 6-bit scale and minimum.
    Q5K,
    /// 256 values of 6 bits; each 16 have an 8-bit scale.
    Q6K,
    /// 256 int8, one f32 scale.
    Q8K,
    /// 32 values of 4 bits on a fixed uneven grid, one f16 scale.
    Iq4Nl,
    /// 256 values of 4 bits on the same grid; each 32 have a 6-bit scale.
    Iq4Xs,
}

impl BlockQuant {
    /// Every form.
    pub const ALL: [Self; 13] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q8K,
        Self::Iq4Nl,
        Self::Iq4Xs,
    ];

    /// GGML's name.
    pub fn name(self) -> &'static str {
        self.layout().0
    }

    /// Values in a block.
    pub fn block_values(self) -> usize {
        self.layout().1
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.layout().2
    }

    fn layout(self) -> (&'static str, usize, usize) {
        match self {
            Self::Q4_0 => ("Q4_0", 32, 2 + 16),
            Self::Q4_1 => ("Q4_1", 32, 2 + 2 + 16),
            Self::Q5_0 => ("Q5_0", 32, 2 + 4 + 16),
            Self::Q5_1 => ("Q5_1", 32, 2 + 2 + 4 + 16),
            Self::Q8_0 => ("Q8_0", 32, 2 + 32),
            Self::Q2K => ("Q2_K", 256, 16 + 64 + 2 + 2),
            Self::Q3K => ("Q3_K", 256, 32 + 64 + 12 + 2),
            Self::Q4K => ("Q4_K", 256, 2 + 2 + 12 + 128),
            Self::Q5K => ("Q5_K", 256, 2 + 2 + 12 + 32 + 128),
            Self::Q6K => ("Q6_K", 256, 128 + 64 + 16 + 2),
            Self::Q8K => ("Q8_K", 256, 4 + 256 + 32),
            Self::Iq4Nl => ("IQ4_NL", 32, 2 + 16),
            Self::Iq4Xs => ("IQ4_XS", 256, 2 + 2 + 4 + 128),
        }
    }

    /// Decodes whole blocks. A block of either slice that is not whole, or has no counterpart in the other, is left as it is.
    ///
    /// Products and differences are rounded in the order of GGML's own dequantiser, so the values are its values, bit for bit.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::Q4_0 => each_block(bytes, out, quant_32::q4_0),
            Self::Q4_1 => each_block(bytes, out, quant_32::q4_1),
            Self::Q5_0 => each_block(bytes, out, quant_32::q5_0),
            Self::Q5_1 => each_block(bytes, out, quant_32::q5_1),
            Self::Q8_0 => each_block(bytes, out, quant_32::q8_0),
            Self::Q2K => each_block(bytes, out, quant_256::q2_k),
            Self::Q3K => each_block(bytes, out, quant_256::q3_k),
            Self::Q4K => each_block(bytes, out, quant_256::q4_k),
            Self::Q5K => each_block(bytes, out, quant_256::q5_k),
            Self::Q6K => each_block(bytes, out, quant_256::q6_k),
            Self::Q8K => each_block(bytes, out, quant_256::q8_k),
            Self::Iq4Nl => each_block(bytes, out, quant_32::iq4_nl),
            Self::Iq4Xs => each_block(bytes, out, quant_256::iq4_xs),
        }
    }
}

impl fmt::Display for BlockQuant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sizes are in the type of `decode`, so that the loops inside it need no bounds checks.
fn each_block<const BYTES: usize, const VALUES: usize>(bytes: &[u8], out: &mut [f32], decode: impl Fn(&[u8; BYTES], &mut [f32; VALUES])) {
    for (block, values) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        decode(block, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        origin: String,
        vector: Vec<Vector>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vector {
        form: String,
        blocks: String,
        values: String,
    }

    fn unhex(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// Values: `testdata/scripts/make_gguf_vectors.py`, which asks the `gguf` package of PyPI.
    #[test]
    fn every_form_decodes_to_the_bits_of_the_reference_implementation() {
        let vectors: Vectors = toml::from_str(include_str!("../../../../testdata/vectors/gguf/dequantise.toml")).unwrap();
        assert!(vectors.origin.contains("gguf"));
        for quant in BlockQuant::ALL {
            let vector = vectors.vector.iter().find(|v| v.form == quant.name()).unwrap();
            let blocks = unhex(&vector.blocks);
            let expected: Vec<u32> = unhex(&vector.values).as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
            assert_eq!(blocks.len() / quant.block_bytes() * quant.block_values(), expected.len(), "{quant}");
            let mut out = vec![f32::NAN; expected.len()];
            quant.decode(&blocks, &mut out);
            let found: Vec<u32> = out.iter().map(|v| v.to_bits()).collect();
            assert_eq!(found, expected, "{quant}");
        }
    }

    #[test]
    fn the_size_of_a_block_is_the_size_its_decoder_takes() {
        for quant in BlockQuant::ALL {
            // All ones are not a number in f16 and f32, so a decoded block holds only NaN and nothing of the filling.
            let blocks = vec![0xff; 3 * quant.block_bytes()];
            let mut out = vec![0.5; 3 * quant.block_values()];
            quant.decode(&blocks, &mut out);
            assert!(out.iter().all(|v| v.is_nan()), "{quant}");
        }
    }
}
