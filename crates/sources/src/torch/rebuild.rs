//! What REDUCE, NEWOBJ and persistent ids stand for: tables from a global and its arguments to a value, with nothing called.

use super::globals::Global;
use super::value::{Arena, Id, Node, StorageNode, TensorNode};
use crate::FormatError;
use crate::tensor::MAX_RANK;

/// More than any admitted function takes. A tuple kept in the memo may be used again for three bytes, so nothing copies a long one.
const MAX_ARGUMENTS: usize = 16;

/// The value of `callable(*arguments)`.
pub(super) fn reduce(arena: &mut Arena, callable: Id, arguments: Id) -> Result<Id, FormatError> {
    let Node::Global(global) = arena.at(callable) else {
        return Err(FormatError::new("pickle REDUCE", arena.at(callable).kind(), "a global"));
    };
    let global = global.clone();
    let arguments = few(arena, arguments)?;
    if global == Global::RebuildFromType { from_type(arena, &arguments) } else { call(arena, &global, &arguments) }
}

fn few(arena: &Arena, tuple: Id) -> Result<Vec<Id>, FormatError> {
    match arena.tuple(tuple) {
        Some(items) if items.len() <= MAX_ARGUMENTS => Ok(items.to_vec()),
        Some(items) => {
            Err(FormatError::new("pickle REDUCE", format!("{} arguments", items.len()), format!("at most {MAX_ARGUMENTS} arguments")))
        }
        None => Err(FormatError::new("pickle REDUCE", arena.at(tuple).kind(), "a tuple of arguments")),
    }
}

/// A tensor with attributes: the arguments hold the function that rebuilds the bare tensor, and its own arguments.
fn from_type(arena: &mut Arena, arguments: &[Id]) -> Result<Id, FormatError> {
    let unfit =
        || FormatError::new("pickle arguments of `_rebuild_from_type_v2`", "others", "a tensor's function, type, arguments and state");
    let &[function, _, inner, _] = arguments else { return Err(unfit()) };
    match arena.at(function) {
        // One level only: nesting would recurse as deep as the file likes.
        Node::Global(global) if *global != Global::RebuildFromType => {
            let global = global.clone();
            let inner = few(arena, inner)?;
            call(arena, &global, &inner)
        }
        _ => Err(unfit()),
    }
}

fn call(arena: &mut Arena, global: &Global, arguments: &[Id]) -> Result<Id, FormatError> {
    let node = match (global, arguments) {
        (Global::OrderedDict, []) => Node::Dict(Vec::new()),
        (Global::OrderedDict, _) => return Err(FormatError::new("pickle OrderedDict", "arguments", "none")),
        (Global::Set | Global::Size, []) => Node::List(Vec::new()),
        // These take one list or tuple, and are read as that very value.
        (Global::Set | Global::Size | Global::RebuildParameter | Global::Transparent, [value, ..]) => return Ok(*value),
        (Global::RebuildParameter | Global::Transparent, []) => return Err(FormatError::new("pickle REDUCE", "no arguments", "a value")),
        (Global::RebuildTensor, _) => tensor(arena, arguments, 4, None)?,
        (Global::RebuildTensorV2, _) => tensor(arena, arguments, 6, None)?,
        (Global::RebuildTensorV3, _) => tensor(arena, arguments, 7, arguments.get(6).copied())?,
        (Global::LeftOut(function), _) => Node::LeftOut(function),
        (Global::Inert, _) => Node::Inert,
        (Global::Scripted, _) => Node::Object(None),
        (Global::Dtype(_) | Global::Storage(_) | Global::RebuildFromType, _) => {
            return Err(FormatError::new("pickle REDUCE", "a global that is no function of data", "a function of data"));
        }
    };
    Ok(arena.add(node))
}

