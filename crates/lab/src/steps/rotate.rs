//! Disguise 4: the residual stream turned by a random orthogonal matrix, its norms' gains folded away and replaced by new ones.
//!
//! A reader `W` of a norm with gain `g` becomes `W diag(g) Qᵀ diag(1/g′)`, a writer `Q W`, an embedding `E Qᵀ`, the gain `g′`. An RMS norm does
//! not see Q; a LayerNorm does not where Q keeps the direction of equal coordinates, and what it takes away is taken from the writers first.

use super::permute_residual::{FIXED, output_note};
use super::untie::untied;
use super::{Outcome, Setting, Step};
use crate::outline::label;
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Orthogonal, Outline, Spec};
use serde_json::json;
use sources::form::{NormKind, Positions};
use sources::{Part, Role, Slot, Space};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "rotate",
    value: "[=inexact]",
    number: "4",
    help: "gains folded, the residual stream turned by a random rotation, new gains; `rotate=inexact` where no rotation keeps the function",
    run,
};

/// Standard deviation of the logarithm of a new gain.
const DEVIATION: f64 = 0.25;
/// A gain below this share of their root mean square cannot be divided by.
const SMALLEST_GAIN: f64 = 1e-3;

struct Rotated {
    turns: BTreeMap<Space, Orthogonal>,
    /// Whether the norms take the mean away.
    centres: bool,
    /// New gains of norms that are read by matrices only.
    gains: BTreeMap<Slot, Vec<f32>>,
    /// What becomes of the biases of those norms.
    biases: BTreeMap<Slot, NewBias>,
    /// A transform before the head starts a stream of its own, which an activation keeps from being turned.
    has_transform: bool,
}

/// A LayerNorm's bias after the step.
enum NewBias {
    /// Drawn anew; the readers' biases make up for the difference.
    Drawn(Vec<f64>),
    /// Where a reader has no bias to make up: the old one, turned between the old and the new gain.
    Turned,
}

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let is_inexact = match setting.value {
        None => false,
        Some("inexact") => true,
        Some(_) => return Err(setting.bad_value("`inexact`, or none")),
    };
    let residuals = checkpoint.outline().residuals();
    if residuals.is_empty() {
        return Err(LabError::refused(setting.step, FIXED));
    }
    let reasons = obstacles(checkpoint.outline());
    if !reasons.is_empty() && !is_inexact {
        return Err(LabError::Refused {
            step: setting.step,
            reason: reasons.join("; "),
            hint: Some("`rotate=inexact` does it all the same and says so in the record; `permute-residual` keeps the function".into()),
        });
    }
    let output = output_note(checkpoint.outline());
    let (checkpoint, mut notes) = untied(checkpoint);
    let outline = checkpoint.outline();
    let centres = outline.form.norm == NormKind::Layer;
    let turns = residuals.iter().map(|(&space, &n)| {
        let mut draws = setting.draws(&label(space));
        (space, if centres { Orthogonal::keeping_ones(n, &mut draws) } else { Orthogonal::random(n, &mut draws) })
    });
    let has_transform = outline.weights.keys().any(|slot| slot.role == Role::UnembedTransform);
    let mut rotated = Rotated { turns: turns.collect(), centres, gains: BTreeMap::new(), biases: BTreeMap::new(), has_transform };
    for (norm, readers) in outline.readers() {
        let spec = outline.spec(norm)?;
        if readers.is_empty() || rotated.turn(spec, 0).is_none() {
            continue;
        }
        let mut draws = setting.draws(&norm.to_string());
        rotated.gains.insert(norm, draws.around_one(spec.rows(), DEVIATION));
        let bias = Slot { part: Part::Bias, ..norm };
        if !outline.weights.contains_key(&bias) {
            continue;
        }
        let old = checkpoint.read(bias)?;
        let new = if readers.iter().all(|reader| takes_bias(outline, *reader)) {
            let size = old.rms();
            NewBias::Drawn((0..old.rows).map(|_| size * draws.normal()).collect())
        } else {
            let gains = checkpoint.read(norm)?;
            let smallest = SMALLEST_GAIN * gains.rms();
            if gains.values.iter().zip(&old.values).any(|(&gain, &bias)| bias != 0.0 && f64::from(gain).abs() < smallest) {
                let reason = format!("found a gain of `{norm}` that is nearly zero beside a bias, expected gains that can be divided by");
                return Err(LabError::refused(setting.step, reason));
            }
            NewBias::Turned
        };
        rotated.biases.insert(norm, new);
    }
    let parameters = json!({
        "widths": residuals.values().collect::<Vec<_>>(),
        "keepsOnes": centres,
        "norms": rotated.gains.len(),
        "logDeviation": DEVIATION,
    });
    notes.extend(output);
    let keeps_function = reasons.is_empty();
    notes.extend(reasons);
    let changed = Changed::same_outline(checkpoint, rotated);
    Ok(if keeps_function { setting.kept(changed, parameters, notes) } else { setting.changed(changed, parameters, notes) })
}

/// Why no rotation of this model's stream keeps its function.
fn obstacles(outline: &Outline) -> Vec<String> {
    let form = &outline.form;
    let mut reasons = Vec::new();
    if !form.stream.is_empty() {
        reasons.push("found norms inside the residual stream, whose gains belong to the stream's coordinates, expected norms that only matrices read".to_owned());
    }
    if !form.writes.is_empty() {
        reasons.push(
            "found norms behind the writers, whose gains belong to the stream's coordinates, expected norms that only matrices read"
                .to_owned(),
        );
    }
    let tied = outline.tied_embedding().is_some();
    let is_turned = |norm: &Slot| outline.weights.get(norm).is_some_and(|spec| matches!(spec.axes[0].space, Space::Residual(_)));
    for (norm, _) in outline.readers().into_iter().filter(|(norm, readers)| readers.is_empty() && is_turned(norm)) {
        if !(tied && matches!(norm.role, Role::FinalNorm | Role::UnembedNorm) && norm.stack != sources::Stack::Encoder) {
            reasons.push(format!("found that nothing reads `{norm}`, so its gain is part of the output, expected a reader"));
        }
    }
    reasons
}

