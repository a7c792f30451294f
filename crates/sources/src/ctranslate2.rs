//! CTranslate2 `model.bin`, binary versions 2 to 6: a sequence of named variables, then aliases.
//!
//! Names are paths (`encoder/layer_0/ffn/linear_0/weight`). Attributes of the network are scalar variables among the weights.

use crate::bytes::{ByteReader, ReadAt};
use crate::tensor::{self, Affine, Extent, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS, MetaValue, Parsed, TensorInfo};
use crate::{Encoding, FormatError};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the headers of all variables and the quantisation scales; other tensors are left as places in the file.
///
/// Metadata: `binary_version`, `spec`, `revision`, and `aliases/<alias>` with the name of the variable that an alias stands for.
/// A file that ends early keeps its whole variables and gets a warning.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    let mut fields = Fields { reader: ByteReader::new(source), ended: false };
    let version = fields.u32("binary version")?;
    if !(2..=6).contains(&version) {
        return Err(FormatError::new("binary version", version, "a CTranslate2 binary version from 2 to 6"));
    }
    let spec = fields.text("name of the model specification")?;
    let revision = fields.u32("revision of the model specification")?;
    let n_variables = fields.u32("number of variables")?;
    if u64::from(n_variables) > MAX_TENSORS {
        return Err(FormatError::new("number of variables", n_variables, format!("at most {MAX_TENSORS}")));
    }
    let mut parsed = Parsed::default();
    parsed.metadata.insert("binary_version".into(), MetaValue::Unsigned(version.into()));
    parsed.metadata.insert("spec".into(), MetaValue::Text(spec));
    parsed.metadata.insert("revision".into(), MetaValue::Unsigned(revision.into()));

    let end = read_variables(&mut fields, version, n_variables, &mut parsed.tensors)
        .and_then(|()| if version >= 3 { read_aliases(&mut fields, &parsed.tensors, &mut parsed.metadata) } else { Ok(()) });
    match end {
        // An end of the file before anything was read leaves nothing to compare.
        Err(error) if fields.ended && !parsed.tensors.is_empty() => {
            let n_read = parsed.tensors.len();
            parsed.is_truncated = true;
            parsed.warnings.push(format!("the file is truncated after {n_read} of {n_variables} variables: {error}"));
        }
        end => end?,
    }
    attach_scales(source, &mut parsed)?;
    tensor::validate(&parsed, &[source.size()])?;
    Ok(parsed)
}

/// Little-endian fields; remembers whether a failure was the end of the file.
struct Fields<'a> {
    reader: ByteReader<'a>,
    ended: bool,
}

impl Fields<'_> {
    fn need(&mut self, n: u64, what: &str) -> Result<(), FormatError> {
        self.reader.require(n, what).inspect_err(|_| self.ended = true)
    }

    fn u8(&mut self, what: &str) -> Result<u8, FormatError> {
        self.need(1, what)?;
        self.reader.u8(what)
    }

    fn u32(&mut self, what: &str) -> Result<u32, FormatError> {
        self.need(4, what)?;
        self.reader.u32(what)
    }

    /// A length that counts a final NUL, then the text with that NUL.
    fn text(&mut self, what: &str) -> Result<String, FormatError> {
        self.need(2, what)?;
        let n = u64::from(self.reader.u16(what)?);
        if n <= MAX_NAME_BYTES {
            self.need(n, what)?;
        }
        let mut text = self.reader.text(n, MAX_NAME_BYTES, what)?;
        match (text.pop(), text.contains('\0')) {
            (Some('\0'), false) => Ok(text),
            _ => Err(FormatError::new(what, format!("{n} bytes without one NUL at their end"), "a NUL-terminated text")),
        }
    }

    fn skip(&mut self, n: u64, what: &str) -> Result<(), FormatError> {
        self.need(n, what)?;
        self.reader.skip(n, what)
    }
}

