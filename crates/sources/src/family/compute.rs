//! How a family computes beyond the order of its matrices: where config and header keep the numbers that a forward pass needs.

use super::file::Family;
use crate::Stack;
use crate::tensor::MetaValue;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a value is found, first place first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Keys of `config.json`, with dots into its objects.
    #[serde(default)]
    pub config: Vec<String>,
    /// Keys of GGUF metadata, after `<architecture>.`.
    #[serde(default)]
    pub gguf: Vec<String>,
    /// Taken where nothing else tells.
    pub default: Option<Value>,
}

impl Setting {
    /// The key of `config.json` that is written: the first that does not lead into an object.
    pub fn written_key(&self) -> Option<&str> {
        self.config.iter().map(String::as_str).find(|path| !path.contains('.'))
    }
}

/// The number of blocks of each stack that a family has.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the stacks")]
pub struct Layers {
    pub single: Option<Setting>,
    pub encoder: Option<Setting>,
    pub decoder: Option<Setting>,
}

impl Layers {
    /// Of one stack.
    pub fn of(&self, stack: Stack) -> Option<&Setting> {
        match stack {
            Stack::Single => self.single.as_ref(),
            Stack::Encoder => self.encoder.as_ref(),
            Stack::Decoder => self.decoder.as_ref(),
        }
    }
}

/// How tokens are read off the stream.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whether the embedding is the unembedding although a second matrix is stored.
    pub tied: Setting,
    /// What the stream is multiplied by before a tied head, and before no other.
    pub tied_scale: Option<TiedScale>,
}

/// What the stream is multiplied by before a tied head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TiedScale {
    /// One over the root of the width of the stream: T5.
    #[serde(rename = "1/sqrt(hidden)")]
    InverseRootOfHidden,
}

/// What a forward pass has to know; families without it are compared by weights alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Whether a token sees no later ones.
    pub causal: bool,
    /// Added to mean squares and variances under the root.
    pub epsilon: Setting,
    /// Name of the MLP's nonlinearity, as Hugging Face spells it.
    pub activation: Setting,
    /// Whether attention and MLP read the same stream.
    pub parallel: Option<Setting>,
    /// What embeddings are multiplied by.
    pub embed_scale: Option<EmbedScale>,
    /// Scores are divided by the root of this; the width of a head where there is none.
    pub query_scalar: Option<Setting>,
    /// `cap · tanh(score / cap)`.
    pub score_cap: Option<Setting>,
    /// `cap · tanh(logit / cap)`.
    pub logit_cap: Option<Setting>,
    /// Row of the position table that the first token takes, by `model_type`; 0 where it is not named.
    #[serde(default)]
    pub first_position: BTreeMap<String, usize>,
    /// Positions as turns of queries and keys.
    pub rotary: Option<RotarySettings>,
    /// Attention that looks back over a window only.
    pub window: Option<WindowSettings>,
    /// Several MLPs, of which each token takes a few.
    pub experts: Option<ExpertSettings>,
}

/// What embeddings are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum EmbedScale {
    /// The root of the width of the stream.
    #[serde(rename = "sqrt(hidden)")]
    RootOfHidden,
}

/// Rotary positions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotarySettings {
    /// Of the slowest frequency: dimension pair `j` of `n/2` turns by `base^(-2j/n)` a position.
    pub base: Setting,
    /// The base in blocks whose attention is windowed, where that is another.
    pub local_base: Option<Setting>,
    /// Which share of a head's dimensions turns.
    pub share: Option<Setting>,
    /// How many of them, where the header tells that.
    pub dims: Option<Setting>,
    /// The object that says how frequencies are scaled for long contexts.
    pub scaling: Option<Setting>,
    /// The same for blocks whose attention is windowed.
    pub local_scaling: Option<Setting>,
    /// What a header says of it, which has no objects.
    pub header_scaling: Option<HeaderScaling>,
    /// One number a block: 0 where its heads know no positions.
    pub layers: Option<Setting>,
    /// Longest context of the training, and before it was extended.
    pub max_positions: Option<Setting>,
    /// See `max_positions`.
    pub original_max_positions: Option<Setting>,
}

