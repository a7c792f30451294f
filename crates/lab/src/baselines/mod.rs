//! Statistics that others publish to tell whether one model comes from another, re-implemented from their formulas, for the bench alone.
//!
//! They stand beside our methods in one table, on the same pairs, so that anybody sees where each of them fails. Nothing here is evidence:
//! no verdict and no report reads it.

mod awm;
mod config_gate;
mod cosine;
mod gram;
mod huref;
mod mdir;
mod norm_gain_cosine;
mod pair;
mod reef;
mod side;
mod std_profile;
mod weighted_score;

pub use pair::BaselinePair;
pub use side::{BaselineSide, MAX_NUMBERS};

use crate::bench::Score;
use std::collections::BTreeMap;
use std::time::Instant;

/// What a stranger must know of a baseline; its doc comment says the rest under four headings.
#[derive(Debug)]
pub struct BaselineCard {
    /// As in the rows of the bench: `baseline.huref`.
    pub id: &'static str,
    /// Who published it, and where.
    pub source: &'static str,
    /// Whether its authors state a p-value.
    pub states_p: bool,
    /// Beyond what its authors say that two models belong together, where they say so.
    pub threshold: Option<f64>,
    /// The doc comment, line by line.
    pub doc: &'static [&'static str],
}

/// The headings of every card's doc comment, in order.
pub const HEADINGS: &[&str] = &["Formula", "Shapes", "Departures", "Fails when"];

impl BaselineCard {
    /// The text under one heading of the doc comment, as one paragraph.
    pub fn section(&self, heading: &str) -> String {
        let lines = self.doc.iter().map(|line| line.trim());
        let under = lines.skip_while(|line| line.strip_prefix("# ") != Some(heading)).skip(1).take_while(|line| !line.starts_with("# "));
        under.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// Declares a [`BaselineCard`] and captures the doc comment above it.
macro_rules! baseline_card {
    ($(#[doc = $doc:literal])* $vis:vis static $name:ident = { $($field:ident: $value:expr),* $(,)? }) => {
        $(#[doc = $doc])*
        $vis static $name: $crate::baselines::BaselineCard = $crate::baselines::BaselineCard { doc: &[$($doc),*], $($field: $value),* };
    };
}
use baseline_card;

/// What a baseline says of a pair.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// It applied.
    Statistic {
        /// Higher is more alike.
        value: f64,
        /// Where its authors state a p-value.
        log10_p: Option<f64>,
    },
    /// It did not, and why.
    NotApplicable(String),
}

impl Measured {
    fn value(value: f64) -> Self {
        if value.is_finite() {
            Self::Statistic { value, log10_p: None }
        } else {
            Self::not_applicable("the statistic is not a finite number")
        }
    }

    fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }
}

/// One published statistic.
pub trait Baseline: Sync {
    /// What it is and where it comes from.
    fn card(&self) -> &'static BaselineCard;
    /// The statistic on one pair; reads no file.
    fn measure(&self, pair: &BaselinePair<'_>) -> Measured;
}

/// Every baseline, in the order of the table.
pub static BASELINES: &[&dyn Baseline] = &[
    &cosine::Cosine,
    &norm_gain_cosine::NormGainCosine,
    &reef::Reef,
    &huref::HuRef,
    &awm::Awm,
    &mdir::Mdir,
    &std_profile::StdProfile,
    &config_gate::ConfigGate,
    &weighted_score::WeightedScore,
];

/// What every baseline says of a pair, by id, with the seconds that each took.
pub fn scores(pair: &BaselinePair<'_>) -> BTreeMap<String, Score> {
    BASELINES.iter().map(|baseline| (baseline.card().id.to_owned(), score(*baseline, pair))).collect()
}

/// What one baseline says of a pair.
pub fn score(baseline: &dyn Baseline, pair: &BaselinePair<'_>) -> Score {
    let start = Instant::now();
    let measured = baseline.measure(pair);
    let seconds = start.elapsed().as_secs_f64();
    match measured {
        Measured::Statistic { value, log10_p } => Score { statistic: Some(value), log10_p, why: None, seconds },
        Measured::NotApplicable(why) => Score { statistic: None, log10_p: None, why: Some(why), seconds },
    }
}
