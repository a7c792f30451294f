//! Random access to bytes, and a bounded sequential reader over it. Parsers see only this, so they can be fuzzed on plain slices.

use crate::FormatError;
use std::io;

/// Bytes that can be read at any offset: a file, or a slice in tests and fuzz targets.
pub trait ReadAt: Send + Sync {
    /// Number of bytes.
    fn size(&self) -> u64;
    /// Fills `buffer` from `offset`, or fails.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let source = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(source);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buffer)
    }
}

const WINDOW_BYTES: usize = 64 * 1024;

/// Reads little-endian fields one after another, through a small window, never past the end.
pub struct ByteReader<'a> {
    source: &'a dyn ReadAt,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> ByteReader<'a> {
    /// Starts at the first byte.
    pub fn new(source: &'a dyn ReadAt) -> Self {
        Self::within(source, 0, source.size())
    }

    /// Reads only `start..end`; `end` is cut to the size of the source.
    pub fn within(source: &'a dyn ReadAt, start: u64, end: u64) -> Self {
        Self { source, position: start, end: end.min(source.size()), window: Vec::new(), window_start: 0 }
    }

    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes left.
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Fails unless `n` more bytes exist; call it before any allocation that depends on a length in the file.
    pub fn require(&self, n: u64, what: &str) -> Result<(), FormatError> {
        if n > self.remaining() {
            return Err(FormatError::new(
                what,
                format!("{} bytes left at offset {}", self.remaining(), self.position),
                format!("{n} bytes"),
            ));
        }
        Ok(())
    }

    /// Moves on without reading.
    pub fn skip(&mut self, n: u64, what: &str) -> Result<(), FormatError> {
        self.require(n, what)?;
        self.position += n;
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), FormatError> {
        let n = buffer.len() as u64;
        self.require(n, what)?;
        let window_end = self.window_start + self.window.len() as u64;
        if self.position < self.window_start || self.position + n > window_end {
            if buffer.len() >= WINDOW_BYTES {
                self.read_source(self.position, buffer, what)?;
                self.position += n;
                return Ok(());
            }
            let size = self.remaining().min(WINDOW_BYTES as u64) as usize;
            let mut window = std::mem::take(&mut self.window);
            window.resize(size, 0);
            self.read_source(self.position, &mut window, what)?;
            self.window = window;
            self.window_start = self.position;
        }
        let start = (self.position - self.window_start) as usize;
        buffer.copy_from_slice(&self.window[start..start + buffer.len()]);
        self.position += n;
        Ok(())
    }

    fn read_source(&self, offset: u64, buffer: &mut [u8], what: &str) -> Result<(), FormatError> {
        self.source
            .read_exact_at(offset, buffer)
            .map_err(|error| FormatError::new(what, error, format!("{} readable bytes at offset {offset}", buffer.len())))
    }

    /// The next `n` bytes; refuses more than `limit`.
    pub fn bytes(&mut self, n: u64, limit: u64, what: &str) -> Result<Vec<u8>, FormatError> {
        if n > limit {
            return Err(FormatError::new(what, format!("{n} bytes"), format!("at most {limit} bytes")));
        }
        self.require(n, what)?;
        let mut buffer = vec![0; n as usize];
        self.fill(&mut buffer, what)?;
        Ok(buffer)
    }

    /// The next `n` bytes as UTF-8; refuses more than `limit`.
    pub fn text(&mut self, n: u64, limit: u64, what: &str) -> Result<String, FormatError> {
        String::from_utf8(self.bytes(n, limit, what)?)
            .map_err(|error| FormatError::new(what, format!("bytes that are not UTF-8 ({error})"), "UTF-8 text"))
    }

    /// Fixed-size array of bytes.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], FormatError> {
        let mut buffer = [0; N];
        self.fill(&mut buffer, what)?;
        Ok(buffer)
    }

    /// Next byte.
    pub fn u8(&mut self, what: &str) -> Result<u8, FormatError> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Little-endian u16.
    pub fn u16(&mut self, what: &str) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    /// Little-endian u32.
    pub fn u32(&mut self, what: &str) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    /// Little-endian u64.
    pub fn u64(&mut self, what: &str) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }
}
