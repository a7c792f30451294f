//! Which files hold the weights of a model that was named by a file, by an index or by a folder.

use crate::model::read_bytes;
use crate::{FormatError, SourceError, safetensors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The weight files of one model, in order.
#[derive(Debug, Default)]
pub(crate) struct WeightFiles {
    pub(crate) files: Vec<PathBuf>,
    /// What an index says lies in which file; empty without an index.
    pub(crate) declared: BTreeMap<String, String>,
    /// What lies beside them and was not read.
    pub(crate) warnings: Vec<String>,
}

/// Where several containers hold the same model, the least processed one is taken.
const CONTAINERS: &[&[&str]] = &[&["safetensors"], &["bin", "pt", "pth"], &["gguf"], &["onnx"], &["npz"]];
const INDICES: &[&str] = &["model.safetensors.index.json", "pytorch_model.bin.index.json"];
/// Written by training beside the weights.
const NOT_WEIGHTS: &[&str] = &["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt"];
/// Taken where a folder holds several files of one container.
const PREFERRED: &[&str] = &["model.safetensors", "pytorch_model.bin", "model.bin", "model.onnx"];
/// Low-rank changes to a model, read only where nothing else is there.
const ADAPTERS: &[&str] = &["adapter_model.safetensors", "adapter_model.bin"];

/// The files behind one path.
pub(crate) fn weight_files(path: &Path) -> Result<WeightFiles, SourceError> {
    let metadata = path.metadata().map_err(|error| SourceError::Io { path: path.to_owned(), action: "open", error })?;
    if metadata.is_dir() {
        return of_folder(path);
    }
    if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".index.json")) {
        return of_index(path);
    }
    let mut found = WeightFiles { files: vec![path.to_owned()], ..WeightFiles::default() };
    if let Some((_, number, count)) = shard_of(path).filter(|&(_, _, count)| count > 1) {
        found.warnings.push(format!("this file is shard {number} of {count}; only its tensors were read"));
    }
    Ok(found)
}

fn of_folder(folder: &Path) -> Result<WeightFiles, SourceError> {
    let mut names = list(folder)?;
    let n_files = names.len();
    let is_named = |path: &Path, list: &[&str]| path.file_name().is_some_and(|name| list.iter().any(|other| name == *other));
    names.retain(|path| !is_named(path, NOT_WEIGHTS));
    let all_extensions = CONTAINERS.concat();
    if !names.iter().any(|path| has_extension(path, &all_extensions)) && folder.join("onnx").is_dir() {
        names = list(&folder.join("onnx"))?;
    }
    if names.iter().any(|path| has_extension(path, &all_extensions) && !is_named(path, ADAPTERS)) {
        names.retain(|path| !is_named(path, ADAPTERS));
    }
    let mut found = match INDICES.iter().map(|name| folder.join(name)).find(|index| index.is_file()) {
        Some(index) => of_index(&index)?,
        None => {
            let of =
                |extensions: &&&[&str]| -> Vec<PathBuf> { names.iter().filter(|path| has_extension(path, extensions)).cloned().collect() };
            let files = CONTAINERS.iter().map(|extensions| of(&extensions)).find(|files| !files.is_empty());
            let files = files.ok_or_else(|| no_weights(folder, n_files))?;
            WeightFiles { files: one_model(folder, files)?, ..WeightFiles::default() }
        }
    };
    let taken = found.files.first().and_then(|path| path.extension()).map(ToOwned::to_owned);
    for path in names.iter().filter(|path| has_extension(path, &all_extensions) && !found.files.contains(path)) {
        // Other shards of a container that was left out are told by its first one.
        if path.extension() == taken.as_deref() || shard_of(path).is_none_or(|(_, number, _)| number == 1) {
            found.warnings.push(format!(
                "the folder also holds `{}`, which was not read; `{}` was",
                name_of(path),
                found.files.first().map(|p| name_of(p)).unwrap_or_default()
            ));
        }
    }
    Ok(found)
}

