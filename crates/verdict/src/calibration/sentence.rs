//! The sentence that says a likelihood ratio, with its verbal equivalent.

use super::{Calibration, Evaluated, Evaluation};
use crate::wording::{VerbalScale, Wording, WordingError, fill};

impl Evaluation {
    /// One sentence: the number with its interval and bound, then words of the scale; or why there is none.
    ///
    /// # Errors
    /// If the wording asks for something that nobody fills in, or its scale does not begin at 0.
    pub fn sentence(&self, calibration: &Calibration, wording: &Wording) -> Result<String, WordingError> {
        let sentences = &wording.likelihood_ratio;
        match self {
            Self::Outside { why } => fill(&sentences.outside, &[("why", &format!("for `{}`, {why}", calibration.id))]),
            Self::Evaluated(Evaluated { missing: Some(why), .. }) => {
                fill(&sentences.missing, &[("why", why), ("calibration", &calibration.id)])
            }
            Self::Evaluated(evaluated) => {
                let [lower, upper] = evaluated.bounds.map(number);
                let value = number(evaluated.log10_lr);
                let lineages = calibration.population.lineages.to_string();
                let capped = match evaluated.capped {
                    true => fill(&sentences.capped, &[("limit", &value), ("lineages", &lineages)])?,
                    false => String::new(),
                };
                let words = wording.verbal_scale.words(evaluated.log10_lr)?;
                let sentence = match evaluated.log10_lr {
                    lr if wording.verbal_scale.is_neutral(lr) => &sentences.neutral,
                    lr if lr > 0.0 => &sentences.derivation,
                    _ => &sentences.independence,
                };
                fill(sentence, &[("log10_lr", &value), ("lower", &lower), ("upper", &upper), ("capped", &capped), ("words", words)])
            }
        }
    }
}

/// One decimal, never `-0.0`, with a minus sign that is one. Rounded towards 0, so that no bound is stated beyond itself.
fn number(value: f64) -> String {
    // A hair is given, for values that are decimal in name but not in binary.
    let tenths = (value * 10.0 + 1e-9_f64.copysign(value)).trunc() / 10.0;
    match tenths {
        t if t < 0.0 => format!("−{:.1}", -t),
        t => format!("{:.1}", t.abs()),
    }
}

impl VerbalScale {
    /// The words for a log10 LR, whichever side it supports.
    ///
    /// # Errors
    /// If no step holds it: the scale does not begin at 0.
    pub fn words(&self, log10_lr: f64) -> Result<&str, WordingError> {
        let step = self.steps.iter().rev().find(|step| log10_lr.abs() >= step.from);
        step.map(|step| step.words.as_str()).ok_or_else(|| WordingError::Scale { id: self.id.clone() })
    }

    /// Whether a log10 LR lies in the lowest step, which supports neither side.
    pub(crate) fn is_neutral(&self, log10_lr: f64) -> bool {
        self.steps.get(1).is_none_or(|step| log10_lr.abs() < step.from)
    }

    /// Fails unless the steps begin at 0 and rise.
    pub(crate) fn check(&self) -> Result<(), WordingError> {
        let starts: Vec<f64> = self.steps.iter().map(|step| step.from).collect();
        match starts.first() == Some(&0.0) && starts.windows(2).all(|pair| pair[0] < pair[1]) {
            true => Ok(()),
            false => Err(WordingError::Scale { id: self.id.clone() }),
        }
    }
}
