//! The graph of an ONNX model, as far as weights need it: which node takes which stored tensor.

use super::Borrowed;
use crate::bytes::ReadAt;
use crate::tensor::TensorInfo;
use crate::{FormatError, store};
use std::collections::BTreeMap;

/// What becomes of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is a tensor of the checkpoint.
    Kept,
    /// It scales or shifts another tensor's integers and is no weight itself.
    Quantisation,
    /// It was replaced by tensors made from it, or left out with a warning.
    Replaced,
}

/// An initializer, or the value of a Constant node.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) info: TensorInfo,
    pub(super) graph: usize,
    pub(super) fate: Fate,
}

/// A graph, a subgraph of a node (a branch, a loop's body), or the body of a function.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The graph whose names this one sees too.
    pub(super) parent: Option<usize>,
    /// `If_0.then_branch`; empty for the main graph.
    pub(super) path: String,
    pub(super) nodes: Vec<Node>,
    /// Stored tensors by name.
    pub(super) stored: BTreeMap<String, usize>,
    /// Which node makes a value, by its name.
    producers: BTreeMap<String, usize>,
    /// Which nodes of this graph take a value, by its name.
    consumers: BTreeMap<String, Vec<usize>>,
}

/// One operator of a graph.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) op: String,
    /// Empty inputs are left-out optional ones.
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// The integer attributes.
    pub(super) ints: BTreeMap<String, i64>,
}

/// Everything that was read of a model.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The main graph is the first one.
    pub(super) graphs: Vec<Graph>,
    pub(super) tensors: Vec<Stored>,
    pub(super) warnings: Vec<String>,
    /// Bytes that may still be allocated for scales read from the file.
    pub(super) allowance: u64,
}

/// Users of one value that are looked at; what quantisers write has one or two.
const MAX_FAN_OUT: usize = 64;

impl Graph {
    pub(super) fn new(parent: Option<usize>, path: String) -> Self {
        Self { parent, path, ..Self::default() }
    }

    /// Indexes the names; called when all nodes are there.
    pub(super) fn link(&mut self) {
        for (i, node) in self.nodes.iter().enumerate() {
            for output in &node.outputs {
                self.producers.insert(output.clone(), i);
            }
            for input in node.inputs.iter().filter(|input| !input.is_empty()) {
                self.consumers.entry(input.clone()).or_default().push(i);
            }
        }
    }

    /// The first nodes of this graph that take `name`, in file order.
    pub(super) fn consumers(&self, name: &str) -> impl Iterator<Item = &Node> {
        self.consumers.get(name).into_iter().flatten().take(MAX_FAN_OUT).map(|&i| &self.nodes[i])
    }

    /// The node of this graph that makes `name`.
    pub(super) fn producer(&self, name: &str) -> Option<&Node> {
        self.producers.get(name).map(|&i| &self.nodes[i])
    }
}

impl Node {
    /// The name of input `i`, unless it is left out.
    pub(super) fn input(&self, i: usize) -> Option<&str> {
        self.inputs.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The other input of an operator with two.
    pub(super) fn other_input(&self, name: &str) -> Option<&str> {
        match self.inputs.as_slice() {
            [a, b] if a == name => Some(b),
            [a, b] if b == name => Some(a),
            _ => None,
        }
    }

    pub(super) fn int(&self, attribute: &str) -> Option<i64> {
        self.ints.get(attribute).copied()
    }
}

/// Copies by Identity that are followed from a use to its tensor; exporters write one for a tied weight.
const MAX_COPIES: usize = 8;

impl Model {
    /// The stored tensor that `name` means inside `graph`, through Identity nodes and enclosing graphs.
    pub(super) fn find(&self, graph: usize, name: &str) -> Option<usize> {
        let (mut graph, mut name) = (graph, name);
        for _ in 0..MAX_COPIES {
            let owner = self.owner(graph, name)?;
            if let Some(&tensor) = self.graphs[owner].stored.get(name) {
                return Some(tensor);
            }
            let node = self.graphs[owner].producer(name).filter(|node| node.op == "Identity")?;
            (graph, name) = (owner, node.input(0)?);
        }
        None
    }

    /// The graph, this one or one around it, in which `name` is defined.
    fn owner(&self, graph: usize, name: &str) -> Option<usize> {
        let mut at = Some(graph);
        while let Some(graph) = at {
            let candidate = &self.graphs[graph];
            if candidate.stored.contains_key(name) || candidate.producers.contains_key(name) {
                return Some(graph);
            }
            at = candidate.parent;
        }
        None
    }

    /// Reads a small stored tensor; `None` if it lies in another file.
    pub(super) fn values(&mut self, source: &dyn ReadAt, tensor: usize) -> Result<Option<Vec<f32>>, FormatError> {
        let info = &self.tensors[tensor].info;
        if info.extents().iter().any(|extent| extent.file != 0) {
            return Ok(None);
        }
        // Shared by all readings, for one scale may be asked for by many nodes.
        let bytes = info.checked_elements()?.saturating_mul(4);
        self.allowance = self.allowance.checked_sub(bytes).ok_or_else(|| {
            FormatError::new(
                "quantisation scales",
                "more values than any model has",
                format!("at most {} bytes of them", super::MAX_HELD_BYTES),
            )
            .tensor(&info.name)
        })?;
        let mut values = Vec::new();
        store::read_f32(&[Borrowed(source)], info, 0..info.rows(), &mut values)?;
        Ok(Some(values))
    }
}
