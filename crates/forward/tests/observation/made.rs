//! A model that computes nothing: made-up values, told to a recorder on any number of threads and in any order.

use forward::observation::{Image, image_from_rows};
use forward::{ALL_TAPS, Encoded, HeadAt, NotRunnable, Observation, PromptSet, Recorder, Subject, Taps as _, Tokenizer, UnitsAt, Wanted};
use rayon::prelude::*;
use sources::Model;
use sources::form::NormKind;
use sources::vocabulary::Vocabulary;
use std::path::Path;

pub(crate) const N_LAYERS: usize = 3;
pub(crate) const N_HEADS: usize = 2;
const HIDDEN: usize = 10;
const UNITS: usize = 40;
const VOCABULARY: usize = 1024;

pub(crate) fn subject() -> Subject {
    Subject {
        engine: "made up".into(),
        tensor_root: Some("5a".repeat(32)),
        model: "made".into(),
        family: "llama".into(),
        n_parameters: 12_345,
        n_layers: N_LAYERS,
        n_heads: N_HEADS,
        hidden: HIDDEN,
        units: UNITS,
        vocabulary: VOCABULARY,
        causal: true,
        norm: NormKind::Rms,
        logit_cap: None,
    }
}

/// Enough prompts for several groups of sums.
pub(crate) fn prompts() -> PromptSet {
    let mut prompts = PromptSet::shared().unwrap();
    prompts.prompts.truncate(16);
    prompts
}

