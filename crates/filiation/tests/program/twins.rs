//! Twins that the owner's own endpoint draws, before a server that answers from a script.

use crate::probe::server::{Do, Server, echo};
use crate::{BASE, Run, filiation};
use ::twins::{CampaignKey, Secret, TwinFile};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What the service answers to a message, under the name that it gives its configuration.
fn said(text: &str, finish_reason: &str, fingerprint: &str) -> Do {
    let body = json!({"choices": [{"message": {"content": text}, "finish_reason": finish_reason}], "usage": {"total_tokens": 9},
        "system_fingerprint": fingerprint});
    Do::status(200, &body.to_string())
}

/// A log of three requests, a key, and what is made of them.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let line = |i: usize| {
            let sampling = json!({"temperature": 0.7, "topP": 0.95, "maxTokens": 16});
            let line = json!({"requestId": format!("r-{i}"), "prompt": format!("say {i}"), "reply": format!("old {i}"),
                "finishReason": "stop", "sampling": sampling});
            format!("{line}\n")
        };
        std::fs::write(folder.path().join("log.jsonl"), (0..3).map(line).collect::<String>()).unwrap();
        Secret::create(&folder.path().join("key.json")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn key(&self) -> CampaignKey {
        Secret::open(&self.path("key.json")).unwrap().campaign("spring")
    }

    /// Draws into `NAME.jsonl`, by way of `NAME-transcript.jsonl`.
    fn draw(&self, model: &str, name: &str, more: &[&str]) -> Run {
        let of = |name: &str| self.path(name).display().to_string();
        let (log, key) = (of("log.jsonl"), of("key.json"));
        let (output, transcript) = (of(&format!("{name}.jsonl")), of(&format!("{name}-transcript.jsonl")));
        let mut args = vec!["twins", "draw", &log, "--model", model, "--key", &key, "--campaign", "spring", "-o", &output, "--quiet"];
        let endpoint = ["--name", "ours", "--budget-requests", "20", "--budget-tokens", "2000", "--transcript", &transcript];
        if model.starts_with("http") {
            args.extend(endpoint);
        }
        args.extend(more);
        filiation(&args)
    }
}

fn body(server: &Server, i: usize) -> Value {
    serde_json::from_str(&server.requests()[i].body).unwrap()
}

#[test]
fn a_drawing_from_an_endpoint_that_failed_ends_as_the_bytes_of_one_that_did_not() {
    let bench = Bench::new();
    let answers = || (0..6).map(|i| said(&format!("new {i}"), if i == 4 { "length" } else { "stop" }, "fp_1"));
    let whole = Server::begin(answers().collect());
    let run = bench.draw(&whole.url, "whole", &[]);
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.starts_with("3 requests, 2 twins each, 0 of them placebo"), "{run}");
    assert!(run.stdout.contains("endpoint model `ours`, fingerprint fp_1, transcript SHA-256 "), "{run}");
    // The service loses its key after three answers, and has it again.
    let lost = Do::status(401, "{\"error\": {\"message\": \"no key\"}}");
    let faulty = Server::begin(answers().take(3).chain([lost]).chain(answers().skip(3)).collect());
    let run = bench.draw(&faulty.url, "cut", &[]);
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("answered 401: no key") && run.stderr.contains("hint: the key is read from"), "{run}");
    let run = bench.draw(&faulty.url, "cut", &[]);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(faulty.requests().len(), 7, "what was answered is not asked twice");
    assert_eq!(bench.text("cut.jsonl"), bench.text("whole.jsonl"));
    let run = bench.draw(&faulty.url, "cut", &[]);
    assert!(run.code == 0 && run.stdout.contains("3 were there already") && faulty.requests().len() == 7, "{run}");

    let file = TwinFile::open(&bench.path("whole.jsonl")).unwrap();
    let snapshot = &file.header.snapshot;
    assert_eq!((snapshot.path.as_str(), snapshot.tensor_root.as_str()), ("ours", "endpoint:ours"));
    assert_eq!(snapshot.system_fingerprint.as_deref(), Some("fp_1"));
    assert!(!bench.text("whole.jsonl").contains("127.0.0.1"), "a file of twins names no address");
    assert_eq!(serde_json::to_value(&file.lines[2].twins).unwrap()[0], json!({"text": "new 4", "finishReason": "length"}));
    for i in 0..6 {
        let (request, twin) = (format!("r-{}", i / 2), i % 2 + 1);
        let expected = json!({"model": "ours", "messages": [{"role": "user", "content": format!("say {}", i / 2)}],
            "temperature": 0.7, "top_p": 0.95, "max_tokens": 16, "seed": bench.key().seed(&request, twin)});
        assert_eq!(body(&whole, i), expected);
    }
    assert!(bench.text("whole-transcript.jsonl").contains("\"id\":\"r-2/2\""));
}

