//! A key in a file: strict TOML, `urn:filiation:watermark-key:v1`.

use super::{Scheme, Synthid, Watermark};
use serde::{Deserialize, Serialize};
use sources::digest::hex;
use sources::store::read_whole;
use sources::{FormatError, SourceError};
use std::path::Path;

/// Names the form of the file.
pub const KEY_SCHEMA: &str = "urn:filiation:watermark-key:v1";
/// A key, five numbers and comments.
const MAX_FILE_BYTES: u64 = 1 << 16;

/// What a key file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum WatermarkKey {
    /// One of the schemes that draw here.
    Drawn(Watermark),
    /// SynthID-Text's, which is only looked for.
    Synthid(Synthid),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    scheme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gamma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ngram_len: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_table_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_table_seed: Option<u64>,
}

impl WatermarkKey {
    /// Reads a key file. No sentence of an error holds a key.
    ///
    /// # Errors
    /// If it cannot be read, or is no key file.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let bytes = read_whole(path, MAX_FILE_BYTES)?;
        let text =
            std::str::from_utf8(&bytes).map_err(|_| FormatError::new("key file", "bytes that are no text", "UTF-8 text").at(path))?;
        Self::parse(text).map_err(|error| error.at(path))
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let file: File = toml::from_str(text).map_err(|error| FormatError::new("key file", without_keys(error.message()), "its keys"))?;
        if file.schema != KEY_SCHEMA {
            return Err(FormatError::new("schema of the key file", "another", format!("`{KEY_SCHEMA}`")));
        }
        match file.scheme.as_str() {
            "kgw" => {
                file.lacks(&[("ngram_len", file.ngram_len.is_some()), ("keys", file.keys.is_some())])?;
                file.lacks_table()?;
                let scheme = Scheme::Kgw { gamma: needed("gamma", file.gamma)?, delta: needed("delta", file.delta)? };
                file.drawn(scheme)
            }
            "gumbel" => {
                file.lacks(&[("gamma", file.gamma.is_some()), ("delta", file.delta.is_some())])?;
                file.lacks(&[("ngram_len", file.ngram_len.is_some()), ("keys", file.keys.is_some())])?;
                file.lacks_table()?;
                file.drawn(Scheme::Gumbel)
            }
            "synthid" => {
                file.lacks(&[("gamma", file.gamma.is_some()), ("delta", file.delta.is_some())])?;
                file.lacks(&[("window", file.window.is_some()), ("key", file.key.is_some())])?;
                let keys = needed("keys", file.keys)?;
                let (size, seed) = (file.sampling_table_size.unwrap_or(1 << 16), file.sampling_table_seed.unwrap_or(0));
                Ok(Self::Synthid(Synthid::new(needed("ngram_len", file.ngram_len)?, keys, size, seed)?))
            }
            _ => Err(FormatError::new("scheme of the key file", "another", "kgw, gumbel or synthid")),
        }
    }

    /// SHA-256 of the key or keys, in hexadecimal.
    pub fn digest(&self) -> String {
        match self {
            Self::Drawn(watermark) => watermark.digest(),
            Self::Synthid(synthid) => synthid.digest(),
        }
    }

    /// As the file has it.
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Drawn(watermark) => watermark.scheme().name(),
            Self::Synthid(_) => "synthid",
        }
    }
}

impl Watermark {
    /// The text of its key file, which holds the key.
    ///
    /// # Errors
    /// Never, as far as the types say what TOML can hold.
    pub fn key_file(&self) -> Result<String, FormatError> {
        let (gamma, delta) = match self.scheme {
            Scheme::Kgw { gamma, delta } => (Some(gamma), Some(delta)),
            Scheme::Gumbel => (None, None),
        };
        let file = File {
            schema: KEY_SCHEMA.into(),
            scheme: self.scheme.name().into(),
            gamma,
            delta,
            window: Some(self.window),
            key: Some(hex(&self.key)),
            ngram_len: None,
            keys: None,
            sampling_table_size: None,
            sampling_table_seed: None,
        };
        toml::to_string(&file).map_err(|_| FormatError::new("key file", "what TOML cannot hold", "numbers and texts"))
    }
}

impl File {
    fn drawn(&self, scheme: Scheme) -> Result<WatermarkKey, FormatError> {
        let key = unhex(&needed("key", self.key.as_deref())?)?;
        Ok(WatermarkKey::Drawn(Watermark::new(scheme, needed("window", self.window)?, key)?))
    }

