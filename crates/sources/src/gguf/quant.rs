//! Block quantisation.
/// GGML's block-quantised forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockQuant {
    /// 32 values: f16 scale, 32 int8.
    Q8_0,
}
impl BlockQuant {
    /// Values in a block.
    pub fn block_values(self) -> usize {
        32
    }
    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        34
    }
    /// Decodes whole blocks.
    pub fn decode(self, _bytes: &[u8], _out: &mut [f32]) {}
}
impl std::fmt::Display for BlockQuant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
