//! The protobuf wire format, walked strictly: one field after another, payloads kept as places and never read here.

use crate::FormatError;
use crate::bytes::{ByteReader, ReadAt};

/// A run of bytes of the parsed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// What the tag of a field announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// A number of up to ten bytes, already read.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64,
    /// A length and as many bytes: text, a message, or packed numbers.
    Bytes,
    /// Four bytes, little-endian.
    Fixed32,
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) wire: Wire,
    /// The payload, without tag and length.
    pub(super) span: Span,
    message: &'static str,
}

impl Field {
    /// The payload of a text, message or packed field.
    pub(super) fn bytes(&self) -> Result<Span, FormatError> {
        match self.wire {
            Wire::Bytes => Ok(self.span),
            _ => Err(self.wrong_wire("bytes with a length")),
        }
    }

    /// The value of a number field.
    pub(super) fn varint(&self) -> Result<u64, FormatError> {
        match self.wire {
            Wire::Varint(value) => Ok(value),
            _ => Err(self.wrong_wire("a varint")),
        }
    }

    /// The error of a field whose wire type is not the one its schema has.
    pub(super) fn wrong_wire(&self, expected: &str) -> FormatError {
        let found = match self.wire {
            Wire::Varint(_) => "a varint",
            Wire::Fixed64 => "8 bytes",
            Wire::Bytes => "bytes with a length",
            Wire::Fixed32 => "4 bytes",
        };
        FormatError::new(format!("field {} of {}", self.number, self.message), found, expected)
    }
}

/// The fields of one message, in file order.
pub(super) struct Fields<'a> {
    reader: ByteReader<'a>,
    message: &'static str,
}

impl<'a> Fields<'a> {
    /// Walks the message that fills `span`; `message` is its name in the ONNX schema, for errors.
    pub(super) fn new(source: &'a dyn ReadAt, span: Span, message: &'static str) -> Self {
        Self { reader: ByteReader::within(source, span.offset, span.offset.saturating_add(span.len)), message }
    }

    /// The next field, or `None` at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<Field>, FormatError> {
        if self.reader.remaining() == 0 {
            return Ok(None);
        }
        let tag = varint(&mut self.reader, "field tag")?;
        let (number, wire_type) = (tag >> 3, tag & 7);
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(FormatError::new(format!("field number in {}", self.message), number, format!("1 to {MAX_FIELD_NUMBER}")));
        }
        let mut offset = self.reader.position();
        let (wire, len) = match wire_type {
            0 => {
                let value = varint(&mut self.reader, "varint")?;
                (Wire::Varint(value), self.reader.position() - offset)
            }
            1 => (Wire::Fixed64, 8),
            2 => {
                let len = varint(&mut self.reader, "length of a field")?;
                offset = self.reader.position();
                (Wire::Bytes, len)
            }
            5 => (Wire::Fixed32, 4),
            other => {
                let found = if other == 3 || other == 4 { format!("{other} (a group)") } else { other.to_string() };
                return Err(FormatError::new(format!("wire type of field {number} of {}", self.message), found, "0, 1, 2 or 5"));
            }
        };
        if !matches!(wire, Wire::Varint(_)) {
            if len > self.reader.remaining() {
                return Err(FormatError::new(
                    format!("length of field {number} of {}", self.message),
                    format!("{len} bytes"),
                    format!("at most the {} bytes left in the message", self.reader.remaining()),
                ));
            }
            self.reader.skip(len, "payload of a field")?;
        }
        Ok(Some(Field { number, wire, span: Span { offset, len }, message: self.message }))
    }
}

/// The largest field number that protobuf allows.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// Reads one varint of at most ten bytes.
pub(super) fn varint(reader: &mut ByteReader<'_>, what: &str) -> Result<u64, FormatError> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = reader.u8(what)?;
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(FormatError::new(what, "more than 64 bits", "a varint of at most ten bytes"))
}

/// Counts the varints that fill `span`, and fails unless each is whole.
pub(super) fn count_varints(source: &dyn ReadAt, span: Span) -> Result<u64, FormatError> {
    let mut reader = ByteReader::within(source, span.offset, span.offset.saturating_add(span.len));
    let mut count = 0;
    while reader.remaining() > 0 {
        varint(&mut reader, "packed varint")?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Wire, Span)>, FormatError> {
        let bytes = bytes.to_vec();
        let mut fields = Fields::new(&bytes, Span { offset: 0, len: bytes.size() }, "Message");
        let mut all = Vec::new();
        while let Some(field) = fields.next()? {
            all.push((field.number, field.wire, field.span));
        }
        Ok(all)
    }

    /// Bytes: the encoding guide of protobuf, "A Simple Message" (`08 96 01` is field 1 = 150) and its string "testing".
    #[test]
    fn the_encoding_guide_s_examples() {
        assert_eq!(fields(&[0x08, 0x96, 0x01]).unwrap(), [(1, Wire::Varint(150), Span { offset: 1, len: 2 })]);
        assert_eq!(fields(b"\x12\x07testing").unwrap(), [(2, Wire::Bytes, Span { offset: 2, len: 7 })]);
    }

    #[test]
    fn an_unknown_wire_type_is_refused() {
        assert_eq!(fields(&[0x0f]).unwrap_err().to_string(), "wire type of field 1 of Message: found 7, expected 0, 1, 2 or 5");
    }

    proptest! {
        /// A varint that was written is read back.
        #[test]
        fn varints_round_trip(value: u64) {
            let (mut rest, mut bytes) = (value, Vec::new());
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
            prop_assert_eq!(varint(&mut ByteReader::new(&bytes), "varint").unwrap(), value);
            prop_assert_eq!(count_varints(&bytes, Span { offset: 0, len: bytes.size() }).unwrap(), 1);
        }

        /// On any bytes: an error, or fields that lie inside them.
        #[test]
        fn fields_lie_inside(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for (_, _, span) in fields(&bytes).unwrap_or_default() {
                prop_assert!(span.offset + span.len <= bytes.size());
            }
        }
    }
}
