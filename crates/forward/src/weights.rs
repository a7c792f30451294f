//! Matrices and norms of a checkpoint, read as a forward pass uses them.

use crate::NotRunnable;
use crate::norm::Norm;
use crate::product::Linear;
use rayon::prelude::*;
use sources::{Binding, Model, Part, Role, Slot, SourceError, Stack, Weight, view};
use std::collections::BTreeMap;

/// What each tensor of a checkpoint is.
///
/// # Errors
/// If no family says it.
pub(crate) fn binding_of(model: &Model) -> Result<&Binding, NotRunnable> {
    model.binding.as_ref().ok_or_else(|| NotRunnable("no family describes its tensors".into()))
}

/// The place of a weight outside of experts.
pub(crate) fn slot(role: Role, layer: Option<usize>) -> Slot {
    Slot { stack: Stack::Single, layer, expert: None, role, part: Part::Weight }
}

/// A weight outside of experts.
pub(crate) fn weight(binding: &Binding, role: Role, layer: Option<usize>) -> Option<&Weight> {
    let slot = Some(slot(role, layer));
    binding.weights.iter().find(|weight| weight.slot == slot)
}

/// The weights of a checkpoint, by place.
pub(crate) struct Weights<'a> {
    model: &'a Model,
    /// What stored gains are counted from.
    gain_offset: f32,
    slots: BTreeMap<Slot, &'a Weight>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(model: &'a Model, binding: &'a Binding) -> Self {
        let slots = binding.weights.iter().filter_map(|weight| Some((weight.slot?, weight))).collect();
        Self { model, gain_offset: binding.form.gain.offset(), slots }
    }

    fn values(&self, slot: Slot) -> Result<Option<(&'a Weight, Vec<f32>)>, SourceError> {
        let Some(&weight) = self.slots.get(&slot) else { return Ok(None) };
        let mut values = Vec::new();
        view::read_rows(self.model, weight, 0..weight.rows, &mut values)?;
        Ok(Some((weight, values)))
    }

    /// A matrix with its bias.
    pub(crate) fn linear(&self, slot: Slot) -> Result<Option<Linear>, SourceError> {
        let Some((weight, values)) = self.values(slot)? else { return Ok(None) };
        let bias = self.values(Slot { part: Part::Bias, ..slot })?.map(|(_, bias)| bias);
        Ok(Some(Linear { rows: weight.rows, cols: weight.cols, weight: values, bias }))
    }

    /// Several matrices at once, each on a thread of its own.
    pub(crate) fn linears<const N: usize>(&self, slots: [Slot; N]) -> Result<[Option<Linear>; N], SourceError> {
        let read: Vec<Option<Linear>> = slots.par_iter().map(|&slot| self.linear(slot)).collect::<Result<_, _>>()?;
        let mut read = read.into_iter();
        Ok(std::array::from_fn(|_| read.next().flatten()))
    }

    /// A norm, with its gain complete.
    pub(crate) fn norm(&self, role: Role, layer: Option<usize>) -> Result<Option<Norm>, SourceError> {
        let place = slot(role, layer);
        let Some((_, mut gain)) = self.values(place)? else { return Ok(None) };
        gain.iter_mut().for_each(|gain| *gain += self.gain_offset);
        let bias = self.values(Slot { part: Part::Bias, ..place })?.map(|(_, bias)| bias);
        Ok(Some(Norm { gain, bias }))
    }

    /// Some rows of a table, in the given order; `None` where there is no such table.
    pub(crate) fn rows(&self, role: Role, rows: &[usize]) -> Result<Option<Vec<f32>>, SourceError> {
        let Some(&weight) = self.slots.get(&slot(role, None)) else { return Ok(None) };
        let cols: Vec<usize> = (0..weight.cols).collect();
        let mut values = Vec::new();
        view::gather(self.model, weight, rows, &cols, &mut values)?;
        Ok(Some(values))
    }
}
