//! Reads a [`Weight`] through its [`View`]: always `[out, in]`, whatever orientation, fusion and row order the file has.
//!
//! Memory is bounded by what the caller asked for plus one chunk: stored rows are visited in chunks, and only what is needed is kept.

use crate::tensor::{Storage, TensorInfo};
use crate::weights::out_of_range;
use crate::{Encoding, FormatError, Rows, SourceError, TensorSource, Weight};
use std::ops::Range;

#[cfg(doc)]
use crate::View;

/// Values of a stored tensor that are held at a time where every read starts at the tensor's beginning, 64 MiB of f32; few in tests, so
/// that they meet the borders.
const CHUNK_VALUES: usize = if cfg!(test) { 12 } else { 16 << 20 };
/// The same where a read may start anywhere: 4 MiB stay near the core, and the allocator keeps them between calls.
const DIRECT_CHUNK_VALUES: usize = if cfg!(test) { 12 } else { 1 << 20 };
/// Unneeded values that are read rather than started anew behind: as dear as a call from memory, and as a seek on a solid-state disk.
const GAP_VALUES: usize = if cfg!(test) { 4 } else { 16 << 10 };

/// Reads rows `rows` of `weight`, row-major, replacing the contents of `out`.
///
/// A transposed tensor is streamed whole for every call: ask for many rows at once.
pub fn read_rows(source: &dyn TensorSource, weight: &Weight, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), SourceError> {
    let stored = Stored::new(source.tensors(), weight)?;
    if rows.start > rows.end || rows.end > weight.rows {
        return Err(refused(weight, "row range", format!("{rows:?}"), format!("a range inside {} rows", weight.rows)));
    }
    if stored.transposed {
        let columns = stored.rows_of(weight, rows)?;
        let wanted: Vec<_> = (0..weight.cols).map(|col| (col, col)).collect();
        out.clear();
        out.resize(columns.len() * weight.cols, 0.0);
        stored.visit(source, wanted, |col, values| {
            for (row, &column) in columns.iter().enumerate() {
                out[row * weight.cols + col] = values[column];
            }
        })?;
    } else if let Some(run) = stored.run(weight, rows.clone()) {
        source.read_f32(weight.view.tensor, run, out)?;
    } else {
        let wanted: Vec<_> = stored.rows_of(weight, rows)?.into_iter().enumerate().map(|(row, at)| (at, row)).collect();
        out.clear();
        out.resize(wanted.len() * weight.cols, 0.0);
        stored.visit(source, wanted, |row, values| out[row * weight.cols..][..weight.cols].copy_from_slice(values))?;
    }
    add_offset(weight, out);
    Ok(())
}

/// Reads the sub-matrix at `rows` and `cols`, in the given orders, row-major, replacing the contents of `out`.
///
/// Only the stored rows that hold it are read; near ones together.
pub fn gather(source: &dyn TensorSource, weight: &Weight, rows: &[usize], cols: &[usize], out: &mut Vec<f32>) -> Result<(), SourceError> {
    let stored = Stored::new(source.tensors(), weight)?;
    let outside = |indices: &[usize], limit: usize| indices.iter().copied().find(|&index| index >= limit);
    if let Some(row) = outside(rows, weight.rows) {
        return Err(outside_of(weight, "row", row, weight.rows));
    }
    if let Some(col) = outside(cols, weight.cols) {
        return Err(outside_of(weight, "column", col, weight.cols));
    }
    let rows = rows.iter().map(|&row| stored.row_of(weight, row)).collect::<Result<Vec<_>, _>>()?;
    out.clear();
    out.resize(rows.len() * cols.len(), 0.0);
    let numbered = |indices: &[usize]| indices.iter().enumerate().map(|(i, &index)| (index, i)).collect::<Vec<_>>();
    if stored.transposed {
        stored.visit(source, numbered(cols), |col, values| {
            for (row, &at) in rows.iter().enumerate() {
                out[row * cols.len() + col] = values[at];
            }
        })?;
    } else {
        stored.visit(source, numbered(&rows), |row, values| {
            for (target, &col) in out[row * cols.len()..][..cols.len()].iter_mut().zip(cols) {
                *target = values[col];
            }
        })?;
    }
    add_offset(weight, out);
    Ok(())
}

