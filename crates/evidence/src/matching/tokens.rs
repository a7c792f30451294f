//! Common tokens, and their vectors in the residual stream of each model.

use super::Unmatched;
use crate::method::MethodError;
use sources::canonical::Canonical;
use sources::{Role, Slot, Stack};
use stats::products::centre_columns;
use std::collections::BTreeMap;

/// Fewer common tokens tell too little apart.
pub const MIN_TOKENS: usize = 256;
/// Tokens read at most.
pub(crate) const MAX_TOKENS: usize = 4096;
/// Tokens that signatures run over at most; for widths of thousands more add nothing but time.
const SIGNATURE_TOKENS: usize = 1024;

/// The tokens that both models have, and the stacks in whose stream both write them.
pub(crate) struct Tokens {
    /// Byte strings that both tokenizers have.
    pub(crate) n_common: usize,
    /// By the suspect's stack.
    pub(crate) stacks: BTreeMap<Stack, StackTokens>,
}

/// Vectors of the same tokens on both sides, in one stack.
pub(crate) struct StackTokens {
    /// The stack of the reference.
    pub(crate) reference_stack: Stack,
    /// Ids of the tokens on both sides.
    pub(crate) ids: Vec<(usize, usize)>,
    pub(crate) reference: TokenVectors,
    pub(crate) suspect: TokenVectors,
}

/// Vectors `[n, width]` of tokens, as they enter the stream and as they are read off it; centred over tokens.
pub(crate) struct TokenVectors {
    pub(crate) width: usize,
    pub(crate) embed: Vec<f32>,
    pub(crate) unembed: Vec<f32>,
}

impl TokenVectors {
    /// Number of tokens.
    pub(crate) fn n(&self) -> usize {
        self.embed.len() / self.width.max(1)
    }

    /// The first tokens of a table, for signatures.
    pub(crate) fn leading<'a>(&self, table: &'a [f32]) -> &'a [f32] {
        &table[..self.n().min(SIGNATURE_TOKENS) * self.width]
    }
}

impl Tokens {
    /// The reference's tokens by its own stacks.
    pub(crate) fn of_reference(&self) -> BTreeMap<Stack, &TokenVectors> {
        self.stacks.values().map(|stack| (stack.reference_stack, &stack.reference)).collect()
    }

    /// The suspect's tokens by its own stacks.
    pub(crate) fn of_suspect(&self) -> BTreeMap<Stack, &TokenVectors> {
        self.stacks.iter().map(|(&stack, tokens)| (stack, &tokens.suspect)).collect()
    }

    pub(crate) fn find(reference: &Canonical<'_>, suspect: &Canonical<'_>) -> Result<Result<Self, Unmatched>, MethodError> {
        let (Some(ours), Some(theirs)) = (&reference.model().vocabulary, &suspect.model().vocabulary) else {
            let side = if reference.model().vocabulary.is_none() { "the reference" } else { "the suspect" };
            return Ok(Err(Unmatched(format!("{side} has no tokenizer, so its tokens have no strings to compare by"))));
        };
        let common = ours.common(theirs);
        let n_common = common.len();
        let few = |n: usize| Unmatched(format!("{n} tokens are common to both vocabularies, and {MIN_TOKENS} are needed"));
        if n_common < MIN_TOKENS {
            return Ok(Err(few(n_common)));
        }
        let mut stacks = BTreeMap::new();
        let mut fewest = n_common;
        for stack in [Stack::Single, Stack::Encoder, Stack::Decoder] {
            let Some(theirs) = Tables::of(suspect, stack) else { continue };
            // A model with one stack is compared with the stack of another that writes text, else with the one that reads it.
            let like = match stack {
                Stack::Single => [Stack::Single, Stack::Decoder, Stack::Encoder],
                Stack::Decoder => [Stack::Decoder, Stack::Single, Stack::Single],
                Stack::Encoder => [Stack::Encoder, Stack::Single, Stack::Single],
            };
            let Some((reference_stack, ours)) = like.into_iter().find_map(|stack| Some((stack, Tables::of(reference, stack)?))) else {
                continue;
            };
            let (ours, theirs) = ((reference, ours), (suspect, theirs));
            let trained = trained_tokens(&common, ours, theirs)?;
            if trained.len() < MIN_TOKENS {
                fewest = fewest.min(trained.len());
                continue;
            }
            let (reference_ids, suspect_ids): (Vec<usize>, Vec<usize>) = trained.iter().copied().unzip();
            let (reference, suspect) = (vectors(ours, &reference_ids)?, vectors(theirs, &suspect_ids)?);
            stacks.insert(stack, StackTokens { reference_stack, ids: trained, reference, suspect });
        }
        if stacks.is_empty() {
            let no_tables = "the two models have no table of tokens in a common stack";
            return Ok(Err(if fewest < MIN_TOKENS { few(fewest) } else { Unmatched(no_tables.into()) }));
        }
        Ok(Ok(Self { n_common, stacks }))
    }
}

