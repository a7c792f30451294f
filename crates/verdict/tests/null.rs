//! Hundreds of independent pairs: p-values that hold, and not one verdict of derivation.

#![expect(clippy::unwrap_used, reason = "a test stops where a checkpoint of its own cannot be read")]

mod case;

use case::compare;
use stats::tails::ln_normal_sf;
use stats::uniformity::{clopper_pearson, ks_uniform};
use testmodels::{Llama, gru, lstm};
use verdict::Conclusion;

/// Enough for the rule of three to say "below one in a hundred".
const PAIRS: u64 = 320;

/// One pair of the null.
struct Null {
    alignment: f64,
    asymptotic: f64,
    matrices: f64,
    haar: f64,
    conclusion: Conclusion,
}

/// Independent weights; what trainings share in life is shared (see `testmodels`): configuration, names, tokens' frequencies, a pattern over
/// tokens, gains near one.
fn observe(pair: u64) -> Null {
    let compared = compare(&Llama::tiny(1000 + 2 * pair).build(), &Llama::tiny(1001 + 2 * pair).build());
    let alignment = compared.of("weights.unit-alignment");
    let z = alignment.explanation.parts.iter().find(|part| part.label == "z").and_then(|part| part.value).unwrap();
    let p = |id: &str| compared.of(id).p_value.unwrap().value();
    Null {
        alignment: p("weights.unit-alignment"),
        asymptotic: ln_normal_sf(z).exp(),
        matrices: p("weights.matrix-match"),
        haar: p("weights.haar-bound"),
        conclusion: compared.verdict.conclusion,
    }
}

#[test]
fn p_values_hold_over_hundreds_of_independent_pairs() {
    let pairs: Vec<Null> = (0..PAIRS).map(observe).collect();
    for (method, p_values) in [
        ("weights.unit-alignment", pairs.iter().map(|p| p.alignment).collect::<Vec<f64>>()),
        ("weights.matrix-match", pairs.iter().map(|p| p.matrices).collect()),
        ("weights.haar-bound", pairs.iter().map(|p| p.haar).collect()),
        ("normal approximation of weights.unit-alignment", pairs.iter().map(|p| p.asymptotic).collect()),
    ] {
        for level in [0.05, 0.01] {
            let rejected = p_values.iter().filter(|&&p| p <= level).count() as u64;
            let (least, _) = clopper_pearson(rejected, PAIRS, 0.999).unwrap();
            println!("{method}: {rejected} of {PAIRS} at {level}");
            assert!(least <= level, "{method}: {rejected} of {PAIRS} pairs at {level}, at least {least:.3} in all likelihood");
        }
    }
    let uniform = ks_uniform(&pairs.iter().map(|p| p.asymptotic).collect::<Vec<f64>>()).unwrap();
    println!("normal approximation: KS distance {:.3}, p {:.3}", uniform.distance, uniform.p.value());
    assert!(uniform.p.value() > 1e-3, "KS distance {}, p {}", uniform.distance, uniform.p.value());

    let derived = pairs.iter().filter(|p| p.conclusion == Conclusion::SupportsDerivation).count();
    assert_eq!(derived, 0);
    println!("no derivation in {PAIRS} independent pairs: at 95 % confidence the rate is below {:.4}", 3.0 / PAIRS as f64);
    assert!(pairs.iter().all(|p| p.conclusion == Conclusion::SupportsIndependence));
}

/// Enough for a Kolmogorov-Smirnov test to see a law that is off by a sixth.
const TOKEN_PAIRS: u64 = 80;

/// Between models of different widths no stored axis can be compared; what units and heads do to common tokens still can, by their indices.
#[test]
fn p_values_over_common_tokens_hold_where_nothing_stored_is_comparable() {
    let mut z_p_values = Vec::new();
    let mut p_values = Vec::new();
    for pair in 0..TOKEN_PAIRS {
        let network = |seed: u64, hidden: usize| Llama { hidden, layers: 2, vocab: 560, ..Llama::new(seed) }.build();
        let compared = compare(&network(5000 + 2 * pair, 32), &network(5001 + 2 * pair, 48));
        assert_ne!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
        let alignment = compared.of("weights.unit-alignment");
        assert!(alignment.explanation.words.contains("over common tokens"), "{}", alignment.explanation.words);
        assert!(alignment.explanation.parts.iter().all(|part| part.label != "as stored"));
        let z = alignment.explanation.parts.iter().find(|part| part.label == "z").and_then(|part| part.value).unwrap();
        z_p_values.push(ln_normal_sf(z).exp());
        p_values.push(alignment.p_value.unwrap().value());
    }
    for level in [0.05, 0.01] {
        let rejected = p_values.iter().filter(|&&p| p <= level).count() as u64;
        let (least, _) = clopper_pearson(rejected, TOKEN_PAIRS, 0.999).unwrap();
        println!("over common tokens: {rejected} of {TOKEN_PAIRS} at {level}");
        assert!(least <= level, "{rejected} of {TOKEN_PAIRS} pairs at {level}, at least {least:.3} in all likelihood");
    }
    let uniform = ks_uniform(&z_p_values).unwrap();
    println!("normal approximation over common tokens: KS distance {:.3}, p {:.3}", uniform.distance, uniform.p.value());
    assert!(uniform.p.value() > 1e-3, "KS distance {}, p {}", uniform.distance, uniform.p.value());
}

/// The same without family or names, and with recurrent matrices whose diagonals are alike in all networks.
#[test]
fn networks_that_no_family_describes_are_not_called_derived_either() {
    let mut rejected = 0;
    for pair in 0..40 {
        for diagonal in [0.0, 0.3] {
            for build in [gru, lstm] {
                let compared = compare(&build(3000 + 2 * pair, diagonal), &build(3001 + 2 * pair, diagonal));
                assert_ne!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
                rejected += u64::from(compared.of("weights.matrix-match").p_value.is_some_and(|p| p.value() <= 0.05));
            }
        }
    }
    let (least, _) = clopper_pearson(rejected, 160, 0.999).unwrap();
    assert!(least <= 0.05, "{rejected} of 160 pairs at .05");
}

/// The power that goes with it: the same sizes, after a change of a third of the weights' size.
#[test]
fn the_same_sizes_suffice_to_find_derivation() {
    for pair in 0..20 {
        let network = Llama::tiny(2000 + pair).build();
        let compared = compare(&network, &network.clone().finetuned(pair, 0.33));
        assert_eq!(compared.verdict.conclusion, Conclusion::SupportsDerivation, "{}", compared.verdict.statement);
    }
}
