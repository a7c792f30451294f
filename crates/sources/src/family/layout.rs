//! The way back from weights to stored tensors: which names, fusions and orientations a Hugging Face checkpoint of a family has.
//!
//! The law: binding what [`Family::stored`] lists gives the weights that it was made from.

use super::file::{Family, N_KV_HEADS, NameSet, Named, RowOrder, SpaceName, Split};
use super::pattern::Captures;
use crate::FormatError;
use crate::tensor::TensorInfo;
use crate::weights::{Heads, Role, Rows, Slot};
use std::collections::{BTreeMap, BTreeSet};

/// How one checkpoint spells the names of its family: checkpoints differ in prefixes and in names that mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    container: String,
    prefix: String,
    /// Tensors of the container that the checkpoint has, and whether the prefix stands before them.
    used: BTreeMap<usize, bool>,
}

/// A tensor as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// With its prefix.
    pub name: String,
    /// As stored.
    pub shape: Vec<usize>,
    /// Whether it is stored `[in, out]`.
    pub transposed: bool,
    /// What the reader adds to every value.
    pub offset: i8,
    /// The weights that it holds: one, or several where it is fused.
    pub pieces: Vec<Piece>,
}

/// A weight's place in a stored tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which weight.
    pub slot: Slot,
    /// Where its rows lie, before the tensor is transposed.
    pub rows: Rows,
}

impl Family {
    /// The spelling of these tensors where their names are Hugging Face's, else the family's first.
    pub fn spelling(&self, tensors: &[TensorInfo]) -> Option<Spelling> {
        let sets = self.name_sets.iter().filter(|set| is_hugging_face(set));
        let spelled = sets.flat_map(|set| set.prefixes.iter().map(move |prefix| spelling(set, prefix, tensors)));
        // Of equal ones the first: `max_by_key` would take the last.
        let mut best: Option<(u128, Spelling)> = None;
        for (elements, spelling) in spelled {
            if best.as_ref().is_none_or(|(found, _)| elements > *found) {
                best = Some((elements, spelling));
            }
        }
        // The names of another container may agree with a few of these by chance; a spelling holds for the embedding and the blocks.
        let all: u128 = tensors.iter().map(|tensor| tensor.elements() as u128).sum();
        match best {
            Some((elements, spelling)) if elements.saturating_mul(2) >= all => Some(spelling),
            _ => self.first_spelling(),
        }
    }

    /// As the family file writes it first.
    fn first_spelling(&self) -> Option<Spelling> {
        // The containers are in alphabetical order, and `hf` is the family's main one.
        let set = self.name_sets.iter().find(|set| set.container == "hf")?;
        Some(Spelling { container: set.container.clone(), prefix: set.prefixes.first()?.clone(), used: BTreeMap::new() })
    }

    /// The tensors that hold these weights, given with their shapes as `[out, in, …]`; in the order of the first slot of each.
    ///
    /// # Errors
    /// If the spelling has no name for a weight, or if a fused tensor lacks a part.
    pub fn stored(
        &self,
        spelling: &Spelling,
        weights: &BTreeMap<Slot, Vec<usize>>,
        heads: Option<Heads>,
    ) -> Result<Vec<Stored>, FormatError> {
        let Some(set) = self.name_sets.iter().find(|set| set.container == spelling.container) else {
            return Err(FormatError::new("container", format!("`{}`", spelling.container), format!("one of the family `{}`", self.name)));
        };
        let mut done = BTreeSet::new();
        let mut stored = Vec::new();
        for &slot in weights.keys() {
            if done.contains(&slot) {
                continue;
            }
            let (index, named) = self.name_for(set, spelling, slot, weights)?;
            let tensor = self.tensor(set, spelling, (index, named), slot, weights, heads)?;
            done.extend(tensor.pieces.iter().map(|piece| piece.slot));
            stored.push(tensor);
        }
        Ok(stored)
    }

