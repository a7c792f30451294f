//! Blocks of models of different depth stand against each other at the same relative depth.

/// The block of a model of `there` blocks at the relative depth of a block of one of `here`, rounded to the nearest, halves up.
pub(crate) fn same_depth(block: usize, here: usize, there: usize) -> usize {
    let last = there.saturating_sub(1);
    if here == there || here < 2 {
        return block.min(last);
    }
    (2 * block * last + (here - 1)) / (2 * (here - 1))
}

/// From 0 (first block) to 1 (last).
pub(crate) fn relative_depth(block: usize, n_blocks: usize) -> f64 {
    block as f64 / (n_blocks.max(2) - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_relative() {
        assert_eq!((0..6).map(|block| same_depth(block, 6, 3)).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
        assert_eq!((0..3).map(|block| same_depth(block, 3, 6)).collect::<Vec<_>>(), [0, 3, 5]);
        assert_eq!([same_depth(0, 1, 4), same_depth(3, 4, 1), same_depth(2, 3, 3)], [0, 0, 2]);
        assert_eq!([0, 1, 2].map(|block| same_depth(block, 3, 5)), [0, 2, 4]);
        assert_eq!([0, 1, 2, 3, 4].map(|block| same_depth(block, 5, 3)), [0, 1, 1, 2, 2]);
        assert_eq!([same_depth(0, 1, 7), same_depth(1, 3, 0)], [0, 0]);
        assert_eq!([relative_depth(0, 1), relative_depth(0, 3), relative_depth(1, 3), relative_depth(2, 3)], [0.0, 0.0, 0.5, 1.0]);
    }
}
