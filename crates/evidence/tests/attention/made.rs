//! Made attention: every head is a softmax of what all models share (a sink, a liking for near positions) and what one model has of its own.

use forward::{Encoded, HeadAt, Observation, Prompt, PromptSet, Recorder, Subject, Taps as _, Wanted};
use sources::form::NormKind;
use sources::vocabulary::Vocabulary;
use stats::sampling::{below, generator};

/// How a made model attends.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) name: String,
    /// Decides what the model has of its own.
    pub(crate) seed: u64,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) causal: bool,
    /// Score of the first column, which every model shares.
    pub(crate) sink: f64,
    /// Weight of what the model has of its own, and of what a noisy copy adds.
    pub(crate) own: f64,
    pub(crate) noise: f64,
    pub(crate) noise_seed: u64,
    /// The head of the recipe that stands at each place.
    pub(crate) order: Vec<usize>,
    /// Tokens a word.
    pub(crate) pieces: usize,
}

impl Made {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            name: format!("made-{seed}"),
            seed,
            layers: 2,
            heads: 3,
            causal: true,
            sink: 6.0,
            own: 1.0,
            noise: 0.0,
            noise_seed: 0,
            order: vec![0, 1, 2],
            pieces: 1,
        }
    }

    /// The same with some noise of its own.
    pub(crate) fn noisy(self, noise: f64) -> Self {
        Self { name: format!("{}-noisy", self.name), noise, noise_seed: self.seed + 1000, ..self }
    }

    /// On `n_prompts` prompts of 8 to 15 words.
    pub(crate) fn observe(&self, n_prompts: usize) -> Observation {
        let prompts = prompts(n_prompts);
        let subject = Subject {
            engine: "made".into(),
            tensor_root: None,
            model: self.name.clone(),
            family: "made".into(),
            n_parameters: 1,
            n_layers: self.layers,
            n_heads: self.heads,
            hidden: 4,
            units: 0,
            vocabulary: 64,
            causal: self.causal,
            norm: NormKind::Rms,
            logit_cap: None,
        };
        let encoded: Vec<Encoded> = prompts.prompts.iter().map(|prompt| self.encode(&prompt.text)).collect();
        let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        let wanted = Wanted { attention: true, ..Wanted::default() };
        let recorder = Recorder::new(&subject, &prompts, encoded, &Vocabulary::default(), wanted).unwrap();
        for layer in 0..self.layers {
            for (sequence, &n) in lengths.iter().enumerate() {
                for head in 0..self.heads {
                    let map = self.map(layer, self.order[head], sequence, n);
                    recorder.attention(HeadAt { sequence, layer, head }, &map, &map);
                }
            }
        }
        recorder.finish(None).unwrap()
    }

    /// A first token that stands for nothing, then `pieces` tokens a word.
    fn encode(&self, text: &str) -> Encoded {
        let mut spans = vec![(0, 0)];
        for word in forward::words::words(text) {
            let cut = word.start + word.len() / 2;
            match self.pieces {
                1 => spans.push((word.start, word.end)),
                _ => spans.extend([(word.start, cut), (cut, word.end)]),
            }
        }
        Encoded { ids: (0..spans.len() as u32).map(|i| i % 64).collect(), spans }
    }

    fn map(&self, layer: usize, head: usize, prompt: usize, n: usize) -> Vec<f32> {
        // What is a model's own is of words, so that pieces of a word share it.
        let n_words = (n - 1) / self.pieces + 1;
        let draw = |seed: u64, what: &str| {
            let mut rng = generator(seed, &format!("{what} {layer} {head} {prompt}"));
            (0..n_words * n_words).map(|_| (0..4).map(|_| below(&mut rng, 1 << 20) as f64 / f64::from(1 << 19) - 1.0).sum()).collect()
        };
        let (own, noise): (Vec<f64>, Vec<f64>) = (draw(self.seed, "own"), draw(self.noise_seed, "noise"));
        let word = |token: usize| token.div_ceil(self.pieces);
        let mut map = vec![0.0f32; n * n];
        for (i, row) in map.chunks_exact_mut(n).enumerate() {
            let seen = if self.causal { i + 1 } else { n };
            let score = |j: usize| {
                let at = word(i) * n_words + word(j);
                let near = -0.4 * word(i).abs_diff(word(j)) as f64;
                if j == 0 { self.sink } else { near + self.own * own[at] + self.noise * noise[at] }
            };
            let scores: Vec<f64> = (0..seen).map(|j| score(j).exp()).collect();
            let total: f64 = scores.iter().sum();
            row.iter_mut().zip(&scores).for_each(|(p, score)| *p = (score / total) as f32);
        }
        map
    }
}

/// Prompts of 8 to 15 words, by number.
pub(crate) fn prompts(n: usize) -> PromptSet {
    let text = |prompt: usize| (0..8 + prompt % 8).map(|word| format!("word{prompt}x{word}")).collect::<Vec<_>>().join(" ");
    let prompt = |i: usize| Prompt { id: format!("made-{i}"), kind: "list".into(), language: "en".into(), text: text(i) };
    PromptSet {
        name: "made".into(),
        version: "1".into(),
        licence: "CC0-1.0".into(),
        origin: "made".into(),
        prompts: (0..n).map(prompt).collect(),
    }
}
