//! A tensor as a place in files: name, shape, encoding, and where its bytes lie.

use crate::{Encoding, FormatError};
use serde_json::Value;
use std::collections::BTreeMap;

/// A run of bytes in one file of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// 0 is the parsed file itself; `1 + i` is [`Parsed::external_files`]`[i]`.
    pub file: usize,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

/// How the elements of a tensor lie in their bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    /// Row-major, without gaps.
    Dense(Extent),
    /// Row-major pieces one after another: gates put in another order, one slice of a larger tensor.
    /// Each piece holds a whole number of rows.
    Pieces(Vec<Extent>),
    /// A strided view into a storage (PyTorch): element `i` of axis `k` lies `strides[k]` elements further on.
    Strided {
        /// The bytes from the view's first element to its last one, inclusive.
        extent: Extent,
        /// In elements, one an axis.
        strides: Vec<usize>,
    },
    /// One deflate stream (npz); the tensor starts `skip` bytes into the inflated data.
    Deflated {
        /// The compressed bytes.
        extent: Extent,
        /// Inflated bytes before the first element.
        skip: u64,
    },
    /// One protobuf varint an element (ONNX `int32_data`, `int64_data`); the low bytes of each are the element in its encoding.
    Varints(Extent),
    /// Fortran order (npy): the first axis is contiguous.
    ColumnMajor(Extent),
}

/// Affine quantisation kept beside the integers: `value = (q - zero_point) * scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    /// One value, or one for each index of `axis`.
    pub scale: Vec<f32>,
    /// As long as `scale`, or empty for none.
    pub zero_point: Vec<f32>,
    /// The axis that `scale` runs along; `None` for a single scale.
    pub axis: Option<usize>,
}

/// One tensor of a checkpoint, not yet read.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// As in the file.
    pub name: String,
    /// Row-major: the last axis is the fastest. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Element form.
    pub encoding: Encoding,
    /// Where the bytes are.
    pub storage: Storage,
    /// Present where the encoding alone does not give the values.
    pub affine: Option<Affine>,
}

impl TensorInfo {
    /// A dense tensor; checks that the shape fits the extent.
    pub fn dense(name: impl Into<String>, shape: Vec<usize>, encoding: Encoding, extent: Extent) -> Result<Self, FormatError> {
        let tensor = Self { name: name.into(), shape, encoding, storage: Storage::Dense(extent), affine: None };
        let expected = tensor.stored_bytes()?;
        if expected != extent.len {
            return Err(FormatError::new(
                "length of the data",
                format!("{} bytes", extent.len),
                format!("{expected} bytes for shape {:?} of {encoding}", tensor.shape),
            )
            .tensor(tensor.name));
        }
        Ok(tensor)
    }

    /// Number of elements, checked.
    pub fn checked_elements(&self) -> Result<u64, FormatError> {
        // An axis of zero must not hide others whose product overflows: code after this multiplies some of the axes only.
        let bound = self.shape.iter().try_fold(1u64, |product, &n| product.checked_mul((n as u64).max(1)));
        if bound.is_none_or(|n| n > MAX_ELEMENTS) {
            let (found, expected) = (format!("{:?}", self.shape), format!("at most {MAX_ELEMENTS} elements"));
            return Err(FormatError::new("shape", found, expected).tensor(&self.name));
        }
        Ok(self.shape.iter().map(|&n| n as u64).product())
    }

    /// Bytes of the elements in their encoding, checked.
    pub fn stored_bytes(&self) -> Result<u64, FormatError> {
        let elements = self.checked_elements()?;
        self.encoding.bytes_for(elements).ok_or_else(|| {
            FormatError::new(
                "shape",
                format!("{:?}", self.shape),
                format!("a multiple of {} elements for {}", self.encoding.block_values(), self.encoding),
            )
            .tensor(&self.name)
        })
    }

    /// Whether the values lie on a grid that is stored with them: a quantised encoding, or integers with scales beside them.
    pub fn is_on_grid(&self) -> bool {
        self.encoding.is_quantised() || self.affine.is_some()
    }

    /// Number of elements. The shape was checked when the file was opened.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Size of the first axis; 1 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements in one row.
    pub fn row_elements(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The byte ranges that this tensor reads.
    pub fn extents(&self) -> &[Extent] {
        match &self.storage {
            Storage::Dense(extent)
            | Storage::Strided { extent, .. }
            | Storage::Deflated { extent, .. }
            | Storage::Varints(extent)
            | Storage::ColumnMajor(extent) => std::slice::from_ref(extent),
            Storage::Pieces(extents) => extents,
        }
    }
}

/// No published tensor comes near; a larger shape is a broken or hostile file.
pub const MAX_ELEMENTS: u64 = 1 << 40;
/// Axes of one tensor.
pub const MAX_RANK: usize = 8;
/// Tensors of one checkpoint file.
pub const MAX_TENSORS: u64 = 1 << 20;
/// Bytes of a tensor name.
pub const MAX_NAME_BYTES: u64 = 4096;
/// Bytes of a JSON header, a pickle, or a metadata block.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Depth of nested values.
pub const MAX_DEPTH: usize = 64;

/// A typed metadata value.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum MetaValue {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Array(Vec<MetaValue>),
}

