//! The shapes of a checkpoint that does not exist yet: what a family's weights are once a configuration gives the sizes.

use super::compute::Said;
use super::dims::{declared, infer};
use super::file::{Family, N_HEADS, N_KV_HEADS};
use crate::weights::{Heads, Part, Slot, Stack};
use crate::{FormatError, form::Form};
use serde_json::Value;
use std::collections::BTreeMap;

/// Weights with their shapes, and the heads that split some of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// As `[out, in]`; a vector has one axis.
    pub shapes: BTreeMap<Slot, Vec<usize>>,
    /// Of every attention.
    pub heads: Option<Heads>,
}

impl Family {
    /// How the family computes.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The weights of a stack of blocks with these sizes. `weights` are named as in the family file, `attn_q.bias` for the bias of one; `sizes`
    /// are the dims that no key of the configuration gives.
    ///
    /// # Errors
    /// If a weight is not one of the family's, or a size is not known.
    pub fn draft(&self, config: &Value, sizes: &[(&str, u64)], weights: &[String]) -> Result<Draft, FormatError> {
        let nothing = BTreeMap::new();
        let mut dims = declared(self, Some(config), &nothing);
        dims.extend(sizes.iter().map(|(name, value)| ((*name).to_owned(), *value)));
        let dims = infer(self, dims, &[]);
        let said = Said::new(self, Some(config), &nothing);
        let layers = self.layers.single.as_ref().and_then(|setting| said.count(setting));
        let layers = layers.ok_or_else(|| FormatError::new("config.json", "no number of blocks", "one stack of blocks"))?;
        let mut shapes = BTreeMap::new();
        for asked in weights {
            let (name, part) = match asked.strip_suffix(".bias") {
                Some(name) => (name, Part::Bias),
                None => (asked.as_str(), Part::Weight),
            };
            let found = self.weights.iter().position(|weight| weight.stack == Stack::Single && weight.role.name() == name);
            let Some((index, weight)) = found.map(|index| (index, &self.weights[index])) else {
                return Err(FormatError::new("weight", format!("`{asked}`"), format!("one of the family `{}`", self.name)));
            };
            let sizes: Option<Vec<u64>> = weight.shape.iter().map(|size| size.value(&dims)).collect();
            let sizes = sizes.and_then(|sizes| sizes.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<Vec<usize>>>());
            let Some(mut shape) = sizes else {
                let expected = "sizes of all its axes in the configuration";
                return Err(FormatError::new("weight", format!("`{asked}` without a size"), expected));
            };
            if part == Part::Bias {
                shape.truncate(1);
            }
            let mut named = self.name_sets.iter().flat_map(|set| &set.tensors).filter(|named| named.weights.contains(&index));
            let in_blocks = named.next().is_some_and(|named| named.pattern.has_layer());
            let places = if in_blocks { (0..layers).map(Some).collect() } else { vec![None] };
            for layer in places {
                shapes.insert(Slot { stack: Stack::Single, layer, expert: None, role: weight.role, part }, shape.clone());
            }
        }
        let count = |name: &str| dims.get(name).and_then(|&n| usize::try_from(n).ok());
        let heads = count(N_HEADS).map(|n_heads| Heads { n_heads, n_kv_heads: count(N_KV_HEADS).unwrap_or(n_heads) });
        Ok(Draft { shapes, heads })
    }
}
