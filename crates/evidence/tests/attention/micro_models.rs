//! The ranking of micro models whose history is known (`testdata/models`, `testdata/lineage/README.md`).

use super::{Answers, compare};
use forward::{Network, Observation as Seen, Prompt, PromptSet, Recorder, Subject, Tokenizer, Wanted};
use sources::Model;
use sources::form::NormKind;
use sources::vocabulary::Vocabulary;
use std::path::Path;

/// Every tenth prompt of the shared set: all kinds, many languages.
fn prompts() -> PromptSet {
    let text = include_str!("../../../../data/prompts/shared-v1.toml");
    let PromptSet { name, version, licence, origin, prompts } = PromptSet::parse(text).unwrap();
    let prompts: Vec<Prompt> = prompts.into_iter().step_by(4).collect();
    PromptSet { name, version, licence, origin, prompts }
}

fn observe(path: &str, prompts: &PromptSet) -> Seen {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path);
    let model = Model::open(&path).unwrap();
    let network = Network::open(&model).unwrap();
    let shape = network.shape();
    let subject = Subject {
        engine: "filiation-forward".into(),
        tensor_root: None,
        model: path.file_name().unwrap().to_string_lossy().into_owned(),
        family: "llama".into(),
        n_parameters: 602_976,
        n_layers: shape.layers,
        n_heads: shape.heads,
        hidden: shape.hidden,
        units: shape.units,
        vocabulary: shape.vocabulary,
        causal: shape.causal,
        norm: NormKind::Rms,
        logit_cap: shape.logit_cap,
    };
    let encoded = Tokenizer::of(&model).unwrap().encode_all(prompts, shape.max_positions).unwrap();
    let sequences: Vec<Vec<u32>> = encoded.iter().map(|encoded| encoded.ids.clone()).collect();
    let wanted = Wanted { attention: true, ..Wanted::default() };
    let recorder = Recorder::new(&subject, prompts, encoded, &Vocabulary::default(), wanted).unwrap();
    network.run(&sequences, &recorder).unwrap();
    recorder.finish(None).unwrap()
}

#[test]
fn derived_models_rank_above_every_independent_one() {
    let prompts = prompts();
    let of = |path: &str| observe(path, &prompts);
    let base = of("models/base");
    let controls = ["seed-1", "seed-2", "seed-3", "seed-4", "other-data"].map(|name| of(&format!("lineage/{name}")));
    let controls: Vec<&Seen> = controls.iter().collect();
    for name in ["finetuned", "permuted-units", "independent"] {
        let answers = compare(&base, &of(&format!("models/{name}")), &controls);
        for row in &answers.claim().rows {
            println!("{name}: {} {:.3?}", row.name, row.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>());
        }
    }
    let seed_1 = of("lineage/seed-1");
    let answers = compare(&seed_1, &of("lineage/continued"), &controls[1..]);
    for row in &answers.claim().rows {
        println!("seed-1: {} {:.3?}", row.name, row.values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>());
    }
    let _: Answers = answers;
}
