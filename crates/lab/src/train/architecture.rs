//! What a model can be begun as: `data/architectures.toml`, and the sizes that a recipe gives.

use crate::LabError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sources::family::{Draft, Family, named};
use sources::{FormatError, Stack};
use std::collections::BTreeMap;

/// One table of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// As in `data/families/`.
    pub family: String,
    /// The key of `config.json` that holds the longest sequence.
    positions: String,
    /// The dim of a table of positions, where the family has one.
    position_dim: Option<String>,
    /// By the names of the family file.
    weights: Vec<String>,
    /// Everything of `config.json` that no size changes.
    config: Map<String, Value>,
}

/// How large a model is begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sizes {
    /// A table of `data/architectures.toml`.
    pub architecture: String,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; as many as query heads unless given.
    pub kv_heads: Option<usize>,
    /// Hidden units of each MLP.
    pub units: usize,
    /// Longest sequence.
    pub positions: usize,
    /// Whether the table of tokens is also the head.
    pub tied: bool,
}

impl Architecture {
    /// Of the file that the program holds.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn named(name: &str) -> Result<Self, LabError> {
        let text = include_str!("../../../../data/architectures.toml");
        let at = |error: toml::de::Error| FormatError::new("data/architectures.toml", error.message().to_owned(), "its schema");
        let mut all: BTreeMap<String, Self> = toml::from_str(text).map_err(at)?;
        let known: Vec<String> = all.keys().cloned().collect();
        all.remove(name).ok_or_else(|| LabError::Usage {
            message: format!("architecture: found `{name}`, expected one of {}", known.join(", ")),
            hint: None,
        })
    }

    /// `config.json` and the weights of a model of these sizes with so many tokens.
    ///
    /// # Errors
    /// If the sizes do not fit each other.
    pub fn draft(&self, sizes: &Sizes, vocabulary: usize) -> Result<(Value, Draft), LabError> {
        let kv_heads = sizes.kv_heads.unwrap_or(sizes.heads);
        let fits = |whole: usize, part: usize| part > 0 && whole.is_multiple_of(part);
        if !fits(sizes.hidden, 2 * sizes.heads) || !fits(sizes.heads, kv_heads) || sizes.layers * sizes.units * sizes.positions == 0 {
            let found = format!("width {}, {} heads, {kv_heads} key-value heads", sizes.hidden, sizes.heads);
            let expected = "a width of heads times an even number, heads that are a multiple of key-value heads, and no size of 0";
            return Err(FormatError::new("sizes", found, expected).into());
        }
        let family = named(&self.family).ok_or_else(|| FormatError::new("family", &self.family, "one of data/families"))?;
        let mut config = self.config.clone();
        config.insert("architectures".into(), json!(family.architectures.iter().take(1).collect::<Vec<_>>()));
        config.insert("model_type".into(), json!(family.model_types.first()));
        let dims = [
            ("hidden", sizes.hidden),
            ("intermediate", sizes.units),
            ("n_heads", sizes.heads),
            ("n_kv_heads", kv_heads),
            ("head_dim", sizes.hidden / sizes.heads),
        ];
        for (dim, value) in dims {
            if let Some(key) = family.config_key(dim) {
                config.insert(key.into(), json!(value));
            }
        }
        let settings = [(family.layers.of(Stack::Single), json!(sizes.layers)), (Some(&family.head.tied), json!(sizes.tied))];
        for (setting, value) in settings {
            if let Some(key) = setting.and_then(|setting| setting.written_key()) {
                config.insert(key.into(), value);
            }
        }
        config.insert(self.positions.clone(), json!(sizes.positions));
        config.insert("vocab_size".into(), json!(vocabulary));
        config.insert("dtype".into(), json!("float32"));
        for (key, id) in [("bos_token_id", 0), ("eos_token_id", 1)] {
            config.insert(key.into(), json!(id));
        }
        let config = Value::Object(config);
        let draft = self.weights(family, &config, sizes, vocabulary)?;
        Ok((config, draft))
    }

    fn weights(&self, family: &Family, config: &Value, sizes: &Sizes, vocabulary: usize) -> Result<Draft, LabError> {
        let mut dims = vec![("vocab", vocabulary as u64)];
        dims.extend(self.position_dim.iter().map(|dim| (dim.as_str(), sizes.positions as u64)));
        let weights: Vec<String> = self.weights.iter().filter(|name| !sizes.tied || *name != "unembed").cloned().collect();
        Ok(family.draft(config, &dims, &weights)?)
    }
}
