//! `filiation lab dialogues` and `filiation lab distil`: from a teacher to a student, and what is refused.

use crate::{BASE, filiation};

#[test]
fn dialogues_are_drawn_by_seed_and_index() {
    let run = |args: &[&str]| filiation(&[&["lab", "dialogues"], args].concat());
    let all = run(&["--dialogues", "5", "--seed", "4"]);
    assert_eq!((all.code, all.stdout.lines().count()), (0, 10), "{}", all.stderr);
    assert!(all.stdout.lines().step_by(2).all(|line| line.starts_with("User: ")), "{}", all.stdout);
    assert!(all.stdout.ends_with(&run(&["--dialogues", "2", "--from", "3", "--seed", "4"]).stdout));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.txt");
    assert_eq!(run(&["--dialogues", "5", "--seed", "4", "-o", file.to_str().unwrap()]).code, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), all.stdout);
    let unknown = run(&["--topic", "moon"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.starts_with("error: topic of the dialogues: found `moon`, expected castle, farm"), "{}", unknown.stderr);
}

#[test]
fn a_student_learns_what_a_teacher_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (replies, student) = (path("replies.jsonl"), path("student"));
    let draw = |n: &str, seed: &str| {
        filiation(&["lab", "distil", "replies", "--quiet", BASE, "-o", &replies, "--dialogues", n, "--seed", seed, "--max-tokens", "8"])
    };
    let first = draw("20", "3");
    assert!(first.code == 0 && first.stdout.starts_with("20 replies in `"), "{}{}", first.stdout, first.stderr);
    let more = draw("32", "3");
    assert!(more.stdout.starts_with("32 replies in `") && more.stdout.contains("20 of them from before"), "{}", more.stdout);
    let other = draw("32", "4");
    assert_eq!(other.code, 1);
    assert!(other.stderr.contains("hint: name another file, or remove this one"), "{}", other.stderr);

    let learn =
        |more: &[&str]| filiation(&[&["lab", "distil", "student", "--quiet", &replies, "--start", BASE, "-o", &student], more].concat());
    let weights = learn(&["--weight", "1", "--weight", "2"]);
    assert_eq!((weights.code, weights.stderr.as_str()), (2, "error: weights: found 2, expected one for each of 1 files\n"));
    assert_eq!(learn(&["--batch", "0"]).stderr, "error: batch: found 0, expected at least 1\n");
    let made = learn(&["--fraction", "0.5", "--rewriting", "0.2"]);
    assert!(made.code == 0 && made.stdout.starts_with("32 pairs learnt; loss from "), "{}{}", made.stdout, made.stderr);
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("student/training.json")).unwrap()).unwrap();
    let found = &record["history"]["distillation"];
    assert_eq!((&found["teachers"][0]["replies"], &found["ownAnswers"]["pairs"]), (&16.into(), &16.into()), "{found}");
}
