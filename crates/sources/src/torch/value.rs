//! What a pickle says, as inert data: values in one arena, which refer to each other by index and so may share and even contain themselves.

use super::globals::{Dtype, Global};

/// Index into [`Arena`].
pub(super) type Id = u32;

/// All values of one pickle.
#[derive(Debug, Default)]
pub(super) struct Arena {
    nodes: Vec<Node>,
}

impl Arena {
    pub(super) fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        // The machine stops long before 2^32 opcodes, and each adds one value at most.
        (self.nodes.len() - 1) as Id
    }

    pub(super) fn at(&self, id: Id) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn at_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    /// The elements of a tuple.
    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.at(id) {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.at(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.at(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// One value.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// Something that carries no weights: raw bytes, a device, an integer of more than 64 bits.
    Inert,
    Tuple(Box<[Id]>),
    /// A list or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// A TorchScript module or other scripted object: its attributes, once BUILD has given them.
    Object(Option<Id>),
    Storage(Box<StorageNode>),
    Tensor(Box<TensorNode>),
    /// A kind of tensor that this version does not read, by the function that would rebuild it.
    LeftOut(&'static str),
}

/// A run of elements in an archive entry of its own.
#[derive(Debug)]
pub(super) struct StorageNode {
    /// Name of the entry.
    pub(super) key: Box<str>,
    /// `None` for untyped bytes.
    pub(super) dtype: Option<Dtype>,
    /// In elements; in bytes where untyped.
    pub(super) len: i64,
}

/// A view into a storage, with numbers as the pickle gives them: they are checked where the tensor's name is known.
#[derive(Debug)]
pub(super) struct TensorNode {
    pub(super) storage: Id,
    /// Overrides the storage's.
    pub(super) dtype: Option<Dtype>,
    pub(super) offset: i64,
    pub(super) size: Box<[i64]>,
    pub(super) strides: Box<[i64]>,
}

impl Node {
    /// For error sentences.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Inert => "an inert value",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dictionary",
            Self::Global(_) => "a global",
            Self::Object(_) => "an object",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) | Self::LeftOut(_) => "a tensor",
        }
    }
}
