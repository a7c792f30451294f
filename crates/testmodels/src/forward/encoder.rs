//! BERT: norms inside the stream, every position sees every other.

use super::attention::Attention;
use super::math::{Activation, Vectors, add};
use super::parameters::Parameters;

/// The last hidden states; all tokens are of the first type.
pub(super) fn bert(parameters: &Parameters, tokens: &[usize]) -> Vectors {
    let eps = parameters.number("layer_norm_eps").unwrap_or(1e-12);
    let activation = Activation::named(parameters.text("hidden_act").unwrap_or("gelu"));
    let heads = parameters.required_count("num_attention_heads");
    let mut stream = parameters.rows("embeddings.word_embeddings.weight", tokens.iter().copied());
    add(&mut stream, &parameters.rows("embeddings.position_embeddings.weight", 0..tokens.len()));
    let types = "embeddings.token_type_embeddings.weight";
    if parameters.optional(types).is_some() {
        add(&mut stream, &parameters.rows(types, tokens.iter().map(|_| 0)));
    }
    stream = parameters.layer_norm("embeddings.LayerNorm", eps, &stream);
    for layer in 0..parameters.required_count("num_hidden_layers") {
        let name = |rest: &str| format!("encoder.layer.{layer}.{rest}");
        let [queries, keys, values] =
            ["query", "key", "value"].map(|rest| parameters.linear(&name(&format!("attention.self.{rest}")), &stream));
        let mixed = Attention::plain(heads, queries[0].len()).mix(&queries, &keys, &values);
        add(&mut stream, &parameters.linear(&name("attention.output.dense"), &mixed));
        stream = parameters.layer_norm(&name("attention.output.LayerNorm"), eps, &stream);
        let units = activation.over(parameters.linear(&name("intermediate.dense"), &stream));
        add(&mut stream, &parameters.linear(&name("output.dense"), &units));
        stream = parameters.layer_norm(&name("output.LayerNorm"), eps, &stream);
    }
    stream
}
