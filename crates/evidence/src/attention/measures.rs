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
        title: "all entries, heads by index",
        words: "Pearson's correlation over every entry of every head on every prompt, each block and head against the one of the same index.",
    },
    ClaimMeasure {
        id: "head-averaged",
        title: "heads averaged",
        words: "The same after averaging over the heads of each block, so that the order of heads does not matter.",
    },
    ClaimMeasure {
        id: "matched-heads",
        title: "heads matched",
        words: "Heads are matched one to one within each pair of blocks so that their correlations sum to the most; the mean over matched heads.",
    },
    ClaimMeasure {
        id: "sink-removed",
        title: "sinks removed",
        words: "As before, without the first column (and an encoder's last), which most heads put their spare mass on; rows sum to one again, and heads are matched anew.",
    },
    ClaimMeasure {
        id: "prompt-mean-removed",
        title: "mean over prompts removed",
        words: "As before, less what a head does at a position on every prompt: for each pair of positions the mean over prompts is subtracted.",
    },
    ClaimMeasure {
        id: "controls-regressed",
        title: "controls regressed out",
        words: "As before, less what the most similar heads of the independent controls explain of each head: what is left belongs to these two models.",
    },
];

/// Places of the measures in [`MEASURES`].
pub(super) const RAW_POOLED: usize = 0;
pub(super) const HEAD_AVERAGED: usize = 1;
pub(super) const MATCHED_HEADS: usize = 2;
pub(super) const SINK_REMOVED: usize = 3;
pub(super) const PROMPT_MEAN_REMOVED: usize = 4;
pub(super) const CONTROLS_REGRESSED: usize = 5;
