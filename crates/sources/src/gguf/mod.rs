//! GGUF, versions 2 and 3: header, typed metadata, table of tensors, then their aligned bytes.

mod form;
mod metadata;
mod quant;
mod quant_256;
mod quant_32;
mod tokenizer;

pub use quant::BlockQuant;
pub use tokenizer::{GgufTokenizer, TOKENIZER_ORIGIN, token_type, tokenizer};

use crate::bytes::{ByteReader, ReadAt};
use crate::tensor::{self, Extent, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS, MetaValue, Parsed, TensorInfo};
use crate::{Encoding, FormatError};
use form::Form;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the header. Nothing but the header is read; tensors are left as places in the file.
///
/// Tensors whose bytes run past the end of the file, and tensors in a form without a decoder, are left out with a warning,
/// so that the others can still be compared.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let mut reader = ByteReader::new(source);
    check_version(&mut reader)?;
    let n_tensors = at_most(reader.u64("number of tensors")?, MAX_TENSORS, "number of tensors")?;
    let n_pairs = at_most(reader.u64("number of metadata pairs")?, metadata::MAX_PAIRS, "number of metadata pairs")?;
    let metadata = metadata::read(&mut reader, n_pairs)?;
    let entries = read_table(&mut reader, n_tensors)?;
    let alignment = alignment(&metadata)?;
    let data_start = reader.position().next_multiple_of(alignment);

    let mut parsed = Parsed { metadata, ..Parsed::default() };
    let mut places = Vec::new();
    for entry in entries {
        match Form::of(entry.form).ok_or_else(|| entry.fail("encoding", format!("type number {}", entry.form), "a type number of GGML"))? {
            Form::Readable(encoding) => places.push(entry.place(encoding, data_start, alignment)?),
            Form::Unsupported(name) => {
                parsed.warnings.push(format!("tensor `{}`: encoding {name} is not supported yet", entry.name.escape_debug()));
            }
        }
    }
    tensor::refuse_overlaps(&places)?;
    for tensor in places {
        match missing(&tensor, source.size()) {
            None => parsed.tensors.push(tensor),
            Some((found, expected)) => {
                parsed.is_truncated = true;
                parsed.warnings.push(format!(
                    "tensor `{}` is left out: found {found} bytes of its data before the end of the file, expected {expected} bytes",
                    tensor.name.escape_debug()
                ));
            }
        }
    }
    tensor::validate(&parsed, &[source.size()])?;
    Ok(parsed)
}

fn check_version(reader: &mut ByteReader<'_>) -> Result<(), FormatError> {
    let magic = reader.array::<4>("magic")?;
    if magic != *b"GGUF" {
        return Err(FormatError::new("magic", format!("bytes `{}`", magic.escape_ascii()), "`GGUF`"));
    }
    match reader.u32("version")? {
        2 | 3 => Ok(()),
        // A small number in the other byte order has its low half empty.
        swapped if swapped & 0xffff == 0 && swapped != 0 => Err(FormatError::unsupported(
            "byte order",
            format!("a big-endian file of version {}", swapped.swap_bytes()),
            "a little-endian file",
        )),
        version => Err(FormatError::unsupported("version", version, "version 2 or 3")),
    }
}

fn at_most(n: u64, limit: u64, what: &str) -> Result<u64, FormatError> {
    if n > limit { Err(FormatError::new(what, n, format!("at most {limit}"))) } else { Ok(n) }
}

const ALIGNMENT_KEY: &str = "general.alignment";
/// Published files use 32, rarely a page.
const MAX_ALIGNMENT: u64 = 1 << 20;

fn alignment(metadata: &BTreeMap<String, MetaValue>) -> Result<u64, FormatError> {
    match metadata.get(ALIGNMENT_KEY) {
        None => Ok(32),
        Some(&MetaValue::Unsigned(n)) if n.is_power_of_two() && n <= MAX_ALIGNMENT => Ok(n),
        Some(MetaValue::Unsigned(n)) => {
            Err(FormatError::new(format!("metadata `{ALIGNMENT_KEY}`"), n, format!("a power of two up to {MAX_ALIGNMENT}")))
        }
        Some(other) => Err(FormatError::new(format!("metadata `{ALIGNMENT_KEY}`"), metadata::kind_of(other), "an unsigned integer")),
    }
}