/// A number from -1 to 1 that depends on all of `of` and on nothing else.
fn noise(of: &[usize]) -> f32 {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for &value in of {
        // The mixer of SplitMix64.
        state = state.wrapping_add(value as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

pub(crate) struct Made {
    seed: usize,
    mixed_with: Option<(usize, f32)>,
    pub(crate) constant_unit: Option<usize>,
    pub(crate) not_a_number: bool,
    pub(crate) cap: Option<f32>,
    wanted: Wanted,
    encoded: Vec<Encoded>,
    pub(crate) vocabulary: Vocabulary,
}

enum Call {
    Attention(HeadAt),
    Units(usize),
    Stream(usize),
}

impl Made {
    pub(crate) fn new(seed: usize) -> Self {
        let model = Model::open(Path::new("../../testdata/models/base")).unwrap();
        Self {
            seed,
            mixed_with: None,
            constant_unit: None,
            not_a_number: false,
            cap: None,
            wanted: ALL_TAPS,
            encoded: Tokenizer::of(&model).unwrap().encode_all(&prompts(), None).unwrap(),
            vocabulary: model.vocabulary.unwrap(),
        }
    }

    pub(crate) fn with(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// Activations that share this part with those of another seed.
    pub(crate) fn mixed_with(self, seed: usize, part: f32) -> Self {
        Self { mixed_with: Some((seed, part)), ..self }
    }

    pub(crate) fn encoded(&self) -> Vec<Encoded> {
        self.encoded.clone()
    }

    pub(crate) fn n_prompts(&self) -> usize {
        self.encoded.len()
    }

    pub(crate) fn n(&self, prompt: usize) -> usize {
        self.encoded[prompt].ids.len()
    }

    pub(crate) fn recorder(&self) -> Recorder {
        let subject = Subject { logit_cap: self.cap, ..subject() };
        Recorder::new(&subject, &prompts(), self.encoded(), &self.vocabulary, self.wanted).unwrap()
    }

    pub(crate) fn attention(&self, at: HeadAt) -> Vec<f32> {
        self.attention_of(at, self.n(at.sequence))
    }

    fn attention_of(&self, at: HeadAt, n: usize) -> Vec<f32> {
        let mut rows = vec![0.0; n * n];
        for (i, row) in rows.chunks_exact_mut(n).enumerate() {
            let weights = |j| 1.01 + noise(&[self.seed, at.sequence, at.layer, at.head, i, j]);
            let sum: f32 = (0..=i).map(weights).sum();
            row[..=i].iter_mut().enumerate().for_each(|(j, value)| *value = weights(j) / sum);
        }
        rows
    }

    /// Activation of a unit on a token; units of one model share a quarter with their neighbour.
    fn activation(&self, layer: usize, matrix: usize, prompt: usize, token: usize, unit: usize) -> f32 {
        if self.constant_unit == Some(unit) {
            return 0.7;
        }
        if self.not_a_number && (prompt, token, unit) == (3, 2, 1) {
            return f32::NAN;
        }
        let of = |seed| noise(&[seed, 77, layer, matrix, prompt, token, unit]);
        let own = of(self.seed) + 0.3;
        self.mixed_with.map_or(own, |(seed, part)| part * (of(seed) + 0.3) + (1.0 - part * part).sqrt() * own)
    }

    fn units(&self, layer: usize, matrix: usize, prompt: usize, n: usize) -> Vec<f32> {
        (0..n)
            .flat_map(|token| (0..UNITS).map(move |unit| (token, unit)))
            .map(|(t, u)| self.activation(layer, matrix, prompt, t, u))
            .collect()
    }

    /// The correlations that the sketches of up projections estimate, over all words, from the values themselves: `[own unit][other's]`.
    pub(crate) fn correlations(&self, other: &Self, layer: usize) -> Vec<Vec<f64>> {
        let mut words = Vec::new();
        for (prompt, (encoded, text)) in self.encoded().iter().zip(prompts().prompts).enumerate() {
            let mut of_prompt = std::collections::BTreeMap::<u32, Vec<usize>>::new();
            for (token, word) in forward::words::words_of_tokens(&text.text, &encoded.spans).into_iter().enumerate() {
                of_prompt.entry(word).or_default().push(token);
            }
            words.extend(of_prompt.into_iter().filter(|&(word, _)| word != forward::NO_WORD).map(|(_, tokens)| (prompt, tokens)));
        }
        // Of length 1 after centring.
        let columns = |made: &Self| {
            let column = |unit| {
                let activation = |prompt, token| f64::from(made.activation(layer, 1, prompt, token, unit));
                let mean_of = |(prompt, tokens): &(usize, Vec<usize>)| {
                    tokens.iter().map(|&t| activation(*prompt, t)).sum::<f64>() / tokens.len() as f64
                };
                let values: Vec<f64> = words.iter().map(mean_of).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let length = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>().sqrt();
                values.into_iter().map(|v| (v - mean) / length).collect::<Vec<f64>>()
            };
            (0..UNITS).map(column).collect::<Vec<_>>()
        };
        let theirs = columns(other);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        columns(self).iter().map(|own| theirs.iter().map(|other| dot(own, other)).collect()).collect()
    }

    /// Tells everything, block by block; within a block in an order that `order` decides.
    pub(crate) fn tell_all(&self, recorder: &Recorder, threads: usize, order: usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let lengths: Vec<usize> = recorder.sequences().iter().map(Vec::len).collect();
        for layer in 0..=N_LAYERS {
            let mut calls = Vec::new();
            for sequence in 0..lengths.len() {
                calls.push(Call::Stream(sequence));
                if layer < N_LAYERS {
                    calls.push(Call::Units(sequence));
                    calls.extend((0..N_HEADS).map(|head| Call::Attention(HeadAt { sequence, layer, head })));
                }
            }
            let mut calls: Vec<(f32, Call)> = calls.into_iter().enumerate().map(|(i, call)| (noise(&[order, i]), call)).collect();
            if order > 0 {
                calls.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
            pool.install(|| calls.par_iter().with_max_len(1).for_each(|(_, call)| self.tell(recorder, &lengths, layer, call)));
        }
        self.tell_logits(recorder, &pool);
    }

    fn tell_logits(&self, recorder: &Recorder, pool: &rayon::ThreadPool) {
        let lengths: Vec<usize> = recorder.sequences().iter().map(Vec::len).collect();
        if recorder.wanted().logits {
            let tell = |(sequence, &n): (usize, &usize)| {
                for position in recorder.logit_positions(sequence, n) {
                    let value = |id: usize| 4.0 * noise(&[self.seed, 5, sequence, position, id]);
                    let capped = |value: f32| self.cap.map_or(value, |cap| cap * (value / cap).tanh());
                    recorder.logits(sequence, position, &(0..VOCABULARY).map(|id| capped(value(id))).collect::<Vec<_>>());
                }
            };
            pool.install(|| lengths.par_iter().enumerate().for_each(tell));
        }
    }

    fn tell(&self, recorder: &Recorder, lengths: &[usize], layer: usize, call: &Call) {
        let wanted = recorder.wanted();
        match *call {
            Call::Attention(at) if wanted.attention => recorder.attention(at, &[], &self.attention_of(at, lengths[at.sequence])),
            Call::Units(sequence) if wanted.units => {
                let n = lengths[sequence];
                let tokens: Vec<usize> = (0..n).collect();
                let (gate, up) = (self.units(layer, 0, sequence, n), self.units(layer, 1, sequence, n));
                recorder.units(UnitsAt { sequence, layer, expert: None }, &tokens, Some(&gate), &up);
            }
            Call::Stream(sequence) if wanted.stream => {
                let value = |i| 30.0 * noise(&[self.seed, 9, sequence, layer, i]);
                recorder.stream(sequence, layer, &(0..lengths[sequence] * HIDDEN).map(value).collect::<Vec<_>>());
            }
            _ => {}
        }
    }

    fn image(&self, recorder: &Recorder) -> Option<Image> {
        let k = recorder.logit_tokens().len();
        let rows: Vec<f32> = (0..k * HIDDEN).map(|i| noise(&[self.seed, 13, i])).collect();
        image_from_rows(&rows, k, HIDDEN).ok()
    }

    pub(crate) fn try_observed(&self, threads: usize, order: usize) -> Result<Observation, NotRunnable> {
        let recorder = self.recorder();
        self.tell_all(&recorder, threads, order);
        let image = self.image(&recorder);
        recorder.finish(image)
    }

    pub(crate) fn observed_prompt_by_prompt(&self) -> Observation {
        let recorder = self.recorder();
        let lengths: Vec<usize> = recorder.sequences().iter().map(Vec::len).collect();
        for sequence in 0..lengths.len() {
            for layer in 0..=N_LAYERS {
                self.tell(&recorder, &lengths, layer, &Call::Stream(sequence));
                if layer < N_LAYERS {
                    self.tell(&recorder, &lengths, layer, &Call::Units(sequence));
                    (0..N_HEADS).for_each(|head| self.tell(&recorder, &lengths, layer, &Call::Attention(HeadAt { sequence, layer, head })));
                }
            }
        }
        self.tell_logits(&recorder, &rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        let image = self.image(&recorder);
        recorder.finish(image).unwrap()
    }

    pub(crate) fn observed(&self, threads: usize, order: usize) -> Observation {
        self.try_observed(threads, order).unwrap()
    }
}

/// The container's bytes.
pub(crate) fn bytes(observation: &Observation) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    observation.write(file.path()).unwrap();
    std::fs::read(file.path()).unwrap()
}
