//! Quantised weights: finds, through the graph, the scales that turn stored integers into the values the model computes with.
//!
//! Three ways are followed, the certain ones first: operators that take a weight together with its scale, integer arithmetic whose
//! result is scaled afterwards, and names (`w_quantized`, `w_scale`, `w_zero_point`).

use super::graph::{Fate, Graph, Model, Node};
use super::walk::unsupported;
use crate::bytes::ReadAt;
use crate::tensor::Affine;
use crate::{Encoding, FormatError};

/// A weight among the inputs of a quantised operator, and what scales it.
struct Operand {
    weight: usize,
    scale: usize,
    zero_point: usize,
    channels: Channels,
}

/// How an operator's definition says which axis several scales run along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channels {
    /// By its `axis` attribute, 1 unless given.
    Attribute,
    /// The outputs of a `Gemm`'s second operand, which `transB` moves.
    GemmOutputs,
    /// Always the same one.
    Fixed(Along),
}

impl Channels {
    fn of(self, node: &Node) -> Along {
        match self {
            Self::Attribute => Along::Axis(node.int("axis").unwrap_or(1)),
            Self::GemmOutputs => Along::Axis(if node.int("transB").unwrap_or(0) == 0 { 1 } else { 0 }),
            Self::Fixed(along) => along,
        }
    }
}

/// Which axis of the weight several scales run along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Along {
    /// This axis, counted from the end if negative.
    Axis(i64),
    /// The axis that broadcasting aligns with the scale's own.
    Broadcast,
    /// The one axis of the right length.
    Matching,
    /// None: only a single scale is understood.
    None,
}

/// A quantised operator of ONNX or of ONNX Runtime's contributed operators: where its inputs stand in their schemas.
struct Operator {
    op: &'static str,
    operands: &'static [Operand],
    /// An integer bias, and the two scales whose product scales it.
    bias: Option<(usize, [usize; 2])>,
    /// Scales and zero points of activations.
    parameters: &'static [usize],
}

const fn operand(weight: usize, scale: usize, zero_point: usize, channels: Channels) -> Operand {
    Operand { weight, scale, zero_point, channels }
}

const FIRST: Channels = Channels::Fixed(Along::Axis(0));
const LAST: Channels = Channels::Fixed(Along::Axis(-1));
const ROWS: Channels = Channels::Fixed(Along::Axis(-2));
const ALIGNED: Channels = Channels::Fixed(Along::Broadcast);
const SINGLE: Channels = Channels::Fixed(Along::None);

const OPERATORS: &[Operator] = &[
    Operator { op: "DequantizeLinear", operands: &[operand(0, 1, 2, Channels::Attribute)], bias: None, parameters: &[] },
    Operator { op: "QuantizeLinear", operands: &[], bias: None, parameters: &[1, 2] },
    Operator { op: "QLinearMatMul", operands: &[operand(0, 1, 2, ROWS), operand(3, 4, 5, LAST)], bias: None, parameters: &[6, 7] },
    Operator {
        op: "QLinearConv",
        operands: &[operand(0, 1, 2, SINGLE), operand(3, 4, 5, FIRST)],
        bias: Some((8, [1, 4])),
        parameters: &[6, 7],
    },
    Operator {
        op: "QGemm",
        operands: &[operand(0, 1, 2, SINGLE), operand(3, 4, 5, Channels::GemmOutputs)],
        bias: Some((6, [1, 4])),
        parameters: &[7, 8],
    },
    Operator { op: "QAttention", operands: &[operand(0, 3, 6, SINGLE), operand(1, 4, 7, LAST)], bias: None, parameters: &[] },
    Operator { op: "DynamicQuantizeMatMul", operands: &[operand(1, 2, 3, LAST)], bias: None, parameters: &[] },
    Operator { op: "MatMulIntegerToFloat", operands: &[operand(0, 2, 4, ROWS), operand(1, 3, 5, LAST)], bias: None, parameters: &[] },
    Operator {
        op: "DynamicQuantizeLSTM",
        operands: &[operand(1, 8, 9, ALIGNED), operand(2, 10, 11, ALIGNED)],
        bias: None,
        parameters: &[],
    },
];

/// Operators over weights in blocks of a few bits: the packed weight, and its scales and zero points.
const BLOCKWISE: &[(&str, usize, &[usize])] = &[("MatMulNBits", 1, &[2, 3]), ("MatMulBnb4", 1, &[2]), ("GatherBlockQuantized", 0, &[2, 3])];

