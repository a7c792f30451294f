//! `filiation probe` and suspects that are endpoints, before a server that answers from a script.

#[expect(dead_code, reason = "the tests of the crate `probe` use the rest")]
#[path = "../../../probe/tests/server/mod.rs"]
pub(crate) mod server;

use crate::{BASE, command, filiation, finish, root};
use ::filiation::cli::endpoint::EndpointArgs;
use ::filiation::cli::suspect::SuspectArgs;
use ::filiation::library;
use forward::{FinishReason, Scored, Scorer};
use server::{Do, Server, completion, echo};
use std::path::{Path, PathBuf};

fn probe(server: &Server, file: &Path, more: &[&str]) -> crate::Run {
    let file = file.display().to_string();
    let first = ["probe", "--endpoint", &server.url, "--model", "m", "-o", &file, "--mode", "completions", "--quiet"];
    filiation(&[&first, more].concat())
}

/// The rows of a summary, without the digest, which hangs on the port and the times.
fn rows(stdout: &str) -> Vec<String> {
    let row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    stdout.lines().map(row).filter(|row| !row.starts_with("sha256") && !row.starts_with("transcript")).collect()
}

#[test]
fn a_run_stops_at_its_budget_and_goes_on_with_a_larger_one() {
    let folder = tempfile::tempdir().unwrap();
    let (file, prompts) = (folder.path().join("t.jsonl"), folder.path().join("prompts.jsonl"));
    let line = |i: usize| format!("{{\"id\": \"p{i}\", \"prompt\": \"say {i}\"}}\n");
    std::fs::write(&prompts, (0..4).map(line).collect::<String>()).unwrap();
    let prompts = prompts.display().to_string();
    let too_long = Do::status(400, "{\"error\": {\"message\": \"too long\"}}");
    let script = vec![completion("a", 6), completion("b", 6), too_long, completion("d", 6), completion("c", 6)];
    let server = Server::begin(script);
    let run = probe(&server, &file, &["--prompts", &prompts, "--budget-requests", "2", "--budget-tokens", "100"]);
    assert_eq!(run.code, 1, "{run}");
    let first = ["asked 4", "answered now 2", "found 0", "refused 0", "requests 2 of a budget of 2", "tokens 12 of a budget of 100"];
    assert_eq!(rows(&run.stdout), first);
    let expected = "error: budget of requests is used up: 2 of 2 were sent\n\nhint: everything answered is kept; the same call with a larger budget goes on from there\n";
    assert_eq!(run.stderr, expected);
    let larger = ["--prompts", &prompts, "--budget-requests", "9", "--budget-tokens", "100"];
    let run = probe(&server, &file, &larger);
    assert_eq!(run.code, 0, "{run}");
    let then = ["asked 4", "answered now 1", "found 2", "refused 1", "requests 4 of a budget of 9", "tokens 18 of a budget of 100"];
    assert_eq!(rows(&run.stdout), then);
    // What was refused is asked once more; the rest is not.
    let run = probe(&server, &file, &larger);
    assert_eq!(rows(&run.stdout)[1..4], ["answered now 1", "found 3", "refused 0"]);
    assert_eq!(server.requests().len(), 5);
    let other = probe(&server, &file, &["--ask", "reply", "--prompts", &prompts, "--budget-requests", "9", "--budget-tokens", "100"]);
    assert_eq!(other.code, 1, "{other}");
    assert!(other.stderr.contains("hint: name another file, or remove this one"), "{other}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::begin(Vec::new());
    let file = folder.path().join("t.jsonl");
    let run = probe(&server, &file, &[]);
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("--budget-requests <N>") && run.stderr.contains("--budget-tokens <N>"), "{run}");
    let budget = ["--budget-requests", "9", "--budget-tokens", "100"];
    for (option, sentence) in [
        (["--temperature", "-1"], "temperature: found -1, expected 0 or more"),
        (["--rate", "0"], "rate: found 0, expected requests a minute above 0"),
        (["--samples", "0"], "samples and tokens of a reply: found 0, expected at least 1"),
    ] {
        let option = option.join("=");
        let run = probe(&server, &file, &[&[option.as_str()][..], &budget].concat());
        assert_eq!((run.code, run.stderr.contains(sentence)), (2, true), "{run}");
    }
    let twice = folder.path().join("twice.jsonl");
    std::fs::write(&twice, "{\"id\": \"a\", \"prompt\": \"x\"}\n{\"id\": \"a\", \"prompt\": \"y\"}\n").unwrap();
    let run = probe(&server, &file, &[&["--prompts", &twice.display().to_string()][..], &budget].concat());
    assert!(run.stderr.contains("id of the prompt in line 2: found `a` once more, expected an id of its own"), "{run}");
    let mut keyed =
        command(&["probe", "--endpoint", "http://example.org/v1", "--model", "m", "-o", "t", "--budget-requests=1", "--budget-tokens=1"]);
    let run = finish({
        keyed.env("FILIATION_API_KEY", "sk-for-nobody");
        keyed
    });
    assert!(run.code == 2 && run.stderr.contains("expected `https://`") && !run.stderr.contains("sk-for"), "{run}");
    assert!(!file.exists() && server.requests().is_empty());
}

