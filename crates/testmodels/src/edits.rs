//! What is done to a network after training: changes whose name the program must find.

use crate::{Gaussian, Network, Tensor};

/// How llama names the tensors of a block.
pub const LLAMA_LAYER: &str = "model.layers.";

/// A row of an edited vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewRow {
    /// The row of an old token.
    Old(usize),
    /// A new token with a new row.
    New,
}

impl Network {
    /// Adds noise of `relative` times its own root mean square to every tensor: a dense fine-tune.
    #[must_use]
    pub fn finetuned(mut self, seed: u64, relative: f64) -> Self {
        for tensor in &mut self.tensors {
            let mut gaussian = Gaussian::new(seed, &format!("fine-tune {}", tensor.name));
            // Gains move by what they differ from one, not by their size.
            let size = if tensor.is_matrix() { tensor.rms() } else { 0.06 };
            tensor.values.iter_mut().for_each(|v| *v += (relative * size * gaussian.draw()) as f32);
        }
        self
    }

    /// Adds a product of two random factors of `rank` to every matrix whose name contains one of `targets`; its norm is `relative` times the matrix's.
    #[must_use]
    pub fn with_adapter(mut self, seed: u64, rank: usize, relative: f64, targets: &[&str]) -> Self {
        for tensor in self.tensors.iter_mut().filter(|t| targets.iter().any(|target| t.name.contains(target))) {
            let mut gaussian = Gaussian::new(seed, &format!("adapter {}", tensor.name));
            let (rows, cols) = (tensor.shape[0], tensor.row_len());
            let (down, up) = (gaussian.vector(rows * rank, 1.0), gaussian.vector(rank * cols, 1.0));
            let scale = (relative * tensor.rms() / (rank as f64).sqrt()) as f32;
            for (i, v) in tensor.values.iter_mut().enumerate() {
                let (row, col) = (i / cols, i % cols);
                *v += scale * (0..rank).map(|k| down[row * rank + k] * up[k * cols + col]).sum::<f32>();
            }
        }
        self
    }

    /// Sets the `fraction` smallest values of every matrix to zero.
    #[must_use]
    pub fn pruned(mut self, fraction: f64) -> Self {
        for tensor in self.tensors.iter_mut().filter(|t| t.is_matrix()) {
            let mut sizes: Vec<f32> = tensor.values.iter().map(|v| v.abs()).collect();
            sizes.sort_by(f32::total_cmp);
            let threshold = sizes[(fraction * sizes.len() as f64) as usize];
            tensor.values.iter_mut().filter(|v| v.abs() < threshold).for_each(|v| *v = 0.0);
        }
        self
    }

    /// The blocks of these indices, in this order; a block may be dropped or taken twice.
    #[must_use]
    pub fn with_layers(&self, layers: &[usize]) -> Self {
        let blocks: Vec<(&Self, usize)> = layers.iter().map(|&layer| (self, layer)).collect();
        self.with_blocks(&blocks)
    }

    /// Llama's blocks from several networks, in this order; what is outside of blocks stays.
    #[must_use]
    pub fn with_blocks(&self, blocks: &[(&Self, usize)]) -> Self {
        let mut edited = self.clone();
        edited.tensors.retain(|t| !t.name.starts_with(LLAMA_LAYER));
        for (place, (network, layer)) in blocks.iter().enumerate() {
            let prefix = format!("{LLAMA_LAYER}{layer}.");
            edited.tensors.extend(network.tensors.iter().filter_map(|tensor| {
                let rest = tensor.name.strip_prefix(&prefix)?;
                Some(Tensor { name: format!("{LLAMA_LAYER}{place}.{rest}"), ..tensor.clone() })
            }));
        }
        edited.set_config("num_hidden_layers", blocks.len());
        edited
    }

    /// Gives llama's two tables of tokens other rows, and the tokenizer with them.
    #[must_use]
    pub fn with_vocabulary(mut self, rows: &[NewRow], seed: u64) -> Self {
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            let mut gaussian = Gaussian::new(seed, &format!("new rows {name}"));
            let tensor = self.tensor_mut(name);
            let (width, size) = (tensor.row_len(), tensor.rms());
            let values = rows.iter().flat_map(|row| match *row {
                NewRow::Old(old) => tensor.values[old * width..][..width].to_vec(),
                NewRow::New => gaussian.vector(width, size),
            });
            tensor.values = values.collect();
            tensor.shape[0] = rows.len();
        }
        self.tokens = self.tokens.map(|tokens| {
            let name = |(id, row): (usize, &NewRow)| match *row {
                NewRow::Old(old) => tokens[old].clone(),
                NewRow::New => format!("new{id}"),
            };
            rows.iter().enumerate().map(name).collect()
        });
        self.set_config("vocab_size", rows.len());
        self
    }

    /// Puts the hidden units of every llama block, and the residual coordinates, into an order that the seed draws; computes the same function.
    #[must_use]
    pub fn relabelled(mut self, seed: u64) -> Self {
        let hidden = self.tensor("model.norm.weight").shape[0];
        let residual = Gaussian::new(seed, "residual coordinates").order(hidden);
        for tensor in &mut self.tensors {
            let layer = tensor.name.strip_prefix(LLAMA_LAYER).and_then(|rest| rest.split('.').next()).unwrap_or("").to_owned();
            let by_rows = |tensor: &Tensor, order: &[usize]| tensor.rows(order);
            let by_cols = |tensor: &Tensor, order: &[usize]| tensor.transposed().rows(order).transposed();
            let units = |n: usize| Gaussian::new(seed, &format!("units {layer}")).order(n);
            *tensor = if !tensor.is_matrix() || tensor.name.contains("o_proj") {
                by_rows(tensor, &residual)
            } else if tensor.name.contains("down_proj") {
                by_cols(&by_rows(tensor, &residual), &units(tensor.row_len()))
            } else if tensor.name.contains("gate_proj") || tensor.name.contains("up_proj") {
                by_rows(&by_cols(tensor, &residual), &units(tensor.shape[0]))
            } else {
                by_cols(tensor, &residual)
            };
        }
        self
    }

    /// Multiplies every tensor by a positive number of its own.
    #[must_use]
    pub fn rescaled(mut self, seed: u64) -> Self {
        for tensor in &mut self.tensors {
            // Powers of two, so that no value is rounded.
            let scale = 2f32.powi(Gaussian::new(seed, &tensor.name).draw().round() as i32);
            tensor.values.iter_mut().for_each(|v| *v *= scale);
        }
        self
    }

    /// Replaces each tensor by `with` of it: none, one or several.
    #[must_use]
    pub fn map(mut self, with: impl Fn(Tensor) -> Vec<Tensor>) -> Self {
        self.tensors = self.tensors.into_iter().flat_map(with).collect();
        self
    }

    /// Without configuration and tokenizer, and with names that say nothing.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.config = None;
        self.tokens = None;
        self.tensors.iter_mut().enumerate().for_each(|(i, tensor)| tensor.name = format!("val_{i}"));
        self
    }
}
