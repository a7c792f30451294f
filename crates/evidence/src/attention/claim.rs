//! "A 98.7 % correlation of attention": what that number is worth, beside the same number of independent models.

use super::comparison::{Comparison, Extent, NoComparison, Row};
use super::matching::MatchedHeads;
use super::measures::MEASURES;
use crate::outputs::Outputs;
use forward::PromptSet;
use forward::words::words;

/// Most places of a prompt whose attention is shown.
const SHOWN_PLACES: usize = 24;
/// Heads that are shown.
const SHOWN_HEADS: usize = 3;

/// Six measures of the suspect and of every control, with the heads behind them.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionClaim {
    /// Name and version of the prompts.
    pub prompts: String,
    /// Their digest.
    pub prompts_digest: String,
    /// How many they are.
    pub n_prompts: usize,
    /// Whether words attend to words, because tokenizers differ; else tokens to tokens.
    pub by_words: bool,
    /// The suspect, then the controls in order; each has its values in the order of [`MEASURES`].
    pub rows: Vec<ClaimRow>,
    /// The suspect's heads that have a match, by block.
    pub heads: Vec<ClaimHead>,
    /// Blocks of the suspect.
    pub n_layers: usize,
    /// Heads of each.
    pub n_heads: usize,
    /// Of the heads that are most alike beyond the controls; empty where controls are too few to tell.
    pub maps: Vec<ClaimMap>,
}

/// Whose measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// The model that is questioned.
    Suspect,
    /// An independent model in its place.
    Control,
}

/// The measures of one model against the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRow {
    /// Whose.
    pub kind: ClaimKind,
    /// One a measure, or why it is not defined.
    pub values: Vec<Result<f64, String>>,
}

/// A head of the suspect beside one of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadPair {
    /// Block of the suspect.
    pub layer: usize,
    /// Head in it.
    pub head: usize,
    /// Block of the reference.
    pub reference_layer: usize,
    /// Head in it.
    pub reference_head: usize,
}

/// A head of the suspect and its match in the reference: by residuals where there are any, else by probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClaimHead {
    /// Which heads.
    pub at: HeadPair,
    /// Correlation of their probabilities; 0 where one of them is constant.
    pub raw: f64,
    /// Correlation beyond the controls.
    pub residual: Option<f64>,
}

/// The attention of two matched heads on one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimMap {
    /// Which heads.
    pub at: HeadPair,
    /// Correlation of the heads beyond the controls, over all prompts.
    pub residual: f64,
    /// Place of the prompt in its set.
    pub prompt_index: usize,
    /// The word that each place is of; `None` for special tokens.
    pub words: Vec<Option<u32>>,
    /// `[n, n]`: row `i` is what place `i` attends to.
    pub reference: Vec<f32>,
    /// The suspect's, `[n, n]`.
    pub suspect: Vec<f32>,
}

impl AttentionClaim {
    /// Measures everything.
    pub(crate) fn of<'a>(outputs: &Outputs<'a>) -> Result<(Self, Comparison<'a>), NoComparison> {
        let found = Comparison::of(outputs, Extent::Everything)?;
        let suspect = outputs.suspect;
        let row_of = |row: &Row, kind| ClaimRow { kind, values: found.measures(row).into() };
        let mut rows: Vec<ClaimRow> = found.rows.iter().take(1).map(|row| row_of(row, ClaimKind::Suspect)).collect();
        for place in &found.controls {
            match place {
                // Rows are of the suspect, model 1, and the models behind it.
                Ok(model) => rows.extend(found.rows.get(model - 1).map(|row| row_of(row, ClaimKind::Control))),
                Err(why) => rows.push(ClaimRow { kind: ClaimKind::Control, values: vec![Err(why.clone()); MEASURES.len()] }),
            }
        }
        let heads: Vec<ClaimHead> = found.rows.first().map(heads).unwrap_or_default();
        let claim = Self {
            prompts: suspect.prompts.label.clone(),
            prompts_digest: suspect.prompts.digest.clone(),
            n_prompts: suspect.n_prompts(),
            by_words: found.is_by_words(),
            rows,
            maps: maps(&found, &heads),
            heads,
            n_layers: suspect.subject.n_layers,
            n_heads: suspect.subject.n_heads,
        };
        Ok((claim, found))
    }

    /// The id of a map's prompt and what stands beside its rows and columns: numbers where `prompts` is not the set that was observed.
    pub fn labels(&self, map: &ClaimMap, prompts: Option<&PromptSet>) -> (String, Vec<String>) {
        let set = prompts.filter(|set| set.digest() == self.prompts_digest);
        let Some(prompt) = set.and_then(|set| set.prompts.get(map.prompt_index)) else {
            return ((map.prompt_index + 1).to_string(), (1..=map.words.len()).map(|place| place.to_string()).collect());
        };
        let places = words(&prompt.text);
        let text = |word: u32| places.get(word as usize).and_then(|place| prompt.text.get(place.clone())).unwrap_or_default();
        let label = |(i, word): (usize, &Option<u32>)| match word {
            None => "·".into(),
            // The further pieces of a word.
            Some(_) if i > 0 && map.words[i - 1] == *word => "…".into(),
            Some(word) => text(*word).to_owned(),
        };
        (prompt.id.clone(), map.words.iter().enumerate().map(label).collect())
    }
}

fn heads(row: &Row) -> Vec<ClaimHead> {
    let head = |layer: usize, reference_layer: usize, heads: &MatchedHeads, raw: f64, residual: Option<f64>| ClaimHead {
        at: HeadPair { layer, head: heads.suspect, reference_layer, reference_head: heads.reference },
        raw,
        residual,
    };
    let mut found = Vec::new();
    for layer in &row.layers {
        let place = (layer.layer, layer.reference_layer);
        let with_residual = layer.residual.iter().zip(&layer.raw_of_residual);
        found.extend(with_residual.map(|(heads, raw)| head(place.0, place.1, heads, raw.unwrap_or(0.0), Some(heads.r))));
        if layer.residual.is_empty() {
            found.extend(layer.raw.iter().map(|heads| head(place.0, place.1, heads, heads.r, None)));
        }
    }
    found
}

/// The heads that are most alike beyond the controls, on the longest prompt that can be shown.
fn maps(found: &Comparison<'_>, heads: &[ClaimHead]) -> Vec<ClaimMap> {
    let (entries, models) = (&found.entries, &found.models);
    let shown = (0..entries.n_prompts()).filter(|&prompt| (2..=SHOWN_PLACES).contains(&entries.n(prompt)));
    let Some(prompt) = shown.max_by_key(|&prompt| (entries.n(prompt), std::cmp::Reverse(prompt))) else { return Vec::new() };
    let mut best: Vec<(f64, &ClaimHead)> = heads.iter().filter_map(|head| Some((head.residual?, head))).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    let words = entries.words(models[0], prompt);
    best.into_iter()
        .take(SHOWN_HEADS)
        .filter_map(|(residual, head)| {
            Some(ClaimMap {
                at: head.at,
                residual,
                prompt_index: prompt,
                words: words.clone(),
                reference: entries.map(models[0], head.at.reference_layer, head.at.reference_head, prompt)?,
                suspect: entries.map(models[1], head.at.layer, head.at.head, prompt)?,
            })
        })
        .collect()
}
