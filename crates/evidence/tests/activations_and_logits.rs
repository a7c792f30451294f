//! Laws of the methods that read what models do on prompts, and the numbers on models whose history is known.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be read")]

mod outputs;

use evidence::Scale;
use forward::Observation;
use outputs::{Observer, observed, outcome, reason};
use std::sync::LazyLock;

const UNITS: &str = "activations.unit-matching";
const CKA: &str = "activations.cka";
const RESIDUAL: &str = "logits.residual";
const IMAGE: &str = "logits.image";

static BASE: LazyLock<Observation> = LazyLock::new(|| Observer::shared().observe("models/base"));
static FINETUNED: LazyLock<Observation> = LazyLock::new(|| Observer::shared().observe("models/finetuned"));
static PERMUTED: LazyLock<Observation> = LazyLock::new(|| Observer::shared().observe("models/permuted-units"));
/// Independent of `models/base`; the first one read the same data.
static STRANGERS: LazyLock<Vec<Observation>> = LazyLock::new(|| {
    ["models/independent", "lineage/seed-1", "lineage/seed-2", "lineage/other-data"].map(|name| Observer::shared().observe(name)).into()
});

fn strangers_without(left_out: Option<usize>) -> Vec<&'static Observation> {
    STRANGERS.iter().enumerate().filter(|(i, _)| Some(*i) != left_out).map(|(_, stranger)| stranger).collect()
}

fn of_strangers(id: &str) -> Vec<f64> {
    (0..STRANGERS.len()).map(|i| observed(id, &BASE, &STRANGERS[i], &strangers_without(Some(i))).statistic).collect()
}

fn of_relative(id: &str, relative: &Observation) -> f64 {
    observed(id, &BASE, relative, &strangers_without(None)).statistic
}

/// The numbers of the cards, which `cargo test -p evidence --test activations_and_logits` recomputes.
#[test]
fn relatives_rank_above_every_stranger() {
    // Method, finetuned, permuted-units, and the largest of the strangers.
    for (id, finetuned, permuted, stranger) in
        [(UNITS, 1.0, 1.0, 0.010), (CKA, 0.832, 1.0, 0.294), (RESIDUAL, 0.757, 1.0, 0.434), (IMAGE, 0.972, 1.0, 0.785)]
    {
        let found = [of_relative(id, &FINETUNED), of_relative(id, &PERMUTED)];
        let highest = of_strangers(id).into_iter().max_by(f64::total_cmp).unwrap();
        assert!(found.iter().all(|relative| *relative > highest + 0.1), "{id}: {found:?} against {highest}");
        for (found, expected) in [(found[0], finetuned), (found[1], permuted), (highest, stranger)] {
            assert!((found - expected).abs() < 0.01, "{id}: {found} against {expected} of the card");
        }
    }
}

/// Without what the methods take away, models that only read the same data come close to relatives.
#[test]
fn what_is_taken_away_is_what_strangers_share() {
    let part = |id: &str, suspect: &Observation, controls: &[&Observation], label: &str| {
        let explanation = observed(id, &BASE, suspect, controls).explanation;
        explanation.parts.iter().find(|part| part.label == label).unwrap_or_else(|| panic!("{explanation:?}")).value.unwrap()
    };
    let raw = part(RESIDUAL, &STRANGERS[0], &strangers_without(Some(0)), "as given");
    assert!(raw > 0.9, "frequencies of tokens alone make {raw}");
    let cka = observed(CKA, &BASE, &STRANGERS[0], &[]);
    let whole: Vec<f64> = cka.explanation.parts.iter().map(|place| place.parts[0].value.unwrap()).collect();
    let biased: Vec<f64> = cka.explanation.parts.iter().map(|place| place.parts[1].value.unwrap()).collect();
    for ((point, whole), biased) in cka.profile.unwrap().points.iter().zip(&whole).zip(&biased) {
        assert!(point.value + 0.2 < *whole && whole < biased, "{} {whole} {biased}", point.value);
    }
}

#[test]
fn a_model_against_itself_reaches_the_end_of_the_tail() {
    for id in [UNITS, CKA, RESIDUAL, IMAGE] {
        let found = observed(id, &BASE, &BASE, &strangers_without(None));
        assert!((found.statistic - 1.0).abs() < 1e-9, "{id}: {}", found.statistic);
    }
    let image = observed(IMAGE, &BASE, &PERMUTED, &[]).explanation;
    let part = |label: &str| image.parts.iter().find(|part| part.label == label).unwrap().value.unwrap();
    assert!(part("outside") < 1e-10 && part("spread on the ellipse") < 1e-5, "a copy with another order of units: {image:?}");
    assert!((part("by chance") - 96.0 / 1023.0).abs() < 1e-12);
}

#[test]
fn swapping_the_sides_changes_no_symmetric_statistic() {
    for suspect in [&*FINETUNED, &STRANGERS[1]] {
        let controls = [&STRANGERS[0], &STRANGERS[2], &STRANGERS[3]];
        for id in [CKA, RESIDUAL] {
            let (forth, back) = (observed(id, &BASE, suspect, &controls).statistic, observed(id, suspect, &BASE, &controls).statistic);
            assert!((forth - back).abs() < 1e-9, "{id}: {forth} against {back}");
        }
    }
    assert_eq!(observed(UNITS, &BASE, &FINETUNED, &[]).statistic, observed(UNITS, &FINETUNED, &BASE, &[]).statistic);
}

