//! From nested values to dotted names: `{"state_dict": {"a": {"weight": tensor}}, "epoch": 3}` holds `a.weight`, and `epoch` as metadata.

use super::value::{Arena, Id, Node};
use crate::FormatError;
use crate::tensor::{MAX_DEPTH, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_TENSORS, MetaValue};
use std::collections::{BTreeMap, BTreeSet};

/// Values looked at. Shared values are looked at under each of their names, and a small pickle can name one very often.
const MAX_VISITS: u64 = 1 << 22;
/// Keys under which a training script keeps the weights, beside its own state.
const WRAPPERS: [&str; 2] = ["state_dict.", "model_state_dict."];

/// What a pickle holds, by name.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// Tensors in pickle order.
    pub(super) tensors: Vec<(String, Id)>,
    pub(super) metadata: BTreeMap<String, MetaValue>,
    pub(super) warnings: Vec<String>,
}

/// Walks everything below `root`, whose own name is `name`; empty for the usual dictionary.
pub(super) fn flatten(arena: &Arena, root: Id, name: &str) -> Result<Flat, FormatError> {
    let mut walk = Walk { arena, flat: Flat::default(), path: name.to_owned(), visits: 0, kept_bytes: 0 };
    walk.visit(root, 0)?;
    strip_wrappers(&mut walk.flat.tensors);
    Ok(walk.flat)
}

struct Walk<'a> {
    arena: &'a Arena,
    flat: Flat,
    path: String,
    visits: u64,
    /// Bytes of names and texts that the result holds.
    kept_bytes: u64,
}

impl Walk<'_> {
    fn visit(&mut self, id: Id, depth: usize) -> Result<(), FormatError> {
        if depth > MAX_DEPTH {
            return Err(FormatError::new("pickle nesting", "deeper values", format!("at most {MAX_DEPTH} levels")));
        }
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return Err(FormatError::new("pickle values", "more", format!("at most {MAX_VISITS}, each counted under every name it has")));
        }
        match self.arena.at(id) {
            Node::Tensor(_) => {
                if self.flat.tensors.len() as u64 == MAX_TENSORS {
                    return Err(FormatError::new("number of tensors", "more", format!("at most {MAX_TENSORS}")));
                }
                let name = if self.path.is_empty() { "tensor".to_owned() } else { self.keep(0)? };
                self.flat.tensors.push((name, id));
            }
            Node::LeftOut(function) => {
                let name = self.keep(function.len())?;
                self.flat.warnings.push(format!("tensor `{}`: `torch._utils.{function}` is not supported yet", name.escape_debug()));
            }
            Node::Dict(pairs) => {
                for (index, &(key, value)) in pairs.iter().enumerate() {
                    let key = match self.arena.at(key) {
                        Node::Text(text) if text.len() as u64 > MAX_NAME_BYTES => {
                            return Err(FormatError::new(
                                "pickle key",
                                format!("{} bytes", text.len()),
                                format!("at most {MAX_NAME_BYTES}"),
                            ));
                        }
                        Node::Text(text) => text.to_string(),
                        Node::Int(number) => number.to_string(),
                        // Keys of other kinds belong to a program's own tables; their place tells them apart.
                        _ => index.to_string(),
                    };
                    self.below(&key, value, depth)?;
                }
            }
            Node::Object(Some(attributes)) => self.visit(*attributes, depth + 1)?,
            Node::List(items) => self.visit_items(items, depth)?,
            Node::Tuple(items) => self.visit_items(items, depth)?,
            Node::Bool(value) => self.record(MetaValue::Bool(*value))?,
            Node::Int(value) => self.record(MetaValue::Signed(*value))?,
            Node::Float(value) => self.record(MetaValue::Float(*value))?,
            Node::Text(text) => {
                // Counted before it is copied: one long text may stand under a million keys.
                let name = self.keep(text.len())?;
                self.flat.metadata.insert(name, MetaValue::Text(text.to_string()));
            }
            Node::None | Node::Inert | Node::Global(_) | Node::Storage(_) | Node::Object(None) => {}
        }
        Ok(())
    }

    /// Tensors and containers in a sequence are named by their place; its scalars are data, not metadata.
    fn visit_items(&mut self, items: &[Id], depth: usize) -> Result<(), FormatError> {
        for (index, &item) in items.iter().enumerate() {
            match self.arena.at(item) {
                Node::Tensor(_) | Node::LeftOut(_) | Node::Dict(_) | Node::List(_) | Node::Tuple(_) | Node::Object(_) => {
                    self.below(&index.to_string(), item, depth)?;
                }
                _ => self.visits += 1,
            }
        }
        Ok(())
    }

    fn below(&mut self, key: &str, value: Id, depth: usize) -> Result<(), FormatError> {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        self.visit(value, depth + 1)?;
        self.path.truncate(length);
        Ok(())
    }

    fn record(&mut self, value: MetaValue) -> Result<(), FormatError> {
        let name = self.keep(0)?;
        self.flat.metadata.insert(name, value);
        Ok(())
    }

    /// The current path, to be kept beside `bytes` of text.
    fn keep(&mut self, bytes: usize) -> Result<String, FormatError> {
        if self.path.len() as u64 > MAX_NAME_BYTES {
            return Err(FormatError::new("tensor name", format!("{} bytes", self.path.len()), format!("at most {MAX_NAME_BYTES} bytes")));
        }
        self.kept_bytes += (self.path.len() + bytes) as u64;
        if self.kept_bytes > MAX_HEADER_BYTES {
            return Err(FormatError::new("pickle names and texts", "more", format!("at most {MAX_HEADER_BYTES} bytes")));
        }
        Ok(self.path.clone())
    }
}

/// Takes a wrapper off every name that has it, unless two names would become one.
fn strip_wrappers(tensors: &mut [(String, Id)]) {
    for wrapper in WRAPPERS {
        let taken: BTreeSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        let clash = tensors.iter().filter_map(|(name, _)| name.strip_prefix(wrapper)).any(|bare| bare.is_empty() || taken.contains(bare));
        if !clash {
            for (name, _) in tensors.iter_mut() {
                if let Some(bare) = name.strip_prefix(wrapper) {
                    *name = bare.to_owned();
                }
            }
        }
    }
}
