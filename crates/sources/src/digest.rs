//! Digests: of files, so that both parties know which bytes were read, and of tensors, so that a number unfolds to values.

use crate::bytes::ReadAt;
use crate::store::DataFile;
use crate::tensor::{Storage, TensorInfo};
use crate::{Encoding, Model, SourceError, TensorSource};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// What a checkpoint consisted of when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custody {
    /// Each file that was read, with its size and SHA-256: the weights, then config, tokenizer and card.
    pub files: Vec<FileDigest>,
    /// SHA-256 of the only weight file; for several, of the lines `sha256  name` in order, as `sha256sum` prints them.
    pub sha256: String,
    /// BLAKE3 of each tensor's values, in the order of [`TensorSource::tensors`].
    pub tensors: Vec<String>,
    /// SHA-256 of the sorted lines `digest name`: the same values under the same names give the same root in every container.
    pub tensor_root: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// As opened.
    pub path: PathBuf,
    /// Size.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// Digests all files and tensors of a model; `advance` is told the bytes done.
pub fn custody(model: &Model, advance: &(dyn Fn(u64) + Sync)) -> Result<Custody, SourceError> {
    // SHA-256 runs along a file on one core; the tensors keep the others busy meanwhile, on the pages that it brought in.
    let (files, tensors) = rayon::join(|| file_digests(model, advance), || tensor_digests(model, advance));
    let (files, tensors) = (files?, tensors?);
    let mut lines: Vec<String> =
        tensors.iter().zip(model.tensors()).map(|(digest, tensor)| format!("{digest} {}\n", tensor.name)).collect();
    lines.sort();
    let sha256 = match &files[..model.files().len()] {
        [only] => only.sha256.clone(),
        several => {
            sha256_of(several.iter().map(|f| format!("{}  {}\n", f.sha256, f.path.file_name().unwrap_or_default().to_string_lossy())))
        }
    };
    Ok(Custody { files, sha256, tensors, tensor_root: sha256_of(lines) })
}

fn file_digests(model: &Model, advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<FileDigest>, SourceError> {
    let digest = |file: &DataFile| {
        let mut hash = Sha256::new();
        let mut buffer = vec![0u8; READ_BYTES];
        let mut offset = 0;
        while offset < file.size() {
            let n = (file.size() - offset).min(buffer.len() as u64) as usize;
            file.read_exact_at(offset, &mut buffer[..n]).map_err(|error| SourceError::Io {
                path: file.path.clone(),
                action: "read",
                error,
            })?;
            hash.update(&buffer[..n]);
            offset += n as u64;
            advance(n as u64);
        }
        Ok(FileDigest { path: file.path.clone(), bytes: file.size(), sha256: hex(&hash.finalize()) })
    };
    model.files().par_iter().chain(model.beside()).map(digest).collect()
}

fn tensor_digests(model: &Model, advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<String>, SourceError> {
    let digest = |index: usize| {
        let digest = tensor_digest(model, index)?;
        advance(model.tensors()[index].stored_bytes().unwrap_or(0));
        Ok(digest)
    };
    // One tensor a task: the largest is a large part of the whole, and nobody should wait behind it.
    (0..model.tensors().len()).into_par_iter().with_max_len(1).map(digest).collect()
}

/// Bytes that [`custody`] will report through `advance`.
pub fn custody_bytes(model: &Model) -> u64 {
    let tensors: u64 = model.tensors().iter().filter_map(|t| t.stored_bytes().ok()).sum();
    tensors + model.files().iter().chain(model.beside()).map(ReadAt::size).sum::<u64>()
}

/// Bytes of one read: large beside the cost of the call, small beside a core's second-level cache.
const READ_BYTES: usize = 256 * 1024;
/// Values widened at a time, for the same reason.
const CHUNK_VALUES: usize = 64 * 1024;
/// The same for storage that every read walks from its start: small chunks would walk it thousands of times.
const CHUNK_VALUES_WALKED: usize = 16 << 20;

/// BLAKE3 of a tensor's axes (u64, little-endian), then of its values widened to f32; forms wider than f32 are digested as stored,
/// after their name, so that no two different tensors share a digest by rounding.
fn tensor_digest(model: &Model, index: usize) -> Result<String, SourceError> {
    let tensor = &model.tensors()[index];
    let mut hash = blake3::Hasher::new();
    hash.update(&(tensor.shape.len() as u64).to_le_bytes());
    for &n in &tensor.shape {
        hash.update(&(n as u64).to_le_bytes());
    }
    if !widens(tensor) {
        hash.update(tensor.encoding.to_string().as_bytes());
        let bytes = tensor.stored_bytes().unwrap_or(0);
        let mut buffer = vec![0u8; bytes.min(READ_BYTES as u64) as usize];
        let mut offset = 0;
        while offset < bytes {
            let n = (bytes - offset).min(buffer.len() as u64);
            match model.read_raw(index, offset..offset + n, &mut buffer[..n as usize]) {
                Some(read) => read?,
                None => return digest_values(model, index, hash),
            }
            hash.update(&buffer[..n as usize]);
            offset += n;
        }
        return Ok(hash.finalize().to_hex().to_string());
    }
    digest_values(model, index, hash)
}

fn digest_values(model: &Model, index: usize, mut hash: blake3::Hasher) -> Result<String, SourceError> {
    let tensor = &model.tensors()[index];
    let is_walked =
        matches!(tensor.storage, Storage::Deflated { .. } | Storage::Varints(_) | Storage::Strided { .. } | Storage::ColumnMajor(_));
    let chunk = if is_walked { CHUNK_VALUES_WALKED } else { CHUNK_VALUES };
    let rows_at_once = (chunk / tensor.row_elements().max(1)).max(1);
    let (mut values, mut bytes) = (Vec::new(), Vec::new());
    for start in (0..tensor.rows()).step_by(rows_at_once) {
        model.read_f32(index, start..(start + rows_at_once).min(tensor.rows()), &mut values)?;
        // Little-endian on every machine; on most this is a plain copy.
        bytes.resize(values.len() * 4, 0);
        for (place, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(&values) {
            *place = value.to_le_bytes();
        }
        hash.update(&bytes);
    }
    Ok(hash.finalize().to_hex().to_string())
}

fn widens(tensor: &TensorInfo) -> bool {
    tensor.affine.is_some() || tensor.encoding.widens_exactly() || matches!(tensor.encoding, Encoding::Block(_))
}

fn sha256_of(lines: impl IntoIterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
    }
    hex(&hash.finalize())
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