/// `permuted-units` is `base` with its units in another order, and the order of controls is nobody's choice.
#[test]
fn another_order_of_units_or_controls_changes_nothing() {
    let (a, b) = (observed(UNITS, &BASE, &FINETUNED, &[]), observed(UNITS, &PERMUTED, &FINETUNED, &[]));
    assert_eq!((a.statistic, a.n), (b.statistic, b.n));
    let controls = strangers_without(None);
    let backwards: Vec<&Observation> = controls.iter().rev().copied().collect();
    let (a, b) = (observed(RESIDUAL, &BASE, &FINETUNED, &controls), observed(RESIDUAL, &BASE, &FINETUNED, &backwards));
    assert!((a.statistic - b.statistic).abs() < 1e-12);
}

#[test]
fn one_seed_gives_the_same_bits_at_any_number_of_threads() {
    let bits = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let controls = strangers_without(Some(1));
        let of = |id: &str, suspect: &Observation| format!("{:?}", outcome(id, &BASE, suspect, &controls, seed));
        pool.install(|| {
            let mut bits = vec![of(UNITS, &FINETUNED)];
            bits.extend([UNITS, CKA, RESIDUAL, IMAGE].map(|id| of(id, &STRANGERS[1])));
            bits
        })
    };
    let alone = bits(1, 5);
    for threads in [2, 7] {
        assert!(bits(threads, 5) == alone, "{threads} threads give other bits than one");
    }
    let other = bits(2, 6);
    // Copies are drawn anew; what nobody draws stays.
    assert_ne!(other[1], alone[1]);
    assert_eq!(other[2..], alone[2..]);
}

/// Two halves of one view agree for strangers too, on 8 to 29 % of the units of a block, where gate and up agree on hardly any.
#[test]
fn without_gates_agreement_describes_and_no_law_stands_beside_it() {
    let plain = Observer { has_gates: false, ..Observer::shared() };
    let [base, finetuned, stranger] = ["models/base", "models/finetuned", "lineage/seed-1"].map(|name| plain.observe(name));
    let (relative, unrelated) = (observed(UNITS, &base, &finetuned, &[]), observed(UNITS, &base, &stranger, &[]));
    assert!(relative.statistic > 0.99, "{}", relative.statistic);
    assert!(unrelated.statistic > 0.08 && unrelated.statistic < 0.29, "{}", unrelated.statistic);
    for found in [&relative, &unrelated] {
        let profile = found.profile.as_ref().unwrap();
        assert!(profile.synthetic.is_none() && profile.points.iter().all(|point| point.synthetic.is_none()));
        assert!(found.explanation.words.contains("no gate"), "{}", found.explanation.words);
    }
    assert!(reason(UNITS, &BASE, &finetuned, &[]).contains("gate"));
    let gated = observed(UNITS, &BASE, &STRANGERS[1], &[]).profile.unwrap();
    assert_eq!(gated.scale, Scale::Share);
    assert!(gated.synthetic.unwrap().p_value.log10() > -6.0, "gate and up agree no more than re-drawn units");
}

#[test]
fn without_enough_to_go_on_a_method_says_why() {
    let mixture = Observer { is_mixture: true, wants_logits: false, ..Observer::shared() }.observe("models/base");
    assert!(reason(UNITS, &BASE, &mixture, &[]).starts_with("the suspect is a mixture"));
    assert_eq!(reason(IMAGE, &mixture, &BASE, &[]), "the reference gives no logits");
    assert_eq!(reason(RESIDUAL, &BASE, &mixture, &strangers_without(None)), "the suspect gives no logits");

    assert!(reason(RESIDUAL, &BASE, &FINETUNED, &[&STRANGERS[0]]).starts_with("1 of 1 controls have logits for 512 tokens"));
    assert!(reason(RESIDUAL, &BASE, &FINETUNED, &[&STRANGERS[0], &mixture]).starts_with("1 of 2 controls"));
    let itself = [&*PERMUTED, &STRANGERS[0]];
    assert!(reason(RESIDUAL, &BASE, &FINETUNED, &itself).contains("one of them is that model"));

    let mut few = Observer { n_tokens: 110, ..Observer::shared() };
    few.prompts.prompts.truncate(20);
    let [base, finetuned] = ["models/base", "models/finetuned"].map(|name| few.observe(name));
    for (id, words) in [(UNITS, "at least 4096 are needed"), (CKA, "at least 2000 are needed"), (IMAGE, "at least 120 are needed")] {
        let why = reason(id, &base, &finetuned, &[]);
        assert!(why.contains(words), "{id}: {why}");
    }
    assert!(reason(RESIDUAL, &base, &finetuned, &[&base, &base]).starts_with("0 of 2 controls"));
}

/// A control of few common tokens is left out, and the words say so.
#[test]
fn a_control_that_leaves_too_few_tokens_is_left_out() {
    let narrow = Observer { n_tokens: 400, ..Observer::shared() }.observe("lineage/seed-2");
    let controls = [&narrow, &STRANGERS[0], &STRANGERS[1]];
    let found = observed(RESIDUAL, &BASE, &FINETUNED, &controls);
    assert!(found.explanation.words.contains("too few common tokens: 1"), "{}", found.explanation.words);
    assert_eq!(found.statistic, observed(RESIDUAL, &BASE, &FINETUNED, &controls[1..]).statistic);
}
