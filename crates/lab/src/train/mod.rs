//! Decoders from text: begun from nothing or from a checkpoint, trained on, and written as a Hugging Face folder with the record of it.

mod adapter;
mod architecture;
mod begun;
mod evasion;
mod examples;
mod fit;
mod optimiser;
mod recipe;
mod run;
mod state;
mod vocabulary;

pub use adapter::Adapter;
pub use architecture::{Architecture, Sizes};
pub use begun::begin;
pub(crate) use begun::drawn;
pub use examples::{Example, Examples, Learnt, Replies, Windows};
pub use fit::{Fit, Point, Progress, Tune, fit};
pub use optimiser::{AdamW, Schedule};
pub use recipe::{Recipe, Text, Vocabulary};
pub use run::{Made, Request, documents, tokens, train};
pub use vocabulary::{END_OF_TEXT, START_OF_TEXT, train_tokenizer};
