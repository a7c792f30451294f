//! What a method gets and gives.

use crate::attention::AttentionClaim;
use crate::card::Card;
use crate::correspondence::Correspondence;
use crate::matching::{Matching, Unmatched};
use crate::outputs::Outputs;
use crate::records::{MarkEvidence, TwinEvidence};
use crate::relation::Relation;
use crate::restored::Restored;
use crate::side::Side;
use forward::NotRunnable;
use sources::SourceError;
use stats::{InputError, PValue};

/// Two models, how their tensors correspond, and the seed of everything random.
pub struct Case<'a> {
    /// The model that is claimed to be the origin.
    pub reference: &'a Side<'a>,
    /// The model that is questioned.
    pub suspect: &'a Side<'a>,
    /// Which tensors were compared with which.
    pub correspondence: &'a Correspondence,
    /// Which units and heads do the same to tokens, or why that could not be asked. Made only for methods whose card asks for it.
    pub matching: Result<&'a Matching<'a>, &'a Unmatched>,
    /// The suspect in the reference's order and basis, where matching found enough for it.
    pub restored: Option<&'a Restored>,
    /// What the models do on the prompts, or why that is not known. Asked only by methods whose card needs it.
    pub outputs: Result<Outputs<'a>, &'a NotRunnable>,
    /// Draws units, rows and permutations.
    pub seed: u64,
}

impl Case<'_> {
    /// The outcome of a method that needs what could not be matched.
    pub(crate) fn unmatched(&self) -> Outcome {
        Outcome::not_applicable(self.matching.err().map_or_else(String::new, |why| why.0.clone()))
    }

    /// The outcome of a method that needs what could not be run.
    pub(crate) fn without_outputs(&self) -> Outcome {
        Outcome::not_applicable(self.outputs.err().map_or_else(String::new, ToString::to_string))
    }
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
#[expect(clippy::large_enum_variant, reason = "one of these a method, and hardly ever the small one")]
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
    /// What was observed, if the method ran.
    pub fn observed(&self) -> Option<&Observation> {
        match self {
            Self::Observed(observation) => Some(observation),
            Self::NotApplicable { .. } => None,
        }
    }

    /// Why there is no observation.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Observed(_) => None,
            Self::NotApplicable { why } => Some(why),
        }
    }

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
    /// A computation was given what it does not cover, though the shapes of the models were checked before.
    #[error(transparent)]
    Input(#[from] InputError),
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
    /// For methods whose null distribution is a question of controls.
    pub profile: Option<Profile>,
    /// What a claimed correlation of attention is worth; of `activations.attention` on a suspect.
    pub attention: Option<Box<AttentionClaim>>,
    /// What released replies show beside their twins; of `text.released-twin`.
    pub twins: Option<Box<TwinEvidence>>,
    /// What a key says of texts; of `text.watermark` and `text.radioactivity`.
    pub marks: Option<Box<MarkEvidence>>,
}

/// A similarity block by block, to be judged beside the same numbers of independent models.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What the values are, which decides how their spread is made comparable.
    pub scale: Scale,
    /// In the order of the suspect's blocks.
    pub points: Vec<ProfilePoint>,
    /// The same statistic of copies whose null holds by construction.
    pub synthetic: Option<Synthetic>,
}

/// What a profile's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Of units: from 0 to 1.
    Share,
    /// From -1 to 1.
    Correlation,
}

/// One block of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfilePoint {
    /// The suspect's block.
    pub label: String,
    /// The reference's block that it stands against.
    pub reference: String,
    /// From 0 (first block) to 1 (last).
    pub depth: f64,
    /// The similarity.
    pub value: f64,
    /// Units that could agree.
    pub n: usize,
    /// The largest value of a synthetic copy here.
    pub synthetic: Option<f64>,
}

/// Copies of the suspect in which the units of each block and view were re-drawn by permutation: the views then say nothing of each other, so
/// that agreements are chance and their law is known exactly.
///
/// They stand for what matching alone makes of matrices of this size. They do not stand for features that independent models learn from
/// common data, which only real controls show.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// The statistic of each copy.
    pub statistics: Vec<f64>,
    /// Chance that a copy agrees as much as the suspect does; exact.
    pub p_value: PValue,
}

impl Observation {
    /// With the number as a similarity of one place, which has no blocks.
    pub(crate) fn beside_controls(self, label: &str, scale: Scale) -> Self {
        let point =
            ProfilePoint { label: label.into(), reference: label.into(), depth: 0.5, value: self.statistic, n: self.n, synthetic: None };
        Self { profile: Some(Profile { scale, points: vec![point], synthetic: None }), ..self }
    }

    /// An observation without relations and blocks.
    pub(crate) fn new(statistic: f64, n: usize, p_value: Option<PValue>, explanation: Explanation) -> Self {
        Self {
            statistic,
            n,
            p_value,
            explanation,
            relations: Vec::new(),
            blocks: Vec::new(),
            profile: None,
            attention: None,
            twins: None,
            marks: None,
        }
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
