//! Mean cosine of weight matrices of one name.

use super::{Baseline, BaselineCard, BaselinePair, Measured, baseline_card};
use stats::products::cosine;

baseline_card! {
    /// The first thing that everybody computes.
    ///
    /// # Formula
    /// The mean over matrices of `⟨A, B⟩ / (‖A‖ ‖B‖)`, each flattened.
    /// # Shapes
    /// Pairs of tensors of one place (or name, where no family gives places) and one shape, of two axes or more.
    /// # Departures
    /// None; there is no one source.
    /// # Fails when
    /// Any permutation or rotation, which change no output, take it to 0; tables of tokens of independent models are alike by their frequencies.
    static CARD = {
        id: "baseline.cosine",
        source: "folklore",
        states_p: false,
        threshold: None,
    }
}

pub(super) struct Cosine;

impl Baseline for Cosine {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let theirs = pair.suspect.weights();
        let pairs = pair.reference.weights().iter().filter_map(|(label, ours)| Some((ours, theirs.get(label)?)));
        let alike = pairs.filter(|(a, b)| a.rank > 1 && b.rank > 1 && (a.values.rows, a.values.cols) == (b.values.rows, b.values.cols));
        let cosines: Vec<f64> = alike.map(|(a, b)| cosine(&a.values.values, &b.values.values)).collect();
        if cosines.is_empty() {
            return Measured::not_applicable("no two matrices have one name and one shape");
        }
        Measured::value(cosines.iter().sum::<f64>() / cosines.len() as f64)
    }
}
