//! Gives stored tensors their roles: finds the family whose names and shapes fit, and makes the views.

use super::dims::{Equation, agree, declared, infer};
use super::expression::{Dims, Expression};
use super::file::{Described, Family, Layout, N_HEADS, N_KV_HEADS, NameSet, RowOrder, SpaceName, Split};
use crate::tensor::{MetaValue, TensorInfo};
use crate::weights::{Axis, Binding, Heads, Part, Rows, Slot, Space, Stack, View, Weight};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A family is taken if it describes at least this share of the elements, as a fraction.
const COVERAGE: (u128, u128) = (4, 5);

/// Binds a checkpoint to one of `families`.
///
/// The family that config or header declare is taken if it fits; otherwise the one whose names and shapes describe most elements.
/// Config values that contradict the shapes are not believed: the dims are then inferred from the shapes alone.
pub fn bind_to(
    families: &[Family],
    tensors: &[TensorInfo],
    config: Option<&Value>,
    metadata: &BTreeMap<String, MetaValue>,
) -> Option<Binding> {
    let total: u128 = tensors.iter().map(|tensor| tensor.elements() as u128).sum();
    let fits = |elements: u128| elements > 0 && elements * COVERAGE.1 >= total * COVERAGE.0;
    let mut best: Option<(bool, u128, Binding)> = None;
    for family in families {
        let is_declared = declares(family, config, metadata);
        let fixed = fixed_spaces(family, config);
        for (set, prefix) in family.name_sets.iter().flat_map(|set| set.prefixes.iter().map(move |prefix| (set, prefix))) {
            let matched: Vec<_> = tensors.iter().map(|tensor| matching(set, prefix, &tensor.name)).collect();
            let named = matched.iter().zip(tensors).filter(|(found, _)| found.is_some()).map(|(_, tensor)| tensor.elements() as u128).sum();
            // Placing can only lose elements.
            if !fits(named) || best.as_ref().is_some_and(|(by_name, elements, _)| (*by_name, *elements) >= (is_declared, named)) {
                continue;
            }
            for known in [declared(family, config, metadata), Dims::new()] {
                let (elements, binding) = Placement { family, set, tensors, matched: &matched, fixed: &fixed }.place(known);
                if fits(elements) {
                    if best.as_ref().is_none_or(|(by_name, found, _)| (*by_name, *found) < (is_declared, elements)) {
                        best = Some((is_declared, elements, binding));
                    }
                    break;
                }
            }
        }
    }
    best.map(|(_, _, binding)| binding)
}

/// Every tensor that holds trained numbers, without a role: for checkpoints that no family describes.
pub fn unbound(tensors: &[TensorInfo]) -> Vec<Weight> {
    let holds_weights = |tensor: &TensorInfo| {
        use crate::Encoding::{Bf16, F16, F32, F64};
        let numbers = matches!(tensor.encoding, F64 | F32 | F16 | Bf16) || tensor.encoding.is_quantised() || tensor.affine.is_some();
        numbers && !tensor.shape.is_empty() && tensor.elements() > 0
    };
    let weights = tensors.iter().enumerate().filter(|(_, tensor)| holds_weights(tensor)).map(|(i, tensor)| Weight {
        slot: None,
        name: tensor.name.clone(),
        rows: tensor.rows(),
        cols: tensor.row_elements(),
        axes: [Axis::FIXED; 2],
        view: View { tensor: i, transposed: false, rows: Rows::All, offset: 0 },
        rank: tensor.shape.len(),
    });
    weights.collect()
}

fn declares(family: &Family, config: Option<&Value>, metadata: &BTreeMap<String, MetaValue>) -> bool {
    let says = |list: &[String], value: &Value| value.as_str().is_some_and(|value| list.iter().any(|item| item == value));
    let architectures = config.and_then(|config| config.get("architectures")?.as_array());
    architectures.is_some_and(|named| named.iter().any(|value| says(&family.architectures, value)))
        || config.and_then(|config| config.get("model_type")).is_some_and(|value| says(&family.model_types, value))
        || matches!(metadata.get("general.architecture"), Some(MetaValue::Text(name)) if family.gguf_architectures.contains(name))
}

