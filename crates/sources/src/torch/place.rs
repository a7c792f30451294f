//! Where a tensor of the pickle lies in the archive: its view, checked against its storage, and that against its entry.

use super::globals::Dtype;
use super::value::{Arena, Node, TensorNode};
use crate::archive::{Archive, Packing};
use crate::tensor::{Extent, MAX_ELEMENTS, Storage, TensorInfo};
use crate::{Encoding, FormatError};

/// The tensor called `name`, or why it is left out. Storages are the entries under `folder`.
pub(super) fn place(
    arena: &Arena,
    archive: &Archive,
    folder: &str,
    name: String,
    tensor: &TensorNode,
) -> Result<Result<TensorInfo, String>, FormatError> {
    match view(arena, archive, folder, tensor) {
        Ok(Ok((shape, encoding, storage))) => Ok(Ok(TensorInfo { name, shape, encoding, storage, affine: None })),
        Ok(Err(what)) => Ok(Err(format!("tensor `{}`: {what} is not supported yet", name.escape_debug()))),
        Err(error) => Err(error.tensor(name)),
    }
}

type Placed = (Vec<usize>, Encoding, Storage);

fn view(arena: &Arena, archive: &Archive, folder: &str, tensor: &TensorNode) -> Result<Result<Placed, String>, FormatError> {
    let Node::Storage(storage) = arena.at(tensor.storage) else {
        return Err(FormatError::new("storage", arena.at(tensor.storage).kind(), "a storage"));
    };
    let encoding = match tensor.dtype.or(storage.dtype) {
        Some(Dtype::Read(encoding)) => encoding,
        Some(Dtype::LeftOut(dtype)) => return Ok(Err(format!("dtype {dtype}"))),
        None => return Err(FormatError::new("dtype", "an untyped storage", "a type of its own for the tensor")),
    };
    let width = encoding.block_bytes() as u64;

    // The storage, in its entry.
    let unit = match storage.dtype {
        None => 1,
        Some(Dtype::Read(encoding)) => encoding.block_bytes() as u64,
        Some(Dtype::LeftOut(dtype)) => return Ok(Err(format!("a view into a storage of {dtype}"))),
    };
    let entry_name = format!("{folder}/{}", storage.key);
    let entry = archive
        .find(&entry_name)
        .ok_or_else(|| FormatError::new("storage", format!("no entry `{}`", entry_name.escape_debug()), "one in the archive"))?;
    let fail = |found: String, expected: String| FormatError::new(format!("storage `{}`", entry_name.escape_debug()), found, expected);
    let Ok(len) = u64::try_from(storage.len) else { return Err(fail(format!("{} elements", storage.len), "no negative number".into())) };
    let storage_bytes = match len.checked_mul(unit) {
        Some(bytes) if bytes <= entry.size => bytes,
        _ => return Err(fail(format!("{} bytes", entry.size), format!("{len} elements of {unit} bytes"))),
    };

    // The view, in its storage.
    let shape = natural("size", &tensor.size)?;
    let mut strides = natural("strides", &tensor.strides)?;
    let offset = natural("storage offset", &[tensor.offset])?.first().map_or(0, |&offset| offset as u64);
    if shape.len() != strides.len() {
        return Err(FormatError::new("strides", format!("{} of them", strides.len()), format!("one for each of {} axes", shape.len())));
    }
    // Along an axis of one there is no step; whatever the file says, none will be made.
    for (stride, &n) in strides.iter_mut().zip(&shape) {
        if n <= 1 {
            *stride = 0;
        }
    }
    let elements = shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n as u64)).filter(|&n| n <= MAX_ELEMENTS);
    let Some(elements) = elements else {
        return Err(FormatError::new("size", format!("{shape:?}"), format!("at most {MAX_ELEMENTS} elements")));
    };
    if elements == 0 {
        let nothing = Extent { file: 0, offset: entry.extent.offset, len: 0 };
        return Ok(Ok((shape, encoding, Storage::Dense(nothing))));
    }
    let span = span(&shape, &strides);
    let end_bytes = span.and_then(|span| offset.checked_add(span)).and_then(|end| end.checked_mul(width));
    let (Some(span), Some(true)) = (span, end_bytes.map(|end| end <= storage_bytes)) else {
        return Err(FormatError::new(
            "view",
            format!("size {shape:?} with strides {:?} at offset {offset}", tensor.strides),
            format!("elements inside a storage of {} elements", storage_bytes / width),
        ));
    };
    let (start, len) = (offset * width, span * width);
    let dense = span == elements && is_row_major(&shape, &strides);
    let extent = Extent { file: 0, offset: entry.extent.offset + start, len };
    Ok(match (entry.packing, dense) {
        (Packing::Stored, true) => Ok((shape, encoding, Storage::Dense(extent))),
        // A few bytes could stand for any number of elements, and no published checkpoint repeats weights so.
        (_, false) if elements > span => Err("a view that repeats elements".into()),
        (Packing::Stored, false) => Ok((shape, encoding, Storage::Strided { extent, strides })),
        (Packing::Deflated, true) => Ok((shape, encoding, Storage::Deflated { extent: entry.extent, skip: start })),
        (Packing::Deflated, false) => Err("a strided view of a deflated storage".into()),
    })
}

fn natural(what: &str, numbers: &[i64]) -> Result<Vec<usize>, FormatError> {
    numbers.iter().map(|&n| usize::try_from(n).map_err(|_| FormatError::new(what, n, "no negative number"))).collect()
}

/// Elements from the first to the last of a view, inclusive.
fn span(shape: &[usize], strides: &[usize]) -> Option<u64> {
    shape
        .iter()
        .zip(strides)
        .try_fold(0u64, |reach, (&n, &stride)| reach.checked_add((n as u64 - 1).checked_mul(stride as u64)?))?
        .checked_add(1)
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1;
    shape.iter().zip(strides).rev().all(|(&n, &stride)| {
        let fits = n == 1 || stride == step;
        step *= n;
        fits
    })
}
