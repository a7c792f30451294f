//! From a teacher's log through students that are only endpoints: whose replies went to whom is found, and nothing of the kind where they did not.

use crate::probe::server::{Do, Request, Server};
use crate::{Run, filiation};
use forward::{Network, Taps, Tokenizer, Wanted};
use serde_json::{Value, json};
use sources::Model;
use std::path::Path;
use std::sync::Mutex;

const TEACHER: &str = "testdata/lineage/seed-1";
const OTHER_TEACHER: &str = "testdata/lineage/seed-3";
const PUBLIC_BASE: &str = "testdata/lineage/seed-2";

/// One log-probability a token of a text; none of the first.
struct Heard<'a> {
    tokens: &'a [u32],
    logprobs: Mutex<Vec<Option<f64>>>,
}

impl Taps for Heard<'_> {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logits(&self, _: usize, position: usize, values: &[f32]) {
        let Some(&next) = self.tokens.get(position + 1) else { return };
        let most = values.iter().copied().max_by(f32::total_cmp).unwrap();
        let sum: f64 = values.iter().map(|value| f64::from(value - most).exp()).sum();
        self.logprobs.lock().unwrap()[position + 1] = Some(f64::from(values[next as usize] - most) - sum.ln());
    }
}

/// `/completions` as OpenAI described it, of a model on this machine: with `echo` what it gives to a text's own tokens, and one token more; else the most
/// probable next tokens, after `logit_bias`.
fn serve(folder: &Path) -> Server {
    let model = Model::open(folder).unwrap();
    let tokenizer = Tokenizer::of(&model).unwrap();
    Server::answering(move |request: &Request| {
        let asked: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(asked["max_tokens"], 1, "{asked}");
        let text = asked["prompt"].as_str().unwrap();
        let encoded = tokenizer.encode(text).unwrap();
        if asked["echo"] != true {
            return next_tokens(&model, &tokenizer, &encoded.ids, &asked);
        }
        let heard = Heard { tokens: &encoded.ids, logprobs: Mutex::new(vec![None; encoded.ids.len()]) };
        Network::open(&model).unwrap().run(&[encoded.ids.as_slice()], &heard, &|_| ()).unwrap();
        let mut logprobs = heard.logprobs.into_inner().unwrap();
        let mut tokens: Vec<&str> = encoded.spans.iter().map(|&(from, to)| &text[from..to]).collect();
        let mut offsets: Vec<usize> = encoded.spans.iter().map(|&(from, _)| text[..from].chars().count()).collect();
        tokens.push("!");
        offsets.push(text.chars().count());
        logprobs.push(Some(-0.5));
        let logprobs = json!({"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets, "top_logprobs": null});
        let usage = json!({"prompt_tokens": encoded.ids.len(), "completion_tokens": 1, "total_tokens": encoded.ids.len() + 1});
        let choice = json!({"index": 0, "text": format!("{text}!"), "logprobs": logprobs, "finish_reason": "length"});
        Do::status(200, &json!({"choices": [choice], "usage": usage}).to_string())
    })
}

/// Log-probabilities of every next token.
struct Next(Mutex<Vec<f64>>);

impl Taps for Next {
    fn wanted(&self) -> Wanted {
        Wanted { logits: true, ..Wanted::default() }
    }

    fn logit_positions(&self, _: usize, n: usize) -> Vec<usize> {
        vec![n - 1]
    }

    fn logits(&self, _: usize, _: usize, values: &[f32]) {
        *self.0.lock().unwrap() = values.iter().copied().map(f64::from).collect();
    }
}

fn next_tokens(model: &Model, tokenizer: &Tokenizer, ids: &[u32], asked: &Value) -> Do {
    let next = Next(Mutex::default());
    Network::open(model).unwrap().run(&[ids], &next, &|_| ()).unwrap();
    let mut logits = next.0.into_inner().unwrap();
    for (id, bias) in asked["logit_bias"].as_object().into_iter().flatten() {
        logits[id.parse::<usize>().unwrap()] += bias.as_f64().unwrap();
    }
    let most = logits.iter().copied().max_by(f64::total_cmp).unwrap();
    let sum = most + logits.iter().map(|logit| (logit - most).exp()).sum::<f64>().ln();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let name = |id: usize| tokenizer.decode(&[id as u32]).unwrap();
    let shown = order.iter().take(asked["logprobs"].as_u64().unwrap() as usize);
    let top: serde_json::Map<String, Value> = shown.map(|&id| (name(id), json!(logits[id] - sum))).collect();
    let first = name(order[0]);
    let logprobs = json!({"tokens": [first], "token_logprobs": [logits[order[0]] - sum], "text_offset": [0], "top_logprobs": [top]});
    let choice = json!({"index": 0, "text": first, "logprobs": logprobs, "finish_reason": "length"});
    Do::status(200, &json!({"choices": [choice], "usage": {"total_tokens": ids.len() + 1}}).to_string())
}

fn done(args: &[&str]) -> Run {
    let run = filiation(&[args, &["--quiet"]].concat());
    assert_eq!(run.code, 0, "{args:?}: {run}");
    run
}

/// A log whose replies are those that a campaign drew and nobody released.
fn unreleased(log: &Path, twins: &Path, to: &Path) {
    let read = |path: &Path| -> Vec<Value> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let drawn = read(twins);
    let swapped = read(log).into_iter().enumerate().map(|(i, mut reply)| {
        if i > 0 {
            let of_request = drawn.iter().find(|line| line["requestId"] == reply["requestId"]).unwrap();
            reply["reply"] = of_request["twins"][0]["text"].clone();
            reply["finishReason"] = of_request["twins"][0]["finishReason"].clone();
        }
        format!("{reply}\n")
    });
    std::fs::write(to, swapped.collect::<String>()).unwrap();
}

#[test]
fn a_served_student_of_released_replies_is_told_from_those_of_unreleased_ones_of_another_teacher_and_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [log, key, twins, commitment] = ["log.jsonl", "key.json", "twins.jsonl", "commitment.json"].map(path);
    let replies = |teacher: &str, to: &str| {
        done(&["lab", "distil", "replies", teacher, "-o", to, "--dialogues", "40", "--seed", "3", "--max-tokens", "24"]);
    };
    replies(TEACHER, &log);
    done(&["twins", "key", "-o", &key]);
    let draw = |campaign: &str, to: &str| {
        done(&["twins", "draw", &log, "--model", TEACHER, "--key", &key, "--campaign", campaign, "--twins", "1", "-o", to]);
    };
    draw("spring", &twins);
    done(&["twins", "commit", &twins, "--key", &key, "--base", PUBLIC_BASE, "-o", &commitment]);

    draw("siblings", &path("siblings.jsonl"));
    unreleased(Path::new(&log), Path::new(&path("siblings.jsonl")), Path::new(&path("unreleased.jsonl")));
    replies(OTHER_TEACHER, &path("other.jsonl"));
    let tested = |name: &str, replies: &str, fraction: &str| -> Value {
        let student = path(name);
        let learn = ["lab", "distil", "student", replies, "--start", PUBLIC_BASE, "-o", &student, "--epochs", "4", "--fraction", fraction];
        done(&learn);
        let server = serve(Path::new(&student));
        let transcript = path(&format!("{name}-transcript.jsonl"));
        let asked = ["--name", "suspect", "--budget-requests", "200", "--budget-tokens", "200000", "--transcript", &transcript];
        let rest = ["--commitment", &commitment, "--base", PUBLIC_BASE, "--format", "json"];
        done(&[&["twins", "test", &twins, &server.url], &asked[..], &rest].concat()).json()
    };
    let conclusion = |report: &Value| report["verdicts"][0]["conclusion"].as_str().unwrap().to_owned();
    let log10_p = |report: &Value| report["findings"][0]["log10P"].as_f64().unwrap();

    let found = tested("student", &log, "1");
    assert_eq!((conclusion(&found).as_str(), &found["verdicts"][0]["question"]), ("supports-distillation", &json!("distillation")));
    assert!(log10_p(&found) < -6.0, "{}", log10_p(&found));
    assert!(found["verdicts"][0]["statement"].as_str().unwrap().contains("trained on replies that the reference"), "{found}");
    for (name, replies, fraction) in
        [("of-siblings", "unreleased.jsonl", "1"), ("of-another", "other.jsonl", "1"), ("of-nobody", "log.jsonl", "0")]
    {
        let found = tested(name, &path(replies), fraction);
        assert!(conclusion(&found) != "supports-distillation" && log10_p(&found) > -2.0, "{name}: {}", log10_p(&found));
    }
}

#[test]
fn an_endpoint_that_shows_a_few_tokens_at_a_time_shows_whose_output_layer_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&crate::root().join(TEACHER));
    let transcript = folder.path().join("transcript.jsonl").display().to_string();
    let found = |reference: &str, more: &[&str]| {
        let asked = ["image", reference, &server.url, "--name", "m", "--budget-requests", "900", "--budget-tokens", "900000", "--n", "6"];
        filiation(&[&asked[..], &["--transcript", &transcript, "--top-logprobs", "30", "--format", "json", "--quiet"], more].concat())
    };
    let own = found(TEACHER, &["--control", PUBLIC_BASE]).json();
    assert!(own["statistic"].as_f64().unwrap() > 1.0 - 1e-6 && own["log10P"].is_null(), "{own}");
    let control = own["parts"].as_array().unwrap().iter().find(|part| part["label"] == format!("inside {PUBLIC_BASE}")).unwrap();
    assert!(control["value"].as_f64().unwrap() < 0.99, "{own}");
    // 144 tokens, one of them in every question of 30.
    assert_eq!(server.requests().len(), 6 * 143usize.div_ceil(29));
    // Another reference with the same tokens asks nothing anew.
    let other = found(PUBLIC_BASE, &[]).json();
    assert!((other["statistic"].as_f64().unwrap() - control["value"].as_f64().unwrap()).abs() < 1e-9, "{other}");
    assert_eq!(server.requests().len(), 6 * 143usize.div_ceil(29));
    // The weights themselves say what their endpoint says.
    let here = filiation(&["image", TEACHER, TEACHER, "--n", "6", "--format", "json", "--quiet"]).json();
    assert!(here["statistic"].as_f64().unwrap() > 1.0 - 1e-6, "{here}");
    let short = filiation(&[
        "image",
        TEACHER,
        &server.url,
        "--name",
        "m",
        "--budget-requests",
        "9",
        "--budget-tokens",
        "9",
        "--transcript",
        "none",
        "--n",
        "6",
    ]);
    assert!(short.code == 2 && short.stderr.contains("found a budget of 9, expected at least 48"), "{short}");
    let few = filiation(&["image", TEACHER, TEACHER, "--tokens", "100"]);
    assert!(few.code == 1 && few.stderr.contains("expected at least 120"), "{few}");
}
