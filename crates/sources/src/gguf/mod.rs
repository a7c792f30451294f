//! GGUF.
mod quant;
pub use quant::BlockQuant;
