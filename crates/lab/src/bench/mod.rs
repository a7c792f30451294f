//! What methods give on pairs whose history is known.

mod row;
pub mod table;

pub use row::{Row, Score, Sizes, Truth};
pub use table::{ATTACK, Table, UNDISGUISED};
