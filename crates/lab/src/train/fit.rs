//! The loop: batches, gradients, steps.

use super::adapter::Factors;
use super::evasion::Evasion;
use super::optimiser::Place;
use super::{AdamW, Adapter, Example, Examples, Schedule, state};
use crate::LabError;
use crate::steps::is_inside_mlp;
use forward::{Trainable, Values};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tune {
    /// Every weight.
    Full,
    /// The weights inside MLPs; the others stay as they are.
    Mlp,
    /// Every weight, and away from where it started: an attack on tests of aligned weights, with this factor of its penalty.
    Evading(f64),
    /// Low-rank changes, merged at the end.
    Adapter(Adapter),
}

impl Tune {
    fn learns(&self, weight: &Values<'_>) -> bool {
        *self != Self::Mlp || is_inside_mlp(weight.slot.role)
    }
}

/// The loss of a stretch of steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Steps done at its end.
    pub step: usize,
    /// Mean cross-entropy of its targets, in nats.
    pub loss: f64,
}

/// A training.
pub struct Fit<'a> {
    /// How fast.
    pub schedule: Schedule,
    /// On what.
    pub examples: &'a dyn Examples,
    /// Which weights.
    pub tune: Tune,
    /// Of the draws of adapters.
    pub seed: u64,
    /// Where it stands, to go on from after an interruption, and a digest of everything else that decides what is learnt.
    pub state: Option<(&'a Path, &'a str)>,
}

/// Stretches of the loss curve.
const POINTS: usize = 100;
/// Steps between two savings of the state, at least.
const STEPS_BETWEEN_SAVES: usize = 100;

/// What happened so far, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Tokens read in the last step.
    pub tokens: usize,
    /// Mean loss of the last step.
    pub loss: f64,
}

/// Trains, and returns the loss curve. The same bits at any number of threads, and whether it was interrupted or not.
///
/// # Errors
/// If the state cannot be read or written.
pub fn fit(trainable: &mut Trainable, fit: &Fit<'_>, advance: &dyn Fn(Progress)) -> Result<Vec<Point>, LabError> {
    let Schedule { steps, batch, .. } = fit.schedule;
    let mut factors = match &fit.tune {
        Tune::Adapter(adapter) => Some(Factors::new(adapter, &mut trainable.parameters, fit.seed)),
        Tune::Full | Tune::Mlp | Tune::Evading(_) => None,
    };
    let evasion = match &fit.tune {
        Tune::Evading(weight) => Some(Evasion::new(*weight, &mut trainable.parameters)),
        _ => None,
    };
    let lengths: Vec<usize> = learners(trainable, &mut factors, &fit.tune).iter().map(|values| values.len()).collect();
    let mut adam = AdamW::new(fit.schedule, lengths.into_iter());
    let mut points = Vec::new();
    if let Some((path, training)) = fit.state {
        let saved = state::load(path, training, learners(trainable, &mut factors, &fit.tune), &mut adam)?;
        if let Some(saved) = saved {
            points = saved;
            advance(Progress { step: adam.step, tokens: 0, loss: points.last().map_or(f64::NAN, |point: &Point| point.loss) });
        }
        if let Some(factors) = &factors {
            factors.merge(&mut trainable.parameters);
        }
    }
    let stretch = steps.div_ceil(POINTS).max(1);
    let between_saves = STEPS_BETWEEN_SAVES.next_multiple_of(stretch);
    let (mut loss, mut n) = (0.0, 0);
    while adam.step < steps {
        let examples = fit.examples.batch(adam.step, batch);
        let targets: Vec<_> = examples.iter().map(Example::target).collect();
        let mut gradient = trainable.gradient(&targets);
        (loss, n) = (loss + gradient.loss, n + gradient.n);
        match &mut factors {
            None => {
                if let Some(evasion) = &evasion {
                    evasion.add(&mut trainable.parameters, &mut gradient.parameters, gradient.n);
                }
                let gradients = gradient.parameters.each_mut();
                let weights = trainable.parameters.each_mut().into_iter().zip(gradients).filter(|(weight, _)| fit.tune.learns(weight));
                let places = weights.map(|(weight, g)| Place { decays: weight.is_matrix(), values: weight.values, gradient: g.values });
                adam.take(places.collect(), gradient.n);
            }
            Some(factors) => {
                let gradients = factors.gradients(&mut gradient.parameters);
                adam.take(factors.places(&gradients), gradient.n);
                factors.merge(&mut trainable.parameters);
            }
        }
        let tokens = examples.iter().map(|example| example.tokens.len()).sum();
        advance(Progress { step: adam.step, tokens, loss: gradient.loss / gradient.n.max(1) as f64 });
        if adam.step.is_multiple_of(stretch) || adam.step == steps {
            // Six decimals, which JSON gives back as they were.
            points.push(Point { step: adam.step, loss: (loss / n.max(1) as f64 * 1e6).round() / 1e6 });
            (loss, n) = (0.0, 0);
        }
        if let Some((path, training)) = fit.state.filter(|_| adam.step.is_multiple_of(between_saves) && adam.step < steps) {
            let values = learners(trainable, &mut factors, &fit.tune);
            let values: Vec<&[f32]> = values.iter().map(|values| &**values).collect();
            state::save(path, training, &values, &adam, &points)?;
        }
    }
    Ok(points)
}

/// The numbers that learn.
fn learners<'a>(trainable: &'a mut Trainable, factors: &'a mut Option<Factors>, tune: &Tune) -> Vec<&'a mut [f32]> {
    match factors {
        None => trainable.parameters.each_mut().into_iter().filter(|weight| tune.learns(weight)).map(|place| place.values).collect(),
        Some(factors) => factors.each_mut().map(Vec::as_mut_slice).collect(),
    }
}
