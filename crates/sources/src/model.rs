//! Opens a checkpoint, whatever its container: a file, a sharded folder, a Hugging Face folder.

use crate::bytes::ReadAt;
use crate::claims::Claims;
use crate::store::{self, DataFile};
use crate::tensor::{Extent, MAX_HEADER_BYTES, MetaValue, Parsed, TensorInfo, validate};
use crate::vocabulary::Vocabulary;
use crate::{Binding, Encoding, FormatError, SourceError, TensorSource, ctranslate2, family, gguf, npz, onnx, safetensors, torch};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The container of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Format {
    Safetensors,
    Gguf,
    Torch,
    Onnx,
    Npy,
    Npz,
    Ctranslate2,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Gguf => "GGUF",
            Self::Torch => "PyTorch",
            Self::Onnx => "ONNX",
            Self::Npy | Self::Npz => "NumPy",
            Self::Ctranslate2 => "CTranslate2",
        })
    }
}

impl Format {
    /// Tells the container from its bytes; the file's name is not evidence.
    pub fn detect(source: &dyn ReadAt) -> Result<Self, FormatError> {
        let mut head = [0u8; 16];
        let n = source.size().min(16) as usize;
        source.read_exact_at(0, &mut head[..n]).map_err(|error| FormatError::new("file", error, "readable bytes"))?;
        if n == 0 {
            return Err(FormatError::new("file", "no bytes", "a model"));
        }
        if head.starts_with(b"GGUF") || head.starts_with(b"FUGG") {
            return Ok(Self::Gguf);
        }
        if head.starts_with(b"\x93NUMPY") {
            return Ok(Self::Npy);
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(if npz::is_npz(source) { Self::Npz } else { Self::Torch });
        }
        if n >= 9 && head[8] == b'{' {
            return Ok(Self::Safetensors);
        }
        let version = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let name_len = usize::from(u16::from_le_bytes([head[4], head[5]]));
        if (1..=16).contains(&version) && (2..=128).contains(&name_len) && head[6].is_ascii_alphabetic() {
            return Ok(Self::Ctranslate2);
        }
        // A pickle with its protocol opcode: an old torch.save. The reader's error says what to do.
        if head[0] == 0x80 && (2..=5).contains(&head[1]) {
            return Ok(Self::Torch);
        }
        // ModelProto starts with ir_version (field 1, varint); exporters that reorder fields start with producer or graph.
        if head[0] == 0x08 && head[1] < 0x80 {
            return Ok(Self::Onnx);
        }
        Err(FormatError::new("file", format!("bytes that start with {}", hex(&head[..n.min(8)])), "safetensors, GGUF, PyTorch zip, ONNX, npz or CTranslate2")
            .hint("pass a weight file or a folder that holds one; archives must be unpacked first"))
    }

    fn parse(self, source: &dyn ReadAt) -> Result<Parsed, FormatError> {
        match self {
            Self::Safetensors => safetensors::parse(source),
            Self::Gguf => gguf::parse(source),
            Self::Torch => torch::parse(source),
            Self::Onnx => onnx::parse(source),
            Self::Npy => npz::parse_npy(source),
            Self::Npz => npz::parse(source),
            Self::Ctranslate2 => ctranslate2::parse(source),
        }
    }
}

/// An open checkpoint.
#[derive(Debug)]
pub struct Model {
    /// As given.
    pub path: PathBuf,
    /// Container of the weights.
    pub format: Format,
    /// `config.json`, if there is one.
    pub config: Option<serde_json::Value>,
    /// Key-value pairs of the container.
    pub metadata: BTreeMap<String, MetaValue>,
    /// The tokenizer's vocabulary, if there is one.
    pub vocabulary: Option<Vocabulary>,
    /// What the card says of the model's origin.
    pub claims: Claims,
    /// What was left out while reading, and why.
    pub warnings: Vec<String>,
    /// Whether a file ends before its last tensors do, so that missing tensors say nothing about the model.
    pub is_truncated: bool,
    /// Roles, if a family describes the tensors.
    pub binding: Option<Binding>,
    files: Vec<DataFile>,
    tensors: Vec<TensorInfo>,
}