/// Spaces that this checkpoint's config gives an order of their own.
fn fixed_spaces(family: &Family, config: Option<&Value>) -> Vec<SpaceName> {
    let holds = |key: &str, value: &Value| config.and_then(|config| config.get(key)) == Some(value);
    family.fixed_when.iter().filter(|setting| holds(&setting.config, &setting.is)).map(|setting| setting.space).collect()
}

/// What a name says that a tensor is.
enum Found {
    Constant,
    Tensor { named: usize, layer: Option<usize>, expert: Option<usize>, part: Part },
}

fn matching(set: &NameSet, prefix: &str, name: &str) -> Option<Found> {
    // A task head stands outside the model that the prefix names.
    [name.strip_prefix(prefix), Some(name)].into_iter().flatten().find_map(|name| {
        if set.constants.iter().any(|constant| constant.captures(name, &set.parts).is_some()) {
            return Some(Found::Constant);
        }
        set.tensors.iter().enumerate().find_map(|(named, tensor)| {
            let found = tensor.pattern.captures(name, &set.parts)?;
            Some(Found::Tensor { named, layer: found.layer, expert: found.expert, part: found.part.unwrap_or(tensor.part) })
        })
    })
}

/// One family's names over one checkpoint.
struct Placement<'a> {
    family: &'a Family,
    set: &'a NameSet,
    tensors: &'a [TensorInfo],
    matched: &'a [Option<Found>],
    fixed: &'a [SpaceName],
}

impl Placement<'_> {
    /// Binds what fits, and counts its elements.
    fn place(&self, known: Dims) -> (u128, Binding) {
        let mut dims = infer(self.family, known, &self.equations());
        let groups_unknown = self.family.dims.contains_key(N_KV_HEADS) && !dims.contains_key(N_KV_HEADS);
        if groups_unknown || !agree(self.family, &dims) {
            dims.remove(N_HEADS);
        }
        let mut binding = Binding {
            family: self.family.name.clone(),
            form: self.family.form.clone(),
            heads: heads(&dims),
            layers: Vec::new(),
            weights: Vec::new(),
            constants: Vec::new(),
            repeated: Vec::new(),
            undescribed: Vec::new(),
        };
        let mut slots: BTreeSet<Slot> = BTreeSet::new();
        let mut elements = 0;
        // Copies of tied weights come last, so that they give a slot only where the first copy is not stored.
        for pass in [false, true] {
            for (i, tensor) in self.tensors.iter().enumerate() {
                let is_copy = matches!(&self.matched[i], Some(Found::Tensor { named, .. }) if self.set.tensors[*named].layout.copy);
                if is_copy != pass {
                    continue;
                }
                let mut count = || elements += tensor.elements() as u128;
                let Some(Found::Tensor { named, layer, expert, part }) = self.matched[i] else {
                    if self.matched[i].is_some() {
                        binding.constants.push(i);
                        count();
                    } else {
                        binding.undescribed.push(i);
                    }
                    continue;
                };
                let named = &self.set.tensors[named];
                let described: Vec<&Described> = named.weights.iter().map(|&w| &self.family.weights[w]).collect();
                let held = Held { described, layer, expert, part, layout: named.layout, fixed: self.fixed };
                match held.weights(i, tensor, &dims) {
                    Some(weights) if weights.iter().filter_map(|weight| weight.slot).all(|slot| !slots.contains(&slot)) => {
                        slots.extend(weights.iter().filter_map(|weight| weight.slot));
                        binding.weights.extend(weights);
                        count();
                    }
                    Some(_) if is_copy => {
                        binding.repeated.push(i);
                        count();
                    }
                    _ => binding.undescribed.push(i),
                }
            }
        }
        binding.weights.sort_by_key(|weight| weight.slot);
        binding.undescribed.sort_unstable();
        let mut layers: BTreeMap<Stack, BTreeSet<usize>> = BTreeMap::new();
        for (stack, layer) in slots.iter().filter_map(|slot| Some((slot.stack, slot.layer?))) {
            layers.entry(stack).or_default().insert(layer);
        }
        binding.layers = layers.into_iter().map(|(stack, layers)| (stack, layers.len())).collect();
        (elements, binding)
    }

    /// What the shapes say about the dims.
    fn equations(&self) -> Vec<Equation<'_>> {
        let mut equations = Vec::new();
        for (found, tensor) in self.matched.iter().zip(self.tensors) {
            let Some(Found::Tensor { named, part, .. }) = found else { continue };
            let named = &self.set.tensors[*named];
            let described: Vec<_> = named.weights.iter().map(|&i| &self.family.weights[i]).collect();
            let Some((rows, further)) = oriented(tensor, *part, &described, named.layout.transposed) else { continue };
            let elements = tensor.elements() as u64;
            equations.push(Equation { terms: described.iter().map(|weight| &weight.shape[0]).collect(), total: rows as u64, elements });
            for (&size, expression) in further.iter().zip(&described[0].shape[1..]) {
                equations.push(Equation { terms: vec![expression], total: size as u64, elements });
            }
        }
        equations
    }
}

