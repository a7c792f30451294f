//! Writes networks as Hugging Face folders: safetensors in one file or in shards, `config.json`, `tokenizer.json`.

use crate::{Network, Tensor};
use half::{bf16, f16};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// Type of the stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Dtype {
    F32,
    F16,
    Bf16,
}

/// A folder with `model.safetensors`.
pub fn save(network: &Network, dtype: Dtype) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    save_in(network, dtype, folder.path());
    folder
}

/// The same in a folder that is there.
pub fn save_in(network: &Network, dtype: Dtype, folder: &Path) {
    beside(network, folder);
    write(&folder.join("model.safetensors"), network.tensors.iter(), dtype);
}

/// A folder with `n` shards and their index.
pub fn save_shards(network: &Network, dtype: Dtype, n: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    beside(network, folder.path());
    let mut map = serde_json::Map::new();
    for shard in 0..n {
        let file = format!("model-{:05}-of-{n:05}.safetensors", shard + 1);
        let tensors = || network.tensors.iter().skip(shard).step_by(n);
        map.extend(tensors().map(|t| (t.name.clone(), json!(file))));
        write(&folder.path().join(&file), tensors(), dtype);
    }
    std::fs::write(folder.path().join("model.safetensors.index.json"), json!({ "metadata": {}, "weight_map": map }).to_string())
        .expect("an index");
    folder
}

/// Writes the files that stand beside the weights.
fn beside(network: &Network, folder: &Path) {
    if let Some(config) = &network.config {
        std::fs::write(folder.join("config.json"), config.to_string()).expect("a configuration");
    }
    if let Some(tokens) = &network.tokens {
        let vocab: serde_json::Map<String, Value> = tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
        let tokenizer = json!({ "model": { "type": "BPE", "vocab": vocab, "merges": [] }, "pre_tokenizer": { "type": "ByteLevel" } });
        std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).expect("a tokenizer");
    }
}

fn write<'a>(path: &Path, tensors: impl Iterator<Item = &'a Tensor>, dtype: Dtype) {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for tensor in tensors {
        let begin = data.len();
        for &value in &tensor.values {
            match dtype {
                Dtype::F32 => data.extend(value.to_le_bytes()),
                Dtype::F16 => data.extend(f16::from_f32(value).to_le_bytes()),
                Dtype::Bf16 => data.extend(bf16::from_f32(value).to_le_bytes()),
            }
        }
        let name = match dtype {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::Bf16 => "BF16",
        };
        header.insert(tensor.name.clone(), json!({ "dtype": name, "shape": tensor.shape, "data_offsets": [begin, data.len()] }));
    }
    let header = Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    std::fs::write(path, file).expect("a weight file");
}
