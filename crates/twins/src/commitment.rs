//! A commitment: what an owner publishes before a suspect is opened, so that nobody can choose replies, twins or the test afterwards.

use crate::{CampaignKey, Header, TwinError, TwinFile};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sources::digest::hex;
use sources::store::read_whole;
use sources::whole::Whole;
use sources::{FormatError, SourceError};
use std::path::Path;

/// Names the form of the file; changes with a major version only.
pub const COMMITMENT_SCHEMA: &str = "urn:filiation:commitment:v1";
/// The digest of a line has 64 digits; this is a million lines.
const MAX_FILE_BYTES: u64 = 128 << 20;

/// What is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commitment {
    /// [`COMMITMENT_SCHEMA`].
    pub schema: String,
    /// Name and version of what wrote it.
    pub tool: String,
    /// When, by the clock of the machine: RFC 3339, UTC. Whoever needs a time that others believe has the digest of this file stamped.
    pub committed_at: String,
    /// The campaign.
    pub campaign: String,
    /// SHA-256 of its key.
    pub key_digest: String,
    /// Digest of the snapshot's tensors.
    pub snapshot: String,
    /// SHA-256 of the log that the replies stand in.
    pub log: String,
    /// SHA-256 of the file of twins.
    pub twins: String,
    /// Requests that are tested, and those of others.
    pub requests: [usize; 2],
    /// What will be done.
    pub plan: Plan,
    /// A digest of each line of the file, keyed by the campaign's key: a line can be shown without the others.
    pub lines: Vec<String>,
}

/// The test that is declared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The method that concludes.
    pub primary: String,
    /// log10 of the level.
    pub log10_level: f64,
    /// The smallest effect that matters, in nats a token.
    pub effect: f64,
    /// Of the drawn arrangements.
    pub seed: u64,
    /// Digests of the tensors of the models whose part will be taken away, the public base first; none where the suspect's log-probabilities are
    /// taken as they are.
    pub bases: Vec<String>,
    /// Whether further batches of replies may follow: the evidence is then the product of e-values from this file on, at whatever batch the owner
    /// stops. Without it, this file is one fixed set, tested by its p-value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sequential: bool,
}

impl Commitment {
    /// Of a file of twins, by its bytes.
    ///
    /// # Errors
    /// If the file is none, or of another campaign's key.
    pub fn of(path: &Path, key: &CampaignKey, plan: Plan, committed_at: String) -> Result<Self, TwinError> {
        let TwinFile { header, lines } = TwinFile::open(path)?;
        if header.key_digest != key.digest() {
            let error = FormatError::new("digest of the campaign's key", key.digest(), header.key_digest);
            return Err(error.hint("give the key and the campaign that the twins were drawn with").at(path).into());
        }
        let bytes = whole(path)?;
        let placebo = lines.iter().filter(|line| line.placebo).count();
        let sealed = bytes.split(|byte| *byte == b'\n').skip(1).take(lines.len()).map(|line| key.seal(line));
        let Header { campaign, key_digest, snapshot, log, .. } = header;
        Ok(Self {
            schema: COMMITMENT_SCHEMA.into(),
            tool: format!("filiation {}", env!("CARGO_PKG_VERSION")),
            committed_at,
            campaign,
            key_digest,
            snapshot: snapshot.tensor_root,
            log,
            twins: hex(&Sha256::digest(&bytes)),
            requests: [lines.len() - placebo, placebo],
            plan,
            lines: sealed.collect(),
        })
    }

    /// Writes it as a new file and gives its digest: what is published.
    ///
    /// # Errors
    /// If there is a file already, which may have been published, or the system refuses.
    pub fn write(&self, path: &Path) -> Result<String, TwinError> {
        if path.exists() {
            let error = FormatError::new("commitment", "a file that is there", "a new one");
            return Err(error.hint("a commitment that was published must not change: name another file").at(path).into());
        }
        let mut text = serde_json::to_string_pretty(self).map_err(|error| TwinError::Io {
            action: "write",
            path: path.to_owned(),
            error: std::io::Error::other(error),
        })?;
        text.push('\n');
        Whole::write(path, |out| out.write_all(text.as_bytes()))?.place()?;
        Ok(hex(&Sha256::digest(text.as_bytes())))
    }

    /// Reads one, with its digest.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub fn open(path: &Path) -> Result<(Self, String), TwinError> {
        let bytes = read_whole(path, MAX_FILE_BYTES)?;
        let read: Result<Self, _> = serde_json::from_slice(&bytes);
        let commitment = read.map_err(|error| FormatError::new("commitment", error, "what `filiation twins commit` writes").at(path))?;
        if commitment.schema != COMMITMENT_SCHEMA {
            let found = format!("`{}`", commitment.schema.escape_debug());
            return Err(FormatError::new("schema of the commitment", found, format!("`{COMMITMENT_SCHEMA}`")).at(path).into());
        }
        Ok((commitment, hex(&Sha256::digest(&bytes))))
    }

    /// Whether a file of twins is the one that was committed.
    ///
    /// # Errors
    /// If it is not, or cannot be read.
    pub fn check(&self, path: &Path) -> Result<(), TwinError> {
        let found = hex(&Sha256::digest(whole(path)?));
        if found == self.twins {
            return Ok(());
        }
        Err(FormatError::new("SHA-256 of the twins", found, format!("{}, which was committed", self.twins)).at(path).into())
    }
}

fn whole(path: &Path) -> Result<Vec<u8>, SourceError> {
    std::fs::read(path).map_err(|error| SourceError::Io { path: path.to_owned(), action: "read", error })
}
