//! A network in memory: named tensors, the configuration and the tokens beside them.

use serde_json::Value;

/// One tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// As the file will call it.
    pub name: String,
    /// As stored.
    pub shape: Vec<usize>,
    /// In the order of the shape.
    pub values: Vec<f32>,
}

impl Tensor {
    /// Elements of one row: the product of all axes but the first.
    pub fn row_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Whether it has rows and columns.
    pub fn is_matrix(&self) -> bool {
        self.shape.len() > 1
    }

    /// The rows of these indices, in this order.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Self {
        let len = self.row_len();
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        Self {
            name: self.name.clone(),
            shape,
            values: rows.iter().flat_map(|&row| self.values[row * len..][..len].iter().copied()).collect(),
        }
    }

    /// The matrix with its axes exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let (rows, cols) = (self.shape[0], self.row_len());
        let values = (0..cols).flat_map(|col| (0..rows).map(move |row| self.values[row * cols + col])).collect();
        Self { name: self.name.clone(), shape: vec![cols, rows], values }
    }

    /// Root mean square of the values.
    pub fn rms(&self) -> f64 {
        (self.values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / self.values.len() as f64).sqrt()
    }
}

/// A model before it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// `config.json`.
    pub config: Option<Value>,
    /// Tokens by id, for a `tokenizer.json`.
    pub tokens: Option<Vec<String>>,
    /// In file order.
    pub tensors: Vec<Tensor>,
}

impl Network {
    /// A network that nothing describes.
    pub fn of(tensors: Vec<Tensor>) -> Self {
        Self { config: None, tokens: None, tensors }
    }

    /// The tensor of a name.
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.iter().find(|t| t.name == name).expect("a tensor of this name")
    }

    /// The tensor of a name, to be changed.
    pub fn tensor_mut(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|t| t.name == name).expect("a tensor of this name")
    }

    /// Sets one key of the configuration.
    pub fn set_config(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(config) = &mut self.config {
            config[key] = value.into();
        }
    }
}
