//! The schema of a family file, and its strict loading: unknown keys, unused dims and unreachable weights are errors.

use super::compute::{Compute, Head, Layers};
use super::expression::Expression;
use super::pattern::{PartWords, Pattern};
use crate::form::{Activation, Folding, Form, Gain, NormKind, Place, Positions};
use crate::{FormatError, Part, Role, Stack};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A way of naming and laying out tensors, shared by many checkpoints.
///
/// It is made from a file under `data/families/`; every key of the file has a reader here.
#[derive(Debug, Clone)]
pub struct Family {
    /// The file's name without its ending: `llama`.
    pub name: String,
    /// What `architectures` of a `config.json` says.
    pub architectures: Vec<String>,
    /// What `model_type` of a `config.json` says.
    pub model_types: Vec<String>,
    /// What `general.architecture` of a GGUF file says.
    pub gguf_architectures: Vec<String>,
    /// Objects inside `config.json` that may hold the dims, where the top level does not.
    pub(super) config_sections: Vec<String>,
    pub(super) fixed_when: Vec<FixedWhen>,
    pub(super) dims: BTreeMap<String, Dim>,
    pub(super) weights: Vec<Described>,
    pub(super) name_sets: Vec<NameSet>,
    pub(super) form: Form,
    /// How tokens are read off the stream.
    pub head: Head,
    /// Where the number of blocks is said.
    pub layers: Layers,
    /// What a forward pass needs; `None` where this program runs no model of the family.
    pub compute: Option<Compute>,
}

/// A setting of `config.json` that gives a space an order of its own: sinusoidal positions, ALiBi.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedWhen {
    pub(super) config: String,
    pub(super) is: serde_json::Value,
    pub(super) space: SpaceName,
}

/// Where the value of a dim is found, first place first; what no place gives is inferred from shapes.
#[derive(Debug, Clone, Default)]
pub(super) struct Dim {
    pub(super) config: Vec<String>,
    /// Keys of GGUF metadata, after `<architecture>.`.
    pub(super) gguf: Vec<String>,
    /// A product or sum of other dims that it equals.
    pub(super) equals: Option<Expression>,
    /// Taken where nothing else tells.
    pub(super) default: Option<u64>,
}

/// A weight of the family: its place, its shape as `[out, in, …]`, and what its axes are.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) stack: Stack,
    pub(super) role: Role,
    pub(super) shape: Vec<Expression>,
    pub(super) out: SpaceName,
    pub(super) into: SpaceName,
}

/// A space as the file names it; layer and stack come from the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum SpaceName {
    #[serde(rename = "residual")]
    Residual,
    #[serde(rename = "residual.encoder")]
    EncoderResidual,
    #[serde(rename = "residual.decoder")]
    DecoderResidual,
    #[serde(rename = "mlp")]
    Mlp,
    #[serde(rename = "heads")]
    Heads,
    #[serde(rename = "kv_heads")]
    KvHeads,
    #[serde(rename = "cross_heads")]
    CrossHeads,
    #[serde(rename = "vocabulary")]
    Vocabulary,
    #[serde(rename = "fixed")]
    Fixed,
}

impl SpaceName {
    fn is_per_layer(self) -> bool {
        matches!(self, Self::Mlp | Self::Heads | Self::KvHeads | Self::CrossHeads)
    }

    fn is_heads(self) -> bool {
        matches!(self, Self::Heads | Self::KvHeads | Self::CrossHeads)
    }
}

/// One container's names: Hugging Face, GGUF, CTranslate2, or an older spelling.
#[derive(Debug, Clone)]
pub(super) struct NameSet {
    /// The file's key: `hf`, `gguf`.
    pub(super) container: String,
    pub(super) prefixes: Vec<String>,
    pub(super) parts: PartWords,
    pub(super) tensors: Vec<Named>,
    pub(super) constants: Vec<Pattern>,
}