fn read_variables(fields: &mut Fields<'_>, version: u32, n_variables: u32, tensors: &mut Vec<TensorInfo>) -> Result<(), FormatError> {
    let mut names = BTreeSet::new();
    for _ in 0..n_variables {
        let name = fields.text("name of a variable")?;
        let tensor = read_variable(fields, version, &name).map_err(|error| error.tensor(&name))?;
        if !names.insert(name) {
            return Err(FormatError::new("name", "the same name twice", "unique names").tensor(tensor.name));
        }
        tensors.push(tensor);
    }
    Ok(())
}

fn read_variable(fields: &mut Fields<'_>, version: u32, name: &str) -> Result<TensorInfo, FormatError> {
    let rank = usize::from(fields.u8("number of axes")?);
    if rank > MAX_RANK {
        return Err(FormatError::new("number of axes", rank, format!("at most {MAX_RANK}")));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(fields.u32("shape")? as usize);
    }
    let form = fields.u8("data type")?;
    let size = u64::from(fields.u32("length of the data")?);
    let (encoding, len) = if version >= 4 {
        (encoding_of_type(form)?, size)
    } else {
        let encoding = encoding_of_width(form)?;
        (encoding, size * encoding.block_bytes() as u64)
    };
    let extent = Extent { file: 0, offset: fields.reader.position(), len };
    let tensor = TensorInfo::dense(name, shape, encoding, extent)?;
    fields.skip(len, "data")?;
    Ok(tensor)
}

/// `DataType` of CTranslate2, stored since version 4.
fn encoding_of_type(form: u8) -> Result<Encoding, FormatError> {
    Ok(match form {
        0 => Encoding::F32,
        1 => Encoding::I8,
        2 => Encoding::I16,
        3 => Encoding::I32,
        4 => Encoding::F16,
        5 => Encoding::Bf16,
        _ => return Err(FormatError::new("data type", form, "a type number from 0 to 5")),
    })
}

/// Before version 4 only the width of an element was stored, and each width meant one type.
fn encoding_of_width(width: u8) -> Result<Encoding, FormatError> {
    Ok(match width {
        4 => Encoding::F32,
        2 => Encoding::I16,
        1 => Encoding::I8,
        _ => return Err(FormatError::new("bytes of an element", width, "1, 2 or 4")),
    })
}

fn read_aliases(fields: &mut Fields<'_>, tensors: &[TensorInfo], metadata: &mut BTreeMap<String, MetaValue>) -> Result<(), FormatError> {
    let names: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let n_aliases = fields.u32("number of aliases")?;
    if u64::from(n_aliases) > MAX_TENSORS {
        return Err(FormatError::new("number of aliases", n_aliases, format!("at most {MAX_TENSORS}")));
    }
    for _ in 0..n_aliases {
        let alias = fields.text("alias")?;
        let variable = fields.text("variable of an alias")?;
        let what = format!("alias `{}`", alias.escape_debug());
        if !names.contains(variable.as_str()) {
            return Err(FormatError::new(what, format!("`{}`", variable.escape_debug()), "the name of a variable"));
        }
        if names.contains(alias.as_str()) || metadata.insert(format!("aliases/{alias}"), MetaValue::Text(variable)).is_some() {
            return Err(FormatError::new(what, "the same name twice", "unique names"));
        }
    }
    Ok(())
}

/// What the integers of a variable are.
enum Integers {
    /// Flags, sizes, texts: numbers as they stand. Also every variable that holds no integers.
    Plain,
    /// Weights, with the index of the variable that holds their scales.
    Scaled(usize),
    /// 16-bit weights from before scales were stored.
    ScaledByConvention,
    /// 8-bit or 16-bit weights whose scales are not in the file.
    WithoutScale,
    /// Eight 4-bit weights in each number.
    Packed,
}

impl Integers {
    fn of(variable: &TensorInfo, scale: Option<usize>, truncated: bool) -> Self {
        let is_weight = variable.name.ends_with("weight");
        match (variable.encoding, scale) {
            (Encoding::I8 | Encoding::I16, Some(scale)) => Self::Scaled(scale),
            // Scales follow their weights in the file, so a lost end may have held them.
            (Encoding::I16, None) if is_weight && !truncated => Self::ScaledByConvention,
            (Encoding::I8 | Encoding::I16, None) if is_weight => Self::WithoutScale,
            (Encoding::I32, Some(_)) if is_weight => Self::Packed,
            _ => Self::Plain,
        }
    }
}

