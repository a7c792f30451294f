//! Reads tensors from open files: the one place where bytes become f32.

use crate::bytes::ReadAt;
use crate::tensor::{Extent, Storage, TensorInfo};
use crate::{FormatError, SourceError};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One open file of a checkpoint.
#[derive(Debug)]
pub struct DataFile {
    /// As given by the user, or beside it.
    pub path: PathBuf,
    size: u64,
    file: File,
}

impl DataFile {
    /// Opens for reading and takes the size. Only regular files can be read at any place; opening a pipe would wait for its writer.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let fail = |error| SourceError::Io { path: path.to_owned(), action: "open", error };
        let kind = std::fs::metadata(path).map_err(fail)?.file_type();
        if !kind.is_file() {
            let found = if kind.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(FormatError::new("file", found, "a regular file").at(path));
        }
        let file = File::open(path).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        Ok(Self { path: path.to_owned(), size, file })
    }
}

/// The whole of a small file.
///
/// # Errors
/// If it cannot be read, or is larger than `limit` bytes.
pub fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let file = DataFile::open(path)?;
    if file.size() > limit {
        return Err(FormatError::new("file", format!("{} bytes", file.size()), format!("at most {limit} bytes")).at(path));
    }
    let mut bytes = vec![0; file.size() as usize];
    file.read_exact_at(0, &mut bytes).map_err(|error| SourceError::Io { path: path.to_owned(), action: "read", error })?;
    Ok(bytes)
}

impl ReadAt for DataFile {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }
}

/// `Read + Seek` over [`ReadAt`], for libraries that want a stream.
pub struct Stream<'a> {
    source: &'a dyn ReadAt,
    position: u64,
    end: u64,
}

impl<'a> Stream<'a> {
    /// The whole source.
    pub fn new(source: &'a dyn ReadAt) -> Self {
        Self { source, position: 0, end: source.size() }
    }

    /// Only the bytes of `extent`.
    pub fn of(source: &'a dyn ReadAt, extent: Extent) -> Self {
        Self { source, position: extent.offset, end: extent.offset + extent.len }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.end.saturating_sub(self.position).min(buffer.len() as u64) as usize;
        self.source.read_exact_at(self.position, &mut buffer[..n])?;
        self.position += n as u64;
        Ok(n)
    }
}

impl io::Seek for Stream<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(n) => Some(n),
            io::SeekFrom::End(n) => self.end.checked_add_signed(n),
            io::SeekFrom::Current(n) => self.position.checked_add_signed(n),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Reads rows `rows` of `tensor` from `files`, widened to f32, replacing the contents of `out`.
///
/// `files[i]` is what [`Extent::file`] calls `i`. The tensor has passed [`crate::tensor::validate`].
pub fn read_f32<F: ReadAt>(files: &[F], tensor: &TensorInfo, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), FormatError> {
    let row_elements = tensor.row_elements();
    if rows.start > rows.end || rows.end > tensor.rows() {
        return Err(
            FormatError::new("row range", format!("{rows:?}"), format!("a range inside {} rows", tensor.rows())).tensor(&tensor.name)
        );
    }
    // Not cleared first: every place is written below, and zeros written before would cost as much as the values.
    out.resize(rows.len() * row_elements, 0.0);
    let failed = |error: io::Error| FormatError::new("data", error, "readable bytes").tensor(&tensor.name);
    let start = (rows.start * row_elements) as u64;
    match &tensor.storage {
        Storage::Dense(extent) => decode_run(&files[extent.file], tensor, *extent, start, out).map_err(failed)?,
        Storage::Pieces(pieces) => {
            let mut piece_start = 0u64;
            for piece in pieces {
                let piece_elements = piece.len / tensor.encoding.block_bytes() as u64 * tensor.encoding.block_values() as u64;
                let (from, to) = (start.max(piece_start), (start + out.len() as u64).min(piece_start + piece_elements));
                if from < to {
                    let target = &mut out[(from - start) as usize..(to - start) as usize];
                    decode_run(&files[piece.file], tensor, *piece, from - piece_start, target).map_err(failed)?;
                }
                piece_start += piece_elements;
            }
        }
        Storage::Strided { extent, strides } => {
            read_strided(&files[extent.file], tensor, *extent, strides, rows.clone(), out).map_err(failed)?
        }
        Storage::ColumnMajor(extent) => {
            let mut strides = vec![1usize; tensor.shape.len()];
            for axis in 1..strides.len() {
                strides[axis] = strides[axis - 1] * tensor.shape[axis - 1];
            }
            read_strided(&files[extent.file], tensor, *extent, &strides, rows.clone(), out).map_err(failed)?;
        }
        Storage::Deflated { extent, skip } => {
            let mut stream = flate2::read::DeflateDecoder::new(Stream::of(&files[extent.file], *extent));
            let before = skip + tensor.encoding.bytes_for(start).unwrap_or(0);
            let skipped = io::copy(&mut (&mut stream).take(before), &mut io::sink()).map_err(failed)?;
            if skipped < before {
                return Err(
                    FormatError::new("inflated data", format!("{skipped} bytes"), format!("more than {before} bytes")).tensor(&tensor.name)
                );
            }
            decode_stream(&mut stream, tensor, out).map_err(failed)?;
        }
        Storage::Varints(extent) => read_varints(&files[extent.file], tensor, *extent, start as usize, out).map_err(failed)?,
    }
    if let Some(affine) = &tensor.affine {
        dequantise(affine, tensor, &rows, out);
    }
    Ok(())
}