/// A stored tensor and the weights that it holds.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) pattern: Pattern,
    /// Indices into [`Family::weights`]; several for a fused tensor.
    pub(super) weights: Vec<usize>,
    /// The part, where the pattern does not read it from the name.
    pub(super) part: Part,
    pub(super) layout: Layout,
    /// A spelling that is met and never written: an older one, or another model's.
    pub(super) read_only: bool,
    /// Written only in a block that lacks this weight, an index into [`Family::weights`].
    pub(super) without: Option<usize>,
}

/// How a container keeps a tensor, where that is not plain `[out, in]`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout {
    pub(super) transposed: bool,
    pub(super) split: Split,
    pub(super) rows: RowOrder,
    pub(super) offset: i8,
    /// A second copy of a tied weight: read only where the first is not stored.
    pub(super) copy: bool,
}

/// How the weights of a fused tensor share its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Split {
    /// One weight after another.
    #[default]
    Stacked,
    /// Head by head, and inside a head one weight after another: GPT-NeoX's `[H, 3, d]`.
    PerHead,
}

/// The order of the rows inside a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowOrder {
    /// As Hugging Face has it: the first halves of all rotary pairs, then the second halves.
    #[default]
    AsHuggingFace,
    /// Pair by pair, as GGUF keeps llama's queries and keys.
    RopeInterleaved,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyFile {
    family: String,
    architectures: Vec<String>,
    model_types: Vec<String>,
    #[serde(default)]
    gguf_architectures: Vec<String>,
    #[serde(default)]
    config_sections: Vec<String>,
    #[serde(default)]
    fixed_when: Vec<FixedWhen>,
    dims: BTreeMap<String, DimFile>,
    weights: BTreeMap<String, WeightFile>,
    form: FormFile,
    head: Head,
    layers: Layers,
    compute: Option<Compute>,
    containers: BTreeMap<String, ContainerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DimFile {
    #[serde(default)]
    config: Vec<String>,
    #[serde(default)]
    gguf: Vec<String>,
    equals: Option<String>,
    default: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightFile {
    shape: Vec<String>,
    space: SpaceFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpaceFile {
    out: SpaceName,
    #[serde(rename = "in")]
    into: Option<SpaceName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormFile {
    norm: NormKind,
    gain: Gain,
    positions: Positions,
    activation: Activation,
    reads: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    writes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    stream: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerFile {
    prefixes: Vec<String>,
    parts: PartWords,
    names: BTreeMap<String, NamedFile>,
    #[serde(default)]
    constants: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NamedTable {
    roles: Vec<String>,
    part: Option<Part>,
    stored: Option<Stored>,
    split: Option<Split>,
    rows: Option<RowOrder>,
    offset: Option<i8>,
    #[serde(default)]
    copy: bool,
    #[serde(default)]
    read_only: bool,
    without: Option<String>,
}

#[derive(Deserialize)]
enum Stored {
    #[serde(rename = "in,out")]
    InOut,
}

/// `"attn_q"` is short for `{ roles = ["attn_q"] }`. Not an untagged enum, whose errors would not name the wrong key.
struct NamedFile(NamedTable);

impl<'de> Deserialize<'de> for NamedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = NamedFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role, or a table with `roles`")
            }

            fn visit_str<E: de::Error>(self, role: &str) -> Result<NamedFile, E> {
                Ok(NamedFile(NamedTable { roles: vec![role.to_owned()], ..NamedTable::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NamedFile, A::Error> {
                NamedTable::deserialize(de::value::MapAccessDeserializer::new(map)).map(NamedFile)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Family {
    /// Loads a family file.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let file: FamilyFile = toml::from_str(text)
            .map_err(|error| FormatError::new("family file", error.to_string().trim_end(), "the schema of a family file"))?;
        let name = file.family.clone();
        let fail = |what: &str, found: String, expected: &str| Err(FormatError::new(format!("family `{name}`: {what}"), found, expected));

        let mut dims = BTreeMap::new();
        for (dim, places) in file.dims {
            let equals = places.equals.as_deref().map(Expression::parse).transpose()?;
            dims.insert(dim, Dim { config: places.config, gguf: places.gguf, equals, default: places.default });
        }

        let mut weights = Vec::new();
        let mut index = BTreeMap::new();
        for (key, weight) in file.weights {
            let (stack, role) = place(&key)?;
            if weight.shape.is_empty() || (weight.shape.len() > 1) != weight.space.into.is_some() {
                return fail("space", format!("`{key}` with {} axes", weight.shape.len()), "`out`, and `in` where there is a second axis");
            }
            let into = weight.space.into.unwrap_or(SpaceName::Fixed);
            if weight.shape.len() > 2 && into != SpaceName::Fixed {
                return fail("space", format!("`{key}` with {} axes", weight.shape.len()), "`in = \"fixed\"` where several axes share it");
            }
            let shape = weight.shape.iter().map(|size| Expression::parse(size)).collect::<Result<_, _>>()?;
            index.insert(key, weights.len());
            weights.push(Described { stack, role, shape, out: weight.space.out, into });
        }

        let form = form(&name, file.form, &index)?;

        let mut name_sets = Vec::new();
        let mut reachable = BTreeSet::new();
        for (container, set) in file.containers {
            if set.prefixes.is_empty() {
                return fail("prefixes", format!("none in `{container}`"), "at least one, `\"\"` for none");
            }
            let mut tensors = Vec::new();
            for (pattern, NamedFile(named)) in set.names {
                let parsed = Pattern::parse(&pattern)?;
                let mut held = Vec::new();
                for key in &named.roles {
                    let Some(&i) = index.get(key) else {
                        return fail("role of a tensor", format!("`{key}`"), "a key of `weights`");
                    };
                    if !parsed.has_layer() && (weights[i].out.is_per_layer() || weights[i].into.is_per_layer()) {
                        return fail("tensor name", format!("`{pattern}`"), "{layer}, because the weight's units belong to a layer");
                    }
                    reachable.insert(i);
                    held.push(i);
                }
                let transposed = named.stored.is_some_and(|Stored::InOut| true);
                let rows = named.rows.unwrap_or_default();
                let fused = held.len() > 1;
                let heads_out = held.iter().all(|&i| weights[i].out.is_heads());
                if held.is_empty()
                    || fused != named.split.is_some()
                    || (named.part.is_some() && parsed.has_part())
                    || (transposed && held.iter().any(|&i| weights[i].shape.len() != 2))
                    || (rows != RowOrder::default() && (fused || !heads_out))
                    || (named.split == Some(Split::PerHead) && !heads_out)
                {
                    return fail(
                        "layout of a tensor",
                        format!("`{pattern}`"),
                        "`split` where and only where there are several roles, `part` only without {part}, `stored` for matrices, head orders for heads",
                    );
                }
                let layout = Layout {
                    transposed,
                    split: named.split.unwrap_or_default(),
                    rows,
                    offset: named.offset.unwrap_or(0),
                    copy: named.copy,
                };
                let without = match named.without.as_ref().map(|key| index.get(key).ok_or(key)) {
                    Some(Err(key)) => return fail("`without` of a tensor", format!("`{key}`"), "a key of `weights`"),
                    found => found.and_then(Result::ok).copied(),
                };
                let part = named.part.unwrap_or_default();
                tensors.push(Named { pattern: parsed, weights: held, part, layout, read_only: named.read_only, without });
            }
            let constants = set.constants.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
            name_sets.push(NameSet { container, prefixes: set.prefixes, parts: set.parts, tensors, constants });
        }
        if let Some(key) = index.iter().find(|(_, i)| !reachable.contains(*i)).map(|(key, _)| key) {
            return fail("weight", format!("`{key}`, which no container names"), "weights that some container has");
        }

        let family = Self {
            form,
            head: file.head,
            layers: file.layers,
            compute: file.compute,
            name: file.family.clone(),
            architectures: file.architectures,
            model_types: file.model_types,
            gguf_architectures: file.gguf_architectures,
            config_sections: file.config_sections,
            fixed_when: file.fixed_when,
            dims,
            weights,
            name_sets,
        };
        family.check_dims()?;
        Ok(family)
    }

    /// The key of `config.json` that a dim is written under.
    pub fn config_key(&self, dim: &str) -> Option<&str> {
        self.dims.get(dim)?.config.first().map(String::as_str)
    }

    /// Every dim that is used is declared, and the other way round.
    fn check_dims(&self) -> Result<(), FormatError> {
        let shapes = self.weights.iter().flat_map(|weight| &weight.shape);
        let mut used: BTreeSet<&str> =
            shapes.chain(self.dims.values().filter_map(|dim| dim.equals.as_ref())).flat_map(Expression::dims).collect();
        if self.weights.iter().any(|weight| weight.out.is_heads() || weight.into.is_heads()) {
            used.insert(N_HEADS);
        }
        if self.weights.iter().any(|weight| weight.out == SpaceName::KvHeads) {
            used.insert(N_KV_HEADS);
        }
        let declared: BTreeSet<&str> = self.dims.keys().map(String::as_str).collect();
        match used.symmetric_difference(&declared).next() {
            None => Ok(()),
            Some(dim) => {
                let what = format!("family `{}`: dim", self.name);
                let found = if declared.contains(dim) { "declared and not used" } else { "used and not declared" };
                Err(FormatError::new(what, format!("`{dim}`, {found}"), "dims that are both"))
            }
        }
    }
}

/// The dim that tells where one query head ends.
pub(super) const N_HEADS: &str = "n_heads";
/// The dim that tells how many key-value groups there are; families without it have as many as heads.
pub(super) const N_KV_HEADS: &str = "n_kv_heads";

/// Reads how a family computes. Every norm of the stream stands in it exactly once.
fn form(family: &str, file: FormFile, weights: &BTreeMap<String, usize>) -> Result<Form, FormatError> {
    let mut seen = BTreeSet::new();
    let mut known = |key: &String| -> Result<Place, FormatError> {
        if !weights.contains_key(key) {
            return Err(FormatError::new(format!("family `{family}`: form"), format!("`{key}`"), "a key of `weights`"));
        }
        seen.insert(key.clone());
        let (stack, role) = place(key)?;
        Ok(Place { stack, role })
    };
    let mut foldings = |map: BTreeMap<String, Vec<String>>| -> Result<Vec<Folding>, FormatError> {
        map.iter()
            .map(|(norm, list)| Ok(Folding { norm: known(norm)?, weights: list.iter().map(&mut known).collect::<Result<_, _>>()? }))
            .collect()
    };
    let (reads, writes) = (foldings(file.reads)?, foldings(file.writes)?);
    let stream = file.stream.iter().map(&mut known).collect::<Result<_, _>>()?;
    if let Some(norm) = weights.keys().find(|key| is_stream_norm(key) && !seen.contains(*key)) {
        return Err(FormatError::new(format!("family `{family}`: form"), format!("`{norm}` left out"), "every norm of the stream"));
    }
    Ok(Form { norm: file.norm, gain: file.gain, reads, writes, stream, positions: file.positions, activation: file.activation })
}

/// Norms over the dimensions of a head are no norms of the stream.
fn is_stream_norm(key: &str) -> bool {
    key.ends_with("_norm") && !key.ends_with("attn_q_norm") && !key.ends_with("attn_k_norm")
}

/// Reads `attn_q`, `encoder.attn_q` or `decoder.attn_q`.
fn place(key: &str) -> Result<(Stack, Role), FormatError> {
    let (stack, role) = match key.split_once('.') {
        Some(("encoder", role)) => (Stack::Encoder, role),
        Some(("decoder", role)) => (Stack::Decoder, role),
        _ => (Stack::Single, key),
    };
    serde_json::from_value(serde_json::Value::from(role))
        .map(|role| (stack, role))
        .map_err(|_| FormatError::new("weight", format!("`{key}`"), "a role, after `encoder.` or `decoder.` where there are two stacks"))
}
