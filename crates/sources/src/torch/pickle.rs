//! A pickle machine that only builds data: opcodes of protocols 2 to 5, an arena of values, and no way to call anything.
//!
//! Work and memory are bounded by the number of opcodes, and that by [`MAX_OPCODES`]: every opcode adds at most one value,
//! and whatever a container holds was pushed by an opcode of its own.

use super::globals::Global;
use super::rebuild;
use super::value::{Arena, Id, Node};
use crate::FormatError;
use crate::bytes::{ByteReader, ReadAt};
use crate::tensor::{MAX_HEADER_BYTES, MAX_NAME_BYTES};
use std::collections::BTreeMap;

/// A checkpoint of 10,000 tensors takes some 300,000.
const MAX_OPCODES: u64 = 1 << 23;
const MAX_STACK: usize = 1 << 20;
const MAX_MEMO: usize = 1 << 22;
/// Open marks: about three for each level of nesting.
const MAX_MARKS: usize = 1000;
const MAX_PROTOCOL: u8 = 5;

/// Reads one pickle, which `source` holds and nothing else; gives the arena and the value on top.
pub(super) fn load(source: &dyn ReadAt) -> Result<(Arena, Id), FormatError> {
    let mut machine =
        Machine { reader: ByteReader::new(source), arena: Arena::default(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() };
    for _ in 0..MAX_OPCODES {
        let at = machine.reader.position();
        let opcode = machine.reader.u8("pickle opcode")?;
        if opcode == b'.' {
            let root = machine.pop()?;
            let left = machine.reader.remaining();
            if left > 0 {
                return Err(FormatError::new("pickle", format!("{left} bytes after its end"), "none"));
            }
            return Ok((machine.arena, root));
        }
        machine.step(opcode, at)?;
    }
    Err(FormatError::new("pickle", "more opcodes", format!("at most {MAX_OPCODES}")))
}

struct Machine<'a> {
    reader: ByteReader<'a>,
    arena: Arena,
    stack: Vec<Id>,
    /// Heights of the stack where a MARK was pushed.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
}

