//! Watermarks: randomness that an owner puts into drawn tokens and keeps the key of.
//!
//! Every pair of a window (the `k` tokens before) and a token has a number between 0 and 1, which is a keyed hash of both. A detector needs
//! the key and the tokens, and neither the model nor the size of its vocabulary. `docs/formats/watermark-key.md` says the bytes.

mod key_file;
mod synthid;

pub use key_file::{KEY_SCHEMA, WatermarkKey};
pub use synthid::Synthid;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;

/// Tokens of a window at most.
pub const MAX_WINDOW: usize = 8;
/// Largest bias of green tokens: at 50 nothing else is ever drawn.
const MAX_DELTA: f64 = 50.0;
/// Bytes of the hash's output that belong to one token.
const TOKEN_BYTES: usize = 8;

/// How a window's numbers bear on what is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scheme {
    /// Green lists: tokens whose number is below `gamma` have `delta` added to their logit. (Kirchenbauer et al., arXiv 2301.10226.)
    Kgw {
        /// Share of green tokens.
        gamma: f64,
        /// Added to their logits.
        delta: f64,
    },
    /// The token of the largest `u^(1/p)` is taken, which is a draw from `p` to whoever lacks the key. (Aaronson 2022.)
    Gumbel,
}

impl Scheme {
    /// As files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kgw { .. } => "kgw",
            Self::Gumbel => "gumbel",
        }
    }
}

/// A scheme with its key, which nothing prints.
#[derive(Clone, PartialEq)]
pub struct Watermark {
    scheme: Scheme,
    window: usize,
    key: [u8; 32],
    /// Of the hash: derived from the key for the scheme.
    hash_key: [u8; 32],
}

impl std::fmt::Debug for Watermark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watermark").field("scheme", &self.scheme).field("window", &self.window).field("key_digest", &self.digest()).finish()
    }
}

/// What may be told of a watermark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatermarkRecord {
    /// `kgw` or `gumbel`.
    pub scheme: String,
    /// Of green lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Of green lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<f64>,
    /// Tokens of a window.
    pub window: usize,
    /// SHA-256 of the key.
    pub key_digest: String,
}

impl Watermark {
    /// A watermark of a key.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn new(scheme: Scheme, window: usize, key: [u8; 32]) -> Result<Self, FormatError> {
        if !(1..=MAX_WINDOW).contains(&window) {
            return Err(FormatError::new("window of the watermark", window, format!("1 to {MAX_WINDOW} tokens")));
        }
        if let Scheme::Kgw { gamma, delta } = scheme {
            if !(gamma > 0.0 && gamma < 1.0) {
                return Err(FormatError::new("gamma of the watermark", gamma, "a share between 0 and 1"));
            }
            if !(delta > 0.0 && delta <= MAX_DELTA) {
                return Err(FormatError::new("delta of the watermark", delta, format!("above 0 and at most {MAX_DELTA}")));
            }
        }
        let context = match scheme {
            Scheme::Kgw { .. } => "filiation watermark v1 kgw",
            Scheme::Gumbel => "filiation watermark v1 gumbel",
        };
        Ok(Self { scheme, window, key, hash_key: blake3::derive_key(context, &key) })
    }

    /// The same scheme with the key of a campaign, which follows from this key and the campaign's name; the other way it does not.
    #[must_use]
    pub fn campaign(&self, name: &str) -> Self {
        self.with_key("filiation watermark v1 campaign", name.as_bytes())
    }

    /// The same scheme with another key, drawn by a seed: what chance makes of a text that no key had a part in.
    #[must_use]
    pub fn stranger(&self, seed: u64, index: u64) -> Self {
        let open = Self { key: [0; 32], ..self.clone() };
        open.with_key("filiation watermark v1 stranger", &[seed.to_le_bytes(), index.to_le_bytes()].concat())
    }

    fn with_key(&self, context: &str, material: &[u8]) -> Self {
        let key = blake3::derive_key(context, &[self.key.as_slice(), material].concat());
        // The numbers were checked when this was made.
        Self::new(self.scheme, self.window, key).unwrap_or_else(|_| self.clone())
    }

    /// How numbers bear on draws.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Tokens of a window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// SHA-256 of the key, in hexadecimal.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.key))
    }

    /// What may be told of it.
    pub fn record(&self) -> WatermarkRecord {
        let (gamma, delta) = match self.scheme {
            Scheme::Kgw { gamma, delta } => (Some(gamma), Some(delta)),
            Scheme::Gumbel => (None, None),
        };
        WatermarkRecord { scheme: self.scheme.name().into(), gamma, delta, window: self.window, key_digest: self.digest() }
    }

    fn output(&self, window: &[u32]) -> blake3::OutputReader {
        let bytes: Vec<u8> = window.iter().flat_map(|id| id.to_le_bytes()).collect();
        let mut hasher = blake3::Hasher::new_keyed(&self.hash_key);
        hasher.update(&bytes);
        hasher.finalize_xof()
    }

    /// The number of a token after a window, between 0 and 1, without both.
    pub fn uniform(&self, window: &[u32], token: u32) -> f64 {
        let (mut output, mut bytes) = (self.output(window), [0; TOKEN_BYTES]);
        output.set_position(u64::from(token) * TOKEN_BYTES as u64);
        output.fill(&mut bytes);
        number(bytes)
    }

    /// The numbers of the tokens `0..n` after a window.
    pub fn uniforms(&self, window: &[u32], n: usize) -> Vec<f64> {
        let mut bytes = vec![0; n * TOKEN_BYTES];
        self.output(window).fill(&mut bytes);
        bytes.chunks_exact(TOKEN_BYTES).map(|chunk| number(std::array::from_fn(|i| chunk[i]))).collect()
    }

    /// What a token after a window counts: 1 for a green token and 0 for another; `−ln(1 − u)` under Gumbel-max, whose mean is 1.
    pub fn score(&self, window: &[u32], token: u32) -> f64 {
        let uniform = self.uniform(window, token);
        match self.scheme {
            Scheme::Kgw { gamma, .. } => f64::from(u8::from(uniform < gamma)),
            Scheme::Gumbel => -(-uniform).ln_1p(),
        }
    }

    /// The window of the token that comes after `tokens`, of which the first `given` were not drawn. There is none before the first `k` tokens;
    /// and none for Gumbel-max where this reply has drawn after the same window before, since it would draw the same for ever.
    pub fn window_of<'a>(&self, tokens: &'a [u32], given: usize) -> Option<&'a [u32]> {
        let window = &tokens[tokens.len().checked_sub(self.window)?..];
        let is_repeated = || (given.max(self.window)..tokens.len()).any(|end| tokens[end - self.window..end] == *window);
        (!(self.scheme == Scheme::Gumbel && is_repeated())).then_some(window)
    }
}

