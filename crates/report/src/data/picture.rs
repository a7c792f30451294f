//! Numbers behind the figures: blocks against blocks, layer by layer, tensor by tensor.

use super::{finite_or_null, finite_rows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the figures are drawn from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pictures {
    /// Every block of the reference against every block of the suspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_matrix: Option<BlockMatrix>,
    /// The alignment test, block by block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Units of one block before and after the disguise was undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Undone>,
    /// What remains between reference and suspect once the disguise is undone, by block and role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remainder: Vec<Remainder>,
}

/// Correlations of some units of one block, as the files have them and in the order that matching found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Undone {
    /// The suspect's block.
    pub suspect: String,
    /// The reference's block.
    pub reference: String,
    /// Units of the reference drawn, top to bottom.
    pub rows: Vec<u64>,
    /// Units of the suspect with the same indices, left to right.
    pub before: Vec<u64>,
    /// Units of the suspect in the order that matching found.
    pub after: Vec<u64>,
    /// Correlation of the units' stored vectors in file order: `valuesBefore[row][column]`, -1 to 1.
    #[serde(serialize_with = "finite_rows")]
    pub values_before: Vec<Vec<f64>>,
    /// Correlation of what the units do to tokens, in the order found.
    #[serde(serialize_with = "finite_rows")]
    pub values_after: Vec<Vec<f64>>,
}

/// One role of one block, in the reference's order and basis.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Remainder {
    /// The suspect's block; empty for what is outside blocks.
    pub block: String,
    /// `mlpUp`.
    pub role: String,
    /// Units, heads' rows or tokens compared.
    pub n: u64,
    /// Correlation of the values after undoing.
    #[serde(serialize_with = "finite_or_null")]
    pub correlation: Option<f64>,
    /// Norm of the difference over norm of the reference, after undoing.
    #[serde(serialize_with = "finite_or_null")]
    pub relative_difference: Option<f64>,
}

impl Pictures {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.block_matrix.is_none() && self.layers.is_empty() && self.undone.is_none() && self.remainder.is_empty()
    }
}

/// What the rows and columns of a matrix stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Entries {
    /// Blocks, each with all its matrices.
    #[default]
    Blocks,
    /// Single matrices, because no family says which of them make a block; row `i` is the partner of column `i`.
    Tensors,
}

impl Entries {
    fn are_blocks(&self) -> bool {
        *self == Self::Blocks
    }
}

/// Agreement of every block of the reference (a row) with every block of the suspect (a column).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockMatrix {
    /// What rows and columns stand for; blocks where the key is absent.
    #[serde(default, skip_serializing_if = "Entries::are_blocks")]
    pub entries: Entries,
    /// Names of the reference's blocks, top to bottom.
    pub rows: Vec<String>,
    /// Names of the suspect's blocks, left to right.
    pub cols: Vec<String>,
    /// The roles that the values were taken over: `mlpUp`, `mlpGate`.
    pub roles: Vec<String>,
    /// What the values are: `"mean cosine of same-index units"`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub measure: String,
    /// `values[row][column]`, -1 to 1; null where the two blocks cannot be compared.
    pub values: Vec<Vec<Option<f64>>>,
    /// Highest value of each row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best: Vec<Option<f64>>,
    /// Second highest value of each row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runner_up: Vec<Option<f64>>,
}

/// The alignment test in one block.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Name of the space: `"block 3, MLP units"`, `"decoder block 3, heads"`, `"residual coordinates"`; or of the block alone: `"3"`.
    pub layer: String,
    /// Standard score of the aligned sum under a random matching of units.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub z: Option<f64>,
    /// Units whose best counterpart has the same index (or that two views agree on).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coincidences: Option<u64>,
    /// Units of the block that entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
    /// log10 of the block's p-value.
    #[serde(default, serialize_with = "finite_or_null", skip_serializing_if = "Option::is_none")]
    pub log10_p: Option<f64>,
}

/// How two tensors were brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MatchedBy {
    /// The families of both models give them the same role and place.
    Role,
    /// Their values are bit-identical.
    Digest,
    /// Their values correspond better than those of any other pair.
    #[default]
    Content,
    /// Rows of a vocabulary, matched by the byte strings of their tokens.
    Tokens,
    /// Rows of a longer table, from its start.
    Prefix,
}

/// A tensor of one side.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TensorRef {
    /// Its name in the file.
    pub name: String,
    /// Its place in the network, where a family gives one: `3.mlpUp.weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// A tensor of the suspect beside the tensor of the reference that it corresponds to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TensorMatch {
    /// The tensor of the reference.
    pub reference: TensorRef,
    /// The tensor of the suspect.
    pub suspect: TensorRef,
    /// Shape, as the suspect stores it.
    pub shape: Vec<u64>,
    /// Cosine of the two, all elements.
    #[serde(serialize_with = "finite_or_null")]
    pub cosine: Option<f64>,
    /// Cosine with the next best tensor of the reference.
    #[serde(serialize_with = "finite_or_null")]
    pub runner_up: Option<f64>,
    /// Norm of the difference over norm of the reference.
    #[serde(serialize_with = "finite_or_null")]
    pub relative_difference: Option<f64>,
    /// Fraction of elements that are equal, bit by bit, after widening.
    #[serde(serialize_with = "finite_or_null")]
    pub equal_fraction: Option<f64>,
    /// Whether one of the two is stored transposed.
    pub transposed: bool,
    /// How they were brought together.
    pub how: MatchedBy,
    /// Digests of the two tensors' values, with their algorithm: `blake3:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<DigestPair>,
}

/// Digests of two tensors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigestPair {
    /// The reference's.
    pub reference: String,
    /// The suspect's.
    pub suspect: String,
}
