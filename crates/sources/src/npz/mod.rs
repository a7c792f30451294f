//! NumPy arrays: `.npy` alone, and `.npz`, a zip file of them. Object arrays are pickles and are never unpickled.

mod header;

use crate::FormatError;
use crate::archive::{Archive, Entry, Packing};
use crate::bytes::ReadAt;
use crate::store::Stream;
use crate::tensor::{self, Extent, MAX_TENSORS, Parsed, Storage, TensorInfo};
use header::{Dtype, Header, LONGEST_HEADER};
use std::io::Read;

/// Whether a zip file is an `.npz`: it holds arrays and no pickle of a PyTorch file.
pub fn is_npz(source: &dyn ReadAt) -> bool {
    Archive::read(source).is_ok_and(|archive| {
        let ends_with = |end: &str| archive.entries().iter().any(|entry| entry.name.ends_with(end));
        ends_with(".npy") && !ends_with("data.pkl")
    })
}

/// Reads the directory of an `.npz` file and the header of each array in it.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let archive = Archive::read(source)?;
    let mut parsed = Parsed::default();
    for entry in archive.entries().iter().filter(|entry| !entry.is_folder()) {
        let Some(name) = entry.name.strip_suffix(".npy") else {
            parsed.warnings.push(format!("entry `{}` is no array and was left out", entry.name.escape_debug()));
            continue;
        };
        if parsed.tensors.len() as u64 >= MAX_TENSORS {
            return Err(FormatError::new("number of arrays", "more", format!("at most {MAX_TENSORS}")));
        }
        let header = Header::parse(&entry.beginning(source, LONGEST_HEADER)?).map_err(|error| error.tensor(name))?;
        match array(name, header, entry).map_err(|error| error.tensor(name))? {
            Ok(tensor) => parsed.tensors.push(tensor),
            Err(what) => parsed.warnings.push(format!("tensor `{}`: {what} is not supported yet", name.escape_debug())),
        }
    }
    tensor::validate(&parsed, &[source.size()])?;
    Ok(parsed)
}

/// Reads the header of a single `.npy` file; its one tensor is called `array`, for the file holds no name.
pub fn parse_npy(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let size = source.size();
    let whole = Extent { file: 0, offset: 0, len: size };
    let mut beginning = Vec::new();
    Stream::new(source)
        .take(LONGEST_HEADER)
        .read_to_end(&mut beginning)
        .map_err(|error| FormatError::new("npy header", error, "readable bytes"))?;
    let entry = Entry { name: "array.npy".into(), packing: Packing::Stored, extent: whole, size };
    let mut parsed = Parsed::default();
    match array("array", Header::parse(&beginning)?, &entry)? {
        Ok(tensor) => parsed.tensors.push(tensor),
        Err(what) => return Err(FormatError::unsupported("npy array", what, "little-endian numbers")),
    }
    tensor::validate(&parsed, &[size])?;
    Ok(parsed)
}

/// The tensor of one array, or what it is that leaves it out.
fn array(name: &str, header: Header, entry: &Entry) -> Result<Result<TensorInfo, String>, FormatError> {
    let encoding = match header.dtype {
        Dtype::Read(encoding) => encoding,
        Dtype::LeftOut(descr) => return Ok(Err(format!("dtype {descr}"))),
    };
    let data_bytes = entry.size.saturating_sub(header.data_start);
    let column_major = header.fortran_order && header.shape.len() > 1;
    let inner = Extent { file: 0, offset: 0, len: data_bytes };
    let mut tensor = TensorInfo::dense(name, header.shape, encoding, inner)?;
    tensor.storage = match entry.packing {
        Packing::Stored => {
            // An entry shorter than its own header has failed above or holds no elements.
            let skip = header.data_start.min(entry.size);
            let extent = Extent { file: 0, offset: entry.extent.offset + skip, len: data_bytes };
            if column_major { Storage::ColumnMajor(extent) } else { Storage::Dense(extent) }
        }
        Packing::Deflated if column_major => return Ok(Err("a deflated array in Fortran order".into())),
        Packing::Deflated => Storage::Deflated { extent: entry.extent, skip: header.data_start },
    };
    Ok(Ok(tensor))
}
