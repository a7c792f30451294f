//! The registry of controls: which independent models this user has, by shape class, one small file each in the user's cache.
//!
//! The weights stay where they are. A file says where that is, and by which digests to know them again.

pub(crate) mod beside;
pub(crate) mod shape_class;

use crate::{Error, cache, whole};
use serde::{Deserialize, Serialize};
use sources::digest::Custody;
use sources::{FormatError, Model, SourceError};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Names what the file of a control holds; changes with a major version only.
const SCHEMA: &str = "urn:filiation:control:v1";
/// A path and some digests; anything larger is something else.
const MAX_BYTES: u64 = 64 * 1024;
/// Digits of a SHA-256 in hexadecimal.
const DIGEST_DIGITS: usize = 64;
/// Advice where a file of the registry cannot be understood.
const REPAIR: &str =
    "delete the file, then `filiation controls add` the model again; `compare --no-registered-controls` runs without the registry";

/// One control, as its file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Registered {
    schema: String,
    /// Absolute: a weight file or a folder.
    pub(crate) path: PathBuf,
    /// By which the model is known, wherever it lies.
    pub(crate) tensor_root: String,
    pub(crate) sha256: String,
    pub(crate) family: String,
    pub(crate) shape_class: String,
    pub(crate) n_parameters: u64,
}

impl Registered {
    /// What to keep of a model. One that no family describes has no shape to be found by.
    pub(crate) fn new(model: &Model, custody: &Custody) -> Result<Self, Error> {
        if model.is_truncated {
            let error = FormatError::new("control", "a file that ends before its tensors do", "a whole model").hint("fetch the file again");
            return Err(error.at(&model.path).into());
        }
        let shape = model.binding.as_ref().and_then(|binding| Some((binding, shape_class::of(binding)?)));
        let Some((binding, shape_class)) = shape else {
            let error = FormatError::new("control", "a model that no family describes", "one whose family tells its shape")
                .hint("`filiation inspect` shows the family; `compare --control` takes any model");
            return Err(error.at(&model.path).into());
        };
        Ok(Self {
            schema: SCHEMA.into(),
            path: absolute(&model.path)?,
            tensor_root: custody.tensor_root.clone(),
            sha256: custody.sha256.clone(),
            family: binding.family.clone(),
            shape_class,
            n_parameters: model.parameters(),
        })
    }

    /// Reads the file of a control. Its folder and its name say what it must hold.
    fn read(file: &Path) -> Result<Self, SourceError> {
        let fail = |error: FormatError| error.hint(REPAIR).at(file);
        let io = |action| move |error| SourceError::Io { path: file.to_owned(), action, error };
        let mut text = String::new();
        File::open(file).map_err(io("open"))?.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(io("read"))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(fail(FormatError::new("control", format!("more than {MAX_BYTES} bytes"), "a path and digests")));
        }
        let control: Self = serde_json::from_str(&text)
            .map_err(|error| fail(FormatError::new("control", error, format!("the keys of {SCHEMA}, no others"))))?;
        let name = |path: Option<&std::ffi::OsStr>| path.unwrap_or_default().to_string_lossy().into_owned();
        let expected = [
            ("schema", &control.schema, SCHEMA.to_owned()),
            ("tensor root", &control.tensor_root, name(file.file_stem())),
            ("shape class", &control.shape_class, name(file.parent().and_then(Path::file_name))),
        ];
        for (what, found, expected) in expected {
            if *found != expected {
                return Err(fail(FormatError::new(what, format!("`{}`", found.escape_debug()), format!("`{}`", expected.escape_debug()))));
            }
        }
        if !is_digest(&control.tensor_root) {
            let found = format!("`{}`", control.tensor_root.escape_debug());
            return Err(fail(FormatError::new("tensor root", found, format!("{DIGEST_DIGITS} hexadecimal digits"))));
        }
        Ok(control)
    }
}

/// How a control came to stand in the registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    New,
    Known,
    /// The same tensors stood there under this path.
    Moved(PathBuf),
}

