//! The law of the backward pass: along any direction, the gradient says how fast the loss changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{Target, Trainable};
use sources::{Model, Slot};
use std::collections::BTreeMap;
use testmodels::{Dtype, FAMILIES, VARIANTS, family, save};

const FIRST: [u32; 9] = [3, 17, 256, 17, 599, 41, 0, 17, 3];
const SECOND: [u32; 5] = [8, 2, 2, 77, 31];

/// Far above the rounding of f32, far below the size of a weight.
const STEP: f32 = 2e-3;

fn batch() -> [(&'static [u32], Target<'static>); 2] {
    [(&FIRST, Target::NextTokens(0)), (&SECOND, Target::NextTokens(2))]
}

/// A model on disk, if it can be trained.
fn opened(name: &str) -> Option<Trainable> {
    let folder = save(&family(name, 1), Dtype::F32);
    Trainable::read(&Model::open(folder.path()).unwrap()).unwrap().ok()
}

/// A cheap direction that treats no coordinate like its neighbour.
fn direction(i: usize) -> f32 {
    ((i as f32 * 12.9898).sin() * 43_758.547).fract()
}

fn slots(trainable: &mut Trainable) -> Vec<Slot> {
    trainable.parameters.each_mut().iter().map(|place| place.slot).collect()
}

fn moved(trainable: &mut Trainable, slot: Slot, by: f32) {
    for place in trainable.parameters.each_mut().into_iter().filter(|place| place.slot == slot) {
        place.values.iter_mut().enumerate().for_each(|(i, v)| *v += by * direction(i));
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let mut trained = BTreeMap::new();
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let Some(mut trainable) = opened(name) else { continue };
        let mut gradient = trainable.gradient(&batch());
        assert_eq!(gradient.n, 8 + 2, "{name}");
        let found: BTreeMap<Slot, f64> = gradient
            .parameters
            .each_mut()
            .into_iter()
            .map(|place| (place.slot, place.values.iter().enumerate().map(|(i, g)| f64::from(*g) * f64::from(direction(i))).sum()))
            .collect();
        let mut worst = 0.0;
        for slot in slots(&mut trainable) {
            let mut slope = |step: f32| {
                let loss = |trainable: &mut Trainable, by: f32| {
                    moved(trainable, slot, by);
                    trainable.gradient(&batch()).loss
                };
                let (above, below) = (loss(&mut trainable, step), loss(&mut trainable, -2.0 * step));
                moved(&mut trainable, slot, step);
                (above - below) / (2.0 * f64::from(step))
            };
            // The two differ by the third derivative, which this takes out (Richardson).
            let expected = (4.0 * slope(STEP) - slope(2.0 * STEP)) / 3.0;
            let error = (found[&slot] - expected).abs() / (1.0 + expected.abs());
            assert!(error < 5e-3, "{name}, {slot}: found {}, expected {expected}", found[&slot]);
            worst = if error > worst { error } else { worst };
        }
        trained.insert(name, worst);
    }
    assert!(trained.len() > 8, "{trained:?}");
}

#[test]
fn threads_change_no_bit() {
    let sequences: Vec<Vec<u32>> = (0..40).map(|s| (0..40 + s).map(|t| (s * 31 + t * t) % 500).collect()).collect();
    let batch: Vec<(&[u32], Target<'_>)> = sequences.iter().map(|s| (s.as_slice(), Target::NextTokens(0))).collect();
    let trainable = opened("llama").unwrap();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trainable.gradient(&batch))
    };
    let one = of(1);
    for threads in [2, 7] {
        let several = of(threads);
        assert_eq!(one.loss.to_bits(), several.loss.to_bits(), "{threads} threads");
        assert!(one.parameters == several.parameters, "{threads} threads");
    }
}

#[test]
fn shares_that_are_all_on_one_token_are_that_token() {
    let trainable = opened("llama").unwrap();
    let vocabulary = trainable.vocabulary();
    let mut shares = vec![0.0; 3 * vocabulary];
    FIRST[6..9].iter().enumerate().for_each(|(i, &token)| shares[i * vocabulary + token as usize] = 1.0);
    let hard = trainable.gradient(&[(&FIRST, Target::NextTokens(5))]);
    let soft = trainable.gradient(&[(&FIRST, Target::Distributions(5, &shares))]);
    assert_eq!((hard.n, hard.loss), (soft.n, soft.loss));
    assert!(hard.parameters == soft.parameters);
}