/// A stored tensor and the tensors that dequantise it.
struct Decision {
    weight: usize,
    /// Multiplied with each other.
    scales: Vec<usize>,
    zero_point: Option<usize>,
    along: Along,
    /// Whether the operator's definition demands that the scales fit; otherwise this reading of the graph was a guess.
    is_certain: bool,
}

#[derive(Default)]
struct Plan {
    decisions: Vec<Decision>,
    parameters: Vec<usize>,
    /// Weights that are left out.
    blockwise: Vec<usize>,
    /// Weights of integer arithmetic for which no scale was found.
    unscaled: Vec<usize>,
}

/// Gives every quantised weight its [`Affine`], and takes scales and zero points off the list of weights.
pub(super) fn resolve(model: &mut Model, source: &dyn ReadAt) -> Result<(), FormatError> {
    let mut plan = Plan::default();
    for (id, graph) in model.graphs.iter().enumerate() {
        for node in &graph.nodes {
            plan.operator(model, id, node);
            plan.integer_product(model, id, node);
            plan.cast(model, id, node);
        }
    }
    for weight in plan.blockwise {
        let stored = &mut model.tensors[weight];
        if stored.fate == Fate::Kept {
            stored.fate = Fate::Replaced;
            let warning = unsupported(&stored.info.name, "blockwise quantisation");
            model.warnings.push(warning);
        }
    }
    for parameter in plan.parameters {
        model.tensors[parameter].fate = Fate::Quantisation;
    }
    plan.decisions.sort_by_key(|decision| !decision.is_certain);
    for decision in plan.decisions.into_iter().chain(by_name(model)) {
        apply(model, source, decision)?;
    }
    for weight in plan.unscaled {
        let info = &model.tensors[weight].info;
        if info.affine.is_none() {
            let warning =
                format!("tensor `{}` keeps its integers as values: no scale for it was found in the graph", info.name.escape_debug());
            model.warnings.push(warning);
        }
    }
    Ok(())
}

impl Plan {
    fn operator(&mut self, model: &Model, graph: usize, node: &Node) {
        let find = |i: usize| node.input(i).and_then(|name| model.find(graph, name));
        if let Some((_, weight, parameters)) = BLOCKWISE.iter().find(|(op, ..)| *op == node.op) {
            self.blockwise.extend(find(*weight));
            self.parameters.extend(parameters.iter().copied().filter_map(find));
            return;
        }
        let Some(operator) = OPERATORS.iter().find(|operator| operator.op == node.op) else { return };
        self.parameters.extend(operator.parameters.iter().copied().filter_map(find));
        for operand in operator.operands {
            let (scale, zero_point) = (find(operand.scale), find(operand.zero_point));
            self.parameters.extend(scale);
            self.parameters.extend(zero_point);
            let (weight, along) = match find(operand.weight) {
                Some(weight) => (Some(weight), operand.channels.of(node)),
                // Rows of an embedding are gathered as integers and dequantised afterwards.
                None => (gathered(model, graph, node.input(operand.weight)), Along::None),
            };
            let Some(weight) = weight else { continue };
            let in_blocks = operand.channels == Channels::Attribute
                && (node.int("block_size").is_some_and(|size| size != 0)
                    || scale.map(|scale| &model.tensors[scale].info).is_some_and(|scale| scale.shape.len() > 1 && scale.elements() > 1));
            if in_blocks {
                self.blockwise.push(weight);
                continue;
            }
            match scale {
                Some(scale) => self.decisions.push(Decision {
                    weight,
                    scales: vec![scale],
                    zero_point,
                    along,
                    is_certain: !matches!(along, Along::None | Along::Broadcast),
                }),
                None => self.unscaled.push(weight),
            }
        }
        if let Some((bias, scales)) = operator.bias
            && let Some(weight) = find(bias)
        {
            let scales: Vec<usize> = scales.into_iter().filter_map(find).collect();
            if scales.len() == 2 {
                let along = Along::Axis(0);
                self.decisions.push(Decision { weight, scales, zero_point: None, along, is_certain: true });
            } else {
                self.unscaled.push(weight);
            }
        }
    }