/// Where a stack's tokens come in, and where they are read off, with the role to read the latter in.
#[derive(Clone, Copy)]
struct Tables {
    embed: Slot,
    unembed: (Slot, Role),
}

impl Tables {
    fn of(model: &Canonical<'_>, stack: Stack) -> Option<Self> {
        let has_blocks = model.binding().layers.iter().any(|&(s, n)| s == stack && n > 0);
        let embed = model.embedding(stack).filter(|_| has_blocks)?;
        // What an encoder writes is read by the other stack, not by the vocabulary; where the stream is normed inside, by the table as it stands.
        let is_read_off = stack != Stack::Encoder && model.binding().form.stream.is_empty();
        let unembed = model.unembedding(stack).filter(|_| is_read_off).map_or((embed, Role::Embed), |slot| (slot, Role::Unembed));
        Some(Self { embed, unembed })
    }
}

type Model<'a, 'b> = (&'a Canonical<'b>, Tables);

/// The first common tokens whose rows were trained on both sides: not zero, and of a length that no other row shares to the last bit.
fn trained_tokens(common: &[(usize, usize)], ours: Model<'_, '_>, theirs: Model<'_, '_>) -> Result<Vec<(usize, usize)>, MethodError> {
    let rows =
        |(model, tables): Model<'_, '_>| model.n_vectors(tables.embed).unwrap_or(0).min(model.n_vectors(tables.unembed.0).unwrap_or(0));
    let (n_ours, n_theirs) = (rows(ours), rows(theirs));
    let mut list: Vec<(usize, usize)> = common.iter().copied().filter(|&(a, b)| a < n_ours && b < n_theirs).collect();
    // Some rows more than needed, because some fall out.
    list.truncate(MAX_TOKENS + MAX_TOKENS / 4);
    let untrained = |(model, tables): Model<'_, '_>, ids: Vec<usize>| -> Result<Vec<bool>, MethodError> {
        let mut values = Vec::new();
        model.vectors(tables.embed, Role::Embed, &ids, &mut values)?;
        let width = model.width(tables.embed).unwrap_or(1).max(1);
        let norms: Vec<u64> =
            values.chunks_exact(width).map(|row| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().to_bits()).collect();
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        norms.iter().for_each(|&norm| *counts.entry(norm).or_default() += 1);
        let fails = |&norm: &u64| norm == 0 || !f64::from_bits(norm).is_finite() || counts[&norm] > 1;
        Ok(norms.iter().map(fails).collect())
    };
    let ours = untrained(ours, list.iter().map(|p| p.0).collect())?;
    let theirs = untrained(theirs, list.iter().map(|p| p.1).collect())?;
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        !ours[at - 1] && !theirs[at - 1]
    });
    list.truncate(MAX_TOKENS);
    Ok(list)
}

fn vectors((model, tables): Model<'_, '_>, ids: &[usize]) -> Result<TokenVectors, MethodError> {
    let width = model.width(tables.embed).unwrap_or(0);
    let (mut embed, mut unembed) = (Vec::new(), Vec::new());
    model.vectors(tables.embed, Role::Embed, ids, &mut embed)?;
    model.vectors(tables.unembed.0, tables.unembed.1, ids, &mut unembed)?;
    centre_columns(&mut embed, width);
    centre_columns(&mut unembed, width);
    Ok(TokenVectors { width, embed, unembed })
}
