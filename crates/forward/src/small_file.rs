//! Reads files that stand beside the weights, which are small, whole.

use sources::bytes::ReadAt;
use sources::store::DataFile;
use sources::{FormatError, SourceError};
use std::path::Path;

/// The bytes of a file; refuses more than `limit`.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let file = DataFile::open(path)?;
    if file.size() > limit {
        return Err(FormatError::new("file", format!("{} bytes", file.size()), format!("at most {limit} bytes")).at(path));
    }
    let mut bytes = vec![0; file.size() as usize];
    file.read_exact_at(0, &mut bytes).map_err(|error| SourceError::Io { path: path.to_owned(), action: "read", error })?;
    Ok(bytes)
}
