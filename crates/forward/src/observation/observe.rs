//! Runs a checkpoint on a set of prompts and keeps what it does.

use super::{Image, Observation, Recorder, Subject, image};
use crate::weights::binding_of;
use crate::{Network, NotRunnable, PromptSet, Taps as _, Tokenizer, Wanted};
use sources::canonical::Canonical;
use sources::{Model, SourceError};

/// Everything that an observation can hold.
pub const ALL_TAPS: Wanted = Wanted { attention: true, stream: true, units: true, logits: true };

/// Name and version of this engine, as observations have it.
const ENGINE: &str = concat!("filiation-forward ", env!("CARGO_PKG_VERSION"));

/// Why there is no observation.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The model cannot be run here; weights can still be compared.
    #[error(transparent)]
    NotRunnable(#[from] NotRunnable),
    /// A tensor could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A checkpoint that is ready to be observed: it can be run, and its tokenizer splits the prompts.
pub struct Observer<'a> {
    model: &'a Model,
    network: Network<'a>,
    recorder: Recorder,
}

impl<'a> Observer<'a> {
    /// Prepares for one set of prompts; reads the tokenizer and no weights.
    ///
    /// # Errors
    /// With the reason why the model cannot be run, or cannot be run on these prompts.
    pub fn new(model: &'a Model, tensor_root: Option<&str>, prompts: &PromptSet, wanted: Wanted) -> Result<Self, NotRunnable> {
        let binding = binding_of(model)?;
        let network = Network::open(model)?;
        let shape = network.shape();
        let tokenizer = Tokenizer::of(model)?;
        let Some(vocabulary) = &model.vocabulary else {
            return NotRunnable::because(format!("`{}` has no vocabulary beside its weights", model.path.display()));
        };
        let subject = Subject {
            engine: ENGINE.into(),
            tensor_root: tensor_root.map(str::to_owned),
            model: model.name(),
            family: binding.family.clone(),
            n_parameters: model.parameters(),
            n_layers: shape.layers,
            n_heads: shape.heads,
            hidden: shape.hidden,
            units: shape.units,
            vocabulary: shape.vocabulary,
            causal: shape.causal,
            norm: binding.form.norm,
            logit_cap: shape.logit_cap,
        };
        let wanted = Wanted { logits: wanted.logits && shape.has_logits, ..wanted };
        let encoded = tokenizer.encode_all(prompts, shape.max_positions)?;
        let recorder = Recorder::new(&subject, prompts, encoded, vocabulary, wanted)?;
        Ok(Self { model, network, recorder })
    }

    /// Blocks that the run goes through.
    pub fn blocks(&self) -> u64 {
        self.network.shape().layers as u64
    }

    /// Products of numbers that the run will take, about: one for each parameter and token.
    pub fn work(&self) -> f64 {
        let tokens: usize = self.recorder.sequences().iter().map(|sequence| sequence.len()).sum();
        self.model.parameters() as f64 * tokens as f64
    }

    /// Runs the model; `advance` is told each block that is done.
    ///
    /// # Errors
    /// If a tensor cannot be read, or the model's numbers are not finite.
    pub fn run(self, advance: &(dyn Fn(u64) + Sync)) -> Result<Observation, ObserveError> {
        self.network.run(&self.recorder.sequences(), &self.recorder, advance)?;
        let image = if self.recorder.wanted().logits { self.image()? } else { None };
        Ok(self.recorder.finish(image)?)
    }

    fn image(&self) -> Result<Option<Image>, ObserveError> {
        match Canonical::new(self.model)? {
            Some(canonical) => image(&canonical, self.recorder.logit_tokens()),
            None => Ok(None),
        }
    }
}
