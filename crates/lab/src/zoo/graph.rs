//! The lineage graph: every model of a zoo with its history, for anyone who wants to check a label.

use crate::LabError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sources::FormatError;
use std::collections::BTreeMap;
use std::path::Path;

/// The file in the zoo's folder.
pub const GRAPH_FILE: &str = "lineage.json";

/// All models, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Graph {
    /// `urn:filiation:lineage:v1`.
    pub schema: String,
    /// By name.
    pub models: BTreeMap<String, Node>,
}

/// One model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Its folder under `models`: the digest of how it is made.
    pub address: String,
    /// Names of the models that it is made of.
    pub parents: Vec<String>,
    /// The trainings from nothing whose weights are in it.
    pub lineages: Vec<String>,
    /// How it is made.
    pub making: Value,
}

impl Graph {
    pub(super) fn write(&self, folder: &Path) -> Result<(), LabError> {
        let path = folder.join(GRAPH_FILE);
        let text = serde_json::to_string_pretty(self).map_err(|error| FormatError::new(GRAPH_FILE, error, "JSON"))?;
        std::fs::write(&path, text + "\n").map_err(|error| LabError::Io { action: "write", path, error })
    }

    /// Of a zoo that was built.
    ///
    /// # Errors
    /// If there is none in the folder.
    pub fn read(folder: &Path) -> Result<Self, LabError> {
        let path = folder.join(GRAPH_FILE);
        let text = std::fs::read(&path).map_err(|error| LabError::Io { action: "read", path: path.clone(), error })?;
        serde_json::from_slice(&text)
            .map_err(|error| FormatError::new("lineage graph", error, "what `lab zoo build` writes").at(&path).into())
    }
}
