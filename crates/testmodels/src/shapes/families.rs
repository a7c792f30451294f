//! One tiny network of every family, with gains far from one and biases far from zero, so that a law about folding them can fail.

use crate::{Gaussian, Network, Tensor, sinusoidal_table};
use serde_json::{Value, json};

/// The names that [`family`] knows; mixtral is a member of the family llama.
pub const FAMILIES: [&str; 14] =
    ["llama", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "olmo2", "gpt2", "gpt_neox", "bert", "t5", "whisper"];

/// Other forms of some families, which [`family`] knows too: scaled rotary frequencies, attention over a window, one block after the other in
/// GPT-NeoX, T5 1.1 with its gate and its own head.
pub const VARIANTS: [&str; 5] = ["llama3", "mistral", "gemma3_scaled", "gpt_neox_sequential", "t5_gated"];

const HIDDEN: usize = 48;
const LAYERS: usize = 3;
const HEADS: usize = 6;
const KV_HEADS: usize = 2;
const UNITS: usize = 80;
const VOCAB: usize = 600;
const POSITIONS: usize = 64;

/// A network of 48 coordinates, 3 blocks, 6 heads in 2 groups where the family has groups, 80 units and 600 tokens.
///
/// # Panics
///
/// Where `name` is not one of [`FAMILIES`] or [`VARIANTS`].
pub fn family(name: &str, seed: u64) -> Network {
    let draft = Draft { seed, tensors: Vec::new() };
    match name {
        "llama3" => with(
            draft.decoder("llama"),
            json!({
                "rope_scaling": {
                    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
                },
            }),
        ),
        "mistral" => with(
            draft.decoder("llama"),
            json!({
                "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 4,
            }),
        ),
        "gemma3_scaled" => with(
            draft.decoder("gemma3"),
            json!({
                "layer_types": null, "sliding_window_pattern": 2, "rope_scaling": { "rope_type": "linear", "factor": 8.0 },
            }),
        ),
        "gpt_neox_sequential" => with(draft.gpt_neox(), json!({ "use_parallel_residual": false })),
        "t5_gated" => draft.t5(true),
        "gpt2" => draft.gpt2(),
        "gpt_neox" => draft.gpt_neox(),
        "bert" => draft.bert(),
        "t5" => draft.t5(false),
        "whisper" => draft.whisper(),
        decoder => draft.decoder(decoder),
    }
}

/// The network with other settings.
fn with(mut network: Network, settings: Value) -> Network {
    for (key, value) in settings.as_object().into_iter().flatten() {
        network.set_config(key, value.clone());
    }
    network
}

/// Tensors of one seed, in file order.
struct Draft {
    seed: u64,
    tensors: Vec<Tensor>,
}

impl Draft {
    fn push(&mut self, name: String, shape: Vec<usize>, centre: f64, spread: f64) {
        let n = shape.iter().product();
        let values = Gaussian::new(self.seed, &name).vector(n, spread).into_iter().map(|v| centre as f32 + v).collect();
        self.tensors.push(Tensor { name, shape, values });
    }

    /// Rows share a direction of the model's own, as units of a trained layer do.
    fn matrix(&mut self, name: String, rows: usize, cols: usize) {
        let mut gaussian = Gaussian::new(self.seed, &name);
        let scale = 1.2 / (cols as f64).sqrt();
        let direction = gaussian.vector(cols, 0.4 * scale);
        let mut values = gaussian.vector(rows * cols, scale);
        values.iter_mut().enumerate().for_each(|(i, v)| *v += direction[i % cols]);
        self.tensors.push(Tensor { name, shape: vec![rows, cols], values });
    }

    /// GPT-2's orientation.
    fn matrix_stored_in_out(&mut self, name: String, outputs: usize, inputs: usize) {
        self.matrix(name, outputs, inputs);
        let stored = self.tensors.pop().map(|tensor| tensor.transposed());
        self.tensors.extend(stored);
    }

    fn bias(&mut self, name: String, n: usize) {
        self.push(name, vec![n], 0.0, 0.1);
    }

    /// A gain whose stored values lie around `centre`.
    fn gain(&mut self, name: String, n: usize, centre: f64) {
        self.push(name, vec![n], centre, 0.3);
    }

    fn table(&mut self, name: &str, rows: usize) {
        self.push(name.into(), vec![rows, HIDDEN], 0.0, 0.3);
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.matrix(format!("{name}.weight"), outputs, inputs);
        self.bias(format!("{name}.bias"), outputs);
    }

