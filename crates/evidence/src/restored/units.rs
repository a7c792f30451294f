//! Hidden units and tables of tokens in the reference's terms.

use super::ingredients::{Ingredients, Portion};
use super::{Basis, DifferenceRank, Disguise, Remainder, RestoredRole, Turn};
use crate::matching::{BlockMatch, Group, Matching};
use crate::method::MethodError;
use sources::canonical::Canonical;
use sources::{Role, Slot, Stack};
use stats::order::median;
use stats::products::{cosine, dot};
use std::collections::BTreeMap;

/// Matched units read of a block, at most.
pub(super) const DRAWN: usize = 512;
/// A unit counts as rescaled from this change of its size on, if the change is this many times what then remains: training moves sizes too.
const RESCALED: f64 = 0.05;
const RESCALED_OVER_REST: f64 = 3.0;
/// A token has kept its embedding from this cosine on.
const TOKEN_KEPT: f64 = 0.5;

/// At most `most` matched units of a block: indices in the reference and in the suspect.
pub(super) fn drawn(block: &BlockMatch, most: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
    block.drawn_pairs("restored", most, seed).into_iter().unzip()
}

/// The first reading view that both sides have, of matched units: rows for fitting the basis.
pub(super) fn anchors(matching: &Matching<'_>, block: &BlockMatch, most: usize, seed: u64) -> Result<(Vec<f32>, Vec<f32>), MethodError> {
    let (ours, theirs) = drawn(block, DRAWN.min(most), seed);
    let role = if is_gated(matching, block) { Role::MlpGate } else { Role::MlpUp };
    vectors(matching, block, role, &ours, &theirs)
}

fn is_gated(matching: &Matching<'_>, block: &BlockMatch) -> bool {
    matching.reference.weight(block.reference.slot(Role::MlpGate)).is_some()
        && matching.suspect.weight(block.suspect.slot(Role::MlpGate)).is_some()
}

fn vectors(
    matching: &Matching<'_>,
    block: &BlockMatch,
    role: Role,
    ours: &[usize],
    theirs: &[usize],
) -> Result<(Vec<f32>, Vec<f32>), MethodError> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    matching.reference.vectors(block.reference.slot(role), role, ours, &mut a)?;
    matching.suspect.vectors(block.suspect.slot(role), role, theirs, &mut b)?;
    Ok((a, b))
}

/// The roles of one MLP, unit by unit: order and basis undone, and the scales that a gated MLP leaves free.
pub(super) fn restore(
    matching: &Matching<'_>,
    block: &BlockMatch,
    bases: &BTreeMap<Stack, Basis>,
    seed: u64,
    disguise: &mut Disguise,
    ingredients: &mut Ingredients<'_>,
) -> Result<Vec<RestoredRole>, MethodError> {
    let (ours, theirs) = drawn(block, DRAWN, seed);
    disguise.units += block.n_matched();
    disguise.units_moved += block.n_out_of_order();
    disguise.units_added += block.n_suspect.saturating_sub(block.n_reference);
    let Some(basis) = bases.get(&block.suspect.stack) else { return Ok(Vec::new()) };
    let gated = is_gated(matching, block);
    let roles: &[Role] = if gated { &[Role::MlpGate, Role::MlpUp, Role::MlpDown] } else { &[Role::MlpUp, Role::MlpDown] };
    let mut restored = Vec::new();
    let mut scaled = vec![false; theirs.len()];
    for &role in roles {
        let (reference, suspect) = vectors(matching, block, role, &ours, &theirs)?;
        let mut suspect = basis.apply(&suspect)?;
        if gated && role != Role::MlpGate {
            for (unit, (a, b)) in reference.chunks_exact(basis.width).zip(suspect.chunks_exact_mut(basis.width)).enumerate() {
                let scale = scale(a, b);
                b.iter_mut().for_each(|v| *v = (f64::from(*v) / scale) as f32);
                let mut rest = Remainder::default();
                rest.add(a, b);
                let rest = rest.relative_difference().unwrap_or(f64::INFINITY);
                scaled[unit] |= (scale - 1.0).abs() > RESCALED && (scale - 1.0).abs() > RESCALED_OVER_REST * rest;
            }
        }
        // Up and down have a scale that is free, and was taken out above; a gate has none, so its coefficients are those of the mixture.
        if !gated || role == Role::MlpGate {
            let portion = Portion { block, role, units: &ours, reference: &reference, suspect: &suspect, turn: &basis.turn };
            ingredients.push([&matching.reference, &matching.suspect], &portion)?;
        }
        restored.push(RestoredRole::of_block(block, (role, ours.len()), basis.width, seed, [&reference, &suspect])?);
    }
    disguise.units_scaled += scaled.iter().filter(|s| **s).count();
    disguise.units_looked_at += scaled.len();
    Ok(restored)
}

