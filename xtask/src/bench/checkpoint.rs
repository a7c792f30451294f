//! Makes the checkpoints to be timed: a seeded random llama in bf16, and a copy whose weights are all a little off.

use crate::Error;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Counts up when other bytes are made of the same shape, so that old files are not taken for new ones.
const GENERATION: u32 = 2;
/// Elements made at a time; every chunk has its own random stream.
const CHUNK: usize = 1 << 20;
/// Of the weights, and of the noise of the copy: the cosine of the two is `1 / √(1 + .14²) = .990`.
const SPREAD: f32 = 0.02;
const NOISE: f32 = 0.14;

/// The sizes of a llama.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    hidden: usize,
    layers: usize,
    intermediate: usize,
    vocabulary: usize,
    heads: usize,
    kv_heads: usize,
    tied: bool,
    shards: usize,
}

/// Seconds in CI.
pub(super) const TINY: Shape =
    Shape { name: "tiny", hidden: 256, layers: 3, intermediate: 704, vocabulary: 2048, heads: 8, kv_heads: 2, tied: false, shards: 2 };
/// A teacher of the laboratory: a million parameters.
pub(super) const MICRO: Shape =
    Shape { name: "micro", hidden: 128, layers: 4, intermediate: 352, vocabulary: 2048, heads: 4, kv_heads: 2, tied: true, shards: 1 };
/// As Llama 3.2 1B: one file, its large table used at both ends.
pub(super) const ONE_BILLION: Shape =
    Shape { name: "1b", hidden: 2048, layers: 16, intermediate: 8192, vocabulary: 128_256, heads: 32, kv_heads: 8, tied: true, shards: 1 };
/// As Llama 2 7B: three files.
pub(super) const SEVEN_BILLION: Shape = Shape {
    name: "7b",
    hidden: 4096,
    layers: 32,
    intermediate: 11_008,
    vocabulary: 32_000,
    heads: 32,
    kv_heads: 32,
    tied: false,
    shards: 3,
};

/// Both sides on disk.
#[derive(Debug)]
pub(super) struct CheckpointPair {
    pub(super) reference: PathBuf,
    pub(super) suspect: PathBuf,
    pub(super) reference_files: Vec<PathBuf>,
    pub(super) suspect_files: Vec<PathBuf>,
    /// Of the weight files of both sides.
    pub(super) bytes: u64,
}

struct Tensor {
    name: String,
    shape: Vec<usize>,
}

impl Tensor {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Shape {
    fn tensors(&self) -> Vec<Tensor> {
        let (hidden, inner) = (self.hidden, self.intermediate);
        let keys = hidden / self.heads * self.kv_heads;
        let tensor = |name: String, shape: &[usize]| Tensor { name, shape: shape.to_vec() };
        let mut all = vec![tensor("model.embed_tokens.weight".into(), &[self.vocabulary, hidden])];
        for layer in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| all.push(tensor(format!("model.layers.{layer}.{name}.weight"), shape));
            add("input_layernorm", &[hidden]);
            add("self_attn.q_proj", &[hidden, hidden]);
            add("self_attn.k_proj", &[keys, hidden]);
            add("self_attn.v_proj", &[keys, hidden]);
            add("self_attn.o_proj", &[hidden, hidden]);
            add("post_attention_layernorm", &[hidden]);
            add("mlp.gate_proj", &[inner, hidden]);
            add("mlp.up_proj", &[inner, hidden]);
            add("mlp.down_proj", &[hidden, inner]);
        }
        all.push(tensor("model.norm.weight".into(), &[hidden]));
        if !self.tied {
            all.push(tensor("lm_head.weight".into(), &[self.vocabulary, hidden]));
        }
        all
    }

    /// Number of parameters.
    pub(super) fn parameters(&self) -> u64 {
        self.tensors().iter().map(|tensor| tensor.elements() as u64).sum()
    }

    fn config(&self) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": self.hidden, "num_hidden_layers": self.layers,
            "intermediate_size": self.intermediate, "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads,
            "vocab_size": self.vocabulary, "rms_norm_eps": 1e-5, "tie_word_embeddings": self.tied, "torch_dtype": "bfloat16",
        })
    }

    /// The tensors of each file, in order, about equally many bytes a file.
    fn files(&self) -> Vec<(String, Vec<(usize, Tensor)>)> {
        let share = self.parameters().div_ceil(self.shards as u64);
        let mut files: Vec<(String, Vec<(usize, Tensor)>)> = (1..=self.shards)
            .map(|i| {
                (
                    if self.shards == 1 { "model.safetensors".into() } else { format!("model-{i:05}-of-{:05}.safetensors", self.shards) },
                    Vec::new(),
                )
            })
            .collect();
        let mut before = 0;
        for (index, tensor) in self.tensors().into_iter().enumerate() {
            let file = (before / share) as usize;
            before += tensor.elements() as u64;
            files[file].1.push((index, tensor));
        }
        files
    }
}

impl Shape {
    fn tokenizer(&self) -> Value {
        let tokens: Map<String, Value> = (0..self.vocabulary).map(|id| (format!("w{id}"), json!(id))).collect();
        json!({ "version": "1.0", "model": { "type": "BPE", "vocab": tokens, "merges": [] } })
    }
}

