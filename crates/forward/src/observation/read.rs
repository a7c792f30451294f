//! Reads an observation that anybody may have made: every key, type, shape and number is checked, and one sentence says what is wrong.

use super::layout::{entry_starts, sampled};
use super::{
    Image, Logits, MAX_LOGIT_POSITIONS, MAX_LOGIT_TOKENS, MAX_STREAM_WORDS, OBSERVATION_SCHEMA, Observation, PromptsId, SKETCH_WIDTH,
    Stream, Subject, Tokens, UnitSketches, WordAt,
};
use crate::NO_WORD;
use half::f16;
use sha2::{Digest as _, Sha256};
use sources::bytes::ReadAt;
use sources::form::NormKind;
use sources::store::DataFile;
use sources::tensor::{MetaValue, TensorInfo};
use sources::{Encoding, FormatError, SourceError, safetensors};
use std::collections::BTreeMap;
use std::path::Path;

impl Observation {
    /// Reads a container whole. It takes as much memory as the file has bytes.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        let file = DataFile::open(path)?;
        parse(&file).map_err(|error| error.at(path))
    }
}

/// Reads a container from its bytes.
pub(crate) fn parse(source: &dyn ReadAt) -> Result<Observation, FormatError> {
    let parsed = safetensors::parse(source)?;
    let mut keys = Keys(parsed.metadata);
    let tensors = parsed.tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    let mut tensors = Tensors { source, tensors };

    let schema = keys.text("schema")?;
    if schema != OBSERVATION_SCHEMA {
        return Err(metadatum("schema", &schema, format!("`{OBSERVATION_SCHEMA}`")));
    }
    let tool = keys.text("tool")?;
    let subject = keys.subject()?;
    let prompts = PromptsId { label: keys.text("prompts")?, digest: keys.digest("prompts_digest", false)?.unwrap_or_default() };
    keys.finish()?;

    let tokens = tensors.tokens(&subject)?;
    let attention = tensors.attention(&subject, &tokens)?;
    let units = tensors.units(&subject)?;
    let stream = tensors.stream(&subject, &tokens)?;
    let logits = tensors.logits(&subject, &tokens)?;
    tensors.finish()?;
    Ok(Observation { tool, subject, prompts, tokens, attention, units, stream, logits })
}

fn metadatum(key: &str, found: &str, expected: impl std::fmt::Display) -> FormatError {
    FormatError::new(format!("metadata `{key}`"), format!("`{}`", found.escape_debug()), expected)
}

/// Metadata that were not read yet.
struct Keys(BTreeMap<String, MetaValue>);

impl Keys {
    fn text(&mut self, key: &str) -> Result<String, FormatError> {
        match self.0.remove(key) {
            Some(MetaValue::Text(text)) => Ok(text),
            _ => Err(FormatError::new(format!("metadata `{key}`"), "none", "a text")),
        }
    }

    fn number(&mut self, key: &str, most: u64) -> Result<u64, FormatError> {
        let text = self.text(key)?;
        let number = text.parse().ok().filter(|number: &u64| *number <= most && number.to_string() == text);
        number.ok_or_else(|| metadatum(key, &text, format!("a number from 0 to {most}")))
    }

    /// A number of things of which a model has at least one.
    fn count(&mut self, key: &str, most: u64) -> Result<usize, FormatError> {
        match self.number(key, most)? {
            0 => Err(metadatum(key, "0", format!("a number from 1 to {most}"))),
            n => Ok(n as usize),
        }
    }

