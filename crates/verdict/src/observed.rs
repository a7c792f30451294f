//! The answer where a side was given as an observation: no weights were compared, so what units do on prompts is all there is.

use crate::Conclusion;
use crate::derivation::{share, statistic};
use crate::margin::{Margin, MarginOutcome};
use crate::wording::{Wording, WordingError, fill};
use evidence::{Card, Case, Outcome};
use std::collections::BTreeMap;

/// The only method on outputs that may conclude; it does so where no weights can be compared, and beside controls alone.
const CONCLUDING: &str = "activations.unit-matching";

/// Conclusion, sentence, and what would help; `None` where both sides gave weights.
pub(crate) fn conclusion(
    case: &Case<'_>,
    outcomes: &[(&'static Card, Outcome)],
    margins: &BTreeMap<&'static str, Margin>,
    wording: &Wording,
) -> Result<Option<(Conclusion, String, Option<String>)>, WordingError> {
    let side = match (case.reference.is_observation, case.suspect.is_observation) {
        (false, false) => return Ok(None),
        (true, _) => "the reference",
        (false, true) => "the suspect",
    };
    let margin = margins.get(CONCLUDING);
    let n = margin.map_or(0, |margin| margin.n_controls).to_string();
    let words = &wording.derivation;
    Ok(Some(match margin.map(|margin| (margin.outcome, margin)) {
        Some((MarginOutcome::StandsOut, margin)) => {
            let (agreement, highest) = (share(statistic(outcomes, CONCLUDING)), share(margin.highest_control.unwrap_or(0.0)));
            let values = [("agreement", agreement.as_str()), ("highest", highest.as_str()), ("n", n.as_str()), ("side", side)];
            (Conclusion::SupportsDerivation, fill(&words.supports_derivation_observed, &values)?, None)
        }
        Some((MarginOutcome::Within, _)) => {
            let values = [("n", n.as_str()), ("side", side)];
            (Conclusion::SupportsIndependence, fill(&words.supports_independence_observed, &values)?, None)
        }
        other => {
            let unseen = || outcomes.iter().find(|(card, _)| card.id == CONCLUDING).and_then(|(_, outcome)| outcome.why());
            let why = other.map(|(_, margin)| margin.why.clone()).or_else(|| unseen().map(str::to_owned));
            let why = why.unwrap_or_else(|| format!("`{CONCLUDING}` was not run"));
            let sentence = fill(&wording.inconclusive.observed, &[("side", side), ("why", &why)])?;
            let statement = fill(&words.inconclusive, &[("why", &sentence)])?;
            (Conclusion::Inconclusive, statement, Some(wording.would_help.observed.clone()))
        }
    }))
}
