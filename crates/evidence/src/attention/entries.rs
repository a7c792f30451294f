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
    /// By row: behind the last column that enough prompts have for a mean over them. Rows that too few prompts have are not there.
    common_ends: Vec<usize>,
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

/// Means over prompts of one head without the sinks: the common columns of each row, and 0 before them.
pub(super) struct Means(Vec<Vec<f32>>);

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
        let mut entries = Self { by_words, causal, prompts, common_ends: Vec::new() };
        entries.common_ends = entries.common_ends();
        entries
    }

    fn common_ends(&self) -> Vec<usize> {
        // Of each row, where it ends in each prompt that has it; the eighth longest ends where eight prompts still have the column.
        let mut ends: Vec<Vec<usize>> = Vec::new();
        for prompt in 0..self.n_prompts() {
            if ends.len() < self.n(prompt) {
                ends.resize_with(self.n(prompt), Vec::new);
            }
            self.rows(prompt).for_each(|(i, columns)| ends[i].push(columns.end));
        }
        let of_row = |ends: &mut Vec<usize>| {
            ends.sort_unstable_by(|a, b| b.cmp(a));
            ends.get(LEAST_PROMPTS - 1).copied().unwrap_or(0)
        };
        let mut ends: Vec<usize> = ends.iter_mut().map(of_row).collect();
        ends.truncate(ends.iter().rposition(|&end| end > 0).map_or(0, |last| last + 1));
        ends
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
        !self.common_ends.is_empty()
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

    /// The columns of a row whose mean over prompts is known.
    fn common_of(&self, i: usize, columns: &Range<usize>) -> Range<usize> {
        let end = self.common_ends.get(i).copied().unwrap_or(0).clamp(columns.start, columns.end);
        columns.start..end
    }

    /// What makes a row sum to one again; `None` where nothing but the sink has mass.
    fn scale(row: &[f32]) -> Option<f32> {
        // Four sums side by side, which the processor adds at once; always four, so that the order of additions is fixed.
        let mut lanes = [0.0f64; 4];
        row.chunks(4).for_each(|values| lanes.iter_mut().zip(values).for_each(|(sum, &p)| *sum += f64::from(p)));
        let mass: f64 = lanes.iter().sum();
        (mass >= LEAST_MASS).then(|| (1.0 / mass) as f32)
    }

    /// Means over prompts of one head, from its attention on each prompt in order.
    pub(super) fn means(&self, mut map: impl FnMut(usize) -> Option<Vec<f32>>) -> Option<Means> {
        let mut sums: Vec<Vec<f64>> = self.common_ends.iter().map(|&end| vec![0.0; end]).collect();
        let mut counts: Vec<Vec<u32>> = self.common_ends.iter().map(|&end| vec![0; end]).collect();
        for prompt in 0..self.n_prompts() {
            let (map, n) = (map(prompt)?, self.n(prompt));
            for (i, columns) in self.rows(prompt) {
                let row = &map[i * n..][..n];
                let common = self.common_of(i, &columns);
                let Some(scale) = Self::scale(&row[columns]).filter(|_| !common.is_empty()) else { continue };
                sums[i][common.clone()].iter_mut().zip(&row[common.clone()]).for_each(|(sum, &p)| *sum += f64::from(p * scale));
                counts[i][common].iter_mut().for_each(|count| *count += 1);
            }
        }
        let mean = |(sum, count): (&f64, &u32)| (sum / f64::from(*count.max(&1))) as f32;
        Some(Means(sums.iter().zip(&counts).map(|(sums, counts)| sums.iter().zip(counts).map(mean).collect()).collect()))
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
            let row = &map[i * n..][..n];
            let common = self.common_of(i, &columns);
            let means = means.0.get(i).filter(|_| !common.is_empty()).map_or(&[][..], |means| &means[common.clone()]);
            if let Some(scale) = Self::scale(&row[columns.clone()]) {
                forms.sink_removed.extend(row[columns].iter().map(|&p| p * scale));
                forms.deviations.extend(row[common].iter().zip(means).map(|(&p, &mean)| p * scale - mean));
            } else {
                let even = 1.0 / columns.len() as f32;
                forms.sink_removed.extend(means.iter().map(|&mean| if mean > 0.0 { mean } else { even }));
                forms.sink_removed.extend(std::iter::repeat_n(even, columns.len() - means.len()));
                forms.deviations.extend(std::iter::repeat_n(0.0, means.len()));
            }
        }
    }
}
