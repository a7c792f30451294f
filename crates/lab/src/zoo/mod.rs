//! A zoo: models whose history is known, because it was made here. A plan says which; every model stands under the digest of what it was made
//! from and how, so that a build goes on where it stopped and changes only what a changed plan changes.

mod build;
mod graph;
mod making;
mod pairs;
mod plan;

pub use build::{Built, Told, build};
pub use graph::{GRAPH_FILE, Graph, Node};
pub use making::{Making, Model, models};
pub use pairs::{Pair, pairs};
pub use plan::Plan;