impl Model {
    /// Opens a weight file or a folder. Reads headers only.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let is_folder = path.metadata().map_err(|error| SourceError::Io { path: path.to_owned(), action: "open", error })?.is_dir();
        let mut warnings = Vec::new();
        let weight_files = if is_folder { folder_weights(path, &mut warnings)? } else { weight_files_of(path)? };
        let folder = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };

        let mut files: Vec<DataFile> = Vec::new();
        let mut tensors: Vec<TensorInfo> = Vec::new();
        let mut metadata = BTreeMap::new();
        let mut format = None;
        let mut is_truncated = false;
        for file in &weight_files {
            let data = DataFile::open(file)?;
            let found = Format::detect(&data).map_err(|e| e.at(file))?;
            let first = *format.get_or_insert(found);
            if first != found {
                return Err(FormatError::new("shard", format!("{found}"), format!("{first} like the other shards")).at(file));
            }
            let parsed = found.parse(&data).map_err(|e| e.at(file))?;
            let base = files.len();
            files.push(data);
            for external in &parsed.external_files {
                files.push(DataFile::open(&file.parent().unwrap_or(Path::new("")).join(external))?);
            }
            let sizes: Vec<u64> = files[base..].iter().map(ReadAt::size).collect();
            validate(&parsed, &sizes).map_err(|e| e.at(file))?;
            tensors.extend(parsed.tensors.into_iter().map(|tensor| tensor.shifted(base)));
            metadata.extend(parsed.metadata);
            warnings.extend(parsed.warnings);
            is_truncated |= parsed.is_truncated;
        }
        let Some(format) = format else {
            return Err(FormatError::new("folder", "no weight file", "one of the known containers").at(path));
        };
        if weight_files.len() > 1 {
            let mut names = std::collections::BTreeSet::new();
            for tensor in &tensors {
                if !names.insert(tensor.name.as_str()) {
                    return Err(FormatError::new("name", "the same name in two shards", "unique names").tensor(&tensor.name).at(path));
                }
            }
        }

        let config = read_json(&folder.join("config.json"))?;
        let vocabulary = Vocabulary::beside(folder)?.or_else(|| Vocabulary::from_gguf(&metadata));
        let claims = Claims::read(folder, config.as_ref(), &metadata)?;
        let binding = family::bind(&tensors, config.as_ref(), &metadata);
        Ok(Self { path: path.to_owned(), format, config, metadata, vocabulary, claims, warnings, is_truncated, binding, files, tensors })
    }

    /// The files that hold weights, in order.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// Number of stored elements in tensors of numbers that a network could have been trained to: floats and quantised forms.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().filter(|t| t.is_numeric_weight()).map(|t| t.elements() as u64).sum()
    }

    /// Path of the file that a tensor's first byte lies in.
    fn path_of(&self, tensor: &TensorInfo) -> &Path {
        tensor.extents().first().map_or(&self.path, |extent| &self.files[extent.file].path)
    }
}

impl TensorInfo {
    /// Whether the values can be trained weights, as opposed to indices, masks and shape arithmetic.
    pub fn is_numeric_weight(&self) -> bool {
        self.affine.is_some() || matches!(self.encoding, Encoding::F64 | Encoding::F32 | Encoding::F16 | Encoding::Bf16 | Encoding::F8E4M3 | Encoding::F8E5M2 | Encoding::Block(_))
    }

    fn shifted(mut self, files: usize) -> Self {
        use crate::tensor::Storage;
        let shift = |extent: &mut Extent| extent.file += files;
        match &mut self.storage {
            Storage::Dense(e) | Storage::Varints(e) | Storage::ColumnMajor(e) | Storage::Strided { extent: e, .. } | Storage::Deflated { extent: e, .. } => shift(e),
            Storage::Pieces(pieces) => pieces.iter_mut().for_each(shift),
        }
        self
    }
}

impl TensorSource for Model {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read_f32(&self, tensor: usize, rows: Range<usize>, out: &mut Vec<f32>) -> Result<(), SourceError> {
        let tensor = &self.tensors[tensor];
        store::read_f32(&self.files, tensor, rows, out).map_err(|e| e.at(self.path_of(tensor)))
    }

    fn read_raw(&self, tensor: usize, bytes: Range<u64>, out: &mut [u8]) -> Option<Result<(), SourceError>> {
        let tensor = &self.tensors[tensor];
        let crate::tensor::Storage::Dense(extent) = &tensor.storage else { return None };
        if tensor.affine.is_some() || bytes.end > extent.len {
            return None;
        }
        let file = &self.files[extent.file];
        Some(
            file.read_exact_at(extent.offset + bytes.start, out)
                .map_err(|error| SourceError::Io { path: file.path.clone(), action: "read", error }),
        )
    }
}

