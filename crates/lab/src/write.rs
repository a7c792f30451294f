//! Writes a checkpoint as a Hugging Face folder, one tensor at a time, beside its place and renamed at the end.

use crate::{Checkpoint, Dtype, LabError, Matrix};
use half::{bf16, f16};
use serde_json::{Map, Value, json};
use sources::family::{Stored, named};
use sources::{Encoding, FormatError, Model, Part, Rows, Slot, TensorSource};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The type of the written numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Half types stay what they are; everything else, quantised forms too, becomes f32.
    AsStored,
    /// One type for all.
    Of(Dtype),
}

/// A weight file holds at most this, unless a single tensor is larger.
const MAX_SHARD_BYTES: u64 = if cfg!(test) { 1 << 16 } else { 4 << 30 };
/// Values that are turned into bytes at a time.
const CHUNK_VALUES: usize = 1 << 20;

/// One tensor of the new files.
enum Entry<'a> {
    Computed {
        stored: &'a Stored,
        dtype: Dtype,
    },
    /// A tensor of the source that no family describes, or a constant: copied byte for byte.
    Carried {
        model: &'a Model,
        tensor: usize,
        bytes: u64,
    },
}

/// Refuses a folder that holds something.
pub(crate) fn check_is_free(folder: &Path) -> Result<(), LabError> {
    let io = |action, error| LabError::Io { action, path: folder.to_owned(), error };
    if !folder.exists() {
        return Ok(());
    }
    let is_empty = std::fs::read_dir(folder).map_err(|error| io("read", error))?.next().is_none();
    if is_empty {
        return Ok(());
    }
    Err(LabError::Usage {
        message: format!("`{}`: found files in it, expected a folder that is empty or does not exist", folder.display()),
        hint: Some("the laboratory overwrites nothing; name another folder".into()),
    })
}

/// Tensors of the source that are in no weight and that a loader may want.
pub(crate) fn carried(model: &Model) -> Vec<usize> {
    let Some(binding) = &model.binding else { return Vec::new() };
    // The names of other containers mean nothing in a Hugging Face folder, and loaders make the constants of blocks themselves.
    if !matches!(model.format, sources::Format::Safetensors | sources::Format::Torch) {
        return Vec::new();
    }
    let of_a_block = |name: &str| name.split('.').any(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()));
    let tensors = model.tensors();
    let constants = binding.constants.iter().filter(|&&i| tensors.get(i).is_some_and(|tensor| !of_a_block(&tensor.name)));
    let can = |&&i: &&usize| tensors.get(i).is_some_and(|tensor| safetensors_name(tensor.encoding).is_some() && tensor.affine.is_none());
    binding.undescribed.iter().chain(constants).filter(can).copied().collect()
}

fn safetensors_name(encoding: Encoding) -> Option<&'static str> {
    Some(match encoding {
        Encoding::F64 => "F64",
        Encoding::F32 => "F32",
        Encoding::F16 => "F16",
        Encoding::Bf16 => "BF16",
        Encoding::F8E4M3 => "F8_E4M3",
        Encoding::F8E5M2 => "F8_E5M2",
        Encoding::I64 => "I64",
        Encoding::I32 => "I32",
        Encoding::I16 => "I16",
        Encoding::I8 => "I8",
        Encoding::U64 => "U64",
        Encoding::U32 => "U32",
        Encoding::U16 => "U16",
        Encoding::U8 => "U8",
        Encoding::Bool => "BOOL",
        Encoding::Block(_) => return None,
    })
}

/// The file that says how a checkpoint was made.
pub(crate) struct Record<'a> {
    pub(crate) file: &'static str,
    pub(crate) value: &'a Value,
}

