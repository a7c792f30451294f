//! The law of every reader, for property tests and fuzz targets: bytes give an error, or tensors whose bytes lie inside the file.

use sources::FormatError;
use sources::bytes::ReadAt;
use sources::store::read_f32;
use sources::tensor::{Parsed, Storage};

/// Larger tensors are not read, so that a run stays short; where they lie is checked all the same.
const MAX_READ_ELEMENTS: usize = 1 << 16;

/// Panics where `parse` breaks the law on `bytes`. Gives what was parsed, or the error.
pub(crate) fn holds(bytes: &[u8], parse: fn(&dyn ReadAt) -> Result<Parsed, FormatError>) -> Result<Parsed, FormatError> {
    let file = bytes.to_vec();
    let parsed = match parse(&file) {
        Ok(parsed) => parsed,
        Err(error) => {
            let sentence = error.to_string();
            assert!(sentence.contains(": found ") && sentence.contains(", expected "), "no sentence: {sentence}");
            return Err(error);
        }
    };
    let files = [file];
    for tensor in &parsed.tensors {
        for extent in tensor.extents() {
            let end = u128::from(extent.offset) + u128::from(extent.len);
            assert!(extent.file <= parsed.external_files.len(), "`{}` lies in a file that is not named: {extent:?}", tensor.name);
            assert!(extent.file > 0 || end <= bytes.len() as u128, "`{}` lies outside the file: {extent:?}", tensor.name);
        }
        let is_elsewhere = tensor.extents().iter().any(|extent| extent.file > 0);
        if is_elsewhere || tensor.elements() > MAX_READ_ELEMENTS {
            continue;
        }
        let mut values = Vec::new();
        match read_f32(&files, tensor, 0..tensor.rows(), &mut values) {
            Ok(()) => assert_eq!(values.len(), tensor.elements(), "`{}` was read in part", tensor.name),
            // Only what is inside a deflate stream cannot be known without inflating it.
            Err(error) => assert!(matches!(tensor.storage, Storage::Deflated { .. }), "`{}` cannot be read: {error}", tensor.name),
        }
    }
    Ok(parsed)
}
