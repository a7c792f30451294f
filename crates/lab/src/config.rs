//! `config.json` of a checkpoint: its own, or one made from shapes and from the metadata of a container that has none.

use crate::{LabError, Spec};
use serde_json::{Map, Value, json};
use sources::family::Family;
use sources::family::compute::{Compute, Said, Setting, kind_by_period};
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
        let mut config = Map::new();
        config.insert("architectures".into(), json!(family.architectures.iter().take(1).collect::<Vec<_>>()));
        config.insert("model_type".into(), json!(family.model_types.first()));
        for (dim, value) in self.dims() {
            if let Some(key) = family.config_key(dim) {
                config.insert(key.into(), json!(value));
            }
        }
        for &(stack, n) in &self.binding.layers {
            if let Some(key) = family.layers.of(stack).and_then(Setting::written_key) {
                config.insert(key.into(), json!(n));
            }
        }
        if let Some(rows) = self.rows(Role::Embed) {
            config.insert("vocab_size".into(), json!(rows));
        }
        if let Some(key) = family.head.tied.written_key() {
            config.insert(key.into(), json!(self.rows(Role::Unembed).is_none()));
        }
        if let Some(compute) = &family.compute {
            self.computation(family, compute, &mut config);
        }
        self.settings(family, &mut config);
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

    /// What a forward pass needs and shapes do not tell, under the keys of the family file.
    fn computation(&self, family: &Family, compute: &Compute, config: &mut Map<String, Value>) {
        let said = Said::new(family, None, &self.model.metadata);
        let mut set = |setting: Option<&Setting>, value: Option<Value>| {
            if let (Some(key), Some(value)) = (setting.and_then(Setting::written_key), value) {
                config.insert(key.to_owned(), value);
            }
        };
        let header = |setting: Option<&Setting>| setting?.gguf.iter().find_map(|key| said.header(key));
        let (rotary, window) = (compute.rotary.as_ref(), compute.window.as_ref());
        for setting in [
            Some(&compute.epsilon),
            compute.parallel.as_ref(),
            compute.score_cap.as_ref(),
            compute.logit_cap.as_ref(),
            rotary.map(|rotary| &rotary.base),
            window.map(|window| &window.size),
        ] {
            set(setting, header(setting));
        }
        set(Some(&compute.activation), compute.activation.default.clone());
        // The scale of the scores is not in the header; llama.cpp takes the head's width for all sizes but the largest.
        set(compute.query_scalar.as_ref(), self.head_dim().map(|d| json!(d)));
        if let Some(rotary) = rotary {
            let share = header(rotary.dims.as_ref()).and_then(|dims| Some(dims.as_f64()? / self.head_dim()? as f64));
            set(rotary.share.as_ref(), share.map(|share| json!(share)));
            let local = rotary.local_base.as_ref();
            set(local, local.and_then(|setting| setting.default.clone()));
        }
        if let Some(window) = window {
            let n = self.binding.layers.first().map_or(0, |(_, n)| *n);
            let period = window.period.as_ref().and_then(|setting| setting.default.as_ref()?.as_u64());
            let period = period.and_then(|period| usize::try_from(period).ok());
            let kinds = period.map(|period| (0..n).map(|layer| kind_by_period(layer, period)).collect::<Vec<_>>());
            set(window.kinds.as_ref(), kinds.map(|kinds| json!(kinds)));
        }
    }

    /// What shapes do not tell and `[compute]` of the family file does not name.
    fn settings(&self, family: &Family, config: &mut Map<String, Value>) {
        let said = Said::new(family, None, &self.model.metadata);
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                config.insert(key.to_owned(), value);
            }
        };
        let positions = self.rows(Role::PositionEmbed).map(|rows| json!(rows)).or_else(|| said.header("context_length"));
        let key = match family.name.as_str() {
            "gpt2" => "n_positions",
            "whisper" => "max_target_positions",
            _ => "max_position_embeddings",
        };
        set(key, positions);
        set("relative_attention_num_buckets", said.header("attention.relative_buckets_count"));
        set("type_vocab_size", self.rows(Role::TypeEmbed).map(|rows| json!(rows)));
        for (key, header) in [("bos_token_id", "bos_token_id"), ("eos_token_id", "eos_token_id"), ("pad_token_id", "padding_token_id")] {
            set(key, self.model.metadata.get(&format!("tokenizer.ggml.{header}")).and_then(MetaValue::as_u64).map(|id| json!(id)));
        }
        match family.name.as_str() {
            "whisper" => {
                set("decoder_attention_heads", self.binding.heads.map(|heads| json!(heads.n_heads)));
                set("activation_function", Some(json!("gelu")));
            }
            "t5" => {
                set("layer_norm_epsilon", said.header("attention.layer_norm_rms_epsilon"));
                // What makes the gate of a gated T5 is GELU in every published one.
                set("feed_forward_proj", Some(json!(if self.rows(Role::MlpGate).is_some() { "gated-gelu" } else { "relu" })));
            }
            _ => {}
        }
    }
}
