//! Disguise 5: new bases inside every head, for queries against keys and for values against outputs.

use super::{Outcome, Setting, Step};
use crate::maps::{Square, invertible};
use crate::{Change, Changed, Checkpoint, Draws, LabError, Matrix, Outline, Spec};
use serde_json::json;
use sources::form::Positions;
use sources::{Heads, Part, Role, Slot, Stack};
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "turn-heads",
    value: "[=CONDITION]",
    number: "5",
    help: "invertible maps inside every head that cancel between queries and keys, and between values and outputs; condition 10 unless given",
    run,
};

struct Turned {
    heads: Heads,
    condition: f64,
    /// Of a head's dimensions, how many turn with the position.
    n_rotary: usize,
    head_dim: usize,
    seed: u64,
    label: String,
}

/// The side of an attention that a weight is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Query,
    Key,
    Value,
    Out,
    QueryNorm,
    KeyNorm,
}

fn side(role: Role) -> Option<Side> {
    Some(match role {
        Role::AttnQ | Role::CrossAttnQ => Side::Query,
        Role::AttnK | Role::CrossAttnK => Side::Key,
        Role::AttnV | Role::CrossAttnV => Side::Value,
        Role::AttnOut | Role::CrossAttnOut => Side::Out,
        Role::AttnQNorm => Side::QueryNorm,
        Role::AttnKNorm => Side::KeyNorm,
        _ => return None,
    })
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let condition = match setting.value.map(str::parse::<f64>) {
        None => 10.0,
        Some(Ok(value)) if (1.0..=1e6).contains(&value) => value,
        Some(_) => return Err(setting.bad_value("a condition number from 1 to 1000000")),
    };
    let outline = checkpoint.outline();
    let Some(heads) = outline.heads else {
        return Err(LabError::refused(setting.step, "found no number of heads in the configuration, expected one"));
    };
    let rows = |role| outline.weights.values().filter(move |spec| spec.slot.role == role && spec.slot.part == Part::Weight).map(Spec::rows);
    let head_dim = rows(Role::AttnQ).next().unwrap_or(0) / heads.n_heads;
    for (role, n) in [(Role::AttnQ, heads.n_heads), (Role::AttnK, heads.n_kv_heads), (Role::AttnV, heads.n_kv_heads)] {
        if let Some(found) = rows(role).find(|&found| found != n * head_dim || head_dim == 0) {
            let reason = format!("found {found} rows in `{}`, expected {n} heads of {head_dim}", role.name());
            return Err(LabError::refused(setting.step, reason));
        }
    }
    let n_rotary = if outline.form.positions == Positions::Rotary { rotary_dims(outline, head_dim) } else { 0 };
    if !n_rotary.is_multiple_of(2) || n_rotary > head_dim {
        return Err(LabError::refused(
            setting.step,
            format!("found {n_rotary} rotary dimensions, expected an even number up to {head_dim}"),
        ));
    }
    let label = format!("lab/{}/{}", setting.place, setting.step);
    let parameters = json!({ "condition": condition, "rotaryDimensions": n_rotary, "headDimensions": head_dim });
    let turned = Turned { heads, condition, n_rotary, head_dim, seed: setting.seed, label };
    Ok(setting.kept(Changed::same_outline(checkpoint, turned), parameters, Vec::new()))
}

/// Dimensions of a head that turn with the position: all, unless family or configuration say otherwise.
fn rotary_dims(outline: &Outline, head_dim: usize) -> usize {
    let turned = outline.described().and_then(|family| {
        let rotary = family.compute.as_ref()?.rotary.as_ref()?;
        Some(rotary.turned_dims(&outline.all_said(family), head_dim))
    });
    turned.unwrap_or(head_dim)
}

impl Turned {
    /// The draws of one key-value head: the same for every weight that shares its maps.
    fn draws(&self, slot: Slot, what: &str, head: usize) -> Draws {
        let stack = match slot.stack {
            Stack::Single => "single",
            Stack::Encoder => "encoder",
            Stack::Decoder => "decoder",
        };
        let cross = matches!(slot.role, Role::CrossAttnQ | Role::CrossAttnK | Role::CrossAttnV | Role::CrossAttnOut);
        Draws::new(self.seed, &format!("{}/{stack}/{:?}/{cross}/{what}/{head}", self.label, slot.layer))
    }

    fn magnitude(&self, draws: &mut Draws) -> f64 {
        draws.log_uniform(self.condition.powf(-0.5), self.condition.sqrt())
    }

