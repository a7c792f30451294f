//! What several models answer to the same prompts.

/// One answer a prompt and model. What an answer is does not matter, as long as equal ones are equal: the most probable next token of a model
/// on this machine, or the first word of what an endpoint wrote at temperature 0. `None` where a model could not answer.
pub type OneAnswerEach = Vec<Option<String>>;

/// Answers of two models and of controls, prompt by prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    /// Of the model that is claimed to be the origin.
    pub reference: OneAnswerEach,
    /// Of the model that is questioned.
    pub suspect: OneAnswerEach,
    /// Of models that are known to be independent of the reference.
    pub controls: Vec<ControlAnswers>,
}

/// A control.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlAnswers {
    /// As given.
    pub name: String,
    /// Whether it is known to be a sibling of the reference: the same recipe and data, other draws.
    pub is_sibling: bool,
    /// What it answers.
    pub answers: OneAnswerEach,
}
