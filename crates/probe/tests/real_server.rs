//! The scorer in front of a real server; `real_server.py` begins one and says what it can do.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{Chat, FinishReason, LocalScorer, ScoreError, Scored, Scorer};
use probe::{Budget, Endpoint, EndpointScorer, Pace, Session, SystemClock};
use serde_json::json;
use std::path::Path;

fn set(name: &str) -> String {
    std::env::var(format!("FILIATION_TEST_{name}")).unwrap()
}

#[test]
#[ignore = "needs a server, which real_server.py begins"]
fn an_endpoint_scores_as_its_weights_do() {
    let texts: Vec<(String, String)> = (0..20)
        .map(|i| (format!("def f{i}(x):"), format!("return x + {i} if x > {} else None  # caf\u{e9} {}", i * 7, "xy ".repeat(i % 5))))
        .collect();
    let finish = |i: usize| if i.is_multiple_of(3) { FinishReason::Length } else { FinishReason::Stop };
    let scored: Vec<Scored<'_>> =
        texts.iter().enumerate().map(|(i, (prompt, reply))| Scored { prompt, reply, finish_reason: finish(i) }).collect();
    let chat = Chat::named("dialogues").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(&set("ENDPOINT"), "base", None).unwrap();
    let budget = Budget { requests: 50, tokens: 20_000 };
    let path = folder.path().join("transcript.jsonl");
    let session = Session::open(endpoint, budget, Pace::default(), json!("score"), &path, Box::new(SystemClock::new())).unwrap();
    let scorer = EndpointScorer::new(session, chat.clone());
    let found = scorer.score(&scored, &|_| ());
    let model = sources::Model::open(Path::new(&set("MODEL"))).unwrap();
    let expected = LocalScorer::open(&model, &chat).unwrap().score(&scored, &|_| ()).unwrap();
    match (set("EXPECTED").as_str(), found) {
        ("equal", Ok(found)) => {
            let mut largest = 0.0_f64;
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected) = (found.unwrap(), expected.unwrap());
                assert_eq!(found.tokens, expected.tokens);
                let difference = (found.mean() - expected.mean()).abs();
                assert!(difference < 0.01, "{found:?} for {expected:?}");
                largest = if difference > largest { difference } else { largest };
            }
            println!("{} texts, largest difference of a mean log-probability {largest:.5} nats", found.len());
        }
        ("late", Err(ScoreError::Remote { message, hint })) => {
            println!("{message}\nhint: {}", hint.unwrap());
            assert!(message.contains("which was generated"), "{message}");
        }
        ("none", Err(ScoreError::Remote { message, hint })) => {
            println!("{message}\nhint: {}", hint.unwrap());
            assert!(message.contains("log-probabilities of the prompt: found none"), "{message}");
        }
        (expected, found) => panic!("found {found:?}, expected {expected}"),
    }
}