    /// `MatMulInteger` and `ConvInteger`: the scale of the weight is a factor of what their result is multiplied with.
    fn integer_product(&mut self, model: &Model, graph: usize, node: &Node) {
        let (operands, along): (&[(usize, usize)], _) = match node.op.as_str() {
            "MatMulInteger" => (&[(0, 2), (1, 3)], Along::Broadcast),
            "ConvInteger" => (&[(1, 3)], Along::Axis(0)),
            _ => return,
        };
        for &(weight, zero_point) in operands {
            let find = |i: usize| node.input(i).and_then(|name| model.find(graph, name));
            let zero_point = find(zero_point);
            self.parameters.extend(zero_point);
            let Some(weight) = find(weight) else { continue };
            self.unscaled.push(weight);
            let scale = node.outputs.first().and_then(|output| factor(model, graph, output));
            if let Some(scale) = scale {
                self.decisions.push(Decision { weight, scales: vec![scale], zero_point, along, is_certain: false });
            }
        }
    }

    /// Small integers that are cast to real numbers, perhaps shifted, and multiplied: a dequantisation written in plain operators.
    fn cast(&mut self, model: &Model, graph: usize, node: &Node) {
        if node.op != "Cast" {
            return;
        }
        let Some(weight) = node.input(0).and_then(|name| model.find(graph, name)) else { return };
        if !matches!(model.tensors[weight].info.encoding, Encoding::I8 | Encoding::U8 | Encoding::I16 | Encoding::U16) {
            return;
        }
        let Some(mut name) = node.outputs.first() else { return };
        let this = &model.graphs[graph];
        let mut zero_point = None;
        if let Some((output, other)) = step(this, name, "Sub") {
            // Only `weight - zero_point`, not the other way round.
            let is_minuend = this.producer(output).and_then(|sub| sub.input(0)) == Some(name);
            let Some(shift) = real(model, graph, other).filter(|_| is_minuend) else { return };
            (name, zero_point) = (output, Some(shift));
        }
        let Some((_, other)) = step(this, name, "Mul") else { return };
        if let Some(scale) = real(model, graph, other) {
            let along = Along::Broadcast;
            self.decisions.push(Decision { weight, scales: vec![scale], zero_point, along, is_certain: false });
        }
    }
}

/// The first operator `op` that takes `name`: its output and its other input.
fn step<'a>(graph: &'a Graph, name: &str, op: &str) -> Option<(&'a String, &'a str)> {
    let node = graph.consumers(name).find(|node| node.op == op)?;
    Some((node.outputs.first()?, node.other_input(name)?))
}

/// The stored tensor behind `name`, through a Cast.
fn real(model: &Model, graph: usize, name: &str) -> Option<usize> {
    model.find(graph, name).or_else(|| {
        let cast = model.graphs[graph].producer(name).filter(|node| node.op == "Cast")?;
        model.find(graph, cast.input(0)?)
    })
}

/// The stored table from which `name` was gathered.
fn gathered(model: &Model, graph: usize, name: Option<&str>) -> Option<usize> {
    let gather = model.graphs[graph].producer(name?).filter(|node| node.op == "Gather")?;
    model.find(graph, gather.input(0)?)
}

/// Casts and products between an integer product and its scale in what quantisers write.
const MAX_STEPS: usize = 4;

/// The one stored tensor that is multiplied into `output`, directly or within a product of two scales.
fn factor(model: &Model, graph: usize, output: &str) -> Option<usize> {
    let this = &model.graphs[graph];
    let mut name = output;
    for _ in 0..MAX_STEPS {
        let next = this.consumers(name).find(|node| matches!(node.op.as_str(), "Cast" | "Mul"))?;
        if next.op == "Mul" {
            let other = next.other_input(name)?;
            if let Some(scale) = model.find(graph, other) {
                return Some(scale);
            }
            if let Some(product) = this.producer(other).filter(|node| node.op == "Mul") {
                let factors: Vec<usize> = product.inputs.iter().filter_map(|input| model.find(graph, input)).collect();
                if let [scale] = factors.as_slice() {
                    return Some(*scale);
                }
            }
        }
        name = next.outputs.first()?;
    }
    None
}

