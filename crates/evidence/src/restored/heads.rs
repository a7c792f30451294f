//! Attention heads in the reference's terms: order and basis undone, and the map inside each head that the function does not see.

use super::{Basis, Disguise, RestoredRole};
use crate::matching::{BlockMatch, Group, Matching};
use crate::method::MethodError;
use sources::canonical::Canonical;
use sources::{Heads, Role, Stack};
use stats::least_squares;
use stats::products::cosine;
use std::collections::BTreeMap;

/// Heads read of a block.
const DRAWN: usize = 4;
/// A head was turned inside where a map explains at least this many times the squares that the rows as they stand explain.
const MAP_EXPLAINS: f64 = 2.0;

/// The rows of one head, `[d, width]`.
fn head_rows(model: &Canonical<'_>, group: Group, role: Role, head: usize, heads: Heads) -> Result<Vec<f32>, MethodError> {
    let n = model.n_vectors(group.slot(role)).unwrap_or(0);
    let is_shared = matches!(role, Role::AttnK | Role::AttnV);
    let (of, head) = if is_shared { (heads.n_kv_heads, head / (heads.n_heads / heads.n_kv_heads)) } else { (heads.n_heads, head) };
    let d = n / of.max(1);
    let mut rows = Vec::new();
    model.vectors(group.slot(role), role, &(head * d..(head + 1) * d).collect::<Vec<_>>(), &mut rows)?;
    Ok(rows)
}

/// The roles of one attention.
pub(super) fn restore(
    matching: &Matching<'_>,
    block: &BlockMatch,
    bases: &BTreeMap<Stack, Basis>,
    seed: u64,
    disguise: &mut Disguise,
) -> Result<Vec<RestoredRole>, MethodError> {
    disguise.heads += block.n_matched();
    disguise.heads_moved += block.n_out_of_order();
    let (Some(basis), Some(ours), Some(theirs)) = (bases.get(&block.suspect.stack), matching.reference.heads(), matching.suspect.heads())
    else {
        return Ok(Vec::new());
    };
    let chosen = block.drawn_pairs("restored heads", DRAWN, seed);
    let mut restored = Vec::new();
    let mut turned = vec![false; chosen.len()];
    for role in [Role::AttnQ, Role::AttnK, Role::AttnV, Role::AttnOut] {
        let (mut reference, mut suspect) = (Vec::new(), Vec::new());
        for (place, &(our_head, their_head)) in chosen.iter().enumerate() {
            let a = head_rows(&matching.reference, block.reference, role, our_head, ours)?;
            let b = basis.apply(&head_rows(&matching.suspect, block.suspect, role, their_head, theirs)?)?;
            if a.len() != b.len() {
                return Ok(restored);
            }
            // What the map makes of the reference's rows is what an untouched head would be.
            let mapped = least_squares::mapped(&a, &b, basis.width);
            let explained = |x: &[f32]| cosine(x, &b).clamp(0.0, 1.0).powi(2);
            match mapped {
                Ok(mapped) if explained(&mapped) >= MAP_EXPLAINS * explained(&a) => {
                    turned[place] = true;
                    reference.extend(mapped);
                }
                _ => reference.extend(a),
            }
            suspect.extend(b);
        }
        restored.push(RestoredRole::of_block(block, (role, chosen.len()), basis.width, seed, [&reference, &suspect])?);
    }
    disguise.heads_turned += turned.iter().filter(|t| **t).count();
    disguise.heads_looked_at += turned.len();
    Ok(restored)
}
