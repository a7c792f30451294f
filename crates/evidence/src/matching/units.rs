//! Hidden units matched by three views: what they read (gate, up) and what they write (down), each as numbers over tokens.

use super::blocks::{Agreement, BlockMatch, Group, agreeing};
use super::by_index::{ByIndex, DrawnUnits};
use super::fitting::{self, Assignments, DRAWN_UNITS, correlations, largest};
use super::tokens::{StackTokens, TokenVectors, Tokens};
use crate::blocks::{BlockMatrix, monotone_path};
use crate::depth::{relative_depth, same_depth};
use crate::method::MethodError;
use crate::products::tiled_products;
use rayon::prelude::*;
use sources::canonical::Canonical;
use sources::{Part, Role, Slot, Stack};
use stats::products::normalise_rows;
use stats::sampling;
use std::collections::BTreeMap;

/// Tokens drawn for the pass over all pairs of blocks.
const DRAWN_TOKENS: usize = 256;

/// One way to see a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnitView {
    role: Role,
    name: &'static str,
    /// Where there is a gate, up and down may change signs together, so their correlations count by size.
    sign_is_free: bool,
}

/// The views of two gated MLPs, of two without a gate, and of one of each.
const GATED: [UnitView; 3] = [
    UnitView { role: Role::MlpGate, name: "gate", sign_is_free: false },
    UnitView { role: Role::MlpUp, name: "up", sign_is_free: true },
    UnitView { role: Role::MlpDown, name: "down", sign_is_free: true },
];
const PLAIN: [UnitView; 2] =
    [UnitView { role: Role::MlpUp, name: "up", sign_is_free: false }, UnitView { role: Role::MlpDown, name: "down", sign_is_free: false }];
const MIXED: [UnitView; 2] =
    [UnitView { role: Role::MlpUp, name: "up", sign_is_free: true }, UnitView { role: Role::MlpDown, name: "down", sign_is_free: true }];
const GATED_PAIRS: [(usize, usize, &str); 3] = [(0, 1, "gate, up"), (0, 2, "gate, down"), (1, 2, "up, down")];
const PLAIN_PAIRS: [(usize, usize, &str); 1] = [(0, 1, "up, down")];

fn groups(model: &Canonical<'_>) -> Vec<Group> {
    let is_mlp = |slot: &Slot| slot.role == Role::MlpUp && slot.part == Part::Weight;
    let group = |slot: Slot| Some(Group { stack: slot.stack, layer: slot.layer?, expert: slot.expert });
    model.slots().filter(is_mlp).filter_map(group).filter(|&g| model.weight(g.slot(Role::MlpDown)).is_some()).collect()
}

fn is_gated(model: &Canonical<'_>, group: Group) -> bool {
    model.weight(group.slot(Role::MlpGate)).is_some()
}

/// The views that both MLPs have.
fn views(reference_is_gated: bool, suspect_is_gated: bool) -> &'static [UnitView] {
    match (reference_is_gated, suspect_is_gated) {
        (true, true) => &GATED,
        (false, false) => &PLAIN,
        _ => &MIXED,
    }
}

fn pairs(views: &[UnitView]) -> &'static [(usize, usize, &'static str)] {
    if views.len() == GATED.len() { &GATED_PAIRS } else { &PLAIN_PAIRS }
}

fn n_units(model: &Canonical<'_>, group: Group) -> usize {
    model.n_vectors(group.slot(Role::MlpUp)).unwrap_or(0)
}

/// What units do to tokens, `[units, tokens]`, rows of length 1 and centred over tokens: `V Eᵀ` for a view that reads, `Dᵀ Oᵀ` for the one that writes.
fn signatures(model: &Canonical<'_>, at: Slot, units: &[usize], tokens: &TokenVectors, n_tokens: usize) -> Result<Vec<f32>, MethodError> {
    let mut vectors = Vec::new();
    model.vectors(at, at.role, units, &mut vectors)?;
    let table = if at.role == Role::MlpDown { &tokens.unembed } else { &tokens.embed };
    let table = tokens.leading(table);
    let table = &table[..n_tokens.min(table.len() / tokens.width.max(1)) * tokens.width];
    let mut signatures = tiled_products(&vectors, table, tokens.width)?;
    normalise_rows(&mut signatures, table.len() / tokens.width.max(1));
    Ok(signatures)
}

/// The signatures of some units, view by view: a gate first where there is one, and what writes last.
pub(crate) fn unit_signatures(
    model: &Canonical<'_>,
    group: Group,
    units: &[usize],
    tokens: &TokenVectors,
) -> Result<Vec<Vec<f32>>, MethodError> {
    let gated = is_gated(model, group);
    views(gated, gated).iter().map(|view| signatures(model, group.slot(view.role), units, tokens, usize::MAX)).collect()
}

/// For each suspect block the reference block, and whether the units say so.
pub(super) type Path = BTreeMap<(Stack, usize), (usize, bool)>;

/// What came of matching all MLPs.
#[derive(Default)]
pub(super) struct Units {
    pub(super) blocks: Vec<BlockMatch>,
    pub(super) by_index: Vec<ByIndex>,
    pub(super) matrix: BlockMatrix,
    pub(super) path: Path,
}

