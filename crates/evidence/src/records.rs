//! What methods on outputs are given: what an owner kept, and what models say of it. Whoever lacks a part leaves it out, and the methods that
//! need it say so.

mod answers;
mod order;
mod partial;
mod samples;
mod twins;
mod watermark;

use crate::card::Card;
use crate::method::{MethodError, Outcome};
pub use answers::{Answers, ControlAnswers, OneAnswerEach};
pub use order::{OrderScores, ReadDocument};
pub use partial::PartialLogits;
pub use samples::{PromptSamples, Sample, Samples};
pub use twins::{ScoredRequest, Together, TwinEvidence, TwinScores, TwinTest};
pub use watermark::{MarkEvidence, MarkTest, MarkedTexts, MeanScores, Radioactivity, Reading, TokenText};

/// All that is known of one suspect without its weights.
#[derive(Debug, Clone, Copy, Default)]
pub struct Records<'a> {
    /// Released replies and their twins, as the suspect finds them.
    pub twins: Option<&'a TwinScores>,
    /// Texts and the key of a watermark that may be in them.
    pub marked: Option<&'a MarkedTexts>,
    /// What the suspect says and predicts, and the key of replies that it may have learnt.
    pub radioactivity: Option<&'a Radioactivity>,
    /// Documents of a kept training order, as the suspect finds them.
    pub order: Option<&'a OrderScores>,
    /// What a suspect says of some tokens, and the output layers that may have given it.
    pub partial: Option<&'a PartialLogits>,
    /// One answer each of several models to the same prompts.
    pub answers: Option<&'a Answers>,
    /// Several answers each of two sources to the same prompts.
    pub samples: Option<&'a Samples>,
    /// Draws permutations and keys.
    pub seed: u64,
}

/// One way to gather evidence from [`Records`]. The same rules hold as for [`crate::Method`]; what it is given is another thing, so it has a
/// trait of its own.
pub trait RecordMethod: Sync {
    /// What a stranger must know before trusting it.
    fn card(&self) -> &'static Card;
    /// The observation, or why there is none.
    fn observe(&self, records: &Records<'_>) -> Result<Outcome, MethodError>;
}
