//! One `TensorProto`: which bytes hold its elements, and whether they fit its shape.

use super::proto::{Field, Fields, Span, Wire, count_varints};
use super::walk::Walk;
use crate::tensor::{Extent, MAX_ELEMENTS, MAX_RANK, Storage, TensorInfo};
use crate::{Encoding, FormatError};

/// What a `TensorProto` turned out to be.
pub(super) enum Found {
    /// A tensor that can be read.
    Tensor(TensorInfo),
    /// A well-formed tensor of a form that is not read yet, and what that form is called.
    Unsupported(String),
}

/// The typed data fields, by their number in the schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typed {
    Float,
    Int32,
    Int64,
    Double,
    Uint64,
}

impl Typed {
    fn of(number: u64) -> Option<Self> {
        Some(match number {
            4 => Self::Float,
            5 => Self::Int32,
            7 => Self::Int64,
            10 => Self::Double,
            11 => Self::Uint64,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Float => "float_data",
            Self::Int32 => "int32_data",
            Self::Int64 => "int64_data",
            Self::Double => "double_data",
            Self::Uint64 => "uint64_data",
        }
    }

    /// The field that the schema gives to a data type.
    fn for_encoding(encoding: Encoding) -> Self {
        match encoding {
            Encoding::F32 => Self::Float,
            Encoding::F64 => Self::Double,
            Encoding::I64 => Self::Int64,
            Encoding::U32 | Encoding::U64 => Self::Uint64,
            _ => Self::Int32,
        }
    }

    fn is_varints(self) -> bool {
        !matches!(self, Self::Float | Self::Double)
    }
}

/// `TensorProto.DataType`: the encoding, or the name of a type that is not read yet.
fn encoding_of(data_type: u64) -> Option<Result<Encoding, &'static str>> {
    Some(match data_type {
        1 => Ok(Encoding::F32),
        2 => Ok(Encoding::U8),
        3 => Ok(Encoding::I8),
        4 => Ok(Encoding::U16),
        5 => Ok(Encoding::I16),
        6 => Ok(Encoding::I32),
        7 => Ok(Encoding::I64),
        8 => Err("STRING"),
        9 => Ok(Encoding::Bool),
        10 => Ok(Encoding::F16),
        11 => Ok(Encoding::F64),
        12 => Ok(Encoding::U32),
        13 => Ok(Encoding::U64),
        14 => Err("COMPLEX64"),
        15 => Err("COMPLEX128"),
        16 => Ok(Encoding::Bf16),
        17 => Ok(Encoding::F8E4M3),
        18 => Err("FLOAT8E4M3FNUZ"),
        19 => Ok(Encoding::F8E5M2),
        20 => Err("FLOAT8E5M2FNUZ"),
        21 => Err("UINT4"),
        22 => Err("INT4"),
        23 => Err("FLOAT4E2M1"),
        24 => Err("FLOAT8E8M0"),
        25 => Err("UINT2"),
        26 => Err("INT2"),
        27 => Err("FLOAT6E2M3"),
        28 => Err("FLOAT6E3M2"),
        _ => return None,
    })
}

/// The fields of a `TensorProto` that matter, as they stand in the file.
#[derive(Default)]
struct Fieldset {
    name: String,
    dims: Vec<u64>,
    data_type: u64,
    raw: Option<Span>,
    typed: Option<(Typed, Span)>,
    external: Vec<(String, String)>,
    is_external: bool,
    is_segment: bool,
}

/// Reads the `TensorProto` that fills `span`. `name` replaces its own name: a Constant node's output.
pub(super) fn read(walk: &mut Walk<'_>, span: Span, name: Option<&str>) -> Result<(String, Found), FormatError> {
    let mut set = Fieldset::default();
    let walked = set.fill(walk, span);
    let name = name.map_or_else(|| std::mem::take(&mut set.name), str::to_owned);
    match walked.and_then(|()| place(walk, &name, set)) {
        Ok(found) => Ok((name, found)),
        Err(error) if error.tensor.is_none() && !name.is_empty() => Err(error.tensor(name)),
        Err(error) => Err(error),
    }
}

