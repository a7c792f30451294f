//! Laws of observations: the same bits however they came about, and numbers that mean what they claim.

use crate::made::{Made, N_HEADS, N_LAYERS, bytes, prompts, subject};
use forward::observation::{MAX_LOGIT_POSITIONS, image, image_from_rows};
use forward::{ALL_TAPS, HeadAt, Image, NO_WORD, Observation, Observer, PromptSet, Recorder, Taps as _, UnitsAt, Wanted};
use serde::Deserialize;
use sources::Model;
use sources::canonical::Canonical;
use std::path::Path;

#[test]
fn the_same_bits_at_any_number_of_threads_and_in_any_order() {
    let made = Made::new(3);
    let expected = bytes(&made.observed(1, 0));
    for (threads, order) in [(1, 1), (2, 2), (7, 3)] {
        assert!(bytes(&made.observed(threads, order)) == expected, "{threads} threads, order {order}");
    }
    assert!(bytes(&Made::new(4).observed(2, 0)) != expected, "other values");
}

#[test]
fn what_is_written_is_read_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("observation.safetensors");
    for wanted in [ALL_TAPS, Wanted { stream: true, ..Wanted::default() }, Wanted { units: true, attention: true, ..Wanted::default() }] {
        let observed = Made::new(5).with(wanted).observed(2, 0);
        observed.write(&path).unwrap();
        let read = Observation::read(&path).unwrap();
        assert_eq!(read, observed);
        assert!(bytes(&read) == std::fs::read(&path).unwrap());
        assert_eq!((read.has_attention(), read.has_units()), (wanted.attention, wanted.units));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[test]
fn attention_is_what_was_told_rounded_to_half_precision() {
    let made = Made::new(6);
    let observed = made.observed(1, 0);
    let at = HeadAt { sequence: 1, layer: 2, head: 1 };
    let n = made.n(1);
    let (told, kept) = (made.attention(at), observed.attention(2, 1, 1).unwrap());
    assert_eq!(kept.len(), n * n);
    assert!(told.iter().zip(&kept).all(|(told, kept)| (told - kept).abs() <= told * 5e-4));
    assert_eq!(observed.attention(N_LAYERS, 0, 0), None);
    assert_eq!(observed.attention(0, N_HEADS, 0), None);
    assert_eq!(observed.attention(0, 0, made.n_prompts()), None);
    // Between words: a row sums to what its tokens give to tokens of words.
    let words = observed.words(1);
    let between = observed.word_attention(2, 1, 1, &words).unwrap();
    let is_word: Vec<bool> = observed.tokens.words_of(1).iter().map(|&word| word != NO_WORD).collect();
    for (row, &word) in words.iter().enumerate() {
        let tokens: Vec<usize> = (0..n).filter(|&i| observed.tokens.words_of(1)[i] == word).collect();
        let expected: f32 =
            tokens.iter().map(|i| (0..n).filter(|&j| is_word[j]).map(|j| kept[i * n + j]).sum::<f32>()).sum::<f32>() / tokens.len() as f32;
        let found: f32 = between[row * words.len()..][..words.len()].iter().sum();
        assert!((found - expected).abs() < 1e-5, "word {word}: {found}, expected {expected}");
    }
}

#[test]
fn rows_of_the_stream_have_a_root_mean_square_of_one() {
    let observed = Made::new(7).observed(1, 0);
    let hidden = observed.subject.hidden;
    for layer in 0..=N_LAYERS {
        let rows = observed.stream(layer).unwrap();
        assert_eq!(rows.len(), observed.stream_words().len() * hidden);
        for row in rows.chunks_exact(hidden) {
            let square = row.iter().map(|v| v * v).sum::<f32>() / hidden as f32;
            assert!((square - 1.0).abs() < 2e-3, "{square}");
        }
    }
    assert_eq!(observed.stream(N_LAYERS + 1), None);
}

/// The standard error of a dot product of sketches, `sqrt((1 + ρ²) / 512)`, of the specification.
#[test]
fn sketches_estimate_correlations_within_their_error() {
    let (reference, suspect) = (Made::new(8), Made::new(9).mixed_with(8, 0.6));
    let (a, b) = (reference.observed(2, 0), suspect.observed(1, 0));
    let (left, right) = (a.sketches(1).unwrap(), b.sketches(1).unwrap());
    let units = a.subject.units;
    let truths = reference.correlations(&suspect, 1);
    let row = |values: &[f32], unit: usize| values[unit * 512..][..512].to_vec();
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let (mut errors, mut bias, mut n) = (0.0, 0.0, 0.0);
    assert_eq!((truths.len(), truths[0].len()), (units, units));
    for (i, row_of_truths) in truths.iter().enumerate() {
        for (j, &truth) in row_of_truths.iter().enumerate() {
            assert!(i != j || truth > 0.4, "unit {i}: {truth}");
            let error = dot(&row(&left.up, i), &row(&right.up, j)) - truth;
            assert!(error.abs() < 5.0 * ((1.0 + truth * truth) / 512.0).sqrt(), "units {i} and {j}: {error} off {truth}");
            errors += error * error;
            bias += error;
            n += 1.0;
        }
    }
    let root_mean_square: f64 = (errors / n).sqrt();
    assert!((0.035..0.05).contains(&root_mean_square), "{root_mean_square}");
    assert!((bias / n).abs() < 0.006, "{}", bias / n);
    // A unit is as far from itself as rounding.
    let own = dot(&row(left.gate.as_ref().unwrap(), 0), &row(left.gate.as_ref().unwrap(), 0));
    assert!((own - 1.0).abs() < 0.3, "{own}");
}

/// As somebody tells who runs one prompt through all blocks before the next.
#[test]
fn prompt_by_prompt_gives_the_bytes_of_block_by_block() {
    let made = Made::new(14);
    assert_eq!(bytes(&made.observed_prompt_by_prompt()), bytes(&made.observed(2, 1)));
}

#[test]
fn a_unit_that_never_changes_has_zeros() {
    let mut made = Made::new(10);
    made.constant_unit = Some(2);
    let sketches = made.observed(1, 0).sketches(0).unwrap();
    assert!(sketches.up[2 * 512..3 * 512].iter().all(|&v| v == 0.0));
    assert!(sketches.up[3 * 512..4 * 512].iter().any(|&v| v != 0.0));
}

#[test]
fn capped_logits_are_kept_as_before_the_cap() {
    let plain = Made::new(11).observed(1, 0).logits.unwrap();
    let mut capped = Made::new(11);
    capped.cap = Some(8.0);
    let capped = capped.observed(1, 0).logits.unwrap();
    assert_eq!(plain.tokens, capped.tokens);
    assert!(plain.values.iter().zip(&capped.values).all(|(a, b)| (a - b).abs() < 1e-4));
    for row in plain.values.chunks_exact(plain.tokens.len()) {
        assert!(row.iter().sum::<f32>().abs() < 1e-3);
    }
}

#[test]
fn defects_of_what_is_told_come_out_as_sentences() {
    let sentence = |tell: &dyn Fn(&Recorder)| {
        let made = Made::new(12);
        let recorder = made.recorder();
        tell(&recorder);
        recorder.finish(None).unwrap_err().to_string()
    };
    let at = |sequence, layer, head| HeadAt { sequence, layer, head };
    let made = Made::new(12);
    let (n, n2) = (made.n(0), made.n(0) * made.n(0));
    let expected = format!("attention of block 0 on prompt 0: found 3 values, expected {n2}");
    assert_eq!(sentence(&|r| r.attention(at(0, 0, 0), &[], &[0.0; 3])), expected);
    let expected = "attention of head 9 in block 0 was told, which the model does not have";
    assert_eq!(sentence(&|r| r.attention(at(0, 0, 9), &[], &vec![0.0; n2])), expected);
    assert_eq!(sentence(&|_| {}), format!("units were told of 0 blocks of {N_LAYERS}"));
    let up = vec![0.5; n * subject().units];
    let all: Vec<usize> = (0..n).collect();
    let units = |layer, expert| UnitsAt { sequence: 0, layer, expert };
    let expected = format!("units of block {N_LAYERS} were told, which the model does not have");
    assert_eq!(sentence(&|r| r.units(units(N_LAYERS, None), &all, None, &up)), expected);
    let expected = "units of block 0 were told for some tokens only, as of a mixture's experts";
    assert_eq!(sentence(&|r| r.units(units(0, Some(1)), &all, None, &up)), expected);
    let expected = format!("the units of block 0 were not told for {} prompts", made.n_prompts() - 1);
    assert_eq!(sentence(&|r| r.units(units(0, None), &all, None, &up)), expected);
    let mut broken = Made::new(12);
    broken.not_a_number = true;
    let refused = broken.try_observed(2, 0).unwrap_err().to_string();
    assert_eq!(refused, "the units of block 0 sum up to NaN, which is no activation of a working model");
}

/// An observation of `testdata/models/base` on the first prompts of the shared set, and the image of another model at the same tokens.
fn observed_base() -> (Observation, Image) {
    let model = Model::open(Path::new("../../testdata/models/base")).unwrap();
    let other = Model::open(Path::new("../../testdata/models/independent")).unwrap();
    let mut prompts = PromptSet::shared().unwrap();
    prompts.prompts.truncate(12);
    let observed = Observer::new(&model, None, &prompts, ALL_TAPS).unwrap().run(&|_| ()).unwrap();
    let canonical = Canonical::new(&other).unwrap().unwrap();
    let foreign = image(&canonical, &observed.logits.as_ref().unwrap().tokens).unwrap().unwrap();
    (observed, foreign)
}

/// The whole way on a trained model: its own tokenizer, the engine, and logits that lie in the image of its unembedding, as they must.
#[test]
fn logits_of_a_model_lie_in_the_image_of_its_unembedding() {
    let (observed, foreign) = observed_base();
    let logits = observed.logits.as_ref().unwrap();
    assert!(logits.positions.len() > 200 && logits.positions.len() <= MAX_LOGIT_POSITIONS);
    assert!(logits.tokens.len() > 700);
    let outside = |image: &Image| {
        let (k, rank) = (logits.tokens.len(), image.rank());
        let (mut all, mut inside) = (0.0f64, 0.0f64);
        for row in logits.values.chunks_exact(k) {
            all += row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            for column in 0..rank {
                inside += row.iter().enumerate().map(|(i, &v)| f64::from(v * image.basis[i * rank + column])).sum::<f64>().powi(2);
            }
        }
        (1.0 - inside / all).abs().sqrt()
    };
    assert!(outside(&logits.image) < 1e-3, "{}", outside(&logits.image));
    assert!(outside(&foreign) > 0.1, "{}", outside(&foreign));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "who made the numbers is for people")]
