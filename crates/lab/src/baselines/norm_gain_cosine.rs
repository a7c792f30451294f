//! Mean cosine of norm gains of one name.

use super::{Baseline, BaselineCard, BaselinePair, Measured, baseline_card};
use sources::Slot;
use stats::products::cosine;
use std::collections::BTreeMap;

baseline_card! {
    /// The number of a public accusation that was withdrawn.
    ///
    /// # Formula
    /// The mean over norms of `⟨g, h⟩ / (‖g‖ ‖h‖)`, g and h the stored gains.
    /// # Shapes
    /// Gains of one place and one length.
    /// # Departures
    /// The accusation averaged over chosen blocks; here all norms count.
    /// # Fails when
    /// Gains are positive and near a common value in every model, so that independent models score above .99; without their mean nothing is
    /// left. Folding gains into the next matrix, which changes no output, leaves ones.
    static CARD = {
        id: "baseline.norm-gain-cosine",
        source: "sionic-ai/solar-vs-glm, January 2026, as withdrawn",
        states_p: false,
        threshold: None,
    }
}

pub(super) struct NormGainCosine;

impl Baseline for NormGainCosine {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let theirs: BTreeMap<Slot, &[f32]> = pair.suspect.gains().collect();
        let pairs = pair.reference.gains().filter_map(|(slot, ours)| Some((ours, *theirs.get(&slot)?)));
        let cosines: Vec<f64> = pairs.filter(|(a, b)| a.len() == b.len()).map(|(a, b)| cosine(a, b)).collect();
        if cosines.is_empty() {
            return Measured::not_applicable("no two norms have one place and one width");
        }
        Measured::value(cosines.iter().sum::<f64>() / cosines.len() as f64)
    }
}