/// Output rows and further axes of a stored tensor, if its rank fits what it should hold.
fn oriented(tensor: &TensorInfo, part: Part, described: &[&Described], transposed: bool) -> Option<(usize, Vec<usize>)> {
    if tensor.elements() == 0 {
        return None;
    }
    let (&first, further) = tensor.shape.split_first()?;
    let rank = if part == Part::Bias { 1 } else { described[0].shape.len() };
    if tensor.shape.len() != rank || described.iter().any(|weight| part == Part::Weight && weight.shape.len() != rank) {
        return None;
    }
    match further {
        &[second] if transposed => Some((second, vec![first])),
        _ => Some((first, further.to_vec())),
    }
}

/// A stored tensor with the weights that its name says it holds.
struct Held<'a> {
    described: Vec<&'a Described>,
    layer: Option<usize>,
    expert: Option<usize>,
    part: Part,
    layout: Layout,
    fixed: &'a [SpaceName],
}

impl Held<'_> {
    /// The weights, or `None` where the shape contradicts the dims.
    fn weights(&self, index: usize, tensor: &TensorInfo, dims: &Dims) -> Option<Vec<Weight>> {
        let (rows, further) = oriented(tensor, self.part, &self.described, self.layout.transposed)?;
        for described in &self.described {
            let fits = |(&size, expression): (&usize, &Expression)| expression.value(dims).is_none_or(|value| value == size as u64);
            if !further.iter().zip(described.shape.iter().skip(1)).all(fits) {
                return None;
            }
        }
        let sizes = self.sizes(rows, dims)?;
        let mut start = 0;
        let mut weights = Vec::with_capacity(sizes.len());
        for (described, &size) in self.described.iter().zip(&sizes) {
            let cols = further.iter().product();
            let rows = self.rows(start, size, rows, described, dims)?;
            start += size;
            let into = if further.is_empty() { Axis::FIXED } else { self.axis(described.into, described.stack, cols, dims) };
            weights.push(Weight {
                slot: Some(Slot { stack: described.stack, layer: self.layer, expert: self.expert, role: described.role, part: self.part }),
                name: tensor.name.clone(),
                rows: size,
                cols,
                axes: [self.axis(described.out, described.stack, size, dims), into],
                view: View {
                    tensor: index,
                    transposed: self.layout.transposed && tensor.shape.len() == 2,
                    rows,
                    offset: self.layout.offset,
                },
                rank: tensor.shape.len(),
            });
        }
        Some(weights)
    }

    /// Rows of each weight. A single weight of unknown size takes all; a fused tensor is not split by guessing.
    fn sizes(&self, rows: usize, dims: &Dims) -> Option<Vec<usize>> {
        let sizes = self.described.iter().map(|weight| usize::try_from(weight.shape[0].value(dims)?).ok()).collect::<Option<Vec<_>>>();
        let sizes = match sizes {
            None if self.described.len() == 1 => vec![rows],
            sizes => sizes?,
        };
        let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size))?;
        (sum == rows).then_some(sizes)
    }

    fn rows(&self, start: usize, size: usize, total: usize, described: &Described, dims: &Dims) -> Option<Rows> {
        let heads = || {
            let name = if described.out == SpaceName::KvHeads && dims.contains_key(N_KV_HEADS) { N_KV_HEADS } else { N_HEADS };
            let heads = usize::try_from(*dims.get(name)?).ok()?;
            (heads > 0 && size.is_multiple_of(heads) && total.is_multiple_of(heads)).then_some(heads)
        };
        if self.layout.rows == RowOrder::RopeInterleaved {
            let head_dim = size / heads()?;
            if !head_dim.is_multiple_of(2) {
                return None;
            }
            let half = head_dim / 2;
            // Row `half * j + i` of a head in Hugging Face's order is the `j`-th of its `i`-th pair.
            let stored = |row: usize| row - row % head_dim + 2 * (row % head_dim % half) + row % head_dim / half;
            return Some(Rows::Indices((0..size).map(stored).collect()));
        }
        if self.described.len() == 1 {
            return Some(Rows::All);
        }
        if self.layout.split == Split::PerHead {
            let heads = heads()?;
            // Each weight has `size / heads` rows in a head; those before it take `start / heads`.
            let (stride, skip, len) = (total / heads, start / heads, size / heads);
            return Some(Rows::Runs((0..heads).map(|head| head * stride + skip..head * stride + skip + len).collect()));
        }
        Some(Rows::Runs(std::iter::once(start..start + size).collect()))
    }

    fn axis(&self, name: SpaceName, stack: Stack, len: usize, dims: &Dims) -> Axis {
        let one = |space| Axis { space, unit: 1 };
        match (name, self.layer) {
            _ if self.fixed.contains(&name) => Axis::FIXED,
            (SpaceName::Fixed, _) => Axis::FIXED,
            (SpaceName::Vocabulary, _) => one(Space::Vocabulary),
            (SpaceName::Residual, _) => one(Space::Residual(Stack::Single)),
            (SpaceName::EncoderResidual, _) => one(Space::Residual(Stack::Encoder)),
            (SpaceName::DecoderResidual, _) => one(Space::Residual(Stack::Decoder)),
            (SpaceName::Mlp, Some(layer)) => one(Space::MlpUnits { stack, layer, expert: self.expert }),
            (SpaceName::Heads | SpaceName::KvHeads | SpaceName::CrossHeads, Some(layer)) => {
                let cross = name == SpaceName::CrossHeads;
                match head_unit(name, len, dims) {
                    Some(unit) => Axis { space: Space::Heads { stack, layer, cross }, unit },
                    None => Axis::FIXED,
                }
            }
            // The loader refuses these spaces in a tensor without a layer.
            (SpaceName::Mlp | SpaceName::Heads | SpaceName::KvHeads | SpaceName::CrossHeads, None) => Axis::FIXED,
        }
    }
}

