//! Ridge logistic regression whose output is a log10 likelihood ratio.

use super::Case;
use crate::InputError;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Coefficients of a log10 likelihood ratio.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// log10 LR where every feature is 0.
    pub intercept: f64,
    /// log10 LR for each unit of a feature.
    pub weights: Vec<f64>,
}

impl Fit {
    /// The log10 LR of features.
    pub fn log10_lr(&self, features: &[f64]) -> f64 {
        self.intercept + self.weights.iter().zip(features).map(|(weight, x)| weight * x).sum::<f64>()
    }
}

/// Newton steps converge quadratically from 0; a convex problem that has not converged by then never does.
const MAX_STEPS: usize = 100;

/// The minimum of `Σ v_i ln(1 + exp(−y_i (b + w·x_i))) + ½ ridge ‖w‖²`, as log10 LRs, by Newton's method with halved steps.
///
/// `features` is row-major, one row a case of `truths`, whose `score` is not read. `v_i` is the case's weight, scaled so that each class weighs ½:
/// the log posterior odds of the model are then log likelihood ratios, because the prior odds that it was trained with are 1. The intercept is not
/// penalised. The optimum is one and finite wherever `ridge > 0`.
///
/// Reference: Morrison, *Tutorial on logistic-regression calibration and fusion*, Australian J. Forensic Sci. 45 (2013); for the prior
/// correction Brümmer & du Preez, Computer Speech & Language 20 (2006), eq. 46.
///
/// # Errors
/// If a shape is wrong, an entry is not finite, `ridge` is not above 0, a class has no weight, or the steps do not converge.
pub fn logistic(features: &[f64], truths: &[Case], ridge: f64) -> Result<Fit, InputError> {
    let n = truths.len();
    let width = features.len() / n.max(1);
    InputError::check_shape("features", features.len(), n, width)?;
    if let Some(entry) = features.iter().find(|entry| !entry.is_finite()) {
        return Err(InputError::new("features", entry, "finite numbers"));
    }
    if !(ridge > 0.0 && ridge.is_finite()) {
        return Err(InputError::new("ridge", ridge, "a finite number above 0"));
    }
    let totals = super::class_weights(truths)?;
    let problem = Problem { features, truths, width, totals, ridge };
    let mut at = vec![0.0; width + 1];
    let mut loss = problem.loss(&at);
    for _ in 0..MAX_STEPS {
        let step = problem.newton_step(&at)?;
        let mut share = 1.0;
        let (next, next_loss) = loop {
            let next: Vec<f64> = at.iter().zip(&step).map(|(a, s)| a - share * s).collect();
            let next_loss = problem.loss(&next);
            // A step so small changes nothing but the last digits.
            if next_loss <= loss || share < 1e-10 {
                break (next, next_loss);
            }
            share /= 2.0;
        };
        let moved = at.iter().zip(&next).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, |most, m| if m > most { m } else { most });
        if next_loss <= loss {
            (at, loss) = (next, next_loss);
        }
        if moved < 1e-11 {
            let natural_to_ten = std::f64::consts::LOG10_E;
            return Ok(Fit { intercept: at[0] * natural_to_ten, weights: at[1..].iter().map(|w| w * natural_to_ten).collect() });
        }
    }
    Err(InputError::new("Newton steps", format!("no minimum after {MAX_STEPS}"), "features on a scale near 1"))
}

/// The function to be minimised; coefficients are the intercept and then the weights.
struct Problem<'a> {
    features: &'a [f64],
    truths: &'a [Case],
    width: usize,
    totals: [f64; 2],
    ridge: f64,
}

impl Problem<'_> {
    /// Row, sign (1 for targets, −1 for others) and balanced weight of every case.
    fn cases(&self) -> impl Iterator<Item = (&[f64], f64, f64)> {
        self.truths.iter().enumerate().map(|(at, case)| {
            let row = &self.features[at * self.width..(at + 1) * self.width];
            let (sign, total) = if case.is_target { (1.0, self.totals[0]) } else { (-1.0, self.totals[1]) };
            (row, sign, 0.5 * case.weight / total)
        })
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let fit: f64 = self.cases().map(|(row, sign, weight)| weight * ln_1p_exp(-sign * linear(at, row))).sum();
        fit + 0.5 * self.ridge * at[1..].iter().map(|w| w * w).sum::<f64>()
    }

    /// Inverse Hessian times gradient.
    fn newton_step(&self, at: &[f64]) -> Result<Vec<f64>, InputError> {
        let size = self.width + 1;
        let mut gradient = vec![0.0; size];
        let mut hessian = Mat::<f64>::zeros(size, size);
        for (row, sign, weight) in self.cases() {
            let margin = sign * linear(at, row);
            let wrong = 1.0 / (1.0 + margin.exp());
            let curvature = weight * wrong * (1.0 - wrong);
            let extended = |k: usize| if k == 0 { 1.0 } else { row[k - 1] };
            for i in 0..size {
                gradient[i] -= weight * sign * wrong * extended(i);
                for j in 0..size {
                    hessian[(i, j)] += curvature * extended(i) * extended(j);
                }
            }
        }
        for k in 1..size {
            gradient[k] += self.ridge * at[k];
            hessian[(k, k)] += self.ridge;
        }
        // Where every case is certain, the intercept has no curvature left; this much keeps the step finite and moves no optimum.
        hessian[(0, 0)] += 1e-12;
        let factors = hessian
            .llt(Side::Lower)
            .map_err(|_| InputError::new("features", "a curvature that is not positive", "features on a scale near 1"))?;
        let step = factors.solve(Mat::from_fn(size, 1, |i, _| gradient[i]));
        Ok((0..size).map(|i| step[(i, 0)]).collect())
    }
}

fn linear(at: &[f64], row: &[f64]) -> f64 {
    at[0] + at[1..].iter().zip(row).map(|(w, x)| w * x).sum::<f64>()
}

/// `ln(1 + eˣ)` without overflow.
fn ln_1p_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}
