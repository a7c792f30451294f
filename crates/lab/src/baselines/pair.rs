//! Two sides, and the tokens that both have.

use super::BaselineSide;
use std::sync::OnceLock;

/// Tokens that baselines run over at most; HuRef takes as many.
const MAX_TOKENS: usize = 4096;

/// What a baseline is given.
#[derive(Debug)]
pub struct BaselinePair<'a> {
    /// The model that is claimed to be the origin.
    pub reference: &'a BaselineSide<'a>,
    /// The model that is questioned.
    pub suspect: &'a BaselineSide<'a>,
    tokens: OnceLock<Vec<(usize, usize)>>,
}

impl<'a> BaselinePair<'a> {
    /// A pair.
    pub fn new(reference: &'a BaselineSide<'a>, suspect: &'a BaselineSide<'a>) -> Self {
        Self { reference, suspect, tokens: OnceLock::new() }
    }

    /// Ids of the tokens that both vocabularies have and both tables hold, at most [`MAX_TOKENS`], in the order of the digests of their bytes.
    pub(super) fn tokens(&self) -> &[(usize, usize)] {
        self.tokens.get_or_init(|| {
            let (Some(ours), Some(theirs)) = (&self.reference.model.vocabulary, &self.suspect.model.vocabulary) else { return Vec::new() };
            let rows = |side: &BaselineSide<'_>| side.embedding().map_or(0, |table| table.rows);
            let (n_ours, n_theirs) = (rows(self.reference), rows(self.suspect));
            let common = ours.common(theirs).into_iter().filter(|&(a, b)| a < n_ours && b < n_theirs);
            common.take(MAX_TOKENS).collect()
        })
    }

    /// Embeddings of the common tokens, `[tokens, width]` each, with the widths; or why there are none.
    pub(super) fn embeddings(&self) -> Result<[TokenRows; 2], String> {
        let tokens = self.tokens();
        let rows = |side: &BaselineSide<'_>, ids: &mut dyn Iterator<Item = usize>| {
            let table = side.embedding()?;
            let values = ids.flat_map(|id| table.row(id).iter().copied()).collect();
            Some(TokenRows { width: table.cols, values })
        };
        let reference = rows(self.reference, &mut tokens.iter().map(|pair| pair.0));
        let suspect = rows(self.suspect, &mut tokens.iter().map(|pair| pair.1));
        match (reference, suspect) {
            (Some(reference), Some(suspect)) if !tokens.is_empty() => Ok([reference, suspect]),
            _ => Err("the two models have no common tokens with embeddings".into()),
        }
    }
}

/// Rows of one table.
pub(super) struct TokenRows {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl TokenRows {
    /// Number of tokens.
    pub(super) fn n(&self) -> usize {
        self.values.len() / self.width.max(1)
    }
}