impl MetaValue {
    /// The number, if it is a whole one and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(n) => Some(n),
            Self::Signed(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// The same value as JSON, which has no infinite numbers: they are null.
    pub fn json(&self) -> Value {
        match self {
            Self::Bool(b) => Value::from(*b),
            Self::Unsigned(n) => Value::from(*n),
            Self::Signed(n) => Value::from(*n),
            Self::Float(x) => Value::from(*x),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Array(values) => values.iter().map(Self::json).collect(),
        }
    }
}

/// What a format parser found in one file.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// In file order.
    pub tensors: Vec<TensorInfo>,
    /// Key-value pairs of the file's own header.
    pub metadata: BTreeMap<String, MetaValue>,
    /// Names of further files, relative to this one, that extents refer to.
    pub external_files: Vec<String>,
    /// What was left out and why: a truncated last tensor, say.
    pub warnings: Vec<String>,
    /// Whether the file ends before its last tensors do: what is missing then says nothing about the model.
    pub is_truncated: bool,
}

/// Checks what every format must keep: unique names, bounded shapes, bytes inside their files, storage that fits the shape.
///
/// `file_sizes[0]` is the parsed file; the others follow [`Parsed::external_files`].
pub fn validate(parsed: &Parsed, file_sizes: &[u64]) -> Result<(), FormatError> {
    let mut names = std::collections::BTreeSet::new();
    for tensor in &parsed.tensors {
        let fail = |what: &str, found: String, expected: String| Err(FormatError::new(what, found, expected).tensor(&tensor.name));
        if !names.insert(tensor.name.as_str()) {
            return fail("name", "the same name twice".into(), "unique names".into());
        }
        if tensor.shape.len() > MAX_RANK {
            return fail("shape", format!("{} axes", tensor.shape.len()), format!("at most {MAX_RANK} axes"));
        }
        let stored = tensor.stored_bytes()?;
        for extent in tensor.extents() {
            let Some(&size) = file_sizes.get(extent.file) else {
                return fail("file of the data", format!("file number {}", extent.file), format!("one of {} files", file_sizes.len()));
            };
            match extent.offset.checked_add(extent.len) {
                Some(end) if end <= size => {}
                _ => {
                    return fail(
                        "data",
                        format!("{} bytes at offset {}", extent.len, extent.offset),
                        format!("a range inside the {size} bytes of the file"),
                    );
                }
            }
        }
        let total = tensor.extents().iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.len));
        let fits = match &tensor.storage {
            Storage::Dense(_) | Storage::ColumnMajor(_) => total == Some(stored),
            Storage::Pieces(pieces) => {
                let row = tensor.encoding.bytes_for(tensor.row_elements() as u64);
                total == Some(stored) && row.is_some_and(|row| row > 0 && pieces.iter().all(|piece| piece.len % row == 0))
            }
            Storage::Strided { extent, strides } => {
                let reach = tensor
                    .shape
                    .iter()
                    .zip(strides)
                    .try_fold(0u64, |sum, (&n, &stride)| sum.checked_add((n.saturating_sub(1) as u64).checked_mul(stride as u64)?));
                let needed = if stored == 0 { Some(0) } else { reach.and_then(|reach| tensor.encoding.bytes_for(reach.checked_add(1)?)) };
                strides.len() == tensor.shape.len() && needed.is_some_and(|needed| needed <= extent.len)
            }
            Storage::Varints(extent) => tensor.checked_elements()? <= extent.len,
            // A deflate stream cannot expand more than 1032-fold.
            Storage::Deflated { extent, skip } => skip.checked_add(stored).is_some_and(|n| n / 1100 <= extent.len),
        };
        if !fits {
            return fail(
                "length of the data",
                format!("{} bytes", total.unwrap_or(u64::MAX)),
                format!("enough for shape {:?} of {}", tensor.shape, tensor.encoding),
            );
        }
        if let Some(affine) = &tensor.affine {
            let channels = affine.axis.map_or(Some(1), |axis| tensor.shape.get(axis).copied());
            if channels != Some(affine.scale.len()) || !(affine.zero_point.is_empty() || affine.zero_point.len() == affine.scale.len()) {
                return fail(
                    "quantisation scales",
                    format!("{} scales, {} zero points", affine.scale.len(), affine.zero_point.len()),
                    format!("one a channel of shape {:?}", tensor.shape),
                );
            }
        }
    }
    Ok(())
}

/// Refuses tensors whose bytes overlap, for the formats that forbid it.
pub fn refuse_overlaps(tensors: &[TensorInfo]) -> Result<(), FormatError> {
    let mut extents: Vec<(Extent, &str)> =
        tensors.iter().flat_map(|t| t.extents().iter().map(|&e| (e, t.name.as_str()))).filter(|(e, _)| e.len > 0).collect();
    extents.sort();
    for pair in extents.windows(2) {
        let ((before, owner), (after, name)) = (&pair[0], &pair[1]);
        if before.file == after.file && before.offset.saturating_add(before.len) > after.offset {
            return Err(FormatError::new(
                "data offsets",
                format!("offset {} inside the bytes of `{}`", after.offset, owner.escape_debug()),
                format!("an offset of at least {}", before.offset + before.len),
            )
            .tensor(*name));
        }
    }
    Ok(())
}
