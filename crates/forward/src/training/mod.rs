//! A decoder whose weights are all in memory, and the gradient of what it says about next tokens.
//!
//! The forward pass is that of [`crate::Network`], piece by piece; what a gradient needs of it is what the taps are told.

mod backward;
mod parameters;
mod pass;

pub use parameters::{Parameters, Values};
pub use pass::{Gradient, Target, Trainable};
