//! How alike the attention of two models is, and how much of that belongs to these two: sinks, the mean over prompts and what independent
//! models share are taken away one after another.

mod claim;
mod comparison;
mod entries;
mod matching;
mod measures;
mod pairing;
mod residual;
mod stage;

pub use claim::{AttentionClaim, ClaimHead, ClaimKind, ClaimMap, ClaimRow, HeadPair};
pub(crate) use comparison::{Comparison, Extent, LayerRow};
pub(crate) use entries::split_alike;
pub(crate) use matching::{MatchedHeads, mean};
pub use measures::{ClaimMeasure, MEASURES};
