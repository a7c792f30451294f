//! Llama and its descendants: gated MLPs, rotary positions, norms by the root mean square.

use super::attention::{Attention, Rotary};
use super::math::{Activation, Vectors, add, capped, cut, rms_normed, scaled, softmax, times};
use super::parameters::Parameters;
use serde_json::Value;

/// Norm over queries and keys before they are turned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HeadNorm {
    None,
    EachHead,
    AllHeads,
}

/// What tells one family from another.
struct Kind<'a> {
    family: &'a str,
    /// What the stored gains are counted from.
    offset: f64,
    eps: f64,
    /// Norms of what attention reads, of what it writes, of what the MLP reads and of what it writes.
    norms: [Option<&'static str>; 4],
    head_norm: HeadNorm,
    activation: Activation,
    embed_scale: f64,
    attention_cap: Option<f64>,
    logit_cap: Option<f64>,
    tied: bool,
}

impl<'a> Kind<'a> {
    fn of(family: &'a str, parameters: &Parameters) -> Self {
        let cap = |key: &str, default: f64| parameters.number(key).or((family == "gemma2").then_some(default));
        let gemma = family.starts_with("gemma");
        let norms = match family {
            "gemma2" | "gemma3" | "gemma3_text" => [
                Some("input_layernorm"),
                Some("post_attention_layernorm"),
                Some("pre_feedforward_layernorm"),
                Some("post_feedforward_layernorm"),
            ],
            "olmo2" => [None, Some("post_attention_layernorm"), None, Some("post_feedforward_layernorm")],
            _ => [Some("input_layernorm"), None, Some("post_attention_layernorm"), None],
        };
        let head_norm = match family {
            "qwen3" | "gemma3" | "gemma3_text" => HeadNorm::EachHead,
            "olmo2" => HeadNorm::AllHeads,
            _ => HeadNorm::None,
        };
        let activation = match family {
            _ if gemma => parameters.text("hidden_activation").unwrap_or("gelu_pytorch_tanh"),
            _ => parameters.text("hidden_act").unwrap_or("silu"),
        };
        let default_eps = if matches!(family, "phi3" | "olmo2" | "mixtral") { 1e-5 } else { 1e-6 };
        Self {
            family,
            offset: if gemma { 1.0 } else { 0.0 },
            eps: parameters.number("rms_norm_eps").unwrap_or(default_eps),
            norms,
            head_norm,
            activation: Activation::named(activation),
            embed_scale: if gemma { (parameters.tensor("embed_tokens.weight").row_len() as f64).sqrt() } else { 1.0 },
            attention_cap: cap("attn_logit_softcapping", 50.0),
            logit_cap: cap("final_logit_softcapping", 30.0),
            tied: gemma,
        }
    }

    /// Whether a layer's attention looks back over a window only.
    fn is_sliding(&self, parameters: &Parameters, layer: usize) -> bool {
        if let Some(kind) = parameters.setting("layer_types").and_then(|kinds| kinds[layer].as_str()) {
            return kind == "sliding_attention";
        }
        match self.family {
            "gemma2" => layer.is_multiple_of(2),
            "gemma3" | "gemma3_text" => !(layer + 1).is_multiple_of(parameters.count("sliding_window_pattern").unwrap_or(6)),
            "qwen2" | "qwen3" => {
                parameters.flag("use_sliding_window") == Some(true) && layer >= parameters.count("max_window_layers").unwrap_or(28)
            }
            _ => true,
        }
    }

    /// Gemma 3 turns by one base where attention slides and by another where it does not.
    fn rotary(&self, parameters: &Parameters, dims: usize, sliding: bool) -> Rotary {
        if !self.family.starts_with("gemma3") {
            return Rotary::of(parameters, dims);
        }
        let (kind, old_key, default) =
            if sliding { ("sliding_attention", "rope_local_base_freq", 10_000.0) } else { ("full_attention", "rope_theta", 1_000_000.0) };
        let settings = parameters.setting("rope_parameters").and_then(|s| s.get(kind));
        let settings = settings.or_else(|| parameters.setting("rope_scaling").filter(|_| !sliding));
        let theta = settings.and_then(|s| s["rope_theta"].as_f64()).or_else(|| parameters.number(old_key));
        Rotary::new(dims, theta.unwrap_or(default), settings)
    }

    fn norm(&self, parameters: &Parameters, prefix: &str, which: usize, x: Vectors) -> Vectors {
        match self.norms[which] {
            Some(name) => parameters.rms_norm(&format!("{prefix}.{name}"), self.offset, self.eps, &x),
            None => x,
        }
    }

    fn head_norm(&self, parameters: &Parameters, name: &str, vectors: Vectors, head_dim: usize) -> Vectors {
        match self.head_norm {
            HeadNorm::None => vectors,
            HeadNorm::AllHeads => parameters.rms_norm(name, self.offset, self.eps, &vectors),
            HeadNorm::EachHead => {
                let gains = &parameters.tensor(&format!("{name}.weight")).values;
                let normed = |head: &[f64]| rms_normed(&[head.to_vec()], self.eps).remove(0);
                let gained =
                    |head: Vec<f64>| head.into_iter().zip(gains).map(|(y, &g)| y * (self.offset + f64::from(g))).collect::<Vec<f64>>();
                vectors.iter().map(|x| x.chunks_exact(head_dim).flat_map(|head| gained(normed(head))).collect()).collect()
            }
        }
    }
}