/// Query heads and the key-value heads that serve them, where the dims tell.
fn heads(dims: &Dims) -> Option<Heads> {
    let n_heads = usize::try_from(*dims.get(N_HEADS)?).ok()?;
    let n_kv_heads = dims.get(N_KV_HEADS).map_or(Some(n_heads), |&n| usize::try_from(n).ok())?;
    (n_kv_heads > 0 && n_heads.is_multiple_of(n_kv_heads)).then_some(Heads { n_heads, n_kv_heads })
}

/// Indices that move together when heads are permuted as whole key-value groups; `None` where nothing may move.
fn head_unit(name: SpaceName, len: usize, dims: &Dims) -> Option<usize> {
    let n_heads = *dims.get(N_HEADS)?;
    let n_kv_heads = dims.get(N_KV_HEADS).copied();
    let groups = match n_kv_heads {
        // One group: its query heads are exchangeable among themselves, and its key and value belong to all of them.
        Some(1) if name == SpaceName::KvHeads => return None,
        None | Some(1) => n_heads,
        Some(n_kv_heads) if n_heads.is_multiple_of(n_kv_heads) => n_kv_heads,
        Some(_) => return None,
    };
    let groups = usize::try_from(groups).ok()?;
    (groups > 1 && len.is_multiple_of(groups)).then(|| len / groups)
}
