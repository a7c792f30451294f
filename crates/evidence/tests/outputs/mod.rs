//! Runs models on prompts and gives the methods what they did.

use evidence::{Advance, METHODS, Method, Observation, Outcome, Outputs, Prepared, Side};
use forward::observation::image;
use forward::{Network, PromptSet, Recorder, Subject, Tokenizer, Wanted};
use sources::Model;
use sources::canonical::Canonical;
use std::path::{Path, PathBuf};

/// The prompts that everybody uses.
pub(crate) fn shared_prompts() -> PromptSet {
    PromptSet::open(&root().join("data/prompts/shared-v1.toml")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A micro model: `models/base`, `lineage/seed-2`.
pub(crate) fn micro(name: &str) -> PathBuf {
    root().join("testdata").join(name)
}

/// What a model does on prompts; everything but attention.
pub(crate) fn outputs_of(path: &Path, prompts: &PromptSet) -> forward::Observation {
    let model = Model::open(path).unwrap();
    let canonical = Canonical::new(&model).unwrap().unwrap();
    let network = Network::open(&model).unwrap();
    let shape = network.shape();
    let encoded = Tokenizer::of(&model).unwrap().encode_all(prompts, shape.max_positions).unwrap();
    let subject = Subject {
        engine: "filiation-forward".into(),
        tensor_root: None,
        model: path.file_name().unwrap().to_string_lossy().into_owned(),
        family: canonical.binding().family.to_string(),
        n_parameters: 0,
        n_layers: shape.layers,
        n_heads: shape.heads,
        hidden: shape.hidden,
        units: shape.units,
        vocabulary: shape.vocabulary,
        causal: shape.causal,
        norm: sources::form::NormKind::Rms,
        logit_cap: shape.logit_cap,
    };
    let wanted = Wanted { attention: false, stream: true, units: true, logits: shape.has_logits };
    let recorder = Recorder::new(&subject, prompts, encoded, model.vocabulary.as_ref().unwrap(), wanted).unwrap();
    let sequences: Vec<Vec<u32>> = recorder.sequences().into_iter().map(<[u32]>::to_vec).collect();
    network.run(&sequences, &recorder).unwrap();
    let image = if shape.has_logits { image(&canonical, recorder.logit_tokens()).unwrap() } else { None };
    recorder.finish(image).unwrap()
}

/// One method on outputs. The weights of two micro models stand behind every case, because a case has weights; these methods see none of them.
pub(crate) fn outcome(
    id: &str,
    reference: &forward::Observation,
    suspect: &forward::Observation,
    controls: &[&forward::Observation],
    seed: u64,
) -> Outcome {
    let method: &dyn Method = *METHODS.iter().find(|method| method.card().id == id).unwrap_or_else(|| panic!("no method `{id}`"));
    let model = Model::open(&micro("models/base")).unwrap();
    let side = Side::new(&model).unwrap();
    let outputs = Outputs::new(reference, suspect, controls).unwrap();
    let prepared = Prepared::find(&side, &side, &[], &[method], seed, &Advance::QUIET).unwrap().with_outputs(Ok(outputs));
    prepared.observe(&[method], &|_| {}).unwrap().remove(0).1
}

/// The observation of a method that applies.
pub(crate) fn observed(
    id: &str,
    reference: &forward::Observation,
    suspect: &forward::Observation,
    controls: &[&forward::Observation],
) -> Observation {
    match outcome(id, reference, suspect, controls, 0) {
        Outcome::Observed(observation) => observation,
        Outcome::NotApplicable { why } => panic!("`{id}` did not apply: {why}"),
    }
}
