//! Methods: one way each to turn two models into an observation. Nothing here decides; `verdict` does.

mod adapter;
mod agreement_profile;
mod attention;
mod blocks;
mod card;
mod common_logits;
mod correspondence;
mod depth;
mod grid;
mod matching;
mod method;
mod methods;
mod outputs;
mod pair_pass;
mod pairing;
mod prepared;
mod products;
mod registry;
mod restored;
mod sample;
mod shared_space;
mod side;
mod stored_changes;

pub use attention::{AttentionClaim, ClaimHead, ClaimKind, ClaimMap, ClaimMeasure, ClaimRow, MEASURES};
pub use blocks::BlockMatrix;
pub use card::{Access, Card, HEADINGS, NullBasis, Preparation, Quantity, Question, Tail};
pub use correspondence::{Correspondence, How, Pair};
pub use matching::{Agreement, BlockMatch, Group, MATCHED, MIN_TOKENS, Matching, Unmatched};
pub use method::{
    BlockPoint, Case, Explanation, Method, MethodError, Observation, Outcome, Profile, ProfilePoint, Relation, Scale, Synthetic,
};
pub use outputs::Outputs;
pub use pair_pass::moments;
pub use prepared::{Advance, Prepared};
pub use registry::METHODS;
pub use restored::{Remainder, Restored, RestoredRole, UndonePicture};
pub use side::{ConstantWeight, Side};
