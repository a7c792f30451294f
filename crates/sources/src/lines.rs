//! JSON lines that an interruption may have cut: whole lines, and where the last of them ended.

use crate::{FormatError, SourceError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;

/// A line holds a prompt and some replies.
pub const MAX_LINE_BYTES: u64 = 16 << 20;

/// The whole lines of a file, one after another.
pub struct Lines<'a> {
    reader: BufReader<&'a File>,
    path: &'a Path,
    /// Where the last whole line that was read ends: a writer goes on from there.
    pub end: u64,
}

impl<'a> Lines<'a> {
    /// From where the file stands. `path` is for errors.
    pub fn new(file: &'a File, path: &'a Path) -> Self {
        Self { reader: BufReader::new(file), path, end: 0 }
    }

    /// The next line; `None` at the end, and where a line does not end.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is too long or no text.
    pub fn next_line(&mut self) -> Result<Option<String>, SourceError> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        let refused = |error: FormatError| Err(error.at(self.path));
        let n = match read {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                return refused(FormatError::new("path", "a folder", "a file of JSON lines"));
            }
            Err(error) => return Err(SourceError::Io { path: self.path.to_owned(), action: "read", error }),
        };
        if n as u64 == MAX_LINE_BYTES {
            return refused(FormatError::new("line", format!("{n} bytes"), format!("fewer than {MAX_LINE_BYTES}")));
        }
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        self.end += n as u64;
        match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(error) => refused(FormatError::new("line", error, "UTF-8 text")),
        }
    }

    /// The next line as a value; `what` names it where it is none: `reply 12`.
    ///
    /// # Errors
    /// As [`Self::next_line`], or if the line is something else.
    pub fn next_value<T: DeserializeOwned>(&mut self, what: impl FnOnce() -> String, expected: &str) -> Result<Option<T>, SourceError> {
        let Some(line) = self.next_line()? else { return Ok(None) };
        serde_json::from_str(&line).map(Some).map_err(|error| FormatError::new(what(), error, expected).at(self.path))
    }
}

/// Writes one line.
///
/// # Errors
/// If the writer fails.
pub fn write_line(writer: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *writer, value)?;
    writer.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_folder_is_no_file_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let opened = std::fs::File::open(folder.path()).unwrap();
        let error = super::Lines::new(&opened, folder.path()).next_line().unwrap_err().to_string();
        assert!(error.ends_with("path: found a folder, expected a file of JSON lines"), "{error}");
    }
}
