//! Blocks of one model against blocks of the other, and the path that leads from the suspect's to the reference's.

use crate::correspondence::Pair;
use crate::pairing::{Candidate, ROLE_IS_RIGHT, STRIKING, same_role};
use crate::side::Side;
use sources::{Role, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// Similarity of blocks, and the path through them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockMatrix {
    /// Labels of the reference's blocks or tensors.
    pub rows: Vec<String>,
    /// Labels of the suspect's.
    pub cols: Vec<String>,
    /// Mean sampled cosine of the matrices of equal role, row-major; `None` where no shape is common.
    pub values: Vec<Option<f64>>,
    /// For each column the row on the path.
    pub path: Vec<Option<usize>>,
}

/// The path through the blocks of two models that both have a family.
#[derive(Debug, Default)]
pub(crate) struct BlockPath {
    /// Every block against every block.
    pub(crate) matrix: BlockMatrix,
    /// Whether the path is not the diagonal.
    pub(crate) changed: bool,
    /// For each suspect block the reference block to propose roles from.
    pub(crate) layers: BTreeMap<(Stack, usize), usize>,
}

impl BlockPath {
    /// Reads the path off the sampled cosines; empty where a side has no family.
    pub(crate) fn find(reference: &Side<'_>, suspect: &Side<'_>, candidates: &[Candidate]) -> Self {
        let mut found = Self::default();
        let (Some(reference_binding), Some(suspect_binding)) = (&reference.model.binding, &suspect.model.binding) else { return found };
        let mut sums: BTreeMap<(Stack, usize, usize), (f64, usize)> = BTreeMap::new();
        for c in candidates {
            let (Some(r), Some(s)) = (reference.weights[c.reference].slot, suspect.weights[c.suspect].slot) else { continue };
            let (Some(row), Some(col)) = (r.layer, s.layer) else { continue };
            if same_role(r, s) && suspect.weights[c.suspect].cols > 1 {
                let sum = sums.entry((s.stack, row, col)).or_default();
                *sum = (sum.0 + c.cosine, sum.1 + 1);
            }
        }
        for &(stack, n_suspect) in &suspect_binding.layers {
            let n_reference = reference_binding.layers.iter().find(|(s, _)| *s == stack).map_or(0, |&(_, n)| n);
            let value = |row: usize, col: usize| sums.get(&(stack, row, col)).map(|&(sum, n)| sum / n as f64);
            let path = monotone_path(n_reference, n_suspect, value);
            let diagonal = n_suspect <= n_reference && diagonal_is_as_good(&path, value);
            // The blocks that a truncated file, or a file with a part of the tensors, lacks were not taken away by anybody.
            let has_moved = path.iter().enumerate().any(|(col, row)| row.is_some_and(|row| row != col));
            found.changed |=
                if is_whole(reference) && is_whole(suspect) { !diagonal || n_reference != n_suspect } else { !diagonal && has_moved };
            let (row_base, n_rows) = (found.matrix.rows.len(), n_reference);
            extend_matrix(&mut found.matrix, stack, n_rows, n_suspect, value);
            for (col, &origin) in path.iter().enumerate() {
                let row = if diagonal { Some(col) } else { origin };
                found.matrix.path.push(row.map(|row| row_base + row));
                // A block that resembles none is still compared with its own place, so that the report shows what was seen there.
                if let Some(row) = row.or((col < n_reference).then_some(col)) {
                    found.layers.insert((stack, col), row);
                }
            }
        }
        found
    }
}

/// The best monotone path with returns, for any measure of likeness between 0 and 1.
pub(crate) fn monotone_path(n_reference: usize, n_suspect: usize, value: impl Fn(usize, usize) -> Option<f64>) -> Vec<Option<usize>> {
    let mut path = best_path(n_reference, n_suspect, &value);
    add_returns(&mut path, n_reference, value);
    path
}

/// Which blocks of the reference the suspect's come from; one that resembles none is new.
pub(crate) fn path_in_words(path: impl Iterator<Item = Option<String>>) -> String {
    let path: Vec<String> = path.map(|block| block.unwrap_or_else(|| "new".into())).collect();
    format!("the suspect's blocks come from the reference's blocks {}", path.join(", "))
}

/// Whether a checkpoint holds a model from its first block to its last: one with a table of tokens, and without gaps among the blocks.
fn is_whole(side: &Side<'_>) -> bool {
    let Some(binding) = &side.model.binding else { return false };
    let blocks: BTreeSet<_> = side.weights.iter().filter_map(|w| Some((w.slot?.stack, w.slot?.layer?))).collect();
    let n_blocks = binding.n_blocks();
    let has_table = side.weights.iter().any(|w| w.slot.is_some_and(|slot| slot.role == Role::Embed));
    !side.model.is_truncated && has_table && n_blocks > 0 && blocks.len() == n_blocks
}

/// The non-decreasing assignment of suspect blocks to reference blocks with the largest sum; blocks that resemble none are left out.
fn best_path(n_reference: usize, n_suspect: usize, value: impl Fn(usize, usize) -> Option<f64>) -> Vec<Option<usize>> {
    let mut path = vec![None; n_suspect];
    if n_reference == 0 {
        return path;
    }
    let gain = |row: usize, col: usize| value(row, col).unwrap_or(0.0) - ROLE_IS_RIGHT / 2.0;
    // best[col][row]: the largest sum over columns before `col` whose rows are at most `row`.
    let mut best = vec![vec![0.0f64; n_reference]; n_suspect + 1];
    for col in 0..n_suspect {
        let mut running = f64::NEG_INFINITY;
        let (before, after) = best.split_at_mut(col + 1);
        for (row, (&left_out, sum)) in before[col].iter().zip(&mut after[0]).enumerate() {
            let taken = left_out + gain(row, col);
            let here = if taken > left_out { taken } else { left_out };
            if here > running {
                running = here;
            }
            *sum = running;
        }
    }
    let mut limit = n_reference - 1;
    for col in (0..n_suspect).rev() {
        let target = best[col + 1][limit];
        while limit > 0 && best[col + 1][limit - 1] == target {
            limit -= 1;
        }
        if gain(limit, col) > 0.0 && best[col][limit] + gain(limit, col) == target {
            path[col] = Some(limit);
        }
    }
    path
}

