//! What is known of a checkpoint before any number is read: its weights with their shapes, its form, its configuration, its tokens.

use crate::{LabError, Tokens};
use serde_json::Value;
use sources::family::Family;
use sources::family::compute::{Said, Setting};
use sources::form::{Form, Place};
use sources::tensor::MetaValue;
use sources::{Axis, Encoding, FormatError, Heads, Part, Role, Slot, Space, Stack, family};
use std::collections::{BTreeMap, BTreeSet};

/// Type of written numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    /// What holds the values of this encoding without loss, if a half type does; f32 for everything else.
    pub fn of(encoding: Encoding) -> Self {
        match encoding {
            Encoding::F16 => Self::F16,
            Encoding::Bf16 => Self::Bf16,
            _ => Self::F32,
        }
    }
}

/// One weight.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its place.
    pub slot: Slot,
    /// `[out, in, …]`; a vector has one axis.
    pub shape: Vec<usize>,
    /// What rows and columns are indexed by.
    pub axes: [Axis; 2],
    /// As the source stores it.
    pub dtype: Dtype,
}

impl Spec {
    /// Outputs.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Inputs: the product of all further axes.
    pub fn cols(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// A checkpoint without its numbers.
#[derive(Debug, Clone)]
pub struct Outline {
    /// As in the family files.
    pub family: String,
    /// How the family computes.
    pub form: Form,
    /// Heads of every attention, where they are known.
    pub heads: Option<Heads>,
    /// Every weight.
    pub weights: BTreeMap<Slot, Spec>,
    /// `config.json`.
    pub config: Value,
    /// What the tokenizer will be.
    pub tokens: Tokens,
}

impl Outline {
    /// A weight that must be there.
    pub fn spec(&self, slot: Slot) -> Result<&Spec, LabError> {
        self.weights.get(&slot).ok_or_else(|| FormatError::new("weight", format!("no `{slot}`"), "one that the checkpoint has").into())
    }

    /// The norm whose gain folds into the columns of this weight, if the checkpoint has it.
    pub fn read_norm(&self, slot: Slot) -> Option<Slot> {
        let norm = self.form.read_norm(Place { stack: slot.stack, role: slot.role })?;
        self.norm_at(norm, slot.layer)
    }

    /// The norm whose gain scales the rows of this weight, if the checkpoint has it.
    pub fn write_norm(&self, slot: Slot) -> Option<Slot> {
        let norm = self.form.write_norm(Place { stack: slot.stack, role: slot.role })?;
        self.norm_at(norm, slot.layer)
    }

    /// Of the same layer where it has a layer, else of all layers.
    fn norm_at(&self, norm: Place, layer: Option<usize>) -> Option<Slot> {
        let at = |layer| Slot { stack: norm.stack, layer, expert: None, role: norm.role, part: Part::Weight };
        [at(layer), at(None)].into_iter().find(|slot| self.weights.contains_key(slot))
    }

    /// Norms in `reads` that the checkpoint has, with the weights (not biases) that read them.
    pub fn readers(&self) -> BTreeMap<Slot, Vec<Slot>> {
        let is_read = |slot: &Slot| self.form.reads.iter().any(|folding| folding.norm == Place { stack: slot.stack, role: slot.role });
        let norms = self.weights.keys().filter(|slot| slot.part == Part::Weight && is_read(slot));
        let mut readers: BTreeMap<Slot, Vec<Slot>> = norms.map(|&slot| (slot, Vec::new())).collect();
        for &slot in self.weights.keys().filter(|slot| slot.part == Part::Weight) {
            if let Some(found) = self.read_norm(slot).and_then(|norm| readers.get_mut(&norm)) {
                found.push(slot);
            }
        }
        readers
    }

    /// The embedding that is also the head, if the head is not a weight of its own.
    pub fn tied_embedding(&self) -> Option<Slot> {
        let embed = *self.weights.keys().find(|slot| slot.role == Role::Embed && slot.part == Part::Weight)?;
        let has_head = self.weights.keys().any(|slot| slot.role == Role::Unembed && slot.part == Part::Weight);
        // A head reads a norm; where that norm is missing there is no head at all.
        let head = self.form.reads.iter().find(|folding| folding.weights.iter().any(|place| place.role == Role::Unembed))?;
        (!has_head && self.norm_at(head.norm, None).is_some()).then_some(embed)
    }

    /// Every space that an axis has, with the axis's length.
    pub fn axes(&self) -> BTreeSet<(Space, usize)> {
        let axes = self.weights.values().flat_map(|spec| spec.axes.into_iter().zip([spec.rows(), spec.cols()]));
        axes.map(|(axis, len)| (axis.space, len)).collect()
    }

    /// The residual streams whose coordinates have no order of their own, with their widths.
    pub fn residuals(&self) -> BTreeMap<Space, usize> {
        self.axes().into_iter().filter(|(space, _)| matches!(space, Space::Residual(_))).collect()
    }

    /// Hidden units of every MLP, with their number.
    pub fn mlps(&self) -> BTreeMap<Space, usize> {
        self.axes().into_iter().filter(|(space, _)| matches!(space, Space::MlpUnits { .. })).collect()
    }

    /// Number of blocks of a stack.
    pub fn layers(&self, stack: Stack) -> usize {
        self.weights.keys().filter(|slot| slot.stack == stack).filter_map(|slot| slot.layer).max().map_or(0, |last| last + 1)
    }

    /// The family, which says where settings stand; `None` where it is not one of this program.
    pub fn described(&self) -> Option<&'static Family> {
        family::named(&self.family)
    }

    /// What the configuration says of a setting of the family.
    pub fn said(&self, family: &Family, setting: &Setting) -> Option<Value> {
        self.all_said(family).value(setting)
    }

    /// What the configuration says of a family's settings.
    pub fn all_said(&self, family: &Family) -> Said<'_> {
        static NO_HEADER: BTreeMap<String, MetaValue> = BTreeMap::new();
        Said::new(family, Some(&self.config), &NO_HEADER)
    }

    /// A value of the configuration, at the top or in a section of a model with several towers.
    pub fn setting(&self, key: &str) -> Option<&Value> {
        let sections = ["text_config", "rope_parameters"].into_iter().filter_map(|section| self.config.get(section));
        std::iter::once(&self.config).chain(sections).find_map(|section| section.get(key)).filter(|value| !value.is_null())
    }

    /// Sets a key of the configuration, in the section that has it, else at the top.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let inner = self.config.get("text_config").is_some_and(|section| section.get(key).is_some());
        let target = if inner && self.config.get(key).is_none() { self.config.get_mut("text_config") } else { Some(&mut self.config) };
        if let Some(Value::Object(map)) = target {
            map.insert(key.to_owned(), value.into());
        }
    }
}

/// A space as a word, for labels of draws: the same for ever.
pub(crate) fn label(space: Space) -> String {
    let stack = |stack: Stack| match stack {
        Stack::Single => "single",
        Stack::Encoder => "encoder",
        Stack::Decoder => "decoder",
    };
    match space {
        Space::Residual(s) => format!("residual/{}", stack(s)),
        Space::MlpUnits { stack: s, layer, expert: None } => format!("mlp/{}/{layer}", stack(s)),
        Space::MlpUnits { stack: s, layer, expert: Some(expert) } => format!("mlp/{}/{layer}/{expert}", stack(s)),
        Space::Heads { stack: s, layer, cross } => format!("{}/{}/{layer}", if cross { "cross-heads" } else { "heads" }, stack(s)),
        Space::Vocabulary => "vocabulary".into(),
        Space::Fixed => "fixed".into(),
    }
}
