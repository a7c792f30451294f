//! Unstructured pruning: the smallest numbers become zero.

use super::values::is_matrix;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "prune",
    value: "=SHARE",
    number: "unstructured pruning",
    help: "the smallest SHARE of the numbers of every matrix of a block becomes zero",
    run,
};

/// Sets `share` of the numbers of every matrix of a block to zero, those of the smallest magnitude. What is outside of blocks stays.
struct Prune {
    share: f64,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let share = setting.share(1.0)?;
    Ok(setting.changed(Changed::same_outline(checkpoint, Prune { share }), json!({ "share": share }), Vec::new()))
}

impl Change for Prune {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if is_matrix(spec) && spec.slot.layer.is_some() {
            let n = (self.share * matrix.values.len() as f64).round() as usize;
            zero_smallest(&mut matrix.values, n);
        }
        Ok(matrix)
    }
}

/// Exactly `n` numbers become zero; of equal magnitudes the first.
pub(super) fn zero_smallest(values: &mut [f32], n: usize) {
    if n == 0 {
        return;
    }
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let (below, &mut threshold, _) = sizes.select_nth_unstable_by(n - 1, f32::total_cmp);
    let mut at_threshold = n - below.iter().filter(|size| **size < threshold).count();
    for value in values {
        if value.abs() < threshold {
            *value = 0.0;
        } else if value.abs() == threshold && at_threshold > 0 {
            at_threshold -= 1;
            *value = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::zero_smallest;

    #[test]
    fn exactly_so_many_numbers_become_zero_also_among_equal_ones() {
        let pruned = |n: usize| {
            let mut values = [2.0, -1.0, 1.0, 0.5, 1.0, -3.0];
            zero_smallest(&mut values, n);
            values
        };
        assert_eq!(pruned(0), [2.0, -1.0, 1.0, 0.5, 1.0, -3.0]);
        assert_eq!(pruned(1), [2.0, -1.0, 1.0, 0.0, 1.0, -3.0]);
        assert_eq!(pruned(3), [2.0, 0.0, 0.0, 0.0, 1.0, -3.0]);
        assert_eq!(pruned(6), [0.0; 6]);
    }
}
