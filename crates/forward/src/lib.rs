//! What a model *computes*: one transformer, configured by its family, with taps for attention, hidden states, units and logits.
//!
//! A checkpoint's blocks are read one at a time, widened to f32, so that a model larger than memory runs; every block is applied to all
//! sequences before the next is read. Work is split into tiles of whole sequences that no number of threads changes.

mod activation;
mod attention;
mod chat;
mod computation;
mod mlp;
mod network;
mod norm;
mod not_runnable;
pub mod observation;
mod product;
mod prompts;
mod reading;
mod responder;
mod rotary;
mod sampling;
mod scoring;
mod taps;
mod tokenizer;
mod training;
mod watermark;
mod weights;
pub mod words;

pub use chat::Chat;
pub use network::{Network, Shape};
pub use not_runnable::NotRunnable;
pub use observation::{ALL_TAPS, Image, Observation, ObserveError, Observer, Recorder, Subject};
pub use prompts::{PROMPTS_SCHEMA, Prompt, PromptSet};
pub use reading::{next_logits, predictions};
pub use responder::{Answer, FinishReason, Responder, Sampling};
pub use sampling::{MAX_DISTRIBUTION_BYTES, Options, Reply, Request, Sampler};
pub use scoring::{LocalScorer, SCORED_TOKENS, Score, ScoreError, Scored, Scorer};
pub use taps::{HeadAt, Taps, UnitsAt, Wanted};
pub use tokenizer::{Encoded, Tokenizer};
pub use training::{Gradient, Parameters, Target, Trainable, Values};
pub use watermark::{KEY_SCHEMA, MAX_WINDOW, Scheme, Synthid, Watermark, WatermarkKey, WatermarkRecord};
pub use words::NO_WORD;
