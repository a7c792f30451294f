//! The header of an npy array: a Python dictionary literal with three known keys, read by a parser that knows only those.

use crate::tensor::MAX_RANK;
use crate::{Encoding, FormatError};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Headers are a line of text; numpy itself refuses more than 10,000 characters.
const MAX_TEXT: u64 = 10_000;
/// Magic, version, the longer of the two length fields, text.
pub(super) const LONGEST_HEADER: u64 = 6 + 2 + 4 + MAX_TEXT;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
    /// Bytes of the header itself.
    pub(super) data_start: u64,
}

#[derive(Debug, PartialEq)]
pub(super) enum Dtype {
    Read(Encoding),
    /// A type of numpy's that this version does not read, as written.
    LeftOut(String),
}

impl Header {
    /// Reads the header at the start of `bytes`, which hold at most [`LONGEST_HEADER`] bytes of the file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(FormatError::new("npy signature", "other bytes", "`\\x93NUMPY`"));
        };
        let short = || FormatError::new("npy header", "the end of the file", "a version, a length and a header of that length");
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
        let (length, rest) = match version {
            [1, 0] => rest.split_first_chunk::<2>().map(|(n, rest)| (u64::from(u16::from_le_bytes(*n)), rest)),
            [2 | 3, 0] => rest.split_first_chunk::<4>().map(|(n, rest)| (u64::from(u32::from_le_bytes(*n)), rest)),
            [major, minor] => return Err(FormatError::unsupported("npy version", format!("{major}.{minor}"), "1.0, 2.0 or 3.0")),
        }
        .ok_or_else(short)?;
        if length > MAX_TEXT {
            return Err(FormatError::new("npy header", format!("{length} bytes"), format!("at most {MAX_TEXT} bytes")));
        }
        let text = rest.get(..length as usize).ok_or_else(short)?;
        let text = std::str::from_utf8(text).map_err(|error| FormatError::new("npy header", error, "UTF-8 text"))?;
        let data_start = (bytes.len() - rest.len()) as u64 + length;
        Literal { text, position: 0 }.header(data_start)
    }
}

