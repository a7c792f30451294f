//! The laws of replies: they are what a whole forward pass says, drawn by the seed and by nothing else.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{Network, Options, Reply, Request, Sampler, Scheme, Taps, Wanted, Watermark};
use sources::Model;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use testmodels::{Dtype, FAMILIES, VARIANTS, family, save};

const BASE: &str = "../../testdata/models/base";

/// Logits of every position.
#[derive(Default)]
struct Logits(Mutex<BTreeMap<(usize, usize), Vec<f32>>>);

impl Taps for Logits {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        self.0.lock().unwrap().insert((sequence, position), values.to_vec());
    }
}

fn options(temperature: f32, max_tokens: usize) -> Options {
    Options { temperature, top_p: None, max_tokens, stop: Vec::new(), watermark: None }
}

/// Prompts of 1 to 9 tokens.
fn prompts(n: usize, vocabulary: usize) -> Vec<Vec<u32>> {
    (0..n).map(|i| (0..1 + i % 9).map(|j| ((i * 31 + j * j * 7 + 3) % vocabulary) as u32).collect()).collect()
}

fn requests(prompts: &[Vec<u32>]) -> Vec<Request<'_>> {
    prompts.iter().zip(100..).map(|(prompt, seed)| Request { prompt, seed }).collect()
}

fn reply(sampler: &Sampler, requests: &[Request<'_>], options: &Options) -> Vec<Reply> {
    sampler.reply(requests, options, &|_| ()).unwrap()
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().map(|&l| f64::from(l)).fold(f64::NEG_INFINITY, |a, b| if b > a { b } else { a });
    let total: f64 = logits.iter().map(|&l| (f64::from(l) - largest).exp()).sum();
    logits.iter().map(|&l| f64::from(l) - largest - total.ln()).collect()
}

fn argmax(values: &[f32]) -> usize {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a))).unwrap()
}

/// Replies to the prompts, each held against the logits of one forward pass over prompt and reply.
fn meets_the_forward_pass(name: &str, model: &Model, sampler: &Sampler, temperature: f32) {
    let prompts = prompts(12, sampler.vocabulary());
    let replies = reply(sampler, &requests(&prompts), &options(temperature, 14));
    let whole: Vec<Vec<u32>> = prompts.iter().zip(&replies).map(|(prompt, reply)| [prompt.as_slice(), &reply.tokens].concat()).collect();
    let taps = Logits::default();
    Network::open(model).unwrap().run(&whole, &taps, &|_| ()).unwrap();
    let logits = taps.0.lock().unwrap();
    for (i, (prompt, reply)) in prompts.iter().zip(&replies).enumerate() {
        assert_eq!((reply.tokens.len(), reply.logprobs.len()), (14, 14), "{name}");
        for (j, (&token, &logprob)) in reply.tokens.iter().zip(&reply.logprobs).enumerate() {
            let logits = &logits[&(i, prompt.len() + j - 1)];
            let expected = log_softmax(logits)[token as usize];
            assert!((f64::from(logprob) - expected).abs() < 1e-4, "{name}, reply {i}, token {j}: {logprob} for {expected}");
            if temperature == 0.0 {
                // Where two logits are all but equal, a sum in another order may change which is first.
                let best = argmax(logits);
                assert!(token as usize == best || logits[best] - logits[token as usize] < 1e-5, "{name}, reply {i}, token {j}");
            }
        }
    }
}

#[test]
fn replies_are_what_a_whole_forward_pass_says_in_every_family_of_decoders() {
    let mut ran = Vec::new();
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let folder = save(&family(name, 1), Dtype::F32);
        let model = Model::open(folder.path()).unwrap();
        let Ok(sampler) = Sampler::read(&model).unwrap() else { continue };
        meets_the_forward_pass(name, &model, &sampler, 0.0);
        meets_the_forward_pass(name, &model, &sampler, 1.0);
        ran.push(name);
    }
    for name in ["llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt2", "gpt_neox"] {
        assert!(ran.contains(&name), "{ran:?}");
    }
}

#[test]
fn distributions_are_those_of_a_whole_forward_pass() {
    for name in ["llama", "gemma2", "gpt2"] {
        let folder = save(&family(name, 1), Dtype::F32);
        let model = Model::open(folder.path()).unwrap();
        let sampler = Sampler::read(&model).unwrap().unwrap();
        let sequences = prompts(90, sampler.vocabulary());
        let taps = Logits::default();
        Network::open(&model).unwrap().run(&sequences, &taps, &|_| ()).unwrap();
        let wanted: Vec<(&[u32], usize)> = sequences.iter().enumerate().map(|(i, tokens)| (tokens.as_slice(), i % 3)).collect();
        let found = sampler.distributions(&wanted, 2.0).unwrap();
        for (i, (tokens, from)) in wanted.iter().enumerate() {
            let rows: Vec<&[f32]> = found[i].chunks_exact(sampler.vocabulary()).collect();
            assert_eq!(rows.len(), tokens.len().saturating_sub(1 + from), "{name} {i}");
            for (position, row) in (*from..).zip(rows) {
                let tempered: Vec<f32> = taps.0.lock().unwrap()[&(i, position)].iter().map(|l| l / 2.0).collect();
                let expected = log_softmax(&tempered);
                assert!(row.iter().zip(&expected).all(|(p, e)| (f64::from(*p) - e.exp()).abs() < 1e-5), "{name} {i} {position}");
            }
        }
    }
}

