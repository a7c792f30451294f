//! Tiny seeded checkpoints with a known history, for tests only: networks in memory, edits on them, and the files that hold them.
//!
//! Everything is a function of its seed. What independent trainings share in life is shared here too: the tokens' frequencies, a common
//! direction over tokens, gains near one, biases that never moved.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests stop where they cannot write a file or name a tensor that is not there"
)]

mod constants;
mod edits;
mod forward;
mod gguf;
mod load;
mod network;
mod onnx;
mod random;
mod safetensors;
mod shapes;

pub use constants::{fourier_basis, sinusoidal_table};
pub use edits::{LLAMA_LAYER, NewRow};
pub use forward::{Vectors, forward, sound};
pub use gguf::save_q8_0;
pub use network::{Network, Tensor};
pub use onnx::save_gru;
pub use random::Gaussian;
pub use safetensors::{Dtype, save, save_in, save_shards};
pub use shapes::{FAMILIES, Llama, VARIANTS, bert, family, gpt2, gru, lstm};
