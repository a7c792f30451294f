//! The directory of a zip file: names and places of entries, for the formats that are zip files (PyTorch, npz).
//!
//! Strict where general zip readers are lenient, because a file that two readers understand differently is no evidence:
//! names are unique, entries do not overlap, the directory ends where its end record begins, both headers of an entry agree.
//! Nothing is allocated by a number of the file before the bytes that number speaks of are known to exist.

use crate::FormatError;
use crate::bytes::{ByteReader, ReadAt};
use crate::store::Stream;
use crate::tensor::{Extent, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_TENSORS};
use std::collections::BTreeMap;
use std::io::Read;

/// Entries of one archive: a tensor each, and the source code of a TorchScript module.
const MAX_ENTRIES: u64 = 4 * MAX_TENSORS;
/// A deflate stream cannot expand further; a directory that claims more is lying.
const MAX_DEFLATE_RATIO: u64 = 1032;

const END_SIGNATURE: u32 = 0x0605_4b50;
const END_BYTES: u64 = 22;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const END64_BYTES: u64 = 56;
const LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const LOCATOR_BYTES: u64 = 20;
const ENTRY_SIGNATURE: u32 = 0x0201_4b50;
const ENTRY_BYTES: u64 = 46;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const LOCAL_BYTES: u64 = 30;
/// Stands in a 16-bit or 32-bit field whose value is in the zip64 record.
const IN_ZIP64: u64 = 0xffff_ffff;

/// How the bytes of an entry are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Stored,
    /// One deflate stream.
    Deflated,
}

/// One file inside the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The full name, with slashes.
    pub name: String,
    /// How its bytes are packed.
    pub packing: Packing,
    /// Its packed bytes in the archive file.
    pub extent: Extent,
    /// Number of unpacked bytes, as the directory says.
    pub size: u64,
}

/// The entries of an archive, in directory order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
}

impl Archive {
    /// Reads the directory and each entry's local header.
    pub fn read(source: &dyn ReadAt) -> Result<Self, FormatError> {
        let directory = Directory::find(source)?;
        let mut reader = ByteReader::within(source, directory.start, directory.end);
        let mut entries = Vec::new();
        let mut by_name = BTreeMap::new();
        let mut ranges = Vec::new();
        for _ in 0..directory.n_entries {
            let (entry, header) = read_entry(source, &mut reader, directory.start)?;
            if by_name.insert(entry.name.clone(), entries.len()).is_some() {
                return Err(FormatError::new("zip entry name", format!("`{}` twice", entry.name.escape_debug()), "unique names"));
            }
            ranges.push((header, entry.extent.offset + entry.extent.len, entries.len()));
            entries.push(entry);
        }
        if reader.remaining() > 0 {
            return Err(FormatError::new(
                "zip directory",
                format!("{} bytes after its {} entries", reader.remaining(), directory.n_entries),
                "none",
            ));
        }
        refuse_overlaps(&entries, ranges)?;
        Ok(Self { entries, by_name })
    }

    /// All entries, in directory order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).and_then(|&index| self.entries.get(index))
    }
}

impl Entry {
    /// Whether this is a directory's own entry, which holds nothing.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// All unpacked bytes; refuses more than `limit`.
    pub fn contents(&self, source: &dyn ReadAt, limit: u64) -> Result<Vec<u8>, FormatError> {
        let what = || format!("zip entry `{}`", self.name.escape_debug());
        if self.size > limit {
            return Err(FormatError::new(what(), format!("{} bytes", self.size), format!("at most {limit} bytes")));
        }
        let contents = self.beginning(source, self.size.saturating_add(1))?;
        if contents.len() as u64 != self.size {
            let found = if contents.len() as u64 > self.size { "more bytes than that".into() } else { format!("{} bytes", contents.len()) };
            return Err(FormatError::new(what(), found, format!("{} bytes, as its directory entry says", self.size)));
        }
        Ok(contents)
    }