#[test]
fn a_reply_depends_on_its_prompt_and_seed_alone() {
    for name in ["llama", "gpt2", "gemma3"] {
        let folder = save(&family(name, 1), Dtype::F32);
        let sampler = Sampler::read(&Model::open(folder.path()).unwrap()).unwrap().unwrap();
        let prompts = prompts(150, sampler.vocabulary());
        let requests = requests(&prompts);
        let mut options = Options { top_p: Some(0.9), ..options(0.8, 12) };
        options.stop = (0..60).collect();
        let with = |threads: usize, requests: &[Request<'_>]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| reply(&sampler, requests, &options))
        };
        let expected = with(1, &requests);
        for threads in [2, 7] {
            assert_eq!(expected, with(threads, &requests), "{name} at {threads} threads");
        }
        let turned: Vec<Request<'_>> = requests.iter().rev().copied().collect();
        assert!(expected.iter().rev().eq(&with(2, &turned)), "{name}");
        for n in [1, 5, 64] {
            let parts: Vec<Reply> = requests.chunks(n).flat_map(|part| with(2, part)).collect();
            assert_eq!(expected, parts, "{name} by {n}");
        }
        // Replies end at a token that ends them or at the most tokens, and some do either.
        let ended = |reply: &Reply| options.stop.contains(reply.tokens.last().unwrap());
        assert!(expected.iter().all(|reply| ended(reply) || reply.tokens.len() == 12), "{name}");
        assert!(expected.iter().any(ended) && !expected.iter().all(ended), "{name}");
        let inside = expected.iter().flat_map(|reply| &reply.tokens[..reply.tokens.len() - 1]);
        assert!(inside.filter(|token| options.stop.contains(token)).count() == 0, "{name}");
        let other: Vec<Request<'_>> = requests.iter().map(|request| Request { seed: request.seed + 1000, ..*request }).collect();
        assert_ne!(expected, with(1, &other), "{name}");
    }
}

/// The laws of replies hold with a watermark too: threads, batches and order change no bit, log-probabilities are those of a forward pass.
#[test]
fn a_watermarked_reply_depends_on_its_prompt_seed_and_key_alone() {
    let folder = save(&family("llama", 1), Dtype::F32);
    let model = Model::open(folder.path()).unwrap();
    let sampler = Sampler::read(&model).unwrap().unwrap();
    let prompts = prompts(150, sampler.vocabulary());
    let requests = requests(&prompts);
    for (scheme, least) in [(Scheme::Kgw { gamma: 0.5, delta: 3.0 }, 0.8), (Scheme::Gumbel, 1.5)] {
        let watermark = Watermark::new(scheme, 2, [5; 32]).unwrap();
        let options = Options { watermark: Some(watermark.clone()), top_p: Some(0.95), ..options(1.0, 12) };
        let with = |threads: usize, requests: &[Request<'_>], options: &Options| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| reply(&sampler, requests, options))
        };
        let expected = with(1, &requests, &options);
        assert_eq!(expected, with(7, &requests, &options));
        let turned: Vec<Request<'_>> = requests.iter().rev().copied().collect();
        assert!(expected.iter().rev().eq(&with(2, &turned, &options)));
        let parts: Vec<Reply> = requests.chunks(5).flat_map(|part| with(2, part, &options)).collect();
        assert_eq!(expected, parts);
        let other = Options { watermark: Some(watermark.campaign("other")), ..options.clone() };
        assert_ne!(expected, with(2, &requests, &other));
        // Every place whose window was not there before, under the key that was used and under another.
        let score = |key: &Watermark| {
            let (mut sum, mut n) = (0.0, 0.0);
            for (prompt, reply) in prompts.iter().zip(&expected) {
                let whole = [prompt.as_slice(), &reply.tokens].concat();
                for end in prompt.len()..whole.len() {
                    if let Some(window) = key.window_of(&whole[..end], prompt.len()) {
                        (sum, n) = (sum + key.score(window, whole[end]), n + 1.0);
                    }
                }
            }
            sum / n
        };
        let law = if scheme == Scheme::Gumbel { 1.0 } else { 0.5 };
        let (own, strange) = (score(&watermark), score(&watermark.campaign("other")));
        assert!(own > least && (strange - law).abs() < 0.15, "{scheme:?}: {own} {strange}");
        let whole: Vec<Vec<u32>> =
            prompts.iter().zip(&expected).map(|(prompt, reply)| [prompt.as_slice(), &reply.tokens].concat()).collect();
        let taps = Logits::default();
        Network::open(&model).unwrap().run(&whole, &taps, &|_| ()).unwrap();
        let logits = taps.0.lock().unwrap();
        for (i, (prompt, reply)) in prompts.iter().zip(&expected).enumerate().take(20) {
            for (j, (&token, &logprob)) in reply.tokens.iter().zip(&reply.logprobs).enumerate() {
                let said = log_softmax(&logits[&(i, prompt.len() + j - 1)])[token as usize];
                assert!((f64::from(logprob) - said).abs() < 1e-4, "reply {i}, token {j}");
            }
        }
    }
}