    fn lacks(&self, keys: &[(&str, bool)]) -> Result<(), FormatError> {
        match keys.iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => {
                Err(FormatError::new(format!("`{name}` in the key file"), "a value", format!("none for this scheme, {}", self.scheme)))
            }
            None => Ok(()),
        }
    }

    fn lacks_table(&self) -> Result<(), FormatError> {
        let (size, seed) = (self.sampling_table_size.is_some(), self.sampling_table_seed.is_some());
        self.lacks(&[("sampling_table_size", size), ("sampling_table_seed", seed)])
    }
}

fn needed<T>(name: &str, value: Option<T>) -> Result<T, FormatError> {
    value.ok_or_else(|| FormatError::new(format!("`{name}` in the key file"), "nothing", "a value"))
}

/// 32 bytes from 64 hexadecimal digits.
fn unhex(text: &&str) -> Result<[u8; 32], FormatError> {
    let refused = || FormatError::new("`key` in the key file", format!("{} characters", text.chars().count()), "64 hexadecimal digits");
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused());
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    }
    Ok(key)
}

/// What a parser says, unless it quotes a value, which may be a key in the wrong place.
fn without_keys(message: &str) -> String {
    let is_long = |word: &str| word.len() >= 8 && word.bytes().any(|byte| byte.is_ascii_digit());
    match message.split(|c: char| !c.is_ascii_alphanumeric()).any(is_long) {
        true => "a value of another type".into(),
        false => message.lines().collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn file(lines: &str) -> String {
        format!("schema = \"{KEY_SCHEMA}\"\n{lines}\n")
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        for scheme in [Scheme::Kgw { gamma: 0.25, delta: 2.5 }, Scheme::Gumbel] {
            let watermark = Watermark::new(scheme, 3, [7; 32]).unwrap();
            assert_eq!(WatermarkKey::parse(&watermark.key_file().unwrap()).unwrap(), WatermarkKey::Drawn(watermark));
        }
    }

    #[test]
    fn broken_files_give_sentences_without_the_key() {
        for (lines, expected) in [
            (
                format!("scheme = \"kgw\"\ngamma = 0.5\ndelta = 2.0\nwindow = 2\nkey = \"{}\"", &KEY[1..]),
                "`key` in the key file: found 63 characters",
            ),
            (format!("scheme = \"kgw\"\ngamma = 0.5\ndelta = 2.0\nwindow = 2\nkey = \"{}g\"", &KEY[1..]), "expected 64 hexadecimal digits"),
            (
                format!("scheme = \"kgw\"\ngamma = \"{KEY}\"\ndelta = 2.0\nwindow = 2\nkey = \"{KEY}\""),
                "key file: found a value of another type",
            ),
            (format!("scheme = \"kgw\"\ngamma = 0.5\ndelta = 2.0\nkey = \"{KEY}\""), "`window` in the key file: found nothing"),
            (
                format!("scheme = \"gumbel\"\ngamma = 0.5\nwindow = 2\nkey = \"{KEY}\""),
                "`gamma` in the key file: found a value, expected none",
            ),
            (format!("scheme = \"gumbel\"\nwindow = 9\nkey = \"{KEY}\""), "window of the watermark: found 9"),
            (
                format!("scheme = \"{KEY}\"\nwindow = 2\nkey = \"{KEY}\""),
                "scheme of the key file: found another, expected kgw, gumbel or synthid",
            ),
            (format!("scheme = \"gumbel\"\nwindow = 2\nkey = \"{KEY}\"\nseed = 1"), "unknown field `seed`"),
            (format!("scheme = \"gumbel\"\nwindow = 2\nkey = {KEY}"), "key file: found"),
            (format!("scheme = \"gumbel\"\nwindow = 2\nkey = \"{KEY}\"\nkey = \"{KEY}\""), "key file: found"),
            ("scheme = \"synthid\"\nngram_len = 5".into(), "`keys` in the key file: found nothing"),
            ("scheme = \"synthid\"\nngram_len = 5\nkeys = []".into(), "keys of SynthID: found none"),
            ("scheme = \"synthid\"\nngram_len = 1\nkeys = [1]".into(), "n-gram of SynthID: found 1"),
        ] {
            let error = WatermarkKey::parse(&file(&lines)).unwrap_err().to_string();
            assert!(error.contains(expected), "{lines}: {error}");
            assert!(!error.contains(&KEY[8..16]), "{error}");
        }
    }
}