/// The folder `controls` of the user's cache: a folder for each shape class, a file for each control.
pub(crate) struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry of the user whom the environment tells; `None` for one without a home.
    pub(crate) fn of_user() -> Option<Self> {
        cache::folder(|name| std::env::var_os(name)).map(|cache| Self { folder: cache.join("controls") })
    }

    /// The same, where there is nothing to do without one.
    pub(crate) fn required() -> Result<Self, Error> {
        Self::of_user().ok_or_else(|| Error::Usage {
            message: "cache: found neither FILIATION_CACHE nor XDG_CACHE_HOME nor HOME, expected one of them".into(),
            hint: Some("the registry of controls lies in the user's cache; set one of these variables to a folder".into()),
        })
    }

    /// Every control, by shape class and tensor root: the order of registration does not show.
    pub(crate) fn all(&self) -> Result<Vec<Registered>, Error> {
        let mut controls = Vec::new();
        for folder in listed(&self.folder)?.into_iter().filter(|path| path.is_dir()) {
            controls.extend(read_class(&folder)?);
        }
        Ok(controls)
    }

    /// The controls of a shape class, by tensor root.
    pub(crate) fn of_class(&self, shape_class: &str) -> Result<Vec<Registered>, Error> {
        read_class(&self.folder.join(shape_class))
    }

    /// Registers a control. Equal tensors are one control, and a path holds one control: what stood there before makes room.
    pub(crate) fn add(&self, control: &Registered) -> Result<Added, Error> {
        let mut added = Added::New;
        for other in self.all()? {
            if other == *control {
                return Ok(Added::Known);
            }
            let is_same = other.tensor_root == control.tensor_root;
            if is_same && other.path != control.path {
                added = Added::Moved(other.path.clone());
            } else if is_same {
                added = Added::Known;
            }
            if (is_same && other.shape_class != control.shape_class) || (!is_same && other.path == control.path) {
                self.remove(&other)?;
            }
        }
        let folder = self.folder.join(&control.shape_class);
        std::fs::create_dir_all(&folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
        let text = serde_json::to_string_pretty(control).map_err(|error| Error::Usage {
            message: format!("path: found `{}` ({error}), expected a path in UTF-8", control.path.display()),
            hint: None,
        })?;
        whole::write(&folder, &[(&format!("{}.json", control.tensor_root), &format!("{text}\n"))])?;
        Ok(added)
    }

    /// Forgets a control, and its class with the last one. The weights stay.
    pub(crate) fn remove(&self, control: &Registered) -> Result<(), Error> {
        let folder = self.folder.join(&control.shape_class);
        let file = folder.join(format!("{}.json", control.tensor_root));
        std::fs::remove_file(&file).map_err(|error| Error::Io { action: "remove", path: file, error })?;
        // A folder that still holds controls stays, which is no error.
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

/// The path from the root of the file system, links not followed: a link in the Hub cache has the siblings that its target lacks.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::Io { action: "find", path: path.to_owned(), error })
}

fn read_class(folder: &Path) -> Result<Vec<Registered>, Error> {
    // A file that a broken run left behind has another ending.
    let files = listed(folder)?.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.map(|file| Ok(Registered::read(&file)?)).collect()
}

/// What a folder holds, in the order of names; nothing, if there is no such folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |error| Error::Io { action: "list", path: folder.to_owned(), error };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
    paths.sort();
    Ok(paths)
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(root: char, class: &str, path: &str) -> Registered {
        Registered {
            schema: SCHEMA.into(),
            path: path.into(),
            tensor_root: root.to_string().repeat(DIGEST_DIGITS),
            sha256: "0".repeat(DIGEST_DIGITS),
            family: "llama".into(),
            shape_class: class.into(),
            n_parameters: 7,
        }
    }

    fn registry() -> (tempfile::TempDir, Registry) {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("filiation/controls");
        (cache, Registry { folder })
    }

    #[test]
    fn the_order_of_registration_does_not_show() {
        let (_cache, registry) = registry();
        assert_eq!(registry.all().unwrap(), []);
        let [a, b, c] = [control('a', "x", "/a"), control('b', "x", "/b"), control('c', "w", "/c")];
        for control in [&b, &c, &a] {
            assert_eq!(registry.add(control).unwrap(), Added::New);
        }
        assert_eq!(registry.all().unwrap(), [c, a.clone(), b.clone()]);
        assert_eq!(registry.of_class("x").unwrap(), [a, b]);
        assert_eq!(registry.of_class("no such class").unwrap(), []);
    }

    #[test]
    fn equal_tensors_are_one_control_and_a_path_holds_one() {
        let (_cache, registry) = registry();
        let here = control('a', "x", "/here");
        registry.add(&here).unwrap();
        assert_eq!(registry.add(&here).unwrap(), Added::Known);
        let there = control('a', "x", "/there");
        assert_eq!(registry.add(&there).unwrap(), Added::Moved("/here".into()));
        assert_eq!(registry.all().unwrap(), std::slice::from_ref(&there));
        // Another version of the program may tell another class of it.
        let reshaped = control('a', "y", "/there");
        assert_eq!(registry.add(&reshaped).unwrap(), Added::Known);
        assert_eq!(registry.all().unwrap(), [reshaped]);
        let changed = control('b', "y", "/there");
        assert_eq!(registry.add(&changed).unwrap(), Added::New);
        assert_eq!(registry.all().unwrap(), std::slice::from_ref(&changed));
        registry.remove(&changed).unwrap();
        assert_eq!(registry.all().unwrap(), []);
        assert!(!registry.folder.join("y").exists(), "the last control takes its class with it");
    }

    #[test]
    fn a_file_that_is_not_what_its_place_says_is_an_error_that_names_it() {
        let (_cache, registry) = registry();
        let sound = control('a', "x", "/a");
        registry.add(&sound).unwrap();
        let file = registry.folder.join("x").join(format!("{}.json", sound.tensor_root));
        let text = std::fs::read_to_string(&file).unwrap();
        for (from, to, sentence) in [
            ("control:v1", "control:v2", "schema: found `urn:filiation:control:v2`, expected `urn:filiation:control:v1`"),
            ("\"aaaa", "\"baaa", "tensor root: found `baaa"),
            ("\"x\"", "\"y\"", "shape class: found `y`, expected `x`"),
            ("\"family\"", "\"familie\"", "control: found unknown field `familie`"),
            ("}", "", "control: found EOF"),
            ("}", &" ".repeat(MAX_BYTES as usize), "control: found more than 65536 bytes"),
        ] {
            std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
            let error = registry.all().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{}`: {sentence}", file.display())), "{error}");
            assert_eq!(error.hint(), Some(REPAIR));
        }
        std::fs::write(&file, text).unwrap();
        // What an interrupted run may leave.
        std::fs::write(registry.folder.join("x/.partial123"), "{").unwrap();
        assert_eq!(registry.all().unwrap(), [sound]);
    }
}
