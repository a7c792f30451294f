//! Tensors by name and numbers of the configuration, as a forward pass asks for them.

use super::math::{Vectors, layer_normed, rms_normed};
use crate::{Network, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;

/// A network's tensors by their names without the prefix that a head or a wrapper puts before them.
pub(super) struct Parameters<'a> {
    tensors: BTreeMap<&'a str, &'a Tensor>,
    config: &'a Value,
}

impl<'a> Parameters<'a> {
    /// Strips the first of `prefixes` that a name begins with.
    pub(super) fn new(network: &'a Network, prefixes: &[&str]) -> Self {
        let short = |name: &'a str| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let tensors = network.tensors.iter().map(|tensor| (short(&tensor.name), tensor)).collect();
        let config = network.config.as_ref().expect("a configuration");
        Self { tensors, config: config.get("text_config").unwrap_or(config) }
    }

    pub(super) fn optional(&self, name: &str) -> Option<&'a Tensor> {
        self.tensors.get(name).copied()
    }

    pub(super) fn tensor(&self, name: &str) -> &'a Tensor {
        self.optional(name).unwrap_or_else(|| panic!("a tensor {name}"))
    }

    /// `null` counts as absent.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.setting(key).and_then(Value::as_f64)
    }

    pub(super) fn count(&self, key: &str) -> Option<usize> {
        self.setting(key).and_then(Value::as_u64).map(|n| n as usize)
    }

    pub(super) fn required_count(&self, key: &str) -> usize {
        self.count(key).unwrap_or_else(|| panic!("{key} in the configuration"))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.setting(key).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.setting(key).and_then(Value::as_bool)
    }

    /// Rows of a table, one an index.
    pub(super) fn rows(&self, name: &str, indices: impl IntoIterator<Item = usize>) -> Vectors {
        let table = self.tensor(name);
        let width = table.row_len();
        indices.into_iter().map(|i| table.values[i * width..][..width].iter().map(|&v| f64::from(v)).collect()).collect()
    }

    /// The matrix `name.weight`, stored `[out, in]`, and the bias `name.bias` where there is one.
    pub(super) fn linear(&self, name: &str, input: &[Vec<f64>]) -> Vectors {
        let mut output = self.product(&format!("{name}.weight"), input);
        self.add_bias(name, &mut output);
        output
    }

    /// The matrix `name.weight`, stored `[in, out]`, and the bias `name.bias`.
    pub(super) fn linear_stored_in_out(&self, name: &str, input: &[Vec<f64>]) -> Vectors {
        let mut output = product(&self.tensor(&format!("{name}.weight")).transposed(), input);
        self.add_bias(name, &mut output);
        output
    }

    /// A matrix without bias, by its whole name.
    pub(super) fn product(&self, name: &str, input: &[Vec<f64>]) -> Vectors {
        product(self.tensor(name), input)
    }

    fn add_bias(&self, name: &str, output: &mut Vectors) {
        if let Some(bias) = self.optional(&format!("{name}.bias")) {
            output.iter_mut().for_each(|y| y.iter_mut().zip(&bias.values).for_each(|(y, &b)| *y += f64::from(b)));
        }
    }

    /// A norm by the root mean square, times `offset` more than the stored gain.
    pub(super) fn rms_norm(&self, name: &str, offset: f64, eps: f64, input: &[Vec<f64>]) -> Vectors {
        let mut normed = rms_normed(input, eps);
        let gains = &self.tensor(&format!("{name}.weight")).values;
        normed.iter_mut().for_each(|y| y.iter_mut().zip(gains).for_each(|(y, &g)| *y *= offset + f64::from(g)));
        normed
    }

    /// A norm by mean and standard deviation, with its gain and bias.
    pub(super) fn layer_norm(&self, name: &str, eps: f64, input: &[Vec<f64>]) -> Vectors {
        let mut normed = layer_normed(input, eps);
        let gains = &self.tensor(&format!("{name}.weight")).values;
        normed.iter_mut().for_each(|y| y.iter_mut().zip(gains).for_each(|(y, &g)| *y *= f64::from(g)));
        self.add_bias(name, &mut normed);
        normed
    }

    /// Logits by the head's own matrix, or by the table of `embed` where the configuration ties them or the head is absent.
    pub(super) fn logits(&self, head: &str, embed: &str, tied_by_default: bool, input: &[Vec<f64>]) -> Vectors {
        let tied = self.flag("tie_word_embeddings").unwrap_or(tied_by_default);
        match self.optional(head).filter(|_| !tied) {
            Some(head) => product(head, input),
            None => self.product(embed, input),
        }
    }
}

fn product(matrix: &Tensor, input: &[Vec<f64>]) -> Vectors {
    let width = matrix.row_len();
    let row = |x: &Vec<f64>, row: &[f32]| row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>();
    let apply = |x: &Vec<f64>| {
        assert_eq!(x.len(), width, "input of {}", matrix.name);
        matrix.values.chunks_exact(width).map(|w| row(x, w)).collect()
    };
    input.iter().map(apply).collect()
}
