//! Twins as a file: drawn, interrupted, gone on with, committed, and refused where they are of something else.

#![expect(clippy::unwrap_used, reason = "a test stops where its own files cannot be read")]

use forward::{Chat, FinishReason, Sampling};
use std::path::Path;
use twins::{
    Asked, CampaignKey, Commitment, Drawing, LoggedRequest, Plan, Secret, Snapshot, SnapshotRecord, TwinError, TwinFile, Utterance,
};

const SAMPLING: Sampling = Sampling { temperature: 1.0, top_p: None, max_tokens: 8 };

/// Says its seed.
struct Parrot(&'static str);

impl Snapshot for Parrot {
    fn record(&self, _: &Chat, _: &Asked<'_>) -> Result<SnapshotRecord, TwinError> {
        Ok(SnapshotRecord::of_weights("here", self.0))
    }

    fn answer(&self, _: &Chat, asked: &[Asked<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Utterance>, TwinError> {
        advance(asked.len() as u64);
        let said = |asked: &Asked<'_>| Utterance { text: format!("{} {}", asked.prompt, asked.seed), finish_reason: FinishReason::Stop };
        Ok(asked.iter().map(said).collect())
    }
}

fn chat() -> Chat {
    Chat { user: "Q: ".into(), assistant: " A:".into(), answer: " ".into(), end: "\n\n#".into() }
}

fn log(n: usize) -> Vec<LoggedRequest> {
    let request = |i: usize| LoggedRequest {
        request_id: format!("r{i:04}"),
        prompt: format!("question {}", i / 2),
        reply: format!("answer {i}"),
        finish_reason: FinishReason::Stop,
        account: Some(if i.is_multiple_of(3) { "them" } else { "others" }.into()),
        conversation: None,
        sampling: None,
    };
    (0..n).map(request).collect()
}

fn key(folder: &Path) -> CampaignKey {
    let path = folder.join("key.json");
    let secret = if path.exists() { Secret::open(&path) } else { Secret::create(&path) };
    secret.unwrap().campaign("spring")
}

fn drawing<'a>(log: &'a [LoggedRequest], key: &'a CampaignKey, chat: &'a Chat, accounts: &'a [String]) -> Drawing<'a> {
    Drawing {
        snapshot: &Parrot("root"),
        chat,
        log: (log, "digest of the log"),
        sampling: Some(SAMPLING),
        campaign: ("spring", key),
        twins: 2,
        accounts,
        placebo: 5,
    }
}

#[test]
fn an_interrupted_drawing_ends_as_the_bytes_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let (log, key, chat, them) = (log(600), key(folder.path()), chat(), ["them".to_owned()]);
    let (whole, cut) = (folder.path().join("whole.jsonl"), folder.path().join("cut.jsonl"));
    let drawn = drawing(&log, &key, &chat, &them).draw(&whole, &|_| ()).unwrap();
    assert_eq!((drawn.tested, drawn.placebo, drawn.found, drawn.without_chance), (200, 5, 0, 0));
    let bytes = std::fs::read(&whole).unwrap();
    for keep in [0, 30, 4000, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..keep]).unwrap();
        let half = TwinFile::open(&cut).unwrap_err().to_string();
        assert!(half.contains("half of one") || half.contains("no whole line"), "{half}");
        drawing(&log, &key, &chat, &them).draw(&cut, &|_| ()).unwrap();
        assert_eq!(std::fs::read(&cut).unwrap(), bytes, "cut at {keep}");
    }
    let file = TwinFile::open(&whole).unwrap();
    for line in &file.lines {
        let seeds: Vec<String> = (1..=2).map(|twin| format!("{} {}", line.prompt, key.seed(&line.request_id, twin))).collect();
        assert_eq!(line.twins.iter().map(|twin| twin.text.clone()).collect::<Vec<_>>(), seeds);
        assert_eq!(line.placebo, !line.request_id[1..].parse::<usize>().unwrap().is_multiple_of(3));
    }
}