    fn digest(&mut self, key: &str, may_be_empty: bool) -> Result<Option<String>, FormatError> {
        let text = self.text(key)?;
        if may_be_empty && text.is_empty() {
            return Ok(None);
        }
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Some(text));
        }
        Err(metadatum(key, &text, "64 hexadecimal digits in lower case"))
    }

    fn subject(&mut self) -> Result<Subject, FormatError> {
        let causal = match self.text("causal")?.as_str() {
            "true" => true,
            "false" => false,
            other => return Err(metadatum("causal", other, "`true` or `false`")),
        };
        let norm = self.text("norm")?;
        let norm = NormKind::named(&norm).ok_or_else(|| metadatum("norm", &norm, "`rms` or `layer`"))?;
        let cap = self.text("logit_cap")?;
        let logit_cap = match cap.as_str() {
            "" => None,
            text => match text.parse::<f32>() {
                Ok(cap) if cap.is_finite() && cap > 0.0 => Some(cap),
                _ => return Err(metadatum("logit_cap", text, "nothing, or a number above 0")),
            },
        };
        Ok(Subject {
            engine: self.text("engine")?,
            tensor_root: self.digest("tensor_root", true)?,
            model: self.text("model")?,
            family: self.text("family")?,
            n_parameters: self.number("n_parameters", 1 << 50)?,
            n_layers: self.count("n_layers", 1 << 12)?,
            n_heads: self.count("n_heads", 1 << 12)?,
            hidden: self.count("hidden", 1 << 20)?,
            units: self.number("units", 1 << 24)? as usize,
            vocabulary: self.count("vocabulary", 1 << 24)?,
            causal,
            norm,
            logit_cap,
        })
    }

    fn finish(self) -> Result<(), FormatError> {
        match self.0.first_key_value() {
            Some((key, _)) => Err(FormatError::new("metadata", format!("the key `{}`", key.escape_debug()), "no other keys")),
            None => Ok(()),
        }
    }
}

