//! Attention heads matched by two views: which token looks at which (queries and keys), and what that token hands over (values and outputs).

use super::blocks::{Agreement, BlockMatch, Group, agreeing, counterparts};
use super::by_index::ByIndex;
use super::tokens::{TokenVectors, Tokens};
use super::units::Path;
use crate::depth::relative_depth;
use crate::method::MethodError;
use crate::products::tiled_products;
use rayon::prelude::*;
use sources::canonical::Canonical;
use sources::{Heads, Part, Role, Slot, Stack};
use stats::assignment::maximum_weight_assignment;
use stats::products::{normalise_rows, row_products};
use stats::{InputError, sampling};
use std::collections::BTreeMap;

/// Random pairs of token combinations that a head's form is evaluated on. The cosine of two sketches estimates that of the forms without
/// bias, `E[(xᵀAy)(xᵀBy)] = tr(AᵀB)` for random signs, with an error of about `1/√1024 = .03`.
const PROBES: usize = 1024;

/// The forms of all heads of one attention, `[heads, PROBES]`, rows of length 1.
struct HeadSketches {
    /// `xᵀ E W_Qᵀ W_K Eᵀ y`
    looks: Vec<f32>,
    /// `xᵀ O W_O W_V Eᵀ y`
    hands_over: Vec<f32>,
}

/// The attentions of a model in some stacks.
fn attentions(model: &Canonical<'_>, in_stack: impl Fn(Stack) -> bool) -> Vec<Group> {
    let is_query = |slot: &Slot| slot.role == Role::AttnQ && slot.part == Part::Weight && in_stack(slot.stack);
    model.slots().filter(is_query).filter_map(|s| Some(Group { stack: s.stack, layer: s.layer?, expert: None })).collect()
}

/// Random signs over tokens, summed into the stream: `Eᵀ x` for each probe, `[PROBES, width]`.
fn probes(table: &[f32], width: usize, seed: u64, label: &str) -> Result<Vec<f32>, InputError> {
    let n_tokens = table.len() / width.max(1);
    let mut generator = sampling::generator(seed, label);
    let signs: Vec<f32> = (0..PROBES * n_tokens).map(|_| if sampling::below(&mut generator, 2) == 0 { 1.0 } else { -1.0 }).collect();
    let by_coordinate: Vec<f32> = (0..width).flat_map(|c| (0..n_tokens).map(move |t| table[t * width + c])).collect();
    tiled_products(&signs, &by_coordinate, n_tokens)
}

/// The probes of one side and stack.
struct Probes {
    width: usize,
    query: Vec<f32>,
    key: Vec<f32>,
    output: Vec<f32>,
}

impl Probes {
    fn of(tokens: &TokenVectors, seed: u64) -> Result<Self, InputError> {
        let (embed, unembed) = (tokens.leading(&tokens.embed), tokens.leading(&tokens.unembed));
        let probe = |table: &[f32], label: &str| probes(table, tokens.width, seed, label);
        Ok(Self {
            width: tokens.width,
            query: probe(embed, "query probes")?,
            key: probe(embed, "key probes")?,
            output: probe(unembed, "query probes")?,
        })
    }
}

fn sketch(model: &Canonical<'_>, group: Group, heads: Heads, probes: &Probes) -> Result<Option<HeadSketches>, MethodError> {
    // Only what reads a stream that tokens are written to as they stand can be seen over them.
    let n_rows = |role| model.n_vectors(group.slot(role)).filter(|_| model.width(group.slot(role)) == Some(probes.width));
    let Heads { n_heads, n_kv_heads } = heads;
    let (Some(q), Some(k), Some(v), Some(o)) = (n_rows(Role::AttnQ), n_rows(Role::AttnK), n_rows(Role::AttnV), n_rows(Role::AttnOut))
    else {
        return Ok(None);
    };
    let (d, dv) = (q / n_heads, o / n_heads);
    if d == 0 || dv == 0 || q != n_heads * d || k != n_kv_heads * d || v != n_kv_heads * dv || o != n_heads * dv {
        return Ok(None);
    }
    // [rows, PROBES]: what each row makes of each probe.
    let seen = |role: Role, probes_of: &[f32], norm: Option<Role>| -> Result<Vec<f32>, MethodError> {
        let all: Vec<usize> = (0..n_rows(role).unwrap_or(0)).collect();
        let mut rows = Vec::new();
        model.vectors(group.slot(role), role, &all, &mut rows)?;
        let mut out = tiled_products(&rows, probes_of, probes.width)?;
        // A norm over the dimensions of a head gives each its gain; the length that it divides by differs by token and is left out.
        if let Some(gain) = norm.and_then(|norm| model.gain(group.slot(norm))).filter(|gain| !gain.is_empty()) {
            out.chunks_exact_mut(PROBES).enumerate().for_each(|(row, out)| {
                let gain = gain[row % gain.len()];
                out.iter_mut().for_each(|v| *v *= gain);
            });
        }
        Ok(out)
    };
    let query = seen(Role::AttnQ, &probes.query, Some(Role::AttnQNorm))?;
    let key = seen(Role::AttnK, &probes.key, Some(Role::AttnKNorm))?;
    let value = seen(Role::AttnV, &probes.key, None)?;
    let output = seen(Role::AttnOut, &probes.output, None)?;
    let form = |left: &[f32], right: &[f32], d: usize| -> Vec<f32> {
        let mut out = vec![0.0f32; n_heads * PROBES];
        for (head, out) in out.chunks_exact_mut(PROBES).enumerate() {
            let group = head / (n_heads / n_kv_heads);
            for dim in 0..d {
                let (l, r) = (&left[(head * d + dim) * PROBES..][..PROBES], &right[(group * d + dim) * PROBES..][..PROBES]);
                out.iter_mut().zip(l.iter().zip(r)).for_each(|(o, (l, r))| *o += l * r);
            }
        }
        normalise_rows(&mut out, PROBES);
        out
    };
    Ok(Some(HeadSketches { looks: form(&query, &key, d), hands_over: form(&output, &value, dv) }))
}