#[test]
fn a_suspect_scores_wherever_its_weights_are() {
    let args = |suspect: &str| SuspectArgs { suspect: suspect.into(), chat: Some("dialogues".into()), endpoint: EndpointArgs::default() };
    let text = [Scored { prompt: "hi", reply: "ho hoho", finish_reason: FinishReason::Stop }];
    let base: PathBuf = root().join(BASE);
    let here = library::suspect(&args(&base.display().to_string()), "a test").unwrap();
    assert!(here.scorer().unwrap().score(&text, &|_| ()).unwrap()[0].unwrap().mean() < 0.0);
    // As `filiation inspect testdata/models/base` prints it.
    assert!(here.digest().unwrap().starts_with("5accfd23db6b2853"));

    let folder = tempfile::tempdir().unwrap();
    let server = Server::begin(vec![echo("User: hi\nAssistant: ho hoho\n")]);
    let transcript = folder.path().join("t.jsonl");
    let endpoint = EndpointArgs {
        name: Some("m".into()),
        budget_requests: Some(5),
        budget_tokens: Some(1000),
        transcript: Some(transcript),
        rate: None,
    };
    let whole = SuspectArgs { endpoint: endpoint.clone(), ..args(&server.url) };
    let there = library::suspect(&whole, "a test").unwrap();
    assert_eq!(there.label, format!("m at {}", server.url));
    assert_eq!(there.scorer().unwrap().score(&text, &|_| ()).unwrap()[0].unwrap().logprob, -9.0);
    assert_eq!(there.digest().unwrap().len(), 64);
    drop(there);
    let again = library::suspect(&whole, "a test").unwrap();
    assert_eq!(again.scorer().unwrap().score(&text, &|_| ()).unwrap()[0].unwrap().tokens, 3);
    assert_eq!(server.requests().len(), 1);

    let sentence = |args: &SuspectArgs| library::suspect(args, "a test").err().unwrap().to_string();
    assert_eq!(sentence(&args(&server.url)), "`--name`: found none, expected one with a suspect that is an endpoint");
    let none = SuspectArgs { endpoint: EndpointArgs { transcript: None, ..endpoint }, ..whole };
    assert_eq!(sentence(&none), "`--transcript`: found none, expected one with a suspect that is an endpoint");
    let local = SuspectArgs { endpoint: EndpointArgs { name: Some("m".into()), ..EndpointArgs::default() }, ..args(BASE) };
    assert_eq!(sentence(&local), "`--name`: found a suspect on this machine, expected an endpoint's URL");
}
