use super::*;
use crate::Wording;
use proptest::prelude::*;

fn shipped() -> &'static Calibration {
    Calibration::shipped().unwrap().last().unwrap()
}

fn inside() -> Size<'static> {
    let domain = &shipped().domain;
    Size { family: Some(&domain.families[0]), parameters: domain.parameters.min, layers: domain.layers.min }
}

fn evaluated(share: f64) -> Evaluated {
    shipped().weigh(&|_| Some(share))
}

#[test]
fn a_shipped_calibration_is_read_strictly_and_written_to_the_same_text() {
    let text = SHIPPED[0];
    let calibration = Calibration::parse(text).unwrap();
    assert_eq!(calibration.to_toml().unwrap(), text);
    assert_eq!(calibration.reference(), format!("zoo-1@{}", blake3::hash(text.as_bytes()).to_hex()));
    assert!(Calibration::parse(&text.replacen("schema", "extra = 1\nschema", 1)).unwrap_err().to_string().contains("extra"));
    let above = Calibration { cap: (calibration.population.lineages as f64 + 1.1).log10(), ..calibration };
    assert!(above.to_toml().unwrap_err().to_string().contains("lineages + 1"));
}

#[test]
fn a_likelihood_ratio_outside_the_domain_is_not_stated() {
    let wording = Wording::shipped().unwrap();
    let domain = &shipped().domain;
    let all = std::slice::from_ref(shipped());
    let of = |suspect: Size<'_>, same: bool| likelihood(all, [inside(), suspect], same, &|_| Some(1.0), &wording).unwrap().unwrap();
    let stated = of(inside(), true);
    assert!(stated.stated.is_some() && stated.sentence.starts_with("log10 LR 2.3 "), "{}", stated.sentence);
    let larger = Size { parameters: domain.parameters.max + 1, ..inside() };
    let deeper = Size { layers: domain.layers.max + 1, ..inside() };
    let other = Size { family: Some("mamba"), ..inside() };
    let unknown = Size { family: None, ..inside() };
    for suspect in [larger, deeper, other, unknown] {
        let outside = of(suspect, true);
        assert!(outside.stated.is_none() && outside.sentence.contains("outside every calibration's domain"), "{}", outside.sentence);
    }
    assert_eq!(of(inside(), false).stated.is_none(), domain.same_tokenizer_only);
    assert_eq!(likelihood(&[], [inside(), inside()], true, &|_| None, &wording).unwrap(), None);
}

#[test]
fn a_missing_similarity_states_no_likelihood_ratio() {
    let wording = Wording::shipped().unwrap();
    let found = likelihood(std::slice::from_ref(shipped()), [inside(), inside()], true, &|_| None, &wording).unwrap().unwrap();
    assert!(
        found.stated.is_none() && found.sentence.contains("`weights.unit-matching` and `weights.unit-alignment` gave no statistic"),
        "{}",
        found.sentence
    );
}

proptest! {
    #[test]
    fn it_grows_with_the_similarity_and_stays_within_its_bounds(a in 0.0..=1.0f64, b in 0.0..=1.0f64) {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let (low, high) = (evaluated(low), evaluated(high));
        prop_assert!(low.log10_lr <= high.log10_lr);
        for found in [low, high] {
            prop_assert!(found.limits[0] <= found.bounds[0] && found.bounds[0] <= found.log10_lr);
            prop_assert!(found.log10_lr <= found.bounds[1] && found.bounds[1] <= found.limits[1]);
            prop_assert!(found.limits[1] <= shipped().cap && -shipped().cap <= found.limits[0]);
        }
    }
}
