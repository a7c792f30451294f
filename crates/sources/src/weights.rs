//! Tensors as the rest of the program sees them: matrices with a role and with named axes, whatever the file called and stored them.

use crate::FormatError;
use crate::form::Form;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The canonical place of a tensor in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation; GLOSSARY.md defines role")]
pub enum Role {
    Embed,
    PositionEmbed,
    TypeEmbed,
    EmbedNorm,
    AttnNorm,
    AttnQ,
    AttnK,
    AttnV,
    AttnOut,
    AttnQNorm,
    AttnKNorm,
    AttnPostNorm,
    AttnRelativeBias,
    CrossAttnNorm,
    CrossAttnQ,
    CrossAttnK,
    CrossAttnV,
    CrossAttnOut,
    MlpNorm,
    MlpGate,
    MlpUp,
    MlpDown,
    MlpPostNorm,
    MoeRouter,
    SharedRouter,
    SharedGate,
    SharedUp,
    SharedDown,
    FinalNorm,
    Unembed,
    UnembedTransform,
    UnembedNorm,
    Pooler,
    SentenceRelation,
    TaskTransform,
    TaskHead,
    Conv1,
    Conv2,
}

/// Weight or bias of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Part {
    #[default]
    Weight,
    Bias,
}

/// Which stack of an encoder-decoder a tensor belongs to; models with one stack use `Single`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Stack {
    #[default]
    Single,
    Encoder,
    Decoder,
}

/// A role at a place: `decoder.3.attn_q.weight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct Slot {
    pub stack: Stack,
    pub layer: Option<usize>,
    pub expert: Option<usize>,
    pub role: Role,
    pub part: Part,
}

/// A set of indices that training does not know the order of, or that has an order of its own.
///
/// Two axes of one model with equal `Space` are indexed by the same units and are permuted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Coordinates of the residual stream of a stack. Exchangeable.
    Residual(Stack),
    /// Hidden units of one block's MLP. Exchangeable.
    MlpUnits {
        /// Stack and layer of the block.
        stack: Stack,
        /// Layer of the block.
        layer: usize,
        /// Expert, in a mixture.
        expert: Option<usize>,
    },
    /// Key-value groups of one block's attention (or query heads where there is a single group), as whole heads. Exchangeable.
    Heads {
        /// Stack of the block.
        stack: Stack,
        /// Layer of the block.
        layer: usize,
        /// Cross-attention of a decoder block.
        cross: bool,
    },
    /// Tokens: identified by their strings, never exchangeable.
    Vocabulary,
    /// An order of its own: positions, dimensions inside a head under RoPE, filter taps, or not known.
    Fixed,
}

impl Space {
    /// Whether H0 leaves the order of this space uniformly random.
    pub fn is_exchangeable(self) -> bool {
        matches!(self, Self::Residual(_) | Self::MlpUnits { .. } | Self::Heads { .. })
    }
}

/// One axis of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// What the indices are.
    pub space: Space,
    /// Consecutive indices that form one unit and move together: the rows of a head, 1 for an MLP unit.
    pub unit: usize,
}

impl Axis {
    /// An axis whose order nothing may change.
    pub const FIXED: Self = Self { space: Space::Fixed, unit: 1 };
}

/// Which part of a stored tensor a weight is, and in which orientation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Index into [`crate::TensorSource::tensors`].
    pub tensor: usize,
    /// Whether the stored tensor is `[in, out]` and the weight is read as `[out, in]`.
    pub transposed: bool,
    /// The output rows (after transposition) that this weight takes, in this order; fused tensors have several weights.
    pub rows: Rows,
    /// Added to every value: GGUF keeps Gemma's norm gains as `1 + g`, checkpoints as `g`.
    pub offset: i8,
}

/// Rows of a stored matrix, as runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// All of them, in order.
    All,
    /// Runs one after another.
    Runs(Vec<Range<usize>>),
    /// One index a row: llama's query and key rows, which GGUF keeps in another order inside each head.
    Indices(Vec<usize>),
}