/// Where the pair of a shape lies, made if it is not there.
pub(super) fn make(shape: &Shape, cache: &Path) -> Result<CheckpointPair, Error> {
    let folder = cache.join(format!("{}-{GENERATION}", shape.name));
    if !folder.is_dir() {
        super::machine::require_free(cache, 2 * 2 * shape.parameters() + (2 << 30))?;
        // Made beside and renamed, so that an interrupted run is not taken for a finished one.
        let partial = cache.join(format!("{}-{GENERATION}.partial", shape.name));
        for side in ["reference", "suspect"] {
            let side = partial.join(side);
            std::fs::create_dir_all(&side).map_err(Error::io("create", &side))?;
            write_text(&side.join("config.json"), &shape.config().to_string())?;
            // Without tokens no unit can be matched, and matching is the dearest part of a compare.
            write_text(&side.join("tokenizer.json"), &shape.tokenizer().to_string())?;
            if shape.shards > 1 {
                write_text(&side.join("model.safetensors.index.json"), &index(shape).to_string())?;
            }
        }
        for (name, tensors) in shape.files() {
            write_both(&partial.join("reference").join(&name), &partial.join("suspect").join(&name), &tensors)?;
        }
        std::fs::rename(&partial, &folder).map_err(Error::io("rename", &folder))?;
    }
    let (reference, suspect) = (folder.join("reference"), folder.join("suspect"));
    let files = |side: &Path| shape.files().into_iter().map(|(name, _)| side.join(name)).collect::<Vec<_>>();
    let (reference_files, suspect_files) = (files(&reference), files(&suspect));
    let mut bytes = 0;
    for file in reference_files.iter().chain(&suspect_files) {
        bytes += std::fs::metadata(file).map_err(Error::io("read", file))?.len();
    }
    Ok(CheckpointPair { reference, suspect, reference_files, suspect_files, bytes })
}

/// Removes the pair of a shape.
pub(super) fn remove(pair: &CheckpointPair) -> Result<(), Error> {
    let folder = pair.reference.parent().unwrap_or(&pair.reference);
    std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))
}

fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::io("write", path))
}

fn index(shape: &Shape) -> Value {
    let mut map = Map::new();
    for (file, tensors) in shape.files() {
        map.extend(tensors.into_iter().map(|(_, tensor)| (tensor.name, json!(file))));
    }
    json!({ "metadata": { "total_size": 2 * shape.parameters() }, "weight_map": map })
}

/// One file of each side, written together: the copy needs the original's values.
fn write_both(reference: &Path, suspect: &Path, tensors: &[(usize, Tensor)]) -> Result<(), Error> {
    let mut header = Map::new();
    let mut offset = 0;
    for (_, tensor) in tensors {
        let end = offset + 2 * tensor.elements();
        header.insert(tensor.name.clone(), json!({ "dtype": "BF16", "shape": tensor.shape, "data_offsets": [offset, end] }));
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let create = |path: &Path| -> Result<BufWriter<File>, Error> {
        let mut file = BufWriter::new(File::create(path).map_err(Error::io("create", path))?);
        file.write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| file.write_all(header.as_bytes()))
            .map_err(Error::io("write", path))?;
        Ok(file)
    };
    let (mut original, mut copy) = (create(reference)?, create(suspect)?);
    let (mut original_bytes, mut copy_bytes) = (Vec::new(), Vec::new());
    for (index, tensor) in tensors {
        let mean = if tensor.shape.len() == 1 { 1.0 } else { 0.0 };
        for chunk in 0..tensor.elements().div_ceil(CHUNK) {
            let n = (tensor.elements() - chunk * CHUNK).min(CHUNK);
            let mut random = SplitMix((*index as u64) << 40 | (chunk as u64) << 1);
            original_bytes.clear();
            copy_bytes.clear();
            for _ in 0..n {
                let value = mean + SPREAD * random.nearly_normal();
                original_bytes.extend(bf16(value).to_le_bytes());
                copy_bytes.extend(bf16(value + NOISE * SPREAD * random.nearly_normal()).to_le_bytes());
            }
            original.write_all(&original_bytes).map_err(Error::io("write", reference))?;
            copy.write_all(&copy_bytes).map_err(Error::io("write", suspect))?;
        }
    }
    // Synced, so that the system can forget the pages for a cold run.
    let finish =
        |mut file: BufWriter<File>, path: &Path| file.flush().and_then(|()| file.get_ref().sync_all()).map_err(Error::io("write", path));
    finish(original, reference)?;
    finish(copy, suspect)
}

/// Rounds to the nearest, to even where two are as near.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// SplitMix64 (Steele, Lea and Flood 2014): fast, and good enough for numbers that are only timed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// The sum of four uniforms, scaled to variance 1.
    fn nearly_normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
        (sum as f32 - 2.0 * 65535.0) * (3f32.sqrt() / 65536.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_have_the_sizes_of_their_models() {
        // `meta-llama/Llama-3.2-1B` and `meta-llama/Llama-2-7b-hf`: parameters as their model cards on the Hub count them.
        assert_eq!(ONE_BILLION.parameters(), 1_235_814_400);
        assert_eq!(SEVEN_BILLION.parameters(), 6_738_415_616);
        assert_eq!(SEVEN_BILLION.files().iter().filter(|(_, tensors)| tensors.is_empty()).count(), 0);
    }

    #[test]
    fn nearly_normal_numbers_have_mean_0_and_variance_1() {
        let mut random = SplitMix(1);
        let values: Vec<f64> = (0..100_000).map(|_| f64::from(random.nearly_normal())).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