/// The tensor and the byte range in it that hold a weight as it is read here, element after element; `None` where reading
/// does more than widening: transposed, reordered, offset, block-quantised, scaled, or not stored densely.
pub fn raw_run(tensors: &[TensorInfo], weight: &Weight) -> Option<(usize, Range<u64>)> {
    let tensor = tensors.get(weight.view.tensor)?;
    let plain = matches!(tensor.storage, Storage::Dense(_)) && tensor.affine.is_none() && !matches!(tensor.encoding, Encoding::Block(_));
    let stored = Stored::new(tensors, weight).ok()?;
    if !plain || stored.transposed || weight.view.offset != 0 {
        return None;
    }
    let run = stored.run(weight, 0..weight.rows)?;
    let bytes = |row: usize| tensor.encoding.bytes_for((row as u64).checked_mul(weight.cols as u64)?);
    Some((weight.view.tensor, bytes(run.start)?..bytes(run.end)?))
}

fn refused(weight: &Weight, what: &str, found: String, expected: String) -> SourceError {
    SourceError::Request(Box::new(FormatError::new(what, found, expected).tensor(&weight.name)))
}

fn outside_of(weight: &Weight, what: &str, found: usize, limit: usize) -> SourceError {
    SourceError::Request(Box::new(out_of_range(what, found, limit).tensor(&weight.name)))
}

fn add_offset(weight: &Weight, values: &mut [f32]) {
    if weight.view.offset != 0 {
        let offset = f32::from(weight.view.offset);
        values.iter_mut().for_each(|value| *value += offset);
    }
}

/// A weight's tensor as the matrix that the file has.
struct Stored<'a> {
    tensor: &'a TensorInfo,
    index: usize,
    transposed: bool,
}

impl<'a> Stored<'a> {
    fn new(tensors: &'a [TensorInfo], weight: &Weight) -> Result<Self, SourceError> {
        let index = weight.view.tensor;
        let Some(tensor) = tensors.get(index) else {
            return Err(outside_of(weight, "tensor of a view", index, tensors.len()));
        };
        // A vector is its own column, whichever way its file stores matrices.
        let transposed = weight.view.transposed && tensor.shape.len() > 1;
        let stored = Self { tensor, index, transposed };
        let (rows, cols) = if transposed { (stored.width(), tensor.rows()) } else { (tensor.rows(), stored.width()) };
        let taken = match &weight.view.rows {
            Rows::All => rows,
            Rows::Runs(runs) => runs.iter().map(ExactSizeIterator::len).sum(),
            Rows::Indices(indices) => indices.len(),
        };
        let last = match &weight.view.rows {
            Rows::All => rows,
            Rows::Runs(runs) => runs.iter().map(|run| run.end).max().unwrap_or(0),
            Rows::Indices(indices) => indices.iter().max().map_or(0, |&last| last.saturating_add(1)),
        };
        if taken != weight.rows || cols != weight.cols || last > rows {
            let found = format!("{taken} rows up to {last}, and {} columns", weight.cols);
            return Err(refused(weight, "view", found, format!("{} rows inside {rows}, and {cols} columns", weight.rows)));
        }
        Ok(stored)
    }

    /// Elements of a stored row.
    fn width(&self) -> usize {
        self.tensor.row_elements()
    }

    /// The stored rows (columns if transposed) of a range of the weight's rows, if they are consecutive.
    fn run(&self, weight: &Weight, rows: Range<usize>) -> Option<Range<usize>> {
        match &weight.view.rows {
            Rows::All => Some(rows),
            Rows::Runs(runs) => {
                let mut joined: Option<Range<usize>> = None;
                let mut before = 0;
                for run in runs {
                    let (from, to) = (rows.start.max(before), rows.end.min(before + run.len()));
                    if from < to {
                        let piece = run.start + from - before..run.start + to - before;
                        joined = match joined {
                            None => Some(piece),
                            Some(joined) if joined.end == piece.start => Some(joined.start..piece.end),
                            Some(_) => return None,
                        };
                    }
                    before += run.len();
                }
                Some(joined.unwrap_or(0..0))
            }
            Rows::Indices(_) => None,
        }
    }

    fn row_of(&self, weight: &Weight, row: usize) -> Result<usize, SourceError> {
        let found = match &weight.view.rows {
            Rows::All => Some(row),
            Rows::Indices(indices) => indices.get(row).copied(),
            Rows::Runs(runs) => {
                let mut before = 0;
                runs.iter().find_map(|run| {
                    let at = (row - before < run.len()).then(|| run.start + row - before);
                    before += run.len();
                    at
                })
            }
        };
        found.ok_or_else(|| outside_of(weight, "row", row, weight.rows))
    }

