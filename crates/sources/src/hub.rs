//! Model ids of the Hugging Face Hub, resolved through the user's own cache. Reads the cache and nothing else: no network.

use crate::{FormatError, SourceError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder that a model's name stands for: a path that exists as it is, else the cached `main` snapshot of the Hub id.
pub fn resolve(name: &Path, cache: Option<&Path>) -> Result<PathBuf, SourceError> {
    if name.exists() {
        return Ok(name.to_owned());
    }
    let Some((organisation, model)) = name.to_str().and_then(hub_id) else { return Ok(name.to_owned()) };
    let missing = |found: String| {
        let hint = format!("fetch it first, for example with `hf download {organisation}/{model}`; this version uses no network");
        FormatError::new("model", found, "a file, a folder, or a Hub id that is in the Hub cache").hint(hint).at(name)
    };
    let Some(cache) = cache else { return Err(missing("no such path and no Hub cache of this user".into())) };
    let repository = cache.join(format!("models--{organisation}--{model}"));
    let main = repository.join("refs").join("main");
    let Ok(commit) = std::fs::read_to_string(&main) else {
        return Err(missing(format!("no such path and no `{}`", main.display())));
    };
    let commit = commit.trim();
    if commit.is_empty() || commit.len() > MAX_COMMIT || !commit.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(FormatError::new("commit", format!("`{}`", commit.escape_debug()), "the name of a snapshot").at(&main));
    }
    let snapshot = repository.join("snapshots").join(commit);
    if snapshot.is_dir() { Ok(snapshot) } else { Err(missing(format!("no such path and no `{}`", snapshot.display()))) }
}

/// A SHA-256 in hexadecimal is the longest name that a snapshot has.
const MAX_COMMIT: usize = 64;

/// Where this user's cache is, by the rules of `huggingface_hub`; `variable` reads the environment.
pub fn cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HF_HUB_CACHE")
        .or_else(|| set("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| set("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
        .or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache/huggingface/hub")))
}

/// `organisation/model`, if the text has that form.
fn hub_id(name: &str) -> Option<(&str, &str)> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && !part.starts_with(['.', '-'])
            && !part.contains("--")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let (organisation, model) = name.split_once('/')?;
    (plain(organisation) && plain(model)).then_some((organisation, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_plain_parts_are_an_id() {
        assert_eq!(hub_id("org/some-model.v1_2"), Some(("org", "some-model.v1_2")));
        for other in ["model", "org/", "/model", "a/b/c", "../model", "org/..", "./model", "org/a b", "org/a--b", ""] {
            assert_eq!(hub_id(other), None, "{other}");
        }
    }

    #[test]
    fn the_nearest_variable_decides_where_the_cache_is() {
        let with = |set: &[(&str, &str)]| cache(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)));
        let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")];
        let expected = ["/h/.cache/huggingface/hub", "/x/huggingface/hub", "/f/hub", "/c"];
        for (n, expected) in expected.iter().enumerate() {
            assert_eq!(with(&all[..=n]), Some(PathBuf::from(expected)));
        }
        assert_eq!(with(&[("HF_HUB_CACHE", ""), ("HOME", "/h")]), Some(PathBuf::from(expected[0])), "an empty variable is none");
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn an_id_is_the_snapshot_that_main_names() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--org--model");
        let snapshot = repository.join("snapshots/0123abcd");
        let resolved = |name: &str| resolve(Path::new(name), Some(cache.path()));
        let sentence = resolved("org/model").unwrap_err().to_string();
        let expected = format!("`org/model`: model: found no such path and no `{}`", repository.join("refs/main").display());
        assert!(sentence.starts_with(&expected), "{sentence}");

        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "0123abcd").unwrap();
        assert!(resolved("org/model").is_err(), "a reference to a snapshot that was deleted");
        std::fs::create_dir_all(&snapshot).unwrap();
        assert_eq!(resolved("org/model").unwrap(), snapshot);
        assert_eq!(resolved("no-such-file").unwrap(), Path::new("no-such-file"), "opening it gives the system's reason");

        std::fs::write(repository.join("refs/main"), "../../elsewhere").unwrap();
        assert!(resolved("org/model").unwrap_err().to_string().contains("commit: found `../../elsewhere`"));
    }
}
