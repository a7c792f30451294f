//! Makes models with a known history, to test methods on: a checkpoint is trained, or goes through steps, each seeded and recorded, and is
//! written as a Hugging Face folder.
//!
//! A training holds its model in memory. Every step wraps the checkpoint before it and computes one weight at a time when it is asked for, so that memory is a few of the largest
//! tensors whatever the size of the model.

pub mod baselines;
pub mod bench;
pub mod calibrate;
mod checkpoint;
mod config;
pub mod dialogues;
mod disguise;
pub mod distil;
mod draws;
mod error;
mod maps;
mod matrix;
mod opened;
mod outline;
pub mod steps;
mod tokens;
pub mod train;
mod write;
pub mod zoo;

pub use checkpoint::{Change, Changed, Checkpoint};
pub use disguise::{Disguised, Record, Request, disguise};
pub use draws::Draws;
pub use error::LabError;
pub use maps::{Orthogonal, Square, invertible};
pub use matrix::Matrix;
pub use opened::Opened;
pub use outline::{Dtype, Outline, Spec};
pub use tokens::Tokens;
pub use write::Precision;
