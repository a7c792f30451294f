//! The figures of a correlation of attention: six measures as a dot plot, all heads as a heat map, the best pairs of heads as maps.

mod heads;
mod maps;
mod strips;

pub(crate) use heads::draw as heads;
pub(crate) use maps::draw as maps;
pub(crate) use strips::{draw as strips, marks};