/// Writes everything, with what no family describes of the model that the checkpoint comes from, and returns what was written, in bytes of weights.
/// `advance` is told them one tensor after another.
pub(crate) fn write(
    checkpoint: &dyn Checkpoint,
    model: Option<&Model>,
    folder: &Path,
    precision: Precision,
    record: &Record<'_>,
    advance: &dyn Fn(u64),
) -> Result<u64, LabError> {
    check_is_free(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |error| LabError::Io { action, path, error }
    };
    std::fs::create_dir_all(parent).map_err(io("create", parent))?;
    let new = tempfile::Builder::new().prefix(".filiation-lab-").tempdir_in(parent).map_err(io("write into", parent))?;

    let written = Weights::lay_out(checkpoint, model, precision)?.write(new.path(), advance)?;
    let outline = checkpoint.outline();
    let json = |name: &str, value: &Value| {
        let path = new.path().join(name);
        let text = serde_json::to_string_pretty(value).map_err(|error| FormatError::new(name, error, "JSON"))?;
        std::fs::write(&path, text + "\n").map_err(io("write", &path))
    };
    let mut config = outline.config.clone();
    if let Precision::Of(dtype) = precision {
        let name = match dtype {
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::Bf16 => "bfloat16",
        };
        for key in ["dtype", "torch_dtype"] {
            if config.get(key).is_some() {
                config[key] = json!(name);
            }
        }
    }
    json("config.json", &config)?;
    for path in &outline.tokens.copied {
        if let Some(name) = path.file_name() {
            std::fs::copy(path, new.path().join(name)).map_err(io("copy", path))?;
        }
    }
    if let Some(tokenizer) = &outline.tokens.tokenizer {
        json("tokenizer.json", tokenizer)?;
    }
    if let Some(config) = &outline.tokens.config {
        json("tokenizer_config.json", config)?;
    }
    json(record.file, record.value)?;

    if folder.exists() {
        // Empty, as was checked: a folder that somebody filled meanwhile stays.
        std::fs::remove_dir(folder).map_err(io("replace", folder))?;
    }
    let made = new.keep();
    std::fs::rename(&made, folder).map_err(|error| LabError::Io { action: "rename", path: made.clone(), error })?;
    Ok(written)
}

/// What will be in the weight files.
struct Weights<'a> {
    checkpoint: &'a dyn Checkpoint,
    model: Option<&'a Model>,
    stored: Vec<Stored>,
    precision: Precision,
}

impl<'a> Weights<'a> {
    fn lay_out(checkpoint: &'a dyn Checkpoint, model: Option<&'a Model>, precision: Precision) -> Result<Self, LabError> {
        let outline = checkpoint.outline();
        let family = named(&outline.family)
            .ok_or_else(|| FormatError::new("family", format!("`{}`", outline.family), "a family of this program"))?;
        // A step may have moved the model to another family, whose names are its own.
        let is_same = |model: &&Model| model.binding.as_ref().is_some_and(|binding| binding.family == outline.family);
        let tensors = model.filter(is_same).map_or([].as_slice(), |model| model.tensors());
        let spelling =
            family.spelling(tensors).ok_or_else(|| FormatError::new("family", &outline.family, "one with Hugging Face names"))?;
        let shapes: BTreeMap<Slot, Vec<usize>> = outline.weights.iter().map(|(&slot, spec)| (slot, spec.shape.clone())).collect();
        let stored = family.stored(&spelling, &shapes, outline.heads)?;
        Ok(Self { checkpoint, model, stored, precision })
    }

    fn entries(&self) -> Result<Vec<(String, Vec<usize>, Entry<'_>)>, LabError> {
        let mut entries = Vec::new();
        for stored in &self.stored {
            let dtype = match (self.precision, stored.pieces.first()) {
                (Precision::Of(dtype), _) => dtype,
                (Precision::AsStored, Some(piece)) => self.checkpoint.outline().spec(piece.slot)?.dtype,
                (Precision::AsStored, None) => Dtype::F32,
            };
            entries.push((stored.name.clone(), stored.shape.clone(), Entry::Computed { stored, dtype }));
        }
        for (model, i) in self.model.into_iter().flat_map(|model| carried(model).into_iter().map(move |i| (model, i))) {
            let tensor = &model.tensors()[i];
            let bytes = tensor.encoding.bytes_for(tensor.elements() as u64).unwrap_or(0);
            entries.push((tensor.name.clone(), tensor.shape.clone(), Entry::Carried { model, tensor: i, bytes }));
        }
        Ok(entries)
    }

