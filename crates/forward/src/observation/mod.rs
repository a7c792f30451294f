//! Observations: what one model does on one set of prompts, kept so that two models can be compared without running either again.
//!
//! `docs/formats/observation.md` is the specification of the container. A model that is given directly is turned into the same observation
//! in memory, with the same rounding, so that a comparison answers to the last digit as it would from files.

mod finish;
mod image;
mod layout;
mod observe;
mod read;
mod recorder;
mod sketch;
mod units;
mod views;
mod write;

pub use image::{Image, fold_final_norm, image, image_from_rows};
pub use observe::{ALL_TAPS, ObserveError, Observer};
pub use recorder::Recorder;
pub use views::Sketches;

use half::f16;
use sources::form::NormKind;
use sources::tensor::MetaValue;
use sources::{Format, Model};

/// Names the form of the container.
pub const OBSERVATION_SCHEMA: &str = "urn:filiation:observation:v1";
/// What all versions of the schema begin with.
const OBSERVATION_FAMILY: &str = "urn:filiation:observation:";
/// Numbers in the sketch of a unit.
pub const SKETCH_WIDTH: usize = 512;
/// Words whose residual stream is kept, at most.
pub const MAX_STREAM_WORDS: usize = 2048;
/// Positions whose logits are kept, at most.
pub const MAX_LOGIT_POSITIONS: usize = 1024;
/// Tokens whose logits are kept, at most.
pub const MAX_LOGIT_TOKENS: usize = 8192;

/// What was observed, and by what.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Name and version of what computed: `filiation-forward 0.1.0`.
    pub engine: String,
    /// Digest of the model's tensors (64 hexadecimal digits), which binds the observation to a checkpoint; `None` where it could not be known.
    pub tensor_root: Option<String>,
    /// What people call the model: [`Model::name`] of one on disk.
    pub model: String,
    /// Its family: `llama`.
    pub family: String,
    /// Stored elements of its weights.
    pub n_parameters: u64,
    /// Blocks.
    pub n_layers: usize,
    /// Query heads of a block.
    pub n_heads: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Units of a block's MLP; 0 for mixtures, whose units see some tokens only.
    pub units: usize,
    /// Rows of the unembedding; ids of tokens are below it.
    pub vocabulary: usize,
    /// Whether a token attends to itself and earlier ones alone.
    pub causal: bool,
    /// What the norms divide by.
    pub norm: NormKind,
    /// Where logits become `cap * tanh(logit / cap)` at the end, the cap.
    pub logit_cap: Option<f32>,
}

/// Which prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptsId {
    /// Name and version: `shared 1`.
    pub label: String,
    /// [`crate::PromptSet::digest`].
    pub digest: String,
}

/// The tokens of all prompts, and the words that they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, one prompt after another.
    pub ids: Vec<u32>,
    /// Where each prompt starts in `ids`, and the end.
    pub starts: Vec<u32>,
    /// Word of each token within its prompt; [`crate::NO_WORD`] for none.
    pub words: Vec<u32>,
}

/// A word of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WordAt {
    /// Index of the prompt in its set.
    pub prompt: u32,
    /// Index of the word in the prompt.
    pub word: u32,
}

/// Sketches of one block's units, as kept: `[units, 512]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnitSketches {
    pub(crate) gate: Option<Vec<f16>>,
    pub(crate) up: Vec<f16>,
}

/// The residual stream at sampled words, as kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stream {
    pub(crate) words: Vec<WordAt>,
    /// `[words, hidden]` before each block, and after the last.
    pub(crate) layers: Vec<Vec<f16>>,
}

/// Logits of sampled tokens at sampled positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// Words at whose last tokens the next token was asked for; `N` of them.
    pub positions: Vec<WordAt>,
    /// Ids of the sampled tokens; `K` of them, the smallest SHA-256 of their bytes first.
    pub tokens: Vec<u32>,
    /// The byte string that each sampled token decodes to.
    pub token_bytes: Vec<Vec<u8>>,
    /// `[N, K]`: logits before the final cap, less their mean over the `K` tokens.
    pub values: Vec<f32>,
    /// Which logits the model could give at all.
    pub image: Image,
}

/// What one model does on one set of prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Name and version of the program that made it.
    pub tool: String,
    /// The model.
    pub subject: Subject,
    /// The prompts.
    pub prompts: PromptsId,
    /// Tokens and words.
    pub tokens: Tokens,
    /// One a block, `[heads, entries]`; empty where attention was not observed.
    pub(crate) attention: Vec<Vec<f16>>,
    /// One a block; empty where units were not observed.
    pub(crate) units: Vec<UnitSketches>,
    pub(crate) stream: Option<Stream>,
    /// `None` where the model gives none, or where they were not observed.
    pub logits: Option<Logits>,
}

impl Observation {
    /// Whether a file that was opened as a model holds what one does, and none of its weights.
    pub fn is_in(opened: &Model) -> bool {
        let schema = opened.metadata.get("schema");
        opened.format == Format::Safetensors && matches!(schema, Some(MetaValue::Text(schema)) if schema.starts_with(OBSERVATION_FAMILY))
    }
}
