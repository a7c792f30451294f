//! The chain of custody: every file that was read, with a digest that any other tool can repeat.

use crate::Error;
use report::data;
use sha2::{Digest as _, Sha256};
use sources::digest::{Custody, hex};
use std::io::Read as _;
use std::path::Path;

pub(crate) fn custody_files(side: data::SideRole, custody: &Custody) -> Vec<data::CustodyFile> {
    custody
        .files
        .iter()
        .map(|file| data::CustodyFile { side, path: file.path.display().to_string(), bytes: file.bytes, sha256: file.sha256.clone() })
        .collect()
}

/// A file that is no model's: a log, twins, texts, a key.
pub(crate) fn custody_file(side: data::SideRole, path: &Path) -> Result<data::CustodyFile, Error> {
    let bytes = std::fs::metadata(path).map_err(|error| Error::Io { action: "read", path: path.to_owned(), error })?.len();
    Ok(data::CustodyFile { side, path: path.display().to_string(), bytes, sha256: file_digest(path)? })
}

/// SHA-256 of a file.
pub(crate) fn file_digest(path: &Path) -> Result<String, Error> {
    let io = |error| Error::Io { action: "read", path: path.to_owned(), error };
    let (mut file, mut hasher, mut piece) = (std::fs::File::open(path).map_err(io)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        let n = file.read(&mut piece).map_err(io)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&piece[..n]);
    }
}
