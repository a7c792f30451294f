//! Where the suspect stands among the controls by one measure, in words. It tells what the numbers show, and concludes nothing.

use crate::data::{AttentionClaim, ClaimRow, ClaimRowKind, MarginOutcome};
use crate::numbers::three_decimals;

/// The suspect beside the controls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// No control has a value.
    Alone,
    /// Every control has a higher one.
    Below,
    /// Some control reaches as much.
    Within,
    /// Above all of them, by less than they differ among themselves.
    JustAbove { gap: f64, spread: f64 },
    /// Above all of them, by more than that.
    FarAbove { gap: f64, spread: f64 },
    /// Above the only one there is.
    AboveOne { gap: f64 },
}

impl Standing {
    pub(super) fn of(suspect: f64, controls: &[f64]) -> Self {
        let lowest = controls.iter().copied().min_by(f64::total_cmp);
        let highest = controls.iter().copied().max_by(f64::total_cmp);
        let (Some(lowest), Some(highest)) = (lowest, highest) else { return Self::Alone };
        let (gap, spread) = (suspect - highest, highest - lowest);
        match controls.len() {
            _ if suspect < lowest => Self::Below,
            _ if gap <= 0.0 => Self::Within,
            1 => Self::AboveOne { gap },
            _ if gap > spread => Self::FarAbove { gap, spread },
            _ => Self::JustAbove { gap, spread },
        }
    }

    pub(super) fn is_apart(self) -> bool {
        matches!(self, Self::FarAbove { .. })
    }

    /// One sentence under the number.
    pub(super) fn sentence(self, n_controls: usize) -> String {
        let every = if n_controls == 1 { "the one independent model" } else { "every independent model" };
        match self {
            Self::Alone => {
                "No independent model was measured beside it. By itself this number says nothing: models that share no training \
                            can reach high values too."
                    .to_owned()
            }
            Self::Below => format!("Lower than {every}."),
            Self::Within if n_controls == 1 => "The one independent model reaches as much.".to_owned(),
            Self::Within => "Independent models reach as much: this number does not tell the suspect from them.".to_owned(),
            Self::JustAbove { gap, spread } => format!(
                "Higher than every independent model, by {}; but these differ by {} among themselves.",
                three_decimals(gap),
                three_decimals(spread)
            ),
            Self::FarAbove { gap, spread } => format!(
                "Higher than every independent model, by {}; these differ by {} among themselves.",
                three_decimals(gap),
                three_decimals(spread)
            ),
            Self::AboveOne { gap } => format!(
                "Higher than the one independent model, by {}; one model does not show how far independent models differ.",
                three_decimals(gap)
            ),
        }
    }
}

/// What both numbers say together, as a heading: the claimed kind of number, and what remains in the end.
///
/// Whether what remains sets the suspect apart is `margin`'s to say: the page never says more than it.
pub(super) fn together(claimed: Option<Standing>, remaining: Option<Standing>, margin: Option<MarginOutcome>) -> &'static str {
    let is_alone = |standing: Option<Standing>| matches!(standing, None | Some(Standing::Alone));
    let claimed_apart = claimed.is_some_and(Standing::is_apart);
    let remaining_apart = remaining.is_some() && margin == Some(MarginOutcome::StandsOut);
    match (claimed, remaining) {
        (None, None) => "There is no number to judge.",
        _ if is_alone(claimed) && is_alone(remaining) => "Without independent models beside it, the number is worth nothing.",
        (_, None) if claimed_apart => "The claimed kind of number sets the suspect apart. What remains could not be measured.",
        (_, None) => "The claimed kind of number says little, and what remains could not be measured.",
        (Some(_), _) if claimed_apart && remaining_apart => "Both numbers set the suspect apart from the independent models.",
        (Some(_), _) if remaining_apart => "The claimed kind of number says little. What remains sets the suspect apart.",
        (None, _) if remaining_apart => "What remains sets the suspect apart from the independent models.",
        (_, Some(Standing::AboveOne { .. })) => "One independent model is too few to say what the numbers are worth.",
        (_, Some(remaining)) if margin != Some(MarginOutcome::Within) && remaining.is_apart() => {
            "What remains is higher for the suspect, but allows no conclusion here."
        }
        _ if margin == Some(MarginOutcome::Abstains) => "The numbers allow no conclusion here.",
        _ if claimed_apart => "What sets the suspect apart at first is gone once the shared part is removed.",
        (None, _) => "What remains does not set the suspect apart from the independent models.",
        _ => "Neither number sets the suspect apart from the independent models.",
    }
}

