//! T5 and whisper: an encoder, and a decoder that looks at what the encoder says.

use super::attention::Attention;
use super::math::{Activation, Vectors, add, scaled, times};
use super::parameters::Parameters;
use super::sound;

/// T5: norms without mean or bias, relative positions as a bias that the first layer keeps for all, unscaled scores.
pub(super) fn t5(parameters: &Parameters, tokens: &[usize]) -> Vectors {
    let memory = t5_stack(parameters, "encoder", tokens, None);
    let mut last = t5_stack(parameters, "decoder", tokens, Some(&memory));
    if parameters.flag("tie_word_embeddings") != Some(false) {
        last = scaled(last, (parameters.tensor("shared.weight").row_len() as f64).sqrt().recip());
    }
    parameters.logits("lm_head.weight", "shared.weight", true, &last)
}

fn t5_stack(parameters: &Parameters, stack: &str, tokens: &[usize], memory: Option<&Vectors>) -> Vectors {
    let eps = parameters.number("layer_norm_epsilon").unwrap_or(1e-6);
    let heads = parameters.required_count("num_heads");
    let layers = memory.and_then(|_| parameters.count("num_decoder_layers")).unwrap_or_else(|| parameters.required_count("num_layers"));
    let plain = || Attention { scale: 1.0, ..Attention::plain(heads, heads) };
    let own = Attention { causal: memory.is_some(), bias: relative_bias(parameters, stack, tokens.len()), ..plain() };
    let mut stream = parameters.rows("shared.weight", tokens.iter().copied());
    for layer in 0..layers {
        let name = |place: usize, rest: &str| format!("{stack}.block.{layer}.layer.{place}.{rest}");
        let normed = |place: usize, stream: &Vectors| parameters.rms_norm(&name(place, "layer_norm"), 0.0, eps, stream);
        let attend = |attention: &Attention, place: usize, kind: &str, read: &Vectors, seen: &Vectors| {
            let matrix = |which: &str, x: &Vectors| parameters.linear(&name(place, &format!("{kind}.{which}")), x);
            matrix("o", &attention.mix(&matrix("q", read), &matrix("k", seen), &matrix("v", seen)))
        };
        let read = normed(0, &stream);
        add(&mut stream, &attend(&own, 0, "SelfAttention", &read, &read));
        if let Some(memory) = memory {
            let read = normed(1, &stream);
            add(&mut stream, &attend(&plain(), 1, "EncDecAttention", &read, memory));
        }
        let place = if memory.is_some() { 2 } else { 1 };
        let read = normed(place, &stream);
        add(&mut stream, &t5_mlp(parameters, &name(place, "DenseReluDense"), &read));
    }
    parameters.rms_norm(&format!("{stack}.final_layer_norm"), 0.0, eps, &stream)
}

fn t5_mlp(parameters: &Parameters, name: &str, input: &Vectors) -> Vectors {
    let kind = parameters.text("feed_forward_proj").unwrap_or("relu");
    let units = match kind.strip_prefix("gated-") {
        Some(activation) => {
            let activation = Activation::named(if activation == "gelu" { "gelu_new" } else { activation });
            times(activation.over(parameters.linear(&format!("{name}.wi_0"), input)), &parameters.linear(&format!("{name}.wi_1"), input))
        }
        None => Activation::named(kind).over(parameters.linear(&format!("{name}.wi"), input)),
    };
    parameters.linear(&format!("{name}.wo"), &units)
}

