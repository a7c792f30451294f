//! Opens a checkpoint, whatever its container: a file, a sharded folder, a Hugging Face folder.

use crate::bytes::ReadAt;
use crate::claims::Claims;
use crate::folder::{self, WeightFiles};
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

/// Bytes that tell every container, and what is often found in a container's place.
const HEAD_BYTES: usize = 48;
const CONTAINERS: &str = "safetensors, GGUF, PyTorch zip, ONNX, npz or CTranslate2";

/// What people have in place of the weights, with advice.
fn look_alike(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNPACK: &str = "unpack it and pass the weight file or the folder that holds it";
    let text = head.trim_ascii_start();
    let is_page = |start: &[u8]| text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start));
    if head.starts_with(b"version https://git-lfs") || head.starts_with(b"# xet version") {
        return Some((
            "a pointer of Git LFS or Xet, not the file that it stands for",
            "run `git lfs pull` in the repository, or fetch the file itself",
        ));
    }
    if is_page(b"<!doctype html") || is_page(b"<html") || is_page(b"<?xml") {
        return Some((
            "a web page",
            "a download that needs a login or a licence agreement leaves a page in place of the file; fetch it again",
        ));
    }
    // A safetensors file can begin with the byte of a brace; the length that it belongs to has zeros, which no text has.
    if (text.starts_with(b"{") || text.starts_with(b"[")) && !head.contains(&0) {
        return Some(("JSON text", "pass the weights, or the folder that holds them; a configuration says nothing about weights"));
    }
    if head.starts_with(b"\x89HDF\r\n") {
        return Some((
            "an HDF5 file, as Keras and TensorFlow write",
            "convert the weights to safetensors with the library that wrote them",
        ));
    }
    let packed: [(&[u8], &str); 4] =
        [(b"\x1f\x8b", "a gzip file"), (b"\x28\xb5\x2f\xfd", "a zstd file"), (b"\xfd7zXZ", "an xz file"), (b"BZh", "a bzip2 file")];
    packed.into_iter().find(|(start, _)| head.starts_with(start)).map(|(_, found)| (found, UNPACK))
}

impl Format {
    /// Tells the container from its bytes; the file's name is not evidence.
    pub fn detect(source: &dyn ReadAt) -> Result<Self, FormatError> {
        let mut head = [0u8; HEAD_BYTES];
        let n = source.size().min(HEAD_BYTES as u64) as usize;
        source.read_exact_at(0, &mut head[..n]).map_err(|error| FormatError::new("file", error, "readable bytes"))?;
        if n == 0 {
            return Err(FormatError::new("file", "no bytes", "a model").hint("the download or the copy broke off; fetch the file again"));
        }
        if let Some((found, hint)) = look_alike(&head[..n]) {
            return Err(FormatError::new("file", found, CONTAINERS).hint(hint));
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
        Err(FormatError::new("file", format!("bytes that start with {}", hex(&head[..n.min(8)])), CONTAINERS)
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
    /// Whether the tensors are low-rank changes to another model's weights, and no weights themselves.
    pub is_adapter: bool,
    /// Roles, if a family describes the tensors.
    pub binding: Option<Binding>,
    files: Vec<DataFile>,
    beside: Vec<DataFile>,
    tensors: Vec<TensorInfo>,
}

impl Model {
    /// Opens a weight file or a folder. Reads headers only.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let WeightFiles { files: weight_files, declared, mut warnings } = folder::weight_files(path)?;
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };

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

        let held: std::collections::BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let absent: Vec<&String> = declared.keys().filter(|name| !held.contains(name.as_str())).collect();
        if let Some(first) = absent.first() {
            warnings.push(format!("the index names {} tensors that its files do not hold, first `{}`", absent.len(), first.escape_debug()));
        }
        let is_adapter = !tensors.is_empty() && tensors.iter().all(|tensor| is_adapter_name(&tensor.name));

        let config = read_json(&folder.join("config.json"))?;
        let vocabulary = Vocabulary::beside(folder)?.or_else(|| Vocabulary::from_gguf(&metadata));
        let claims = Claims::read(folder, config.as_ref(), &metadata)?;
        let origin = vocabulary.as_ref().map(|v| v.origin.as_str()).unwrap_or_default();
        let beside: Vec<DataFile> = ["README.md", "adapter_config.json", "config.json", origin]
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| path.is_file())
            .map(|path| DataFile::open(&path))
            .collect::<Result<_, _>>()?;
        let binding = family::bind(&tensors, config.as_ref(), &metadata);
        Ok(Self {
            path: path.to_owned(),
            format,
            config,
            metadata,
            vocabulary,
            claims,
            warnings,
            is_truncated,
            is_adapter,
            binding,
            files,
            beside,
            tensors,
        })
    }

