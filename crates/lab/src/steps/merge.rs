//! Merges with another model.

use super::prune::zero_smallest;
use super::{Outcome, Setting, Step};
use crate::{Change, Changed, Checkpoint, LabError, Matrix, Spec};
use serde_json::json;
use std::sync::Arc;

pub(super) const STEP: Step = Step {
    name: "merge",
    value: "=PATH,ALPHA[,RULE]",
    number: "merges",
    help: "(1 − ALPHA) of this model and ALPHA of another with the same shapes; RULE is slerp or ties:BASE",
    run,
};

/// How two weights become one.
enum Rule {
    /// `(1 − α) · this + α · other`.
    Linear,
    /// Along the great circle between the two, each tensor as one vector (Shoemake 1985).
    Slerp,
    /// What both changed in a common base: the largest fifth of each change, and only where it has the sign of most (Yadav et al. 2023).
    Ties { base: Arc<dyn Checkpoint> },
}

/// A merge with a share `alpha` of the other model.
struct Merge {
    other: Arc<dyn Checkpoint>,
    alpha: f64,
    rule: Rule,
}

/// Of a change, the part that TIES keeps in the paper.
const TIES_KEPT: f64 = 0.2;

fn run(setting: &Setting<'_>, checkpoint: Arc<dyn Checkpoint>) -> Result<Outcome, LabError> {
    let expected = "PATH,ALPHA, PATH,ALPHA,slerp or PATH,ALPHA,ties:BASE with ALPHA between 0 and 1";
    let (path, rest) = setting.value.and_then(|value| value.split_once(',')).ok_or_else(|| setting.bad_value(expected))?;
    let (alpha, rule) = rest.split_once(',').map_or((rest, None), |(alpha, rule)| (alpha, Some(rule)));
    let alpha: f64 = alpha.parse().ok().filter(|alpha| (0.0..=1.0).contains(alpha)).ok_or_else(|| setting.bad_value(expected))?;
    let rule = match rule {
        None => Rule::Linear,
        Some("slerp") => Rule::Slerp,
        Some(rule) => {
            let base = rule.strip_prefix("ties:").ok_or_else(|| setting.bad_value(expected))?;
            Rule::Ties { base: setting.twin(checkpoint.as_ref(), base)? }
        }
    };
    let other = setting.twin(checkpoint.as_ref(), path)?;
    let name = match rule {
        Rule::Linear => "linear",
        Rule::Slerp => "slerp",
        Rule::Ties { .. } => "ties",
    };
    let parameters = json!({ "other": path, "alpha": alpha, "rule": name });
    Ok(setting.changed(Changed::same_outline(checkpoint, Merge { other, alpha, rule }), parameters, Vec::new()))
}

impl Change for Merge {
    fn read(&self, inner: &dyn Checkpoint, spec: &Spec) -> Result<Matrix, LabError> {
        let mut merged = inner.read(spec.slot)?;
        let other = self.other.read(spec.slot)?;
        match &self.rule {
            Rule::Linear => mix(&mut merged.values, &other.values, 1.0 - self.alpha, self.alpha),
            Rule::Slerp => {
                let (a, b) = slerp(&merged.values, &other.values, self.alpha);
                mix(&mut merged.values, &other.values, a, b);
            }
            Rule::Ties { base } => ties(&mut merged.values, other.values, &base.read(spec.slot)?.values, self.alpha),
        }
        Ok(merged)
    }
}

fn mix(values: &mut [f32], other: &[f32], a: f64, b: f64) {
    values.iter_mut().zip(other).for_each(|(value, &other)| *value = (a * f64::from(*value) + b * f64::from(other)) as f32);
}

/// What the two vectors are multiplied by. Nearly parallel ones are mixed in a straight line.
fn slerp(this: &[f32], other: &[f32], alpha: f64) -> (f64, f64) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = dot(this, other) / (dot(this, this) * dot(other, other)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    // Where one of them is zero, the angle is not a number.
    if angle.is_nan() || angle.sin() < 1e-6 {
        return (1.0 - alpha, alpha);
    }
    (((1.0 - alpha) * angle).sin() / angle.sin(), (alpha * angle).sin() / angle.sin())
}

/// Trim, elect signs, mean of those that agree.
fn ties(this: &mut [f32], mut other: Vec<f32>, base: &[f32], alpha: f64) {
    for side in [&mut *this, &mut other] {
        side.iter_mut().zip(base).for_each(|(value, base)| *value -= base);
        let dropped = ((1.0 - TIES_KEPT) * side.len() as f64).round() as usize;
        zero_smallest(side, dropped);
    }
    for ((this, other), base) in this.iter_mut().zip(&other).zip(base) {
        let sides = [(f64::from(*this), 1.0 - alpha), (f64::from(*other), alpha)];
        let sign: f64 = sides.iter().map(|(change, weight)| change * weight).sum();
        let agreeing = || sides.iter().filter(|(change, _)| change * sign > 0.0);
        let weight: f64 = agreeing().map(|(_, weight)| weight).sum();
        let change = if weight > 0.0 { agreeing().map(|(change, weight)| change * weight).sum::<f64>() / weight } else { 0.0 };
        *this = (f64::from(*base) + change) as f32;
    }
}