/// Gives blocks that the path passed over their striking likeness: a suspect that was stacked from overlapping runs of blocks goes back.
fn add_returns(path: &mut [Option<usize>], n_reference: usize, value: impl Fn(usize, usize) -> Option<f64>) {
    for (col, row) in path.iter_mut().enumerate().filter(|(_, row)| row.is_none()) {
        let best = (0..n_reference).filter_map(|row| Some((row, value(row, col)?))).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        *row = best.filter(|(_, value)| *value >= STRIKING).map(|(row, _)| row);
    }
}

fn diagonal_is_as_good(path: &[Option<usize>], value: impl Fn(usize, usize) -> Option<f64>) -> bool {
    path.iter().enumerate().all(|(col, row)| match row {
        None => true,
        Some(row) if *row == col => true,
        Some(row) => value(col, col).unwrap_or(0.0) >= value(*row, col).unwrap_or(0.0) - 0.02,
    })
}

fn extend_matrix(blocks: &mut BlockMatrix, stack: Stack, n_rows: usize, n_cols: usize, value: impl Fn(usize, usize) -> Option<f64>) {
    let prefix = match stack {
        Stack::Single => "",
        Stack::Encoder => "enc ",
        Stack::Decoder => "dec ",
    };
    let (old_rows, old_cols) = (blocks.rows.len(), blocks.cols.len());
    let old = std::mem::take(&mut blocks.values);
    blocks.rows.extend((0..n_rows).map(|i| format!("{prefix}{i}")));
    blocks.cols.extend((0..n_cols).map(|i| format!("{prefix}{i}")));
    for row in 0..old_rows + n_rows {
        for col in 0..old_cols + n_cols {
            blocks.values.push(match (row.checked_sub(old_rows), col.checked_sub(old_cols)) {
                (None, None) => old[row * old_cols + col],
                (Some(row), Some(col)) => value(row, col),
                _ => None,
            });
        }
    }
}

/// Tensors shown when a side has no blocks.
const MATRIX_TENSORS: usize = 48;

pub(crate) fn tensor_matrix(reference: &Side<'_>, suspect: &Side<'_>, candidates: &[Candidate], pairs: &[Pair]) -> BlockMatrix {
    let mut pairs: Vec<&Pair> = pairs.iter().filter(|p| p.suspect_weight.cols > 1).collect();
    pairs.sort_by_key(|p| (std::cmp::Reverse(p.elements()), p.suspect));
    pairs.truncate(MATRIX_TENSORS);
    pairs.sort_by_key(|p| p.suspect);
    let position = |list: &[usize], index: usize| list.iter().position(|&i| i == index);
    let (rows, cols): (Vec<usize>, Vec<usize>) = pairs.iter().map(|p| (p.reference, p.suspect)).unzip();
    let mut values = vec![None; rows.len() * cols.len()];
    for c in candidates {
        if let (Some(row), Some(col)) = (position(&rows, c.reference), position(&cols, c.suspect)) {
            values[row * cols.len() + col] = Some(c.cosine);
        }
    }
    for (i, pair) in pairs.iter().enumerate() {
        values[i * cols.len() + i] = Some(pair.sampled);
    }
    BlockMatrix {
        path: pairs.iter().enumerate().map(|(i, p)| p.is_shared().then_some(i)).collect(),
        rows: rows.iter().map(|&i| reference.weights[i].label()).collect(),
        cols: cols.iter().map(|&i| suspect.weights[i].label()).collect(),
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(matrix: &[&[f64]]) -> Vec<Option<usize>> {
        best_path(matrix.len(), matrix[0].len(), |row, col| Some(matrix[row][col]))
    }

    #[test]
    fn a_dropped_a_duplicated_and_an_inserted_block_are_found() {
        // The suspect keeps 0 and 2 of three blocks.
        assert_eq!(path_of(&[&[0.9, 0.0], &[0.0, 0.0], &[0.0, 0.9]]), [Some(0), Some(2)]);
        // The suspect has block 1 twice.
        assert_eq!(path_of(&[&[0.9, 0.0, 0.0], &[0.0, 0.9, 0.9]]), [Some(0), Some(1), Some(1)]);
        // The suspect's second block is new.
        assert_eq!(path_of(&[&[0.9, 0.0, 0.0], &[0.0, 0.0, 0.9]]), [Some(0), None, Some(1)]);
        // The suspect has both blocks twice, one run after the other.
        let stacked: [&[f64]; 2] = [&[0.9, 0.0, 0.9, 0.0], &[0.0, 0.9, 0.0, 0.9]];
        let mut path = path_of(&stacked);
        add_returns(&mut path, 2, |row, col| Some(stacked[row][col]));
        assert_eq!(path, [Some(0), Some(1), Some(0), Some(1)]);
        // Strangers.
        assert_eq!(path_of(&[&[0.01, -0.02], &[0.0, 0.03]]), [None, None]);
    }
}