    /// The first unpacked bytes: `n`, or fewer where the entry is shorter.
    pub fn beginning(&self, source: &dyn ReadAt, n: u64) -> Result<Vec<u8>, FormatError> {
        let packed = Stream::of(source, self.extent);
        let mut contents = Vec::new();
        match self.packing {
            Packing::Stored => packed.take(n).read_to_end(&mut contents),
            Packing::Deflated => flate2::read::DeflateDecoder::new(packed).take(n).read_to_end(&mut contents),
        }
        .map_err(|error| FormatError::new(format!("zip entry `{}`", self.name.escape_debug()), error, "readable bytes"))?;
        Ok(contents)
    }
}

/// Where the central directory lies.
struct Directory {
    start: u64,
    end: u64,
    n_entries: u64,
}

impl Directory {
    fn find(source: &dyn ReadAt) -> Result<Self, FormatError> {
        let at = find_end_record(source)?;
        let mut reader = ByteReader::within(source, at + 4, source.size());
        const WHAT: &str = "zip end record";
        let disks = [reader.u16(WHAT)?, reader.u16(WHAT)?];
        let on_this_disk = reader.u16(WHAT)?;
        let n_entries = reader.u16(WHAT)?;
        let size = reader.u32(WHAT)?;
        let start = reader.u32(WHAT)?;
        let needs_zip64 = n_entries == u16::MAX || u64::from(size) == IN_ZIP64 || u64::from(start) == IN_ZIP64;
        let directory = if needs_zip64 {
            Self::find_zip64(source, at)?
        } else {
            if disks != [0, 0] || on_this_disk != n_entries {
                return Err(FormatError::unsupported("zip file in several parts", format!("part {}", disks[0]), "a single file"));
            }
            let (start, size) = (u64::from(start), u64::from(size));
            // The zip64 records are written by some programs, PyTorch among them, even where nothing needs them.
            let end = if at >= LOCATOR_BYTES && signature(source, at - LOCATOR_BYTES) == Some(LOCATOR_SIGNATURE) {
                locate_zip64(source, at)?
            } else {
                at
            };
            Self { start, end: check_end(start, size, end)?, n_entries: u64::from(n_entries) }
        };
        let size = directory.end - directory.start;
        if size > MAX_HEADER_BYTES {
            return Err(FormatError::new("zip directory", format!("{size} bytes"), format!("at most {MAX_HEADER_BYTES} bytes")));
        }
        let most = MAX_ENTRIES.min(size / ENTRY_BYTES);
        if directory.n_entries > most {
            return Err(FormatError::new(
                "number of zip entries",
                directory.n_entries,
                format!("at most {most} for a directory of {size} bytes"),
            ));
        }
        Ok(directory)
    }

    fn find_zip64(source: &dyn ReadAt, end_record: u64) -> Result<Self, FormatError> {
        const WHAT: &str = "zip64 end record";
        let at = locate_zip64(source, end_record)?;
        let mut reader = ByteReader::within(source, at + 4, end_record);
        reader.skip(8 + 2 + 2, WHAT)?;
        let disks = [reader.u32(WHAT)?, reader.u32(WHAT)?];
        let on_this_disk = reader.u64(WHAT)?;
        let n_entries = reader.u64(WHAT)?;
        let size = reader.u64(WHAT)?;
        let start = reader.u64(WHAT)?;
        if disks != [0, 0] || on_this_disk != n_entries {
            return Err(FormatError::unsupported("zip file in several parts", format!("part {}", disks[0]), "a single file"));
        }
        Ok(Self { start, end: check_end(start, size, at)?, n_entries })
    }
}

/// The offset of the zip64 end record, from the locator before the end record.
fn locate_zip64(source: &dyn ReadAt, end_record: u64) -> Result<u64, FormatError> {
    const WHAT: &str = "zip64 locator";
    let at = end_record.saturating_sub(LOCATOR_BYTES);
    let mut reader = ByteReader::within(source, at, end_record);
    let found = reader.u32(WHAT)?;
    if found != LOCATOR_SIGNATURE {
        return Err(FormatError::new(WHAT, format!("signature {found:#010x}"), format!("{LOCATOR_SIGNATURE:#010x}")));
    }
    reader.skip(4, WHAT)?;
    let record = reader.u64(WHAT)?;
    let fits = record.checked_add(END64_BYTES).is_some_and(|end| end <= at);
    if !fits || signature(source, record) != Some(END64_SIGNATURE) {
        return Err(FormatError::new(WHAT, format!("no zip64 end record at offset {record}"), "one there"));
    }
    Ok(record)
}