    /// The tensor that holds a weight: a name that the checkpoint uses, else the one that is written for this block.
    fn name_for<'a>(
        &self,
        set: &'a NameSet,
        spelling: &Spelling,
        slot: Slot,
        weights: &BTreeMap<Slot, Vec<usize>>,
    ) -> Result<(usize, &'a Named), FormatError> {
        let fits = |named: &Named| {
            named.pattern.has_layer() == slot.layer.is_some()
                && named.pattern.has_expert() == slot.expert.is_some()
                && (named.pattern.has_part() || named.part == slot.part)
                && named.weights.iter().any(|&i| (self.weights[i].stack, self.weights[i].role) == (slot.stack, slot.role))
                && named.weights.iter().all(|&i| weights.contains_key(&self.sibling(slot, i)))
        };
        let rank = |(index, named): &(usize, &Named)| {
            let is_allowed = named.without.is_none_or(|i| !weights.contains_key(&self.sibling(slot, i)));
            let is_used = spelling.used.contains_key(index);
            // A second copy gives the name only where the first was not stored either.
            (is_used && !named.layout.copy, is_allowed && !named.read_only && !named.layout.copy, named.without.is_some(), is_used)
        };
        let candidates = set.tensors.iter().enumerate().filter(|(_, named)| fits(named));
        let mut best = None;
        for candidate in candidates {
            let rank = rank(&candidate);
            if (rank.0 || rank.1) && best.as_ref().is_none_or(|(found, _)| rank > *found) {
                best = Some((rank, candidate));
            }
        }
        best.map(|(_, found)| found).ok_or_else(|| {
            FormatError::new("weight", format!("`{slot}`"), format!("one that `{}` names in the family `{}`", set.container, self.name))
        })
    }

    /// The slot of another weight of the same block, expert and part.
    fn sibling(&self, slot: Slot, described: usize) -> Slot {
        Slot { stack: self.weights[described].stack, role: self.weights[described].role, ..slot }
    }

    fn tensor(
        &self,
        set: &NameSet,
        spelling: &Spelling,
        (index, named): (usize, &Named),
        slot: Slot,
        weights: &BTreeMap<Slot, Vec<usize>>,
        heads: Option<Heads>,
    ) -> Result<Stored, FormatError> {
        let captures = Captures { layer: slot.layer, expert: slot.expert, part: Some(slot.part) };
        let is_inside = spelling.used.get(&index).copied().unwrap_or(!stands_outside(slot.role));
        let rest = named.pattern.render(captures, &set.parts);
        let name = rest.map(|rest| if is_inside { format!("{}{rest}", spelling.prefix) } else { rest });
        let name = name.ok_or_else(|| FormatError::new("name", format!("no place for `{slot}`"), "a pattern that holds it"))?;
        let fail = |what: &str, found: String, expected: &str| Err(FormatError::new(what, found, expected).tensor(&name));
        if named.layout.rows != RowOrder::default() {
            return fail("row order", "pairs of rotary dimensions side by side".into(), "the order of Hugging Face");
        }

        let slots: Vec<Slot> = named.weights.iter().map(|&i| self.sibling(slot, i)).collect();
        let shapes: Vec<&[usize]> = slots.iter().filter_map(|slot| weights.get(slot).map(Vec::as_slice)).collect();
        let sizes: Vec<usize> = shapes.iter().filter_map(|shape| shape.first().copied()).collect();
        let further = shapes.first().and_then(|shape| shape.get(1..)).unwrap_or_default();
        if sizes.len() != slots.len() || shapes.iter().any(|shape| shape.get(1..) != Some(further)) {
            return fail("shapes of the parts", format!("{shapes:?}"), "rows, and the same columns in all");
        }
        let Some(total) = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) else {
            return fail("rows", "more than can be counted".into(), "fewer");
        };

        let out = self.weights[named.weights[0]].out;
        let n = heads
            .map(|heads| if out == SpaceName::KvHeads && self.dims.contains_key(N_KV_HEADS) { heads.n_kv_heads } else { heads.n_heads });
        let per_head = named.layout.split == Split::PerHead && slots.len() > 1;
        let n = match n {
            Some(n) if n > 0 && sizes.iter().all(|size| size.is_multiple_of(n)) => n,
            _ if per_head => return fail("heads", format!("{n:?} in {sizes:?} rows"), "a number of heads that divides them"),
            _ => 1,
        };
        let mut start = 0;
        let mut pieces = Vec::new();
        for (slot, &size) in slots.into_iter().zip(&sizes) {
            let rows = if sizes.len() == 1 {
                Rows::All
            } else if per_head {
                let (stride, skip, len) = (total / n, start / n, size / n);
                Rows::Runs((0..n).map(|head| head * stride + skip..head * stride + skip + len).collect())
            } else {
                Rows::Runs(std::iter::once(start..start + size).collect())
            };
            start += size;
            pieces.push(Piece { slot, rows });
        }
        let mut shape: Vec<usize> = std::iter::once(total).chain(further.iter().copied()).collect();
        let transposed = named.layout.transposed && shape.len() == 2;
        if transposed {
            shape.reverse();
        }
        Ok(Stored { name, shape, transposed, offset: named.layout.offset, pieces })
    }
}

