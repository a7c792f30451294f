//! Laws on made attention.

use super::made::{Made, prompts};
use super::{Answers, compare, ran, reason};
use evidence::{ClaimKind, MEASURES, Outputs};
use forward::Observation as Seen;

/// Observations keep halves, and products are in f32.
const ROUNDING: f64 = 1e-5;
const PROMPTS: usize = 40;

fn strangers(seeds: std::ops::Range<u64>, n_prompts: usize) -> Vec<Seen> {
    seeds.map(|seed| Made::new(seed).observe(n_prompts)).collect()
}

#[test]
fn a_model_is_like_itself_in_every_measure() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..5, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let answers = compare(&reference, &reference, &controls);
    for (measure, value) in MEASURES.iter().zip(answers.row(0)) {
        assert!((value.unwrap() - 1.0).abs() < ROUNDING, "{}: {value:?}", measure.id);
    }
    assert!((answers.r() - 1.0).abs() < ROUNDING);
    let profile = ran(&answers.residual).profile.as_ref().unwrap();
    assert_eq!(profile.points.iter().map(|point| point.depth).collect::<Vec<_>>(), [0.0, 1.0]);
    assert!(answers.claim().heads.iter().all(|head| (head.at.layer, head.at.head) == (head.at.reference_layer, head.at.reference_head)));
}

/// The point of the whole measure: two independent models that share a sink and a liking for near positions correlate above .9, and have
/// nothing in common beyond controls; a noisy copy has.
#[test]
fn sinks_and_positions_are_no_evidence_and_a_noisy_copy_is() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..6, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let stranger = compare(&reference, &Made::new(9).observe(PROMPTS), &controls);
    let copy = compare(&reference, &Made::new(1).noisy(0.4).observe(PROMPTS), &controls);
    let (a, b) = (stranger.row(0), copy.row(0));
    assert!(a[0].unwrap() > 0.9 && a[1].unwrap() > 0.9 && a[2].unwrap() > 0.9, "{a:?}");
    assert!(a[5].unwrap().abs() < 0.05, "{a:?}");
    assert!(b[5].unwrap() > 0.8, "{b:?}");
    // Every control is in the claim as it is when it takes the suspect's place.
    let others: Vec<&Seen> = controls[1..].to_vec();
    let outputs = Outputs::new(&reference, &reference, &controls).unwrap();
    let in_place = Answers::of(outputs.with_control(controls[0], &others));
    assert!((in_place.r() - stranger.row(1)[5].unwrap()).abs() < 1e-9);
    assert!((ran(&in_place.attention).statistic - stranger.row(1)[2].unwrap()).abs() < 1e-9);
    assert!(ran(&in_place.attention).attention.is_none(), "a claim is about the suspect");
    assert!(stranger.claim().rows[1..].iter().all(|row| row.kind == ClaimKind::Control && row.values[5].as_ref().unwrap().abs() < 0.05));
}

/// Of models with equally many blocks: blocks are paired by index then. Where the numbers differ each block of the suspect has a counterpart,
/// and not the other way round.
#[test]
fn exchanging_the_sides_changes_no_measure() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..5, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let wide = Made { heads: 5, order: vec![0, 1, 2, 3, 4], ..Made::new(1) }.noisy(0.5).observe(PROMPTS);
    for suspect in [Made::new(1).noisy(0.5).observe(PROMPTS), Made::new(7).observe(PROMPTS), wide] {
        let (forth, back) = (compare(&reference, &suspect, &controls), compare(&suspect, &reference, &controls));
        for ((measure, a), b) in MEASURES.iter().zip(forth.row(0)).zip(back.row(0)) {
            assert_eq!(a.is_some(), b.is_some());
            assert!((a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < ROUNDING, "{}: {a:?} {b:?}", measure.id);
        }
    }
}

#[test]
fn the_order_of_heads_shows_in_the_pooled_number_alone() {
    let (reference, controls) = (Made { sink: 1.0, ..Made::new(1) }.observe(PROMPTS), strangers(2..5, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let made = Made { sink: 1.0, ..Made::new(1) }.noisy(0.3);
    let plain = compare(&reference, &made.clone().observe(PROMPTS), &controls);
    let turned = compare(&reference, &Made { order: vec![2, 0, 1], ..made }.observe(PROMPTS), &controls);
    assert!(plain.row(0)[0].unwrap() - turned.row(0)[0].unwrap() > 0.1, "{:?} {:?}", plain.row(0), turned.row(0));
    for (a, b) in plain.row(0).iter().zip(turned.row(0)).skip(1) {
        assert!((a.unwrap() - b.unwrap()).abs() < ROUNDING, "{:?} {:?}", plain.row(0), turned.row(0));
    }
    let partners: Vec<usize> = turned.claim().heads.iter().map(|head| head.at.reference_head).collect();
    assert_eq!(partners, [2, 0, 1, 2, 0, 1]);
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let (reference, suspect, controls) = (Made::new(1).observe(33), Made::new(1).noisy(1.0).observe(33), strangers(2..5, 33));
    let controls: Vec<&Seen> = controls.iter().collect();
    let with_threads = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| {
            let answers = compare(&reference, &suspect, &controls);
            format!("{:?} {:?}", answers.attention, answers.residual)
        })
    };
    let alone = with_threads(1);
    for threads in [2, 7] {
        assert!(with_threads(threads) == alone, "{threads} threads give other bits than one");
    }
}