    fn write(&self, folder: &Path, advance: &dyn Fn(u64)) -> Result<u64, LabError> {
        let entries = self.entries()?;
        let mut shards: Vec<Vec<usize>> = vec![Vec::new()];
        let (mut in_shard, mut total) = (0u64, 0u64);
        for (i, (_, shape, entry)) in entries.iter().enumerate() {
            let bytes = entry.bytes(shape);
            if in_shard > 0 && in_shard + bytes > MAX_SHARD_BYTES {
                shards.push(Vec::new());
                in_shard = 0;
            }
            if let Some(shard) = shards.last_mut() {
                shard.push(i);
            }
            in_shard += bytes;
            total += bytes;
        }
        let mut map = Map::new();
        for (n, shard) in shards.iter().enumerate() {
            let name = match shards.len() {
                1 => "model.safetensors".to_owned(),
                all => format!("model-{:05}-of-{all:05}.safetensors", n + 1),
            };
            let held: Vec<_> = shard.iter().map(|&i| &entries[i]).collect();
            map.extend(held.iter().map(|(tensor, _, _)| (tensor.clone(), json!(name))));
            self.write_shard(&folder.join(name), &held, advance)?;
        }
        if shards.len() > 1 {
            let path = folder.join("model.safetensors.index.json");
            let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
            std::fs::write(&path, index.to_string()).map_err(|error| LabError::Io { action: "write", path, error })?;
        }
        Ok(total)
    }

    fn write_shard(&self, path: &Path, entries: &[&(String, Vec<usize>, Entry<'_>)], advance: &dyn Fn(u64)) -> Result<(), LabError> {
        let io = |error| LabError::Io { action: "write", path: path.to_owned(), error };
        let mut header = Map::new();
        header.insert("__metadata__".into(), json!({ "format": "pt" }));
        let mut offset = 0u64;
        for (name, shape, entry) in entries {
            let end = offset + entry.bytes(shape);
            let dtype = match entry {
                Entry::Computed { dtype: Dtype::F32, .. } => "F32",
                Entry::Computed { dtype: Dtype::F16, .. } => "F16",
                Entry::Computed { dtype: Dtype::Bf16, .. } => "BF16",
                Entry::Carried { model, tensor, .. } => safetensors_name(model.tensors()[*tensor].encoding).unwrap_or("F32"),
            };
            if header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [offset, end] })).is_some() {
                return Err(FormatError::new("name", "the same name for two tensors", "unique names").tensor(name).into());
            }
            offset = end;
        }
        let mut header = Value::Object(header).to_string();
        // The format asks for data that begin at a multiple of eight.
        header.push_str(&" ".repeat((8 - header.len() % 8) % 8));
        let mut file = BufWriter::new(File::create(path).map_err(io)?);
        file.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| file.write_all(header.as_bytes())).map_err(io)?;
        for (_, shape, entry) in entries {
            match entry {
                Entry::Computed { stored, dtype } => {
                    let values = self.compute(stored)?;
                    for chunk in values.chunks(CHUNK_VALUES) {
                        file.write_all(&encode(chunk, *dtype)).map_err(io)?;
                    }
                }
                Entry::Carried { model, tensor, bytes } => carry(model, *tensor, *bytes, &mut file, path)?,
            }
            advance(entry.bytes(shape));
        }
        file.flush().map_err(io)
    }

    /// The values of a stored tensor, in the order of the file.
    fn compute(&self, stored: &Stored) -> Result<Vec<f32>, LabError> {
        let mut whole: Option<Matrix> = None;
        for piece in &stored.pieces {
            let mut part = self.checkpoint.read(piece.slot)?;
            let form = &self.checkpoint.outline().form;
            let gain = if piece.slot.role.is_norm() && piece.slot.part == Part::Weight { form.gain.offset() } else { 0.0 };
            let offset = gain + f32::from(stored.offset);
            if offset != 0.0 {
                part.values.iter_mut().for_each(|value| *value -= offset);
            }
            match &piece.rows {
                Rows::All => whole = Some(part),
                Rows::Runs(runs) => {
                    let rows = if stored.transposed { stored.shape.get(1) } else { stored.shape.first() }.copied().unwrap_or(0);
                    let whole = whole.get_or_insert_with(|| Matrix::new(rows, part.cols, vec![0.0; rows * part.cols]));
                    let targets = runs.iter().cloned().flatten();
                    for (target, row) in targets.zip(part.values.chunks_exact(part.cols.max(1))) {
                        whole.values[target * part.cols..][..part.cols].copy_from_slice(row);
                    }
                }
                Rows::Indices(_) => {
                    return Err(FormatError::new("layout", "rows in an order of their own", "rows in order").tensor(&stored.name).into());
                }
            }
        }
        let whole = whole.unwrap_or_else(|| Matrix::new(0, 0, Vec::new()));
        let whole = if stored.transposed { whole.transposed() } else { whole };
        let expected: usize = stored.shape.iter().product();
        if whole.values.len() != expected {
            return Err(FormatError::new("values", whole.values.len(), expected).tensor(&stored.name).into());
        }
        Ok(whole.values)
    }
}

