//! Released replies beside their twins.

use stats::{EValue, PValue};

/// What a suspect, and a public base beside it, give to released replies and to twins of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TwinScores {
    /// One a logged request.
    pub requests: Vec<ScoredRequest>,
    /// The smallest effect that matters, in nats a token: declared before the suspect was opened.
    pub effect: f64,
    /// Whether batches were declared to come in one after the other: e-values are then the evidence from the first one on, because whoever may take
    /// the p-value of the first or go on has two tests.
    pub is_sequence: bool,
}

/// How sets of replies are one piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Together {
    /// One fixed set, by its p-value.
    Pooled,
    /// The product of the batches' e-values `½ p^−½`: no cluster stands in two of them. It holds whenever the owner stops.
    Product(EValue),
    /// The mean of them, because a cluster stands in two of them. It holds for batches that were fixed beforehand.
    Mean(EValue),
}

/// A request, its released reply and the twins.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRequest {
    /// Requests of one cluster share one fate: the same prompt, the same conversation.
    pub cluster: String,
    /// Files that were kept or came in at different times are batches; their evidence multiplies.
    pub batch: usize,
    /// Whether the reply went to somebody who has nothing to do with the suspect.
    pub is_placebo: bool,
    /// Mean log-probability of a token under the suspect, in nats: of the released reply, then of each twin.
    pub suspect: Vec<f64>,
    /// The same under a public base that saw neither.
    pub base: Option<Vec<f64>>,
    /// The same under further models that saw neither: what they explain is taken away too.
    pub further: Vec<Vec<f64>>,
}

/// What released replies show beside their twins.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinEvidence {
    /// The test itself, on the requests that are no placebo: with the base's part taken away, where there is a base.
    pub primary: TwinTest,
    /// The same without the base.
    pub without_base: Option<TwinTest>,
    /// The base in the suspect's place. It never saw the released replies: what it finds, the sampling of the twins explains.
    pub base_alone: Option<TwinTest>,
    /// Replies that went to others.
    pub placebo: Option<TwinTest>,
    /// Share of the base's differences that was taken away, `β`.
    pub beta: Option<f64>,
    /// The same of what further models add.
    pub further_betas: Vec<f64>,
    /// Twins a request, the fewest and the most.
    pub twins: (usize, usize),
    /// The level that the verdict rejects at, as log10.
    pub log10_level: f64,
    /// Share of true effects of size [`Self::detectable`] that the test finds at that level.
    pub power: f64,
    /// The smallest effect that it finds so often, in nats a token.
    pub detectable: f64,
    /// The smallest effect that matters, as declared.
    pub effect: f64,
    /// Requests that would be needed to find [`Self::effect`] so often.
    pub requests_needed: u64,
    /// `(requests, detectable effect)` for the curve.
    pub curve: Vec<(u64, f64)>,
    /// The statistic of drawn arrangements, in their standard deviations: what the observed one stands against.
    pub null_z: Vec<f64>,
    /// Each batch by itself, where there are several or more may come.
    pub batches: Vec<TwinTest>,
    /// How the batches are one piece of evidence.
    pub together: Together,
    /// What the verdict holds against the level: `1/e` of the batches, or [`TwinTest::p_value`] of the one fixed set.
    pub p_value: PValue,
}

/// The test on some of the requests.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinTest {
    /// Requests.
    pub requests: usize,
    /// Clusters of them.
    pub clusters: usize,
    /// Mean of `ℓ(released) − mean ℓ(twins)` over requests, in nats a token.
    pub effect: f64,
    /// 95 % interval of it, from clusters drawn again.
    pub interval: (f64, f64),
    /// In standard deviations of the null hypothesis.
    pub z: f64,
    /// Under the null hypothesis.
    pub p_value: PValue,
    /// `w_c0` of each cluster, in nats a token: what the picture shows.
    pub differences: Vec<f64>,
}