#[test]
fn another_drawing_is_refused_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, key, chat) = (log(20), key(folder.path()), chat());
    let path = folder.path().join("twins.jsonl");
    drawing(&log, &key, &chat, &[]).draw(&path, &|_| ()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let refused = [
        Drawing { twins: 3, ..drawing(&log, &key, &chat, &[]) }.draw(&path, &|_| ()),
        Drawing { snapshot: &Parrot("another"), ..drawing(&log, &key, &chat, &[]) }.draw(&path, &|_| ()),
        Drawing { log: (&log, "another log"), ..drawing(&log, &key, &chat, &[]) }.draw(&path, &|_| ()),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("twins.jsonl") && error.hint().is_some(), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let unknown = drawing(&log, &key, &chat, &["nobody".to_owned()]).draw(&path, &|_| ()).unwrap_err().to_string();
    assert_eq!(unknown, "account: found `nobody`, expected one that the log names");
    let unsaid = Drawing { sampling: None, ..drawing(&log, &key, &chat, &[]) }.work().unwrap_err();
    assert!(unsaid.to_string().contains("sampling: found none for request `r0000`"), "{unsaid}");
}

#[test]
fn replies_without_chance_have_no_twins() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, key, chat) = (log(20), key(folder.path()), chat());
    log[3].sampling = Some(Sampling { temperature: 0.0, ..SAMPLING });
    let path = folder.path().join("twins.jsonl");
    let drawn = drawing(&log, &key, &chat, &[]).draw(&path, &|_| ()).unwrap();
    assert_eq!((drawn.tested, drawn.without_chance), (19, 1));
    assert!(TwinFile::open(&path).unwrap().lines.iter().all(|line| line.request_id != "r0003"));
}

#[test]
fn a_commitment_holds_for_one_file_and_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let (log, key, chat) = (log(20), key(folder.path()), chat());
    let (path, committed) = (folder.path().join("twins.jsonl"), folder.path().join("commitment.json"));
    drawing(&log, &key, &chat, &[]).draw(&path, &|_| ()).unwrap();
    let plan =
        || Plan { primary: "text.released-twin".into(), log10_level: -6.0, effect: 0.02, seed: 0, bases: Vec::new(), sequential: false };
    let commitment = Commitment::of(&path, &key, plan(), "2026-11-30T12:00:00Z".into()).unwrap();
    assert_eq!((commitment.requests, commitment.lines.len()), ([20, 0], 20));
    let digest = commitment.write(&committed).unwrap();
    assert_eq!(Commitment::open(&committed).unwrap(), (commitment.clone(), digest));
    commitment.check(&path).unwrap();
    // What was published before there were sequences is read as one fixed set, and one fixed set is written as it was then.
    assert!(!std::fs::read_to_string(&committed).unwrap().contains("sequential"));
    let sequence = Commitment { plan: Plan { sequential: true, ..plan() }, ..commitment.clone() };
    let second = folder.path().join("sequence.json");
    sequence.write(&second).unwrap();
    assert!(std::fs::read_to_string(&second).unwrap().contains("\"sequential\": true"));
    assert_eq!(Commitment::open(&second).unwrap().0, sequence);
    // A line alone is enough to see that it was committed.
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(key.seal(text.lines().nth(7).unwrap().as_bytes()), commitment.lines[6]);
    let again = commitment.write(&committed).unwrap_err().to_string();
    assert!(again.contains("commitment: found a file that is there, expected a new one"), "{again}");
    let other = Secret::open(&folder.path().join("key.json")).unwrap().campaign("autumn");
    let error = Commitment::of(&path, &other, plan(), String::new()).unwrap_err();
    assert!(error.to_string().contains("digest of the campaign's key") && error.hint().is_some(), "{error}");
    std::fs::write(&path, text.replace("answer 3", "answer 4")).unwrap();
    let error = commitment.check(&path).unwrap_err().to_string();
    assert!(error.contains("SHA-256 of the twins: found") && error.contains(&commitment.twins), "{error}");
}