impl Fieldset {
    fn fill(&mut self, walk: &mut Walk<'_>, span: Span) -> Result<(), FormatError> {
        let mut fields = Fields::new(walk.source, span, "TensorProto");
        while let Some(field) = fields.next()? {
            match field.number {
                1 => dims(walk, &field, &mut self.dims)?,
                2 => self.data_type = field.varint()?,
                3 => self.is_segment = true,
                8 => self.name = walk.text(field.bytes()?, "name of a tensor")?,
                9 => once(&mut self.raw, field.bytes()?, "raw_data")?,
                13 => {
                    let entry = walk.entry(field.bytes()?)?;
                    self.external.push(entry);
                }
                14 => self.is_external = field.varint()? == 1,
                number => {
                    if let Some(typed) = Typed::of(number) {
                        let run = (typed, typed_run(&field, typed)?);
                        // Writers may leave empty fields of other types behind.
                        if run.1.len > 0 {
                            once(&mut self.typed, run, "typed data")?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T, what: &str) -> Result<(), FormatError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(FormatError::new(what, "two runs of data", "one run")),
    }
}

fn dims(walk: &Walk<'_>, field: &Field, dims: &mut Vec<u64>) -> Result<(), FormatError> {
    let mut push = |dim: u64| {
        if dims.len() == MAX_RANK {
            return Err(FormatError::new("dims", format!("more than {MAX_RANK} axes"), format!("at most {MAX_RANK} axes")));
        }
        dims.push(dim);
        Ok(())
    };
    match field.wire {
        Wire::Varint(dim) => push(dim),
        _ => walk.varints(field.bytes()?, push),
    }
}

/// The bytes of a typed data field: packed, or a single unpacked element.
fn typed_run(field: &Field, typed: Typed) -> Result<Span, FormatError> {
    match (field.wire, typed) {
        (Wire::Bytes, _)
        | (Wire::Fixed32, Typed::Float)
        | (Wire::Fixed64, Typed::Double)
        | (Wire::Varint(_), Typed::Int32 | Typed::Int64 | Typed::Uint64) => Ok(field.span),
        _ => Err(field.wrong_wire("packed numbers")),
    }
}

fn place(walk: &mut Walk<'_>, name: &str, set: Fieldset) -> Result<Found, FormatError> {
    let encoding = match encoding_of(set.data_type) {
        Some(Ok(encoding)) => encoding,
        Some(Err(unsupported)) => return Ok(Found::Unsupported(format!("data type {unsupported}"))),
        None => return Err(FormatError::new("data_type", set.data_type, "a number from 1 to 28")),
    };
    if set.is_segment {
        return Ok(Found::Unsupported("a tensor in segments".to_owned()));
    }
    let shape = shape(&set.dims)?;
    let mut tensor =
        TensorInfo { name: name.to_owned(), shape, encoding, storage: Storage::Dense(Extent { file: 0, offset: 0, len: 0 }), affine: None };
    let stored = tensor.stored_bytes()?;
    let raw = set.raw.filter(|raw| raw.len > 0);
    if set.is_external {
        if raw.is_some() || set.typed.is_some() {
            return Err(FormatError::new("data", "external data and data in the file", "one of them"));
        }
        tensor.storage = Storage::Dense(external(walk, &set.external, stored)?);
        return Ok(Found::Tensor(tensor));
    }
    let (span, typed) = match (raw, set.typed) {
        (Some(_), Some((typed, _))) => {
            return Err(FormatError::new("data", format!("raw_data and {}", typed.name()), "one of them"));
        }
        (Some(raw), None) => (raw, None),
        (None, Some((typed, span))) => (span, Some(typed)),
        (None, None) => (Span { offset: 0, len: 0 }, None),
    };
    let extent = Extent { file: 0, offset: span.offset, len: span.len };
    if let Some(typed) = typed {
        let expected = Typed::for_encoding(encoding);
        if typed != expected {
            return Err(FormatError::new("data field", typed.name(), format!("{} for {encoding}", expected.name())));
        }
        if typed.is_varints() {
            let (found, expected) = (count_varints(walk.source, span)?, tensor.checked_elements()?);
            if found != expected {
                return Err(FormatError::new(
                    "length of the data",
                    format!("{found} numbers in {}", typed.name()),
                    format!("{expected} for shape {:?}", tensor.shape),
                ));
            }
            tensor.storage = Storage::Varints(extent);
            return Ok(Found::Tensor(tensor));
        }
    }
    TensorInfo::dense(tensor.name, tensor.shape, encoding, extent).map(Found::Tensor)
}

fn shape(dims: &[u64]) -> Result<Vec<usize>, FormatError> {
    let signed: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
    if signed.iter().any(|&dim| dim < 0) {
        return Err(FormatError::new("dims", format!("{signed:?}"), "no negative dimension"));
    }
    // Also where another dimension is zero, so that no partial product overflows later.
    let product = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(if dim == 0 { 1 } else { dim }));
    if product.is_none_or(|product| product > MAX_ELEMENTS) {
        return Err(FormatError::new("dims", format!("{signed:?}"), format!("at most {MAX_ELEMENTS} elements")));
    }
    dims.iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| FormatError::new("dims", dim, "a dimension that this machine can address")))
        .collect()
}

/// Where an external tensor lies: `location`, `offset` and `length` of its `external_data`.
fn external(walk: &mut Walk<'_>, entries: &[(String, String)], stored: u64) -> Result<Extent, FormatError> {
    let value = |key: &str| entries.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let number = |key: &str| {
        let parse = |text: &str| {
            text.parse::<u64>().map_err(|_| FormatError::new(format!("external {key}"), format!("`{}`", text.escape_debug()), "a number"))
        };
        value(key).map(parse).transpose()
    };
    let location = value("location").ok_or_else(|| FormatError::new("external location", "none", "a relative path"))?;
    let is_plain = !location.is_empty()
        && !location.contains(['\\', '\0', ':'])
        && location.split('/').all(|component| !component.is_empty() && component != "..");
    if !is_plain {
        return Err(FormatError::new(
            "external location",
            format!("`{}`", location.escape_debug()),
            "a relative path that does not leave the folder of the model",
        ));
    }
    let offset = number("offset")?.unwrap_or(0);
    let len = number("length")?.unwrap_or(stored);
    if len != stored {
        return Err(FormatError::new("external length", format!("{len} bytes"), format!("{stored} bytes")));
    }
    if offset.checked_add(len).is_none() {
        return Err(FormatError::new("external offset", offset, "an offset that the length can be added to"));
    }
    Ok(Extent { file: walk.external_file(location)?, offset, len })
}