const CHUNK_VALUES: usize = 64 * 1024;

/// Decodes a contiguous run that starts `first` elements into `extent`. Blocks may be split by row ranges, so whole blocks are read.
fn decode_run(file: &dyn ReadAt, tensor: &TensorInfo, extent: Extent, first: u64, out: &mut [f32]) -> io::Result<()> {
    let (block_values, block_bytes) = (tensor.encoding.block_values(), tensor.encoding.block_bytes());
    let mut bytes = Vec::new();
    if block_values == 1 {
        for (i, chunk) in out.chunks_mut(CHUNK_VALUES).enumerate() {
            bytes.resize(chunk.len() * block_bytes, 0);
            let element = first + (i * CHUNK_VALUES) as u64;
            file.read_exact_at(extent.offset + element * block_bytes as u64, &mut bytes)?;
            tensor.encoding.decode(&bytes, chunk);
        }
        return Ok(());
    }
    let chunk_blocks = CHUNK_VALUES / block_values;
    let mut values = Vec::new();
    let mut done = 0;
    while done < out.len() {
        let element = first as usize + done;
        let block = element / block_values;
        let last_block = (first as usize + out.len()).div_ceil(block_values);
        let blocks = (last_block - block).min(chunk_blocks);
        bytes.resize(blocks * block_bytes, 0);
        values.resize(blocks * block_values, 0.0);
        file.read_exact_at(extent.offset + (block * block_bytes) as u64, &mut bytes)?;
        tensor.encoding.decode(&bytes, &mut values);
        let skip = element - block * block_values;
        let n = (values.len() - skip).min(out.len() - done);
        out[done..done + n].copy_from_slice(&values[skip..skip + n]);
        done += n;
    }
    Ok(())
}

fn decode_stream(stream: &mut dyn Read, tensor: &TensorInfo, out: &mut [f32]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for chunk in out.chunks_mut(CHUNK_VALUES) {
        bytes.resize(chunk.len() * tensor.encoding.block_bytes(), 0);
        stream.read_exact(&mut bytes)?;
        tensor.encoding.decode(&bytes, chunk);
    }
    Ok(())
}

/// Walks a strided view. Where the rows asked for span little, their bytes are read once; else axis by axis.
fn read_strided(
    file: &dyn ReadAt,
    tensor: &TensorInfo,
    extent: Extent,
    strides: &[usize],
    rows: Range<usize>,
    out: &mut [f32],
) -> io::Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let element_bytes = tensor.encoding.block_bytes();
    let mut shape = tensor.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = rows.len();
    }
    let base = rows.start * strides.first().copied().unwrap_or(0);
    // Elements are visited in storage order window by window, so that memory stays bounded whatever the strides.
    let span: usize = shape.iter().zip(strides).map(|(&n, &stride)| (n - 1) * stride).sum::<usize>() + 1;
    let mut bytes = Vec::new();
    let mut values = Vec::new();
    for window in (0..span).step_by(WINDOW_VALUES) {
        let n = (span - window).min(WINDOW_VALUES);
        bytes.resize(n * element_bytes, 0);
        values.resize(n, 0.0);
        file.read_exact_at(extent.offset + ((base + window) * element_bytes) as u64, &mut bytes)?;
        tensor.encoding.decode(&bytes, &mut values);
        let mut index = vec![0usize; shape.len()];
        let mut position = 0usize;
        for value in out.iter_mut() {
            if (window..window + n).contains(&position) {
                *value = values[position - window];
            }
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                position += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                position -= shape[axis] * strides[axis];
                index[axis] = 0;
            }
        }
    }
    Ok(())
}

const WINDOW_VALUES: usize = 16 << 20;

fn read_varints(file: &dyn ReadAt, tensor: &TensorInfo, extent: Extent, first: usize, out: &mut [f32]) -> io::Result<()> {
    let mut stream = io::BufReader::new(Stream::of(file, extent));
    let width = tensor.encoding.block_bytes();
    let mut next = || -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let mut byte = [0u8];
            stream.read_exact(&mut byte)?;
            value |= u64::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "a varint longer than ten bytes"))
    };
    for _ in 0..first {
        next()?;
    }
    for value in out {
        let raw = next()?.to_le_bytes();
        tensor.encoding.decode(&raw[..width], std::slice::from_mut(value));
    }
    Ok(())
}

fn dequantise(affine: &crate::tensor::Affine, tensor: &TensorInfo, rows: &Range<usize>, out: &mut [f32]) {
    let channel = |element: usize| match affine.axis {
        None => 0,
        Some(axis) => {
            let inner: usize = tensor.shape[axis + 1..].iter().product();
            (element / inner.max(1)) % tensor.shape[axis]
        }
    };
    let first = rows.start * tensor.row_elements();
    for (i, value) in out.iter_mut().enumerate() {
        let c = channel(first + i);
        let zero = affine.zero_point.get(c).copied().unwrap_or(0.0);
        *value = (*value - zero) * affine.scale[c];
    }
}
