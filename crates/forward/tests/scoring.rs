//! The laws of scores: what a model gives a reply is what it gave the tokens when it drew them, whatever stands beside it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{Answer, Chat, FinishReason, LocalScorer, Responder, SCORED_TOKENS, Sampling, Score, Scored, Scorer};
use sources::Model;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const BASE: &str = "../../testdata/models/base";

/// Questions of different lengths.
fn prompts() -> Vec<String> {
    (0..24).map(|i| format!("write f{i}(x){}", " and one more".repeat(i % 4))).collect()
}

fn chat() -> Chat {
    Chat::named("dialogues").unwrap()
}

fn answers(responder: &Responder, max_tokens: usize) -> Vec<Answer> {
    let questions: Vec<(Vec<u32>, u64)> =
        prompts().iter().zip(7..).map(|(prompt, seed)| (chat().asked_ids(&responder.tokenizer, prompt).unwrap(), seed)).collect();
    let sampling = Sampling { temperature: 1.0, top_p: None, max_tokens };
    responder.answer(&chat(), sampling, &questions, &|_| ()).unwrap().unwrap()
}

fn score(model: &Model, texts: &[Scored<'_>]) -> Vec<Option<Score>> {
    LocalScorer::open(model, &chat()).unwrap().score(texts, &|_| ()).unwrap()
}

#[test]
fn a_reply_is_scored_as_it_was_drawn() {
    let model = Model::open(Path::new(BASE)).unwrap();
    let responder = Responder::read(&model).unwrap().unwrap();
    let (prompts, answers) = (prompts(), answers(&responder, 20));
    let text = |answer: &Answer| match answer.finish_reason {
        FinishReason::Stop => chat().answered(&answer.text),
        FinishReason::Length => chat().broken_off(&answer.text),
    };
    // A draw need not be how the tokenizer would split its text; where it is, the two speak of the same tokens.
    let is_as_split = |answer: &Answer| responder.tokenizer.encode_inside(&text(answer)).unwrap() == answer.tokens;
    let scored: Vec<Scored<'_>> = prompts
        .iter()
        .zip(&answers)
        .map(|(prompt, answer)| Scored { prompt, reply: &answer.text, finish_reason: answer.finish_reason })
        .collect();
    let mut compared = 0;
    for (answer, score) in answers.iter().zip(score(&model, &scored)) {
        if is_as_split(answer) {
            let (score, drawn) = (score.unwrap(), answer.logprobs.iter().map(|&logprob| f64::from(logprob)).sum::<f64>());
            assert_eq!(score.tokens, answer.tokens.len());
            assert!((score.logprob - drawn).abs() < 1e-4 * answer.tokens.len() as f64, "{} for {drawn}", score.logprob);
            compared += 1;
        }
    }
    assert!(compared >= 3, "{compared} of {} are split as they were drawn", answers.len());
}

#[test]
fn a_score_depends_on_its_text_alone() {
    let model = Model::open(Path::new(BASE)).unwrap();
    let responder = Responder::read(&model).unwrap().unwrap();
    let (prompts, answers) = (prompts(), answers(&responder, 12));
    let text = |i: usize| Scored { prompt: &prompts[i], reply: &answers[i].text, finish_reason: answers[i].finish_reason };
    let scored: Vec<Scored<'_>> = (0..prompts.len()).map(text).collect();
    let expected = score(&model, &scored);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| score(&model, &scored)), expected, "{threads} threads");
        assert_eq!(pool.install(|| self::answers(&responder, 12)), answers, "{threads} threads");
    }
    let mut turned = scored.clone();
    turned.reverse();
    let mut found = score(&model, &turned);
    found.reverse();
    assert_eq!(found, expected);
    for (text, expected) in scored.iter().zip(&expected).step_by(5) {
        assert_eq!(score(&model, &[*text]), [*expected]);
    }
}

#[test]
fn the_first_tokens_of_a_long_reply_count_and_so_does_its_end() {
    let model = Model::open(Path::new(BASE)).unwrap();
    let (long, longer) = ("ab ".repeat(100), "ab ".repeat(400));
    let texts = [
        Scored { prompt: "x", reply: "y", finish_reason: FinishReason::Stop },
        // Rotary positions have no last one.
        Scored { prompt: &longer, reply: "y", finish_reason: FinishReason::Stop },
        Scored { prompt: "x", reply: &long, finish_reason: FinishReason::Length },
        Scored { prompt: "x", reply: &longer, finish_reason: FinishReason::Length },
    ];
    let told = AtomicU64::new(0);
    let scorer_chat = chat();
    let scorer = LocalScorer::open(&model, &scorer_chat).unwrap();
    let scores = scorer.score(&texts, &|n| _ = told.fetch_add(n, Ordering::Relaxed)).unwrap();
    assert_eq!(told.into_inner(), 4);
    assert!(scores[0].is_some() && scores[1].is_some());
    let (some, all) = (scores[2].unwrap(), scores[3].unwrap());
    assert!(some.tokens <= SCORED_TOKENS && all.tokens == SCORED_TOKENS, "{some:?} {all:?}");
    // The end of a reply is a token of its own.
    let ended = Scored { finish_reason: FinishReason::Stop, ..texts[0] };
    let broken_off = Scored { finish_reason: FinishReason::Length, ..texts[0] };
    let pair = score(&model, &[ended, broken_off]);
    assert!(pair[0].unwrap().tokens > pair[1].unwrap().tokens && pair[0].unwrap().logprob < pair[1].unwrap().logprob);
    assert!(pair[0].unwrap().mean() < 0.0);
}

#[test]
fn the_chat_of_the_dialogues_is_the_one_that_their_file_has() {
    let file = std::fs::read_to_string("../../data/dialogues/en-v1.toml").unwrap();
    let file: toml::Value = toml::from_str(&file).unwrap();
    let marks: Chat = file["chat"].clone().try_into().unwrap();
    assert_eq!(chat(), marks);
}

#[test]
fn a_model_that_predicts_no_next_token_is_refused_in_a_sentence() {
    let folder = testmodels::save(&testmodels::family("bert", 1), testmodels::Dtype::F32);
    let model = Model::open(folder.path()).unwrap();
    let why = LocalScorer::open(&model, &chat()).err().unwrap().to_string();
    assert!(why.contains("does not predict next tokens"), "{why}");
}
