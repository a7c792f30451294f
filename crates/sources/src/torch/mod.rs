//! PyTorch's zip files (`torch.save`, TorchScript): a pickle that names tensors, and their bytes in entries of their own.
//!
//! The pickle is read as data by a machine of our own ([`pickle`]) that can call nothing; any global outside a short list
//! ([`globals`]) is refused by its name. Values become dotted names in [`flatten`], and places in the file in [`place`].

mod flatten;
mod globals;
mod pickle;
mod place;
mod rebuild;
mod value;

use crate::FormatError;
use crate::archive::Archive;
use crate::bytes::ReadAt;
use crate::tensor::{self, MAX_HEADER_BYTES, Parsed};
use value::Node;

/// Reads the directory and the pickles of one `.bin`, `.pt` or `.pth` file.
pub fn parse(source: &dyn ReadAt) -> Result<Parsed, FormatError> {
    refuse_older_forms(source)?;
    let archive = Archive::read(source)?;
    let root = root_folder(&archive)?;
    check_byte_order(&archive, source, root)?;
    let mut parsed = Parsed::default();
    read_pickle(source, &archive, &format!("{root}/data"), "", &mut parsed)?;
    // TorchScript keeps the tensors that its code mentions apart from the parameters.
    if archive.find(&format!("{root}/constants.pkl")).is_some() {
        read_pickle(source, &archive, &format!("{root}/constants"), "constants", &mut parsed)?;
    }
    tensor::validate(&parsed, &[source.size()])?;
    Ok(parsed)
}

/// Adds the tensors of the pickle `{folder}.pkl`, whose storages are the entries of `folder`.
fn read_pickle(source: &dyn ReadAt, archive: &Archive, folder: &str, name: &str, parsed: &mut Parsed) -> Result<(), FormatError> {
    let Some(entry) = archive.find(&format!("{folder}.pkl")) else { return Ok(()) };
    let (arena, root) = pickle::load(&entry.contents(source, MAX_HEADER_BYTES)?)?;
    let flat = flatten::flatten(&arena, root, name)?;
    parsed.metadata.extend(flat.metadata);
    parsed.warnings.extend(flat.warnings);
    for (name, id) in flat.tensors {
        let Node::Tensor(tensor) = arena.at(id) else { continue };
        match place::place(&arena, archive, folder, name, tensor)? {
            Ok(tensor) => parsed.tensors.push(tensor),
            Err(warning) => parsed.warnings.push(warning),
        }
    }
    Ok(())
}

/// The one top folder, which torch names after the file that was written.
fn root_folder(archive: &Archive) -> Result<&str, FormatError> {
    let mut roots = archive.entries().iter().filter_map(|entry| entry.name.strip_suffix("/data.pkl")).filter(|root| !root.contains('/'));
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        (Some(_), Some(second)) => {
            Err(FormatError::new("`data.pkl`", format!("a second one in `{}`", second.escape_debug()), "one in a single top folder"))
        }
        (None, _) => Err(FormatError::new("`data.pkl`", "none in the zip file", "one in its top folder")
            .hint("this zip file was not written by torch.save; if it holds a checkpoint, unpack it first")),
    }
}

fn check_byte_order(archive: &Archive, source: &dyn ReadAt, root: &str) -> Result<(), FormatError> {
    let Some(entry) = archive.find(&format!("{root}/byteorder")) else { return Ok(()) };
    match entry.contents(source, 16)?.as_slice() {
        b"little" => Ok(()),
        other => Err(FormatError::unsupported("byte order", format!("`{}`", other.escape_ascii()), "`little`")),
    }
}

/// Files that torch wrote before version 1.6, and bare pickles, with advice.
fn refuse_older_forms(source: &dyn ReadAt) -> Result<(), FormatError> {
    let mut start = [0; 12];
    let n = source.size().min(12) as usize;
    let start = &mut start[..n];
    source.read_exact_at(0, start).map_err(|error| FormatError::new("file signature", error, "readable bytes"))?;
    let mut tar = [0; 5];
    let is_tar = source.size() >= 512 && source.read_exact_at(257, &mut tar).is_ok() && &tar == b"ustar";
    let older = match start {
        [b'P', b'K', ..] => return Ok(()),
        // Protocol 2, then LEGACY_MAGIC as a ten-byte integer.
        [0x80, 0x02, 0x8a, 0x0a, rest @ ..] if LEGACY_MAGIC.starts_with(rest) => "PyTorch file of the form before version 1.6",
        [0x80, ..] => "bare pickle",
        _ if is_tar => "PyTorch file of the form before version 0.1.10",
        _ => return Err(FormatError::new("file signature", format!("`{}`", start.escape_ascii()), "`PK`, a zip file")),
    };
    Err(FormatError::unsupported(older, "no zip file", "a zip file as torch.save writes since version 1.6")
        .hint("load it in a Python that you trust with it, with torch.load(path, weights_only=True), and save it again with torch.save or as safetensors"))
}

/// The number 0x1950a86a20f9469cfc6c, little-endian.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
