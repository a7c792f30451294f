//! ONNX: the stored tensors of a model's graph, its subgraphs and its functions, with the values and the layout they are used in.
//!
//! The file is walked as protobuf wire format; tensor data is never held, only where it lies. What the graph does with a stored
//! tensor is followed in two cases, because the stored numbers alone are not the weight: integers with a scale (`quantised`) and
//! recurrent layers, whose layout is ONNX's own (`recurrent`).
//!
//! Reference: `onnx.proto` and `Operators.md` of ONNX 1.23; the input order of contributed operators is that of the schemas registered
//! in ONNX Runtime 1.32.0.

mod graph;
mod proto;
mod quantised;
mod recurrent;
mod tensor_proto;
mod walk;

use crate::FormatError;
use crate::bytes::ReadAt;
use crate::tensor::{Parsed, validate};
use graph::{Fate, Model, Stored};
use std::collections::BTreeMap;
use std::io;

/// Nodes of one model, subgraphs and functions included.
const MAX_NODES: u64 = 1 << 20;
/// Bytes that names and nodes may take in memory, and once more that scales may take.
const MAX_HELD_BYTES: u64 = 100_000_000;

/// Reads the places of all stored tensors.
///
/// Extents in [`Parsed::external_files`] are checked against each other, but not against those files, which the caller opens.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let mut walk = walk::Walk::new(source);
    walk.model()?;
    let external_files = walk.external_files();
    let (mut model, metadata) = (walk.model, walk.metadata);
    quantised::resolve(&mut model, source)?;
    recurrent::rearrange(&mut model);
    name_apart(&mut model);
    let tensors = model.tensors.into_iter().filter(|stored| stored.fate == Fate::Kept).map(|stored| stored.info).collect();
    let parsed = Parsed { tensors, metadata, external_files, warnings: model.warnings, ..Parsed::default() };
    validate(&parsed, &sizes_needed(&parsed, source.size()))?;
    Ok(parsed)
}

/// Puts the path of its subgraph before every name that another graph of the model has too.
fn name_apart(model: &mut Model) {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let kept = |stored: &&mut Stored| stored.fate == Fate::Kept;
    for stored in model.tensors.iter_mut().filter(kept) {
        *uses.entry(stored.info.name.clone()).or_default() += 1;
    }
    for stored in model.tensors.iter_mut().filter(kept) {
        let path = &model.graphs[stored.graph].path;
        if !path.is_empty() && uses.get(&stored.info.name).is_some_and(|&n| n > 1) {
            stored.info.name = format!("{path}.{}", stored.info.name);
        }
    }
}

/// The size of this file, and the least size that each external file must have for its extents.
fn sizes_needed(parsed: &Parsed, own: u64) -> Vec<u64> {
    let mut sizes = vec![0; 1 + parsed.external_files.len()];
    for extent in parsed.tensors.iter().flat_map(|tensor| tensor.extents()) {
        if let Some(size) = sizes.get_mut(extent.file) {
            *size = (*size).max(extent.offset.saturating_add(extent.len));
        }
    }
    sizes[0] = own;
    sizes
}

/// Lets the store, which owns its files, read a borrowed one.
struct Borrowed<'a>(&'a dyn ReadAt);

impl ReadAt for Borrowed<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buffer)
    }
}

#[cfg(test)]
mod tests;
