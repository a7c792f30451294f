//! Runs models on prompts and gives the methods what they did.

use evidence::{Advance, METHODS, Method, Observation, Outcome, Outputs, Prepared, Side};
use forward::observation::image;
use forward::{Network, PromptSet, Recorder, Subject, Taps, Tokenizer, UnitsAt, Wanted};
use sources::Model;
use sources::canonical::Canonical;
use sources::form::NormKind;
use std::path::{Path, PathBuf};

/// How a model is observed.
pub(crate) struct Observer {
    pub(crate) prompts: PromptSet,
    /// Tokens that the tokenizer is said to have.
    pub(crate) n_tokens: usize,
    /// Whether units are observed as those of an MLP with gates, as they are, or as those of one without, whose units are the gates.
    pub(crate) has_gates: bool,
    /// Whether the model is said to be a mixture.
    pub(crate) is_mixture: bool,
    pub(crate) wants_logits: bool,
}

impl Observer {
    /// On the prompts that everybody uses.
    pub(crate) fn shared() -> Self {
        let prompts = PromptSet::open(&root().join("data/prompts/shared-v1.toml")).unwrap();
        Self { prompts, n_tokens: usize::MAX, has_gates: true, is_mixture: false, wants_logits: true }
    }

    /// What a micro model does: `models/base`, `lineage/seed-2`. Attention is left out.
    pub(crate) fn observe(&self, name: &str) -> forward::Observation {
        let path = micro(name);
        let model = Model::open(&path).unwrap();
        let canonical = Canonical::new(&model).unwrap().unwrap();
        let network = Network::open(&model).unwrap();
        let shape = network.shape();
        let encoded = Tokenizer::of(&model).unwrap().encode_all(&self.prompts, shape.max_positions).unwrap();
        let subject = Subject {
            engine: "filiation-forward".into(),
            tensor_root: None,
            model: path.file_name().unwrap().to_string_lossy().into_owned(),
            family: "llama".into(),
            n_parameters: 602_976,
            n_layers: shape.layers,
            n_heads: shape.heads,
            hidden: shape.hidden,
            units: if self.is_mixture { 0 } else { shape.units },
            vocabulary: shape.vocabulary,
            causal: shape.causal,
            norm: NormKind::Rms,
            logit_cap: shape.logit_cap,
        };
        let mut vocabulary = model.vocabulary.clone().unwrap();
        vocabulary.tokens.truncate(self.n_tokens);
        let wanted = Wanted { attention: false, stream: true, units: true, logits: self.wants_logits };
        let recorder = Recorder::new(&subject, &self.prompts, encoded, &vocabulary, wanted).unwrap();
        network.run(&recorder.sequences(), &Listener { recorder: &recorder, has_gates: self.has_gates }, &|_| ()).unwrap();
        let image = if self.wants_logits { image(&canonical, recorder.logit_tokens()).unwrap() } else { None };
        recorder.finish(image).unwrap()
    }
}

/// Tells a recorder what a network tells, of units perhaps the gates alone.
struct Listener<'a> {
    recorder: &'a Recorder,
    has_gates: bool,
}

impl Taps for Listener<'_> {
    fn wanted(&self) -> Wanted {
        self.recorder.wanted()
    }

    fn stream(&self, sequence: usize, layer: usize, values: &[f32]) {
        self.recorder.stream(sequence, layer, values);
    }

    fn units(&self, at: UnitsAt, tokens: &[usize], gate: Option<&[f32]>, up: &[f32]) {
        match gate.filter(|_| !self.has_gates) {
            Some(gate) => self.recorder.units(at, tokens, None, gate),
            None => self.recorder.units(at, tokens, gate, up),
        }
    }

    fn logit_positions(&self, sequence: usize, n: usize) -> Vec<usize> {
        self.recorder.logit_positions(sequence, n)
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        self.recorder.logits(sequence, position, values);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn micro(name: &str) -> PathBuf {
    root().join("testdata").join(name)
}

/// One method on outputs. The weights of a micro model stand behind every case, because a case has weights; these methods see none of them.
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

/// The reason of a method that does not apply.
pub(crate) fn reason(
    id: &str,
    reference: &forward::Observation,
    suspect: &forward::Observation,
    controls: &[&forward::Observation],
) -> String {
    match outcome(id, reference, suspect, controls, 0) {
        Outcome::NotApplicable { why } => why,
        Outcome::Observed(observation) => panic!("`{id}` applied: {observation:?}"),
    }
}
