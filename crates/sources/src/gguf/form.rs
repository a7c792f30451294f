//! GGML's type numbers.

use super::BlockQuant;
use crate::Encoding;

/// What a type number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Readable(Encoding),
    /// A form that GGML has or had, under this name.
    Unsupported(&'static str),
}

impl Form {
    /// `None` for a number that GGML never gave out. The numbers are those of `enum ggml_type` in ggml.h.
    pub(super) fn of(number: u32) -> Option<Self> {
        let encoding = match number {
            0 => Encoding::F32,
            1 => Encoding::F16,
            2 => Encoding::Block(BlockQuant::Q4_0),
            3 => Encoding::Block(BlockQuant::Q4_1),
            6 => Encoding::Block(BlockQuant::Q5_0),
            7 => Encoding::Block(BlockQuant::Q5_1),
            8 => Encoding::Block(BlockQuant::Q8_0),
            10 => Encoding::Block(BlockQuant::Q2K),
            11 => Encoding::Block(BlockQuant::Q3K),
            12 => Encoding::Block(BlockQuant::Q4K),
            13 => Encoding::Block(BlockQuant::Q5K),
            14 => Encoding::Block(BlockQuant::Q6K),
            15 => Encoding::Block(BlockQuant::Q8K),
            20 => Encoding::Block(BlockQuant::Iq4Nl),
            23 => Encoding::Block(BlockQuant::Iq4Xs),
            24 => Encoding::I8,
            25 => Encoding::I16,
            26 => Encoding::I32,
            27 => Encoding::I64,
            28 => Encoding::F64,
            30 => Encoding::Bf16,
            _ => return unsupported(number).map(Self::Unsupported),
        };
        Some(Self::Readable(encoding))
    }
}

fn unsupported(number: u32) -> Option<&'static str> {
    Some(match number {
        4 => "Q4_2",
        5 => "Q4_3",
        9 => "Q8_1",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        39 => "MXFP4",
        40 => "NVFP4",
        41 => "Q1_0",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values: `GGMLQuantizationType` of the `gguf` package 0.19.0.
    #[test]
    fn numbers_stand_for_the_forms_of_ggml() {
        assert_eq!(Form::of(12), Some(Form::Readable(Encoding::Block(BlockQuant::Q4K))));
        assert_eq!(Form::of(30), Some(Form::Readable(Encoding::Bf16)));
        assert_eq!(Form::of(17), Some(Form::Unsupported("IQ2_XS")));
        assert_eq!(Form::of(42), None);
    }

    #[test]
    fn every_block_form_has_exactly_one_number() {
        for quant in BlockQuant::ALL {
            let numbers = (0..100).filter(|&n| Form::of(n) == Some(Form::Readable(Encoding::Block(quant)))).count();
            assert_eq!(numbers, 1, "{quant}");
        }
    }
}
