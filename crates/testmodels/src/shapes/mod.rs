//! Networks with random weights: llama, gpt2 and bert as their families name them, and recurrent ones that no family describes.

mod families;

pub use families::{FAMILIES, VARIANTS, family};

use crate::{Gaussian, Network, Tensor};
use serde_json::json;

/// A llama-shaped network.
#[derive(Debug, Clone)]
pub struct Llama {
    /// Of all weights.
    pub seed: u64,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads; half as many key-value heads.
    pub heads: usize,
    /// Units of an MLP.
    pub intermediate: usize,
    /// Tokens.
    pub vocab: usize,
    /// Whether there are tokens beside the weights.
    pub with_tokens: bool,
}

impl Llama {
    /// The default sizes: 64 wide, 3 blocks, 8 heads, 64 units, 640 tokens, which is below every cap on drawn units but the tokens'.
    pub fn new(seed: u64) -> Self {
        Self { seed, hidden: 64, layers: 3, heads: 8, intermediate: 64, vocab: 640, with_tokens: true }
    }

    /// 32 wide, 2 blocks, 256 tokens, without tokenizer: for hundreds of them.
    pub fn tiny(seed: u64) -> Self {
        Self { seed, hidden: 32, layers: 2, heads: 4, intermediate: 48, vocab: 256, with_tokens: false }
    }

    /// The network.
    pub fn build(&self) -> Network {
        let &Self { seed, hidden, layers, heads, intermediate, vocab, .. } = self;
        let head_dim = hidden / heads;
        let kv_rows = heads / 2 * head_dim;
        let matrix = |name: String, rows: usize, cols: usize| trained_matrix(seed, name, rows, cols);
        let gain = |name: String| gains(seed, name, hidden);
        let mut tensors = vec![token_table(seed, "model.embed_tokens.weight", vocab, hidden)];
        for layer in 0..layers {
            let name = |rest: &str| format!("model.layers.{layer}.{rest}.weight");
            tensors.extend([
                gain(name("input_layernorm")),
                matrix(name("self_attn.q_proj"), hidden, hidden),
                matrix(name("self_attn.k_proj"), kv_rows, hidden),
                matrix(name("self_attn.v_proj"), kv_rows, hidden),
                matrix(name("self_attn.o_proj"), hidden, hidden),
                gain(name("post_attention_layernorm")),
                matrix(name("mlp.gate_proj"), intermediate, hidden),
                matrix(name("mlp.up_proj"), intermediate, hidden),
                matrix(name("mlp.down_proj"), hidden, intermediate),
            ]);
        }
        tensors.push(gain("model.norm.weight".into()));
        tensors.push(token_table(seed, "lm_head.weight", vocab, hidden));
        let config = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": heads / 2, "head_dim": head_dim, "intermediate_size": intermediate,
            "vocab_size": vocab, "tie_word_embeddings": false,
        });
        Network { config: Some(config), tokens: self.with_tokens.then(|| tokens(vocab)), tensors }
    }
}

/// Different byte strings for all ids, the same for every network.
fn tokens(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("w{i}")).collect()
}

/// Rows of a matrix share a direction of the model's own, as units of a trained layer do.
fn trained_matrix(seed: u64, name: String, rows: usize, cols: usize) -> Tensor {
    let mut gaussian = Gaussian::new(seed, &name);
    let scale = 0.5 / (cols as f64).sqrt();
    let direction = gaussian.vector(cols, 0.4 * scale);
    let mut values = gaussian.vector(rows * cols, scale);
    values.iter_mut().enumerate().for_each(|(i, v)| *v += direction[i % cols]);
    Tensor { name, shape: vec![rows, cols], values }
}

/// Rarer tokens have longer rows, and all rows have a part along one pattern over tokens that every model shows, in directions of its own.
fn token_table(seed: u64, name: &str, vocab: usize, hidden: usize) -> Tensor {
    let mut gaussian = Gaussian::new(seed, name);
    let pattern = Gaussian::new(0, "pattern over tokens").vector(vocab, 1.0);
    let direction = gaussian.vector(hidden, 0.02 * 0.3);
    let mut values = gaussian.vector(vocab * hidden, 0.02);
    for (i, v) in values.iter_mut().enumerate() {
        let (token, coordinate) = (i / hidden, i % hidden);
        let frequency = 0.6 + 0.4 * (1.0 + token as f32).ln() / (1.0 + vocab as f32).ln();
        *v = frequency * *v + pattern[token] * direction[coordinate];
    }
    Tensor { name: name.into(), shape: vec![vocab, hidden], values }
}

/// Gains near one: a spread of .063 gives two strangers the raw cosine of .996 that real models show (METHODS.md, section 2).
fn gains(seed: u64, name: String, n: usize) -> Tensor {
    let values = Gaussian::new(seed, &name).vector(n, 0.063).into_iter().map(|v| 1.0 + v).collect();
    Tensor { name, shape: vec![n], values }
}

