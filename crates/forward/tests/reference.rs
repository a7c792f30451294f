//! The law of the engine: it computes what a slow and plain forward pass in f64 computes, which shares no code with it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{HeadAt, Network, Taps, Wanted};
use sources::Model;
use std::collections::BTreeMap;
use std::sync::Mutex;
use testmodels::{Dtype, FAMILIES, VARIANTS, family, save};

const TOKENS: [u32; 7] = [3, 17, 256, 17, 599, 41, 0];

/// Keeps everything it is told.
#[derive(Default)]
struct Everything {
    logits: Mutex<BTreeMap<(usize, usize), Vec<f32>>>,
    last: Mutex<BTreeMap<usize, Vec<f32>>>,
    attention: Mutex<BTreeMap<HeadAt, [Vec<f32>; 2]>>,
    stream: Mutex<BTreeMap<(usize, usize), Vec<f32>>>,
}

impl Taps for Everything {
    fn wanted(&self) -> Wanted {
        Wanted { attention: true, stream: true, units: true, logits: true }
    }

    fn attention(&self, at: HeadAt, scores: &[f32], probabilities: &[f32]) {
        self.attention.lock().unwrap().insert(at, [scores.to_vec(), probabilities.to_vec()]);
    }

    fn stream(&self, sequence: usize, layer: usize, values: &[f32]) {
        self.stream.lock().unwrap().insert((sequence, layer), values.to_vec());
    }

    fn last(&self, sequence: usize, values: &[f32]) {
        self.last.lock().unwrap().insert(sequence, values.to_vec());
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        self.logits.lock().unwrap().insert((sequence, position), values.to_vec());
    }
}

fn run(model: &Model, sequences: &[Vec<u32>]) -> Everything {
    let taps = Everything::default();
    Network::open(model).unwrap().run(sequences, &taps, &|_| ()).unwrap();
    taps
}

/// Largest difference, relative to the root mean square of what is expected.
fn difference(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (f64::from(*a) - b).abs() / size)
        .fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

#[test]
fn every_family_computes_what_the_reference_computes() {
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let network = family(name, 1);
        let folder = save(&network, Dtype::F32);
        let model = Model::open(folder.path()).unwrap();
        if name.starts_with("t5") || name == "whisper" {
            let refused = Network::open(&model).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains("compared by weights alone"), "{name}: {refused}");
            continue;
        }
        let tokens: Vec<usize> = TOKENS.iter().map(|&id| id as usize).collect();
        let expected: Vec<f64> = testmodels::forward(&network, &tokens).concat();
        let taps = run(&model, &[TOKENS.to_vec()]);
        let found: Vec<f32> = match name {
            "bert" => taps.last.lock().unwrap()[&0].clone(),
            _ => taps.logits.lock().unwrap().values().flatten().copied().collect(),
        };
        let difference = difference(&found, &expected);
        assert!(difference < 2e-5, "{name}: {difference:e}");
    }
}

#[test]
fn probabilities_sum_to_one_and_what_the_mask_hides_counts_nothing() {
    for name in ["llama", "mistral", "gemma2", "bert"] {
        let folder = save(&family(name, 1), Dtype::F32);
        let model = Model::open(folder.path()).unwrap();
        let taps = run(&model, &[TOKENS.to_vec(), TOKENS[..3].to_vec()]);
        for (at, [scores, probabilities]) in taps.attention.lock().unwrap().iter() {
            let n = [7, 3][at.sequence];
            for (query, (scores, row)) in scores.chunks_exact(n).zip(probabilities.chunks_exact(n)).enumerate() {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{name} {at:?}");
                for (key, (score, p)) in scores.iter().zip(row).enumerate() {
                    let is_windowed = name == "mistral" || (name == "gemma2" && at.layer != 1);
                    let seen = name == "bert" || (key <= query && (!is_windowed || key + 4 > query));
                    assert_eq!((score.is_finite(), *p > 0.0), (seen, seen), "{name} {at:?} {query} {key}");
                }
            }
        }
    }
}

#[test]
fn sequences_do_not_know_of_each_other_and_threads_change_no_bit() {
    for name in ["llama", "mixtral", "gpt_neox", "gemma3", "bert"] {
        let folder = save(&family(name, 1), Dtype::F32);
        let model = Model::open(folder.path()).unwrap();
        let sequences: Vec<Vec<u32>> = (0..40).map(|i| (0..5 + i % 50).map(|j| (i * 31 + j * j) as u32 % 600).collect()).collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&model, &sequences))
        };
        let one = with(1);
        for threads in [2, 7] {
            let other = with(threads);
            assert_eq!(*one.logits.lock().unwrap(), *other.logits.lock().unwrap(), "{name} at {threads} threads");
            assert_eq!(*one.attention.lock().unwrap(), *other.attention.lock().unwrap(), "{name} at {threads} threads");
            assert_eq!(*one.stream.lock().unwrap(), *other.stream.lock().unwrap(), "{name} at {threads} threads");
        }
        let alone = run(&model, &sequences[17..18]);
        for (place, expected) in alone.last.lock().unwrap().iter() {
            let found = &one.last.lock().unwrap()[&17];
            let expected: Vec<f64> = expected.iter().map(|&v| f64::from(v)).collect();
            assert!(difference(found, &expected) < 1e-5, "{name}, sequence {place}");
        }
    }
}

#[test]
fn what_cannot_be_run_says_why() {
    let folder = save(&family("llama", 1), Dtype::F32);
    let model = Model::open(folder.path()).unwrap();
    let network = Network::open(&model).unwrap();
    let taps = Everything::default();
    assert_eq!(network.run(&[[600]], &taps, &|_| ()).unwrap_err().to_string(), "token: found 600, expected one below 600");

    let mut odd = family("llama", 1);
    odd.set_config("hidden_act", "mish");
    let folder = save(&odd, Dtype::F32);
    let model = Model::open(folder.path()).unwrap();
    let refused = Network::open(&model).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "its activation is `mish`, which is not known here");
}
