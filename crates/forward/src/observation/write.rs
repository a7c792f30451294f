//! Writes an observation as one safetensors file, beside its place and renamed at the end.
//!
//! The same observation gives the same bytes: tensors and metadata stand in a fixed order.

use super::{OBSERVATION_SCHEMA, Observation, SKETCH_WIDTH, WordAt};
use half::f16;
use serde_json::{Map, Value, json};
use sources::SourceError;
use sources::whole::Whole;
use std::path::Path;

/// Elements that are turned into bytes at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes that the header is padded to a multiple of.
const ALIGNMENT: usize = 8;

enum Data<'a> {
    U8(Vec<u8>),
    U32(Vec<u32>),
    F16(&'a [f16]),
    F32(&'a [f32]),
}

impl Data<'_> {
    fn dtype(&self) -> &'static str {
        match self {
            Self::U8(_) => "U8",
            Self::U32(_) => "U32",
            Self::F16(_) => "F16",
            Self::F32(_) => "F32",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U32(values) => values.len() * 4,
            Self::F16(values) => values.len() * 2,
            Self::F32(values) => values.len() * 4,
        }
    }

    /// Little-endian, as safetensors has it.
    fn write(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        fn all<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N], out: &mut dyn std::io::Write) -> std::io::Result<()> {
            values.chunks(CHUNK).try_for_each(|chunk| out.write_all(&chunk.iter().flat_map(|&value| bytes(value)).collect::<Vec<u8>>()))
        }
        match self {
            Self::U8(values) => out.write_all(values),
            Self::U32(values) => all(values, u32::to_le_bytes, out),
            Self::F16(values) => all(values, f16::to_le_bytes, out),
            Self::F32(values) => all(values, f32::to_le_bytes, out),
        }
    }
}

struct Tensor<'a> {
    name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

impl Observation {
    /// Writes the container. A file that is there is replaced, and only by a complete one.
    pub fn write(&self, path: &Path) -> Result<(), SourceError> {
        Whole::write(path, |out| self.write_to(out))?.place()
    }

    fn write_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let tensors = self.entries();
        let mut header = Map::from_iter([("__metadata__".to_owned(), self.metadata())]);
        let mut end = 0;
        for tensor in &tensors {
            let start = end;
            end += tensor.data.bytes();
            header
                .insert(tensor.name.clone(), json!({ "dtype": tensor.data.dtype(), "shape": tensor.shape, "data_offsets": [start, end] }));
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        tensors.iter().try_for_each(|tensor| tensor.data.write(out))
    }

    fn metadata(&self) -> Value {
        let subject = &self.subject;
        json!({
            "schema": OBSERVATION_SCHEMA,
            "tool": self.tool,
            "engine": subject.engine,
            "tensor_root": subject.tensor_root.as_deref().unwrap_or_default(),
            "model": subject.model,
            "family": subject.family,
            "n_parameters": subject.n_parameters.to_string(),
            "n_layers": subject.n_layers.to_string(),
            "n_heads": subject.n_heads.to_string(),
            "hidden": subject.hidden.to_string(),
            "units": subject.units.to_string(),
            "vocabulary": subject.vocabulary.to_string(),
            "causal": subject.causal.to_string(),
            "norm": subject.norm.name(),
            "logit_cap": subject.logit_cap.map(|cap| cap.to_string()).unwrap_or_default(),
            "prompts": self.prompts.label,
            "prompts_digest": self.prompts.digest,
        })
    }

    /// Wide types first, so that every tensor starts at a multiple of its own width.
    fn entries(&self) -> Vec<Tensor<'_>> {
        let mut tensors = Vec::new();
        let mut add = |name: String, shape: Vec<usize>, data| tensors.push(Tensor { name, shape, data });
        let (tokens, subject) = (&self.tokens, &self.subject);
        add("tokens".into(), vec![tokens.ids.len()], Data::U32(tokens.ids.clone()));
        add("starts".into(), vec![tokens.starts.len()], Data::U32(tokens.starts.clone()));
        add("words".into(), vec![tokens.words.len()], Data::U32(tokens.words.clone()));
        if let Some(stream) = &self.stream {
            add("stream.words".into(), vec![stream.words.len(), 2], Data::U32(pairs(&stream.words)));
        }
        if let Some(logits) = &self.logits {
            let (n, k, image) = (logits.positions.len(), logits.tokens.len(), &logits.image);
            let mut end = 0;
            let ends = logits.token_bytes.iter().map(|bytes| {
                end += bytes.len() as u32;
                end
            });
            add("logits.positions".into(), vec![n, 2], Data::U32(pairs(&logits.positions)));
            add("logits.tokens".into(), vec![k], Data::U32(logits.tokens.clone()));
            add("logits.token_ends".into(), vec![k], Data::U32(ends.collect()));
            add("logits.values".into(), vec![n, k], Data::F32(&logits.values));
            add("logits.image".into(), vec![k, image.rank()], Data::F32(&image.basis));
            add("logits.ellipse".into(), vec![image.rank(), image.hidden], Data::F32(&image.ellipse));
        }
        for (layer, values) in self.attention.iter().enumerate() {
            let entries = values.len() / subject.n_heads.max(1);
            add(format!("attention.{layer}"), vec![subject.n_heads, entries], Data::F16(values));
        }
        for (layer, block) in self.units.iter().enumerate() {
            let shape = vec![subject.units, SKETCH_WIDTH];
            if let Some(gate) = &block.gate {
                add(format!("units.{layer}.gate"), shape.clone(), Data::F16(gate));
            }
            add(format!("units.{layer}.up"), shape, Data::F16(&block.up));
        }
        for (stream, (layer, values)) in self.stream.iter().flat_map(|stream| stream.layers.iter().enumerate().map(move |l| (stream, l))) {
            add(format!("stream.{layer}"), vec![stream.words.len(), subject.hidden], Data::F16(values));
        }
        if let Some(logits) = &self.logits {
            let bytes = logits.token_bytes.concat();
            add("logits.token_bytes".into(), vec![bytes.len()], Data::U8(bytes));
        }
        tensors
    }
}

fn pairs(words: &[WordAt]) -> Vec<u32> {
    words.iter().flat_map(|at| [at.prompt, at.word]).collect()
}