/// Sketches of every attention of a model, whose tokens stand beside each of its stacks.
fn head_sketches(
    model: &Canonical<'_>,
    tokens: &BTreeMap<Stack, &TokenVectors>,
    seed: u64,
) -> Result<BTreeMap<Group, HeadSketches>, MethodError> {
    let Some(heads) = model.heads() else { return Ok(BTreeMap::new()) };
    let probes: BTreeMap<Stack, Probes> =
        tokens.iter().map(|(&stack, tokens)| Ok((stack, Probes::of(tokens, seed)?))).collect::<Result<_, InputError>>()?;
    let found: Vec<(Group, Option<HeadSketches>)> = attentions(model, |stack| probes.contains_key(&stack))
        .into_par_iter()
        .map(|group| Ok((group, sketch(model, group, heads, &probes[&group.stack])?)))
        .collect::<Result<_, MethodError>>()?;
    Ok(found.into_iter().filter_map(|(group, sketches)| Some((group, sketches?))).collect())
}

/// Matches the heads of every attention of the suspect with those of its counterpart.
///
/// The counterpart is the one that the hidden units give; where they give none, the attention whose heads resemble most, if they do so clearly.
pub(super) fn find(
    reference: &Canonical<'_>,
    suspect: &Canonical<'_>,
    tokens: &Tokens,
    path: &Path,
    seed: u64,
) -> Result<(Vec<BlockMatch>, Vec<ByIndex>), MethodError> {
    let ours = head_sketches(reference, &tokens.of_reference(), seed)?;
    let theirs = head_sketches(suspect, &tokens.of_suspect(), seed)?;
    let n_layers: BTreeMap<Stack, usize> = theirs.keys().map(|g| (g.stack, g.layer + 1)).collect();
    let found: Vec<(BlockMatch, Option<ByIndex>)> = theirs
        .par_iter()
        .filter_map(|(&group, sketches)| {
            let stack = tokens.stacks[&group.stack].reference_stack;
            let layer = |layer: usize| Group { stack, layer, expert: None };
            let by_units = path.get(&(group.stack, group.layer)).copied();
            let (at, is_on_path) = match by_units {
                Some((at, true)) => (layer(at), true),
                other => {
                    let like = |g: &Group| Some((*g, matched(ours.get(g)?, sketches)?));
                    let best = ours
                        .keys()
                        .filter(|g| g.stack == group.stack)
                        .filter_map(like)
                        .max_by(|a, b| a.1.likeness.total_cmp(&b.1.likeness).then(b.0.cmp(&a.0)))?;
                    if best.1.likeness >= STRIKING { (best.0, true) } else { (layer(other?.0), false) }
                }
            };
            let counterpart = ours.get(&at)?;
            let found = matched(counterpart, sketches)?;
            let by_index = if found.n_reference == found.n_suspect {
                let views = [(&*counterpart.looks, &*sketches.looks), (&*counterpart.hands_over, &*sketches.hands_over)];
                ByIndex::of_heads(group, found.n_suspect, views)
            } else {
                None
            };
            let block = BlockMatch {
                suspect: group,
                reference: at,
                is_on_path,
                depth: relative_depth(group.layer, n_layers[&group.stack]),
                n_reference: found.n_reference,
                n_suspect: found.n_suspect,
                agreements: vec![Agreement {
                    views: "queries and keys, values and outputs",
                    units: agreeing(&found.assignments[0], &found.assignments[1]),
                }],
                counterparts: counterparts(&found.assignments, found.n_suspect),
                is_certified: found.is_certified,
            };
            Some((block, by_index))
        })
        .collect();
    let (blocks, by_index): (Vec<BlockMatch>, Vec<Option<ByIndex>>) = found.into_iter().unzip();
    Ok((blocks, by_index.into_iter().flatten().collect()))
}

/// Mean cosine of matched heads from which an attention is taken to be another's where units say nothing.
const STRIKING: f64 = 0.6;

struct Matched {
    assignments: [Vec<Option<usize>>; 2],
    /// Mean cosine of the matched heads over both views.
    likeness: f64,
    n_reference: usize,
    n_suspect: usize,
    is_certified: bool,
}

fn matched(ours: &HeadSketches, theirs: &HeadSketches) -> Option<Matched> {
    let (n, m) = (ours.looks.len() / PROBES, theirs.looks.len() / PROBES);
    let assign = |a: &[f32], b: &[f32]| {
        let mut cosines = vec![0.0f32; n * m];
        row_products(a, b, PROBES, &mut cosines).ok()?;
        maximum_weight_assignment(&cosines, n, m).ok()
    };
    let (looks, hands_over) = (assign(&ours.looks, &theirs.looks)?, assign(&ours.hands_over, &theirs.hands_over)?);
    Some(Matched {
        likeness: (looks.total + hands_over.total) / (2 * n.min(m).max(1)) as f64,
        is_certified: looks.is_certified() && hands_over.is_certified(),
        assignments: [looks.column_of_row, hands_over.column_of_row],
        n_reference: n,
        n_suspect: m,
    })
}
