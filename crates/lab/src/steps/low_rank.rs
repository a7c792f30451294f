//! Low-rank compression.

use super::values::is_matrix;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use faer::{Mat, MatRef};
use serde_json::json;
use sources::Role;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "low-rank",
    value: "=SHARE",
    number: "low-rank compression",
    help: "every matrix of attention and MLP by its best approximation of SHARE of its rank",
    run,
};

/// Replaces each matrix of attention and MLP by its best approximation of `share` of its rank.
struct LowRank {
    share: f64,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(1.0)?;
    Ok(setting.changed(Changed::same_outline(checkpoint, LowRank { share }), json!({ "share": share }), Vec::new()))
}

impl LowRank {
    /// Of a matrix of `n` singular values.
    fn rank(&self, n: usize) -> usize {
        ((self.share * n as f64).round() as usize).clamp(1, n.max(1))
    }
}

impl Change for LowRank {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let matrix = inner.read(spec.slot)?;
        if !is_matrix(spec) || !is_of_attention_or_mlp(spec.slot.role) {
            return Ok(matrix);
        }
        approximate(&matrix, self.rank(matrix.rows.min(matrix.cols)))
            .ok_or_else(|| LabError::refused("low-rank", format!("found no singular values of `{}`, expected finite numbers", spec.slot)))
    }
}

fn is_of_attention_or_mlp(role: Role) -> bool {
    use Role::{AttnK, AttnOut, AttnQ, AttnV, CrossAttnK, CrossAttnOut, CrossAttnQ, CrossAttnV, MlpDown, MlpGate, MlpUp};
    matches!(role, AttnQ | AttnK | AttnV | AttnOut | CrossAttnQ | CrossAttnK | CrossAttnV | CrossAttnOut | MlpGate | MlpUp | MlpDown)
}

/// The nearest matrix of this rank in the sum of squares (Eckart and Young 1936): the first singular vectors.
fn approximate(matrix: &Matrix, rank: usize) -> Option<Matrix> {
    let svd = MatRef::from_row_major_slice(&matrix.values, matrix.rows, matrix.cols).thin_svd().ok()?;
    let (u, s, v) = (svd.U().subcols(0, rank), svd.S().column_vector(), svd.V().subcols(0, rank));
    let scaled = Mat::from_fn(matrix.rows, rank, |i, k| u[(i, k)] * s[k]);
    let product = scaled * v.transpose();
    let values = (0..matrix.rows).flat_map(|i| (0..matrix.cols).map(move |j| (i, j))).map(|at| product[at]).collect();
    Some(Matrix::new(matrix.rows, matrix.cols, values))
}
