//! What a method gets and gives.

use crate::card::Card;
use crate::correspondence::Correspondence;
use crate::side::Side;
use sources::SourceError;
use stats::PValue;

/// Two models, how their tensors correspond, and the seed of everything random.
pub struct Case<'a> {
    /// The model that is claimed to be the origin.
    pub reference: &'a Side<'a>,
    /// The model that is questioned.
    pub suspect: &'a Side<'a>,
    /// Which tensors were compared with which.
    pub correspondence: &'a Correspondence,
    /// Draws units, rows and permutations.
    pub seed: u64,
}

/// One way to gather evidence. It opens no file, prints nothing, reads no clock and concludes nothing.
pub trait Method: Sync {
    /// What a stranger must know before trusting it.
    fn card(&self) -> &'static Card;
    /// The observation on one case, or why there is none.
    fn observe(&self, case: &Case<'_>) -> Result<Outcome, MethodError>;
}

/// A method's answer.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It ran.
    Observed(Observation),
    /// It could not apply; that is a result of its own.
    NotApplicable {
        /// The reason, for the report.
        why: String,
    },
}

impl Outcome {
    /// The reason why a method does not apply.
    pub(crate) fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable { why: why.into() }
    }
}

/// Why a method failed, as opposed to not applying.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// A tensor could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What was seen, before anybody concludes from it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The number that the card names.
    pub statistic: f64,
    /// Units, tensors or tokens that it was computed over.
    pub n: usize,
    /// Under the card's null hypothesis; `None` where the method states a fact and no probability.
    pub p_value: Option<PValue>,
    /// The number unfolded.
    pub explanation: Explanation,
    /// Named differences between the sides, given that they are related.
    pub relations: Vec<Relation>,
    /// One point a block, for methods that have them.
    pub blocks: Vec<BlockPoint>,
}

impl Observation {
    /// An observation without relations and blocks.
    pub(crate) fn new(statistic: f64, n: usize, p_value: Option<PValue>, explanation: Explanation) -> Self {
        Self { statistic, n, p_value, explanation, relations: Vec::new(), blocks: Vec::new() }
    }
}

/// A number with its words and its parts.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// What it is: `block 3, MLP units`.
    pub label: String,
    /// The number.
    pub value: Option<f64>,
    /// `"1"`, `"units"`, `"log10"`.
    pub unit: &'static str,
    /// How it came about, in words.
    pub words: String,
    /// What it was made of.
    pub parts: Vec<Explanation>,
}

impl Explanation {
    /// A leaf.
    pub(crate) fn leaf(label: impl Into<String>, value: f64, unit: &'static str, words: impl Into<String>) -> Self {
        Self { label: label.into(), value: Some(value), unit, words: words.into(), parts: Vec::new() }
    }
}

/// How the suspect differs from the reference, in the Hub's words where they exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// `quantized`.
    pub name: &'static str,
    /// What was seen.
    pub words: String,
}

/// The alignment of one block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockPoint {
    /// `3 mlp`.
    pub label: String,
    /// Block in the suspect.
    pub layer: Option<usize>,
    /// Standardised alignment.
    pub z: f64,
    /// Units whose mutual nearest neighbour has their own index.
    pub coincidences: usize,
    /// Units compared.
    pub units: usize,
    /// Of this block alone.
    pub p_value: PValue,
}