    /// The maps of queries and of keys of one key-value head, whose scores stay what they are.
    fn query_key(&self, slot: Slot, head: usize, has_norms: bool) -> [Square; 2] {
        let (d, half) = (self.head_dim, self.n_rotary / 2);
        let mut draws = self.draws(slot, "query-key", head);
        if has_norms {
            // Of all maps only signs pass the norm, and of signs only those of whole rotary pairs pass the rotation.
            let mut map = Square::identity(d);
            for j in 0..d - half {
                let sign = draws.sign();
                let at = if j < half { j } else { j + half };
                map.values[at * d + at] = sign;
                if j < half {
                    map.values[(j + half) * d + j + half] = sign;
                }
            }
            return [map.clone(), map];
        }
        let (mut query, mut key) = (Square::identity(d), Square::identity(d));
        for j in 0..half {
            // Times c, and by the inverse of its conjugate: what commutes with the turn of a pair is a complex number.
            let (size, angle) = (self.magnitude(&mut draws), std::f64::consts::TAU * draws.uniform());
            for (map, size) in [(&mut query, size), (&mut key, 1.0 / size)] {
                let (a, b) = (j, j + half);
                map.values[a * d + a] = size * angle.cos();
                map.values[a * d + b] = -size * angle.sin();
                map.values[b * d + a] = size * angle.sin();
                map.values[b * d + b] = size * angle.cos();
            }
        }
        let first = 2 * half;
        if first < d {
            let (map, inverse) = invertible(d - first, self.condition, &mut draws);
            for (target, source) in [(&mut query, map), (&mut key, inverse.transposed())] {
                for i in first..d {
                    target.values[i * d + first..(i + 1) * d].copy_from_slice(&source.values[(i - first) * (d - first)..][..d - first]);
                }
            }
        }
        [query, key]
    }

    /// Factors that gains of queries take and gains of keys give back, equal on the two dimensions of a rotary pair.
    fn gains(&self, slot: Slot, head: usize) -> Vec<f32> {
        let (d, half) = (self.head_dim, self.n_rotary / 2);
        let mut draws = self.draws(slot, "gains", head);
        let mut factors: Vec<f32> = (0..d).map(|_| self.magnitude(&mut draws) as f32).collect();
        for j in 0..half {
            factors[j + half] = factors[j];
        }
        factors
    }

    /// Key-value head by head, or once for a norm that all heads share.
    fn turn_norm(&self, spec: &Spec, matrix: &mut Matrix, is_query: bool) {
        let d = self.head_dim;
        let per_group = self.heads.n_heads / self.heads.n_kv_heads;
        let factor = |row: usize| {
            let head = row / d;
            let group = if is_query { head / per_group } else { head };
            (group, row % d)
        };
        let groups: Vec<Vec<f32>> = (0..self.heads.n_kv_heads).map(|head| self.gains(spec.slot, head)).collect();
        let factors: Vec<f32> = (0..matrix.rows)
            .map(|row| {
                let (group, at) = factor(row);
                let factor = groups[group][at];
                if is_query { factor } else { 1.0 / factor }
            })
            .collect();
        matrix.scale_rows(&factors);
    }
}

impl Change for Turned {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        let Some(side) = side(spec.slot.role) else { return Ok(matrix) };
        let (d, slot) = (self.head_dim, spec.slot);
        let per_group = self.heads.n_heads / self.heads.n_kv_heads;
        let norm = Slot { role: Role::AttnQNorm, part: Part::Weight, expert: None, ..slot };
        let has_norms = matches!(slot.role, Role::AttnQ | Role::AttnK) && inner.outline().weights.contains_key(&norm);
        for group in 0..self.heads.n_kv_heads {
            let members = (group * per_group..(group + 1) * per_group).map(|head| head * d);
            match side {
                Side::Query => {
                    let [map, _] = self.query_key(slot, group, has_norms);
                    members.for_each(|first| map.apply_rows(&mut matrix, first));
                }
                Side::Key => self.query_key(slot, group, has_norms)[1].apply_rows(&mut matrix, group * d),
                Side::Value => {
                    let (map, _) = invertible(d, self.condition, &mut self.draws(slot, "value-out", group));
                    map.apply_rows(&mut matrix, group * d);
                }
                // The output's bias is behind the sum over heads.
                Side::Out if slot.part == Part::Bias => {}
                Side::Out => {
                    let (_, inverse) = invertible(d, self.condition, &mut self.draws(slot, "value-out", group));
                    members.for_each(|first| inverse.apply_cols(&mut matrix, first));
                }
                Side::QueryNorm | Side::KeyNorm => {}
            }
        }
        if matches!(side, Side::QueryNorm | Side::KeyNorm) {
            self.turn_norm(spec, &mut matrix, side == Side::QueryNorm);
        }
        Ok(matrix)
    }
}
