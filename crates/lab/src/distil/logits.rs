//! Distillation by logits: the student learns what the teacher gives every next token, computed when a batch is due.

use crate::LabError;
use crate::train::{Example, Examples, Learnt};
use forward::{MAX_DISTRIBUTION_BYTES, Sampler};
use sources::FormatError;

/// Sequences of other examples, with a teacher's probabilities as what is learnt of them.
///
/// They are computed batch by batch: kept for a whole training they would take gigabytes.
pub struct Distilled<'a> {
    inner: &'a dyn Examples,
    teacher: &'a Sampler,
    /// Digest of the teacher's tensors.
    tensor_root: &'a str,
    temperature: f32,
}

impl<'a> Distilled<'a> {
    /// `vocabulary` is the student's, which must be the teacher's; `longest` are the most tokens of a sequence and `batch` the sequences of a
    /// step.
    ///
    /// # Errors
    /// If the vocabularies differ, the temperature is out of its range, or the teacher cannot read sequences or answer batches of that size.
    pub fn new(
        inner: &'a dyn Examples,
        (teacher, tensor_root): (&'a Sampler, &'a str),
        vocabulary: usize,
        (longest, batch): (usize, usize),
        temperature: f32,
    ) -> Result<Self, LabError> {
        if teacher.vocabulary() != vocabulary {
            let found = format!("{} tokens of the teacher", teacher.vocabulary());
            return Err(FormatError::new("vocabulary", found, format!("the student's {vocabulary}")).into());
        }
        let bytes = [longest, batch, vocabulary].into_iter().try_fold(size_of::<f32>(), usize::checked_mul);
        if bytes.is_none_or(|bytes| bytes > MAX_DISTRIBUTION_BYTES) {
            let found = format!("{batch} sequences of {longest} tokens by {vocabulary} probabilities");
            return Err(FormatError::new("batch", found, format!("at most {MAX_DISTRIBUTION_BYTES} bytes")).into());
        }
        // Everything else that may fail does so here.
        teacher.distributions(&[(&vec![0; longest.max(1)], longest)], temperature)?;
        Ok(Self { inner, teacher, tensor_root, temperature })
    }
}

impl Examples for Distilled<'_> {
    fn batch(&self, step: usize, size: usize) -> Vec<Example> {
        let mut batch = self.inner.batch(step, size);
        let places: Vec<(&[u32], usize)> = batch
            .iter()
            .map(|example| match &example.learnt {
                Learnt::NextTokens(from) | Learnt::Distributions(from, _) => (example.tokens.as_slice(), *from),
            })
            .collect();
        // Sizes and options were tried when this was made.
        let all = self.teacher.distributions(&places, self.temperature).unwrap_or_default();
        for (example, shares) in batch.iter_mut().zip(all) {
            if let Learnt::NextTokens(from) = example.learnt {
                example.learnt = Learnt::Distributions(from, shares);
            }
        }
        batch
    }

    fn digest(&self) -> String {
        format!("{}, distributions of {} at temperature {}", self.inner.digest(), self.tensor_root, self.temperature)
    }
}
