//! Which calibration speaks of a pair.

use super::{Calibration, Evaluated, Evaluation, Size};
use crate::wording::{Wording, WordingError, fill};

/// The likelihood ratio of a pair, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Likelihood<'a> {
    /// The calibration that covers the pair, with what it says; none where none does, or where a similarity that it weighs is missing.
    pub stated: Option<(&'a Calibration, Evaluated)>,
    /// One sentence.
    pub sentence: String,
}

/// Asks the newest calibration that covers the pair; `None` where there are no calibrations at all.
///
/// # Errors
/// If the wording asks for something that nobody fills in, or its scale does not begin at 0.
pub fn likelihood<'a>(
    calibrations: &'a [Calibration],
    [reference, suspect]: [Size<'_>; 2],
    same_tokenizer: bool,
    statistic: &dyn Fn(&str) -> Option<f64>,
    wording: &Wording,
) -> Result<Option<Likelihood<'a>>, WordingError> {
    let mut outside = Vec::new();
    for calibration in calibrations.iter().rev() {
        match calibration.evaluate(reference, suspect, same_tokenizer, statistic) {
            Evaluation::Outside { why } => outside.push(format!("for `{}`, {why}", calibration.id)),
            Evaluation::Evaluated(evaluated) => {
                let sentence = Evaluation::Evaluated(evaluated.clone()).sentence(calibration, wording)?;
                let stated = evaluated.missing.is_none().then_some((calibration, evaluated));
                return Ok(Some(Likelihood { stated, sentence }));
            }
        }
    }
    if outside.is_empty() {
        return Ok(None);
    }
    let sentence = fill(&wording.likelihood_ratio.outside, &[("why", &outside.join("; "))])?;
    Ok(Some(Likelihood { stated: None, sentence }))
}