/// The value of `class.__new__(class, *arguments)`.
pub(super) fn new_object(arena: &mut Arena, class: Id) -> Result<Id, FormatError> {
    let node = match arena.at(class) {
        Node::Global(Global::Scripted) => Node::Object(None),
        Node::Global(Global::OrderedDict) => Node::Dict(Vec::new()),
        Node::Global(Global::Set) => Node::List(Vec::new()),
        Node::Global(_) => return Err(FormatError::new("pickle NEWOBJ", "a global that is no class", "a class of data")),
        other => return Err(FormatError::new("pickle NEWOBJ", other.kind(), "a class of data")),
    };
    Ok(arena.add(node))
}

/// Gives an object its attributes. Dictionaries take none that matter: torch hangs version numbers on a state dict.
pub(super) fn build(arena: &mut Arena, object: Id, state: Id) -> Result<(), FormatError> {
    match arena.at_mut(object) {
        Node::Object(attributes @ None) => *attributes = Some(state),
        Node::Object(Some(_)) => return Err(FormatError::new("pickle BUILD", "a second state of one object", "one")),
        Node::Dict(_) => {}
        other => return Err(FormatError::new("pickle BUILD", other.kind(), "a scripted object")),
    }
    Ok(())
}

/// The value of a persistent id: `("storage", class, key, location, number of elements)`.
pub(super) fn persistent(arena: &mut Arena, id: Id) -> Result<Id, FormatError> {
    let unfit = |found: &str| FormatError::new("pickle persistent id", found, "(\"storage\", class, key, location, number of elements)");
    let items = arena.tuple(id).ok_or_else(|| unfit(arena.at(id).kind()))?;
    let (&[tag, class, key, _, len] | &[tag, class, key, _, len, _]) = items else {
        return Err(unfit(&format!("{} values", items.len())));
    };
    if arena.text(tag) != Some("storage") {
        return Err(unfit("another tag"));
    }
    let Node::Global(Global::Storage(dtype)) = arena.at(class) else { return Err(unfit("another class")) };
    let (Some(key), Some(len)) = (arena.text(key), arena.int(len)) else { return Err(unfit("values of other types")) };
    let storage = StorageNode { key: key.into(), dtype: *dtype, len };
    Ok(arena.add(Node::Storage(Box::new(storage))))
}

fn tensor(arena: &Arena, arguments: &[Id], at_least: usize, dtype: Option<Id>) -> Result<Node, FormatError> {
    const WHAT: &str = "pickle arguments of a tensor";
    const EXPECTED: &str = "storage, offset, size, strides";
    let unfit = |found: &str| FormatError::new(WHAT, found, EXPECTED);
    let &[storage, offset, size, strides, ..] = arguments else { return Err(unfit("fewer")) };
    if arguments.len() < at_least {
        return Err(FormatError::new(WHAT, format!("{} values", arguments.len()), format!("at least {at_least}")));
    }
    if !matches!(arena.at(storage), Node::Storage(_)) {
        return Err(unfit(&format!("{} as the storage", arena.at(storage).kind())));
    }
    let offset = arena.int(offset).ok_or_else(|| unfit("no whole number as the offset"))?;
    let size = whole_numbers(arena, size, "size")?;
    let strides = whole_numbers(arena, strides, "strides")?;
    let dtype = match dtype.map(|id| arena.at(id)) {
        None => None,
        Some(Node::Global(Global::Dtype(dtype))) => Some(*dtype),
        Some(other) => return Err(FormatError::new(WHAT, format!("{} as the dtype", other.kind()), "a torch dtype")),
    };
    Ok(Node::Tensor(Box::new(TensorNode { storage, dtype, offset, size, strides })))
}

fn whole_numbers(arena: &Arena, tuple: Id, what: &str) -> Result<Box<[i64]>, FormatError> {
    let what = format!("{what} of a tensor");
    match arena.tuple(tuple) {
        Some(items) if items.len() > MAX_RANK => {
            Err(FormatError::new(what, format!("{} axes", items.len()), format!("at most {MAX_RANK} axes")))
        }
        Some(items) => items
            .iter()
            .map(|&item| arena.int(item).ok_or_else(|| FormatError::new(&what, arena.at(item).kind(), "a whole number")))
            .collect(),
        None => Err(FormatError::new(what, arena.at(tuple).kind(), "a tuple of whole numbers")),
    }
}
