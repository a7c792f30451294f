//! One side of a pair as baselines read it: stored numbers by label and by place, and what is computed of them once a model.

use super::gram::{self, AttentionGrams};
use super::huref::{self, Invariants};
use crate::{LabError, Matrix};
use faer::Mat;
use forward::Observation;
use sources::view::read_rows;
use sources::{FormatError, Heads, Model, Part, Role, Slot, Stack, TensorSource, family};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Numbers that a model may have: all of them are held in memory.
pub const MAX_NUMBERS: u64 = 1 << 28;

/// One stored weight.
#[derive(Debug)]
pub(super) struct Held {
    /// Number of axes as stored.
    pub(super) rank: usize,
    /// Where a family gave one.
    pub(super) slot: Option<Slot>,
    /// As stored: gains without the family's offset.
    pub(super) values: Matrix,
}

/// A model of a zoo, read once and compared many times.
#[derive(Debug)]
pub struct BaselineSide<'a> {
    /// The open checkpoint.
    pub model: &'a Model,
    /// What it does on the shared prompts, where that was observed.
    pub observation: Option<&'a Observation>,
    weights: BTreeMap<String, Held>,
    places: BTreeMap<Slot, String>,
    stack: Stack,
    invariants: OnceLock<Result<Invariants, String>>,
    grams: OnceLock<Vec<AttentionGrams>>,
    energies: OnceLock<Vec<f64>>,
}

impl<'a> BaselineSide<'a> {
    /// Reads every weight of a small model.
    ///
    /// # Errors
    /// If the model has more than [`MAX_NUMBERS`] numbers, or a tensor cannot be read.
    pub fn read(model: &'a Model, observation: Option<&'a Observation>) -> Result<Self, LabError> {
        if model.parameters() > MAX_NUMBERS {
            let found = format!("{} numbers in `{}`", model.parameters(), model.path.display());
            return Err(FormatError::new("size of a model of the bench", found, format!("at most {MAX_NUMBERS}")).into());
        }
        let mut found = Vec::new();
        let mut stack = Stack::Single;
        let unbound = family::unbound(model.tensors());
        match &model.binding {
            Some(binding) => {
                found.extend(binding.weights.iter().cloned());
                found.extend(unbound.into_iter().filter(|weight| binding.undescribed.contains(&weight.view.tensor)));
                let stacks = binding.layers.iter().filter(|(_, n)| *n > 0).map(|&(stack, _)| stack);
                // Of two stacks the one that writes text.
                stack = stacks.max_by_key(|stack| (*stack == Stack::Decoder, *stack == Stack::Single)).unwrap_or_default();
            }
            None => found.extend(unbound),
        }
        let mut weights = BTreeMap::new();
        let mut places = BTreeMap::new();
        for weight in found {
            if !model.tensors()[weight.view.tensor].is_numeric_weight() || weight.elements() == 0 {
                continue;
            }
            let mut values = Vec::new();
            read_rows(model, &weight, 0..weight.rows, &mut values)?;
            let label = weight.label();
            if let Some(slot) = weight.slot {
                places.insert(slot, label.clone());
            }
            let values = Matrix::new(weight.rows, weight.cols, values);
            weights.insert(label, Held { rank: weight.rank, slot: weight.slot, values });
        }
        let (invariants, grams, energies) = Default::default();
        Ok(Self { model, observation, weights, places, stack, invariants, grams, energies })
    }

    /// Every weight by its label: the place, or the stored name where no family gives one.
    pub(super) fn weights(&self) -> &BTreeMap<String, Held> {
        &self.weights
    }

    /// The matrix of a role in a block, of the stack that writes text.
    pub(super) fn block(&self, role: Role, layer: usize) -> Option<&Matrix> {
        self.at(Slot { stack: self.stack, layer: Some(layer), expert: None, role, part: Part::Weight })
    }

    /// The table of tokens, `[vocabulary, width]`.
    pub(super) fn embedding(&self) -> Option<&Matrix> {
        let table = |stack| self.at(Slot { stack, layer: None, expert: None, role: Role::Embed, part: Part::Weight });
        table(self.stack).or_else(|| table(Stack::Single))
    }

    fn at(&self, slot: Slot) -> Option<&Matrix> {
        self.weights.get(self.places.get(&slot)?).map(|held| &held.values)
    }

    /// Number of blocks of that stack.
    pub(super) fn blocks(&self) -> usize {
        let layers = self.places.keys().filter(|slot| slot.stack == self.stack).filter_map(|slot| slot.layer);
        layers.max().map_or(0, |last| last + 1)
    }

    /// Heads of its attention.
    pub(super) fn heads(&self) -> Option<Heads> {
        self.model.binding.as_ref()?.heads
    }

    /// Gains of all norms in order of their places.
    pub(super) fn gains(&self) -> impl Iterator<Item = (Slot, &[f32])> {
        let is_gain = |slot: &Slot| slot.role.is_norm() && slot.part == Part::Weight;
        self.weights.values().filter_map(move |held| Some((held.slot.filter(is_gain)?, held.values.values.as_slice())))
    }

    pub(super) fn invariants(&self) -> Result<&Invariants, &str> {
        self.invariants.get_or_init(|| huref::invariants(self)).as_ref().map_err(String::as_str)
    }

    pub(super) fn attention_grams(&self) -> &[AttentionGrams] {
        self.grams.get_or_init(|| gram::of_attention(self))
    }

    /// Sum of the Frobenius norms of each block's matrices.
    pub(super) fn energies(&self) -> &[f64] {
        self.energies.get_or_init(|| {
            let mut energies = vec![0.0; self.blocks()];
            for held in self.weights.values().filter(|held| held.rank > 1) {
                let block = held.slot.filter(|slot| slot.stack == self.stack).and_then(|slot| energies.get_mut(slot.layer?));
                if let Some(energy) = block {
                    *energy += stats::products::dot(&held.values.values, &held.values.values).sqrt();
                }
            }
            energies
        })
    }
}

/// Widened for products that are summed in f64.
pub(super) fn widened(matrix: &Matrix) -> Mat<f64> {
    Mat::from_fn(matrix.rows, matrix.cols, |row, col| f64::from(matrix.values[row * matrix.cols + col]))
}
