//! A model whose weights are computed when they are asked for, and the wrapping of one by a step.

use crate::{LabError, Matrix, Outline, Spec};
use sources::Slot;
use std::sync::Arc;

/// Weights by their places. Gains of norms are the factors that take effect, not what a file counts them from.
pub trait Checkpoint: Send + Sync {
    /// Everything but the numbers.
    fn outline(&self) -> &Outline;
    /// One weight.
    fn read(&self, slot: Slot) -> Result<Matrix, LabError>;
}

/// How a step makes a weight of the new checkpoint out of the old one.
pub trait Change: Send + Sync {
    /// The weight that `spec`, of the new outline, describes.
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError>;
}

/// A checkpoint behind a step.
pub struct Changed<C> {
    /// The checkpoint before the step.
    pub inner: Arc<dyn Checkpoint>,
    /// After the step.
    pub outline: Outline,
    /// The step.
    pub change: C,
}

impl<C: Change + 'static> Changed<C> {
    /// A step that changes numbers only.
    pub fn same_outline(inner: Arc<dyn Checkpoint>, change: C) -> Arc<dyn Checkpoint> {
        let outline = inner.outline().clone();
        Arc::new(Self { inner, outline, change })
    }
}

impl<C: Change> Checkpoint for Changed<C> {
    fn outline(&self) -> &Outline {
        &self.outline
    }

    fn read(&self, slot: Slot) -> Result<Matrix, LabError> {
        self.change.read(self.inner.as_ref(), self.outline.spec(slot)?)
    }
}
