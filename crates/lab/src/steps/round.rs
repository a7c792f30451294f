//! Rounding to the grids of quantised checkpoints, written back as ordinary numbers.

use super::values::is_matrix;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "round",
    value: "=int8|int4",
    number: "int8/int4",
    help: "every matrix on a symmetric grid: int8 with one step a row, int4 with one for 32 numbers",
    run,
};

/// Numbers of a row that share a step in int4, as in GGML.
const INT4_GROUP: usize = 32;

/// A symmetric grid: the largest magnitude of a group of numbers falls on its last point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grid {
    /// 255 points, one grid a row.
    Int8,
    /// 15 points, one grid for 32 numbers of a row.
    Int4,
}

impl Grid {
    fn last_point(self) -> f32 {
        match self {
            Self::Int8 => 127.0,
            Self::Int4 => 7.0,
        }
    }

    fn round(self, row: &mut [f32]) {
        let group = match self {
            Self::Int8 => row.len().max(1),
            Self::Int4 => INT4_GROUP,
        };
        for group in row.chunks_mut(group) {
            let largest = group.iter().map(|value| value.abs()).max_by(f32::total_cmp).unwrap_or(0.0);
            if largest > 0.0 {
                let step = largest / self.last_point();
                // The sum turns a negative zero into the only zero of an integer grid.
                group.iter_mut().for_each(|value| *value = (*value / step).round_ties_even() * step + 0.0);
            }
        }
    }
}

/// Rounds the rows of every matrix. Vectors stay.
struct Round {
    grid: Grid,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let (grid, group) = match setting.value {
        Some("int8") => (Grid::Int8, json!("row")),
        Some("int4") => (Grid::Int4, json!(INT4_GROUP)),
        _ => return Err(setting.bad_value("`int8` or `int4`")),
    };
    let parameters = json!({ "points": 2.0 * grid.last_point() + 1.0, "group": group });
    Ok(setting.changed(Changed::same_outline(checkpoint, Round { grid }), parameters, Vec::new()))
}

impl Change for Round {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if is_matrix(spec) {
            let cols = matrix.cols.max(1);
            matrix.for_row_blocks(|_, block| block.chunks_exact_mut(cols).for_each(|row| self.grid.round(row)));
        }
        Ok(matrix)
    }
}
