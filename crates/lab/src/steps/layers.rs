//! Blocks left out or taken twice.

use super::{Outcome, Setting};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Outline, Spec};
use serde_json::{Value, json};
use sources::family::compute;
use sources::{Role, Slot, Space, Stack};
use std::sync::Arc;

/// Takes every block from an old one.
struct Layers {
    stack: Stack,
    /// The old block of each new one.
    path: Vec<usize>,
}

/// The checkpoint with every block so many times in a row, as it is named in the value or not; in its decoder where it has two stacks.
pub(super) fn rearranged(setting: &Setting<'_>, inner: Arc<dyn Checkpoint>, times: impl Fn(bool) -> usize) -> Result<Outcome, LabError> {
    let named = setting.blocks()?;
    let stack = inner.outline().weights.keys().map(|slot| slot.stack).max().unwrap_or_default();
    let n = inner.outline().layers(stack);
    if named.iter().any(|&layer| layer >= n) {
        return Err(setting.bad_value(&format!("blocks below {n}")));
    }
    let path: Vec<usize> = (0..n).flat_map(|layer| std::iter::repeat_n(layer, times(named.contains(&layer)))).collect();
    if path.is_empty() {
        return Err(setting.bad_value(&format!("some of {n} blocks to be left")));
    }
    let mut outline = inner.outline().clone();
    let change = Layers { stack, path };
    let old = std::mem::take(&mut outline.weights);
    for spec in old.values() {
        for layer in change.new_layers(spec.slot) {
            let mut spec = spec.clone();
            spec.slot.layer = layer;
            if let Some(layer) = layer {
                spec.axes.iter_mut().for_each(|axis| axis.space = moved(axis.space, stack, layer));
            }
            outline.weights.insert(spec.slot, spec);
        }
    }
    configure(&mut outline, &change, n);
    let parameters = json!({ "before": n, "path": change.path });
    Ok(setting.changed(Arc::new(Changed { inner, outline, change }), parameters, Vec::new()))
}

impl Layers {
    /// Whether a weight belongs to a block. T5 keeps the relative positions of all blocks in its first one.
    fn is_moved(&self, slot: Slot) -> bool {
        slot.stack == self.stack && slot.role != Role::AttnRelativeBias
    }

    /// Where an old weight stands in the new checkpoint.
    fn new_layers(&self, slot: Slot) -> Vec<Option<usize>> {
        match slot.layer {
            Some(layer) if self.is_moved(slot) => (0..self.path.len()).filter(|&place| self.path[place] == layer).map(Some).collect(),
            layer => vec![layer],
        }
    }
}

impl Change for Layers {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let layer = match spec.slot.layer {
            Some(layer) if self.is_moved(spec.slot) => self.path.get(layer).copied(),
            layer => layer,
        };
        inner.read(Slot { layer, ..spec.slot })
    }
}

/// The space of the same kind in another block.
fn moved(space: Space, of: Stack, layer: usize) -> Space {
    match space {
        Space::MlpUnits { stack, expert, .. } if stack == of => Space::MlpUnits { stack, layer, expert },
        Space::Heads { stack, cross, .. } if stack == of => Space::Heads { stack, layer, cross },
        other => other,
    }
}

fn configure(outline: &mut Outline, change: &Layers, n: usize) {
    let Some(family) = outline.described() else { return };
    if let Some(setting) = family.layers.of(change.stack) {
        // Some members of a family have a word of their own.
        let own = setting.config.iter().map(String::as_str).find(|key| outline.setting(key).is_some());
        if let Some(key) = own.or_else(|| setting.written_key()) {
            outline.set(key, change.path.len());
        }
    }
    let Some(computation) = &family.compute else { return };
    let listed = |setting: &'static compute::Setting| Some((setting.written_key()?, outline.said(family, setting)?.as_array()?.clone()));
    let kinds = computation.window.as_ref().and_then(|window| {
        let kinds = window.kinds.as_ref()?;
        // Which blocks look back over a window only may be said by a rule that counts blocks.
        listed(kinds).or_else(|| {
            let period = usize::try_from(outline.said(family, window.period.as_ref()?)?.as_u64()?).ok()?;
            Some((kinds.written_key()?, (0..n).map(|layer| json!(compute::kind_by_period(layer, period))).collect()))
        })
    });
    let turned = computation.rotary.as_ref().and_then(|rotary| listed(rotary.layers.as_ref()?));
    for (key, values) in [kinds, turned].into_iter().flatten() {
        let taken: Vec<Value> = change.path.iter().filter_map(|&layer| values.get(layer).cloned()).collect();
        outline.set(key, taken);
    }
}
