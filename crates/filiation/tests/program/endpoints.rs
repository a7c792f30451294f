//! Lineage and identity of suspects that only answer: endpoints, and what `filiation probe` kept of them.

use crate::probe::server::{Do, Server, completion, echo};
use crate::{BASE, FINETUNED, INDEPENDENT, Run, filiation, root};
use forward::{Options, Request, Responder};
use serde_json::{Value, json};
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn written(&self, name: &str, lines: impl Iterator<Item = Value>) -> String {
        std::fs::write(self.path(name), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        self.named(name)
    }

    /// A command with a suspect that is an endpoint, into the transcript `t.jsonl`.
    fn asked(&self, args: &[&str]) -> Run {
        let budget = ["--name", "m", "--budget-requests", "200", "--budget-tokens", "100000", "--format", "json", "--quiet"];
        filiation(&[args, &["--transcript", &self.named("t.jsonl")], &budget].concat())
    }

    /// A transcript of `filiation probe` of prompts that are sent as they are.
    fn probed(&self, name: &str, server: &Server, prompts: &str, more: &[&str]) -> String {
        let file = self.named(name);
        let first = ["probe", "--endpoint", &server.url, "--model", "m", "-o", &file, "--mode", "completions", "--quiet"];
        let budget = ["--prompts", prompts, "--budget-requests", "4000", "--budget-tokens", "1000000"];
        let run = filiation(&[&first[..], &budget, more].concat());
        assert_eq!(run.code, 0, "{run}");
        file
    }
}

fn body(server: &Server, i: usize) -> Value {
    serde_json::from_str(&server.requests()[i].body).unwrap()
}

#[test]
fn a_kept_order_is_read_by_an_endpoint_once() {
    let folder = Folder::new();
    let words = ["the", "old", "harbour", "was", "quiet", "that", "morning", "and", "two", "boats", "had", "left"];
    let text = |i: usize| (0..8).map(|k| words[(i * (k + 3) + k + i / 12) % 12]).collect::<Vec<_>>().join(" ");
    let documents = (0..40).map(|i| json!({ "text": text(i) })).chain([json!({"prompt": "hi", "reply": "ho"})]);
    let order = folder.written("order.jsonl", documents);
    // Questions between marks come first, then texts as they are.
    let script = std::iter::once("User: hi\nAssistant: ho\n".to_owned()).chain((0..40).map(text)).map(|text| echo(&text));
    let server = Server::begin(script.collect());
    let args = ["palimpsest", &order, &server.url, "--base", BASE];
    let run = folder.asked(&args);
    let found = run.json();
    assert_eq!((found["outcome"].as_str(), found["n"].as_u64()), (Some("observed"), Some(41)), "{run}");
    assert_eq!(body(&server, 1)["prompt"], json!(text(0)));
    assert_eq!(folder.asked(&args), run);
    assert_eq!(server.requests().len(), 41, "what was answered is not asked twice");
    let run = filiation(&["palimpsest", &order, &server.url, "--base", BASE]);
    assert!(run.code == 2 && run.stderr.contains("`--name`: found none, expected one with a suspect that is an endpoint"), "{run}");
}

#[test]
fn agreement_asks_an_endpoint_for_its_most_probable_token() {
    let folder = Folder::new();
    let prompts = [json!({"prompt": "Who?"}), json!({"prompt": "Where?", "begun": "In the"})];
    let prompts = folder.written("prompts.jsonl", prompts.into_iter());
    let server = Server::begin(vec![completion(" a", 6), completion(" harbour", 9)]);
    let run = folder.asked(&["agreement", BASE, &server.url, "--control", INDEPENDENT, "--control", FINETUNED, "--prompts", &prompts]);
    assert!(run.json()["why"].as_str().unwrap().contains("all models answered 2 prompts, and 3000 are needed"), "{run}");
    let asked = |prompt: &str| json!({"model": "m", "prompt": prompt, "max_tokens": 1, "temperature": 0.0});
    assert_eq!(body(&server, 0), asked("User: Who?\nAssistant:"));
    assert_eq!(body(&server, 1), asked("User: Where?\nAssistant: In the"));
}

