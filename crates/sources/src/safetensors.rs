//! safetensors: a JSON header of names, types and offsets before one run of bytes; and the index of a sharded checkpoint.

use crate::bytes::{ByteReader, ReadAt};
use crate::tensor::{self, Extent, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_TENSORS, MetaValue, Parsed, TensorInfo};
use crate::{Encoding, FormatError};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

/// Bytes before the JSON header: its length.
const LENGTH_BYTES: u64 = 8;

/// Reads the header of one file.
///
/// Every byte after the header belongs to exactly one tensor: no holes, no overlaps, nothing behind the last one.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let mut reader = ByteReader::new(source);
    let header_bytes = reader.u64("header length")?;
    let header = reader.bytes(header_bytes, MAX_HEADER_BYTES, "header")?;
    if header.first() != Some(&b'{') {
        let found = header.first().map_or("nothing".into(), |byte| format!("first byte {byte:#04x}"));
        return Err(FormatError::new("header", found, "`{`"));
    }
    let header: Unique<HeaderValue> = serde_json::from_slice(&header)
        .map_err(|error| FormatError::new("header", error, "a JSON object with the type, shape and offsets of each tensor"))?;
    let data_start = LENGTH_BYTES + header_bytes;
    let mut parsed = Parsed::default();
    let mut entries = Vec::new();
    for (name, value) in header.0 {
        match value {
            HeaderValue::Metadata(pairs) => parsed.metadata = pairs.0.into_iter().map(|(k, v)| (k, MetaValue::Text(v))).collect(),
            HeaderValue::Tensor(entry) => entries.push((name, entry)),
        }
    }
    if entries.len() as u64 > MAX_TENSORS {
        return Err(FormatError::new("number of tensors", entries.len(), format!("at most {MAX_TENSORS}")));
    }
    // In file order; names in order among tensors without bytes.
    entries.sort_by(|(a_name, a), (b_name, b)| (a.data_offsets, a_name).cmp(&(b.data_offsets, b_name)));
    check_layout(&entries, source.size() - data_start, data_start)?;
    for (name, entry) in entries {
        let [begin, end] = entry.data_offsets;
        let extent = Extent { file: 0, offset: data_start + begin, len: end - begin };
        match stored_form(&name, &entry.dtype)? {
            Form::Read(encoding) => parsed.tensors.push(TensorInfo::dense(name, entry.shape, encoding, extent)?),
            Form::LeftOut => {
                parsed.warnings.push(format!("tensor `{}`: dtype {} is not supported yet", name.escape_debug(), entry.dtype));
            }
        }
    }
    tensor::validate(&parsed, &[source.size()])?;
    Ok(parsed)
}

/// The map from tensor names to the files of a sharded checkpoint: `model.safetensors.index.json`, `pytorch_model.bin.index.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    /// Tensor name to the name of a file beside the index.
    pub weight_map: BTreeMap<String, String>,
    /// Bytes of all tensors, where the index says so.
    pub total_bytes: Option<u64>,
}

impl ShardIndex {
    /// The files, each once, by name.
    pub fn files(&self) -> Vec<&str> {
        let files: std::collections::BTreeSet<&str> = self.weight_map.values().map(String::as_str).collect();
        files.into_iter().collect()
    }
}

/// Reads an index. Its file names must be plain, so that an index never points outside its folder.
pub fn parse_index(json: &[u8]) -> Result<ShardIndex, FormatError> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(default)]
        metadata: Option<serde_json::Map<String, serde_json::Value>>,
        weight_map: Unique<String>,
    }
    let index: Index =
        serde_json::from_slice(json).map_err(|error| FormatError::new("shard index", error, "a JSON object with a `weight_map`"))?;
    for (name, file) in &index.weight_map.0 {
        check_name(name)?;
        let plain = !file.is_empty()
            && file.len() as u64 <= MAX_NAME_BYTES
            && file != "."
            && file != ".."
            && !file.chars().any(|c| matches!(c, '/' | '\\' | ':') || c.is_control());
        if !plain {
            return Err(FormatError::new(
                "shard file name",
                format!("`{}`", file.escape_debug()),
                "the plain name of a file beside the index",
            )
            .tensor(name));
        }
    }
    let total_bytes = index.metadata.as_ref().and_then(|metadata| metadata.get("total_size")).and_then(serde_json::Value::as_u64);
    Ok(ShardIndex { weight_map: index.weight_map.0, total_bytes })
}