/// The upper 52 bits, in the middle of their interval.
fn number(bytes: [u8; TOKEN_BYTES]) -> f64 {
    let upper = u64::from_le_bytes(bytes) >> 12;
    (2 * upper + 1) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KGW: Scheme = Scheme::Kgw { gamma: 0.25, delta: 2.0 };

    fn watermark(scheme: Scheme, window: usize) -> Watermark {
        Watermark::new(scheme, window, std::array::from_fn(|i| i as u8)).unwrap()
    }

    /// `scheme, window, token, number`, made by `testdata/scripts/watermark_vectors.py` with blake3 for Python.
    const VECTORS: &str = include_str!("../../../../testdata/vectors/watermark.tsv");

    #[test]
    fn numbers_are_those_of_another_implementation() {
        let mut n = 0;
        for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let window: Vec<u32> = fields[1].split(' ').map(|id| id.parse().unwrap()).collect();
            let scheme = if fields[0] == "kgw" { KGW } else { Scheme::Gumbel };
            let watermark = watermark(scheme, window.len());
            let (token, expected): (u32, f64) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
            assert_eq!(watermark.uniform(&window, token), expected, "{line}");
            assert_eq!(watermark.uniforms(&window, 300).get(token as usize).copied().unwrap_or(expected), expected, "{line}");
            n += 1;
        }
        assert_eq!(n, 32);
    }

    #[test]
    fn keys_windows_tokens_schemes_and_campaigns_are_apart() {
        let first = watermark(KGW, 2);
        let of = |watermark: &Watermark, window: &[u32], token| watermark.uniform(window, token).to_bits();
        let all = [
            of(&first, &[1, 2], 3),
            of(&first, &[2, 1], 3),
            of(&first, &[1, 2], 4),
            of(&watermark(Scheme::Gumbel, 2), &[1, 2], 3),
            of(&watermark(KGW, 3), &[0, 1, 2], 3),
            of(&first.campaign("spring"), &[1, 2], 3),
            of(&first.campaign("summer"), &[1, 2], 3),
            of(&first.stranger(0, 1), &[1, 2], 3),
            of(&first.stranger(1, 0), &[1, 2], 3),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        // A stranger's key does not hang on the owner's.
        assert_eq!(first.stranger(5, 6), first.campaign("spring").stranger(5, 6));
    }

    #[test]
    fn shares_and_means_are_those_of_the_law() {
        // 20,000 pairs: deviations of .0031 and .0071; five of them.
        let mean = |watermark: &Watermark| (0..20_000u32).map(|i| watermark.score(&[i / 100, 7], i % 100)).sum::<f64>() / 2e4;
        assert!((mean(&watermark(KGW, 2)) - 0.25).abs() < 0.0155);
        assert!((mean(&watermark(Scheme::Gumbel, 2)) - 1.0).abs() < 0.036);
    }

    #[test]
    fn windows_are_the_tokens_before_and_gumbel_takes_each_once() {
        let (kgw, gumbel) = (watermark(KGW, 2), watermark(Scheme::Gumbel, 2));
        assert_eq!(kgw.window_of(&[1], 1), None);
        assert_eq!(kgw.window_of(&[1, 2], 2), Some([1, 2].as_slice()));
        let tokens = [1, 2, 1, 2];
        assert_eq!(kgw.window_of(&tokens, 2), Some([1, 2].as_slice()));
        // The first draw was after 1, 2; in the prompt it does not matter.
        assert_eq!(gumbel.window_of(&tokens, 2), None);
        assert_eq!(gumbel.window_of(&tokens, 3), Some([1, 2].as_slice()));
    }

    #[test]
    fn the_key_is_in_no_words() {
        let watermark = watermark(KGW, 2);
        let words = format!("{watermark:?} {:?}", watermark.record());
        assert!(words.contains(&watermark.digest()) && !words.contains("000102030405"), "{words}");
        // sha256sum of the bytes 0 to 31, coreutils 9.1.
        assert_eq!(watermark.digest(), "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let refused = |scheme, window| Watermark::new(scheme, window, [0; 32]).unwrap_err().to_string();
        assert_eq!(refused(KGW, 0), "window of the watermark: found 0, expected 1 to 8 tokens");
        assert_eq!(refused(Scheme::Kgw { gamma: 1.0, delta: 2.0 }, 2), "gamma of the watermark: found 1, expected a share between 0 and 1");
        assert!(refused(Scheme::Kgw { gamma: 0.5, delta: f64::NAN }, 2).starts_with("delta of the watermark: found NaN"));
    }
}