/// How a header says that frequencies are scaled.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderScaling {
    /// `none`, `linear`, `yarn`.
    pub kind: Setting,
    /// What positions are divided by.
    pub factor: Setting,
}

/// Attention over a window.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// How many keys up to its own position a query sees.
    pub size: Setting,
    /// `sliding_attention` or another word for each block.
    pub kinds: Option<Setting>,
    /// Every so manieth block sees everything, the others a window.
    pub period: Option<Setting>,
    /// Whether there is a window at all.
    pub enabled: Option<Setting>,
    /// The first block with a window.
    pub from: Option<Setting>,
}

impl RotarySettings {
    /// How many dimensions of a head turn: as many as are declared, else a share of them, which is all where nothing is said.
    pub fn turned_dims(&self, said: &Said<'_>, head_dim: usize) -> usize {
        let declared = self.dims.as_ref().and_then(|dims| said.count(dims));
        let share = self.share.as_ref().and_then(|share| said.number(share)).unwrap_or(1.0);
        declared.unwrap_or((head_dim as f64 * share) as usize)
    }
}

/// The word for a block whose attention looks back over a window only.
pub const SLIDING_ATTENTION: &str = "sliding_attention";
/// The word for a block whose attention sees everything.
pub const FULL_ATTENTION: &str = "full_attention";

/// The word for a block where every `period`-th sees everything and the others a window; all have a window where the period is 0.
pub fn kind_by_period(layer: usize, period: usize) -> &'static str {
    if (layer + 1).is_multiple_of(period) { FULL_ATTENTION } else { SLIDING_ATTENTION }
}

/// A mixture of experts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertSettings {
    /// How many experts a token takes.
    pub chosen: Setting,
    /// Whether their shares are taken relative to each other.
    pub normalised: Setting,
}

/// What a checkpoint's `config.json` and its header say, for one family.
#[derive(Debug, Clone)]
pub struct Said<'a> {
    sections: Vec<&'a Value>,
    metadata: &'a BTreeMap<String, MetaValue>,
}

impl<'a> Said<'a> {
    /// Of a checkpoint of a family: the top level of the config counts before the sections that the family names.
    pub fn new(family: &Family, config: Option<&'a Value>, metadata: &'a BTreeMap<String, MetaValue>) -> Self {
        let nested = family.config_sections.iter().filter_map(|section| config?.get(section));
        Self { sections: config.into_iter().chain(nested).collect(), metadata }
    }

    /// A value of the config, under a path with dots; `null` counts as absent.
    pub fn config(&self, path: &str) -> Option<&'a Value> {
        let inside = |section: &'a Value| path.split('.').try_fold(section, |value, key| value.get(key)).filter(|value| !value.is_null());
        self.sections.iter().copied().find_map(inside)
    }

    /// A value of the GGUF header, behind the name of its architecture.
    pub fn header(&self, key: &str) -> Option<Value> {
        let Some(MetaValue::Text(architecture)) = self.metadata.get("general.architecture") else { return None };
        self.metadata.get(&format!("{architecture}.{key}")).map(MetaValue::json)
    }

    /// The value of a setting, from the first place that has it, else its default.
    pub fn value(&self, setting: &Setting) -> Option<Value> {
        let config = setting.config.iter().find_map(|path| self.config(path)).cloned();
        config.or_else(|| setting.gguf.iter().find_map(|key| self.header(key))).or_else(|| setting.default.clone())
    }

    /// The number that a setting tells.
    pub fn number(&self, setting: &Setting) -> Option<f64> {
        self.value(setting)?.as_f64()
    }

    /// The count that a setting tells.
    pub fn count(&self, setting: &Setting) -> Option<usize> {
        usize::try_from(self.value(setting)?.as_u64()?).ok()
    }

    /// Whether a setting is on.
    pub fn is_on(&self, setting: &Setting) -> bool {
        self.value(setting).and_then(|value| value.as_bool()) == Some(true)
    }
}
