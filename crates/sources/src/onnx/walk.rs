//! From the bytes of a `ModelProto` to its graphs: which messages are entered, and what is kept of them.

use super::graph::{Fate, Graph, Model, Node, Stored};
use super::proto::{Fields, Span, varint};
use super::tensor_proto::{self, Found};
use super::{MAX_HELD_BYTES, MAX_NODES};
use crate::FormatError;
use crate::bytes::{ByteReader, ReadAt};
use crate::tensor::{MAX_DEPTH, MAX_NAME_BYTES, MAX_TENSORS, MetaValue};
use std::collections::BTreeMap;

/// The state of one walk over a file.
pub(super) struct Walk<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) model: Model,
    pub(super) metadata: BTreeMap<String, MetaValue>,
    external: BTreeMap<String, usize>,
    n_nodes: u64,
    held: u64,
}

/// The attributes of a node that lead to tensors or steer their meaning.
#[derive(Default)]
struct Attribute {
    name: String,
    int: Option<i64>,
    tensor: Option<Span>,
    is_sparse: bool,
    graphs: Vec<Span>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        let model = Model { allowance: MAX_HELD_BYTES, ..Model::default() };
        Self { source, model, metadata: BTreeMap::new(), external: BTreeMap::new(), n_nodes: 0, held: 0 }
    }

    /// Walks the whole file.
    pub(super) fn model(&mut self) -> Result<(), FormatError> {
        let mut fields = Fields::new(self.source, Span { offset: 0, len: self.source.size() }, "ModelProto");
        let (mut graph, mut functions) = (None, Vec::new());
        while let Some(field) = fields.next()? {
            match field.number {
                2 | 3 => {
                    let key = if field.number == 2 { "producer_name" } else { "producer_version" };
                    let value = self.text(field.bytes()?, key)?;
                    self.metadata.insert(key.to_owned(), MetaValue::Text(value));
                }
                7 if graph.is_some() => return Err(FormatError::new("graph of ModelProto", "two graphs", "one graph")),
                7 => graph = Some(field.bytes()?),
                8 => self.opset(field.bytes()?)?,
                25 => {
                    self.hold(size_of::<Span>() as u64)?;
                    functions.push(field.bytes()?);
                }
                _ => {}
            }
        }
        let graph = graph.ok_or_else(|| FormatError::new("graph of ModelProto", "none", "one graph"))?;
        self.graph(graph, None, String::new(), 0)?;
        for function in functions {
            self.function(function)?;
        }
        Ok(())
    }

    /// Names of further files, in the order of first use.
    pub(super) fn external_files(&self) -> Vec<String> {
        let mut files: Vec<(usize, String)> = self.external.iter().map(|(name, &i)| (i, name.clone())).collect();
        files.sort();
        files.into_iter().map(|(_, name)| name).collect()
    }

    /// The number of an external file, as extents have it.
    pub(super) fn external_file(&mut self, location: &str) -> Result<usize, FormatError> {
        let next = self.external.len() + 1;
        if let Some(&file) = self.external.get(location) {
            return Ok(file);
        }
        self.hold(location.len() as u64)?;
        self.external.insert(location.to_owned(), next);
        Ok(next)
    }

    /// Counts what is kept in memory, so that a file of names alone cannot fill it.
    fn hold(&mut self, bytes: u64) -> Result<(), FormatError> {
        // A short name costs more than its letters.
        self.held = self.held.saturating_add(bytes).saturating_add(64);
        if self.held > MAX_HELD_BYTES {
            return Err(FormatError::new(
                "graph",
                "more names and nodes than any model has",
                format!("at most {MAX_HELD_BYTES} bytes of them"),
            ));
        }
        Ok(())
    }

    pub(super) fn text(&mut self, span: Span, what: &str) -> Result<String, FormatError> {
        self.hold(span.len.min(MAX_NAME_BYTES))?;
        ByteReader::within(self.source, span.offset, span.offset.saturating_add(span.len)).text(span.len, MAX_NAME_BYTES, what)
    }

    /// Each of the packed varints of `span`.
    pub(super) fn varints(&self, span: Span, mut each: impl FnMut(u64) -> Result<(), FormatError>) -> Result<(), FormatError> {
        let mut reader = ByteReader::within(self.source, span.offset, span.offset.saturating_add(span.len));
        while reader.remaining() > 0 {
            each(varint(&mut reader, "packed varint")?)?;
        }
        Ok(())
    }

    /// A `StringStringEntryProto`: key and value.
    pub(super) fn entry(&mut self, span: Span) -> Result<(String, String), FormatError> {
        let mut fields = Fields::new(self.source, span, "StringStringEntryProto");
        let (mut key, mut value) = (String::new(), String::new());
        while let Some(field) = fields.next()? {
            match field.number {
                1 => key = self.text(field.bytes()?, "key")?,
                2 => value = self.text(field.bytes()?, "value")?,
                _ => {}
            }
        }
        Ok((key, value))
    }

    fn opset(&mut self, span: Span) -> Result<(), FormatError> {
        let mut fields = Fields::new(self.source, span, "OperatorSetIdProto");
        let (mut domain, mut version) = (String::new(), 0);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => domain = self.text(field.bytes()?, "domain")?,
                2 => version = field.varint()?,
                _ => {}
            }
        }
        let key = if domain.is_empty() { "opset".to_owned() } else { format!("opset.{domain}") };
        self.metadata.insert(key, MetaValue::Unsigned(version));
        Ok(())
    }

    fn graph(&mut self, span: Span, parent: Option<usize>, path: String, depth: usize) -> Result<(), FormatError> {
        if depth > MAX_DEPTH {
            return Err(FormatError::new("nested graphs", format!("more than {MAX_DEPTH} levels"), format!("at most {MAX_DEPTH} levels")));
        }
        let graph = self.begin(parent, path)?;
        let mut fields = Fields::new(self.source, span, "GraphProto");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => self.node(field.bytes()?, graph, depth)?,
                5 => {
                    let (name, found) = tensor_proto::read(self, field.bytes()?, None)?;
                    self.store(graph, name, found)?;
                }
                15 => self.sparse(field.bytes()?, graph)?,
                _ => {}
            }
        }
        self.model.graphs[graph].link();
        Ok(())
    }

    fn function(&mut self, span: Span) -> Result<(), FormatError> {
        let mut fields = Fields::new(self.source, span, "FunctionProto");
        let (mut name, mut nodes) = (String::new(), Vec::new());
        while let Some(field) = fields.next()? {
            match field.number {
                1 => name = self.text(field.bytes()?, "name of a function")?,
                7 => {
                    self.hold(size_of::<Span>() as u64)?;
                    nodes.push(field.bytes()?);
                }
                _ => {}
            }
        }
        let graph = self.begin(None, name)?;
        for node in nodes {
            self.node(node, graph, 0)?;
        }
        self.model.graphs[graph].link();
        Ok(())
    }

    fn begin(&mut self, parent: Option<usize>, path: String) -> Result<usize, FormatError> {
        self.hold(size_of::<Graph>() as u64 + path.len() as u64)?;
        self.model.graphs.push(Graph::new(parent, path));
        Ok(self.model.graphs.len() - 1)
    }

    fn node(&mut self, span: Span, graph: usize, depth: usize) -> Result<(), FormatError> {
        self.n_nodes += 1;
        if self.n_nodes > MAX_NODES {
            return Err(FormatError::new("nodes", format!("more than {MAX_NODES}"), format!("at most {MAX_NODES}")));
        }
        self.hold(size_of::<Node>() as u64)?;
        let (mut node, mut name, mut attributes) = (Node::default(), String::new(), Vec::new());
        let mut fields = Fields::new(self.source, span, "NodeProto");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => node.inputs.push(self.text(field.bytes()?, "input of a node")?),
                2 => node.outputs.push(self.text(field.bytes()?, "output of a node")?),
                3 => name = self.text(field.bytes()?, "name of a node")?,
                4 => node.op = self.text(field.bytes()?, "op_type of a node")?,
                5 => attributes.push(self.attribute(field.bytes()?)?),
                _ => {}
            }
        }
        if name.is_empty() {
            name = format!("{}_{}", node.op, self.model.graphs[graph].nodes.len());
        }
        for attribute in attributes {
            if let Some(int) = attribute.int {
                node.ints.insert(attribute.name.clone(), int);
            }
            if node.op == "Constant" {
                self.constant(&node, graph, &attribute)?;
            }
            for (i, &span) in attribute.graphs.iter().enumerate() {
                let parent = &self.model.graphs[graph].path;
                let dot = if parent.is_empty() { "" } else { "." };
                let number = if attribute.graphs.len() > 1 { format!(".{i}") } else { String::new() };
                let path = format!("{parent}{dot}{name}.{}{number}", attribute.name);
                self.graph(span, Some(graph), path, depth + 1)?;
            }
        }
        self.model.graphs[graph].nodes.push(node);
        Ok(())
    }

    fn attribute(&mut self, span: Span) -> Result<Attribute, FormatError> {
        self.hold(size_of::<Attribute>() as u64)?;
        let mut attribute = Attribute::default();
        let mut fields = Fields::new(self.source, span, "AttributeProto");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => attribute.name = self.text(field.bytes()?, "name of an attribute")?,
                3 => attribute.int = Some(field.varint()? as i64),
                5 => attribute.tensor = Some(field.bytes()?),
                6 | 11 => {
                    self.hold(size_of::<Span>() as u64)?;
                    attribute.graphs.push(field.bytes()?);
                }
                22 => attribute.is_sparse = true,
                _ => {}
            }
        }
        Ok(attribute)
    }

    /// The value of a Constant node is a stored tensor under the name of the node's output.
    fn constant(&mut self, node: &Node, graph: usize, attribute: &Attribute) -> Result<(), FormatError> {
        let [output] = node.outputs.as_slice() else {
            return Err(FormatError::new("outputs of a Constant node", node.outputs.len(), "1"));
        };
        if attribute.is_sparse {
            self.model.warnings.push(unsupported(output, "a sparse tensor"));
        }
        if let Some(span) = attribute.tensor.filter(|_| attribute.name == "value") {
            let (name, found) = tensor_proto::read(self, span, Some(output))?;
            self.store(graph, name, found)?;
        }
        Ok(())
    }

    /// A `SparseTensorProto`, of which only the name of its values is read.
    fn sparse(&mut self, span: Span, graph: usize) -> Result<(), FormatError> {
        let mut fields = Fields::new(self.source, span, "SparseTensorProto");
        while let Some(field) = fields.next()? {
            if field.number == 1 {
                let (name, _) = tensor_proto::read(self, field.bytes()?, None)?;
                self.store(graph, name, Found::Unsupported("a sparse tensor".to_owned()))?;
            }
        }
        Ok(())
    }

    fn store(&mut self, graph: usize, name: String, found: Found) -> Result<(), FormatError> {
        if name.is_empty() {
            return Err(FormatError::new("name of a tensor", "none", "a name"));
        }
        self.hold((size_of::<Stored>() + name.len()) as u64)?;
        let info = match found {
            Found::Tensor(info) => info,
            Found::Unsupported(form) => {
                self.model.warnings.push(unsupported(&name, &form));
                return Ok(());
            }
        };
        if self.model.tensors.len() as u64 >= MAX_TENSORS {
            return Err(FormatError::new("tensors", format!("more than {MAX_TENSORS}"), format!("at most {MAX_TENSORS}")));
        }
        let place = self.model.tensors.len();
        if self.model.graphs[graph].stored.insert(name.clone(), place).is_some() {
            return Err(FormatError::new("name", "the same name twice in one graph", "unique names").tensor(name));
        }
        self.model.tensors.push(Stored { info, graph, fate: Fate::Kept });
        Ok(())
    }
}

/// The warning for a tensor that is left out.
pub(super) fn unsupported(name: &str, form: &str) -> String {
    format!("tensor `{}` is left out: {form} is not supported yet", name.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_fill_the_memory() {
        let source = vec![b'w'; MAX_NAME_BYTES as usize];
        let mut walk = Walk::new(&source);
        let mut read = 0;
        let error = loop {
            match walk.text(Span { offset: 0, len: source.size() }, "name") {
                Ok(name) => read += name.len() as u64,
                Err(error) => break error,
            }
        };
        assert!(read <= MAX_HELD_BYTES);
        assert_eq!(error.to_string(), "graph: found more names and nodes than any model has, expected at most 100000000 bytes of them");
    }
}