fn is_hugging_face(set: &NameSet) -> bool {
    !set.container.starts_with("gguf") && !set.container.starts_with("ctranslate2")
}

/// Heads stand outside the model that the prefix names.
fn stands_outside(role: Role) -> bool {
    use Role::{SentenceRelation, TaskHead, TaskTransform, Unembed, UnembedNorm, UnembedTransform};
    matches!(role, Unembed | UnembedTransform | UnembedNorm | SentenceRelation | TaskTransform | TaskHead)
}

/// What these tensors use of a container behind a prefix, and how many elements that names.
fn spelling(set: &NameSet, prefix: &str, tensors: &[TensorInfo]) -> (u128, Spelling) {
    let mut used = BTreeMap::new();
    let mut elements = 0;
    for tensor in tensors {
        let find = |name: &str| set.tensors.iter().position(|named| named.pattern.captures(name, &set.parts).is_some());
        let inside = tensor.name.strip_prefix(prefix).and_then(find).map(|index| (index, true));
        if let Some((index, is_inside)) = inside.or_else(|| find(&tensor.name).map(|index| (index, false))) {
            used.insert(index, is_inside);
            elements += tensor.elements() as u128;
        }
    }
    (elements, Spelling { container: set.container.clone(), prefix: prefix.to_owned(), used })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use crate::family::named;
    use crate::memory::named as tensor;

    fn stored_names(family: &str, like: &[TensorInfo], slots: &[(Slot, Vec<usize>)]) -> Vec<String> {
        let family = named(family).unwrap();
        let weights = slots.iter().cloned().collect();
        let stored = family.stored(&family.spelling(like).unwrap(), &weights, None).unwrap();
        stored.into_iter().map(|stored| stored.name).collect()
    }

    fn slot(layer: Option<usize>, role: Role) -> Slot {
        Slot { stack: crate::Stack::Single, layer, expert: None, role, part: Part::Weight }
    }

    #[test]
    fn names_are_spelled_as_the_checkpoint_spells_them() {
        let weights = [(slot(Some(3), Role::MlpUp), vec![8, 4]), (slot(None, Role::Unembed), vec![9, 4])];
        let named_like = |name: &str| stored_names("llama", &[tensor(name, &[8, 4])], &weights);
        let expected = |up: &str, head: &str| vec![head.to_owned(), up.to_owned()];
        assert_eq!(named_like("layers.0.mlp.up_proj.weight"), expected("layers.3.mlp.up_proj.weight", "lm_head.weight"));
        let inner = "model.language_model.layers.3.mlp.up_proj.weight";
        assert_eq!(named_like(&inner.replace('3', "0")), expected(inner, "lm_head.weight"));
        assert_eq!(named_like("blk.0.ffn_up.weight"), expected("model.layers.3.mlp.up_proj.weight", "lm_head.weight"));
    }

    #[test]
    fn a_name_that_depends_on_the_block_follows_it() {
        let encoder = |role| Slot { stack: crate::Stack::Encoder, ..slot(Some(0), role) };
        let up = (encoder(Role::MlpUp), vec![8, 4]);
        let name = |rest: &str| format!("encoder.block.0.layer.1.DenseReluDense.{rest}.weight");
        assert_eq!(stored_names("t5", &[], std::slice::from_ref(&up)), [name("wi")]);
        assert_eq!(stored_names("t5", &[], &[(encoder(Role::MlpGate), vec![8, 4]), up]), [name("wi_0"), name("wi_1")]);
    }

    #[test]
    fn a_fused_tensor_without_one_of_its_parts_has_no_name() {
        let family = named("phi3").unwrap();
        let weights = BTreeMap::from([(slot(Some(0), Role::AttnQ), vec![8, 4]), (slot(Some(0), Role::AttnK), vec![4, 4])]);
        let error = family.stored(&family.spelling(&[]).unwrap(), &weights, None).unwrap_err();
        assert_eq!(error.to_string(), "weight: found `0.attn_q`, expected one that `hf` names in the family `phi3`");
    }
}