fn no_weights(folder: &Path, n_files: usize) -> SourceError {
    let found = if n_files == 0 { "no files".to_owned() } else { format!("{n_files} files, none with weights") };
    let error = FormatError::new("folder", found, "a .safetensors, .bin, .pt, .pth, .gguf, .onnx or .npz file");
    let error = if folder.join("config.json").is_file() {
        error.hint("a configuration alone says nothing about weights; nothing is concluded from it")
    } else {
        error.hint("pass the folder that holds the weights, or the weight file itself")
    };
    error.at(folder)
}

/// One file, all shards of one file, or the file that the libraries would load.
fn one_model(folder: &Path, files: Vec<PathBuf>) -> Result<Vec<PathBuf>, SourceError> {
    if let Some((stem, _, count)) = files.first().and_then(|path| shard_of(path)) {
        let numbers: Vec<usize> = files
            .iter()
            .filter_map(|path| shard_of(path))
            .filter(|shard| shard.0 == stem && shard.2 == count)
            .map(|shard| shard.1)
            .collect();
        if numbers.len() == files.len() {
            if let Some(missing) = (1..=count.min(files.len() + 1)).find(|number| !numbers.contains(number)) {
                return Err(FormatError::new("shards", format!("{} of {count}, without number {missing}", files.len()), "all of them")
                    .hint("the download is incomplete; fetch it again, or pass a shard itself to compare only its tensors")
                    .at(folder));
            }
            return Ok(files);
        }
    }
    if files.len() == 1 {
        return Ok(files);
    }
    files.iter().find(|path| PREFERRED.iter().any(|name| path.ends_with(name))).map(|path| vec![path.clone()]).ok_or_else(|| {
        let found: Vec<String> = files.iter().map(|path| format!("`{}`", name_of(path))).collect();
        FormatError::new("folder", format!("several weight files ({})", found.join(", ")), "one model")
            .hint("pass the file itself")
            .at(folder)
    })
}

fn of_index(index: &Path) -> Result<WeightFiles, SourceError> {
    let declared = safetensors::parse_index(&read_bytes(index)?).map_err(|e| e.at(index))?.weight_map;
    let folder = index.parent().unwrap_or(Path::new(""));
    let names: BTreeSet<&String> = declared.values().collect();
    let missing: Vec<&&String> = names.iter().filter(|name| !folder.join(name).is_file()).collect();
    if let Some(first) = missing.first() {
        return Err(FormatError::new(
            "shards",
            format!("no file `{}`", first.escape_debug()),
            format!("all {} files that the index names", names.len()),
        )
        .hint(format!("{} of them are missing: the download is incomplete, fetch it again", missing.len()))
        .at(index));
    }
    if names.is_empty() {
        return Err(FormatError::new("weight map", "no tensors", "at least one").at(index));
    }
    let files = names.into_iter().map(|name| folder.join(name)).collect();
    Ok(WeightFiles { files, declared, warnings: Vec::new() })
}

