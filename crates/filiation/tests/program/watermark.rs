//! `filiation watermark`: a key that nobody else sees, and what it says of texts.

use crate::{BASE, INDEPENDENT, filiation};

#[test]
fn a_key_is_drawn_once_and_found_in_the_replies_that_were_drawn_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, spring, replies) = (path("key.toml"), path("spring.toml"), path("replies.jsonl"));
    let made = filiation(&["watermark", "key", "-o", &key, "--delta", "6", "--window", "1"]);
    assert!(made.code == 0 && made.stdout.starts_with("key of scheme kgw in `"), "{made}");
    let text = std::fs::read_to_string(&key).unwrap();
    let secret = text.lines().find_map(|line| line.strip_prefix("key = \"")).unwrap().trim_end_matches('"').to_owned();
    assert_eq!(secret.len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = filiation(&["watermark", "key", "-o", &key]);
    assert!(again.code == 1 && again.stderr.contains("cannot create `"), "{again}");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), text);
    assert_eq!(filiation(&["watermark", "key", "-o", &spring, "--master", &key, "--campaign", "spring"]).code, 0);
    assert_ne!(std::fs::read_to_string(&spring).unwrap(), text);

    let drawn = filiation(&[
        "lab",
        "distil",
        "replies",
        "--quiet",
        BASE,
        "-o",
        &replies,
        "--dialogues",
        "40",
        "--max-tokens",
        "24",
        "--watermark",
        &key,
    ]);
    assert_eq!(drawn.code, 0, "{drawn}");
    let test = |key: &str, more: &[&str]| filiation(&[&["watermark", "test", key, &replies, "--model", BASE, "--quiet"], more].concat());
    let found = test(&key, &["--format", "json"]);
    let json = found.json();
    assert!(json["pValue"]["log10"].as_f64().unwrap() < -6.0 && json["pValue"]["rigorous"] == true, "{found}");
    assert!(json["closed"]["naive"]["pValue"]["rigorous"] == false, "{found}");
    let other = test(&spring, &["--format", "json"]).json();
    assert!(other["pValue"]["log10"].as_f64().unwrap() > -4.0, "{other}");
    let text = test(&key, &[]);
    assert!(text.code == 0 && text.stdout.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.stdout.contains("naive") && text.stdout.contains("not valid"), "{text}");
    // A model that learnt nothing of the key reads the same replies.
    let reading = test(&key, &["--reading", INDEPENDENT, "--format", "json"]);
    let report = reading.json();
    let of_method = &report["findings"][0];
    assert!(of_method["marks"]["reading"]["n"].as_u64().unwrap() > 10 && of_method["log10P"].as_f64().unwrap() > -4.0, "{reading}");
    assert_eq!(
        (&report["verdicts"][0]["conclusion"], &report["verdicts"][0]["question"]),
        (&"inconclusive".into(), &"distillation".into())
    );
    // The owner's own replies in the place of what a student says.
    let page = path("report");
    let student = test(&key, &["--student", "--report", &page]);
    assert!(student.code == 0 && student.stdout.lines().all(|line| line.chars().count() <= 80), "{student}");
    let words = student.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("Evidence of training on") && words.contains("concludes nothing"), "{student}");
    let page = std::fs::read_to_string(folder.path().join("report/distillation.html")).unwrap();
    assert!(page.contains("The suspect's choices under the owner's key") && page.contains("999 such keys"));
    let own = test(&key, &["--report", "none"]);
    assert!(own.code == 2 && own.stderr.contains("expected `--reading` or `--student`"), "{own}");
    for run in [&made, &drawn, &found, &text, &reading, &student] {
        assert!(!format!("{run}").contains(&secret[..12]), "{run}");
    }
}

#[test]
fn texts_of_ones_own_are_read_and_broken_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, texts) = (path("key.toml"), path("texts.jsonl"));
    std::fs::write(&key, "schema = \"urn:filiation:watermark-key:v1\"\nscheme = \"synthid\"\nngram_len = 3\nkeys = [4711, 815]\n").unwrap();
    std::fs::write(
        &texts,
        "{\"prompt\": \"What is this?\", \"reply\": \"A text of some words that go on and on.\"}\n{\"reply\": \"Another.\"}\n",
    )
    .unwrap();
    let found = filiation(&["watermark", "test", &key, &texts, "--model", BASE, "--quiet"]);
    assert!(found.code == 0 && found.stdout.contains("synthid"), "{found}");
    let student = filiation(&["watermark", "test", &key, &texts, "--model", BASE, "--student", "--quiet"]);
    assert!(student.code == 1 && student.stderr.contains("scheme of the key: found synthid"), "{student}");
    std::fs::write(&texts, "{\"reply\": \"One.\"}\n{\"text\": \"Two.\"}\n").unwrap();
    let refused = filiation(&["watermark", "test", &key, &texts, "--model", BASE, "--quiet"]);
    assert!(refused.code == 1 && refused.stderr.contains("texts.jsonl") && refused.stderr.contains("line 2: found"), "{refused}");
}