/// Tensors that were not read yet. The container's reader has checked that each lies inside the file, so no length is larger than the file.
struct Tensors<'a> {
    source: &'a dyn ReadAt,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Tensors<'_> {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Bytes of a tensor of this type and shape; `None` in a shape stands for any size.
    fn bytes(&mut self, name: &str, encoding: Encoding, shape: &[Option<usize>]) -> Result<(Vec<u8>, Vec<usize>), FormatError> {
        let Some(tensor) = self.tensors.remove(name) else {
            return Err(FormatError::new("tensors", "none of this name", "this tensor").tensor(name));
        };
        if tensor.encoding != encoding {
            return Err(FormatError::new("type", tensor.encoding, encoding).tensor(name));
        }
        let fits =
            tensor.shape.len() == shape.len() && tensor.shape.iter().zip(shape).all(|(&n, expected)| expected.is_none_or(|m| m == n));
        if !fits {
            let sizes: Vec<String> = shape.iter().map(|n| n.map_or_else(|| "any".into(), |n| n.to_string())).collect();
            return Err(FormatError::new("shape", format!("{:?}", tensor.shape), format!("[{}]", sizes.join(", "))).tensor(name));
        }
        let mut bytes = Vec::new();
        for extent in tensor.extents() {
            let len = usize::try_from(extent.len)
                .map_err(|error| FormatError::new("length of the data", error, "a size in memory").tensor(name))?;
            bytes.resize(len, 0);
            let read = self.source.read_exact_at(extent.offset, &mut bytes);
            read.map_err(|error| FormatError::new("data", error, "readable bytes").tensor(name))?;
        }
        Ok((bytes, tensor.shape))
    }

    fn u32(&mut self, name: &str, shape: &[Option<usize>]) -> Result<Vec<u32>, FormatError> {
        let (bytes, _) = self.bytes(name, Encoding::U32, shape)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    fn f32(&mut self, name: &str, shape: [usize; 2]) -> Result<Vec<f32>, FormatError> {
        let (bytes, _) = self.bytes(name, Encoding::F32, &shape.map(Some))?;
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(FormatError::new("values", value, "finite numbers").tensor(name)),
            None => Ok(values),
        }
    }

    /// Half-precision values in `range`.
    fn f16(&mut self, name: &str, shape: [usize; 2], range: std::ops::RangeInclusive<f32>) -> Result<Vec<f16>, FormatError> {
        let (bytes, _) = self.bytes(name, Encoding::F16, &shape.map(Some))?;
        let values: Vec<f16> = bytes.as_chunks::<2>().0.iter().map(|&bytes| f16::from_le_bytes(bytes)).collect();
        // NaN is in no range.
        match values.iter().find(|value| !range.contains(&value.to_f32())) {
            Some(value) => {
                Err(FormatError::new("values", value, format!("numbers from {} to {}", range.start(), range.end())).tensor(name))
            }
            None => Ok(values),
        }
    }

    fn tokens(&mut self, subject: &Subject) -> Result<Tokens, FormatError> {
        let ids = self.u32("tokens", &[None])?;
        let starts = self.u32("starts", &[None])?;
        let words = self.u32("words", &[Some(ids.len())])?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= subject.vocabulary) {
            return Err(FormatError::new("token id", id, format!("an id below {}", subject.vocabulary)).tensor("tokens"));
        }
        let ascend = starts.windows(2).all(|pair| pair[0] < pair[1]);
        let covers = starts.len() > 1 && starts.first() == Some(&0) && starts.last().is_some_and(|&end| end as usize == ids.len());
        if !ascend || !covers {
            let expected = format!("at least one prompt, from 0 to {} in ascending order", ids.len());
            return Err(FormatError::new("starts of the prompts", "other places", expected).tensor("starts"));
        }
        // A word has a byte at least, and no prompt of a file of prompts has as many bytes.
        if let Some(word) = words.iter().find(|&&word| word != NO_WORD && word > 1 << 24) {
            return Err(FormatError::new("word", word, format!("at most {}, or {NO_WORD} for none", 1 << 24)).tensor("words"));
        }
        Ok(Tokens { ids, starts, words })
    }

    fn attention(&mut self, subject: &Subject, tokens: &Tokens) -> Result<Vec<Vec<f16>>, FormatError> {
        if !self.has("attention.0") {
            return Ok(Vec::new());
        }
        let entries = checked_entries(tokens, subject.causal)?;
        (0..subject.n_layers).map(|layer| self.f16(&format!("attention.{layer}"), [subject.n_heads, entries], 0.0..=1.0)).collect()
    }

    fn units(&mut self, subject: &Subject) -> Result<Vec<UnitSketches>, FormatError> {
        if subject.units == 0 || !self.has("units.0.up") {
            return Ok(Vec::new());
        }
        let is_gated = self.has("units.0.gate");
        let shape = [subject.units, SKETCH_WIDTH];
        let mut sketch = |layer: usize, matrix: &str| self.f16(&format!("units.{layer}.{matrix}"), shape, -1.0..=1.0);
        let mut block = |layer| {
            let gate = if is_gated { Some(sketch(layer, "gate")?) } else { None };
            Ok(UnitSketches { gate, up: sketch(layer, "up")? })
        };
        (0..subject.n_layers).map(&mut block).collect()
    }

    fn stream(&mut self, subject: &Subject, tokens: &Tokens) -> Result<Option<Stream>, FormatError> {
        if !self.has("stream.words") {
            return Ok(None);
        }
        let words = self.sample("stream.words", tokens, MAX_STREAM_WORDS)?;
        // Rows have a root mean square of 1, so no value is larger than the root of the width; half precision rounds it.
        let most = (subject.hidden as f32).sqrt() * 1.001;
        let shape = [words.len(), subject.hidden];
        let layers =
            (0..=subject.n_layers).map(|layer| self.f16(&format!("stream.{layer}"), shape, -most..=most)).collect::<Result<_, _>>()?;
        Ok(Some(Stream { words, layers }))
    }

    fn logits(&mut self, subject: &Subject, tokens: &Tokens) -> Result<Option<Logits>, FormatError> {
        if !self.has("logits.values") {
            return Ok(None);
        }
        let positions = self.sample("logits.positions", tokens, MAX_LOGIT_POSITIONS)?;
        let ids = self.u32("logits.tokens", &[None])?;
        let (n, k) = (positions.len(), ids.len());
        if k == 0 || k > MAX_LOGIT_TOKENS {
            return Err(FormatError::new("number of sampled tokens", k, format!("from 1 to {MAX_LOGIT_TOKENS}")).tensor("logits.tokens"));
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= subject.vocabulary) {
            return Err(FormatError::new("token id", id, format!("an id below {}", subject.vocabulary)).tensor("logits.tokens"));
        }
        let token_bytes = self.token_bytes(k)?;
        let values = self.f32("logits.values", [n, k])?;
        let rank = k.min(subject.hidden);
        let basis = self.f32("logits.image", [k, rank])?;
        let ellipse = self.f32("logits.ellipse", [rank, subject.hidden])?;
        let image = Image { n_tokens: k, hidden: subject.hidden, basis, ellipse };
        Ok(Some(Logits { positions, tokens: ids, token_bytes, values, image }))
    }

    fn token_bytes(&mut self, k: usize) -> Result<Vec<Vec<u8>>, FormatError> {
        let (bytes, _) = self.bytes("logits.token_bytes", Encoding::U8, &[None])?;
        let ends = self.u32("logits.token_ends", &[Some(k)])?;
        let mut start = 0;
        let mut strings = Vec::new();
        for &end in &ends {
            let Some(string) = bytes.get(start..end as usize) else {
                let expected = format!("an end from {start} to {}", bytes.len());
                return Err(FormatError::new("end of a token", end, expected).tensor("logits.token_ends"));
            };
            strings.push(string.to_vec());
            start = end as usize;
        }
        if start != bytes.len() {
            let (found, expected) = (format!("{} bytes", bytes.len()), format!("{start} bytes, the end of the last token"));
            return Err(FormatError::new("length", found, expected).tensor("logits.token_bytes"));
        }
        let digests: Vec<[u8; 32]> = strings.iter().map(|string| Sha256::digest(string).into()).collect();
        if !digests.windows(2).all(|pair| pair[0] < pair[1]) {
            let expected = "byte strings in the order of their SHA-256, each once";
            return Err(FormatError::new("sampled tokens", "another order", expected).tensor("logits.token_bytes"));
        }
        Ok(strings)
    }

    /// Places of words, which must be those that the rule samples.
    fn sample(&mut self, name: &str, tokens: &Tokens, limit: usize) -> Result<Vec<WordAt>, FormatError> {
        let expected = sampled(&tokens.word_tokens(), limit);
        let found = self.u32(name, &[Some(expected.len()), Some(2)])?;
        let found: Vec<WordAt> = found.as_chunks::<2>().0.iter().map(|&[prompt, word]| WordAt { prompt, word }).collect();
        match found.iter().zip(&expected).position(|(found, expected)| found != expected) {
            Some(row) => {
                let place = |at: WordAt| format!("word {} of prompt {}", at.word, at.prompt);
                Err(FormatError::new(format!("row {row}"), place(found[row]), place(expected[row])).tensor(name))
            }
            None => Ok(expected),
        }
    }

    fn finish(self) -> Result<(), FormatError> {
        match self.tensors.into_keys().next() {
            Some(name) => Err(FormatError::new("tensors", "a tensor that observations of this kind do not have", "no others").tensor(name)),
            None => Ok(()),
        }
    }
}

/// Kept attention entries of a head; the file cannot hold more than its bytes, but a sum must not overflow before that is known.
fn checked_entries(tokens: &Tokens, causal: bool) -> Result<usize, FormatError> {
    let square = |prompt: usize| (tokens.prompt(prompt).len() as u64).checked_pow(2);
    let bound = (0..tokens.n_prompts()).try_fold(0u64, |sum, prompt| sum.checked_add(square(prompt)?));
    match bound.filter(|&bound| usize::try_from(bound).is_ok()) {
        Some(_) => Ok(entry_starts(tokens, causal).last().copied().unwrap_or(0)),
        None => {
            Err(FormatError::new("lengths of the prompts", "too many tokens for attention between them", "shorter prompts")
                .tensor("starts"))
        }
    }
}