    /// Stands for a model of which a file was given that holds none of its weights.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn without_weights(path: &Path) -> Result<Self, SourceError> {
        Ok(Self {
            path: path.to_owned(),
            format: Format::Safetensors,
            config: None,
            metadata: BTreeMap::new(),
            vocabulary: None,
            claims: Claims::default(),
            warnings: Vec::new(),
            is_truncated: false,
            is_adapter: false,
            binding: None,
            files: vec![DataFile::open(path)?],
            beside: Vec::new(),
            tensors: Vec::new(),
        })
    }

    /// The files that hold weights, in order.
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// What was read beside the weights: config, tokenizer, card.
    pub fn beside(&self) -> &[DataFile] {
        &self.beside
    }

    /// What people call it: the folder, or a file with the folder that it lies in, since many files are called `model.safetensors`.
    pub fn name(&self) -> String {
        let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let file = last(&self.path).unwrap_or_default();
        match self.path.parent().and_then(last).filter(|_| self.path.is_file()) {
            Some(folder) => format!("{folder}/{file}"),
            None => file,
        }
    }

    /// Number of stored elements in tensors of numbers that a network could have been trained to: floats and quantised forms.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().filter(|t| t.is_numeric_weight()).map(|t| t.elements() as u64).sum()
    }

    /// Stored elements by encoding, most first.
    pub fn encodings(&self) -> Vec<(String, u64)> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for tensor in &self.tensors {
            *counts.entry(tensor.encoding.to_string()).or_default() += tensor.elements() as u64;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        counts
    }

    /// Path of the file that a tensor's first byte lies in.
    fn path_of(&self, tensor: &TensorInfo) -> &Path {
        tensor.extents().first().map_or(&self.path, |extent| &self.files[extent.file].path)
    }
}

impl TensorInfo {
    /// Whether the values can be trained weights, as opposed to indices, masks and shape arithmetic.
    pub fn is_numeric_weight(&self) -> bool {
        self.affine.is_some()
            || matches!(
                self.encoding,
                Encoding::F64 | Encoding::F32 | Encoding::F16 | Encoding::Bf16 | Encoding::F8E4M3 | Encoding::F8E5M2 | Encoding::Block(_)
            )
    }

    fn shifted(mut self, files: usize) -> Self {
        use crate::tensor::Storage;
        let shift = |extent: &mut Extent| extent.file += files;
        match &mut self.storage {
            Storage::Dense(e)
            | Storage::Varints(e)
            | Storage::ColumnMajor(e)
            | Storage::Strided { extent: e, .. }
            | Storage::Deflated { extent: e, .. } => shift(e),
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
        Some(file.read_exact_at(extent.offset + bytes.start, out).map_err(|error| SourceError::Io {
            path: file.path.clone(),
            action: "read",
            error,
        }))
    }
}

/// The whole of a small file; refuses more than [`MAX_HEADER_BYTES`].
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, SourceError> {
    store::read_whole(path, MAX_HEADER_BYTES)
}

/// A JSON file, or `None` if there is no such file.
pub(crate) fn read_json(path: &Path) -> Result<Option<serde_json::Value>, SourceError> {
    if !path.is_file() {
        return Ok(None);
    }
    serde_json::from_slice(&read_bytes(path)?).map(Some).map_err(|error| FormatError::new("JSON", error, "one JSON value").at(path))
}

/// The names that PEFT and llama.cpp give to the two factors of a low-rank change.
fn is_adapter_name(name: &str) -> bool {
    [".lora_A", ".lora_B", ".lora_a", ".lora_b", ".lora_embedding_A", ".lora_embedding_B", ".lora_magnitude_vector"]
        .iter()
        .any(|part| name.contains(part))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}
