//! What servers do wrong, and what becomes of a run: a server of this test answers from a script, on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

mod server;

use forward::{Chat, FinishReason, ScoreError, Scored, Scorer};
use probe::{Ask, Budget, Clock, Endpoint, EndpointScorer, Mode, Pace, ProbeError, Session, Transcript};
use serde_json::{Value, json};
use server::{Do, Server, completion, echo};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY: &str = "sk-not-for-anybody";
const PLENTY: Budget = Budget { requests: 100, tokens: 1_000_000 };

/// Nobody waits: what would have been waited is added to the time.
#[derive(Clone, Default)]
struct FakeClock(Arc<Mutex<Vec<Duration>>>);

impl FakeClock {
    fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_796_079_907) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.waits().iter().sum()
    }

    fn wait(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }
}

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    clock: FakeClock,
    budget: Budget,
    pace: Pace,
    asked: Value,
}

impl Bench {
    fn new(script: Vec<Do>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pace, asked) = (Pace { per_minute: None, seed: 3 }, json!({"test": 1}));
        Self { server: Server::begin(script), folder, clock: FakeClock::default(), budget: PLENTY, pace, asked }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("transcript.jsonl")
    }

    fn open(&self) -> Result<Session, ProbeError> {
        let endpoint = Endpoint::new(&self.server.url, "suspect", Some(KEY.into())).unwrap();
        Session::open(endpoint, self.budget, self.pace, self.asked.clone(), &self.path(), Box::new(self.clock.clone()))
    }

    fn ask(&self, prompt: &str) -> Result<probe::Reply, ProbeError> {
        self.open().unwrap().reply("0", prompt, &words())
    }

    fn transcript(&self) -> Transcript {
        Transcript::open(&self.path()).unwrap()
    }
}