#[test]
fn completions_are_asked_with_the_marks_of_the_chat() {
    let bench = Bench::new();
    let answer = |i: usize| {
        let body = json!({"choices": [{"text": format!(" new {i}\nUser: and"), "finish_reason": "stop"}], "usage": {"total_tokens": 9}});
        Do::status(200, &body.to_string())
    };
    let server = Server::begin((0..6).map(answer).collect());
    let run = bench.draw(&server.url, "twins", &["--mode", "completions"]);
    assert_eq!(run.code, 0, "{run}");
    let first = body(&server, 0);
    assert_eq!((&first["prompt"], &first["stop"]), (&json!("User: say 0\nAssistant:"), &json!(["\n"])));
    let file = TwinFile::open(&bench.path("twins.jsonl")).unwrap();
    assert_eq!((file.lines[0].twins[0].text.as_str(), &file.header.snapshot.system_fingerprint), ("new 0", &None));
}

#[test]
fn answers_that_are_no_draws_of_one_snapshot_end_a_drawing() {
    let bench = Bench::new();
    for (i, (second, expected)) in [
        (said("b", "stop", "fp_2"), "`system_fingerprint` of the reply to `r-0/2`: found `fp_2`, expected `fp_1`"),
        (
            said("b", "content_filter", "fp_1"),
            "`finish_reason` of the reply to `r-0/2`: found `content_filter`, expected `stop` or `length`",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let server = Server::begin(vec![said("a", "stop", "fp_1"), second]);
        let run = bench.draw(&server.url, &i.to_string(), &[]);
        assert!(run.code == 1 && run.stderr.contains(expected) && run.stderr.contains("\n\nhint: "), "{run}");
        assert_eq!(server.requests().len(), 2);
    }
    // A file that one configuration began is not gone on with by another, whatever the transcript.
    let server = Server::begin((0..6).map(|_| said("a", "stop", "fp_1")).collect());
    assert_eq!(bench.draw(&server.url, "twins", &[]).code, 0);
    std::fs::remove_file(bench.path("twins-transcript.jsonl")).unwrap();
    let other = Server::begin(vec![said("a", "stop", "fp_2")]);
    let run = bench.draw(&other.url, "twins", &[]);
    assert!(run.code == 1 && run.stderr.contains("(fingerprint `fp_1`)") && run.stderr.contains("(fingerprint `fp_2`)"), "{run}");
}

#[test]
fn options_of_endpoints_and_snapshots_on_this_machine_do_not_mix() {
    let bench = Bench::new();
    for (option, value) in [("--name", "m"), ("--mode", "chat")] {
        let run = bench.draw(BASE, "twins", &[option, value]);
        let expected = format!("error: `{option}`: found a snapshot on this machine, expected an endpoint's URL");
        assert!(run.code == 2 && run.stderr.contains(&expected), "{run}");
    }
    let log = bench.path("log.jsonl").display().to_string();
    let (key, output) = (bench.path("key.json").display().to_string(), bench.path("x.jsonl").display().to_string());
    let run = filiation(&["twins", "draw", &log, "--model", "http://127.0.0.1:9/v1", "--key", &key, "--campaign", "c", "-o", &output]);
    let expected = "error: `--name`: found none, expected one with a snapshot that is an endpoint";
    assert!(run.code == 2 && run.stderr.contains(expected) && !Path::new(&output).exists(), "{run}");
}

#[test]
fn a_served_snapshot_and_a_served_suspect_are_tested_from_the_log_to_the_report() {
    let bench = Bench::new();
    let server = Server::begin((0..6).map(|i| said(&format!("new {i}"), "stop", "fp_1")).collect());
    assert_eq!(bench.draw(&server.url, "twins", &[]).code, 0);
    let of = |name: &str| bench.path(name).display().to_string();
    let (twins, key, commitment, transcript) = (of("twins.jsonl"), of("key.json"), of("commitment.json"), of("suspect.jsonl"));
    let run = filiation(&["twins", "commit", &twins, "--key", &key, "-o", &commitment, "--quiet"]);
    assert_eq!(run.code, 0, "{run}");
    let texts = (0..3).flat_map(|i| [format!("old {i}"), format!("new {}", 2 * i), format!("new {}", 2 * i + 1)].map(|text| (i, text)));
    let suspect = Server::begin(texts.map(|(i, text)| echo(&format!("User: say {i}\nAssistant: {text}\n"))).collect());
    let args = ["twins", "test", &twins, &suspect.url, "--commitment", &commitment, "--name", "theirs", "--transcript", &transcript];
    let budget = ["--budget-requests", "9", "--budget-tokens", "900", "--format", "json", "--quiet"];
    let report = filiation(&[&args[..], &budget].concat()).json();
    assert_eq!(suspect.requests().len(), 9);
    // The server finds a word as improbable as it is long, and twins are as long as what was released.
    assert_eq!(report["verdicts"][0]["conclusion"], "no-evidence-of-distillation");
    let side = &report["case"]["reference"];
    assert_eq!((&side["path"], &side["format"]), (&json!("ours"), &json!("endpoint")));
}