/// Refuses a directory that does not reach up to its end record: what lies between is seen by some readers only.
fn check_end(start: u64, size: u64, end_record: u64) -> Result<u64, FormatError> {
    match start.checked_add(size) {
        Some(end) if end == end_record => Ok(end),
        _ => Err(FormatError::new(
            "zip directory",
            format!("{size} bytes at offset {start}"),
            format!("an end at offset {end_record}, where its end record begins"),
        )),
    }
}

fn signature(source: &dyn ReadAt, at: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    source.read_exact_at(at, &mut bytes).ok().map(|()| u32::from_le_bytes(bytes))
}

/// The end record is the last thing in the file but for its own comment.
fn find_end_record(source: &dyn ReadAt) -> Result<u64, FormatError> {
    let size = source.size();
    let tail = size.min(END_BYTES + u64::from(u16::MAX));
    let start = size - tail;
    let bytes = ByteReader::within(source, start, size).bytes(tail, tail, "zip end record")?;
    let is_end_record = |at: &usize| {
        bytes.get(*at..*at + 4) == Some(&END_SIGNATURE.to_le_bytes())
            && bytes
                .get(*at + 20..*at + 22)
                .is_some_and(|n| *at as u64 + END_BYTES + n.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)) == tail)
    };
    match (0..bytes.len()).rev().find(is_end_record) {
        Some(at) => Ok(start + at as u64),
        None => Err(FormatError::new("zip end record", "none at the end of the file", "one: the file is cut short or no zip file")),
    }
}

/// One entry, and the offset of its local header.
fn read_entry(source: &dyn ReadAt, reader: &mut ByteReader<'_>, directory_start: u64) -> Result<(Entry, u64), FormatError> {
    const WHAT: &str = "zip directory entry";
    let found = reader.u32(WHAT)?;
    if found != ENTRY_SIGNATURE {
        return Err(FormatError::new(WHAT, format!("signature {found:#010x}"), format!("{ENTRY_SIGNATURE:#010x}")));
    }
    reader.skip(4, WHAT)?;
    let flags = reader.u16(WHAT)?;
    let method = reader.u16(WHAT)?;
    reader.skip(2 + 2 + 4, WHAT)?;
    let mut packed = u64::from(reader.u32(WHAT)?);
    let mut size = u64::from(reader.u32(WHAT)?);
    let name_bytes = u64::from(reader.u16(WHAT)?);
    let extra_bytes = u64::from(reader.u16(WHAT)?);
    let comment_bytes = u64::from(reader.u16(WHAT)?);
    reader.skip(2 + 2 + 4, WHAT)?;
    let mut offset = u64::from(reader.u32(WHAT)?);
    let name = reader.text(name_bytes, MAX_NAME_BYTES, "zip entry name")?;
    read_zip64_field(reader, extra_bytes, [&mut size, &mut packed, &mut offset])?;
    reader.skip(comment_bytes, WHAT)?;

    let what = || format!("zip entry `{}`", name.escape_debug());
    if flags & 1 != 0 {
        return Err(FormatError::new(what(), "encrypted bytes", "plain ones"));
    }
    let packing = match method {
        0 => Packing::Stored,
        8 => Packing::Deflated,
        other => return Err(FormatError::unsupported(what(), format!("compression method {other}"), "stored (0) or deflated (8)")),
    };
    if packing == Packing::Stored && size != packed {
        return Err(FormatError::new(what(), format!("{packed} stored bytes"), format!("{size}, its unpacked size")));
    }
    if packing == Packing::Deflated && size / MAX_DEFLATE_RATIO > packed {
        return Err(FormatError::new(
            what(),
            format!("{size} bytes out of {packed} deflated ones"),
            format!("at most {MAX_DEFLATE_RATIO} to one"),
        ));
    }
    let start = data_start(source, offset, directory_start, &name)?;
    if start.checked_add(packed).is_none_or(|end| end > directory_start) {
        return Err(FormatError::new(
            what(),
            format!("{packed} bytes at offset {start}"),
            format!("a range before the directory at offset {directory_start}"),
        ));
    }
    Ok((Entry { packing, extent: Extent { file: 0, offset: start, len: packed }, size, name }, offset))
}