    fn layer_norm(&mut self, name: &str) {
        self.gain(format!("{name}.weight"), HIDDEN, 1.0);
        self.bias(format!("{name}.bias"), HIDDEN);
    }

    fn into_network(self, config: Value) -> Network {
        let tokens = (0..VOCAB).map(|i| format!("w{i}")).collect();
        Network { config: Some(config), tokens: Some(tokens), tensors: self.tensors }
    }

    /// Llama and its descendants; heads of Gemma and Qwen 3 are wider than the stream's share.
    fn decoder(mut self, family: &str) -> Network {
        let gemma = family.starts_with("gemma");
        let centre = if gemma { 0.0 } else { 1.0 };
        let head_dim = if gemma || family == "qwen3" { 16 } else { HIDDEN / HEADS };
        let (q_rows, kv_rows) = (HEADS * head_dim, KV_HEADS * head_dim);
        let norms: &[&str] = match family {
            "gemma2" | "gemma3" => {
                &["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]
            }
            "olmo2" => &["post_attention_layernorm", "post_feedforward_layernorm"],
            _ => &["input_layernorm", "post_attention_layernorm"],
        };
        self.table("model.embed_tokens.weight", VOCAB);
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("model.layers.{layer}.{rest}.weight");
            for norm in norms {
                self.gain(name(norm), HIDDEN, centre);
            }
            if family == "phi3" {
                self.matrix(name("self_attn.qkv_proj"), q_rows + 2 * kv_rows, HIDDEN);
            } else {
                for (which, rows) in [("q", q_rows), ("k", kv_rows), ("v", kv_rows)] {
                    self.matrix(name(&format!("self_attn.{which}_proj")), rows, HIDDEN);
                    if family == "qwen2" {
                        self.bias(format!("model.layers.{layer}.self_attn.{which}_proj.bias"), rows);
                    }
                }
            }
            for (which, rows) in [("q_norm", q_rows), ("k_norm", kv_rows)] {
                match family {
                    "qwen3" | "gemma3" => self.gain(name(&format!("self_attn.{which}")), head_dim, centre),
                    "olmo2" => self.gain(name(&format!("self_attn.{which}")), rows, centre),
                    _ => {}
                }
            }
            self.matrix(name("self_attn.o_proj"), HIDDEN, q_rows);
            match family {
                "mixtral" => self.experts(layer),
                "phi3" => self.matrix(name("mlp.gate_up_proj"), 2 * UNITS, HIDDEN),
                _ => {
                    self.matrix(name("mlp.gate_proj"), UNITS, HIDDEN);
                    self.matrix(name("mlp.up_proj"), UNITS, HIDDEN);
                }
            }
            if family != "mixtral" {
                self.matrix(name("mlp.down_proj"), HIDDEN, UNITS);
            }
        }
        self.gain("model.norm.weight".into(), HIDDEN, centre);
        if !gemma {
            self.table("lm_head.weight", VOCAB);
        }
        let mut config = json!({
            "architectures": [class(family)], "model_type": if family == "gemma3" { "gemma3_text" } else { family },
            "hidden_size": HIDDEN, "intermediate_size": UNITS, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS, "head_dim": head_dim, "vocab_size": VOCAB, "max_position_embeddings": POSITIONS,
            "rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "tie_word_embeddings": gemma, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        });
        match family {
            "mixtral" => {
                config["num_local_experts"] = json!(4);
                config["num_experts_per_tok"] = json!(2);
                config["sliding_window"] = Value::Null;
            }
            "phi3" => config["original_max_position_embeddings"] = json!(POSITIONS),
            "gemma2" | "gemma3" => {
                config["query_pre_attn_scalar"] = json!(24);
                config["sliding_window"] = json!(4);
                config["layer_types"] = json!(["sliding_attention", "full_attention", "sliding_attention"]);
            }
            _ => {}
        }
        match family {
            "gemma2" => {
                config["attn_logit_softcapping"] = json!(5.0);
                config["final_logit_softcapping"] = json!(8.0);
            }
            "gemma3" => {
                config["rope_theta"] = json!(1_000_000.0);
                config["rope_local_base_freq"] = json!(10_000.0);
            }
            _ => {}
        }
        if gemma {
            config["hidden_activation"] = json!("gelu_pytorch_tanh");
        } else {
            config["hidden_act"] = json!("silu");
        }
        self.into_network(config)
    }

    fn experts(&mut self, layer: usize) {
        let name = |rest: &str| format!("model.layers.{layer}.block_sparse_moe.{rest}.weight");
        self.matrix(name("gate"), 4, HIDDEN);
        for expert in 0..4 {
            self.matrix(name(&format!("experts.{expert}.w1")), UNITS, HIDDEN);
            self.matrix(name(&format!("experts.{expert}.w2")), HIDDEN, UNITS);
            self.matrix(name(&format!("experts.{expert}.w3")), UNITS, HIDDEN);
        }
    }

    fn gpt2(mut self) -> Network {
        self.table("wte.weight", VOCAB);
        self.table("wpe.weight", POSITIONS);
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("h.{layer}.{rest}");
            self.layer_norm(&name("ln_1"));
            self.layer_norm(&name("ln_2"));
            for (rest, outputs, inputs) in [
                ("attn.c_attn", 3 * HIDDEN, HIDDEN),
                ("attn.c_proj", HIDDEN, HIDDEN),
                ("mlp.c_fc", 4 * HIDDEN, HIDDEN),
                ("mlp.c_proj", HIDDEN, 4 * HIDDEN),
            ] {
                self.matrix_stored_in_out(name(&format!("{rest}.weight")), outputs, inputs);
                self.bias(name(&format!("{rest}.bias")), outputs);
            }
        }
        self.layer_norm("ln_f");
        self.into_network(json!({
            "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": HIDDEN, "n_head": HEADS, "n_layer": LAYERS,
            "n_positions": POSITIONS, "vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        }))
    }

    fn gpt_neox(mut self) -> Network {
        self.table("gpt_neox.embed_in.weight", VOCAB);
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("gpt_neox.layers.{layer}.{rest}");
            self.layer_norm(&name("input_layernorm"));
            self.layer_norm(&name("post_attention_layernorm"));
            self.linear(&name("attention.query_key_value"), 3 * HIDDEN, HIDDEN);
            self.linear(&name("attention.dense"), HIDDEN, HIDDEN);
            self.linear(&name("mlp.dense_h_to_4h"), UNITS, HIDDEN);
            self.linear(&name("mlp.dense_4h_to_h"), HIDDEN, UNITS);
        }
        self.layer_norm("gpt_neox.final_layer_norm");
        self.table("embed_out.weight", VOCAB);
        self.into_network(json!({
            "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": HIDDEN, "intermediate_size": UNITS,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "vocab_size": VOCAB, "max_position_embeddings": POSITIONS,
            "rotary_pct": 0.5, "rotary_emb_base": 10_000, "hidden_act": "gelu", "use_parallel_residual": true, "tie_word_embeddings": false,
            "bos_token_id": 1, "eos_token_id": 2,
        }))
    }

    fn bert(mut self) -> Network {
        self.table("embeddings.word_embeddings.weight", VOCAB);
        self.table("embeddings.position_embeddings.weight", POSITIONS);
        self.table("embeddings.token_type_embeddings.weight", 2);
        self.layer_norm("embeddings.LayerNorm");
        for layer in 0..LAYERS {
            let name = |rest: &str| format!("encoder.layer.{layer}.{rest}");
            for which in ["query", "key", "value"] {
                self.linear(&name(&format!("attention.self.{which}")), HIDDEN, HIDDEN);
            }
            self.linear(&name("attention.output.dense"), HIDDEN, HIDDEN);
            self.layer_norm(&name("attention.output.LayerNorm"));
            self.linear(&name("intermediate.dense"), UNITS, HIDDEN);
            self.linear(&name("output.dense"), HIDDEN, UNITS);
            self.layer_norm(&name("output.LayerNorm"));
        }
        self.linear("pooler.dense", HIDDEN, HIDDEN);
        self.into_network(json!({
            "architectures": ["BertModel"], "model_type": "bert", "hidden_size": HIDDEN, "intermediate_size": UNITS,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "vocab_size": VOCAB, "max_position_embeddings": POSITIONS,
            "hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2,
        }))
    }

    /// The original form has one matrix into the MLP and a tied, scaled head; the gated one has two and a head of its own.
    fn t5(mut self, is_gated: bool) -> Network {
        self.table("shared.weight", VOCAB);
        for stack in ["encoder", "decoder"] {
            for layer in 0..LAYERS {
                let name = |place: usize, rest: &str| format!("{stack}.block.{layer}.layer.{place}.{rest}.weight");
                let attentions: &[&str] = if stack == "decoder" { &["SelfAttention", "EncDecAttention"] } else { &["SelfAttention"] };
                for (place, attention) in attentions.iter().enumerate() {
                    self.gain(name(place, "layer_norm"), HIDDEN, 1.0);
                    for which in ["q", "k", "v", "o"] {
                        self.matrix(name(place, &format!("{attention}.{which}")), HIDDEN, HIDDEN);
                    }
                }
                if layer == 0 {
                    self.push(name(0, "SelfAttention.relative_attention_bias"), vec![8, HEADS], 0.0, 0.5);
                }
                let place = attentions.len();
                self.gain(name(place, "layer_norm"), HIDDEN, 1.0);
                for which in if is_gated { &["wi_0", "wi_1"][..] } else { &["wi"] } {
                    self.matrix(name(place, &format!("DenseReluDense.{which}")), UNITS, HIDDEN);
                }
                self.matrix(name(place, "DenseReluDense.wo"), HIDDEN, UNITS);
            }
            self.gain(format!("{stack}.final_layer_norm.weight"), HIDDEN, 1.0);
        }
        if is_gated {
            self.table("lm_head.weight", VOCAB);
        }
        self.into_network(json!({
            "architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "d_model": HIDDEN, "d_ff": UNITS, "d_kv": HIDDEN / HEADS,
            "num_heads": HEADS, "num_layers": LAYERS, "num_decoder_layers": LAYERS, "vocab_size": VOCAB, "feed_forward_proj": if is_gated { "gated-gelu" } else { "relu" }, "tie_word_embeddings": !is_gated,
            "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "layer_norm_epsilon": 1e-6,
            "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0,
        }))
    }

    fn whisper(mut self) -> Network {
        let (channels, frames) = (10, 8);
        for (name, inputs) in [("conv1", channels), ("conv2", HIDDEN)] {
            let name = format!("model.encoder.{name}");
            self.push(format!("{name}.weight"), vec![HIDDEN, inputs, 3], 0.0, 1.2 / (3.0 * inputs as f64).sqrt());
            self.bias(format!("{name}.bias"), HIDDEN);
        }
        self.tensors.push(sinusoidal_table("model.encoder.embed_positions.weight", frames, HIDDEN));
        self.table("model.decoder.embed_tokens.weight", VOCAB);
        self.table("model.decoder.embed_positions.weight", POSITIONS);
        for stack in ["encoder", "decoder"] {
            for layer in 0..LAYERS {
                let name = |rest: &str| format!("model.{stack}.layers.{layer}.{rest}");
                let attentions: &[&str] = if stack == "decoder" { &["self_attn", "encoder_attn"] } else { &["self_attn"] };
                for attention in attentions {
                    for which in ["q_proj", "v_proj", "out_proj"] {
                        self.linear(&name(&format!("{attention}.{which}")), HIDDEN, HIDDEN);
                    }
                    self.matrix(name(&format!("{attention}.k_proj.weight")), HIDDEN, HIDDEN);
                    self.layer_norm(&name(&format!("{attention}_layer_norm")));
                }
                self.linear(&name("fc1"), UNITS, HIDDEN);
                self.linear(&name("fc2"), HIDDEN, UNITS);
                self.layer_norm(&name("final_layer_norm"));
            }
            self.layer_norm(&format!("model.{stack}.layer_norm"));
        }
        self.into_network(json!({
            "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "d_model": HIDDEN, "vocab_size": VOCAB,
            "encoder_layers": LAYERS, "decoder_layers": LAYERS, "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": UNITS, "decoder_ffn_dim": UNITS, "num_mel_bins": channels, "max_source_positions": frames,
            "max_target_positions": POSITIONS, "activation_function": "gelu",
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 3,
        }))
    }
}

/// The class that loads a decoder.
fn class(family: &str) -> String {
    let stem = match family {
        "llama" => "Llama",
        "mixtral" => "Mixtral",
        "qwen2" => "Qwen2",
        "qwen3" => "Qwen3",
        "gemma" => "Gemma",
        "gemma2" => "Gemma2",
        "gemma3" => "Gemma3",
        "phi3" => "Phi3",
        "olmo2" => "Olmo2",
        other => panic!("a family that is known here, not {other}"),
    };
    format!("{stem}ForCausalLM")
}