/// Matches all MLPs: a drawn look at every pair of blocks, then in full along the best monotone path.
pub(super) fn find(
    reference: &Canonical<'_>,
    suspect: &Canonical<'_>,
    tokens: &Tokens,
    seed: u64,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Units, MethodError> {
    // Only what reads a stream that tokens are written to as they stand can be seen over them.
    let reads = |model: &Canonical<'_>, group: &Group, side: &TokenVectors| model.width(group.slot(Role::MlpUp)) == Some(side.width);
    let mut ours = groups(reference);
    ours.retain(|g| tokens.stacks.values().any(|stack| stack.reference_stack == g.stack && reads(reference, g, &stack.reference)));
    let mut theirs = groups(suspect);
    theirs.retain(|g| tokens.stacks.get(&g.stack).is_some_and(|stack| reads(suspect, g, &stack.suspect)));
    if ours.is_empty() || theirs.is_empty() {
        return Ok(Units::default());
    }
    let drawn: Vec<Option<Drawn>> = ours
        .par_iter()
        .map(|&group| {
            let n = n_units(reference, group);
            let units = sampling::draw(seed, &format!("units {group}"), n, n.min(DRAWN_UNITS));
            let side = tokens.stacks.values().find(|stack| stack.reference_stack == group.stack).map(|stack| &stack.reference);
            side.map(|side| Drawn::of(reference, group, &units, side)).transpose()
        })
        .collect::<Result<_, MethodError>>()?;
    let mut columns: Vec<Vec<Option<f64>>> = Vec::new();
    for &group in &theirs {
        columns.push(look(suspect, group, &ours, &drawn, tokens)?);
        advance(1);
    }
    let matrix = BlockMatrix {
        rows: ours.iter().map(Group::to_string).collect(),
        cols: theirs.iter().map(Group::to_string).collect(),
        values: (0..ours.len()).flat_map(|row| columns.iter().map(move |column| column[row])).collect(),
        path: Vec::new(),
    };
    let stacks = tokens.stacks.iter().map(|(&stack, tokens)| (tokens.reference_stack, stack)).collect::<Vec<_>>();
    let (path, pairs_in_full) = along_path(&ours, &theirs, &stacks, &matrix);
    let of = |&(row, col, on_path): &(usize, usize, bool)| -> Result<(BlockMatch, Option<ByIndex>), MethodError> {
        let found = in_full((reference, ours[row]), (suspect, theirs[col]), on_path, &tokens.stacks[&theirs[col].stack], seed)?;
        advance(1);
        Ok(found)
    };
    let n_entries = |&(row, col, _): &(usize, usize, bool)| n_units(reference, ours[row]) * n_units(suspect, theirs[col]);
    let found = fitting::in_full(&pairs_in_full, n_entries, of)?;
    let path_of_matrix = theirs.iter().enumerate().map(|(col, _)| pairs_in_full.iter().find(|p| p.1 == col && p.2).map(|p| p.0)).collect();
    let (mut blocks, by_index): (Vec<BlockMatch>, Vec<Option<ByIndex>>) = found.into_iter().unzip();
    let n_layers: BTreeMap<Stack, usize> = theirs.iter().map(|g| (g.stack, g.layer + 1)).collect();
    blocks.iter_mut().for_each(|b| b.depth = relative_depth(b.suspect.layer, n_layers[&b.suspect.stack]));
    Ok(Units { blocks, by_index: by_index.into_iter().flatten().collect(), matrix: BlockMatrix { path: path_of_matrix, ..matrix }, path })
}

/// Signatures of some units of a block, by the name of the view; none for a gate that it does not have.
struct Drawn {
    n_units: usize,
    signatures: BTreeMap<&'static str, Vec<f32>>,
}

impl Drawn {
    fn of(model: &Canonical<'_>, group: Group, units: &[usize], tokens: &TokenVectors) -> Result<Self, MethodError> {
        let gated = is_gated(model, group);
        let signatures = views(gated, gated)
            .iter()
            .map(|view| Ok((view.name, signatures(model, group.slot(view.role), units, tokens, DRAWN_TOKENS)?)))
            .collect::<Result<_, MethodError>>()?;
        Ok(Self { n_units: units.len(), signatures })
    }

    fn is_gated(&self) -> bool {
        self.signatures.len() == GATED.len()
    }
}

/// Share of drawn units of every reference block on whose nearest unit of one suspect block two views agree.
fn look(
    suspect: &Canonical<'_>,
    group: Group,
    ours: &[Group],
    drawn: &[Option<Drawn>],
    tokens: &Tokens,
) -> Result<Vec<Option<f64>>, MethodError> {
    let stack = &tokens.stacks[&group.stack];
    let all: Vec<usize> = (0..n_units(suspect, group)).collect();
    let mine = Drawn::of(suspect, group, &all, &stack.suspect)?;
    let n_tokens = DRAWN_TOKENS.min(stack.suspect.n());
    let nearest = |view: &UnitView, drawn: &Drawn| -> Result<Vec<Option<usize>>, MethodError> {
        let correlations = correlations(&drawn.signatures[view.name], &mine.signatures[view.name], n_tokens, view.sign_is_free)?;
        Ok(correlations.chunks(all.len()).map(largest).collect())
    };
    ours.par_iter()
        .zip(drawn)
        .map(|(&other, drawn)| {
            let Some(drawn) = drawn.as_ref().filter(|_| other.stack == stack.reference_stack && !all.is_empty()) else { return Ok(None) };
            let views = views(drawn.is_gated(), mine.is_gated());
            let nearest: Vec<_> = views.iter().map(|view| nearest(view, drawn)).collect::<Result<_, _>>()?;
            let agreements: usize = pairs(views).iter().map(|&(a, b, _)| agreeing(&nearest[a], &nearest[b])).sum();
            Ok(Some(agreements as f64 / (pairs(views).len() * drawn.n_units.min(all.len()).max(1)) as f64))
        })
        .collect()
}

/// Reference and suspect groups to match in full. Experts of one layer share the path; each takes its best counterpart in that layer.
fn along_path(ours: &[Group], theirs: &[Group], stacks: &[(Stack, Stack)], matrix: &BlockMatrix) -> (Path, Vec<(usize, usize, bool)>) {
    let value = |row: usize, col: usize| matrix.values[row * theirs.len() + col];
    let mut path = Path::new();
    for &(reference_stack, stack) in stacks {
        let layers = |groups: &[Group], stack| groups.iter().filter(|g| g.stack == stack).map(|g| g.layer + 1).max().unwrap_or(0);
        let (n_ours, n_theirs) = (layers(ours, reference_stack), layers(theirs, stack));
        if n_ours == 0 || n_theirs == 0 {
            continue;
        }
        let at = |groups: &[Group], stack, layer: usize| -> Vec<usize> {
            groups.iter().enumerate().filter(|(_, g)| g.stack == stack && g.layer == layer).map(|(i, _)| i).collect()
        };
        let of_layers = |row: usize, col: usize| -> Option<f64> {
            let (rows, cols) = (at(ours, reference_stack, row), at(theirs, stack, col));
            cols.iter().flat_map(|&col| rows.iter().filter_map(move |&row| value(row, col))).max_by(f64::total_cmp)
        };
        for (col, row) in monotone_path(n_ours, n_theirs, of_layers).into_iter().enumerate() {
            path.insert((stack, col), row.map_or((same_depth(col, n_theirs, n_ours), false), |row| (row, true)));
        }
    }
    let mut in_full = Vec::new();
    for (col, group) in theirs.iter().enumerate() {
        let Some(&(layer, on_path)) = path.get(&(group.stack, group.layer)) else { continue };
        let reference_stack = stacks.iter().find(|s| s.1 == group.stack).map(|s| s.0);
        let rows = ours.iter().enumerate().filter(|(_, g)| Some(g.stack) == reference_stack && g.layer == layer).map(|(row, _)| row);
        // Of equal values the first, which for dense blocks is the only one.
        let best = rows.filter_map(|row| Some((row, value(row, col)?))).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some((row, _)) = best {
            in_full.push((row, col, on_path));
        }
    }
    (path, in_full)
}

/// One block with its counterpart, whose views are read one after another.
fn in_full(
    (reference, ours): (&Canonical<'_>, Group),
    (suspect, theirs): (&Canonical<'_>, Group),
    is_on_path: bool,
    tokens: &StackTokens,
    seed: u64,
) -> Result<(BlockMatch, Option<ByIndex>), MethodError> {
    let (n_reference, n_suspect) = (n_units(reference, ours), n_units(suspect, theirs));
    let views = views(is_gated(reference, ours), is_gated(suspect, theirs));
    let all = |n: usize| (0..n).collect::<Vec<usize>>();
    let mut assignments = Assignments::new(n_reference, n_suspect);
    let mut drawn = (n_reference == n_suspect).then(|| DrawnUnits::new(theirs, n_suspect, seed));
    for view in views {
        let a = signatures(reference, ours.slot(view.role), &all(n_reference), &tokens.reference, usize::MAX)?;
        let b = signatures(suspect, theirs.slot(view.role), &all(n_suspect), &tokens.suspect, usize::MAX)?;
        let n_tokens = a.len() / n_reference.max(1);
        let matrix = correlations(&a, &b, n_tokens, view.sign_is_free)?;
        if let Some(drawn) = &mut drawn {
            drawn.push(&a, &b);
        }
        drop((a, b));
        assignments.push(&matrix)?;
    }
    let agreements = pairs(views).iter().map(|&(a, b, views)| Agreement { views, units: assignments.agreeing(a, b) }).collect();
    let block = BlockMatch {
        suspect: theirs,
        reference: ours,
        is_on_path,
        depth: 0.0,
        n_reference,
        n_suspect,
        agreements,
        counterparts: assignments.counterparts(),
        is_certified: assignments.is_certified,
    };
    Ok((block, drawn.and_then(|drawn| drawn.aligned())))
}