struct Vector {
    made_by: String,
    versions: serde_json::Value,
    n_prompts: usize,
    ids: Vec<u32>,
    words: Vec<i64>,
    n_words: usize,
    places: Vec<[u32; 2]>,
    signs_of_prompt_3_word_5: Vec<i8>,
    attention_of_block_2_head_1_prompt_3_row_7: Vec<f32>,
    sketch_of_block_1_gate_unit_17: Vec<f32>,
    sketch_of_block_3_up_unit_200: Vec<f32>,
    stream_0_row_5: Vec<f32>,
    stream_4_row_9: Vec<f32>,
    logit_tokens: Vec<u32>,
    logits_row_3: Vec<f32>,
    ellipse_diagonal: Vec<f32>,
}

/// The numbers were made from the specification with torch 2.15.0 and transformers 5.23.0 by `testdata/scripts/make_observation_vectors.py`.
#[test]
fn an_observation_has_the_numbers_that_torch_gives() {
    let vector: Vector = serde_json::from_slice(&std::fs::read("../../testdata/vectors/observation.json").unwrap()).unwrap();
    let (observed, _) = observed_base();
    assert_eq!(observed.n_prompts(), vector.n_prompts);
    assert_eq!(observed.tokens.ids[observed.tokens.prompt(3)], vector.ids);
    let words: Vec<u32> = vector.words.iter().map(|&word| u32::try_from(word).unwrap_or(NO_WORD)).collect();
    assert_eq!(observed.tokens.words_of(3), words);
    let places: Vec<[u32; 2]> = observed.stream_words().iter().map(|at| [at.prompt, at.word]).collect();
    assert_eq!((places.len(), &places[..12]), (vector.n_words, &vector.places[..]));
    // Half precision keeps 11 bits.
    let near = |what: &str, found: &[f32], expected: &[f32]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4 + 6e-4 * expected.abs(), "{what}: {found}, expected {expected}");
        }
    };
    let n = vector.ids.len();
    near("attention", &observed.attention(2, 1, 3).unwrap()[7 * n..], &vector.attention_of_block_2_head_1_prompt_3_row_7);
    let (first, last) = (observed.sketches(1).unwrap(), observed.sketches(3).unwrap());
    near("gate", &first.gate.unwrap()[17 * 512..], &vector.sketch_of_block_1_gate_unit_17);
    near("up", &last.up[200 * 512..], &vector.sketch_of_block_3_up_unit_200);
    let hidden = observed.subject.hidden;
    near("stream", &observed.stream(0).unwrap()[5 * hidden..], &vector.stream_0_row_5);
    near("stream", &observed.stream(4).unwrap()[9 * hidden..], &vector.stream_4_row_9);
    let logits = observed.logits.as_ref().unwrap();
    assert_eq!(logits.tokens[..12], vector.logit_tokens);
    near("logits", &logits.values[3 * logits.tokens.len()..], &vector.logits_row_3);
    let diagonal: Vec<f32> = (0..12).map(|i| logits.image.ellipse[i * hidden + i]).collect();
    near("ellipse", &diagonal, &vector.ellipse_diagonal);
}