    fn rows_of(&self, weight: &Weight, rows: Range<usize>) -> Result<Vec<usize>, SourceError> {
        rows.map(|row| self.row_of(weight, row)).collect()
    }

    /// Calls `each(label, values)` for every `(stored row, label)`, in the order of the file, reading near rows together.
    fn visit(
        &self,
        source: &dyn TensorSource,
        mut wanted: Vec<(usize, usize)>,
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<(), SourceError> {
        wanted.sort_unstable();
        let width = self.width();
        let (gap, chunk_values) = match self.tensor.storage {
            Storage::Dense(_) | Storage::Pieces(_) => (GAP_VALUES / width.max(1), DIRECT_CHUNK_VALUES),
            // These are read from their start whatever the rows: never start anew without need.
            Storage::Strided { .. } | Storage::Deflated { .. } | Storage::Varints(_) | Storage::ColumnMajor(_) => {
                (usize::MAX, CHUNK_VALUES)
            }
        };
        let most = (chunk_values / width.max(1)).max(1);
        let mut values = Vec::new();
        let mut rest = wanted.as_slice();
        while let Some(&(first, _)) = rest.first() {
            let mut n = 1;
            while let Some(&(row, _)) = rest.get(n)
                && row - first < most
                && row - rest[n - 1].0 <= gap.saturating_add(1)
            {
                n += 1;
            }
            let (chunk, after) = rest.split_at(n);
            source.read_f32(self.index, first..chunk[n - 1].0 + 1, &mut values)?;
            for &(row, label) in chunk {
                each(label, &values[(row - first) * width..][..width]);
            }
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::bind;
    use crate::memory::Memory;
    use crate::tensor::MetaValue;
    use crate::{Axis, Role, View};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Every value tells its place in the file.
    fn numbered(shape: &[usize]) -> Vec<f32> {
        (0..shape.iter().product::<usize>()).map(|i| i as f32).collect()
    }

    fn weight(rows: usize, cols: usize, rank: usize, view: View) -> Weight {
        Weight { slot: None, name: "w".into(), rows, cols, axes: [Axis::FIXED; 2], view, rank }
    }

    /// The whole weight, element by element from the definition of a view.
    fn naive(stored: &[f32], shape: [usize; 2], weight: &Weight) -> Vec<f32> {
        let taken: Vec<usize> = match &weight.view.rows {
            Rows::All => (0..weight.rows).collect(),
            Rows::Runs(runs) => runs.iter().cloned().flatten().collect(),
            Rows::Indices(indices) => indices.clone(),
        };
        let at = |row: usize, col: usize| if weight.view.transposed { stored[col * shape[1] + row] } else { stored[row * shape[1] + col] };
        let cells = taken.iter().flat_map(|&row| (0..weight.cols).map(move |col| (row, col)));
        cells.map(|(row, col)| at(row, col) + f32::from(weight.view.offset)).collect()
    }

    fn views(rows: usize) -> impl Strategy<Value = Rows> {
        let index = 0..rows;
        let run = (0..rows, 0..=rows).prop_map(|(a, b)| a.min(b)..a.max(b));
        prop_oneof![
            Just(Rows::All),
            prop::collection::vec(run, 0..4).prop_map(Rows::Runs),
            prop::collection::vec(index, 0..9).prop_map(Rows::Indices),
        ]
    }

    /// A stored shape, a view of it, a range of its rows, and picks of rows and columns.
    #[derive(Debug, Clone)]
    struct Request {
        shape: [usize; 2],
        weight: Weight,
        range: Range<usize>,
        rows: Vec<usize>,
        cols: Vec<usize>,
    }

    fn requests() -> impl Strategy<Value = Request> {
        let shapes = (1usize..9, 1usize..9, any::<bool>(), -1i8..=1);
        let weights = shapes.prop_flat_map(|(a, b, transposed, offset)| {
            let (rows, cols) = if transposed { (b, a) } else { (a, b) };
            views(rows).prop_map(move |taken| {
                let n = match &taken {
                    Rows::All => rows,
                    Rows::Runs(runs) => runs.iter().map(|run| run.len()).sum(),
                    Rows::Indices(indices) => indices.len(),
                };
                ([a, b], weight(n, cols, 2, View { tensor: 0, transposed, rows: taken, offset }))
            })
        });
        weights.prop_flat_map(|(shape, weight)| {
            let n = weight.rows;
            let picks = prop::collection::vec(0..n.max(1), 0..if n == 0 { 1 } else { 7 });
            (0..=n, 0..=n, picks, prop::collection::vec(0..weight.cols, 0..7)).prop_map(move |(from, to, rows, cols)| Request {
                shape,
                weight: weight.clone(),
                range: from.min(to)..from.max(to),
                rows,
                cols,
            })
        })
    }

    proptest! {
        #[test]
        fn reading_through_a_view_is_reading_from_its_definition(request in requests()) {
            let Request { shape, weight, range, rows, cols } = request;
            let mut memory = Memory::default();
            memory.add("w", &shape, numbered(&shape));
            let whole = naive(&numbered(&shape), shape, &weight);
            // What was in the buffer before must not matter.
            let mut out = vec![f32::NAN; 3];
            read_rows(&memory, &weight, range.clone(), &mut out).unwrap();
            prop_assert_eq!(&out, &whole[range.start * weight.cols..range.end * weight.cols]);
            gather(&memory, &weight, &rows, &cols, &mut out).unwrap();
            let expected: Vec<f32> = rows.iter().flat_map(|&row| cols.iter().map(move |&col| (row, col))).map(|(row, col)| whole[row * weight.cols + col]).collect();
            prop_assert_eq!(&out, &expected);
        }

        #[test]
        fn a_raw_run_holds_the_same_numbers(request in requests()) {
            let Request { shape, weight, .. } = request;
            let mut memory = Memory::default();
            memory.add("w", &shape, numbered(&shape));
            if let Some((tensor, bytes)) = raw_run(memory.tensors(), &weight) {
                let mut raw = vec![0; (bytes.end - bytes.start) as usize];
                memory.read_raw(tensor, bytes, &mut raw).unwrap().unwrap();
                let values: Vec<f32> = raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                prop_assert_eq!(values, naive(&numbered(&shape), shape, &weight));
            } else {
                let view = &weight.view;
                prop_assert!(view.transposed || view.offset != 0 || view.rows != Rows::All);
            }
        }
    }

    #[test]
    fn neighbouring_runs_are_one_raw_run_and_scattered_ones_are_none() {
        let mut memory = Memory::default();
        memory.add("w", &[6, 2], numbered(&[6, 2]));
        let of = |runs: &[Range<usize>]| {
            let n = runs.iter().map(|run| run.len()).sum();
            let view = View { tensor: 0, transposed: false, rows: Rows::Runs(runs.to_vec()), offset: 0 };
            raw_run(memory.tensors(), &weight(n, 2, 2, view))
        };
        assert_eq!(of(&[1..2, 2..4]), Some((0, 8..32)));
        assert_eq!(of(&[1..2, 3..4]), None);
    }

    #[test]
    fn what_a_weight_does_not_have_is_an_error() {
        let mut memory = Memory::default();
        memory.add("w", &[4, 2], numbered(&[4, 2]));
        let view = |rows| View { tensor: 0, transposed: false, rows, offset: 0 };
        let all = weight(4, 2, 2, view(Rows::All));
        let mut out = Vec::new();
        #[expect(clippy::reversed_empty_ranges, reason = "a reversed range is what a broken caller passes")]
        let reversed = 3..2;
        for range in [0..5, reversed, 4..usize::MAX] {
            assert!(read_rows(&memory, &all, range, &mut out).is_err());
        }
        assert!(gather(&memory, &all, &[4], &[0], &mut out).is_err());
        let error = gather(&memory, &all, &[0], &[2], &mut out).unwrap_err();
        assert_eq!(error.to_string(), "tensor `w`: column: found 2, expected less than 2");
        for wrong in [
            weight(3, 2, 2, view(Rows::All)),
            weight(4, 3, 2, view(Rows::All)),
            weight(1, 2, 2, view(Rows::Indices(vec![4]))),
            weight(2, 2, 2, view(Rows::Runs(vec![3..5, 0..0]))),
            weight(4, 2, 2, View { tensor: 1, ..view(Rows::All) }),
        ] {
            assert!(read_rows(&memory, &wrong, 0..1, &mut out).is_err(), "{wrong:?}");
            assert_eq!(raw_run(memory.tensors(), &wrong), None);
        }
    }

    fn meta(architecture: &str, pairs: &[(&str, u64)]) -> BTreeMap<String, MetaValue> {
        let numbers = pairs.iter().map(|&(key, n)| (format!("{architecture}.{key}"), MetaValue::Unsigned(n)));
        numbers.chain([("general.architecture".to_owned(), MetaValue::Text(architecture.into()))]).collect()
    }

    fn read(memory: &Memory, metadata: &BTreeMap<String, MetaValue>, config: Option<&serde_json::Value>, role: Role) -> Vec<f32> {
        let binding = bind(memory.tensors(), config, metadata).unwrap();
        let weight = binding.weights.iter().find(|weight| weight.slot.is_some_and(|slot| slot.role == role)).unwrap();
        let mut out = Vec::new();
        read_rows(memory, weight, 0..weight.rows, &mut out).unwrap();
        out
    }

    /// The converter reshapes the rows of each head from `[2, d/2]` to `[d/2, 2]` (`LlamaModel.permute` in llama.cpp's
    /// `convert_hf_to_gguf.py`: `reshape(n_head, 2, d / 2, …).swapaxes(1, 2)`).
    fn permuted_as_the_converter_does(values: &[f32], n_heads: usize, cols: usize) -> Vec<f32> {
        let head_dim = values.len() / cols / n_heads;
        let mut out = Vec::new();
        for head in 0..n_heads {
            for pair in 0..head_dim / 2 {
                for half in 0..2 {
                    let row = head * head_dim + half * (head_dim / 2) + pair;
                    out.extend_from_slice(&values[row * cols..][..cols]);
                }
            }
        }
        out
    }

    #[test]
    fn gguf_llama_rows_come_back_in_hugging_face_order() {
        let (q, k) = (numbered(&[24, 16]), numbered(&[8, 16]));
        let mut memory = Memory::default();
        memory.add("token_embd.weight", &[5, 16], numbered(&[5, 16]));
        memory.add("blk.0.attn_q.weight", &[24, 16], permuted_as_the_converter_does(&q, 6, 16));
        memory.add("blk.0.attn_k.weight", &[8, 16], permuted_as_the_converter_does(&k, 2, 16));
        let metadata = meta("llama", &[("attention.head_count", 6), ("attention.head_count_kv", 2)]);
        assert_eq!(read(&memory, &metadata, None, Role::AttnQ), q);
        assert_eq!(read(&memory, &metadata, None, Role::AttnK), k);
    }

    #[test]
    fn fused_queries_keys_and_values_come_apart() {
        // GPT-NeoX: [n_heads, 3, head_dim] rows; 2 heads of 2 dimensions, every row filled with its index.
        let rows = |n: usize| (0..n).flat_map(|row| [row as f32; 4]).collect::<Vec<_>>();
        let mut neox = Memory::default();
        neox.add("gpt_neox.layers.0.attention.query_key_value.weight", &[12, 4], rows(12));
        let config = serde_json::json!({ "model_type": "gpt_neox", "num_attention_heads": 2 });
        let first = |role| read(&neox, &BTreeMap::new(), Some(&config), role).chunks(4).map(|row| row[0]).collect::<Vec<_>>();
        assert_eq!(first(Role::AttnQ), [0.0, 1.0, 6.0, 7.0]);
        assert_eq!(first(Role::AttnK), [2.0, 3.0, 8.0, 9.0]);
        assert_eq!(first(Role::AttnV), [4.0, 5.0, 10.0, 11.0]);

        // GPT-2: [hidden, 3 * hidden], stored [in, out]; value 100 * in + out.
        let mut gpt2 = Memory::default();
        gpt2.add("h.0.attn.c_attn.weight", &[2, 6], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 100.0, 101.0, 102.0, 103.0, 104.0, 105.0]);
        assert_eq!(read(&gpt2, &BTreeMap::new(), None, Role::AttnK), [2.0, 102.0, 3.0, 103.0]);
    }

    #[test]
    fn gguf_gemma_gains_lose_the_one_that_the_converter_added() {
        let mut memory = Memory::default();
        memory.add("output_norm.weight", &[2], vec![1.5, 0.75]);
        assert_eq!(read(&memory, &meta("gemma3", &[]), None, Role::FinalNorm), [0.5, -0.25]);
        assert_eq!(read(&memory, &meta("llama", &[]), None, Role::FinalNorm), [1.5, 0.75]);
    }
}
