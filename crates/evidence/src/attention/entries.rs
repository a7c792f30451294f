//! Which entries of the attention of several models can be compared, and how the sink and the mean over prompts are taken from them.

use forward::Observation;
use std::ops::Range;

/// Prompts that must have an entry for its mean over prompts to be worth subtracting.
pub(super) const LEAST_PROMPTS: usize = 8;
/// A row whose mass beside the sink is below the smallest normal half is rounding, since observations keep halves.
const LEAST_MASS: f64 = 1.0 / 16384.0;

/// The common places of several models: tokens where all split the prompts alike, else words.
pub(super) struct Entries {
    pub(super) by_words: bool,
    causal: bool,
    prompts: Vec<Places>,
    /// Side of the square that means over prompts are kept of.
    side: usize,
    /// By place in the square: whether enough prompts have the entry.
    is_common: Vec<bool>,
}

/// The places of one prompt.
struct Places {
    n: usize,
    /// Behind the last column that is compared once the sinks are gone.
    end: usize,
    /// The words that all models have tokens of; empty where tokens are compared.
    words: Vec<u32>,
}

/// Whether two models split every prompt into equally many tokens, and each into a part of the same word.
pub(crate) fn split_alike(one: &Observation, other: &Observation) -> bool {
    one.tokens.starts == other.tokens.starts && one.tokens.words == other.tokens.words
}

/// One model's attention at one block on one prompt, `[heads, entries]`, in three forms.
#[derive(Debug, Default)]
pub(super) struct Forms {
    /// Probabilities as they are; a last row is the mean over heads.
    pub(super) raw: Vec<f32>,
    /// Without the sinks, rows summing to one again.
    pub(super) sink_removed: Vec<f32>,
    /// These, less their mean over prompts.
    pub(super) deviations: Vec<f32>,
}

/// Means over prompts of one head without the sinks, by place.
pub(super) struct Means(Vec<f32>);

impl Entries {
    /// The places that all of `models` have. `causal` is common to them.
    pub(super) fn common(models: &[&Observation], causal: bool, by_words: bool) -> Self {
        let n_prompts = models.iter().map(|model| model.n_prompts()).min().unwrap_or(0);
        let places = |prompt: usize| {
            if by_words {
                let mut words = models[0].words(prompt);
                for model in &models[1..] {
                    let theirs = model.words(prompt);
                    words.retain(|word| theirs.binary_search(word).is_ok());
                }
                Places { n: words.len(), end: words.len(), words }
            } else {
                let of_tokens = models[0].tokens.words_of(prompt);
                let n = of_tokens.len();
                // An encoder's last special token is a sink like its first.
                let is_sink = !causal && of_tokens.last() == Some(&forward::NO_WORD);
                Places { n, end: n - usize::from(is_sink), words: Vec::new() }
            }
        };
        let prompts: Vec<Places> = (0..n_prompts).map(places).collect();
        let mut lengths: Vec<usize> = prompts.iter().map(|places| places.n).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let side = lengths.get(LEAST_PROMPTS - 1).copied().unwrap_or(0);
        let mut entries = Self { by_words, causal, prompts, side, is_common: Vec::new() };
        let mut counts = vec![0usize; if causal { side * (side + 1) / 2 } else { side * side }];
        for prompt in 0..entries.n_prompts() {
            for (i, columns) in entries.rows(prompt) {
                columns.filter_map(|j| entries.place(i, j)).for_each(|at| counts[at] += 1);
            }
        }
        entries.is_common = counts.into_iter().map(|count| count >= LEAST_PROMPTS).collect();
        entries
    }

    pub(super) fn n_prompts(&self) -> usize {
        self.prompts.len()
    }

    /// Tokens or words of a prompt.
    pub(super) fn n(&self, prompt: usize) -> usize {
        self.prompts[prompt].n
    }

    /// Tokens or words that attend, in all prompts.
    pub(super) fn n_rows(&self) -> usize {
        (0..self.n_prompts()).map(|prompt| self.rows(prompt).count()).sum()
    }

    /// Whether any entry is left once the mean over prompts is subtracted.
    pub(super) fn has_deviations(&self) -> bool {
        self.is_common.contains(&true)
    }

    /// The words that a prompt's places stand for: the common ones, or the word of each token.
    pub(super) fn words(&self, model: &Observation, prompt: usize) -> Vec<Option<u32>> {
        let words = if self.by_words { &self.prompts[prompt].words } else { model.tokens.words_of(prompt) };
        words.iter().map(|&word| (word != forward::NO_WORD).then_some(word)).collect()
    }