/// `model-00002-of-00003.safetensors` is the second of three of `model`.
fn shard_of(path: &Path) -> Option<(String, usize, usize)> {
    let (rest, count) = path.file_stem()?.to_str()?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    Some((stem.to_owned(), number.parse().ok()?, count.parse().ok()?))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_told_by_their_numbers() {
        assert_eq!(shard_of(Path::new("a/model-00002-of-00003.safetensors")), Some(("model".into(), 2, 3)));
        assert_eq!(shard_of(Path::new("best-of-breed.bin")), None);
        assert_eq!(shard_of(Path::new("model.safetensors")), None);
    }

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        folder
    }

    /// Files that are read, and warnings; or the sentence without the path, and its hint.
    fn answer(names: &[&str]) -> Result<(Vec<String>, Vec<String>), (String, String)> {
        let folder = folder_of(names);
        match weight_files(folder.path()) {
            Ok(found) => Ok((found.files.iter().map(|p| name_of(p)).collect(), found.warnings)),
            Err(error) => Err((
                error.to_string().split_once(": ").map(|(_, sentence)| sentence.to_owned()).unwrap_or_default(),
                error.hint().unwrap_or_default().to_owned(),
            )),
        }
    }

    #[test]
    fn folders_without_weights_say_what_they_hold() {
        let expected = "expected a .safetensors, .bin, .pt, .pth, .gguf, .onnx or .npz file";
        assert_eq!(answer(&[]).unwrap_err().0, format!("folder: found no files, {expected}"));
        let (sentence, hint) = answer(&["config.json", "tokenizer.json"]).unwrap_err();
        assert_eq!(sentence, format!("folder: found 2 files, none with weights, {expected}"));
        assert_eq!(hint, "a configuration alone says nothing about weights; nothing is concluded from it");
        assert!(answer(&["optimizer.pt"]).is_err(), "an optimizer is not a model");
    }

    #[test]
    fn of_several_containers_one_is_read_and_the_others_are_named() {
        let (files, warnings) = answer(&["model.safetensors", "pytorch_model.bin", "config.json"]).unwrap();
        assert_eq!(files, ["model.safetensors"]);
        assert_eq!(warnings, ["the folder also holds `pytorch_model.bin`, which was not read; `model.safetensors` was"]);
        let (files, warnings) = answer(&["model.onnx", "model_quantized.onnx"]).unwrap();
        assert_eq!((files, warnings.len()), (vec!["model.onnx".to_owned()], 1));
        let (sentence, hint) = answer(&["a.gguf", "b.gguf"]).unwrap_err();
        assert_eq!(
            (sentence.as_str(), hint.as_str()),
            ("folder: found several weight files (`a.gguf`, `b.gguf`), expected one model", "pass the file itself")
        );
    }

    #[test]
    fn an_adapter_is_read_only_where_nothing_else_is() {
        assert_eq!(answer(&["adapter_model.safetensors"]).unwrap().0, ["adapter_model.safetensors"]);
        assert_eq!(answer(&["adapter_model.safetensors", "model.safetensors"]).unwrap().0, ["model.safetensors"]);
        assert_eq!(answer(&["adapter_model.safetensors", "pytorch_model.bin"]).unwrap().0, ["pytorch_model.bin"]);
    }

    #[test]
    fn shards_are_complete_or_refused() {
        assert_eq!(answer(&["m-1-of-2.gguf", "m-2-of-2.gguf"]).unwrap().0.len(), 2);
        let (sentence, hint) = answer(&["m-1-of-3.gguf", "m-3-of-3.gguf"]).unwrap_err();
        assert_eq!(sentence, "shards: found 2 of 3, without number 2, expected all of them");
        assert!(hint.starts_with("the download is incomplete"), "{hint}");
    }

    #[test]
    fn an_index_must_find_its_files_beside_it() {
        let folder = folder_of(&["a.safetensors"]);
        let index = folder.path().join("model.safetensors.index.json");
        let sentence = |map: &str| {
            std::fs::write(&index, format!(r#"{{"weight_map":{map}}}"#)).unwrap();
            weight_files(folder.path()).map(|found| found.files.len()).map_err(|e| e.to_string().split_once(": ").unwrap().1.to_owned())
        };
        assert_eq!(sentence(r#"{"x":"a.safetensors"}"#), Ok(1));
        assert_eq!(
            sentence(r#"{"x":"a.safetensors","y":"b.safetensors"}"#).unwrap_err(),
            "shards: found no file `b.safetensors`, expected all 2 files that the index names"
        );
        assert_eq!(
            sentence(r#"{"x":"../a.safetensors"}"#).unwrap_err(),
            "tensor `x`: shard file name: found `../a.safetensors`, expected the plain name of a file beside the index"
        );
        assert_eq!(sentence("{}").unwrap_err(), "weight map: found no tensors, expected at least one");
    }
}
