//! GPT-2 and GPT-NeoX: layer norms with biases, one matrix into the MLP.

use super::attention::{Attention, Rotary};
use super::math::{Activation, Vectors, add, cut};
use super::parameters::Parameters;

/// GPT-2: learned positions, matrices stored `[in, out]`, queries, keys and values stacked.
pub(super) fn gpt2(parameters: &Parameters, tokens: &[usize]) -> Vectors {
    let eps = parameters.number("layer_norm_epsilon").unwrap_or(1e-5);
    let activation = Activation::named(parameters.text("activation_function").unwrap_or("gelu_new"));
    let heads = parameters.required_count("n_head");
    let mut stream = parameters.rows("wte.weight", tokens.iter().copied());
    add(&mut stream, &parameters.rows("wpe.weight", 0..tokens.len()));
    for layer in 0..parameters.required_count("n_layer") {
        let name = |rest: &str| format!("h.{layer}.{rest}");
        let fused = parameters.linear_stored_in_out(&name("attn.c_attn"), &parameters.layer_norm(&name("ln_1"), eps, &stream));
        let width = fused[0].len() / 3;
        let [queries, keys, values] = cut(&fused, [width; 3]);
        let mixed = Attention::plain(heads, width).causal().mix(&queries, &keys, &values);
        add(&mut stream, &parameters.linear_stored_in_out(&name("attn.c_proj"), &mixed));
        let units = parameters.linear_stored_in_out(&name("mlp.c_fc"), &parameters.layer_norm(&name("ln_2"), eps, &stream));
        add(&mut stream, &parameters.linear_stored_in_out(&name("mlp.c_proj"), &activation.over(units)));
    }
    parameters.logits("lm_head.weight", "wte.weight", true, &parameters.layer_norm("ln_f", eps, &stream))
}

/// GPT-NeoX: attention and MLP read the same stream, part of each head is turned, a head's query, key and value rows stand together.
pub(super) fn gpt_neox(parameters: &Parameters, tokens: &[usize]) -> Vectors {
    let eps = parameters.number("layer_norm_eps").unwrap_or(1e-5);
    let activation = Activation::named(parameters.text("hidden_act").unwrap_or("gelu"));
    let heads = parameters.required_count("num_attention_heads");
    let parallel = parameters.flag("use_parallel_residual").unwrap_or(true);
    let turned = parameters.setting("rope_parameters").and_then(|s| s["partial_rotary_factor"].as_f64());
    let turned = turned.or_else(|| parameters.number("rotary_pct")).unwrap_or(0.25);
    let mut stream = parameters.rows("embed_in.weight", tokens.iter().copied());
    for layer in 0..parameters.required_count("num_hidden_layers") {
        let name = |rest: &str| format!("layers.{layer}.{rest}");
        let fused = parameters.linear(&name("attention.query_key_value"), &parameters.layer_norm(&name("input_layernorm"), eps, &stream));
        let width = fused[0].len() / 3;
        let head_dim = width / heads;
        let part = |which: usize| -> Vectors {
            let of_heads =
                |x: &Vec<f64>| x.chunks_exact(3 * head_dim).flat_map(|head| head[which * head_dim..][..head_dim].to_vec()).collect();
            fused.iter().map(of_heads).collect()
        };
        let (mut queries, mut keys, values) = (part(0), part(1), part(2));
        let rotary = Rotary::of(parameters, (head_dim as f64 * turned) as usize);
        rotary.turn(&mut queries, head_dim);
        rotary.turn(&mut keys, head_dim);
        let mixed = Attention::plain(heads, width).causal().mix(&queries, &keys, &values);
        let attended = parameters.linear(&name("attention.dense"), &mixed);
        let mlp = |stream: &Vectors| {
            let units =
                parameters.linear(&name("mlp.dense_h_to_4h"), &parameters.layer_norm(&name("post_attention_layernorm"), eps, stream));
            parameters.linear(&name("mlp.dense_4h_to_h"), &activation.over(units))
        };
        if parallel {
            let written = mlp(&stream);
            add(&mut stream, &attended);
            add(&mut stream, &written);
        } else {
            add(&mut stream, &attended);
            let written = mlp(&stream);
            add(&mut stream, &written);
        }
    }
    let last = parameters.layer_norm("final_layer_norm", eps, &stream);
    let head = if parameters.optional("embed_out.weight").is_some() { "embed_out.weight" } else { "lm_head.weight" };
    parameters.logits(head, "embed_in.weight", false, &last)
}
