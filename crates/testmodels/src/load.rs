//! Reads Hugging Face folders back: safetensors in one file or several, `config.json`, the tokens of `tokenizer.json`.

use crate::{Network, Tensor};
use half::{bf16, f16};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

impl Network {
    /// The network of a folder that anybody wrote. Tensors of other types than F32, F16 and BF16 are left out.
    pub fn load(folder: &Path) -> Self {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
        files.sort();
        assert!(!files.is_empty(), "no safetensors in {}", folder.display());
        let json = |name: &str| std::fs::read(folder.join(name)).ok().map(|bytes| serde_json::from_slice::<Value>(&bytes).expect("JSON"));
        Self {
            config: json("config.json"),
            tokens: json("tokenizer.json").map(|tokenizer| tokens(&tokenizer)),
            tensors: files.iter().flat_map(|path| tensors(path)).collect(),
        }
    }
}

/// In the order of their data.
fn tensors(path: &Path) -> Vec<Tensor> {
    let file = std::fs::read(path).expect("a weight file");
    let (length, rest) = file.split_first_chunk().expect("eight bytes");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header: Map<String, Value> = serde_json::from_slice(header).expect("a header");
    let numbers = |value: &Value| -> Vec<usize> {
        value.as_array().expect("an array").iter().map(|n| n.as_u64().expect("a number") as usize).collect()
    };
    let mut placed: Vec<(usize, Tensor)> = Vec::new();
    for (name, entry) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let offsets = numbers(&entry["data_offsets"]);
        let bytes = &data[offsets[0]..offsets[1]];
        let values = match entry["dtype"].as_str().expect("a type") {
            "F32" => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            "F16" => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            "BF16" => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            _ => continue,
        };
        placed.push((offsets[0], Tensor { name, shape: numbers(&entry["shape"]), values }));
    }
    placed.sort_by_key(|(offset, _)| *offset);
    placed.into_iter().map(|(_, tensor)| tensor).collect()
}

/// Tokens by id; an id that nothing names has an empty one.
fn tokens(tokenizer: &Value) -> Vec<String> {
    let model = &tokenizer["model"]["vocab"];
    let mut named: Vec<(usize, String)> = match model {
        Value::Object(vocab) => vocab.iter().map(|(token, id)| (id.as_u64().expect("an id") as usize, token.clone())).collect(),
        Value::Array(pieces) => pieces.iter().enumerate().map(|(id, piece)| (id, piece[0].as_str().expect("a piece").to_owned())).collect(),
        _ => Vec::new(),
    };
    for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
        named.push((added["id"].as_u64().expect("an id") as usize, added["content"].as_str().expect("a token").to_owned()));
    }
    let mut tokens = vec![String::new(); named.iter().map(|(id, _)| id + 1).max().unwrap_or(0)];
    named.into_iter().for_each(|(id, token)| tokens[id] = token);
    tokens
}
