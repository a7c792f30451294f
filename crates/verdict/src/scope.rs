//! What is shared: which fraction of the suspect's trained parameters, by role and by block.

use evidence::Side;
use sources::{Role, Weight};
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
    /// Trained tensors of the suspect that correspond to one of the reference, in whole or in part.
    pub shared_tensors: usize,
    /// Trained tensors of the suspect.
    pub tensors: usize,
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
    /// Counts the elements of each weight of the suspect that are shared.
    pub(crate) fn of(suspect: &Side<'_>, shared: &[u64]) -> Self {
        let mut roles: BTreeMap<String, RoleScope> = BTreeMap::new();
        let mut layers: BTreeMap<(sources::Stack, usize), (u64, u64)> = BTreeMap::new();
        for (weight, &shared) in suspect.weights.iter().zip(shared) {
            let role = roles.entry(role_of(weight)).or_default();
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
        let shared_tensors = shared.iter().filter(|n| **n > 0).count();
        Self { shared_fraction, roles, by_layer, shared_tensors, tensors: suspect.weights.len() }
    }

    /// Where the shared parameters lie, in words that need no knowledge of networks' file formats.
    pub(crate) fn roles_in_words(&self) -> String {
        let tensors = format!("{} of its {} tensors", self.shared_tensors, self.tensors);
        let mut parts: BTreeMap<PartOfNetwork, RoleScope> = BTreeMap::new();
        for (name, role) in &self.roles {
            let part = parts.entry(PartOfNetwork::of(name)).or_default();
            part.elements += role.elements;
            part.shared += role.shared;
        }
        if parts.keys().all(|part| *part == PartOfNetwork::Unknown) {
            return format!("found by content, {tensors}");
        }
        let named = |wanted: &dyn Fn(f64) -> bool| -> Vec<&'static str> {
            parts.iter().filter(|(_, role)| wanted(role.fraction())).map(|(part, _)| part.words()).collect()
        };
        let (shared, absent) = (named(&|fraction| fraction >= 0.5), named(&|fraction| fraction < 0.005));
        match (shared.len(), absent.len()) {
            (n, _) if n == parts.len() => "in every part of the network".into(),
            (0, _) => format!("in {tensors}"),
            (_, 0) => format!("most of {}", list(&shared)),
            _ => format!("in {}; none of {}", list(&shared), list(&absent)),
        }
    }
}

/// A part of a network as a reader who never saw one can picture it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PartOfNetwork {
    Embeddings,
    Convolutions,
    Attention,
    Mlp,
    Router,
    Norms,
    Output,
    Unknown,
}

impl PartOfNetwork {
    /// From the role's name in the JSON report.
    fn of(role: &str) -> Self {
        match role {
            norm if norm.ends_with("Norm") => Self::Norms,
            embed if embed.starts_with("embed") || embed.ends_with("Embed") => Self::Embeddings,
            conv if conv.starts_with("conv") => Self::Convolutions,
            attention if attention.starts_with("attn") || attention.starts_with("crossAttn") => Self::Attention,
            mlp if mlp.starts_with("mlp") => Self::Mlp,
            "moeRouter" => Self::Router,
            "other" => Self::Unknown,
            _ => Self::Output,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Embeddings => "the embeddings",
            Self::Convolutions => "the convolutions",
            Self::Attention => "the attention layers",
            Self::Mlp => "the MLP layers",
            Self::Router => "the expert router",
            Self::Norms => "the norms",
            Self::Output => "the output layers",
            Self::Unknown => "tensors without a known role",
        }
    }
}

/// `a, b and c`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn role_of(weight: &Weight) -> String {
    weight.slot.map_or_else(|| "other".into(), |slot| role_name(slot.role))
}

/// As the JSON report spells a role: `attn_q` → `attnQ`.
pub fn role_name(role: Role) -> String {
    let mut name = String::new();
    for (i, word) in role.name().split('_').enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(roles: &[(&str, u64, u64)]) -> Scope {
        let roles = roles.iter().map(|&(name, elements, shared)| (name.to_owned(), RoleScope { elements, shared })).collect();
        Scope { roles, shared_tensors: 2, tensors: 9, ..Scope::default() }
    }

    #[test]
    fn roles_are_said_as_parts_of_a_network() {
        let words = |roles: &[(&str, u64, u64)]| scope(roles).roles_in_words();
        assert_eq!(words(&[("attnQ", 10, 10), ("mlpUp", 10, 10)]), "in every part of the network");
        assert_eq!(
            words(&[("embed", 10, 10), ("attnQ", 10, 10), ("attnNorm", 1, 1), ("mlpUp", 10, 0), ("unembed", 9, 9)]),
            "in the embeddings, the attention layers, the norms and the output layers; none of the MLP layers"
        );
        assert_eq!(words(&[("other", 10, 3)]), "found by content, 2 of its 9 tensors");
        assert_eq!(words(&[("embed", 10, 1), ("mlpUp", 10, 0)]), "in 2 of its 9 tensors");
        assert_eq!(words(&[("embed", 10, 8), ("mlpUp", 10, 2)]), "most of the embeddings");
    }
}
