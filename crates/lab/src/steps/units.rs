//! MLPs with other units: some left out, some doubled, some new.

use super::Setting;
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Outline, Spec};
use sources::{Axis, Part, Role, Space};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A unit of the new MLP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    /// An old one, whose output counts this much.
    Old { unit: usize, share: f32 },
    /// A new one that reads at random and writes nothing.
    Dummy,
}

/// Units of every MLP.
struct Units {
    plans: BTreeMap<Space, Vec<Unit>>,
    setting: Setting<'static>,
}

/// The checkpoint with these units; all MLPs have equally many.
pub(super) fn rebuilt(setting: &Setting<'_>, inner: Arc<dyn Checkpoint>, plans: BTreeMap<Space, Vec<Unit>>) -> Arc<dyn Checkpoint> {
    let mut outline = inner.outline().clone();
    for spec in outline.weights.values_mut() {
        for (axis, len) in spec.axes.iter().zip(&mut spec.shape) {
            if let Some(plan) = plans.get(&axis.space) {
                *len = plan.len();
            }
        }
    }
    set_width(&mut outline, plans.values().next().map_or(0, Vec::len));
    Arc::new(Changed { inner, outline, change: Units { plans, setting: setting.for_later() } })
}

/// Whatever key the family gives the width of its MLP.
fn set_width(outline: &mut Outline, width: usize) {
    let keys = ["intermediate_size", "n_inner", "d_ff", "hidden_dim", "encoder_ffn_dim", "decoder_ffn_dim"];
    let used: Vec<&str> = keys.into_iter().filter(|key| outline.setting(key).is_some()).collect();
    if used.is_empty() {
        let family = sources::family::named(&outline.family);
        if let Some(key) = family.and_then(|family| family.config_key("intermediate")) {
            outline.set(key, width);
        }
    }
    used.into_iter().for_each(|key| outline.set(key, width));
}

/// The MLPs of a checkpoint, or the refusal of a step that needs some of equal width.
pub(super) fn mlps(setting: &Setting<'_>, outline: &Outline) -> Result<(Vec<Space>, usize), LabError> {
    let mlps = outline.mlps();
    let Some(&width) = mlps.values().next() else {
        return Err(LabError::refused(setting.step, "found no MLP, expected one in every block"));
    };
    if mlps.values().any(|&other| other != width) {
        return Err(LabError::refused(setting.step, "found MLPs of different widths, expected one width"));
    }
    Ok((mlps.into_keys().collect(), width))
}

impl Change for Units {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if let Some(plan) = self.plan(spec.axes[0]) {
            let mut draws = self.setting.draws(&spec.slot.to_string());
            let (cols, scale) = (matrix.cols, matrix.rms());
            let mut rows = Matrix::new(plan.len(), cols, vec![0.0; plan.len() * cols]);
            for (row, unit) in rows.values.chunks_exact_mut(cols.max(1)).zip(plan) {
                match *unit {
                    Unit::Old { unit, .. } => row.copy_from_slice(matrix.row(unit)),
                    Unit::Dummy => row.iter_mut().for_each(|value| *value = (scale * draws.normal()) as f32),
                }
            }
            matrix = rows;
        }
        if let Some(plan) = self.plan(spec.axes[1]).filter(|_| spec.slot.part == Part::Weight) {
            let rows = matrix.values.chunks_exact(matrix.cols.max(1));
            let values = rows.flat_map(|row| {
                plan.iter().map(|unit| match *unit {
                    Unit::Old { unit, share } => row[unit] * share,
                    Unit::Dummy => 0.0,
                })
            });
            matrix = Matrix::new(matrix.rows, plan.len(), values.collect());
        }
        Ok(matrix)
    }
}

impl Units {
    fn plan(&self, axis: Axis) -> Option<&Vec<Unit>> {
        self.plans.get(&axis.space)
    }
}

/// `|up| · |down|` of every unit of an MLP.
pub(super) fn sizes(checkpoint: &dyn Checkpoint, mlp: Space, width: usize) -> Result<Vec<f64>, LabError> {
    let mut sizes = vec![1.0f64; width];
    for spec in checkpoint.outline().weights.values().filter(|spec| spec.slot.part == Part::Weight) {
        if spec.slot.role == Role::MlpUp && spec.axes[0].space == mlp {
            let up = checkpoint.read(spec.slot)?;
            let norms = up.values.chunks_exact(up.cols.max(1)).map(|row| norm(row.iter().copied()));
            sizes.iter_mut().zip(norms).for_each(|(size, norm)| *size *= norm);
        } else if spec.slot.role == Role::MlpDown && spec.axes[1].space == mlp {
            let down = checkpoint.read(spec.slot)?.transposed();
            let norms = down.values.chunks_exact(down.cols.max(1)).map(|row| norm(row.iter().copied()));
            sizes.iter_mut().zip(norms).for_each(|(size, norm)| *size *= norm);
        }
    }
    Ok(sizes)
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}