/// Copies a stored tensor byte for byte.
fn carry(model: &Model, tensor: usize, bytes: u64, file: &mut impl Write, path: &Path) -> Result<(), LabError> {
    let info = &model.tensors()[tensor];
    let mut buffer = vec![0u8; CHUNK_VALUES];
    let mut done = 0;
    while done < bytes {
        let n = (bytes - done).min(buffer.len() as u64) as usize;
        match model.read_raw(tensor, done..done + n as u64, &mut buffer[..n]) {
            Some(read) => read?,
            None => {
                return Err(FormatError::new("storage", "a tensor that is not stored in one run", "dense bytes").tensor(&info.name).into());
            }
        }
        let path: PathBuf = path.to_owned();
        file.write_all(&buffer[..n]).map_err(|error| LabError::Io { action: "write", path, error })?;
        done += n as u64;
    }
    Ok(())
}

impl Entry<'_> {
    fn bytes(&self, shape: &[usize]) -> u64 {
        let elements: u64 = shape.iter().map(|&n| n as u64).product();
        match self {
            Self::Computed { dtype: Dtype::F32, .. } => elements * 4,
            Self::Computed { .. } => elements * 2,
            Self::Carried { bytes, .. } => *bytes,
        }
    }
}

fn encode(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        Dtype::Bf16 => values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Precision, Request, disguise};
    use sources::Model;
    use testmodels::{Dtype, Network, family, save};

    #[test]
    fn what_is_too_large_for_one_file_is_written_as_several_with_an_index() {
        let network = family("phi3", 1);
        let source = save(&network, Dtype::F32);
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join("new");
        let request = Request { folder: &folder, steps: &[], seed: 0, precision: Precision::AsStored };
        disguise(Model::open(source.path()).unwrap(), &request, &|_| (), &|_| ()).unwrap();
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("model.safetensors.index.json")).unwrap()).unwrap();
        let files: std::collections::BTreeSet<_> =
            index["weight_map"].as_object().unwrap().values().filter_map(|file| file.as_str()).collect();
        assert!(files.len() > 2, "{files:?}");
        let bytes: usize = network.tensors.iter().map(|tensor| 4 * tensor.values.len()).sum();
        assert_eq!(index["metadata"]["total_size"], bytes);
        // A reader follows the index, and finds every tensor.
        let model = Model::open(&folder).unwrap();
        assert!(model.warnings.is_empty() && model.files().len() == files.len());
        let after = Network::load(&folder);
        assert_eq!(after.tensors.len(), network.tensors.len());
        assert!(network.tensors.iter().all(|tensor| after.tensor(&tensor.name) == tensor));
    }
}
