//! What an endpoint says of some tokens.

use forward::Image;

/// Log-probabilities of next tokens that a suspect gave, the same tokens everywhere, and which ones the reference could have given.
#[derive(Debug, Clone, PartialEq)]
pub struct PartialLogits {
    /// One a prompt: natural logarithms of the probabilities of `K` tokens, or anything that differs from them by one number a prompt.
    pub vectors: Vec<Vec<f64>>,
    /// The reference's output layer at these tokens.
    pub reference: Image,
    /// Those of independent models, with their names.
    pub controls: Vec<(String, Image)>,
}
