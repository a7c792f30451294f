//! `config.json` of a checkpoint: its own, or one made from shapes and from the metadata of a container that has none.

use crate::{LabError, Spec};
use serde_json::{Map, Value, json};
use sources::form::{Activation, NormKind};
use sources::tensor::MetaValue;
use sources::{Binding, FormatError, Model, Role, Slot, Stack, family};
use std::collections::BTreeMap;

/// The configuration that the written folder starts from.
pub(crate) fn of(model: &Model, binding: &Binding, specs: &BTreeMap<Slot, Spec>) -> Result<Value, LabError> {
    // CTranslate2 has a `config.json` of its own, which says nothing of the architecture.
    let is_hugging_face = |config: &&Value| config.get("model_type").is_some() || config.get("architectures").is_some();
    match model.config.as_ref().filter(is_hugging_face) {
        Some(config) => Ok(config.clone()),
        None => Made { model, binding, specs }.config(),
    }
}

/// What a container without `config.json` tells.
struct Made<'a> {
    model: &'a Model,
    binding: &'a Binding,
    specs: &'a BTreeMap<Slot, Spec>,
}

impl Made<'_> {
    fn config(&self) -> Result<Value, LabError> {
        let name = self.binding.family.as_str();
        let family = family::named(name).ok_or_else(|| FormatError::new("family", format!("`{name}`"), "a family of this program"))?;
        // Of several model types the last is the narrowest: `gemma3_text` after `gemma3`, which has a vision tower.
        let model_type = if name == "gemma3" { family.model_types.last() } else { family.model_types.first() };
        let mut config = Map::new();
        config.insert("architectures".into(), json!(family.architectures.iter().take(1).collect::<Vec<_>>()));
        config.insert("model_type".into(), json!(model_type));
        for (dim, value) in self.dims() {
            if let Some(key) = family.config_key(dim) {
                config.insert(key.into(), json!(value));
            }
        }
        for (stack, n) in &self.binding.layers {
            let key = match (name, stack) {
                ("gpt2", _) => "n_layer",
                ("t5", Stack::Encoder) => "num_layers",
                ("t5", Stack::Decoder) => "num_decoder_layers",
                ("whisper", Stack::Encoder) => "encoder_layers",
                ("whisper", Stack::Decoder) => "decoder_layers",
                _ => "num_hidden_layers",
            };
            config.insert(key.into(), json!(n));
        }
        if let Some(rows) = self.rows(Role::Embed) {
            config.insert("vocab_size".into(), json!(rows));
        }
        config.insert("tie_word_embeddings".into(), json!(self.rows(Role::Unembed).is_none()));
        self.settings(name, &mut config);
        Ok(Value::Object(config))
    }

    fn find(&self, role: Role) -> Option<&Spec> {
        self.specs.values().find(|spec| spec.slot.role == role && spec.shape.len() > 1)
    }

    fn rows(&self, role: Role) -> Option<usize> {
        self.find(role).map(Spec::rows)
    }

    /// Dims of the family files, by the names that they have there.
    fn dims(&self) -> Vec<(&'static str, usize)> {
        let mut dims = vec![
            ("hidden", self.find(Role::Embed).map(Spec::cols)),
            ("intermediate", self.rows(Role::MlpUp)),
            ("n_buckets", self.rows(Role::AttnRelativeBias)),
            ("n_mels", self.find(Role::Conv1).and_then(|spec| spec.shape.get(1).copied())),
        ];
        for (dim, stack) in [("encoder_intermediate", Stack::Encoder), ("decoder_intermediate", Stack::Decoder)] {
            let up = self.specs.values().find(|spec| spec.slot.role == Role::MlpUp && spec.slot.stack == stack);
            dims.push((dim, up.map(Spec::rows)));
        }
        if let Some(heads) = self.binding.heads {
            dims.push(("n_heads", Some(heads.n_heads)));
            dims.push(("n_kv_heads", Some(heads.n_kv_heads)));
            dims.push(("head_dim", self.head_dim()));
        }
        dims.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn head_dim(&self) -> Option<usize> {
        self.rows(Role::AttnQ)?.checked_div(self.binding.heads?.n_heads)
    }

    /// A value of the GGUF header, behind the name of its architecture.
    fn header(&self, key: &str) -> Option<Value> {
        let Some(MetaValue::Text(architecture)) = self.model.metadata.get("general.architecture") else { return None };
        number(self.model.metadata.get(&format!("{architecture}.{key}"))?)
    }

    /// What shapes do not tell.
    fn settings(&self, name: &str, config: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                config.insert(key.to_owned(), value);
            }
        };
        let is_gemma = name.starts_with("gemma");
        let positions = self.rows(Role::PositionEmbed).map(|rows| json!(rows)).or_else(|| self.header("context_length"));
        let key = match name {
            "gpt2" => "n_positions",
            "whisper" => "max_target_positions",
            _ => "max_position_embeddings",
        };
        set(key, positions);
        if name == "whisper" {
            set("decoder_attention_heads", self.binding.heads.map(|heads| json!(heads.n_heads)));
        }
        match (name, self.binding.form.norm) {
            ("gpt2" | "t5", _) => {
                set(
                    "layer_norm_epsilon",
                    self.header("attention.layer_norm_epsilon").or_else(|| self.header("attention.layer_norm_rms_epsilon")),
                );
            }
            (_, NormKind::Rms) => set("rms_norm_eps", self.header("attention.layer_norm_rms_epsilon")),
            (_, NormKind::Layer) => set("layer_norm_eps", self.header("attention.layer_norm_epsilon")),
        }
        set("rope_theta", self.header("rope.freq_base"));
        set("sliding_window", self.header("attention.sliding_window"));
        set("final_logit_softcapping", self.header("final_logit_softcapping"));
        set("attn_logit_softcapping", self.header("attn_logit_softcapping"));
        set("use_parallel_residual", self.header("use_parallel_residual"));
        set("relative_attention_num_buckets", self.header("attention.relative_buckets_count"));
        set("type_vocab_size", self.rows(Role::TypeEmbed).map(|rows| json!(rows)));
        for (key, header) in [("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id"), ("pad_token_id", "padding_token_id")] {
            set(key, self.model.metadata.get(&format!("tokenizer.ggml.{header}")).and_then(number));
        }
        let activation = match self.binding.form.activation {
            Activation::Silu => "silu",
            Activation::Gelu => "gelu",
            Activation::GeluTanh if name == "gpt2" => "gelu_new",
            Activation::GeluTanh => "gelu_pytorch_tanh",
            Activation::Relu => "relu",
        };
        match name {
            "gpt2" | "whisper" => set("activation_function", Some(json!(activation))),
            // What makes the gate of a gated T5 is GELU in every published one.
            "t5" => set("feed_forward_proj", Some(json!(if self.rows(Role::MlpGate).is_some() { "gated-gelu" } else { "relu" }))),
            _ if is_gemma => set("hidden_activation", Some(json!(activation))),
            _ => set("hidden_act", Some(json!(activation))),
        }
        let head_dim = self.head_dim();
        if let (Some(dims), Some(head_dim)) = (self.header("rope.dimension_count").and_then(|v| v.as_f64()), head_dim) {
            match name {
                "gpt_neox" => set("rotary_pct", Some(json!(dims / head_dim as f64))),
                "phi3" => set("partial_rotary_factor", Some(json!(dims / head_dim as f64))),
                _ => {}
            }
        }
        if name == "gemma2" || name == "gemma3" {
            // The scale of the scores is not in the header; llama.cpp takes the head's width for all sizes but the largest.
            set("query_pre_attn_scalar", head_dim.map(|d| json!(d)));
        }
        if name == "gemma3" {
            // As Gemma 3 is published: every sixth block sees the whole context, the others a window at a frequency of their own.
            let n = self.binding.layers.first().map_or(0, |(_, n)| *n);
            let kinds: Vec<&str> = (1..=n).map(|block| if block % 6 == 0 { "full_attention" } else { "sliding_attention" }).collect();
            set("layer_types", Some(json!(kinds)));
            set("rope_local_base_freq", Some(json!(10000.0)));
        }
    }
}

fn number(value: &MetaValue) -> Option<Value> {
    match value {
        MetaValue::Unsigned(n) => Some(json!(n)),
        MetaValue::Signed(n) => Some(json!(n)),
        MetaValue::Float(x) => Some(json!(x)),
        MetaValue::Bool(b) => Some(json!(b)),
        _ => None,
    }
}