    /// The attention of one head on one prompt, `[n, n]`; `None` where the model has none there.
    pub(super) fn map(&self, model: &Observation, layer: usize, head: usize, prompt: usize) -> Option<Vec<f32>> {
        let places = self.prompts.get(prompt)?;
        let map =
            if self.by_words { model.word_attention(layer, head, prompt, &places.words) } else { model.attention(layer, head, prompt) };
        map.filter(|map| map.len() == places.n * places.n)
    }

    /// The rows that are compared without sinks, with their columns: two at least, since a row of one entry is always one.
    fn rows(&self, prompt: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let Places { n, end, .. } = self.prompts[prompt];
        let causal = self.causal;
        let columns = move |i: usize| 1..if causal && i < end { i + 1 } else { end };
        (0..n).map(move |i| (i, columns(i))).filter(|(_, columns)| columns.len() > 1)
    }

    /// Where the mean over prompts of an entry is kept.
    fn place(&self, i: usize, j: usize) -> Option<usize> {
        (i < self.side && j < self.side).then(|| if self.causal { i * (i + 1) / 2 + j } else { i * self.side + j })
    }

    /// What makes a row sum to one again; `None` where nothing but the sink has mass.
    fn scale(row: &[f32]) -> Option<f32> {
        let mass: f64 = row.iter().map(|&p| f64::from(p)).sum();
        (mass >= LEAST_MASS).then(|| (1.0 / mass) as f32)
    }

    /// Means over prompts of one head, from its attention on each prompt in order.
    pub(super) fn means(&self, mut map: impl FnMut(usize) -> Option<Vec<f32>>) -> Option<Means> {
        let (mut sums, mut counts) = (vec![0.0f64; self.is_common.len()], vec![0u32; self.is_common.len()]);
        for prompt in 0..self.n_prompts() {
            let (map, n) = (map(prompt)?, self.n(prompt));
            for (i, columns) in self.rows(prompt) {
                let Some(scale) = Self::scale(&map[i * n..][columns.clone()]) else { continue };
                for j in columns {
                    if let Some(at) = self.place(i, j) {
                        sums[at] += f64::from(map[i * n + j] * scale);
                        counts[at] += 1;
                    }
                }
            }
        }
        Some(Means(sums.iter().zip(&counts).map(|(sum, &count)| (sum / f64::from(count.max(1))) as f32).collect()))
    }

    /// Appends a head's probabilities.
    pub(super) fn append_raw(&self, prompt: usize, map: &[f32], forms: &mut Forms) {
        let n = self.n(prompt);
        for (i, row) in map.chunks_exact(n.max(1)).enumerate() {
            forms.raw.extend_from_slice(if self.causal { &row[..=i] } else { row });
        }
    }

    /// Appends the mean over the `heads` appended so far.
    pub(super) fn append_mean_of_heads(forms: &mut Forms, heads: usize) {
        let width = forms.raw.len() / heads.max(1);
        let mut mean = vec![0.0f32; width];
        for row in forms.raw.chunks_exact(width.max(1)) {
            mean.iter_mut().zip(row).for_each(|(sum, &p)| *sum += p / heads as f32);
        }
        forms.raw.append(&mut mean);
    }

    /// Appends a head's attention without the sinks, and its deviations from the mean over prompts.
    ///
    /// A row without mass beside the sinks is taken to be the head's mean, so that it deviates by nothing.
    pub(super) fn append_without_sinks(&self, prompt: usize, map: &[f32], means: &Means, forms: &mut Forms) {
        let n = self.n(prompt);
        for (i, columns) in self.rows(prompt) {
            let scale = Self::scale(&map[i * n..][columns.clone()]);
            let even = 1.0 / columns.len() as f32;
            for j in columns {
                let place = self.place(i, j);
                let mean = place.and_then(|at| means.0.get(at)).copied();
                let value = match scale {
                    Some(scale) => map[i * n + j] * scale,
                    None => mean.filter(|&mean| mean > 0.0).unwrap_or(even),
                };
                forms.sink_removed.push(value);
                if place.is_some_and(|at| self.is_common[at]) {
                    forms.deviations.push(if scale.is_some() { value - mean.unwrap_or(0.0) } else { 0.0 });
                }
            }
        }
    }
}
