//! Several answers each of two sources to the same prompts.

/// What an endpoint and the model that it claims to serve answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// One a prompt.
    pub prompts: Vec<PromptSamples>,
}

/// The answers to one prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PromptSamples {
    /// Of the claimed model.
    pub reference: Vec<Sample>,
    /// Of the endpoint.
    pub suspect: Vec<Sample>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// What was answered.
    pub reply: String,
    /// Mean log-probability of a token that the source itself states of it, in nats.
    pub logprob: Option<f64>,
    /// The first token, and the natural logarithm of the probability that the source states of it.
    pub first: Option<(String, f64)>,
}
