//! Texts and a key that may have had a part in them.

use forward::{Watermark, WatermarkKey};
use stats::PValue;

/// Texts of one model, and the key that they may have been drawn with.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkedTexts {
    /// The owner's.
    pub key: WatermarkKey,
    /// In the tokens of the model that the key was used with.
    pub texts: Vec<TokenText>,
}

/// A text as tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenText {
    /// What the model was given.
    pub prompt: Vec<u32>,
    /// What it said.
    pub reply: Vec<u32>,
}

/// What a suspect says, and what it predicts where it reads the owner's texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Radioactivity {
    /// The key of the replies that the suspect may have been trained on.
    pub watermark: Watermark,
    /// The suspect's own texts.
    pub closed: Vec<TokenText>,
    /// The owner's texts, read by the suspect.
    pub reading: Vec<Reading>,
}

/// One of the owner's texts, whole and from its beginning, read by the suspect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Prompt and reply, as they were drawn.
    pub tokens: Vec<u32>,
    /// Of which the first are the prompt.
    pub given: usize,
    /// The suspect's most probable token after each token but the last.
    pub predictions: Vec<u32>,
}

/// What a key says of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkEvidence {
    /// `kgw`, `gumbel`, `synthid`.
    pub scheme: String,
    /// SHA-256 of the key.
    pub key_digest: String,
    /// The texts themselves.
    pub texts: Option<MarkTest>,
    /// What was predicted in the owner's texts.
    pub reading: Option<MarkTest>,
    /// Of both.
    pub p_value: PValue,
}

/// A test of numbers under a key.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkTest {
    /// Places with a window.
    pub places: u64,
    /// Places that were dropped: their window stands in a prompt, or was there before where each counts once.
    pub dropped: u64,
    /// Distinct pairs of window and token that were scored; bits, for SynthID.
    pub n: usize,
    /// Sum of their numbers: green tokens, or scores.
    pub sum: f64,
    /// What it is on average under another key.
    pub expected: f64,
    /// In standard deviations, each pair once.
    pub z: f64,
    /// The same with each pair by its weight.
    pub weighted_z: f64,
    /// Each pair once.
    pub once: PValue,
    /// By weight, beside fresh keys; where there are weights.
    pub fresh_keys: Option<PValue>,
    /// By weight, bounded; where there are weights.
    pub chernoff: Option<PValue>,
    /// Every copy taken for a number of its own, for the table only.
    pub naive: Option<stats::marks::Naive>,
    /// The weighted sum under each fresh key, in standard deviations; where there are weights.
    pub null_z: Vec<f64>,
    /// SynthID-Text's own scores, where the texts are tested for it.
    pub scores: Option<MeanScores>,
    /// Which counts.
    pub p_value: PValue,
}

/// What SynthID-Text's detectors without training say, over all places together: means of bits, one half without a mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanScores {
    /// Every depth alike.
    pub mean: f64,
    /// Depths by weights that fall evenly from 10 to 1, scaled to a mean of 1: what is drawn first is marked most.
    pub weighted: f64,
}