#[test]
fn what_is_drawn_follows_the_softmax() {
    let model = Model::open(Path::new(BASE)).unwrap();
    let sampler = Sampler::read(&model).unwrap().unwrap();
    let prompt = [0, 41, 300, 12];
    let n = 20_000;
    for (temperature, top_p) in [(1.0, None), (0.5, None), (1.0, Some(0.6))] {
        let requests: Vec<Request<'_>> = (0..n).map(|seed| Request { prompt: &prompt, seed }).collect();
        let replies = reply(&sampler, &requests, &Options { top_p, ..options(temperature, 1) });
        let taps = Logits::default();
        Network::open(&model).unwrap().run(&[prompt], &taps, &|_| ()).unwrap();
        let tempered: Vec<f32> = taps.0.lock().unwrap()[&(0, 3)].iter().map(|l| l / temperature).collect();
        let mut shares: Vec<(f64, u32)> = log_softmax(&tempered).into_iter().map(f64::exp).zip(0..).collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        if let Some(p) = top_p {
            let mut before = 0.0;
            let is_kept = |(share, _): &&(f64, u32)| {
                before += share;
                before - share < f64::from(p)
            };
            let kept = shares.iter().take_while(is_kept).count();
            shares.truncate(kept);
        }
        let total: f64 = shares.iter().map(|(share, _)| share).sum();
        let mut counts = BTreeMap::new();
        replies.iter().for_each(|reply| *counts.entry(reply.tokens[0]).or_insert(0.0) += 1.0);
        // Tokens that are expected fewer than ten times are counted together.
        let (mut chi_square, mut classes, mut rest, mut rest_expected) = (0.0, 0.0, n as f64, n as f64);
        for (share, token) in shares {
            let expected = share / total * n as f64;
            let found = counts.remove(&token).unwrap_or(0.0);
            if expected >= 10.0 {
                chi_square += (found - expected) * (found - expected) / expected;
                classes += 1.0;
                (rest, rest_expected) = (rest - found, rest_expected - expected);
            }
        }
        assert!(counts.is_empty(), "drawn outside of the nucleus: {counts:?}");
        if rest_expected >= 10.0 {
            chi_square += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
            classes += 1.0;
        }
        // The law's mean is its degrees of freedom and its variance twice that: five deviations.
        let freedom: f64 = classes - 1.0;
        assert!(freedom > 5.0 && chi_square < freedom + 5.0 * (2.0 * freedom).sqrt(), "{chi_square} for {freedom}");
    }
}

#[test]
fn a_reply_ends_where_the_positions_end() {
    let folder = save(&family("gpt2", 1), Dtype::F32);
    let sampler = Sampler::read(&Model::open(folder.path()).unwrap()).unwrap().unwrap();
    let limit = sampler.max_positions().unwrap();
    let prompt: Vec<u32> = (0..limit as u32 - 3).collect();
    let replies = reply(&sampler, &[Request { prompt: &prompt, seed: 1 }], &options(1.0, 100));
    assert_eq!(replies[0].tokens.len(), 3);
    let full: Vec<u32> = (0..limit as u32).collect();
    assert_eq!(reply(&sampler, &[Request { prompt: &full, seed: 1 }], &options(1.0, 100)), [Reply::default()]);
    let refused = |prompt: &[u32], options: &Options| {
        sampler.reply(&[Request { prompt, seed: 1 }], options, &|_| ()).map(|_| ()).unwrap_err().to_string()
    };
    let long = [full.as_slice(), &[1]].concat();
    assert_eq!(refused(&long, &options(1.0, 1)), format!("prompt 0: found {} tokens, expected at most {limit}", limit + 1));
    assert_eq!(refused(&[], &options(1.0, 1)), "prompt 0: found no token, expected at least one");
    let unknown = format!("token: found 70000, expected one below {}", sampler.vocabulary());
    assert_eq!(refused(&[70_000], &options(1.0, 1)), unknown);
    assert_eq!(refused(&[1], &options(-1.0, 1)), "temperature: found -1, expected 0 or more");
    assert_eq!(refused(&[1], &options(f32::NAN, 1)), "temperature: found NaN, expected 0 or more");
    assert_eq!(refused(&[1], &Options { top_p: Some(0.0), ..options(1.0, 1) }), "top p: found 0, expected above 0 and at most 1");
    assert!(sampler.reply(&[], &options(1.0, 1), &|_| ()).unwrap().is_empty());
}

#[test]
fn what_does_not_predict_next_tokens_does_not_answer() {
    let folder = save(&family("bert", 1), Dtype::F32);
    let refused = Sampler::read(&Model::open(folder.path()).unwrap()).unwrap().map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "it does not predict next tokens");
}
