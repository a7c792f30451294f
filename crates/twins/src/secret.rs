//! The owner's secret, and the keys and seeds that follow from it.
//!
//! A campaign's key can be handed to the other side, who then draws the same twins from the same snapshot; it says nothing of other campaigns.

use crate::TwinError;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Of SHA-256.
const BLOCK_BYTES: usize = 64;
/// Seeds stay below this, so that every reader of JSON keeps them whole.
const SEED_BITS: u32 = 53;
/// A key file is one line.
const MAX_FILE_BYTES: u64 = 4096;

/// 32 bytes that only the owner knows. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; KEY_BYTES]);

/// The key of one campaign, and what seeds follow from it. It cannot be printed; its digest can.
#[derive(Clone, PartialEq, Eq)]
pub struct CampaignKey([u8; KEY_BYTES]);

/// What a key file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    secret: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for CampaignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CampaignKey({:.12}…)", self.digest())
    }
}

impl Secret {
    /// Draws a secret from the system and writes it into a new file that only its owner may read.
    ///
    /// # Errors
    /// If there is a file already, or the system refuses.
    pub fn create(path: &Path) -> Result<Self, TwinError> {
        let io = |action| move |error| TwinError::Io { action, path: path.to_owned(), error };
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| io("draw a secret for")(std::io::Error::other(error)))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io("create"))?;
        let line = format!("{{\"secret\":\"{}\"}}\n", hex(&bytes));
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write"))?;
        Ok(Self(bytes))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// If it cannot be read or is none. The sentence never holds what the file held.
    pub fn open(path: &Path) -> Result<Self, TwinError> {
        let bytes = sources::store::read_whole(path, MAX_FILE_BYTES)?;
        let refused = || FormatError::new("key", "something else", "`{\"secret\": \"…\"}` with 64 hexadecimal digits").at(path);
        let file: KeyFile = serde_json::from_slice(&bytes).map_err(|_| refused())?;
        Ok(Self(unhex(&file.secret).ok_or_else(refused)?))
    }

    /// The key of a campaign: HMAC-SHA-256 of `filiation.twins.campaign/NAME`.
    pub fn campaign(&self, name: &str) -> CampaignKey {
        CampaignKey(hmac(&self.0, &[b"filiation.twins.campaign/", name.as_bytes()]))
    }
}

impl CampaignKey {
    /// Of twin `j` of a request, from 1: the upper 53 bits of the first eight bytes (big-endian) of HMAC-SHA-256 over the request's id, a zero byte
    /// and `j` in decimal.
    pub fn seed(&self, request: &str, twin: usize) -> u64 {
        let code = hmac(&self.0, &[request.as_bytes(), &[0], twin.to_string().as_bytes()]);
        let bits = code.iter().take(8).fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        bits >> (u64::BITS - SEED_BITS)
    }

    /// The digest of a line, which nobody who lacks the key can guess a line from.
    pub fn seal(&self, line: &[u8]) -> String {
        hex(&hmac(&self.0, &[b"filiation.twins.line/", line]))
    }

    /// Draws an order of requests: those of the smallest codes come first.
    pub fn rank(&self, request: &str) -> [u8; KEY_BYTES] {
        hmac(&self.0, &[b"filiation.twins.rank/", request.as_bytes()])
    }

    /// SHA-256 of the key, in hexadecimal: names it without giving it away.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.0))
    }
}

fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    // HMAC fills a key that is shorter than a block with zeros.
    let mut block = [0; BLOCK_BYTES];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let mut bytes = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_those_that_anybody_computes_from_the_key() {
        // Python 3.12: hmac.new(bytes(32), b"filiation.twins.campaign/spring", "sha256"), then hmac.new(that, b"r-1\x00" + b"2", "sha256") >> 11.
        let key = Secret([0; 32]).campaign("spring");
        assert_eq!(key.seed("r-1", 2), SEED);
        assert_eq!(key.digest(), DIGEST);
    }
    const SEED: u64 = 871_898_611_671_466;
    const DIGEST: &str = "16a373364d78d6199190e32a0968b4efcbe8e75a31628d6b195522950bac334b";

    #[test]
    fn campaigns_requests_and_twins_have_seeds_of_their_own() {
        let secret = Secret([7; 32]);
        let (one, other) = (secret.campaign("a"), secret.campaign("b"));
        let seeds = [one.seed("r", 1), one.seed("r", 2), one.seed("s", 1), other.seed("r", 1), one.seed("r\u{0}1", 1)];
        let distinct: std::collections::BTreeSet<u64> = seeds.into_iter().collect();
        assert!(distinct.len() == seeds.len() && seeds.iter().all(|seed| *seed < 1 << 53), "{seeds:?}");
    }

    #[test]
    fn a_secret_is_found_again_never_overwritten_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let secret = Secret::create(&path).unwrap();
        assert_eq!(Secret::open(&path).unwrap(), secret);
        assert!(matches!(Secret::create(&path), Err(TwinError::Io { action: "create", .. })));
        let stored = std::fs::read_to_string(&path).unwrap();
        let digits = stored.split('"').nth(3).unwrap();
        assert!(digits.len() == 64 && !format!("{secret:?} {:?}", secret.campaign("a")).contains(&digits[..8]));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
        std::fs::write(&path, stored.replace(&digits[..1], "x")).unwrap();
        let error = Secret::open(&path).unwrap_err().to_string();
        assert!(error.contains("key: found something else") && !error.contains(&digits[8..16]), "{error}");
    }
}
