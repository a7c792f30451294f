//! Mathematics on slices: log-space tails, p-values that know where they come from, alignment of units, assignment, spectra.
//!
//! Knows no models, no files, no clock and no randomness of its own: a seed comes in with the call. Every function runs on one thread
//! and gives the same bits on every call; callers parallelise over blocks and merge in a fixed order.
#![forbid(unsafe_code)]

pub mod alignment;
pub mod assignment;
mod basis;
pub mod calibration;
mod chernoff;
pub mod cka;
pub mod correlation;
mod error;
pub mod exchangeable;
pub mod haar_bound;
pub mod holm;
pub mod least_squares;
pub mod marks;
pub mod mcnemar;
pub mod mmd;
pub mod moments;
pub mod order;
pub mod p_value;
pub mod partial;
pub mod products;
pub mod rank_order;
pub mod sampling;
pub mod spectra;
pub mod subspace;
pub mod tails;
pub mod uniformity;
pub mod within_prompts;

pub use error::InputError;
pub use p_value::{EValue, NullDistribution, PValue};
