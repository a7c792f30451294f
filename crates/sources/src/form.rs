//! How a family computes with its weights, as far as it decides which weights may be exchanged for which without changing the function.

use crate::{Role, Stack};
use serde::Deserialize;

/// A role in a stack: `decoder.attn_q`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which stack; `Single` where there is one.
    pub stack: Stack,
    /// What the weight does there.
    pub role: Role,
}

/// What a norm divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// The root mean square. Turning the coordinates does not change it.
    Rms,
    /// The standard deviation, after the mean was taken away: only turns that keep the direction of equal coordinates leave it.
    Layer,
}

impl NormKind {
    /// As family files and observations spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rms => "rms",
            Self::Layer => "layer",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Rms, Self::Layer].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a norm multiplies by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Gain {
    /// The stored gain.
    #[serde(rename = "g")]
    Stored,
    /// One more than the stored gain: Gemma.
    #[serde(rename = "1+g")]
    OnePlusStored,
}

impl Gain {
    /// What the stored value is counted from.
    pub fn offset(self) -> f32 {
        match self {
            Self::Stored => 0.0,
            Self::OnePlusStored => 1.0,
        }
    }
}

/// How queries and keys know their positions: it decides which maps inside a head cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Each pair of dimensions of a head turns with the position at a frequency of its own; Hugging Face pairs `j` with `j + d/2`.
    Rotary,
    /// Added to the stream, or to the scores: a query and a key see none.
    Outside,
}

/// What an MLP does between its matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the field")]
pub enum Activation {
    Silu,
    Gelu,
    GeluTanh,
    Relu,
}

impl Activation {
    /// Of a name as Hugging Face spells it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Self::GeluTanh,
            "relu" => Self::Relu,
            _ => return None,
        })
    }
}

/// A norm and the weights that its gain may be moved into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folding {
    /// The norm. Of the same layer as the weights where it has a layer, else of all layers.
    pub norm: Place,
    /// The weights.
    pub weights: Vec<Place>,
}

/// The form of a family's computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What all its norms divide by.
    pub norm: NormKind,
    /// What all its norms multiply by.
    pub gain: Gain,
    /// Norms of the stream, and what reads them: `W n(x) = W diag(g) x/|x|`, so the gain folds into the columns of the readers.
    pub reads: Vec<Folding>,
    /// Norms of what a block writes, and what writes it: `g ∘ (W y)/|W y|`. The gain scales the rows of the writer, up to a number for each
    /// token; the function has it where it stands, and no turn of the stream passes it.
    pub writes: Vec<Folding>,
    /// Norms inside the stream itself: their gains belong to the residual connection too, and fold nowhere.
    pub stream: Vec<Place>,
    /// How heads know positions.
    pub positions: Positions,
    /// Of the MLP.
    pub activation: Activation,
}

impl Form {
    /// The norm whose gain folds into the columns of this weight.
    pub fn read_norm(&self, place: Place) -> Option<Place> {
        self.reads.iter().find(|folding| folding.weights.contains(&place)).map(|folding| folding.norm)
    }

    /// The norm whose gain scales the rows of this weight.
    pub fn write_norm(&self, place: Place) -> Option<Place> {
        self.writes.iter().find(|folding| folding.weights.contains(&place)).map(|folding| folding.norm)
    }
}
