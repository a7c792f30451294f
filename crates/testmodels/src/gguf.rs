//! Writes a llama as GGUF v3 with its matrices in Q8_0, as llama.cpp's converter does: other names, query and key rows in another order.

use crate::{LLAMA_LAYER, Network, Tensor};
use half::f16;
use tempfile::TempDir;

/// GGUF's numbers for the types of values and tensors (ggml's `docs/gguf.md`).
const U32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const F32: u32 = 0;
const Q8_0: u32 = 8;

/// A folder with `model-q8_0.gguf`. Matrices must have rows of a multiple of 32.
pub fn save_q8_0(network: &Network) -> TempDir {
    let number = |key: &str| network.config.as_ref().and_then(|c| c[key].as_u64()).expect("a number in the configuration") as u32;
    let (heads, kv_heads) = (number("num_attention_heads"), number("num_key_value_heads"));
    let mut pairs = Vec::new();
    let mut n_pairs = 2u64;
    text(&mut pairs, "general.architecture");
    pairs.extend(STRING.to_le_bytes());
    text(&mut pairs, "llama");
    for (key, value) in [
        ("llama.embedding_length", number("hidden_size")),
        ("llama.block_count", number("num_hidden_layers")),
        ("llama.feed_forward_length", number("intermediate_size")),
        ("llama.attention.head_count", heads),
        ("llama.attention.head_count_kv", kv_heads),
    ] {
        text(&mut pairs, key);
        pairs.extend(U32.to_le_bytes());
        pairs.extend(value.to_le_bytes());
        n_pairs += 1;
    }
    text(&mut pairs, "tokenizer.ggml.tokens");
    pairs.extend(ARRAY.to_le_bytes());
    pairs.extend(STRING.to_le_bytes());
    let tokens = network.tokens.as_deref().unwrap_or_default();
    pairs.extend((tokens.len() as u64).to_le_bytes());
    tokens.iter().for_each(|token| text(&mut pairs, token));
    text(&mut pairs, "tokenizer.ggml.model");
    pairs.extend(STRING.to_le_bytes());
    text(&mut pairs, "gpt2");
    n_pairs += 1;

    let (mut table, mut data) = (Vec::new(), Vec::new());
    for tensor in &network.tensors {
        let stored = match tensor.name.as_str() {
            name if name.contains("q_proj") => interleaved(tensor, heads as usize),
            name if name.contains("k_proj") => interleaved(tensor, kv_heads as usize),
            _ => tensor.clone(),
        };
        data.resize(data.len().next_multiple_of(32), 0u8);
        text(&mut table, &gguf_name(&tensor.name));
        table.extend((stored.shape.len() as u32).to_le_bytes());
        stored.shape.iter().rev().for_each(|&n| table.extend((n as u64).to_le_bytes()));
        table.extend(if stored.is_matrix() { Q8_0 } else { F32 }.to_le_bytes());
        table.extend((data.len() as u64).to_le_bytes());
        if stored.is_matrix() {
            stored.values.chunks_exact(32).for_each(|block| push_block(&mut data, block));
        } else {
            stored.values.iter().for_each(|v| data.extend(v.to_le_bytes()));
        }
    }
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend((network.tensors.len() as u64).to_le_bytes());
    file.extend(n_pairs.to_le_bytes());
    file.extend(pairs);
    file.extend(table);
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("model-q8_0.gguf"), file).expect("a weight file");
    folder
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// 32 values: a half-precision scale of `max / 127`, then their signed bytes.
fn push_block(out: &mut Vec<u8>, block: &[f32]) {
    let largest = block.iter().map(|v| v.abs()).max_by(f32::total_cmp).unwrap_or(0.0);
    let scale = largest / 127.0;
    out.extend(f16::from_f32(scale).to_le_bytes());
    out.extend(block.iter().map(|v| if scale > 0.0 { (v / scale).round() as i8 } else { 0 }.cast_unsigned()));
}

/// The rows of each head from `[2, d/2]` to `[d/2, 2]`, as `LlamaModel.permute` of llama.cpp's `convert_hf_to_gguf.py` puts them.
fn interleaved(tensor: &Tensor, heads: usize) -> Tensor {
    let head_dim = tensor.shape[0] / heads;
    let order: Vec<usize> =
        (0..tensor.shape[0]).map(|row| row / head_dim * head_dim + row % head_dim % 2 * (head_dim / 2) + row % head_dim / 2).collect();
    tensor.rows(&order)
}

fn gguf_name(name: &str) -> String {
    match name {
        "model.embed_tokens.weight" => return "token_embd.weight".into(),
        "model.norm.weight" => return "output_norm.weight".into(),
        "lm_head.weight" => return "output.weight".into(),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix(LLAMA_LAYER).and_then(|rest| rest.split_once('.')).expect("a tensor of a block");
    let rest = match rest {
        "input_layernorm.weight" => "attn_norm.weight",
        "self_attn.q_proj.weight" => "attn_q.weight",
        "self_attn.k_proj.weight" => "attn_k.weight",
        "self_attn.v_proj.weight" => "attn_v.weight",
        "self_attn.o_proj.weight" => "attn_output.weight",
        "post_attention_layernorm.weight" => "ffn_norm.weight",
        "mlp.gate_proj.weight" => "ffn_gate.weight",
        "mlp.up_proj.weight" => "ffn_up.weight",
        "mlp.down_proj.weight" => "ffn_down.weight",
        other => unreachable!("`{other}` has no name in GGUF"),
    };
    format!("blk.{layer}.{rest}")
}
