//! Units and heads of one model matched with those of the other, by what they do to common tokens: no name, no index and no basis decides.
//!
//! A row of a weight that reads the residual stream, multiplied with the embeddings of tokens, is a list of numbers over tokens. It stays the
//! same when units are permuted, when the stream is turned by any orthogonal matrix, when gains are folded or new ones put in; scales and
//! signs go with the normalisation. Matching such lists sees through all of these disguises.

mod blocks;
mod by_activations;
mod by_index;
mod fitting;
mod heads;
mod tokens;
mod units;

pub use blocks::{Agreement, BlockMatch, Group, MATCHED};
pub use tokens::MIN_TOKENS;

pub(crate) use by_activations::match_units;
pub(crate) use by_index::ByIndex;
pub(crate) use tokens::{TokenVectors, Tokens};
pub(crate) use units::unit_signatures;

use crate::blocks::BlockMatrix;
use crate::method::MethodError;
use crate::side::Side;
use sources::canonical::Canonical;

/// What was matched with what.
pub struct Matching<'a> {
    pub(crate) reference: Canonical<'a>,
    pub(crate) suspect: Canonical<'a>,
    pub(crate) tokens: Tokens,
    /// Units of every MLP of the suspect, in the order of its blocks; experts one by one.
    pub units: Vec<BlockMatch>,
    /// Heads of every attention of the suspect.
    pub heads: Vec<BlockMatch>,
    /// Blocks of equal width, index by index: MLPs, then attentions.
    pub(crate) by_index: Vec<ByIndex>,
    /// Every MLP of the reference against every one of the suspect: share of drawn units on whose counterpart two views agree.
    pub unit_matrix: BlockMatrix,
}

/// Why nothing could be matched, in words.
#[derive(Debug, Clone)]
pub struct Unmatched(pub String);

impl<'a> Matching<'a> {
    /// Matches two models; in the inner result the reason why not. `advance` is told the blocks done.
    pub fn find(
        reference: &Side<'a>,
        suspect: &Side<'a>,
        seed: u64,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<Result<Self, Unmatched>, MethodError> {
        let (Some(ours), Some(theirs)) = (Canonical::new(reference.model)?, Canonical::new(suspect.model)?) else {
            return Ok(Err(Unmatched("at least one side has no family, so nothing says what its tensors do".into())));
        };
        let tokens = match Tokens::find(&ours, &theirs)? {
            Ok(tokens) => tokens,
            Err(why) => return Ok(Err(why)),
        };
        let units = units::find(&ours, &theirs, &tokens, seed, advance)?;
        let (heads, heads_by_index) = heads::find(&ours, &theirs, &tokens, &units.path, seed)?;
        let by_index = units.by_index.into_iter().chain(heads_by_index).collect();
        Ok(Ok(Self { reference: ours, suspect: theirs, tokens, units: units.blocks, heads, by_index, unit_matrix: units.matrix }))
    }

    /// Tokens whose byte strings both tokenizers have.
    pub fn common_tokens(&self) -> usize {
        self.tokens.n_common
    }
}