/// The most probable token after each text, as the model's own tokenizer shows it.
fn top_tokens(model: &str, texts: &[String]) -> Vec<String> {
    let model = sources::Model::open(&root().join(model)).unwrap();
    let Responder { sampler, tokenizer, .. } = Responder::read(&model).unwrap().unwrap();
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| forward::Chat::bare().asked_ids(&tokenizer, text).unwrap()).collect();
    let requests: Vec<Request<'_>> = ids.iter().map(|ids| Request { prompt: ids, seed: 0 }).collect();
    let options = Options { temperature: 0.0, top_p: None, max_tokens: 1, stop: Vec::new(), watermark: None };
    let replies = sampler.reply(&requests, &options, &|_| ()).unwrap();
    replies.iter().map(|reply| tokenizer.decode(&reply.tokens).unwrap()).collect()
}

#[test]
fn a_probe_that_was_paid_for_agrees_with_the_model_that_answered_it() {
    let folder = Folder::new();
    let words = ["the", "old", "harbour", "was", "quiet", "that", "morning", "and", "two", "boats", "had", "left", "for", "a", "day"];
    let texts: Vec<String> = (0..3000).map(|i| [i % 15, i / 15 % 15, i / 225].map(|word| words[word]).join(" ")).collect();
    let prompts = folder.written("prompts.jsonl", texts.iter().enumerate().map(|(i, text)| json!({"id": i.to_string(), "prompt": text})));
    // A server may show a token without the space before it.
    let seeds: Vec<String> = (1..5).map(|seed| format!("testdata/lineage/seed-{seed}")).collect();
    let answers = top_tokens(&seeds[0], &texts).into_iter().map(|token| completion(token.trim_start(), 5));
    let server = Server::begin(answers.collect());
    let transcript = folder.probed("probe.jsonl", &server, &prompts, &[]);
    let agreement = |reference: usize| {
        let siblings = (0..4).filter(|&i| i != reference).flat_map(|i| ["--sibling", &seeds[i]]);
        let args: Vec<&str> =
            ["agreement", &seeds[reference], &transcript, "--quiet", "--format", "json"].into_iter().chain(siblings).collect();
        filiation(&args).json()
    };
    let (own, of_another) = (agreement(0), agreement(1));
    assert_eq!(own["parts"][0]["value"], 1.0, "{own}");
    let (delta, other) = (own["statistic"].as_f64().unwrap(), of_another["statistic"].as_f64().unwrap());
    assert!(delta > 0.0 && other < 0.0 && of_another["parts"][0]["value"].as_f64().unwrap() < 1.0, "{own} {of_another}");

    let few = ["agreement", BASE, &transcript, "--control", INDEPENDENT];
    let run = filiation(&[&few[..], &["--prompts", &prompts]].concat());
    assert!(run.code == 2 && run.stderr.contains("`--prompts`: found a transcript beside it"), "{run}");
    let run = filiation(&[&few[..], &["--name", "m"]].concat());
    assert!(run.code == 2 && run.stderr.contains("`--name`: found a transcript on this machine, expected an endpoint's URL"), "{run}");
}

#[test]
fn a_transcript_of_other_questions_is_no_agreement() {
    let folder = Folder::new();
    let prompts = folder.written("prompts.jsonl", [json!({"id": "a", "prompt": "say"})].into_iter());
    let server = Server::begin(vec![completion("a b", 5)]);
    let replies = folder.probed("replies.jsonl", &server, &prompts, &["--ask", "reply", "--max-tokens", "5"]);
    let run = filiation(&["agreement", BASE, &replies, "--control", INDEPENDENT]);
    let expected =
        "found replies of up to 5 tokens at temperature 1, expected the most probable next token of each prompt\n\nhint: make one with";
    assert!(run.code == 1 && run.stderr.contains(expected), "{run}");

    let order = folder.written("order.jsonl", [json!({"text": "two boats"})].into_iter());
    let server = Server::begin(vec![echo("two boats")]);
    assert_eq!(folder.asked(&["palimpsest", &order, &server.url, "--base", BASE]).code, 0);
    for command in ["agreement", "equality"] {
        let more: &[&str] = if command == "agreement" { &["--control", INDEPENDENT] } else { &[] };
        let run = filiation(&[&[command, BASE, &folder.named("t.jsonl")][..], more].concat());
        assert!(run.code == 1 && run.stderr.contains("request `0`: found other keys, expected what `filiation probe` sends"), "{run}");
    }
}

