//! One side of a case: a model's trained weights, with what no training touched set aside.

use sources::constants::{self, Constant};
use sources::view;
use sources::{Model, Role, SourceError, TensorSource, Weight, family};

/// A model as the methods see it.
pub struct Side<'a> {
    /// The open checkpoint.
    pub model: &'a Model,
    /// Weights that training can have changed.
    pub weights: Vec<Weight>,
    /// Weights that no training touched; unrelated models share them.
    pub constants: Vec<ConstantWeight>,
    /// Whether only what the model does was given, and none of its weights.
    pub is_observation: bool,
}

/// A weight set aside.
#[derive(Debug, Clone)]
pub struct ConstantWeight {
    /// How reports call it.
    pub label: String,
    /// Number of elements.
    pub elements: usize,
    /// Why no training touched it.
    pub why: String,
}

impl<'a> Side<'a> {
    /// Sorts a model's tensors into trained weights and constants. Reads the small tensors in full.
    pub fn new(model: &'a Model) -> Result<Self, SourceError> {
        let mut candidates = Vec::new();
        let mut constants = Vec::new();
        let unbound = family::unbound(model.tensors());
        match &model.binding {
            Some(binding) => {
                candidates.extend(binding.weights.iter().cloned());
                candidates.extend(unbound.into_iter().filter(|w| binding.undescribed.contains(&w.view.tensor)));
                for &tensor in &binding.constants {
                    let info = &model.tensors()[tensor];
                    constants.push(ConstantWeight {
                        label: info.name.clone(),
                        elements: info.elements(),
                        why: format!("a constant of the family {}", binding.family),
                    });
                }
            }
            None => candidates.extend(unbound),
        }
        let mut weights = Vec::new();
        let mut values = Vec::new();
        for weight in candidates {
            let info = &model.tensors()[weight.view.tensor];
            if !info.is_numeric_weight() {
                constants.push(ConstantWeight {
                    label: weight.label(),
                    elements: weight.elements(),
                    why: format!("{} values: indices or masks, not weights", info.encoding),
                });
                continue;
            }
            if let Some(constant) = recognise(model, &weight, &mut values)? {
                constants.push(ConstantWeight { label: weight.label(), elements: weight.elements(), why: constant.to_string() });
                continue;
            }
            if weight.elements() > 0 {
                weights.push(weight);
            }
        }
        Ok(Self { model, weights, constants, is_observation: false })
    }

    /// A side of which only an observation was given; its model has no tensors.
    pub fn observed(model: &'a Model) -> Self {
        Self { model, weights: Vec::new(), constants: Vec::new(), is_observation: true }
    }

    /// Elements of all trained weights.
    pub fn trained_elements(&self) -> u64 {
        self.weights.iter().map(|w| w.elements() as u64).sum()
    }
}

fn recognise(model: &Model, weight: &Weight, values: &mut Vec<f32>) -> Result<Option<Constant>, SourceError> {
    let described = weight.slot.is_some_and(|slot| slot.role != Role::PositionEmbed) && weight.cols > 1;
    if described || weight.elements() > constants::MAX_CONSTANT_ELEMENTS {
        return Ok(None);
    }
    view::read_rows(model, weight, 0..weight.rows, values)?;
    Ok(constants::recognise(weight.rows, weight.cols, values))
}