/// Logits of the next token at every position.
pub(super) fn decoder(parameters: &Parameters, family: &str, tokens: &[usize]) -> Vectors {
    let kind = Kind::of(family, parameters);
    let mut stream = scaled(parameters.rows("embed_tokens.weight", tokens.iter().copied()), kind.embed_scale);
    for layer in 0..parameters.required_count("num_hidden_layers") {
        let prefix = format!("layers.{layer}");
        let read = kind.norm(parameters, &prefix, 0, stream.clone());
        let written = kind.norm(parameters, &prefix, 1, attention(parameters, &kind, layer, &read));
        add(&mut stream, &written);
        let read = kind.norm(parameters, &prefix, 2, stream.clone());
        let written = kind.norm(parameters, &prefix, 3, mlp(parameters, &kind, &prefix, &read));
        add(&mut stream, &written);
    }
    let last = parameters.rms_norm("norm", kind.offset, kind.eps, &stream);
    let mut logits = parameters.logits("lm_head.weight", "embed_tokens.weight", kind.tied, &last);
    logits.iter_mut().flatten().for_each(|x| *x = capped(*x, kind.logit_cap));
    logits
}

fn attention(parameters: &Parameters, kind: &Kind, layer: usize, input: &[Vec<f64>]) -> Vectors {
    let heads = parameters.required_count("num_attention_heads");
    let kv_heads = parameters.count("num_key_value_heads").unwrap_or(heads);
    let head_dim = parameters.count("head_dim").unwrap_or_else(|| parameters.required_count("hidden_size") / heads);
    let name = |rest: &str| format!("layers.{layer}.self_attn.{rest}");
    let [queries, keys, values] = if parameters.optional(&name("qkv_proj.weight")).is_some() {
        cut(&parameters.linear(&name("qkv_proj"), input), [heads * head_dim, kv_heads * head_dim, kv_heads * head_dim])
    } else {
        ["q_proj", "k_proj", "v_proj"].map(|rest| parameters.linear(&name(rest), input))
    };
    let mut queries = kind.head_norm(parameters, &name("q_norm"), queries, head_dim);
    let mut keys = kind.head_norm(parameters, &name("k_norm"), keys, head_dim);
    let sliding = kind.is_sliding(parameters, layer);
    let turned = parameters.setting("rope_parameters").and_then(|s| s["partial_rotary_factor"].as_f64());
    let turned = turned.or_else(|| parameters.number("partial_rotary_factor")).unwrap_or(1.0);
    let rotary = kind.rotary(parameters, (head_dim as f64 * turned) as usize, sliding);
    rotary.turn(&mut queries, head_dim);
    rotary.turn(&mut keys, head_dim);
    let scalar = match kind.family {
        "gemma2" | "gemma3" | "gemma3_text" => parameters.number("query_pre_attn_scalar").unwrap_or(256.0),
        _ => head_dim as f64,
    };
    let attention = Attention {
        heads,
        kv_heads,
        scale: scalar.sqrt().recip(),
        soft_cap: kind.attention_cap,
        causal: true,
        window: parameters.count("sliding_window").filter(|_| sliding),
        bias: Vec::new(),
    };
    parameters.linear(&name("o_proj"), &attention.mix(&queries, &keys, &values))
}

fn mlp(parameters: &Parameters, kind: &Kind, prefix: &str, input: &[Vec<f64>]) -> Vectors {
    let name = |rest: &str| format!("{prefix}.mlp.{rest}");
    if parameters.optional(&format!("{prefix}.block_sparse_moe.gate.weight")).is_some() {
        return mixture(parameters, kind, &format!("{prefix}.block_sparse_moe"), input);
    }
    let [gate, up] = if parameters.optional(&name("gate_up_proj.weight")).is_some() {
        let both = parameters.linear(&name("gate_up_proj"), input);
        let half = both[0].len() / 2;
        cut(&both, [half, half])
    } else {
        ["gate_proj", "up_proj"].map(|rest| parameters.linear(&name(rest), input))
    };
    parameters.linear(&name("down_proj"), &times(kind.activation.over(gate), &up))
}

/// Mixtral: the most probable experts of each token, weighted by their probabilities among themselves.
fn mixture(parameters: &Parameters, kind: &Kind, prefix: &str, input: &[Vec<f64>]) -> Vectors {
    let chosen = parameters.setting("num_experts_per_tok").and_then(Value::as_u64).unwrap_or(2) as usize;
    let scores = parameters.linear(&format!("{prefix}.gate"), input);
    let route = |(x, scores): (&Vec<f64>, &Vec<f64>)| {
        let mut experts: Vec<usize> = (0..scores.len()).collect();
        experts.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        experts.truncate(chosen);
        let shares = softmax(&experts.iter().map(|&expert| scores[expert]).collect::<Vec<f64>>());
        let mut output = vec![vec![0.0; x.len()]];
        for (expert, share) in experts.into_iter().zip(shares) {
            let matrix = |which: &str, x: &[Vec<f64>]| parameters.linear(&format!("{prefix}.experts.{expert}.{which}"), x);
            let x = std::slice::from_ref(x);
            let units = times(kind.activation.over(matrix("w1", x)), &matrix("w3", x));
            add(&mut output, &scaled(matrix("w2", &units), share));
        }
        output.remove(0)
    };
    input.iter().zip(&scores).map(route).collect()
}