fn check_name(name: &str) -> Result<(), FormatError> {
    if name.len() as u64 > MAX_NAME_BYTES {
        return Err(FormatError::new("tensor name", format!("{} bytes", name.len()), format!("at most {MAX_NAME_BYTES} bytes")));
    }
    Ok(())
}

fn check_layout(entries: &[(String, TensorEntry)], data_bytes: u64, data_start: u64) -> Result<(), FormatError> {
    let mut covered = 0;
    let mut owner = "";
    for (name, entry) in entries {
        check_name(name)?;
        let [begin, end] = entry.data_offsets;
        let fail = |found: String, expected: String| Err(FormatError::new("data offsets", found, expected).tensor(name));
        if begin > end {
            return fail(format!("a begin of {begin} after an end of {end}"), "begin at or before end".into());
        }
        if begin < covered {
            return fail(format!("offset {begin} inside the bytes of `{}`", owner.escape_debug()), format!("offset {covered}"));
        }
        if begin > covered {
            return fail(format!("a hole of {} bytes before offset {begin}", begin - covered), format!("offset {covered}"));
        }
        (covered, owner) = (end, name);
    }
    if let Some((name, entry)) = entries.iter().find(|(_, entry)| entry.data_offsets[1] > data_bytes) {
        return Err(FormatError::new(
            "length of the file",
            format!("{} bytes, which end inside or before this tensor", data_start + data_bytes),
            format!("{} bytes", u128::from(data_start) + u128::from(entries.last().map_or(0, |(_, last)| last.data_offsets[1]))),
        )
        .tensor(name)
        .hint(format!("offset {} is where the tensor should begin: the file is cut short, fetch it again", entry.data_offsets[0])));
    }
    if covered < data_bytes {
        return Err(FormatError::new(
            "data offsets",
            format!("{} more bytes after the last tensor", data_bytes - covered),
            "an end of the file right behind the last tensor",
        ));
    }
    Ok(())
}

enum Form {
    Read(Encoding),
    LeftOut,
}

fn stored_form(name: &str, dtype: &str) -> Result<Form, FormatError> {
    Ok(Form::Read(match dtype {
        "F64" => Encoding::F64,
        "F32" => Encoding::F32,
        "F16" => Encoding::F16,
        "BF16" => Encoding::Bf16,
        "F8_E4M3" => Encoding::F8E4M3,
        "F8_E5M2" => Encoding::F8E5M2,
        "I64" => Encoding::I64,
        "I32" => Encoding::I32,
        "I16" => Encoding::I16,
        "I8" => Encoding::I8,
        "U64" => Encoding::U64,
        "U32" => Encoding::U32,
        "U16" => Encoding::U16,
        "U8" => Encoding::U8,
        "BOOL" => Encoding::Bool,
        "F4" | "F6_E2M3" | "F6_E3M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" | "C64" => return Ok(Form::LeftOut),
        other => {
            return Err(FormatError::new("dtype", format!("`{}`", other.escape_debug()), "a type of the safetensors format").tensor(name));
        }
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorEntry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

enum HeaderValue {
    Metadata(Unique<String>),
    Tensor(TensorEntry),
}

/// A value whose type its own key decides.
trait ByKey<'de>: Sized {
    fn next_value<A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error>;
}

impl<'de> ByKey<'de> for HeaderValue {
    fn next_value<A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error> {
        Ok(if key == "__metadata__" { Self::Metadata(map.next_value()?) } else { Self::Tensor(map.next_value()?) })
    }
}

impl<'de> ByKey<'de> for String {
    fn next_value<A: MapAccess<'de>>(_key: &str, map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

/// A JSON object that names nothing twice; serde's own maps keep the last of two, and two readers may then disagree.
struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: ByKey<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: ByKey<'de>> Visitor<'de> for Pairs<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = V::next_value(&key, &mut map)?;
                    match pairs.entry(key) {
                        Entry::Vacant(place) => place.insert(value),
                        Entry::Occupied(place) => return Err(A::Error::custom(format!("a second key `{}`", place.key().escape_debug()))),
                    };
                }
                Ok(Unique(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}
