//! What a model *is*: tensors as places in files, read and widened on demand; families that give them roles; tokenizers; claims.
//!
//! Every format parser turns bytes into [`tensor::Parsed`], a list of places. One piece of code ([`store`]) reads those places.
//! Nothing executes, nothing is held in memory but headers.

// The law of the readers is stated once, for integration tests and fuzz targets too, and names the crate from outside.
#[cfg(test)]
extern crate self as sources;

pub mod archive;
pub mod bytes;
pub mod canonical;
pub mod claims;
pub mod constants;
pub mod ctranslate2;
pub mod digest;
mod encoding;
mod error;
pub mod family;
mod folder;
pub mod form;
pub mod gguf;
#[cfg(test)]
mod hostile;
pub mod hub;
#[cfg(test)]
#[path = "../tests/law/mod.rs"]
mod law;
pub mod lines;
#[cfg(test)]
mod memory;
mod model;
pub mod npz;
pub mod onnx;
pub mod safetensors;
pub mod store;
pub mod tensor;
pub mod tokenizer_json;
pub mod torch;
pub mod view;
pub mod vocabulary;
mod weights;
pub mod whole;

pub use encoding::Encoding;
pub use error::{FormatError, SourceError};
pub use model::{Format, Model};
pub use weights::{Axis, Binding, Heads, Part, Role, Rows, Slot, Space, Stack, TensorSource, View, Weight};