/// Replaces the fields that the directory entry could not hold, in the order that the zip64 extra field has them.
fn read_zip64_field(reader: &mut ByteReader<'_>, extra_bytes: u64, fields: [&mut u64; 3]) -> Result<(), FormatError> {
    const WHAT: &str = "zip extra field";
    let mut left = extra_bytes;
    let mut fields: Vec<&mut u64> = fields.into_iter().filter(|field| **field == IN_ZIP64).collect();
    reader.require(extra_bytes, WHAT)?;
    while left >= 4 {
        let id = reader.u16(WHAT)?;
        let len = u64::from(reader.u16(WHAT)?);
        left -= 4;
        if len > left {
            return Err(FormatError::new(WHAT, format!("{len} bytes"), format!("at most {left} bytes")));
        }
        left -= len;
        let mut unread = len;
        if id == 1 {
            for field in fields.drain(..) {
                unread = unread.checked_sub(8).ok_or_else(|| FormatError::new("zip64 extra field", format!("{len} bytes"), "8 a value"))?;
                *field = reader.u64(WHAT)?;
            }
        }
        reader.skip(unread, WHAT)?;
    }
    reader.skip(left, WHAT)?;
    if fields.is_empty() { Ok(()) } else { Err(FormatError::new("zip64 extra field", "none", "one with the sizes of the entry")) }
}

/// Where the bytes of an entry begin: behind its local header, whose name must be the directory's.
fn data_start(source: &dyn ReadAt, offset: u64, directory_start: u64, name: &str) -> Result<u64, FormatError> {
    const WHAT: &str = "zip local header";
    let fail = |found: String, expected: String| FormatError::new(format!("{WHAT} of `{}`", name.escape_debug()), found, expected);
    if offset.checked_add(LOCAL_BYTES).is_none_or(|end| end > directory_start) {
        return Err(fail(format!("offset {offset}"), format!("one before the directory at offset {directory_start}")));
    }
    // A window no larger than a header needs: an archive has thousands of them.
    let mut reader = ByteReader::within(source, offset, directory_start.min(offset + LOCAL_BYTES + MAX_NAME_BYTES));
    let header: [u8; LOCAL_BYTES as usize] = reader.array(WHAT)?;
    let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    if header[..4] != LOCAL_SIGNATURE.to_le_bytes() {
        return Err(fail("another signature".into(), format!("{LOCAL_SIGNATURE:#010x}")));
    }
    let found = reader.bytes(u64::from(field(26)), MAX_NAME_BYTES, WHAT)?;
    if found != name.as_bytes() {
        return Err(fail(format!("the name `{}`", String::from_utf8_lossy(&found).escape_debug()), "the directory's name".into()));
    }
    Ok(reader.position() + u64::from(field(28)))
}

/// Entries that share bytes are how a small file claims to hold a large one. `ranges` run from local header to end of data.
fn refuse_overlaps(entries: &[Entry], mut ranges: Vec<(u64, u64, usize)>) -> Result<(), FormatError> {
    ranges.sort_unstable();
    let name = |index: usize| entries.get(index).map_or_else(String::new, |entry| entry.name.escape_debug().to_string());
    for pair in ranges.windows(2) {
        let [(_, end, owner), (next, _, index)] = [pair[0], pair[1]];
        if end > next {
            return Err(FormatError::new(
                format!("zip entry `{}`", name(index)),
                format!("offset {next} inside `{}`", name(owner)),
                format!("an offset of at least {end}"),
            ));
        }
    }
    Ok(())
}