#[test]
fn what_is_not_defined_says_why() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..4, PROMPTS));
    let all: Vec<&Seen> = controls.iter().collect();
    let suspect = Made { layers: 5, heads: 4, order: vec![0, 1, 2, 3], ..Made::new(1) }.noisy(0.2).observe(PROMPTS);

    let alone = compare(&reference, &suspect, &all[..1]);
    let row = &alone.claim().rows[0];
    assert!(row.values[0].as_ref().unwrap_err().contains("the reference has 2 blocks and this model 5"), "{row:?}");
    assert!(row.values[5].as_ref().unwrap_err().contains("at least 2 controls besides the model in question, and 1 can"), "{row:?}");
    assert!(row.values[1..5].iter().all(Result::is_ok), "{row:?}");
    assert!(reason(&alone.residual).contains("at least 2 controls"));
    assert!(alone.claim().maps.is_empty() && alone.claim().heads.iter().all(|head| head.residual.is_none()));
    assert_eq!(ran(&alone.attention).profile.as_ref().unwrap().points.len(), 5, "one point a block of the suspect");

    // With two controls the suspect has its residual, and neither control has.
    let two = compare(&reference, &suspect, &all);
    assert!(two.row(0)[5].is_some() && two.row(1)[5].is_none() && two.row(2)[5].is_none());

    let few = |made: Made| made.observe(7);
    let few = [few(Made::new(1)), few(Made::new(2)), few(Made::new(3)), few(Made::new(4))];
    let short = compare(&few[0], &few[1], &[&few[2], &few[3]]);
    assert!(short.row(0)[3].is_some() && short.row(0)[4].is_none() && short.row(0)[5].is_none());
    assert!(reason(&short.residual).contains("needs 8 prompts"), "{}", reason(&short.residual));

    let encoder = Made { causal: false, ..Made::new(5) }.observe(PROMPTS);
    let mixed = compare(&reference, &encoder, &all);
    for outcome in [&mixed.attention, &mixed.residual] {
        assert!(reason(outcome).contains("earlier tokens only in the reference and to all tokens in the suspect"), "{}", reason(outcome));
    }
    let beside = compare(&reference, &suspect, &[&encoder, all[0], all[1]]);
    let values = &beside.claim().rows[1].values;
    assert!(values.iter().all(|value| value.as_ref().is_err_and(|why| why.contains("in the control"))), "{values:?}");
    assert!(beside.row(0)[5].is_some());
}

#[test]
fn encoders_are_compared_over_all_entries() {
    let encoder = |seed: u64| Made { causal: false, ..Made::new(seed) };
    let (reference, controls) = (encoder(1).observe(PROMPTS), [encoder(2).observe(PROMPTS), encoder(3).observe(PROMPTS)]);
    let controls: Vec<&Seen> = controls.iter().collect();
    let copy = compare(&reference, &encoder(1).noisy(0.4).observe(PROMPTS), &controls);
    let stranger = compare(&reference, &encoder(4).observe(PROMPTS), &controls);
    assert!(copy.r() > 0.8 && stranger.r().abs() < 0.05, "{} {}", copy.r(), stranger.r());
}

#[test]
fn other_tokenizers_are_compared_by_words() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..5, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let suspect = Made { pieces: 2, ..Made::new(1) }.noisy(0.3).observe(PROMPTS);
    let stranger = Made { pieces: 2, ..Made::new(8) }.observe(PROMPTS);
    let (copy, stranger) = (compare(&reference, &suspect, &controls), compare(&reference, &stranger, &controls));
    assert!(copy.claim().by_words && !compare(&reference, &reference, &controls).claim().by_words);
    assert!(copy.r() > 0.8 && stranger.r().abs() < 0.05, "{} {}", copy.r(), stranger.r());
    // The controls are of the reference's tokenizer, and yet their numbers beside this suspect are of words.
    let outputs = Outputs::new(&reference, &suspect, &controls).unwrap();
    let in_place = Answers::of(outputs.with_control(controls[0], &controls[1..]));
    assert!((in_place.r() - copy.row(1)[5].unwrap()).abs() < 1e-9);
}

#[test]
fn maps_show_the_heads_that_are_most_alike_with_the_words_of_their_prompt() {
    let (reference, controls) = (Made::new(1).observe(PROMPTS), strangers(2..4, PROMPTS));
    let controls: Vec<&Seen> = controls.iter().collect();
    let answers = compare(&reference, &Made::new(1).noisy(0.3).observe(PROMPTS), &controls);
    let claim = answers.claim();
    assert_eq!(claim.maps.len(), 3);
    // Prompt 7 is the first of 15 words, with a special token before them.
    let unknown = claim.labels(&claim.maps[0], None);
    assert_eq!((unknown.0.as_str(), unknown.1[1].as_str(), claim.maps[0].reference.len()), ("8", "2", 256));
    assert_eq!(claim.labels(&claim.maps[0], Some(&prompts(PROMPTS + 1))), unknown, "another set has other words");
    let (prompt, labels) = claim.labels(&claim.maps[0], Some(&prompts(PROMPTS)));
    assert_eq!((prompt.as_str(), &labels[..3]), ("made-7", &["·", "word7x0", "word7x1"].map(String::from)[..]));
    let best = claim.heads.iter().filter_map(|head| head.residual).max_by(f64::total_cmp);
    assert_eq!(Some(claim.maps[0].residual), best);
}
