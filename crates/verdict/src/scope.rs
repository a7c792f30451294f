//! What is shared: which fraction of the suspect's trained parameters, by role and by block.

use evidence::{Correspondence, Side};
use sources::Weight;
use std::collections::BTreeMap;

/// Fractions of the suspect's trained parameters that correspond to the reference's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Over all trained parameters.
    pub shared_fraction: f64,
    /// By role, as the JSON report spells it; `other` without a family.
    pub roles: BTreeMap<String, RoleScope>,
    /// By block, in order.
    pub by_layer: Vec<LayerScope>,
}

/// One role.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RoleScope {
    /// Trained elements.
    pub elements: u64,
    /// Those of them that are shared.
    pub shared: u64,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerScope {
    /// `encoder 3`.
    pub layer: String,
    /// Trained elements.
    pub elements: u64,
    /// Those of them that are shared.
    pub shared: u64,
}

impl RoleScope {
    /// Shared part of the role.
    pub fn fraction(self) -> f64 {
        self.shared as f64 / self.elements.max(1) as f64
    }
}

impl Scope {
    /// Counts the shared pairs of a case.
    pub(crate) fn of(suspect: &Side<'_>, correspondence: &Correspondence) -> Self {
        let mut shared = vec![0u64; suspect.weights.len()];
        for pair in correspondence.pairs.iter().filter(|pair| pair.is_shared()) {
            shared[pair.suspect] = pair.elements();
        }
        let mut roles: BTreeMap<String, RoleScope> = BTreeMap::new();
        let mut layers: BTreeMap<(sources::Stack, usize), (u64, u64)> = BTreeMap::new();
        for (weight, &shared) in suspect.weights.iter().zip(&shared) {
            let role = roles.entry(role_name(weight)).or_default();
            role.elements += weight.elements() as u64;
            role.shared += shared;
            if let Some((stack, layer)) = weight.slot.and_then(|slot| Some((slot.stack, slot.layer?))) {
                let layer = layers.entry((stack, layer)).or_default();
                layer.0 += weight.elements() as u64;
                layer.1 += shared;
            }
        }
        let by_layer = layers
            .into_iter()
            .map(|((stack, layer), (elements, shared))| {
                let layer = match stack {
                    sources::Stack::Single => layer.to_string(),
                    sources::Stack::Encoder => format!("encoder {layer}"),
                    sources::Stack::Decoder => format!("decoder {layer}"),
                };
                LayerScope { layer, elements, shared }
            })
            .collect();
        let total = suspect.trained_elements();
        let shared_fraction = if total == 0 { 0.0 } else { shared.iter().sum::<u64>() as f64 / total as f64 };
        Self { shared_fraction, roles, by_layer }
    }

    /// The roles that are shared for the larger part, largest first, in words.
    pub(crate) fn roles_in_words(&self) -> String {
        let mut shared: Vec<(&String, u64)> = self.roles.iter().filter(|(_, r)| r.fraction() >= 0.5).map(|(name, r)| (name, r.shared)).collect();
        if shared.len() == self.roles.len() && shared.len() > 1 {
            return "in every role".into();
        }
        shared.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        match shared.as_slice() {
            [] => "in parts of tensors".into(),
            [(name, _)] if *name == "other" => "by content".into(),
            some => {
                let names: Vec<&str> = some.iter().take(4).map(|(name, _)| name.as_str()).collect();
                let more = if some.len() > 4 { format!(" and {} more roles", some.len() - 4) } else { String::new() };
                format!("in {}{more}", names.join(", "))
            }
        }
    }
}

/// `attn_q` → `attnQ`.
fn role_name(weight: &Weight) -> String {
    let Some(slot) = weight.slot else { return "other".into() };
    let mut name = String::new();
    for (i, word) in slot.role.name().split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if i > 0 => name.extend(first.to_uppercase()),
            Some(first) => name.push(first),
            None => {}
        }
        name.push_str(letters.as_str());
    }
    name
}
