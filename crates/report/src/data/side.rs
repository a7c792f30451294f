//! What was compared: the two sides, the controls, the claims of the suspect's card, and every file with its digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The two models, the controls and the seed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// The model that the suspect is held against.
    pub reference: Side,
    /// The model in question.
    pub suspect: Side,
    /// Independent models that show what strangers score.
    pub controls: Vec<Side>,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The prompts that the models were run on; null where they were not.
    pub prompts: Option<Prompts>,
}

/// A set of prompts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prompts {
    /// Name and version.
    pub label: String,
    /// SHA-256 of the texts: equal for equal texts in equal order.
    pub digest: String,
    /// How many.
    pub n_prompts: u64,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Path as the user gave it; the address of an endpoint.
    pub path: String,
    /// SHA-256 of the file, or of the sorted list of files and digests where there are several; empty for an endpoint, which shows no files.
    pub sha256: String,
    /// Root over the digests of all tensors: equal for equal values, whatever the container; empty for an endpoint.
    pub tensor_root: String,
    /// Family that describes its tensors; null where none does.
    pub family: Option<String>,
    /// Parameters, constants included; 0 where they are not known, as of an endpoint.
    pub n_parameters: u64,
    /// Container: `safetensors`, `gguf`, `onnx`; `endpoint` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Encodings of its tensors: `bf16`, `q4_k, f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_tensors: Option<u64>,
    /// Blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_layers: Option<u64>,
    /// The model that an endpoint was asked for, by the name that it goes by there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Side {
    /// [`Self::format`] of what answers over a network.
    pub const ENDPOINT: &str = "endpoint";

    /// Whether nothing is known of it but what it answers.
    pub fn is_endpoint(&self) -> bool {
        self.format.as_deref() == Some(Self::ENDPOINT)
    }

    /// What headings call it.
    pub fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.path)
    }
}

/// A tensor that no training touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Constant {
    /// Its name in the file.
    pub name: String,
    /// Why it is held to be constant: `"sinusoidal table"`.
    pub why: String,
    /// Its elements.
    pub elements: u64,
}

/// Whether what a card says agrees with what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClaimOutcome {
    /// What was found agrees with the claim.
    Agrees,
    /// What was found contradicts the claim.
    Contradicts,
    /// Nothing here tests the claim.
    #[default]
    NotTested,
}

/// One statement of the suspect's card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The field: `base_model`, `base_model_relation`, `license`.
    pub field: String,
    /// What the card says; null where it is silent.
    pub value: Option<String>,
    /// What was found, one sentence.
    pub found: String,
    /// Whether the two agree.
    pub outcome: ClaimOutcome,
}

/// Which side a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum SideRole {
    #[default]
    Reference,
    Suspect,
    Control,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustodyFile {
    /// The side it belongs to.
    pub side: SideRole,
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}
