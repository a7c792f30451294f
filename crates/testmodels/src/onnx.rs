//! Writes a GRU as ONNX: one node, and its gates stacked as update, reset, new instead of PyTorch's reset, update, new.

use crate::{Network, Tensor};
use tempfile::TempDir;

/// A file with the layer and the projection of [`crate::gru`], under names that say nothing.
pub fn save_gru(network: &Network) -> TempDir {
    let reordered = |name: &str, stored_as: &str| {
        let tensor = network.tensor(name);
        let units = tensor.shape[0] / 3;
        let order: Vec<usize> = [1, 0, 2].into_iter().flat_map(|gate| gate * units..(gate + 1) * units).collect();
        let mut stored = tensor.rows(&order);
        stored.shape.insert(0, 1);
        initializer(stored_as, &stored)
    };
    let mut node = Vec::new();
    for input in ["x", "val_1", "val_2"] {
        field(&mut node, 1, input.as_bytes());
    }
    field(&mut node, 2, b"y");
    field(&mut node, 4, b"GRU");
    let mut graph = Vec::new();
    field(&mut graph, 1, &node);
    field(&mut graph, 2, b"g");
    field(&mut graph, 5, &reordered("rnn.weight_ih_l0", "val_1"));
    field(&mut graph, 5, &reordered("rnn.weight_hh_l0", "val_2"));
    field(&mut graph, 5, &initializer("onnx::MatMul_3", &network.tensor("projection.weight").transposed()));
    // ir_version 8, then the graph.
    let mut model = vec![0x08, 8];
    field(&mut model, 7, &graph);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("model.onnx"), model).expect("a weight file");
    folder
}

/// `TensorProto`: dims (1), data_type (2, FLOAT = 1), name (8), raw_data (9).
fn initializer(name: &str, tensor: &Tensor) -> Vec<u8> {
    let mut proto = Vec::new();
    for &n in &tensor.shape {
        proto.push(0x08);
        varint(&mut proto, n as u64);
    }
    proto.extend([0x10, 1]);
    field(&mut proto, 8, name.as_bytes());
    field(&mut proto, 9, &tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    proto
}

/// A field with a length: wire type 2.
fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
