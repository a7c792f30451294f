//! MDIR: is the best rotation between two tables of tokens nearly a permutation?

use super::{Baseline, BaselineCard, BaselinePair, Measured, baseline_card};
use stats::haar_bound::{cross_gram, haar_bound};

baseline_card! {
    /// Matrix-driven instant review.
    ///
    /// # Formula
    /// `Q = polar(XᵀY)`, `tr = max_π Σ |Q_{i,π(i)}|`, `ln p ≤ −tr²/2 + ln n! + n ln 2`; the statistic is `tr / n`.
    /// # Shapes
    /// X, Y `[tokens, n]`: embeddings of the common tokens of two models of one width n.
    /// # Departures
    /// The authors go on to attention and units once embeddings agree; here the first step, which decides. At most 4,096 common tokens. Our own
    /// `weights.haar-bound` also reads unembeddings and centres.
    /// # Fails when
    /// A turned residual stream looks like chance (log10 p −799 → +24); other widths cannot be compared. Its law holds for directions
    /// without any preferred axes.
    static CARD = {
        id: "baseline.mdir",
        source: "Zhang, Matrix-Driven Instant Review, arXiv:2508.06309",
        states_p: true,
        threshold: None,
    }
}

pub(super) struct Mdir;

impl Baseline for Mdir {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let [x, y] = match pair.embeddings() {
            Ok(rows) => rows,
            Err(why) => return Measured::not_applicable(why),
        };
        if x.width != y.width {
            return Measured::not_applicable(format!("widths {} and {}", x.width, y.width));
        }
        let found = cross_gram(&x.values, &y.values, x.width).and_then(|gram| haar_bound(&gram, x.width));
        match found {
            Ok(bound) => Measured::Statistic { value: (bound.trace / x.width as f64).clamp(0.0, 1.0), log10_p: Some(bound.p.log10()) },
            Err(error) => Measured::not_applicable(error.to_string()),
        }
    }
}