impl Machine<'_> {
    fn step(&mut self, opcode: u8, at: u64) -> Result<(), FormatError> {
        const WHAT: &str = "pickle argument";
        match opcode {
            0x80 => {
                let protocol = self.reader.u8(WHAT)?;
                if protocol > MAX_PROTOCOL {
                    return Err(FormatError::unsupported("pickle protocol", protocol, format!("at most {MAX_PROTOCOL}")));
                }
                Ok(())
            }
            0x95 => self.frame(),
            b'(' => self.mark(),
            b'0' => self.pop().map(drop),
            b'1' => self.pop_mark().map(drop),
            b'2' => self.top().and_then(|id| self.push_id(id)),

            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' => self.reader.u32(WHAT).and_then(|n| self.push(Node::Int(i64::from(n as i32)))),
            b'K' => self.reader.u8(WHAT).and_then(|n| self.push(Node::Int(i64::from(n)))),
            b'M' => self.reader.u16(WHAT).and_then(|n| self.push(Node::Int(i64::from(n)))),
            0x8a => self.reader.u8(WHAT).and_then(|n| self.long(u64::from(n))),
            0x8b => self.reader.u32(WHAT).and_then(|n| self.long(u64::from(n))),
            b'G' => self.reader.array(WHAT).and_then(|b| self.push(Node::Float(f64::from_be_bytes(b)))),

            0x8c => self.reader.u8(WHAT).and_then(|n| self.text(u64::from(n))),
            b'X' => self.reader.u32(WHAT).and_then(|n| self.text(u64::from(n))),
            0x8d => self.reader.u64(WHAT).and_then(|n| self.text(n)),
            b'U' => self.reader.u8(WHAT).and_then(|n| self.byte_text(u64::from(n))),
            b'T' => self.reader.u32(WHAT).and_then(|n| self.byte_text(u64::from(n))),
            b'C' => self.reader.u8(WHAT).and_then(|n| self.inert_bytes(u64::from(n))),
            b'B' => self.reader.u32(WHAT).and_then(|n| self.inert_bytes(u64::from(n))),
            0x8e | 0x96 => self.reader.u64(WHAT).and_then(|n| self.inert_bytes(n)),

            b']' | 0x8f => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Box::new([]))),
            b'l' | 0x91 => self.pop_mark().and_then(|items| self.push(Node::List(items))),
            b't' => self.pop_mark().and_then(|items| self.push(Node::Tuple(items.into()))),
            0x85 => self.short_tuple(1),
            0x86 => self.short_tuple(2),
            0x87 => self.short_tuple(3),
            b'd' => {
                let items = self.pop_mark()?;
                let pairs = in_pairs(&items)?;
                self.push(Node::Dict(pairs))
            }
            b'a' => self.pop().and_then(|item| self.extend_list(vec![item])),
            b'e' | 0x90 => self.pop_mark().and_then(|items| self.extend_list(items)),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])
            }
            b'u' => self.pop_mark().and_then(|items| self.extend_dict(&items)),

            b'q' => self.reader.u8(WHAT).and_then(|key| self.memoize(u32::from(key))),
            b'r' => self.reader.u32(WHAT).and_then(|key| self.memoize(key)),
            // The memo is smaller than 2^32, see `memoize`.
            0x94 => self.memoize(self.memo.len() as u32),
            b'h' => self.reader.u8(WHAT).and_then(|key| self.recall(u32::from(key))),
            b'j' => self.reader.u32(WHAT).and_then(|key| self.recall(key)),

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(Global::admit(&module, &name)?))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.arena.text(module), self.arena.text(name)) else {
                    return Err(FormatError::new("pickle global", self.arena.at(module).kind(), "a module and a name as text"));
                };
                let global = Global::admit(module, name)?;
                self.push(Node::Global(global))
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let value = rebuild::reduce(&mut self.arena, callable, arguments)?;
                self.push_id(value)
            }
            0x81 => {
                let (_, class) = (self.pop()?, self.pop()?);
                let object = rebuild::new_object(&mut self.arena, class)?;
                self.push_id(object)
            }
            0x92 => {
                let (_, _, class) = (self.pop()?, self.pop()?, self.pop()?);
                let object = rebuild::new_object(&mut self.arena, class)?;
                self.push_id(object)
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                rebuild::build(&mut self.arena, object, state)
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = rebuild::persistent(&mut self.arena, id)?;
                self.push_id(storage)
            }
            other => Err(FormatError::new(
                "pickle opcode",
                format!("{other:#04x} at offset {at}"),
                "an opcode that builds data, of protocols 2 to 5",
            )),
        }
    }

    fn push(&mut self, node: Node) -> Result<(), FormatError> {
        let id = self.arena.add(node);
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Result<(), FormatError> {
        if self.stack.len() == MAX_STACK {
            return Err(FormatError::new("pickle stack", "more values", format!("at most {MAX_STACK}")));
        }
        self.stack.push(id);
        Ok(())
    }

    /// The topmost value above the last mark.
    fn top(&self) -> Result<Id, FormatError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => Err(FormatError::new("pickle stack", format!("no value before offset {}", self.reader.position()), "one")),
        }
    }

    fn pop(&mut self) -> Result<Id, FormatError> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn mark(&mut self) -> Result<(), FormatError> {
        if self.marks.len() == MAX_MARKS {
            return Err(FormatError::new("pickle nesting", "more open marks", format!("at most {MAX_MARKS}")));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The values above the last mark, and the mark itself, are taken away.
    fn pop_mark(&mut self) -> Result<Vec<Id>, FormatError> {
        match self.marks.pop() {
            Some(floor) => Ok(self.stack.split_off(floor)),
            None => Err(FormatError::new("pickle stack", format!("no mark before offset {}", self.reader.position()), "one")),
        }
    }

    fn short_tuple(&mut self, n: usize) -> Result<(), FormatError> {
        let mut items = Vec::new();
        for _ in 0..n {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items.into()))
    }

    fn extend_list(&mut self, mut items: Vec<Id>) -> Result<(), FormatError> {
        let list = self.top()?;
        match self.arena.at_mut(list) {
            Node::List(list) => list.append(&mut items),
            other => return Err(FormatError::new("pickle APPENDS", other.kind(), "a list or set")),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), FormatError> {
        let mut pairs = in_pairs(items)?;
        let dict = self.top()?;
        match self.arena.at_mut(dict) {
            Node::Dict(dict) => dict.append(&mut pairs),
            other => return Err(FormatError::new("pickle SETITEMS", other.kind(), "a dictionary")),
        }
        Ok(())
    }

    fn memoize(&mut self, key: u32) -> Result<(), FormatError> {
        if self.memo.len() == MAX_MEMO {
            return Err(FormatError::new("pickle memo", "more values", format!("at most {MAX_MEMO}")));
        }
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), FormatError> {
        match self.memo.get(&key) {
            Some(&id) => self.push_id(id),
            None => Err(FormatError::new("pickle memo", format!("no value {key} yet"), "one that was put there")),
        }
    }

    /// Frames only say how far to read ahead; but one that reaches past the end is a cut file.
    fn frame(&mut self) -> Result<(), FormatError> {
        let n = self.reader.u64("pickle frame")?;
        self.reader.require(n, "pickle frame")
    }

    fn text(&mut self, n: u64) -> Result<(), FormatError> {
        let text = self.reader.text(n, MAX_HEADER_BYTES, "pickle text")?;
        self.push(Node::Text(text.into()))
    }

    /// Text of Python 2, in no stated character set: UTF-8 where it is that, else Latin-1.
    fn byte_text(&mut self, n: u64) -> Result<(), FormatError> {
        let bytes = self.reader.bytes(n, MAX_HEADER_BYTES, "pickle text")?;
        let text = String::from_utf8(bytes).unwrap_or_else(|error| error.as_bytes().iter().map(|&byte| char::from(byte)).collect());
        self.push(Node::Text(text.into()))
    }

    fn inert_bytes(&mut self, n: u64) -> Result<(), FormatError> {
        self.reader.skip(n, "pickle bytes")?;
        self.push(Node::Inert)
    }

    /// An integer as little-endian two's complement of any length; none, for zero.
    fn long(&mut self, n: u64) -> Result<(), FormatError> {
        if n > 8 {
            return self.inert_bytes(n);
        }
        let bytes = self.reader.bytes(n, 8, "pickle integer")?;
        let fill = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    fn line(&mut self) -> Result<String, FormatError> {
        const WHAT: &str = "pickle global";
        let mut line = Vec::new();
        loop {
            match self.reader.u8(WHAT)? {
                b'\n' => break,
                byte if (line.len() as u64) < MAX_NAME_BYTES => line.push(byte),
                _ => return Err(FormatError::new(WHAT, "a longer name", format!("at most {MAX_NAME_BYTES} bytes"))),
            }
        }
        String::from_utf8(line).map_err(|error| FormatError::new(WHAT, error, "UTF-8 text"))
    }
}

fn in_pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, FormatError> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(FormatError::new("pickle dictionary", "a key without a value", "pairs")),
    }
}