/// Biases that no training moved: equal in all models.
fn zero_bias(name: String, n: usize) -> Tensor {
    Tensor { name, shape: vec![n], values: vec![0.0; n] }
}

/// A GPT-2 of 64 coordinates and 2 blocks: fused queries, keys and values, matrices stored `[in, out]`.
pub fn gpt2(seed: u64) -> Network {
    let (hidden, vocab, positions) = (64, 640, 96);
    let mut tensors = vec![token_table(seed, "wte.weight", vocab, hidden), trained_matrix(seed, "wpe.weight".into(), positions, hidden)];
    for layer in 0..2 {
        let name = |rest: &str| format!("h.{layer}.{rest}");
        let stored = |name: String, outputs: usize, inputs: usize| trained_matrix(seed, name, outputs, inputs).transposed();
        tensors.extend([
            gains(seed, name("ln_1.weight"), hidden),
            zero_bias(name("ln_1.bias"), hidden),
            stored(name("attn.c_attn.weight"), 3 * hidden, hidden),
            zero_bias(name("attn.c_attn.bias"), 3 * hidden),
            stored(name("attn.c_proj.weight"), hidden, hidden),
            zero_bias(name("attn.c_proj.bias"), hidden),
            gains(seed, name("ln_2.weight"), hidden),
            zero_bias(name("ln_2.bias"), hidden),
            stored(name("mlp.c_fc.weight"), 4 * hidden, hidden),
            zero_bias(name("mlp.c_fc.bias"), 4 * hidden),
            stored(name("mlp.c_proj.weight"), hidden, 4 * hidden),
            zero_bias(name("mlp.c_proj.bias"), hidden),
        ]);
    }
    tensors.extend([gains(seed, "ln_f.weight".into(), hidden), zero_bias("ln_f.bias".into(), hidden)]);
    let config = json!({ "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": hidden, "n_head": 8, "n_layer": 2, "vocab_size": vocab });
    Network { config: Some(config), tokens: Some(tokens(vocab)), tensors }
}

/// A BERT encoder of 64 coordinates and 2 blocks.
pub fn bert(seed: u64) -> Network {
    let (hidden, intermediate, vocab, positions) = (64, 96, 640, 48);
    let mut tensors = vec![
        token_table(seed, "embeddings.word_embeddings.weight", vocab, hidden),
        trained_matrix(seed, "embeddings.position_embeddings.weight".into(), positions, hidden),
        gains(seed, "embeddings.LayerNorm.weight".into(), hidden),
        zero_bias("embeddings.LayerNorm.bias".into(), hidden),
    ];
    for layer in 0..2 {
        let mut dense = |rest: &str, outputs: usize, inputs: usize| {
            let name = |part: &str| format!("encoder.layer.{layer}.{rest}.{part}");
            tensors.extend([trained_matrix(seed, name("weight"), outputs, inputs), zero_bias(name("bias"), outputs)]);
        };
        dense("attention.self.query", hidden, hidden);
        dense("attention.self.key", hidden, hidden);
        dense("attention.self.value", hidden, hidden);
        dense("attention.output.dense", hidden, hidden);
        dense("intermediate.dense", intermediate, hidden);
        dense("output.dense", hidden, intermediate);
        for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
            let name = |part: &str| format!("encoder.layer.{layer}.{norm}.{part}");
            tensors.extend([gains(seed, name("weight"), hidden), zero_bias(name("bias"), hidden)]);
        }
    }
    let config = json!({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": hidden, "num_hidden_layers": 2, "num_attention_heads": 8,
        "intermediate_size": intermediate, "vocab_size": vocab, "max_position_embeddings": positions,
    });
    Network { config: Some(config), tokens: Some(tokens(vocab)), tensors }
}

/// One recurrent layer of `units` over `inputs` with `gates` gates, and a projection; no family describes it. `diagonal` is added to the
/// diagonal of every gate's recurrent matrix, as training leaves it in many networks.
fn recurrent(seed: u64, gates: usize, units: usize, inputs: usize, diagonal: f32) -> Network {
    let mut inner = trained_matrix(seed, "rnn.weight_hh_l0".into(), gates * units, units);
    for row in 0..gates * units {
        inner.values[row * units + row % units] += diagonal;
    }
    Network::of(vec![
        trained_matrix(seed, "rnn.weight_ih_l0".into(), gates * units, inputs),
        inner,
        trained_matrix(seed, "projection.weight".into(), 40, units),
    ])
}

/// A GRU of 48 units over 70 inputs, gates in PyTorch's order: reset, update, new.
pub fn gru(seed: u64, diagonal: f32) -> Network {
    recurrent(seed, 3, 48, 70, diagonal)
}

/// An LSTM of 32 units over 32 inputs: every large matrix is a stack of squares.
pub fn lstm(seed: u64, diagonal: f32) -> Network {
    recurrent(seed, 4, 32, 32, diagonal)
}