fn words() -> Ask {
    Ask::new(Mode::Completions, 0.0, 4)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn an_answer_is_written_down_with_digests_times_and_tokens_and_without_the_key() {
    let bench = Bench::new(vec![completion("hello", 7)]);
    let reply = bench.ask("Say").unwrap();
    assert_eq!((reply.text.as_str(), reply.is_new), ("hello", true));
    let request = bench.server.requests().remove(0);
    assert!(request.head.starts_with("POST /v1/completions HTTP/1.1"), "{}", request.head);
    assert!(request.head.contains(&format!("Bearer {KEY}")));
    let transcript = bench.transcript();
    assert_eq!(transcript.header.endpoint, bench.server.url);
    let exchange = &transcript.exchanges[0];
    assert_eq!((exchange.status, exchange.attempts, exchange.tokens, exchange.failure.as_deref()), (Some(200), 1, 7, None));
    assert_eq!((exchange.sent_at.as_str(), exchange.received_at.as_str()), ("2026-11-30T23:05:07.000Z", "2026-11-30T23:05:07.000Z"));
    assert_eq!(exchange.request, serde_json::from_str::<Value>(&request.body).unwrap());
    // `printf '%s\n%s' /completions '{"max_tokens":4,"model":"suspect","prompt":"Say","temperature":0.0}' | sha256sum`, GNU coreutils 9.1
    assert_eq!(exchange.request_digest, "66072648b477b63db4c9b47558310850f13a26254731f92724ac901023da0f09");
    assert!(!text(&bench.path()).contains(KEY));
}

#[test]
fn busy_and_failing_servers_are_asked_again_after_what_they_ask_for() {
    let bench = Bench::new(vec![Do::retry_after(429, "7"), Do::status(500, "{}"), Do::status(503, ""), completion("hello", 7)]);
    assert_eq!(bench.ask("Say").unwrap().text, "hello");
    let waits = bench.clock.waits();
    assert_eq!((waits.len(), waits[0]), (3, Duration::from_secs(7)));
    // The second and third of a series that doubles from 1 s, each between half and all of it.
    assert!((1.0..=2.0).contains(&waits[1].as_secs_f64()) && (2.0..=4.0).contains(&waits[2].as_secs_f64()), "{waits:?}");
    let exchange = bench.transcript().exchanges.remove(0);
    // Three bytes, 8 around and 4 to write were reserved for the attempt that failed; those refused for want of room are free.
    assert_eq!((exchange.attempts, exchange.tokens, exchange.received_at > exchange.sent_at), (4, 7 + 15, true));
    let again = Bench::new(vec![Do::status(500, ""), Do::status(500, ""), completion("hello", 7)]);
    again.ask("Say").unwrap();
    let same = Bench::new(vec![Do::status(500, ""), Do::status(500, ""), completion("hello", 7)]);
    same.ask("Say").unwrap();
    assert_eq!(again.clock.waits(), same.clock.waits());
}

#[test]
fn half_an_answer_and_a_hang_up_are_asked_again() {
    for fault in [Do::HangUp, Do::HalfBody, Do::status(200, "{\"choices\": [{\"text\": \"hel")] {
        let bench = Bench::new(vec![fault, completion("hello", 7)]);
        assert_eq!(bench.ask("Say").unwrap().text, "hello");
        let exchange = bench.transcript().exchanges.remove(0);
        assert_eq!((exchange.attempts, exchange.tokens), (2, 15 + 7), "what is lost stays reserved");
    }
}

#[test]
fn a_server_that_never_mends_is_given_up_and_may_be_asked_again_later() {
    let bench = Bench::new((0..6).map(|_| Do::status(502, "<html>bad\n gateway</html>")).chain([completion("hello", 7)]).collect());
    let error = bench.ask("Say").unwrap_err();
    let expected =
        format!("`{}/completions` gave no whole answer in 6 attempts; the last: 502: <html>bad gateway</html>", bench.server.url);
    assert_eq!(error.to_string(), expected);
    assert_eq!(bench.transcript().exchanges[0].failure.as_deref(), Some(expected.as_str()));
    assert_eq!(bench.ask("Say").unwrap().text, "hello");
    assert_eq!(bench.open().unwrap().spent().requests, 7);
}

#[test]
fn a_wait_longer_than_ten_minutes_is_not_waited_for() {
    let bench = Bench::new(vec![Do::retry_after(429, "86400")]);
    let error = bench.ask("Say").unwrap_err().to_string();
    assert!(error.contains("found 86400 s to wait, expected at most 600"), "{error}");
    assert!(bench.clock.waits().is_empty());
}

#[test]
fn what_asking_again_cannot_mend_is_asked_once() {
    let refusal = format!("{{\"error\": {{\"message\": \"Incorrect API key: {KEY}\"}}}}");
    let redirect = Do::Answer { status: 302, headers: "Location: http://192.0.2.1/\r\n".into(), body: String::new() };
    for (fault, expected) in [
        (Do::status(401, &refusal), "answered 401: Incorrect API key: [api key]"),
        (Do::status(404, "{\"detail\": \"Not Found\"}"), "answered 404: Not Found"),
        (redirect, "answered 302: nothing"),
        (Do::status(200, "this is no JSON"), "answer: found expected ident at line 1 column 2, expected JSON"),
        (Do::status(200, "{\"choices\": []}"), "`choices[0]`: found a list, expected an answer"),
        (Do::status(200, "{\"choices\": [{\"text\": 5}]}"), "`choices[0].text`: found 5, expected a text"),
        (Do::Endless, "found an answer of more than 16777216 bytes, expected fewer"),
    ] {
        let bench = Bench::new(vec![fault]);
        let error = bench.ask("Say").unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        let all = format!("{error} {error:?} {:?} {}", error.hint(), text(&bench.path()));
        assert!(!all.contains(KEY), "{all}");
        assert_eq!(bench.server.requests().len(), 1);
        assert_eq!(bench.transcript().exchanges[0].failure.as_deref(), Some(error.to_string().as_str()));
    }
    let closed = Server::closed();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new(&closed, "m", None).unwrap();
    let path = folder.path().join("t");
    let mut session = Session::open(endpoint, PLENTY, Pace::default(), json!(1), &path, Box::new(FakeClock::default())).unwrap();
    let error = session.reply("0", "Say", &words()).unwrap_err();
    assert_eq!(error.to_string(), format!("`{closed}/completions`: nothing listens there"));
    assert_eq!(session.spent().tokens, 0);
}

#[test]
fn an_answer_without_log_probabilities_is_refused_where_they_were_asked_for() {
    let bench = Bench::new(vec![completion("hello", 7)]);
    let ask = Ask { top_logprobs: Some(3), ..words() };
    let error = bench.open().unwrap().reply("0", "Say", &ask).unwrap_err();
    assert!(error.to_string().ends_with("`choices[0].logprobs`: found nothing, expected log-probabilities of the tokens"), "{error}");
}

#[test]
fn a_budget_is_never_exceeded_and_what_was_answered_is_not_asked_twice() {
    let answers = || (0..4).map(|i| completion(&format!("hello {i}"), 20)).collect::<Vec<_>>();
    let prompts = ["one", "two", "six", "ten"];
    let mut bench = Bench::new(answers());
    // Each may take 3 + 8 + 4 tokens and takes 20, of which the account learns: 15, then 20 are reserved.
    bench.budget = Budget { requests: 100, tokens: 59 };
    let mut session = bench.open().unwrap();
    let mut answered = 0;
    let error = loop {
        match session.reply(&answered.to_string(), prompts[answered], &words()) {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(answered, 2);
    assert!(error.is_budget());
    assert_eq!(error.to_string(), "budget of tokens is used up: 40 of 59 are spent, and the next request may take 20");
    assert!(error.hint().unwrap().contains("goes on from there"));
    drop(session);
    // Half a line at the end is what an interruption leaves.
    let whole = text(&bench.path());
    std::fs::write(bench.path(), format!("{whole}{{\"exchange\":{{\"id\":\"2\"")).unwrap();
    bench.budget = Budget { requests: 4, tokens: 1000 };
    let mut session = bench.open().unwrap();
    assert_eq!(session.spent().tokens, 40);
    let replies: Vec<_> = prompts.iter().map(|prompt| session.reply("x", prompt, &words()).unwrap()).collect();
    let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(texts, ["hello 0", "hello 1", "hello 2", "hello 3"]);
    assert_eq!(replies.iter().map(|reply| reply.is_new).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(bench.server.requests().len(), 4);
    let error = session.reply("x", "new", &words()).unwrap_err();
    assert_eq!(error.to_string(), "budget of requests is used up: 4 of 4 were sent");
    drop(session);
    let file = text(&bench.path());
    assert!(file.starts_with(&whole) && file.contains("\n{\"budget\":{\"requests\":4,\"tokens\":1000}}\n"), "{file}");
    assert_eq!(bench.transcript().exchanges.len(), 4);
    assert_eq!(bench.open().unwrap().digest().unwrap(), probe::sha256(file.as_bytes()));
}

#[test]
fn a_budget_stops_attempts_too() {
    let mut bench = Bench::new(vec![Do::status(500, ""), Do::status(500, ""), completion("hello", 7)]);
    bench.budget = Budget { requests: 2, tokens: 1000 };
    assert!(bench.ask("Say").unwrap_err().is_budget());
    assert_eq!(bench.server.requests().len(), 2);
    let exchange = bench.transcript().exchanges.remove(0);
    assert_eq!((exchange.attempts, exchange.failure.is_some()), (2, true));
}

#[test]
fn another_header_a_broken_line_and_a_second_run_are_refused() {
    let mut bench = Bench::new(vec![completion("hello", 7)]);
    bench.ask("Say").unwrap();
    let held = bench.open().unwrap();
    let error = bench.open().err().unwrap().to_string();
    assert!(error.ends_with("transcript: found another run that writes it, expected one run at a time"), "{error}");
    drop(held);
    bench.asked = json!({"test": 2});
    let error = bench.open().err().unwrap();
    let sentence = error.to_string();
    let url = &bench.server.url;
    assert!(
        sentence.ends_with(&format!(
            "found {{\"test\":1}} asked of `suspect` at `{url}`, expected {{\"test\":2}} asked of `suspect` at `{url}`"
        )),
        "{sentence}"
    );
    assert_eq!(error.hint(), Some("name another file, or remove this one"));
    bench.asked = json!({"test": 1});
    let whole = text(&bench.path());
    for (from, to, expected) in [
        ("hello", "hullo", "digest of the body of line 2: found `"),
        ("\"prompt\":\"Say\"", "\"prompt\":\"Sat\"", "digest of the request of line 2: found `"),
        ("probe:v1", "probe:v2", "schema of the transcript: found `urn:filiation:probe:v2`"),
        ("{\"exchange\":", "{\"exchanged\":", "line 2: found unknown variant `exchanged`"),
        ("{\"schema\"", "{\"x\"", "first line: found unknown field `x`"),
    ] {
        std::fs::write(bench.path(), whole.replacen(from, to, 1)).unwrap();
        let error = bench.open().err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(Transcript::open(&bench.path()).unwrap_err().to_string(), error);
    }
}

#[test]
fn a_file_cut_anywhere_keeps_its_whole_lines() {
    let bench = Bench::new((0..3).map(|_| completion("hello", 7)).collect());
    let mut session = bench.open().unwrap();
    for prompt in ["one", "two", "six"] {
        session.reply("x", prompt, &words()).unwrap();
    }
    drop(session);
    let whole = text(&bench.path());
    for cut in 0..=whole.len() {
        std::fs::write(bench.path(), &whole[..cut]).unwrap();
        let lines = whole[..cut].matches('\n').count();
        assert_eq!(bench.open().unwrap().spent().requests, lines.saturating_sub(1) as u64, "cut at {cut}");
        let left: String = whole.lines().take(lines.max(1)).flat_map(|line| [line, "\n"]).collect();
        assert_eq!(text(&bench.path()), left, "cut at {cut}");
    }
}

#[test]
fn no_more_is_asked_in_a_minute_than_allowed() {
    let mut bench = Bench::new((0..4).map(|_| completion("hello", 7)).collect());
    bench.pace.per_minute = Some(30.0);
    let mut session = bench.open().unwrap();
    for prompt in ["one", "two", "six", "ten"] {
        session.reply("x", prompt, &words()).unwrap();
    }
    assert_eq!(bench.clock.waits(), [Duration::from_secs(2); 3]);
}

fn chat() -> Chat {
    Chat::named("dialogues").unwrap()
}

fn scored<'a>(prompt: &'a str, reply: &'a str) -> Scored<'a> {
    Scored { prompt, reply, finish_reason: FinishReason::Stop }
}

#[test]
fn a_reply_is_scored_by_the_echo_of_its_tokens() {
    // Each word is a token whose log-probability is minus its length.
    let bench = Bench::new(vec![
        echo("User: hi\nAssistant: ho hoho\n"),
        echo("User: hi\nAssistant: x\n"),
        Do::status(400, "{\"error\": {\"message\": \"This model's maximum context length is 8\"}}"),
    ]);
    let scorer = EndpointScorer::new(bench.open().unwrap(), chat());
    let advanced = std::sync::atomic::AtomicU64::new(0);
    let texts = [scored("hi", "ho hoho"), scored("hi", "x"), scored("hi", "long")];
    let scores = scorer.score(&texts, &|n| _ = advanced.fetch_add(n, std::sync::atomic::Ordering::Relaxed)).unwrap();
    // " ho" 3, " hoho" 5, "\n" 1; " x" 2, "\n" 1.
    assert_eq!(
        scores.iter().map(|score| score.map(|s| (s.logprob, s.tokens))).collect::<Vec<_>>(),
        [Some((-9.0, 3)), Some((-3.0, 2)), None]
    );
    assert_eq!(advanced.into_inner(), 3);
    let request: Value = serde_json::from_str(&bench.server.requests()[0].body).unwrap();
    assert_eq!(request["prompt"], "User: hi\nAssistant: ho hoho\n");
    assert_eq!((&request["echo"], &request["logprobs"], &request["max_tokens"]), (&json!(true), &json!(1), &json!(1)));
}

#[test]
fn prompt_logprobs_are_asked_for_where_there_is_no_echo() {
    let given = json!({"choices": [{"text": "x", "prompt_logprobs": [null, {"1": {"logprob": -4.0, "decoded_token": " hi\nAssistant:"}},
        {"2": {"logprob": -1.5, "decoded_token": " ho"}}, {"3": {"logprob": -0.5, "decoded_token": "\n"}}]}], "usage": {"total_tokens": 5}});
    let bench = Bench::new(vec![completion("x", 5), Do::status(200, &given.to_string()), Do::status(200, &given.to_string())]);
    let scorer = EndpointScorer::new(bench.open().unwrap(), chat());
    let scores = scorer.score(&[scored("hi", "ho"), scored("hi\nUser: hi", "ho")], &|_| ()).unwrap();
    assert_eq!(scores[0].map(|s| (s.logprob, s.tokens)), Some((-2.0, 2)));
    assert_eq!(bench.server.requests().len(), 3, "the way is found once");
}

#[test]
fn a_server_without_log_probabilities_of_given_text_is_named_with_advice() {
    let llama = "{\"error\":{\"code\":400,\"message\":\"Only no echo is supported\",\"type\":\"invalid_request_error\"}}";
    for first in [completion("x", 5), Do::status(400, llama)] {
        let bench = Bench::new(vec![first, completion("x", 5)]);
        let scorer = EndpointScorer::new(bench.open().unwrap(), chat());
        let Err(ScoreError::Remote { message, hint }) = scorer.score(&[scored("hi", "ho")], &|_| ()) else { panic!("an error") };
        assert!(message.contains("/completions`: log-probabilities of the prompt: found none"), "{message}");
        assert!(hint.unwrap().contains("--logits_all"));
    }
}

#[test]
fn log_probabilities_that_stand_at_the_wrong_token_are_refused() {
    // As llama-cpp-python 0.3.36 answers for a model without a token that begins texts: a value a token, none for the generated one.
    let Do::Answer { body, .. } = echo("User: hi\nAssistant: ho\n") else { panic!("an answer") };
    let mut shifted: Value = serde_json::from_str(&body).unwrap();
    for list in ["tokens", "token_logprobs", "text_offset"] {
        shifted["choices"][0]["logprobs"][list].as_array_mut().unwrap().pop();
    }
    let bench = Bench::new(vec![Do::status(200, &shifted.to_string())]);
    let scorer = EndpointScorer::new(bench.open().unwrap(), chat());
    let Err(ScoreError::Remote { message, hint }) = scorer.score(&[scored("hi", "ho")], &|_| ()) else { panic!("an error") };
    assert!(message.ends_with("last token of `logprobs`: found `\\n`, expected `User`, which was generated"), "{message}");
    assert!(hint.unwrap().contains("one token late"));
}