/// The suspect's row.
pub(super) fn suspect(claim: &AttentionClaim) -> Option<&ClaimRow> {
    claim.rows.iter().find(|row| row.kind == ClaimRowKind::Suspect)
}

/// The controls' rows.
pub(super) fn controls(claim: &AttentionClaim) -> impl Iterator<Item = &ClaimRow> {
    claim.rows.iter().filter(|row| row.kind == ClaimRowKind::Control)
}

/// Why a row has no value by one measure.
pub(super) fn why(row: &ClaimRow, measure: usize) -> &str {
    row.why.get(measure).and_then(Option::as_deref).filter(|why| !why.is_empty()).unwrap_or("no reason is recorded")
}

/// The values of all controls that have one.
pub(super) fn control_values(claim: &AttentionClaim, measure: usize) -> Vec<f64> {
    controls(claim).filter_map(|row| row.value(measure)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suspect_stands_where_the_numbers_put_it() {
        assert_eq!(Standing::of(0.9, &[]), Standing::Alone);
        assert_eq!(Standing::of(0.98, &[0.981, 0.979]), Standing::Within);
        assert_eq!(Standing::of(0.981, &[0.981, 0.979]), Standing::Within, "a tie is no lead");
        assert_eq!(Standing::of(0.5, &[0.981, 0.979]), Standing::Below);
        assert!(matches!(Standing::of(0.5, &[0.25]), Standing::AboveOne { .. }));
        assert!(matches!(Standing::of(0.75, &[0.25, 0.5]), Standing::JustAbove { .. }), "a gap of the spread is not beyond it");
        assert!(Standing::of(0.79, &[0.2, 0.31]).is_apart());
    }

    /// Nothing is said to stand apart that does not.
    #[test]
    fn headings_follow_the_standings() {
        let far = Standing::FarAbove { gap: 0.4, spread: 0.1 };
        let say = |claimed, remaining| together(claimed, remaining, None);
        assert!(say(Some(Standing::Within), Some(far)).contains("allows no conclusion"), "without a margin nothing sets apart");
        assert!(say(Some(Standing::Alone), Some(Standing::Alone)).contains("worth nothing"));
        for standing in [Standing::Below, Standing::Within, Standing::JustAbove { gap: 0.1, spread: 0.2 }] {
            assert!(say(Some(standing), Some(standing)).starts_with("Neither"));
            assert!(say(Some(far), Some(standing)).contains("is gone"));
            assert!(say(None, Some(standing)).contains("does not set"));
        }
        assert!(say(Some(Standing::Within), Some(Standing::AboveOne { gap: 0.3 })).starts_with("One independent model"));
    }

    #[test]
    fn the_heading_never_contradicts_the_margin() {
        let far = Standing::FarAbove { gap: 0.4, spread: 0.1 };
        let say = |remaining, margin| together(Some(Standing::Within), Some(remaining), Some(margin));
        assert!(say(far, MarginOutcome::StandsOut).contains("What remains sets"));
        assert!(say(far, MarginOutcome::Within).starts_with("Neither"));
        assert!(say(far, MarginOutcome::Abstains).contains("allows no conclusion"));
        assert!(say(Standing::Within, MarginOutcome::Abstains).contains("allow no conclusion"));
        assert!(together(Some(far), None, Some(MarginOutcome::StandsOut)).contains("could not be measured"));
    }
}