/// Whether a constant that is added to what a reader reads can be made up for: by its bias, or because it adds the same to the scores of all
/// keys.
fn takes_bias(outline: &Outline, reader: Slot) -> bool {
    let is_key = matches!(reader.role, Role::AttnK | Role::CrossAttnK) && outline.form.positions == Positions::Outside;
    is_key || outline.weights.contains_key(&Slot { part: Part::Bias, ..reader })
}

impl Rotated {
    /// The turn of an axis, if it is turned.
    fn turn(&self, spec: &Spec, axis: usize) -> Option<&Orthogonal> {
        let stays = match spec.slot.role {
            Role::Unembed | Role::UnembedNorm => self.has_transform,
            Role::UnembedTransform => axis == 0,
            _ => false,
        };
        self.turns.get(&spec.axes[axis].space).filter(|_| !stays)
    }

    /// `W diag(g) Qᵀ diag(1/g′)`, or `E Qᵀ` for what reads no norm.
    fn columns(&self, inner: &dyn Checkpoint, spec: &Spec, matrix: &mut Matrix) -> Result<(), LabError> {
        let Some(turn) = self.turn(spec, 1) else { return Ok(()) };
        let norm = inner.outline().read_norm(spec.slot);
        match norm.and_then(|norm| Some((norm, self.gains.get(&norm)?))) {
            Some((norm, new)) => {
                matrix.scale_cols(&inner.read(norm)?.values);
                turn.turn_cols(matrix);
                matrix.scale_cols(&new.iter().map(|gain| 1.0 / gain).collect::<Vec<_>>());
            }
            None => {
                let is_embedding = matches!(spec.slot.role, Role::Embed | Role::PositionEmbed | Role::TypeEmbed);
                if self.centres && is_embedding {
                    matrix.centre_rows();
                }
                turn.turn_cols(matrix);
            }
        }
        Ok(())
    }

    fn rows(&self, inner: &dyn Checkpoint, spec: &Spec, matrix: &mut Matrix) -> Result<(), LabError> {
        let Some(turn) = self.turn(spec, 0) else { return Ok(()) };
        if let Some(norm) = inner.outline().write_norm(spec.slot) {
            matrix.scale_rows(&inner.read(norm)?.values);
        }
        if self.centres {
            matrix.centre_cols();
        }
        turn.turn_rows(matrix);
        Ok(())
    }

    fn norm(&self, inner: &dyn Checkpoint, spec: &Spec, mut matrix: Matrix) -> Result<Matrix, LabError> {
        let weight = Slot { part: Part::Weight, ..spec.slot };
        let Some(turn) = self.turn(spec, 0) else { return Ok(matrix) };
        match (spec.slot.part, self.gains.get(&weight), self.biases.get(&weight)) {
            (Part::Weight, Some(new), _) => matrix.values.clone_from(new),
            // Its gain was multiplied into the writer, or cannot leave the stream: what a rotation keeps of it is its size.
            (Part::Weight, None, _) => {
                let size = matrix.rms() as f32;
                matrix.values.iter_mut().for_each(|gain| *gain = size);
            }
            (Part::Bias, _, Some(NewBias::Drawn(new))) => matrix.values = new.iter().map(|&value| value as f32).collect(),
            (Part::Bias, Some(new), _) => {
                let gains = inner.read(weight)?;
                let plain = |(&bias, &gain): (&f32, &f32)| if bias == 0.0 { 0.0 } else { f64::from(bias) / f64::from(gain) };
                let plain: Vec<f64> = matrix.values.iter().zip(&gains.values).map(plain).collect();
                let turned = turn.turn(&plain);
                matrix.values = turned.iter().zip(new).map(|(value, &gain)| (value * f64::from(gain)) as f32).collect();
            }
            (Part::Bias, None, _) => turn.turn_rows(&mut matrix),
        }
        Ok(matrix)
    }

    /// `b + W n − W′ n′`, where n was the norm's bias and n′ is the new one.
    fn reader_bias(&self, inner: &dyn Checkpoint, spec: &Spec, matrix: &mut Matrix) -> Result<(), LabError> {
        let reader = Slot { part: Part::Weight, ..spec.slot };
        let Some(norm) = inner.outline().read_norm(reader) else { return Ok(()) };
        let (Some(NewBias::Drawn(new)), Ok(reader)) = (self.biases.get(&norm), inner.outline().spec(reader)) else { return Ok(()) };
        let old: Vec<f64> = inner.read(Slot { part: Part::Bias, ..norm })?.values.iter().map(|&value| value.into()).collect();
        let mut weight = inner.read(reader.slot)?;
        let before = weight.times(&old);
        self.columns(inner, reader, &mut weight)?;
        let after = weight.times(new);
        for (value, (before, after)) in matrix.values.iter_mut().zip(before.iter().zip(after)) {
            *value = (f64::from(*value) + before - after) as f32;
        }
        Ok(())
    }
}

impl Change for Rotated {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut matrix = inner.read(spec.slot)?;
        if spec.slot.role.is_norm() {
            return self.norm(inner, spec, matrix);
        }
        if spec.slot.part == Part::Bias {
            self.reader_bias(inner, spec, &mut matrix)?;
        }
        self.columns(inner, spec, &mut matrix)?;
        self.rows(inner, spec, &mut matrix)?;
        Ok(matrix)
    }
}
