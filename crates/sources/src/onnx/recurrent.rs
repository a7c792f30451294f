//! Recurrent layers: presents their weights in PyTorch's layout, so that the same layer compares equal in both containers.
//!
//! ONNX stacks the gates of a GRU as update, reset, new and those of an LSTM as input, output, forget, cell; PyTorch stacks them as
//! reset, update, new and as input, forget, cell, output. ONNX keeps both directions in one tensor and both biases in one.

use super::graph::{Fate, Model, Stored};
use crate::tensor::{Extent, Storage, TensorInfo};

/// For each gate in PyTorch's order, its place in ONNX's.
fn gates(op: &str) -> Option<&'static [usize]> {
    match op {
        "RNN" => Some(&[0]),
        "GRU" => Some(&[1, 0, 2]),
        "LSTM" => Some(&[0, 2, 3, 1]),
        _ => None,
    }
}

/// Replaces the weights of GRU, LSTM and RNN nodes; weights that the graph computes are left as they are.
pub(super) fn rearrange(model: &mut Model) {
    for id in 0..model.graphs.len() {
        for i in 0..model.graphs[id].nodes.len() {
            let node = &model.graphs[id].nodes[i];
            let Some(order) = gates(&node.op) else { continue };
            let find = |input: usize| node.input(input).and_then(|name| model.find(id, name));
            let inputs = [(find(1), [".weight_ih"].as_slice()), (find(2), &[".weight_hh"]), (find(3), &[".bias_ih", ".bias_hh"])];
            for (tensor, parts) in inputs {
                let Some(tensor) = tensor else { continue };
                let stored = &model.tensors[tensor];
                if stored.fate != Fate::Kept {
                    continue;
                }
                if let Some(pieces) = split(&stored.info, order, parts) {
                    let graph = stored.graph;
                    model.tensors[tensor].fate = Fate::Replaced;
                    model.tensors.extend(pieces.into_iter().map(|info| Stored { info, graph, fate: Fate::Kept }));
                }
            }
        }
    }
}

/// One tensor for each direction and part, its gates in `order`; `None` where the tensor has another form.
fn split(tensor: &TensorInfo, order: &[usize], parts: &[&str]) -> Option<Vec<TensorInfo>> {
    let Storage::Dense(extent) = tensor.storage else { return None };
    let (&n_directions, rest) = tensor.shape.split_first()?;
    let (&rows, columns) = rest.split_first()?;
    let is_bias = parts.len() == 2;
    if !(1..=2).contains(&n_directions) || tensor.affine.is_some() || extent.len == 0 || columns.len() != usize::from(!is_bias) {
        return None;
    }
    let part_rows = rows / parts.len();
    let gate_rows = part_rows / order.len();
    if rows != gate_rows * order.len() * parts.len() {
        return None;
    }
    let gate_bytes = extent.len / (n_directions * parts.len() * order.len()) as u64;
    let mut tensors = Vec::new();
    for direction in 0..n_directions {
        let suffix = match (n_directions, direction) {
            (1, _) => "",
            (_, 0) => ".forward",
            _ => ".reverse",
        };
        for (p, part) in parts.iter().enumerate() {
            let piece = |&gate: &usize| {
                let gates_before = (direction * parts.len() + p) * order.len() + gate;
                Extent { file: extent.file, offset: extent.offset + gates_before as u64 * gate_bytes, len: gate_bytes }
            };
            tensors.push(TensorInfo {
                name: format!("{}{part}{suffix}", tensor.name),
                shape: std::iter::once(part_rows).chain(columns.iter().copied()).collect(),
                encoding: tensor.encoding,
                storage: Storage::Pieces(order.iter().map(piece).collect()),
                affine: None,
            });
        }
    }
    Some(tensors)
}
