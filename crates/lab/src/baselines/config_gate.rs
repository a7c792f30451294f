//! The metadata gate of Cisco's Model Provenance Kit: equal configurations are a confirmed match.

use super::{Baseline, BaselineCard, BaselinePair, BaselineSide, Measured, baseline_card};
use serde_json::Value;

baseline_card! {
    /// The gate before any weight is read ("MFI"); above 0 the kit says "Confirmed Match" and reads no weights.
    ///
    /// # Formula
    /// 1 where nine settings are equal (`model_type`, `architectures`, `hidden_size`, `num_hidden_layers`, `num_attention_heads`,
    /// `num_key_value_heads`, `intermediate_size`, `vocab_size`, `max_position_embeddings`); .9 where width, depth, `model_type`,
    /// activation, kind of norm, kind of attention, tokenizer, base (to the hundred) and scaling of rotary positions are; else 0: the gate
    /// says nothing and the weighted score decides.
    /// # Shapes
    /// `config.json` and the tokenizer of both sides.
    /// # Departures
    /// The kit compares SHA-256 digests of these settings and of the tokenizer's file; here the settings and the vocabulary with its merges
    /// themselves. Its soft score, which decides nothing, is left out. As documented in its `docs/signals.md`, commit 9991417 of June 2026.
    /// # Fails when
    /// Two independent trainings of one configuration are a confirmed match, always. A copy whose configuration names one other number is none.
    static CARD = {
        id: "baseline.config-gate",
        source: "Cisco, Model Provenance Kit, cisco-ai-defense/model-provenance-kit",
        states_p: false,
        threshold: Some(0.5),
    }
}

/// Settings whose digest makes the first tier.
const EXACT: [&str; 9] = [
    "model_type",
    "architectures",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
];

pub(super) struct ConfigGate;

impl Baseline for ConfigGate {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let (Some(ours), Some(theirs)) = (&pair.reference.model.config, &pair.suspect.model.config) else {
            return Measured::not_applicable("a side has no `config.json`");
        };
        if EXACT.iter().all(|key| setting(ours, key) == setting(theirs, key)) {
            return Measured::value(1.0);
        }
        let is_family = family(pair.reference, ours) == family(pair.suspect, theirs);
        Measured::value(if is_family { 0.9 } else { 0.0 })
    }
}

/// A setting, at the top or of the text model.
fn setting<'a>(config: &'a Value, key: &str) -> Option<&'a Value> {
    let sections = [Some(config), config.get("text_config"), config.get("rope_parameters")];
    sections.into_iter().flatten().find_map(|section| section.get(key)).filter(|value| !value.is_null())
}

/// Everything that the second tier compares.
#[derive(PartialEq)]
struct Family<'a> {
    settings: [Option<&'a Value>; 4],
    attention: &'static str,
    norm: &'static str,
    base: Option<i64>,
    scaling: Option<&'a Value>,
    tokens: Option<&'a [Option<Vec<u8>>]>,
    merges: Option<&'a [String]>,
}

fn family<'a>(side: &BaselineSide<'a>, config: &'a Value) -> Family<'a> {
    let number = |key| setting(config, key).and_then(Value::as_u64);
    let attention = match (number("num_attention_heads"), number("num_key_value_heads")) {
        (_, None) => "MHA",
        (Some(heads), Some(shared)) if heads == shared => "MHA",
        (_, Some(1)) => "MQA",
        _ => "GQA",
    };
    let has = |keys: [&str; 2]| keys.into_iter().any(|key| setting(config, key).is_some());
    let norm = match () {
        () if has(["rms_norm_eps", "rms_norm_epsilon"]) => "RMSNorm",
        () if has(["layer_norm_eps", "layer_norm_epsilon"]) => "LayerNorm",
        () => "unknown",
    };
    let scaling = config.get("rope_scaling").filter(|value| !value.is_null());
    Family {
        settings: ["model_type", "hidden_size", "num_hidden_layers", "hidden_act"].map(|key| setting(config, key)),
        attention,
        norm,
        base: setting(config, "rope_theta").and_then(Value::as_f64).map(|base| (base / 100.0).round() as i64),
        scaling: scaling.and_then(|scaling| scaling.get("type")),
        tokens: side.model.vocabulary.as_ref().map(|vocabulary| vocabulary.tokens.as_slice()),
        merges: side.model.vocabulary.as_ref().map(|vocabulary| vocabulary.merges.as_slice()),
    }
}
