//! The likelihood ratio of one pair.

use super::{Calibration, Elub, Size};

/// What a calibration says of a pair.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// It does not cover the pair.
    Outside {
        /// As the end of a sentence.
        why: String,
    },
    /// It covers the pair.
    Evaluated(Evaluated),
}

/// A likelihood ratio, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Of "derived" to "independent", held within the bounds of the validation.
    pub log10_lr: f64,
    /// The 2.5th and 97.5th percentile of the log10 LR over fits on resampled lineages, held within the same bounds and widened to hold `log10_lr`.
    /// Without replicates both are `log10_lr`.
    pub bounds: [f64; 2],
    /// Before the bounds.
    pub raw: f64,
    /// Whether a bound changed it.
    pub capped: bool,
    /// The smallest and largest log10 LR that this calibration states.
    pub limits: [f64; 2],
    /// In the calibration's order; those that were there, where one is missing.
    pub features: Vec<Contribution>,
    /// Why the likelihood ratio is 1 although nothing was weighed: a feature that did not apply.
    pub missing: Option<String>,
}

/// What one similarity adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The method.
    pub method: String,
    /// What it measured.
    pub statistic: f64,
    /// log10 LR that it adds; with the intercept, contributions sum to `raw`.
    pub contribution: f64,
}

impl Calibration {
    /// The smallest and largest log10 LR that it states: the narrower of ELUB and cap.
    pub fn limits(&self) -> [f64; 2] {
        let Elub { lower, upper } = self.elub;
        [lower.clamp(-self.cap, 0.0), upper.clamp(0.0, self.cap)]
    }

    /// The likelihood ratio of a pair. `statistic` gives what a method measured, by its id; `None` where it did not apply.
    pub fn evaluate(
        &self,
        reference: Size<'_>,
        suspect: Size<'_>,
        same_tokenizer: bool,
        statistic: &dyn Fn(&str) -> Option<f64>,
    ) -> Evaluation {
        match self.domain.excludes(reference, suspect, same_tokenizer) {
            Some(why) => Evaluation::Outside { why },
            None => Evaluation::Evaluated(self.weigh(statistic)),
        }
    }

    /// The likelihood ratio of similarities, whatever the pair: for validation, which asks for no domain.
    pub fn weigh(&self, statistic: &dyn Fn(&str) -> Option<f64>) -> Evaluated {
        let limits = self.limits();
        let mut transformed = Vec::with_capacity(self.features.len());
        let mut features = Vec::with_capacity(self.features.len());
        let mut missing = Vec::new();
        for feature in &self.features {
            let measured = statistic(&feature.method);
            match measured.and_then(|value| Some((value, feature.transform.apply(value)?))) {
                Some((value, x)) => {
                    transformed.push(x);
                    features.push(Contribution { method: feature.method.clone(), statistic: value, contribution: feature.weight * x });
                }
                None => missing.push(format!("`{}`", feature.method)),
            }
        }
        if !missing.is_empty() {
            let missing = Some(format!("{} gave no statistic", missing.join(" and ")));
            return Evaluated { log10_lr: 0.0, bounds: [0.0, 0.0], raw: 0.0, capped: false, limits, features, missing };
        }
        let raw = self.intercept + features.iter().map(|f| f.contribution).sum::<f64>();
        let hold = |value: f64| value.clamp(limits[0], limits[1]);
        let log10_lr = hold(raw);
        let mut others: Vec<f64> = (self.replicates.iter())
            .filter_map(|replicate| {
                let (intercept, weights) = replicate.split_first()?;
                Some(hold(intercept + weights.iter().zip(&transformed).map(|(w, x)| w * x).sum::<f64>()))
            })
            .collect();
        others.sort_by(f64::total_cmp);
        let at = |share: f64| stats::calibration::quantile(&others, share).unwrap_or(log10_lr);
        let bounds = [at(0.025).clamp(limits[0], log10_lr), at(0.975).clamp(log10_lr, limits[1])];
        Evaluated { log10_lr, bounds, raw, capped: log10_lr.total_cmp(&raw).is_ne(), limits, features, missing: None }
    }
}
