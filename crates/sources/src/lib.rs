//! What a model *is*: tensors as places in files, read and widened on demand; families that give them roles; tokenizers; claims.
//!
//! Every format parser turns bytes into [`tensor::Parsed`], a list of places. One piece of code ([`store`]) reads those places.
//! Nothing executes, nothing is held in memory but headers.

pub mod bytes;
pub mod ctranslate2;
mod encoding;
mod error;
pub mod gguf;
#[cfg(test)]
mod hostile;
pub mod store;
pub mod tensor;
mod weights;

pub use encoding::Encoding;
pub use error::{FormatError, SourceError};
pub use weights::{Axis, Binding, Part, Role, Rows, Slot, Space, Stack, TensorSource, View, Weight};
