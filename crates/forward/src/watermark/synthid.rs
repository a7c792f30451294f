//! SynthID-Text's numbers, to look for: what the class `SynthIDTextWatermarkLogitsProcessor` of `transformers` gives n-grams of tokens.
//!
//! Re-implemented from the published formula (Dathathri et al., Nature 634, 2024, and the library's documentation). The table is that of
//! torch's generator on a processor; on another device torch draws another table.

use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
const MAX_TABLE: usize = 1 << 20;
const MAX_KEYS: usize = 256;
const MAX_NGRAM: usize = 32;

/// Keys, and the table of bits that hashes point into.
#[derive(Clone, PartialEq)]
pub struct Synthid {
    ngram_len: usize,
    keys: Vec<i64>,
    table: Vec<bool>,
}

impl std::fmt::Debug for Synthid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Synthid").field("ngram_len", &self.ngram_len).field("keys_digest", &self.digest()).finish()
    }
}

impl Synthid {
    /// As `SynthIDTextWatermarkingConfig` has the numbers.
    ///
    /// # Errors
    /// If a number is out of its range. The table's size must be a power of two, as the library's own is: the law of the test rests on it.
    pub fn new(ngram_len: usize, keys: Vec<i64>, table_size: usize, table_seed: u64) -> Result<Self, FormatError> {
        if !(2..=MAX_NGRAM).contains(&ngram_len) {
            return Err(FormatError::new("n-gram of SynthID", ngram_len, format!("2 to {MAX_NGRAM} tokens")));
        }
        if keys.is_empty() || keys.len() > MAX_KEYS {
            let found = if keys.is_empty() { "none".into() } else { keys.len().to_string() };
            return Err(FormatError::new("keys of SynthID", found, format!("1 to {MAX_KEYS}")));
        }
        if !(2..=MAX_TABLE).contains(&table_size) || !table_size.is_power_of_two() {
            return Err(FormatError::new("sampling table of SynthID", table_size, format!("a power of two of at most {MAX_TABLE}")));
        }
        let mut twister = Twister::new(table_seed as u32);
        let table = (0..table_size).map(|_| twister.next() & 1 == 1).collect();
        Ok(Self { ngram_len, keys, table })
    }

    /// Tokens of an n-gram: the window and the token itself.
    pub fn ngram_len(&self) -> usize {
        self.ngram_len
    }

    /// Bits of an n-gram.
    pub fn depth(&self) -> usize {
        self.keys.len()
    }

    /// SHA-256 of the keys as 64-bit little-endian numbers.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.keys.iter().flat_map(|key| key.to_le_bytes()).collect::<Vec<u8>>()))
    }

    /// All that the table's size leaves of an n-gram: n-grams of equal places have equal bits, whatever the keys.
    pub fn place(&self, ngram: &[u32]) -> u32 {
        let hash = ngram.iter().fold(1u64, |hash, &token| step(hash, u64::from(token)));
        (hash & (self.table.len() as u64 - 1)) as u32
    }

    /// The bit of a place at each depth.
    pub fn bits(&self, place: u32) -> Vec<bool> {
        self.keys.iter().map(|&key| self.bit(place, key as u64)).collect()
    }

    /// The bits of a place under every key that the table tells apart.
    pub fn bits_of_all_keys(&self, place: u32) -> impl Iterator<Item = bool> + '_ {
        (0..self.table.len() as u64).map(move |key| self.bit(place, key))
    }

    /// Index of the key of a depth among those.
    pub fn key_index(&self, depth: usize) -> usize {
        self.keys.get(depth).map_or(0, |&key| key as u64 as usize & (self.table.len() - 1))
    }

    /// Keys that the table tells apart.
    pub fn distinct_keys(&self) -> usize {
        self.table.len()
    }

    fn bit(&self, place: u32, key: u64) -> bool {
        let index = step(u64::from(place), key) & (self.table.len() as u64 - 1);
        self.table.get(index as usize).copied().unwrap_or(false)
    }
}

/// One round of the hash, modulo 2^64: as torch's 64-bit integers overflow.
fn step(hash: u64, value: u64) -> u64 {
    hash.wrapping_add(value).wrapping_mul(MULTIPLIER).wrapping_add(1)
}

/// The Mersenne Twister of 32 bits, which torch's generator on a processor is. (Matsumoto and Nishimura, ACM TOMACS 8, 1998.)
struct Twister {
    state: Vec<u32>,
    next: usize,
}

impl Twister {
    const N: usize = 624;
    const M: usize = 397;

    fn new(seed: u32) -> Self {
        let mut state = vec![seed];
        for i in 1..Self::N as u32 {
            let last = state.last().copied().unwrap_or(0);
            state.push((last ^ last >> 30).wrapping_mul(1_812_433_253).wrapping_add(i));
        }
        Self { state, next: Self::N }
    }

    fn next(&mut self) -> u32 {
        if self.next == Self::N {
            for i in 0..Self::N {
                let mixed = self.state[i] & 0x8000_0000 | self.state[(i + 1) % Self::N] & 0x7fff_ffff;
                let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + Self::M) % Self::N] ^ mixed >> 1 ^ odd;
            }
            self.next = 0;
        }
        let mut drawn = self.state[self.next];
        self.next += 1;
        drawn ^= drawn >> 11;
        drawn ^= drawn << 7 & 0x9d2c_5680;
        drawn ^= drawn << 15 & 0xefc6_0000;
        drawn ^ drawn >> 18
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twister_is_the_published_one() {
        // The 10,000th draw of seed 5489, as the C++ standard demands of `std::mt19937` ([rand.predef]).
        let mut twister = Twister::new(5489);
        let last = (0..10_000).map(|_| twister.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    /// Made by `testdata/scripts/synthid_vectors.py` with transformers 5.24.0 and torch 2.15.0.
    const VECTORS: &str = include_str!("../../../../testdata/vectors/synthid.json");

    #[test]
    fn bits_are_those_of_the_library() {
        let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
        let numbers = |value: &serde_json::Value| -> Vec<i64> { value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect() };
        let mut n = 0;
        for case in vectors["cases"].as_array().unwrap() {
            let whole = |name: &str| case[name].as_u64().unwrap() as usize;
            let synthid =
                Synthid::new(whole("ngram_len"), numbers(&case["keys"]), whole("table_size"), whole("table_seed") as u64).unwrap();
            let ones = synthid.table.iter().filter(|bit| **bit).count();
            assert_eq!(ones, whole("table_ones"));
            let tokens: Vec<u32> = numbers(&case["tokens"]).into_iter().map(|id| id as u32).collect();
            for (ngram, expected) in tokens.windows(synthid.ngram_len).zip(case["g_values"].as_array().unwrap()) {
                let found: Vec<i64> = synthid.bits(synthid.place(ngram)).into_iter().map(i64::from).collect();
                assert_eq!(found, numbers(expected));
                n += 1;
            }
            let place = synthid.place(&tokens[..synthid.ngram_len]);
            let all: Vec<bool> = synthid.bits_of_all_keys(place).collect();
            assert!((0..synthid.depth()).all(|depth| all[synthid.key_index(depth)] == synthid.bits(place)[depth]));
        }
        assert!(n > 100, "{n}");
    }

    #[test]
    fn keys_are_in_no_words() {
        let synthid = Synthid::new(5, vec![654_321, 77_777], 65_536, 0).unwrap();
        assert!(!format!("{synthid:?}").contains("654321"));
    }
}
