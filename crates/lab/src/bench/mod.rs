//! What methods give on pairs whose history is known.

mod row;

pub use row::{Row, Score, Sizes, Truth};
