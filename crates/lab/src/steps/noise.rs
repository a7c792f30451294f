//! Gaussian noise on every matrix.

use super::values::is_matrix;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, Draws, LabError, Matrix, Spec};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step =
    Step { name: "noise", value: "=SHARE", number: "noise", help: "Gaussian noise on every matrix, SHARE times its root mean square", run };

/// Adds to every matrix Gaussian numbers of a standard deviation of `share` times its root mean square. Vectors stay.
struct Noise {
    share: f64,
    setting: Setting<'static>,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(100.0)?;
    let noise = Noise { share, setting: setting.for_later() };
    Ok(setting.changed(Changed::same_outline(checkpoint, noise), json!({ "share": share }), Vec::new()))
}

impl Change for Noise {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if is_matrix(spec) {
            add(&mut matrix, self.share, &mut self.setting.draws(&spec.slot.to_string()));
        }
        Ok(matrix)
    }
}

/// Adds noise of `share` times the root mean square.
pub(super) fn add(matrix: &mut Matrix, share: f64, draws: &mut Draws) {
    let scale = share * matrix.rms();
    matrix.values.iter_mut().for_each(|value| *value += (scale * draws.normal()) as f32);
}