/// The least-squares factor that leads from one vector to the other; 1 where there is none.
fn scale(reference: &[f32], suspect: &[f32]) -> f64 {
    let scale = dot(reference, suspect) / dot(reference, reference);
    if scale.is_finite() && scale != 0.0 { scale } else { 1.0 }
}

/// The tables of tokens, token by token.
pub(super) fn tables(matching: &Matching<'_>, bases: &BTreeMap<Stack, Basis>) -> Result<Vec<RestoredRole>, MethodError> {
    let mut restored = Vec::new();
    for (&stack, tokens) in &matching.tokens.stacks {
        let Some(basis) = bases.get(&stack) else { continue };
        let rows = |model: &Canonical<'_>, slot: Option<Slot>| slot.and_then(|slot| model.n_vectors(slot)).unwrap_or(0);
        for (role, ours, theirs) in [
            (Role::Embed, &tokens.reference.embed, &tokens.suspect.embed),
            (Role::Unembed, &tokens.reference.unembed, &tokens.suspect.unembed),
        ] {
            let theirs = basis.apply(theirs)?;
            let width = basis.width;
            let kept = ours.chunks_exact(width).zip(theirs.chunks_exact(width)).filter(|(a, b)| cosine(a, b) >= TOKEN_KEPT).count();
            let mut remainder = Remainder::default();
            remainder.add(ours, &theirs);
            let slot = if role == Role::Embed { matching.suspect.embedding(stack) } else { matching.suspect.unembedding(stack) };
            let n_rows = rows(&matching.suspect, slot).max(1);
            let common = matching.tokens.n_common.min(n_rows) as f64 / n_rows as f64;
            let n = tokens.ids.len();
            let table_stack = slot.map_or(stack, |slot| slot.stack);
            restored.push(RestoredRole {
                block: None,
                stack: table_stack,
                role,
                matched: common * kept as f64 / n.max(1) as f64,
                n,
                remainder,
                rank: DifferenceRank::NotExamined,
            });
        }
    }
    Ok(restored)
}

/// The largest median relative change of a norm's gains between matched blocks. Where the stream was turned, gains are compared in order of size.
pub(super) fn gains_changed(matching: &Matching<'_>, bases: &BTreeMap<Stack, Basis>, blocks: &[&BlockMatch]) -> Result<f64, MethodError> {
    let mut largest = 0.0f64;
    for block in blocks {
        let Some(basis) = bases.get(&block.suspect.stack) else { continue };
        for role in [Role::AttnNorm, Role::MlpNorm] {
            let norm = |group: Group| Slot { expert: None, ..group.slot(role) };
            let (Some(ours), Some(theirs)) = (matching.reference.gain(norm(block.reference)), matching.suspect.gain(norm(block.suspect)))
            else {
                continue;
            };
            if ours.len() != theirs.len() {
                continue;
            }
            let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
            match &basis.turn {
                Turn::Same => {}
                Turn::Permuted { order, .. } => theirs = order.iter().map(|&c| theirs[c]).collect(),
                Turn::Rotated { .. } => [&mut ours, &mut theirs].into_iter().for_each(|gains| gains.sort_by(f32::total_cmp)),
            }
            let changes: Vec<f64> =
                ours.iter().zip(&theirs).map(|(&a, &b)| f64::from((b - a).abs()) / f64::from(a.abs()).clamp(1e-6, f64::MAX)).collect();
            let change = median(changes).unwrap_or(0.0);
            if change > largest {
                largest = change;
            }
        }
    }
    Ok(largest)
}