/// A matrix (or vector: one column) of a model, `[out, in]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Its place, if a family gave one.
    pub slot: Option<Slot>,
    /// The stored tensor's name; findings print it, nothing decides by it.
    pub name: String,
    /// Rows after the view.
    pub rows: usize,
    /// Columns: the product of all further axes.
    pub cols: usize,
    /// What rows and columns are indexed by.
    pub axes: [Axis; 2],
    /// How to read it.
    pub view: View,
    /// Number of axes as stored: 1 for vectors, 2 for matrices, more for convolutions.
    pub rank: usize,
}

impl Weight {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.rows * self.cols
    }

    /// The same weight with only these of its rows; for a weight whose view takes all rows in order.
    #[must_use]
    pub fn with_rows(&self, rows: Vec<usize>) -> Self {
        let mut part = self.clone();
        part.rows = rows.len();
        part.view.rows = Rows::Indices(rows);
        part
    }

    /// Whether it is a table of tokens.
    pub fn is_table(&self) -> bool {
        self.slot.is_some_and(|slot| slot.role.is_table())
    }

    /// How reports call it: the slot if there is one, else the stored name.
    pub fn label(&self) -> String {
        self.slot.map_or_else(|| self.name.clone(), |slot| slot.to_string())
    }
}

/// How the rows of queries, keys and values are divided into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub n_heads: usize,
    /// Key-value heads; each serves `n_heads / n_kv_heads` query heads in a row.
    pub n_kv_heads: usize,
}

/// A model's tensors with their roles, made by a family file.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The family: `llama`.
    pub family: String,
    /// How the family computes with the weights.
    pub form: Form,
    /// Heads of every attention; `None` where neither configuration nor shapes tell.
    pub heads: Option<Heads>,
    /// Number of blocks of each stack that has any.
    pub layers: Vec<(Stack, usize)>,
    /// Every described weight, ordered by slot.
    pub weights: Vec<Weight>,
    /// Indices of stored tensors that the family names as constants (rotary tables, masks, position ids).
    pub constants: Vec<usize>,
    /// Indices of stored tensors that the family names as second copies of a weight that is bound: tied embeddings saved twice.
    pub repeated: Vec<usize>,
    /// Indices of stored tensors that the family does not describe.
    pub undescribed: Vec<usize>,
}

impl Binding {
    /// Number of blocks of all stacks.
    pub fn n_blocks(&self) -> usize {
        self.layers.iter().map(|&(_, n)| n).sum()
    }
}

impl Role {
    /// The role's name in family files and reports.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether it is a norm, which has gains and perhaps biases.
    pub fn is_norm(self) -> bool {
        use Role::{AttnKNorm, AttnNorm, AttnPostNorm, AttnQNorm, CrossAttnNorm, EmbedNorm, FinalNorm, MlpNorm, MlpPostNorm, UnembedNorm};
        matches!(
            self,
            AttnKNorm | AttnNorm | AttnPostNorm | AttnQNorm | CrossAttnNorm | EmbedNorm | FinalNorm | MlpNorm | MlpPostNorm | UnembedNorm
        )
    }

    /// Whether it is a table of tokens, which is read through another where the two are tied.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Embed | Self::Unembed)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stack {
            Stack::Single => {}
            Stack::Encoder => f.write_str("encoder.")?,
            Stack::Decoder => f.write_str("decoder.")?,
        }
        if let Some(layer) = self.layer {
            write!(f, "{layer}.")?;
        }
        f.write_str(&self.role.name())?;
        if let Some(expert) = self.expert {
            write!(f, ".expert{expert}")?;
        }
        if self.part == Part::Bias {
            f.write_str(".bias")?;
        }
        Ok(())
    }
}

/// What a checkpoint offers to the methods: tensors that can be read by rows.
pub trait TensorSource: Send + Sync {
    /// The stored tensors.
    fn tensors(&self) -> &[crate::tensor::TensorInfo];
    /// Reads rows of a stored tensor, widened to f32, replacing the contents of `out`.
    fn read_f32(&self, tensor: usize, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), crate::SourceError>;
    /// Reads a byte range of an unquantised dense tensor as stored; `None` where the tensor is not stored so.
    fn read_raw(&self, tensor: usize, bytes: Range<u64>, out: &mut [u8]) -> Option<Result<(), crate::SourceError>>;
}

/// A range outside its tensor: a defect of the caller.
pub(crate) fn out_of_range(what: &str, found: usize, limit: usize) -> FormatError {
    FormatError::new(what, found, format!("less than {limit}"))
}