/// Weights that only their names tie to their scales.
fn by_name(model: &Model) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for graph in &model.graphs {
        for (name, &weight) in &graph.stored {
            let Some(base) = name.strip_suffix("_quantized") else { continue };
            let Some(&scale) = graph.stored.get(&format!("{base}_scale")) else { continue };
            let zero_point = graph.stored.get(&format!("{base}_zero_point")).copied();
            let along = Along::Matching;
            decisions.push(Decision { weight, scales: vec![scale], zero_point, along, is_certain: false });
        }
    }
    decisions
}

fn apply(model: &mut Model, source: &dyn ReadAt, decision: Decision) -> Result<(), FormatError> {
    let stored = &model.tensors[decision.weight];
    let is_guess_too_late = stored.info.affine.is_some() && !decision.is_certain;
    if stored.fate != Fate::Kept || is_guess_too_late {
        return Ok(());
    }
    let name = stored.info.name.clone();
    let mut factors = Vec::new();
    let tensors = decision.scales.iter().chain(&decision.zero_point);
    for &tensor in tensors {
        let Some(values) = model.values(source, tensor)? else {
            model.warnings.push(format!(
                "tensor `{}` keeps its integers as values: its scale lies in another file, which is not supported yet",
                name.escape_debug()
            ));
            return Ok(());
        };
        factors.push(values);
    }
    let lengths: Vec<usize> = factors.iter().map(Vec::len).collect();
    let n = lengths.iter().copied().max().unwrap_or(0);
    let axis = if n == 1 { None } else { axis(model, &decision) };
    let info = &model.tensors[decision.weight].info;
    let fits = n == 1 || axis.and_then(|axis| info.shape.get(axis)) == Some(&n);
    if !fits || lengths.iter().any(|&length| length != 1 && length != n) {
        let (found, expected) = (format!("{lengths:?} values"), format!("one, or one a channel of shape {:?}", info.shape));
        if decision.is_certain {
            return Err(FormatError::new("quantisation scales and zero points", found, expected).tensor(name));
        }
        model
            .warnings
            .push(format!("tensor `{}` keeps its integers as values: found {found} of scales, expected {expected}", name.escape_debug()));
        return Ok(());
    }
    let spread = |values: Vec<f32>| if values.len() == 1 { vec![values[0]; n] } else { values };
    let zero_point = if decision.zero_point.is_some() { factors.pop().map(spread).unwrap_or_default() } else { Vec::new() };
    let mut scale = vec![1.0; n];
    for factor in factors {
        scale.iter_mut().zip(spread(factor)).for_each(|(product, value)| *product *= value);
    }
    let zero_point = if zero_point.iter().all(|&zero| zero == 0.0) { Vec::new() } else { zero_point };
    let affine = Affine { scale, zero_point, axis };
    for &tensor in decision.scales.iter().chain(&decision.zero_point) {
        model.tensors[tensor].fate = Fate::Quantisation;
    }
    let stored = &mut model.tensors[decision.weight];
    match &stored.info.affine {
        Some(first) if *first != affine => {
            model.warnings.push(format!("tensor `{}` is dequantised in two ways, of which the first is used", name.escape_debug()));
        }
        _ => stored.info.affine = Some(affine),
    }
    Ok(())
}

/// The axis of the weight that several scales run along, if the decision's rule names one.
fn axis(model: &Model, decision: &Decision) -> Option<usize> {
    let shape = &model.tensors[decision.weight].info.shape;
    let from_either_end = |axis: i64| {
        let axis = if axis < 0 { i64::try_from(shape.len()).ok()?.checked_add(axis)? } else { axis };
        usize::try_from(axis).ok().filter(|&axis| axis < shape.len())
    };
    match decision.along {
        Along::None => None,
        Along::Axis(axis) => from_either_end(axis),
        Along::Broadcast => {
            let scale =
                &model.tensors[*decision.scales.iter().chain(&decision.zero_point).max_by_key(|&&t| model.tensors[t].info.elements())?];
            let long: Vec<usize> = (0..scale.info.shape.len()).filter(|&axis| scale.info.shape[axis] != 1).collect();
            let [long] = long.as_slice() else { return None };
            shape.len().checked_sub(scale.info.shape.len() - long)
        }
        Along::Matching => {
            let n = decision.scales.iter().map(|&scale| model.tensors[scale].info.elements()).max()?;
            let mut fitting = (0..shape.len()).filter(|&axis| shape[axis] == n);
            fitting.next().filter(|_| fitting.next().is_none())
        }
    }
}
