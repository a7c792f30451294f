//! Products of residual coordinates over the rows of a block's queries and keys.

use super::BaselineSide;
use sources::Role;
use stats::products::row_products;

/// `W_Qᵀ W_Q` and `W_Kᵀ W_K` of one block, `[width, width]`.
#[derive(Debug)]
pub(super) struct AttentionGrams {
    pub(super) width: usize,
    pub(super) products: [Vec<f32>; 2],
}

/// Of every block whose queries and keys are known.
pub(super) fn of_attention(side: &BaselineSide<'_>) -> Vec<AttentionGrams> {
    let block = |layer| {
        let (q, k) = (side.block(Role::AttnQ, layer)?, side.block(Role::AttnK, layer)?);
        let products = [q, k].map(|matrix| {
            let coordinates = matrix.transposed();
            let mut products = vec![0.0; coordinates.rows * coordinates.rows];
            row_products(&coordinates.values, &coordinates.values, coordinates.cols, &mut products).ok().map(|()| products)
        });
        let [Some(of_q), Some(of_k)] = products else { return None };
        (q.cols == k.cols).then_some(AttentionGrams { width: q.cols, products: [of_q, of_k] })
    };
    (0..side.blocks()).filter_map(block).collect()
}

/// The same products of other coordinates: row and column `i` of the new are `order[i]` of the old, times the signs.
pub(super) fn reordered(products: &[f32], width: usize, order: &[(usize, f32)]) -> Vec<f32> {
    let row = |&(i, sign_i): &(usize, f32)| order.iter().map(move |&(j, sign_j)| sign_i * sign_j * products[i * width + j]);
    order.iter().flat_map(row).collect()
}
