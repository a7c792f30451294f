//! Reads a [`Weight`] through its [`View`]: always `[out, in]`, whatever orientation, fusion and row order the file has.
//!
//! Memory is bounded by what the caller asked for plus one chunk: stored rows are visited in chunks, and only what is needed is kept.

use crate::tensor::{Storage, TensorInfo};
use crate::weights::out_of_range;
use crate::{Encoding, FormatError, Rows, SourceError, TensorSource, Weight};
use std::ops::Range;

#[cfg(doc)]
use crate::View;

/// Values of a stored tensor that are held at a time, 64 MiB of f32.
const CHUNK_VALUES: usize = 16 << 20;
/// Unneeded values that are read rather than started anew behind: 256 KiB is about one seek.
const GAP_VALUES: usize = 64 << 10;

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
        let gap = match self.tensor.storage {
            Storage::Dense(_) | Storage::Pieces(_) => GAP_VALUES / width.max(1),
            // These are read from their start whatever the rows: never start anew without need.
            Storage::Strided { .. } | Storage::Deflated { .. } | Storage::Varints(_) | Storage::ColumnMajor(_) => usize::MAX,
        };
        let most = (CHUNK_VALUES / width.max(1)).max(1);
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