/// A cursor in the dictionary literal.
struct Literal<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Literal<'a> {
    fn header(mut self, data_start: u64) -> Result<Header, FormatError> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.eat("}") {
            let key = self.string()?;
            self.expect(":")?;
            let again = match key {
                "descr" => dtype.replace(self.dtype()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                other => {
                    let found = format!("key `{}`", other.escape_debug());
                    return Err(FormatError::new("npy header", found, "only `descr`, `fortran_order` and `shape`"));
                }
            };
            if again {
                return Err(FormatError::new("npy header", format!("a second key `{key}`"), "each key once"));
            }
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        if !self.rest().is_empty() {
            return Err(self.unexpected("the end of the header"));
        }
        match (dtype, fortran_order, shape) {
            (Some(dtype), Some(fortran_order), Some(shape)) => Ok(Header { dtype, fortran_order, shape, data_start }),
            _ => Err(FormatError::new("npy header", "fewer keys", "`descr`, `fortran_order` and `shape`")),
        }
    }

    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\n']);
        self.position += rest.len() - trimmed.len();
        trimmed
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.position += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), FormatError> {
        if self.eat(token) { Ok(()) } else { Err(self.unexpected(&format!("`{token}`"))) }
    }

    fn unexpected(&mut self, expected: &str) -> FormatError {
        let next: String = self.rest().chars().take(20).collect();
        let found = if next.is_empty() { "its end".into() } else { format!("`{}` at character {}", next.escape_debug(), self.position) };
        FormatError::new("npy header", found, expected)
    }

    fn string(&mut self) -> Result<&'a str, FormatError> {
        let rest = self.rest();
        let content = rest.strip_prefix('\'').and_then(|inner| inner.split_once('\'')).map(|(content, _)| content);
        match content {
            Some(content) if !content.contains('\\') => {
                self.position += content.len() + 2;
                Ok(content)
            }
            _ => Err(self.unexpected("a string in single quotes")),
        }
    }

    fn boolean(&mut self) -> Result<bool, FormatError> {
        match (self.eat("True"), self.eat("False")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(self.unexpected("`True` or `False`")),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>, FormatError> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.eat(")") {
            let rest = self.rest();
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let Some(n) = rest.get(..digits).and_then(|digits| digits.parse().ok()) else {
                return Err(self.unexpected("the size of an axis"));
            };
            if shape.len() == MAX_RANK {
                return Err(FormatError::new("shape", "more axes", format!("at most {MAX_RANK} axes")));
            }
            shape.push(n);
            self.position += digits;
            // Python 2 wrote long integers so.
            self.eat("L");
            if !self.eat(",") {
                self.expect(")")?;
                // `(3)` is a number to Python, not a shape.
                if shape.len() == 1 {
                    return Err(self.unexpected("`,` after the only axis"));
                }
                break;
            }
        }
        Ok(shape)
    }

    fn dtype(&mut self) -> Result<Dtype, FormatError> {
        if self.rest().starts_with('[') {
            // The fields of a structured type; nested brackets and quotes are of no interest.
            return Err(FormatError::unsupported("structured npy dtype", "a list of fields", "a single number type"));
        }
        let descr = self.string()?;
        let (order, kind) = descr.split_at_checked(1).unwrap_or(("", descr));
        let encoding = match (order, kind) {
            (_, kind) if kind.starts_with('O') => {
                return Err(FormatError::new(
                    "npy dtype",
                    format!("`{}`, Python objects", descr.escape_debug()),
                    "numbers; object arrays are pickles and are never unpickled",
                ));
            }
            (">", _) => return Ok(Dtype::LeftOut(format!("`{}` (big-endian)", descr.escape_debug()))),
            ("<", "f2") => Encoding::F16,
            ("<", "f4") => Encoding::F32,
            ("<", "f8") => Encoding::F64,
            ("<", "i2") => Encoding::I16,
            ("<", "i4") => Encoding::I32,
            ("<", "i8") => Encoding::I64,
            ("<", "u2") => Encoding::U16,
            ("<", "u4") => Encoding::U32,
            ("<", "u8") => Encoding::U64,
            ("<" | "|", "i1") => Encoding::I8,
            ("<" | "|", "u1") => Encoding::U8,
            ("<" | "|", "b1") => Encoding::Bool,
            _ => return Ok(Dtype::LeftOut(format!("`{}`", descr.escape_debug()))),
        };
        Ok(Dtype::Read(encoding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, String> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        Header::parse(&bytes).map_err(|error| error.to_string())
    }

    /// The text that `numpy.save` writes for `np.zeros((3, 4), 'f4')`, numpy 2.4.6, less its padding.
    #[test]
    fn the_header_of_numpy_is_read() {
        let found = header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n");
        assert_eq!(found, Ok(Header { dtype: Dtype::Read(Encoding::F32), fortran_order: false, shape: vec![3, 4], data_start: 73 }));
    }

    #[test]
    fn shapes_of_zero_and_one_axis_are_read() {
        let shape = |text: &str| header(&format!("{{'shape': {text}, 'fortran_order': True, 'descr': '|b1'}}")).map(|header| header.shape);
        assert_eq!(shape("()"), Ok(vec![]));
        assert_eq!(shape("(5,)"), Ok(vec![5]));
        assert_eq!(shape("(5L, 6L)"), Ok(vec![5, 6]));
        assert_eq!(
            shape("(5)"),
            Err("npy header: found `, \\'fortran_order\\': T` at character 13, expected `,` after the only axis".into())
        );
    }

    #[test]
    fn other_text_is_refused() {
        for (text, sentence) in [
            ("", "npy header: found its end, expected `{`"),
            ("{}", "npy header: found fewer keys, expected `descr`, `fortran_order` and `shape`"),
            ("{'shape': (1,), 'shape': (2,)}", "npy header: found a second key `shape`, expected each key once"),
            ("{'code': 1}", "npy header: found key `code`, expected only `descr`, `fortran_order` and `shape`"),
            ("{'shape': (-1,)}", "npy header: found `-1,)}` at character 11, expected the size of an axis"),
            (
                "{'shape': (99999999999999999999,)}",
                "npy header: found `99999999999999999999` at character 11, expected the size of an axis",
            ),
            ("{'fortran_order': 1}", "npy header: found `1}` at character 18, expected `True` or `False`"),
            (
                "{'descr': '|O'}",
                "npy dtype: found `|O`, Python objects, expected numbers; object arrays are pickles and are never unpickled",
            ),
            (
                "{'descr': [('a', '<f4')]}",
                "structured npy dtype is not supported yet: found a list of fields, expected a single number type",
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
                "npy header: found `x` at character 54, expected the end of the header",
            ),
        ] {
            assert_eq!(header(text), Err(sentence.into()), "{text}");
        }
    }
}