/// A line of the tensor table, as stored.
struct Entry {
    name: String,
    /// GGML's order: the first axis is the fastest.
    axes: Vec<u64>,
    form: u32,
    offset: u64,
}

/// Name length, number of axes, type, offset: what the shortest entry takes.
const MIN_ENTRY_BYTES: u64 = 8 + 4 + 4 + 8;

fn read_table(reader: &mut ByteReader<'_>, n_tensors: u64) -> Result<Vec<Entry>, FormatError> {
    reader.require(n_tensors * MIN_ENTRY_BYTES, "table of tensors")?;
    let start = reader.position();
    let mut entries = Vec::new();
    let mut names = BTreeSet::new();
    for _ in 0..n_tensors {
        let entry = read_entry(reader)?;
        at_most(reader.position() - start, MAX_HEADER_BYTES, "bytes of the table of tensors")?;
        if !names.insert(entry.name.clone()) {
            return Err(entry.fail("name", "the same name twice", "unique names"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_entry(reader: &mut ByteReader<'_>) -> Result<Entry, FormatError> {
    let name_bytes = reader.u64("tensor name")?;
    let name = reader.text(name_bytes, MAX_NAME_BYTES, "tensor name")?;
    let named = |error: FormatError| error.tensor(&name);
    let rank = reader.u32("number of axes").map_err(named)?;
    let rank = at_most(u64::from(rank), MAX_RANK as u64, "number of axes").map_err(named)?;
    let axes = (0..rank).map(|_| reader.u64("shape")).collect::<Result<_, _>>().map_err(named)?;
    let form = reader.u32("encoding").map_err(named)?;
    let offset = reader.u64("data offset").map_err(named)?;
    Ok(Entry { name, axes, form, offset })
}

impl Entry {
    fn fail(&self, what: &str, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> FormatError {
        FormatError::new(what, found, expected).tensor(&self.name)
    }

    fn place(self, encoding: Encoding, data_start: u64, alignment: u64) -> Result<TensorInfo, FormatError> {
        let row = self.axes.first().copied().unwrap_or(1);
        if encoding.bytes_for(row).is_none() {
            let expected = format!("a multiple of {} values for {encoding}", encoding.block_values());
            return Err(self.fail("length of a row", format!("{row} values"), expected));
        }
        let elements = self.axes.iter().try_fold(1u64, |product, &n| product.checked_mul(n)).filter(|&n| n <= tensor::MAX_ELEMENTS);
        let Some(len) = elements.and_then(|n| encoding.bytes_for(n)) else {
            return Err(self.fail("shape", format!("{:?}", self.axes), format!("at most {} elements", tensor::MAX_ELEMENTS)));
        };
        if !self.offset.is_multiple_of(alignment) {
            return Err(self.fail("data offset", self.offset, format!("a multiple of {alignment}")));
        }
        let Some(offset) = data_start.checked_add(self.offset).filter(|start| start.checked_add(len).is_some()) else {
            return Err(self.fail("data offset", self.offset, "an offset that a file can have"));
        };
        let shape = self.axes.iter().rev().map(|&n| usize::try_from(n)).collect::<Result<_, _>>();
        let shape = shape.map_err(|_| self.fail("shape", format!("{:?}", self.axes), "axes that this machine can count"))?;
        TensorInfo::dense(self.name, shape, encoding, Extent { file: 0, offset, len })
    }
}

/// Bytes found and bytes expected, where the file ends before the tensor does.
fn missing(tensor: &TensorInfo, size: u64) -> Option<(u64, u64)> {
    let extent = tensor.extents().first()?;
    let found = size.saturating_sub(extent.offset);
    (found < extent.len || extent.offset > size).then_some((found, extent.len))
}

#[cfg(test)]
mod tests;
