//! The six measures of how alike the attention of two models is, from the number that is claimed to the one that controls leave.

/// A way to measure how alike the attention of two models is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimMeasure {
    /// Stable for ever: `raw-pooled`.
    pub id: &'static str,
    /// A few words, for a column.
    pub title: &'static str,
    /// What was computed, in one sentence.
    pub words: &'static str,
}

/// In the order of the claim: each takes away something that independent models share.
pub const MEASURES: [ClaimMeasure; 6] = [
    ClaimMeasure {
        id: "raw-pooled",
        title: "all attention, as it is",
        words: "Every attention weight beside the one at the same place in the reference: same prompt, block, head and pair of positions; Pearson's correlation over all of them.",
    },
    ClaimMeasure {
        id: "head-averaged",
        title: "heads averaged",
        words: "The same after averaging over the heads of each block, so that the order of heads does not matter.",
    },
    ClaimMeasure {
        id: "matched-heads",
        title: "best pairs of heads",
        words: "Heads are matched one to one within each pair of blocks so that their correlations sum to the most; the mean over matched heads.",
    },
    ClaimMeasure {
        id: "sink-removed",
        title: "without the first token",
        words: "As before, without the first position (and an encoder's last), where heads that have nothing to say look in every transformer; rows sum to one again, and heads are matched anew.",
    },
    ClaimMeasure {
        id: "prompt-mean-removed",
        title: "without habits of place",
        words: "As before, less what a head does at a place on every prompt, looking one word back for example: for each pair of positions the mean over prompts is subtracted.",
    },
    ClaimMeasure {
        id: "controls-regressed",
        title: "without what independent models share",
        words: "As before, less what the most similar heads of independent models explain of each head, which is what text itself makes every model do.",
    },
];

/// Places of the measures in [`MEASURES`].
pub(super) const RAW_POOLED: usize = 0;
pub(super) const HEAD_AVERAGED: usize = 1;
pub(super) const MATCHED_HEADS: usize = 2;
pub(super) const SINK_REMOVED: usize = 3;
pub(super) const PROMPT_MEAN_REMOVED: usize = 4;
pub(super) const CONTROLS_REGRESSED: usize = 5;