/// The weight files of a folder. Where several containers hold the same model, the least processed one is taken and said.
fn folder_weights(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, SourceError> {
    for index in ["model.safetensors.index.json", "pytorch_model.bin.index.json"] {
        let index = folder.join(index);
        if index.is_file() {
            return weight_files_of(&index);
        }
    }
    const CONTAINERS: &[&[&str]] = &[&["safetensors"], &["bin", "pt", "pth"], &["gguf"], &["onnx"], &["npz"]];
    const NOT_WEIGHTS: &[&str] = &["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt"];
    let mut names: Vec<PathBuf> = list(folder)?;
    names.retain(|path| path.file_name().is_none_or(|name| !NOT_WEIGHTS.iter().any(|other| name == *other)));
    if !names.iter().any(|path| has_extension(path, &["safetensors", "bin", "pt", "pth", "gguf", "onnx", "npz"])) && folder.join("onnx").is_dir() {
        names = list(&folder.join("onnx"))?;
    }
    let mut chosen: Option<Vec<PathBuf>> = None;
    for extensions in CONTAINERS {
        let found: Vec<PathBuf> = names.iter().filter(|path| has_extension(path, extensions)).cloned().collect();
        match &chosen {
            None if !found.is_empty() => chosen = Some(found),
            Some(first) if !found.is_empty() => {
                warnings.push(format!("`{}`: also holds `{}`, which was not read; `{}` was", folder.display(), found[0].display(), first[0].display()));
            }
            _ => {}
        }
    }
    let files = chosen.ok_or_else(|| {
        FormatError::new("folder", format!("{} files, none with weights", names.len()), "a .safetensors, .bin, .pt, .pth, .gguf, .onnx or .npz file")
            .hint("a configuration alone says nothing about weights; nothing is concluded from it")
            .at(folder)
    })?;
    let shards = files.iter().filter(|path| path.file_stem().and_then(|s| s.to_str()).is_some_and(|stem| stem.contains("-of-"))).count();
    let preferred = ["model.safetensors", "pytorch_model.bin", "model.bin", "model.onnx"];
    if files.len() == 1 || shards == files.len() {
        return Ok(files);
    }
    files.iter().find(|path| preferred.iter().any(|name| path.ends_with(name))).map(|path| vec![path.clone()]).ok_or_else(|| {
        let found: Vec<String> = files.iter().filter_map(|p| p.file_name()).map(|n| format!("`{}`", n.to_string_lossy())).collect();
        FormatError::new("folder", format!("several weight files ({})", found.join(", ")), "one model").hint("pass the file itself").at(folder)
    })
}

/// The files behind one path: an index stands for its shards.
fn weight_files_of(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".index.json")) {
        let index = safetensors::parse_index(&read_bytes(path)?).map_err(|e| e.at(path))?;
        let shards: std::collections::BTreeSet<&String> = index.weight_map.values().collect();
        return Ok(shards.into_iter().map(|name| path.parent().unwrap_or(Path::new("")).join(name)).collect());
    }
    Ok(vec![path.to_owned()])
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|found| extensions.contains(&found))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let fail = |error| SourceError::Io { path: folder.to_owned(), action: "list", error };
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The whole of a small file; refuses more than [`MAX_HEADER_BYTES`].
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, SourceError> {
    let file = DataFile::open(path)?;
    if file.size() > MAX_HEADER_BYTES {
        return Err(FormatError::new("file", format!("{} bytes", file.size()), format!("at most {MAX_HEADER_BYTES} bytes")).at(path));
    }
    let mut bytes = vec![0; file.size() as usize];
    file.read_exact_at(0, &mut bytes).map_err(|error| SourceError::Io { path: path.to_owned(), action: "read", error })?;
    Ok(bytes)
}

/// A JSON file, or `None` if there is no such file.
pub(crate) fn read_json(path: &Path) -> Result<Option<serde_json::Value>, SourceError> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_slice(&read_bytes(path)?).map(Some).map_err(|error| FormatError::new("JSON", error, "one JSON value").at(path))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
