//! Methods: one way each to turn two models into an observation. Nothing here decides; `verdict` does.

mod blocks;
mod card;
mod correspondence;
mod matching;
mod method;
mod methods;
mod pair_pass;
mod pairing;
mod registry;
mod sample;
mod shared_space;
mod side;

pub use blocks::BlockMatrix;
pub use card::{Access, Card, HEADINGS, NullBasis, Quantity, Question, Tail};
pub use correspondence::{Correspondence, How, Pair};
pub use matching::{Agreement, BlockMatch, Group, MIN_TOKENS, Matching, Unmatched};
pub use method::{BlockPoint, Case, Explanation, Method, MethodError, Observation, Outcome, Relation};
pub use pair_pass::moments;
pub use registry::METHODS;
pub use side::{ConstantWeight, Side};
