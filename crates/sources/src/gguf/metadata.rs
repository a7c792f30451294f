//! The key-value pairs at the head of a GGUF file.

use crate::FormatError;
use crate::bytes::ByteReader;
use crate::tensor::{MAX_DEPTH, MAX_HEADER_BYTES, MAX_NAME_BYTES, MetaValue};
use std::collections::BTreeMap;

/// Pairs of one file; published files have fewer than a hundred.
pub(super) const MAX_PAIRS: u64 = 1 << 16;
/// Values of one file, those inside arrays included. A vocabulary of 300,000 tokens with scores, types and merges has 1.5 million.
const MAX_VALUES: u64 = 1 << 22;
/// Key length, type and one byte of value: what the shortest pair takes.
const MIN_PAIR_BYTES: u64 = 8 + 4 + 1;

/// Reads `n_pairs` pairs. Memory is bounded by [`MAX_VALUES`] and [`MAX_HEADER_BYTES`], whatever the lengths in the file say.
pub(super) fn read(reader: &mut ByteReader<'_>, n_pairs: u64) -> Result<BTreeMap<String, MetaValue>, FormatError> {
    reader.require(n_pairs * MIN_PAIR_BYTES, "metadata")?;
    let mut values = Values { end: reader.position() + MAX_HEADER_BYTES, left: MAX_VALUES, reader };
    let mut pairs = BTreeMap::new();
    for _ in 0..n_pairs {
        let key_bytes = values.reader.u64("metadata key")?;
        let key = values.reader.text(key_bytes, MAX_NAME_BYTES, "metadata key")?;
        let what = format!("metadata `{}`", key.escape_debug());
        let kind = values.reader.u32(&what)?;
        let value = values.value(kind, 0, &what)?;
        if pairs.insert(key, value).is_some() {
            return Err(FormatError::new(what, "the same key twice", "unique keys"));
        }
    }
    Ok(pairs)
}

/// How messages call the type of a value.
pub(super) fn kind_of(value: &MetaValue) -> &'static str {
    match value {
        MetaValue::Bool(_) => "a boolean",
        MetaValue::Unsigned(_) => "an unsigned integer",
        MetaValue::Signed(_) => "a signed integer",
        MetaValue::Float(_) => "a floating-point number",
        MetaValue::Text(_) => "a text",
        MetaValue::Array(_) => "an array",
    }
}

/// Reads values within what is left of the limits.
struct Values<'r, 'a> {
    reader: &'r mut ByteReader<'a>,
    /// No text or array may start or end behind this offset.
    end: u64,
    /// Values that may still be made.
    left: u64,
}

impl Values<'_, '_> {
    fn value(&mut self, kind: u32, depth: usize, what: &str) -> Result<MetaValue, FormatError> {
        let reader = &mut *self.reader;
        Ok(match kind {
            0 => MetaValue::Unsigned(reader.u8(what)?.into()),
            1 => MetaValue::Signed(reader.u8(what)?.cast_signed().into()),
            2 => MetaValue::Unsigned(reader.u16(what)?.into()),
            3 => MetaValue::Signed(reader.u16(what)?.cast_signed().into()),
            4 => MetaValue::Unsigned(reader.u32(what)?.into()),
            5 => MetaValue::Signed(reader.u32(what)?.cast_signed().into()),
            6 => MetaValue::Float(f32::from_le_bytes(reader.array(what)?).into()),
            7 => match reader.u8(what)? {
                byte @ (0 | 1) => MetaValue::Bool(byte == 1),
                byte => return Err(FormatError::new(what, format!("byte {byte}"), "0 or 1 for a boolean")),
            },
            8 => {
                let n = reader.u64(what)?;
                let limit = self.end.saturating_sub(reader.position());
                MetaValue::Text(reader.text(n, limit, what)?)
            }
            9 => self.array(depth, what)?,
            10 => MetaValue::Unsigned(reader.u64(what)?),
            11 => MetaValue::Signed(reader.u64(what)?.cast_signed()),
            12 => MetaValue::Float(f64::from_le_bytes(reader.array(what)?)),
            _ => return Err(FormatError::new(what, format!("value type {kind}"), "a value type from 0 to 12")),
        })
    }

    fn array(&mut self, depth: usize, what: &str) -> Result<MetaValue, FormatError> {
        if depth == MAX_DEPTH {
            return Err(FormatError::new(what, format!("arrays nested more than {MAX_DEPTH} deep"), format!("at most {MAX_DEPTH} levels")));
        }
        let kind = self.reader.u32(what)?;
        let n = self.reader.u64(what)?;
        if n > self.left {
            return Err(FormatError::new(what, format!("{n} values"), format!("at most {MAX_VALUES} values in all metadata")));
        }
        self.left -= n;
        self.reader.require(n * least_bytes(kind), what)?;
        // What the file cannot hold was refused above.
        let mut values = Vec::with_capacity(n as usize);
        for _ in 0..n {
            values.push(self.value(kind, depth + 1, what)?);
        }
        Ok(MetaValue::Array(values))
    }
}

/// Bytes of the shortest value of a type.
fn least_bytes(kind: u32) -> u64 {
    match kind {
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        9 => 12,
        _ => 1,
    }
}