#[test]
fn an_image_needs_the_tokens_of_the_logits() {
    let made = Made::new(13);
    let recorder = made.recorder();
    made.tell_all(&recorder, 1, 0);
    let image = image_from_rows(&[0.5, 1.0, 2.0, -1.0], 2, 2).unwrap();
    let n_tokens = recorder.logit_tokens().len();
    let refused = recorder.finish(Some(image)).unwrap_err().to_string();
    assert_eq!(refused, format!("logits were told without the image of {n_tokens} tokens of width {}", subject().hidden));
}

#[test]
fn prompts_and_encodings_must_belong_together() {
    let refused = |change: &dyn Fn(&mut Vec<forward::Encoded>)| {
        let made = Made::new(14);
        let mut encoded = made.encoded();
        change(&mut encoded);
        Recorder::new(&subject(), &prompts(), encoded, &made.vocabulary, ALL_TAPS).unwrap_err().to_string()
    };
    let n = prompts().prompts.len();
    assert_eq!(refused(&|e| drop(e.pop())), format!("{} prompts were split into tokens, but the set has {n}", n - 1));
    assert_eq!(refused(&|e| e[1].ids[0] = 4096), "prompt `prose-en-02` has token 4096, but the model has rows for 1024");
    assert_eq!(refused(&|e| e[0].ids.clear()).split(" with").next(), Some("prompt `prose-en-01` has 0 tokens"));
}
