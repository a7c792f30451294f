//! Norms: what a vector is divided by, and the gain and bias that follow.

use crate::activation::sum;
use pulp::Arch;
use sources::form::NormKind;

/// A norm of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Norm {
    /// As it multiplies: what is counted from one in a file is complete here.
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Norm {
    /// Each vector of `values` normed, in place; vectors are as wide as the gain.
    pub(crate) fn apply(&self, kind: NormKind, epsilon: f32, values: &mut [f32]) {
        let n = self.gain.len();
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for vector in values.chunks_exact_mut(n.max(1)) {
                    if kind == NormKind::Layer {
                        let mean = sum(vector, |v| v) / n as f32;
                        vector.iter_mut().for_each(|v| *v -= mean);
                    }
                    let scale = 1.0 / (sum(vector, |v| v * v) / n as f32 + epsilon).sqrt();
                    vector.iter_mut().zip(&self.gain).for_each(|(v, gain)| *v = *v * scale * gain);
                    if let Some(bias) = &self.bias {
                        vector.iter_mut().zip(bias).for_each(|(v, bias)| *v += bias);
                    }
                }
            },
        );
    }
}
