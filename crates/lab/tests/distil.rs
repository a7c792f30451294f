//! Replies are the same however they were drawn; a curriculum is what was asked for; a student learns it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use lab::dialogues::{Dialogues, Subset};
use lab::distil::{Answered, Curriculum, Drawing, FinishReason, Lesson, Origin, ReplyFile, Rewriting, Sampling, Source, Teacher, distil};
use lab::train::{Schedule, Sizes, Tune, begin};
use lab::{LabError, Precision};
use sources::Model;
use std::collections::BTreeSet;
use std::path::Path;

const TEACHER: &str = "../../testdata/models/base";
const STUDENT: &str = "../../testdata/models/independent";
const SAMPLING: Sampling = Sampling { temperature: 0.9, top_p: Some(0.95), max_tokens: 12 };

fn teacher(path: &str) -> Teacher {
    Teacher::read(&Model::open(Path::new(path)).unwrap(), &|_| ()).unwrap()
}

fn draw(teacher: &Teacher, dialogues: &Dialogues, seed: u64, n: u64, path: &Path) -> Result<Answered, LabError> {
    Drawing { teacher, dialogues, seed, n, sampling: SAMPLING, watermark: None }.answer(path, &|_| ())
}

fn drawn(teacher: &Teacher, dialogues: &Dialogues, seed: u64, n: u64) -> ReplyFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    draw(teacher, dialogues, seed, n, &path).unwrap();
    ReplyFile::open(&path).unwrap()
}

#[test]
fn a_file_that_was_interrupted_ends_as_one_that_was_not() {
    let (teacher, dialogues) = (teacher(TEACHER), Dialogues::shipped().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    assert_eq!(draw(&teacher, &dialogues, 5, 300, &path).unwrap(), Answered { found: 0, drawn: 300 });
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(whole.iter().filter(|&&byte| byte == b'\n').count(), 301);
    let header = whole.iter().position(|&byte| byte == b'\n').unwrap();
    for (cut, found) in [(0, 0), (10, 0), (header, 0), (header + 1, 0), (header + 40, 0), (whole.len() - 1, 299), (whole.len(), 300)] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(draw(&teacher, &dialogues, 5, 300, &path).unwrap(), Answered { found, drawn: 300 - found }, "cut at {cut}");
        assert!(std::fs::read(&path).unwrap() == whole, "cut at {cut}");
    }
    for threads in [1, 2, 7] {
        std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| draw(&teacher, &dialogues, 5, 300, &path)).unwrap();
        assert!(std::fs::read(&path).unwrap() == whole, "{threads} threads");
    }
    // More of the same goes on; fewer leaves the file as it is.
    assert_eq!(draw(&teacher, &dialogues, 5, 310, &path).unwrap(), Answered { found: 300, drawn: 10 });
    assert!(std::fs::read(&path).unwrap().starts_with(&whole));
    assert_eq!(draw(&teacher, &dialogues, 5, 3, &path).unwrap(), Answered { found: 310, drawn: 0 });
}

#[test]
fn what_is_stored_is_what_was_said() {
    let (teacher, dialogues) = (teacher(TEACHER), Dialogues::shipped().unwrap());
    let file = drawn(&teacher, &dialogues, 9, 64);
    assert_eq!(file.header.teacher.tensor_root, teacher.tensor_root);
    assert_eq!((file.header.dialogues.seed, file.header.sampling), (9, SAMPLING));
    let ids: BTreeSet<&str> = file.replies.iter().map(|reply| reply.request_id.as_str()).collect();
    assert_eq!(ids.len(), 64);
    for (index, stored) in (0..).zip(&file.replies) {
        assert_eq!(stored.prompt, dialogues.prompt(9, index));
        let asked = dialogues.chat.asked_ids(&teacher.responder.tokenizer, &stored.prompt).unwrap();
        let written = teacher.responder.tokenizer.decode(&stored.tokens).unwrap();
        assert_eq!(stored.reply, dialogues.chat.answer(&written));
        assert_eq!(stored.finish_reason == FinishReason::Length, stored.tokens.len() == 12 && !written.contains('\n'));
        // The log-probabilities are those of a pass over the whole.
        let whole = [asked.as_slice(), &stored.tokens].concat();
        let shares = teacher.responder.sampler.distributions(&[(&whole, asked.len() - 1)], 1.0).unwrap().remove(0);
        for (row, (&token, &logprob)) in
            shares.chunks(teacher.responder.sampler.vocabulary()).zip(stored.tokens.iter().zip(&stored.logprobs))
        {
            assert!((row[token as usize].ln() - logprob).abs() < 1e-4, "reply {index}");
        }
    }
}