/// One number a head and a bucket of distances: exact ones first, then ever wider ones (Raffel et al. 2020, § 2.1).
fn relative_bias(parameters: &Parameters, stack: &str, positions: usize) -> Vec<Vectors> {
    let table = parameters.tensor(&format!("{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
    let both_sides = stack == "encoder";
    let buckets = table.shape[0] / if both_sides { 2 } else { 1 };
    let farthest = parameters.number("relative_attention_max_distance").unwrap_or(128.0);
    let bucket = |query: usize, key: usize| {
        let (distance, later) = if both_sides { (query.abs_diff(key), key > query) } else { (query.saturating_sub(key), false) };
        let exact = buckets / 2;
        let bucket = if distance < exact {
            distance
        } else {
            let share = (distance as f64 / exact as f64).ln() / (farthest / exact as f64).ln();
            (exact + (share * (buckets - exact) as f64) as usize).min(buckets - 1)
        };
        bucket + if later { buckets } else { 0 }
    };
    let heads = table.row_len();
    let of_pair = |head: usize, query: usize, key: usize| f64::from(table.values[bucket(query, key) * heads + head]);
    (0..heads).map(|head| (0..positions).map(|q| (0..positions).map(|k| of_pair(head, q, k)).collect()).collect()).collect()
}

const WHISPER_EPS: f64 = 1e-5;

/// Whisper: two convolutions and an encoder over [`sound`], a decoder with learned positions.
pub(super) fn whisper(parameters: &Parameters, tokens: &[usize]) -> Vectors {
    let memory = whisper_encoder(parameters);
    let mut stream = parameters.rows("decoder.embed_tokens.weight", tokens.iter().copied());
    add(&mut stream, &parameters.rows("decoder.embed_positions.weight", 0..tokens.len()));
    for layer in 0..parameters.required_count("decoder_layers") {
        whisper_layer(parameters, &format!("decoder.layers.{layer}"), "decoder_attention_heads", Some(&memory), &mut stream);
    }
    let last = parameters.layer_norm("decoder.layer_norm", WHISPER_EPS, &stream);
    parameters.logits("proj_out.weight", "decoder.embed_tokens.weight", true, &last)
}

fn whisper_encoder(parameters: &Parameters) -> Vectors {
    let positions = parameters.required_count("max_source_positions");
    let heard = sound(parameters.required_count("num_mel_bins"), 2 * positions);
    let frames: Vectors = (0..2 * positions).map(|t| heard.iter().map(|channel| channel[t]).collect()).collect();
    let frames = Activation::Gelu.over(convolution(parameters, "encoder.conv1", &frames, 1));
    let mut stream = Activation::Gelu.over(convolution(parameters, "encoder.conv2", &frames, 2));
    add(&mut stream, &parameters.rows("encoder.embed_positions.weight", 0..positions));
    for layer in 0..parameters.required_count("encoder_layers") {
        whisper_layer(parameters, &format!("encoder.layers.{layer}"), "encoder_attention_heads", None, &mut stream);
    }
    parameters.layer_norm("encoder.layer_norm", WHISPER_EPS, &stream)
}

/// Over time, with three taps and a zero before and after.
fn convolution(parameters: &Parameters, name: &str, frames: &[Vec<f64>], stride: usize) -> Vectors {
    let (weight, bias) = (parameters.tensor(&format!("{name}.weight")), parameters.tensor(&format!("{name}.bias")));
    let width = weight.row_len();
    let at = |t: usize, output: usize| {
        let taps = &weight.values[output * width..][..width];
        let tap = |i: usize| {
            (t + i)
                .checked_sub(1)
                .and_then(|place| frames.get(place))
                .map_or(0.0, |frame| frame.iter().enumerate().map(|(channel, x)| x * f64::from(taps[channel * 3 + i])).sum())
        };
        f64::from(bias.values[output]) + (0..3).map(tap).sum::<f64>()
    };
    (0..frames.len()).step_by(stride).map(|t| (0..weight.shape[0]).map(|output| at(t, output)).collect()).collect()
}

fn whisper_layer(parameters: &Parameters, prefix: &str, heads: &str, memory: Option<&Vectors>, stream: &mut Vectors) {
    let heads = parameters.required_count(heads);
    let name = |rest: &str| format!("{prefix}.{rest}");
    let attend = |kind: &str, read: &Vectors, seen: &Vectors, causal: bool| {
        let matrix = |which: &str, x: &Vectors| parameters.linear(&name(&format!("{kind}.{which}")), x);
        let queries = matrix("q_proj", read);
        let attention = Attention { causal, ..Attention::plain(heads, queries[0].len()) };
        matrix("out_proj", &attention.mix(&queries, &matrix("k_proj", seen), &matrix("v_proj", seen)))
    };
    let read = parameters.layer_norm(&name("self_attn_layer_norm"), WHISPER_EPS, stream);
    add(stream, &attend("self_attn", &read, &read, memory.is_some()));
    if let Some(memory) = memory {
        let read = parameters.layer_norm(&name("encoder_attn_layer_norm"), WHISPER_EPS, stream);
        add(stream, &attend("encoder_attn", &read, memory, false));
    }
    let activation = Activation::named(parameters.text("activation_function").unwrap_or("gelu"));
    let units = parameters.linear(&name("fc1"), &parameters.layer_norm(&name("final_layer_norm"), WHISPER_EPS, stream));
    add(stream, &parameters.linear(&name("fc2"), &activation.over(units)));
}
