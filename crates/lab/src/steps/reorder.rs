//! Puts the indices of spaces in new orders, everywhere where they occur.

use crate::{Change, Checkpoint, LabError, Matrix, Spec};
use sources::{Axis, Part, Space};
use std::collections::BTreeMap;

/// New orders, by space and by the length of the axis: queries and keys of one space of heads have different lengths.
pub(super) struct Reorder(pub(super) BTreeMap<(Space, usize), Order>);

/// The new order of one axis.
pub(super) struct Order {
    /// Index `i` becomes the old index `from[i]`.
    pub(super) from: Vec<usize>,
    /// And is multiplied by this; empty for no signs.
    pub(super) signs: Vec<f32>,
}

impl Reorder {
    fn of(&self, axis: Axis, len: usize) -> Option<&Order> {
        self.0.get(&(axis.space, len))
    }
}

impl Change for Reorder {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if let Some(order) = self.of(spec.axes[0], spec.rows()) {
            matrix = matrix.take_rows(&order.from);
            // A gain multiplies its coordinate whatever the sign.
            let is_gain = spec.slot.role.is_norm() && spec.slot.part == Part::Weight;
            if !order.signs.is_empty() && !is_gain {
                matrix.scale_rows(&order.signs);
            }
        }
        if let Some(order) = self.of(spec.axes[1], spec.cols()) {
            matrix = matrix.take_cols(&order.from);
            if !order.signs.is_empty() {
                matrix.scale_cols(&order.signs);
            }
        }
        Ok(matrix)
    }
}