#[test]
fn a_watermark_is_in_the_header_and_its_key_is_not() {
    let (teacher, dialogues) = (teacher(TEACHER), Dialogues::shipped().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    let watermark = forward::Watermark::new(forward::Scheme::Kgw { gamma: 0.25, delta: 4.0 }, 2, [0xab; 32]).unwrap();
    let drawing = |watermark| Drawing { teacher: &teacher, dialogues: &dialogues, seed: 5, n: 8, sampling: SAMPLING, watermark };
    drawing(Some(&watermark)).answer(&path, &|_| ()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("abababab"));
    let file = ReplyFile::open(&path).unwrap();
    assert_eq!(file.header.watermark, Some(watermark.record()));
    let green = |key: &forward::Watermark| -> f64 {
        file.replies.iter().flat_map(|reply| reply.tokens.windows(3)).map(|ngram| key.score(&ngram[..2], ngram[2])).sum()
    };
    assert!(green(&watermark) > 2.0 * green(&watermark.campaign("another")));
    // Another key and none are other drawings, and ids are their own.
    let plain = drawn(&teacher, &dialogues, 5, 8);
    assert!(plain.header.watermark.is_none() && plain.replies[0].request_id != file.replies[0].request_id);
    assert!(drawing(None).answer(&path, &|_| ()).unwrap_err().to_string().contains(", watermark kgw of key "));
    assert!(drawing(Some(&watermark.campaign("another"))).answer(&path, &|_| ()).is_err());
}

#[test]
fn replies_of_another_drawing_and_broken_lines_are_refused() {
    let (teacher, dialogues) = (teacher(TEACHER), Dialogues::shipped().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replies.jsonl");
    draw(&teacher, &dialogues, 5, 4, &path).unwrap();
    let error = draw(&teacher, &dialogues, 6, 4, &path).unwrap_err();
    assert!(error.to_string().contains("with seed 5") && error.to_string().contains("with seed 6"), "{error}");
    assert_eq!(error.hint(), Some("name another file, or remove this one"));
    let subset = Subset { topics: vec!["sea".into()], ..Subset::default() };
    assert!(draw(&teacher, &dialogues.clone().only(&subset).unwrap(), 5, 4, &path).is_err());

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let sentence = |lines: &[&str]| {
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let (read, gone_on) = (ReplyFile::open(&path).unwrap_err().to_string(), draw(&teacher, &dialogues, 5, 4, &path).unwrap_err());
        assert_eq!(read, gone_on.to_string());
        read
    };
    assert!(sentence(&[lines[0], lines[2], lines[1]]).contains("id of reply 0: found `"));
    assert!(sentence(&[lines[0], "{}"]).contains("reply 0: found missing field `requestId`"));
    assert!(sentence(&[&lines[0].replace("replies:v1", "replies:v2")]).contains("schema of the replies"));
    assert!(sentence(&[lines[1]]).contains("first line: found "));
    let fewer = lines[1].replacen("\"logprobs\":[", "\"logprobs\":[0.5,", 1);
    assert!(sentence(&[lines[0], &fewer]).contains("logprobs of reply 0: found "));
}

#[test]
fn a_curriculum_has_exactly_the_shares_that_were_asked_for() {
    let dialogues = Dialogues::shipped().unwrap();
    let teachers = [teacher(TEACHER), teacher(STUDENT)].map(|teacher| drawn(&teacher, &dialogues, 5, 80));
    let sources = vec![Source { file: &teachers[0], weight: 3.0 }, Source { file: &teachers[1], weight: 1.0 }];
    let with = |fraction: f64, rewriting: f64, n: usize| Curriculum {
        teachers: sources.clone(),
        dialogues: &dialogues,
        n,
        fraction,
        rewriting: Rewriting::new(&dialogues.synonyms, rewriting, 1),
        seed: 5,
    };
    for (fraction, expected) in [(0.0, [0, 0, 120]), (0.5, [45, 15, 60]), (0.8, [72, 24, 24])] {
        let pairs = with(fraction, 0.0, 120).pairs().unwrap();
        let of = |origin: Origin| pairs.iter().filter(|pair| pair.origin == origin).count();
        assert_eq!([Origin::Teacher(0), Origin::Teacher(1), Origin::Dialogues].map(of), expected);
        for (i, file) in teachers.iter().enumerate() {
            let own = pairs.iter().filter(|pair| pair.origin == Origin::Teacher(i));
            for (pair, stored) in own.zip(&file.replies) {
                assert_eq!((&pair.prompt, &pair.answer), (&stored.prompt, &stored.reply));
                assert_eq!(pair.is_ended, stored.finish_reason == FinishReason::Stop);
            }
        }
        assert_eq!(pairs, with(fraction, 0.0, 120).pairs().unwrap());
        // Rewriting touches teachers' words alone.
        let rewritten = with(fraction, 1.0, 120).pairs().unwrap();
        let changed =
            |origin: fn(&Origin) -> bool| pairs.iter().zip(&rewritten).filter(|(a, b)| origin(&a.origin) && a.answer != b.answer).count();
        assert_eq!(changed(|origin| *origin == Origin::Dialogues), 0);
        assert!(pairs.iter().zip(&rewritten).all(|(a, b)| a.prompt == b.prompt));
    }
    let sentence = |curriculum: Curriculum<'_>| curriculum.pairs().unwrap_err().to_string();
    assert_eq!(sentence(with(1.5, 0.0, 10)), "fraction of the teachers: found 1.5, expected 0 to 1");
    assert!(sentence(with(1.0, 0.0, 200)).ends_with("found 80, expected at least 150"));
    let nobody = Curriculum { teachers: Vec::new(), ..with(0.5, 0.0, 10) };
    assert_eq!(sentence(nobody), "teachers: found none, expected at least one for a fraction of 0.5");
}

#[test]
fn a_student_learns_by_tokens_and_by_logits_what_its_teacher_says() {
    let (teacher, dialogues) = (teacher(TEACHER), Dialogues::shipped().unwrap());
    let file = drawn(&teacher, &dialogues, 5, 160);
    let curriculum = Curriculum {
        teachers: vec![Source { file: &file, weight: 1.0 }],
        dialogues: &dialogues,
        n: 160,
        fraction: 1.0,
        rewriting: Rewriting::new(&dialogues.synonyms, 0.0, 1),
        seed: 5,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut divergences = Vec::new();
    // How far the student's distributions lie from the teacher's on prompts that nobody learnt, in nats.
    let divergence = |student: &Teacher| {
        let prompts: Vec<Vec<u32>> = (1000..1040)
            .map(|index| dialogues.chat.asked_ids(&teacher.responder.tokenizer, &dialogues.prompt(5, index)).unwrap())
            .collect();
        let places: Vec<(&[u32], usize)> = prompts.iter().map(|ids| (ids.as_slice(), ids.len() - 2)).collect();
        let of = |model: &Teacher| model.responder.sampler.distributions(&places, 1.0).unwrap().concat();
        let (p, q) = (of(&teacher), of(student));
        p.iter().zip(&q).filter(|(p, _)| **p > 0.0).map(|(p, q)| f64::from(*p) * (f64::from(*p) / f64::from(*q)).ln()).sum::<f64>() / 40.0
    };
    let sizes =
        Sizes { architecture: "llama".into(), hidden: 48, layers: 2, heads: 4, kv_heads: Some(2), units: 96, positions: 256, tied: true };
    let tokenizer: serde_json::Value = serde_json::from_slice(&std::fs::read(Path::new(TEACHER).join("tokenizer.json")).unwrap()).unwrap();
    let start = folder.path().join("start");
    begin(&sizes, &tokenizer, 2, &start).unwrap();
    let before = divergence(&self::teacher(start.to_str().unwrap()));
    for (name, logits) in [("tokens", None), ("logits", Some((&teacher, 1.0)))] {
        let lesson = Lesson {
            curriculum: &curriculum,
            chat: &dialogues.chat,
            epochs: 2.0,
            schedule: Schedule { rate: 1e-2, ..Schedule::default() },
            tune: Tune::Full,
            logits,
            seed: 3,
            precision: Precision::Of(lab::Dtype::F32),
        };
        let path = folder.path().join(name);
        let made = distil(Model::open(&start).unwrap(), &lesson, &path, &|_, _| ()).unwrap();
        let (first, last) = (made.points[0].loss, made.points.last().unwrap().loss);
        assert!(last < first - 1.0, "{name}: from {first} to {last}");
        divergences.push(divergence(&self::teacher(path.to_str().unwrap())));
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("training.json")).unwrap()).unwrap();
        let found = &record["history"]["distillation"];
        assert_eq!((&found["pairs"], &found["teachers"][0]["replies"]), (&160.into(), &160.into()), "{found}");
        assert_eq!(found["teachers"][0]["header"]["teacher"]["tensorRoot"], teacher.tensor_root);
        assert_eq!(found["logits"].is_object(), name == "logits");
    }
    assert!(divergences.iter().all(|after| *after < before - 1.0), "{before} before, {divergences:?} after");
}
