//! Files of JSON lines that others wrote: one value a line, read strictly.

use crate::Error;
use serde::de::DeserializeOwned;
use sources::FormatError;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a line.
const MAX_LINE_BYTES: u64 = 16 << 20;
/// The longest first line that says which form a file has.
const FIRST_LINE_BYTES: u64 = 1 << 16;
/// Lines of a file.
const MAX_LINES: usize = 10_000_000;

/// The schema that the first line of a file names, if it is JSON that names one.
pub(crate) fn schema(path: &Path) -> Result<Option<String>, Error> {
    let io = |error| Error::Io { action: "read", path: path.to_owned(), error };
    let mut first = Vec::new();
    BufReader::new(File::open(path).map_err(io)?).take(FIRST_LINE_BYTES).read_until(b'\n', &mut first).map_err(io)?;
    Ok(serde_json::from_slice::<serde_json::Value>(&first).ok().and_then(|line| Some(line["schema"].as_str()?.to_owned())))
}

/// Every line that is not empty, in its order. `expected` says what a line should be.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, expected: &str) -> Result<Vec<T>, Error> {
    let io = |error| Error::Io { action: "read", path: path.to_owned(), error };
    let wrong = |place: usize, found: String| Error::from(FormatError::new(format!("line {place}"), found, expected.to_owned()).at(path));
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut values = Vec::new();
    let mut line = Vec::new();
    for place in 1.. {
        line.clear();
        let read = file.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line).map_err(io)?;
        if read == 0 {
            break;
        }
        if read as u64 > MAX_LINE_BYTES {
            return Err(wrong(place, format!("more than {MAX_LINE_BYTES} bytes")));
        }
        if values.len() >= MAX_LINES {
            return Err(wrong(place, format!("more than {MAX_LINES} lines")));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // serde's sentence says where in the line; its line number is always 1.
        let value =
            serde_json::from_slice(&line).map_err(|error| wrong(place, error.to_string().replace(" at line 1 column", " at column")))?;
        values.push(value);
    }
    if values.is_empty() {
        return Err(FormatError::new("file", "no line", expected.to_owned()).at(path).into());
    }
    Ok(values)
}