/// What CTranslate2 multiplied 16-bit weights by before it stored scales.
const CONVENTIONAL_SCALE: f32 = 1000.0;

/// Moves `<name>_scale` into the tensor it belongs to, and leaves out integers whose values cannot be told.
fn attach_scales(source: &dyn ReadAt, parsed: &mut Parsed) -> Result<(), FormatError> {
    let truncated = parsed.is_truncated;
    let places: BTreeMap<String, usize> = parsed.tensors.iter().enumerate().map(|(i, tensor)| (tensor.name.clone(), i)).collect();
    let mut left_out = BTreeSet::new();
    let mut scale_bytes = 0;
    for i in 0..parsed.tensors.len() {
        let tensor = &parsed.tensors[i];
        let name = tensor.name.escape_debug();
        let related = |suffix: &str| places.get(&format!("{}{suffix}", tensor.name)).copied();
        match Integers::of(tensor, related("_scale"), truncated) {
            Integers::Plain => {}
            Integers::Scaled(scale) => {
                left_out.insert(scale);
                let scale = &parsed.tensors[scale];
                scale_bytes += scale.stored_bytes()?;
                if scale_bytes > MAX_HEADER_BYTES {
                    let (found, expected) = (format!("{scale_bytes} bytes"), format!("at most {MAX_HEADER_BYTES} bytes in all"));
                    return Err(FormatError::new("quantisation scales", found, expected).tensor(&tensor.name));
                }
                parsed.tensors[i].affine = Some(read_scale(source, scale, tensor)?);
            }
            Integers::ScaledByConvention => {
                let scale = vec![1.0 / CONVENTIONAL_SCALE];
                parsed.tensors[i].affine = Some(Affine { scale, zero_point: Vec::new(), axis: None });
            }
            Integers::WithoutScale => {
                let found = format!("found {} weights without scales, expected a variable `{name}_scale`", tensor.encoding);
                parsed.warnings.push(format!("tensor `{name}` is left out: {found}"));
                left_out.insert(i);
            }
            Integers::Packed => {
                parsed.warnings.push(format!("tensor `{name}`: encoding AWQ (packed 4-bit) is not supported yet"));
                left_out.extend([Some(i), related("_scale"), related("_zero")].into_iter().flatten());
            }
        }
    }
    let tensors = std::mem::take(&mut parsed.tensors).into_iter().enumerate();
    parsed.tensors = tensors.filter(|(i, _)| !left_out.contains(i)).map(|(_, tensor)| tensor).collect();
    Ok(())
}

/// The stored scale `s` means `value = q / s`, which CTranslate2 computes as `q * (1 / s)`.
fn read_scale(source: &dyn ReadAt, scale: &TensorInfo, weight: &TensorInfo) -> Result<Affine, FormatError> {
    let n = scale.elements();
    let axis = if n == 1 { None } else { Some(0) };
    if scale.encoding != Encoding::F32 || !(n == 1 || (scale.shape.len() == 1 && n == weight.rows() && !weight.shape.is_empty())) {
        let expected = format!("one F32 or {} of them for `{}`", weight.rows(), weight.name.escape_debug());
        return Err(
            FormatError::new("quantisation scales", format!("{} of shape {:?}", scale.encoding, scale.shape), expected).tensor(&scale.name)
        );
    }
    let bytes = scale.stored_bytes()?;
    let start = scale.extents().first().map_or(0, |extent| extent.offset);
    let stored = ByteReader::within(source, start, start + bytes).bytes(bytes, MAX_HEADER_BYTES, "quantisation scales")?;
    let mut values = vec![0.0; n];
    scale.encoding.decode(&stored, &mut values);
    if let Some(bad) = values.iter().find(|s| s.is_nan() || **s <= 0.0) {
        return Err(FormatError::new("quantisation scales", bad, "numbers above 0").tensor(&scale.name));
    }
    Ok(Affine { scale: values.iter().map(|s| 1.0 / s).collect(), zero_point: Vec::new(), axis })
}

#[cfg(test)]
mod tests;