/// Answers to ten prompts, eight each, in the order in which they are asked.
fn said(words: [&str; 2]) -> impl Iterator<Item = &str> {
    (0..80).map(move |i| words[i % 2])
}

fn samples(folder: &Folder, name: &str, words: [&str; 2]) -> String {
    folder.written(name, said(words).enumerate().map(|(i, word)| json!({"prompt": format!("p{}", i / 8), "reply": word})))
}

fn answering(words: [&str; 2]) -> Server {
    Server::begin(said(words).map(|word| completion(word, 5)).collect())
}

#[test]
fn equality_finds_the_same_in_samples_transcripts_and_endpoints() {
    let folder = Folder::new();
    let prompts = folder.written("prompts.jsonl", (0..10).map(|i| json!({"id": i.to_string(), "prompt": format!("p{i}")})));
    let (harbour, rope) = (["harbour", "boat"], ["rope", "dawn"]);
    let (model, other) = (samples(&folder, "model.jsonl", harbour), samples(&folder, "other.jsonl", rope));
    let equality = |other: &str| filiation(&["equality", &model, other, "--quiet", "--format", "json"]).json();
    let of_samples = equality(&other);
    assert!((of_samples["log10P"].as_f64().unwrap() + 3.0).abs() < 1e-9, "{of_samples}");
    let more = ["--ask", "reply", "--samples", "8", "--max-tokens", "5"];
    let transcript = folder.probed("probe.jsonl", &answering(rope), &prompts, &more);
    assert_eq!(equality(&transcript), of_samples);

    let server = answering(rope);
    let args = ["equality", &model, &server.url, "--samples", "8", "--mode", "completions", "--temperature", "0.7"];
    let run = folder.asked(&args);
    assert_eq!(run.json(), of_samples);
    let seeds: std::collections::BTreeSet<String> = (0..80).map(|i| body(&server, i)["seed"].to_string()).collect();
    assert_eq!(seeds.len(), 80, "equal requests would be one answer");
    let first = body(&server, 0);
    assert_eq!((&first["prompt"], &first["temperature"]), (&json!("User: p0\nAssistant:"), &json!(0.7)));
    assert_eq!(folder.asked(&args), run);
    assert_eq!(server.requests().len(), 80, "what was answered is not asked twice");
    let run = filiation(&["equality", &model, &other, "--mode", "chat"]);
    assert!(run.code == 2 && run.stderr.contains("`--mode`: found a source on this machine, expected an endpoint's URL"), "{run}");
}

#[test]
fn a_model_beside_a_transcript_is_sampled_as_the_transcript_was() {
    let folder = Folder::new();
    let prompts = folder.written("prompts.jsonl", (0..2).map(|i| json!({"id": i.to_string(), "prompt": format!("the {i}")})));
    let server = Server::begin((0..4).map(|_| with_logprobs()).collect());
    let more = ["--ask", "reply", "--samples", "2", "--max-tokens", "3", "--temperature", "0.5", "--top-logprobs", "1"];
    let transcript = folder.probed("probe.jsonl", &server, &prompts, &more);
    let equality = |more: &[&str]| {
        filiation(&[&["equality", BASE, &transcript, "--samples", "2", "--quiet", "--format", "json"][..], more].concat()).json()
    };
    let found = equality(&[]);
    assert_eq!(found["outcome"], "observed");
    // Neither its length nor its temperature is asked for anew.
    assert_eq!(found, equality(&["--max-tokens", "7", "--temperature", "1"]));
    let parts = |found: &Value| found["parts"].as_array().unwrap().iter().map(|part| part["label"].clone()).collect::<Vec<_>>();
    assert!(!parts(&found).contains(&json!("tracking")), "a server's log-probabilities stand beside a server's alone");
    let both = filiation(&["equality", &transcript, &transcript, "--quiet", "--format", "json"]).json();
    assert!(parts(&both).contains(&json!("tracking")), "{both}");
}

fn with_logprobs() -> Do {
    let logprobs = json!({"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}]});
    let body = json!({"choices": [{"text": "a", "logprobs": logprobs, "finish_reason": "stop"}], "usage": {"total_tokens": 4}});
    Do::status(200, &body.to_string())
}
