//! Which blocks stand against which: equal indices where models have equally many, else the same relative depth.

use super::stage::At;
use crate::depth::{relative_depth, same_depth};
use std::collections::BTreeSet;

/// A block of a model in the suspect's place against one of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task {
    pub(super) subject: At,
    pub(super) reference: At,
}

impl Task {
    /// Its blocks, the reference's first.
    pub(super) fn pair(&self) -> (At, At) {
        (self.reference, self.subject)
    }
}

/// Blocks of one relative depth, which are read together.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) tasks: Vec<Task>,
    /// All blocks that the tasks need, each once, in order.
    pub(super) blocks: Vec<At>,
}

/// The stages of a comparison of the models `subjects` with model 0; models in `regressors` are read at both depths of every task.
pub(super) fn stages(n_layers: &[usize], subjects: &[usize], regressors: &[usize]) -> Vec<Stage> {
    let task = |subject: usize, layer: usize| Task {
        subject: (subject, layer),
        reference: (0, same_depth(layer, n_layers[subject], n_layers[0])),
    };
    let mut tasks: Vec<Task> = subjects.iter().flat_map(|&subject| (0..n_layers[subject]).map(move |layer| task(subject, layer))).collect();
    let depth_of = |task: &Task| relative_depth(task.subject.1, n_layers[task.subject.0]);
    tasks.sort_by(|a, b| depth_of(a).total_cmp(&depth_of(b)).then(a.cmp(b)));
    tasks
        .chunk_by(|a, b| depth_of(a) == depth_of(b))
        .map(|tasks| {
            let mut blocks = BTreeSet::new();
            for task in tasks {
                blocks.extend([task.subject, task.reference]);
                for &control in regressors.iter().filter(|&&control| control != task.subject.0) {
                    blocks.extend([of_control(control, task.subject, n_layers), of_control(control, task.reference, n_layers)]);
                }
            }
            Stage { tasks: tasks.to_vec(), blocks: blocks.into_iter().collect() }
        })
        .collect()
}

/// The block of a control at the depth of another model's block.
pub(super) fn of_control(control: usize, at: At, n_layers: &[usize]) -> At {
    (control, same_depth(at.1, n_layers[at.0], n_layers[control]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_one_depth_stand_together() {
        let stages = stages(&[2, 2, 3], &[1, 2], &[2]);
        let tasks: Vec<(At, At)> = stages.iter().flat_map(|stage| stage.tasks.iter().map(Task::pair)).collect();
        assert_eq!(tasks, [((0, 0), (1, 0)), ((0, 0), (2, 0)), ((0, 1), (2, 1)), ((0, 1), (1, 1)), ((0, 1), (2, 2))]);
        assert_eq!(stages[0].blocks, [(0, 0), (1, 0), (2, 0)]);
    }
}
