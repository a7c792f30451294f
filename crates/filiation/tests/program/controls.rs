//! `filiation controls` and what `compare` takes from the registry. Every test has a cache of its own.

use crate::{BASE, FINETUNED, INDEPENDENT, Run, command, filiation, finish, root};
use insta::assert_snapshot;
use serde_json::Value;
use std::path::{Path, PathBuf};

const CLASS: &str = "hidden-96_blocks-4_units-256";
const SEED_1: &str = "testdata/lineage/seed-1";
const SEED_2: &str = "testdata/lineage/seed-2";
const OTHER_DATA: &str = "testdata/lineage/other-data";

struct Cache(tempfile::TempDir);

impl Cache {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = command(args);
        command.env("XDG_CACHE_HOME", self.0.path());
        let mut run = finish(command);
        // The same on every machine: where the repository and the temporary folder lie is nobody's business.
        for text in [&mut run.stdout, &mut run.stderr] {
            for (path, name) in [(std::fs::canonicalize(root()).unwrap(), "ROOT"), (self.0.path().to_owned(), "CACHE")] {
                *text = text.replace(path.to_str().unwrap(), name);
            }
        }
        run
    }

    fn with(models: &[&str]) -> Self {
        let cache = Self::new();
        let run = cache.run(&[&["controls", "add", "--quiet"], models].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        cache
    }

    fn listed(&self) -> Vec<Value> {
        self.run(&["controls", "list", "--format", "json"]).json()["controls"].as_array().unwrap().clone()
    }

    fn class(&self) -> PathBuf {
        self.0.path().join("filiation/controls").join(CLASS)
    }
}

/// The weights of a model in a folder that a test may change.
fn copy(model: &str, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(root().join(model).join(name), folder.join(name)).unwrap();
    }
}

#[test]
fn controls_are_added_listed_and_removed() {
    let cache = Cache::new();
    assert_snapshot!(cache.run(&["controls", "list"]), @r"
    exit code 0
    --- stdout
    no controls are registered; `filiation controls add MODEL` registers one
    --- stderr
    ");
    assert_snapshot!(cache.run(&["controls", "add", SEED_2, SEED_1]), @r"
    exit code 0
    --- stdout
    5befc89b1ca289aa  hidden-96_blocks-4_units-256: registered
                      ROOT/testdata/lineage/seed-2
    2a6236f5c63c6977  hidden-96_blocks-4_units-256: registered
                      ROOT/testdata/lineage/seed-1
    --- stderr
    digests of a control, 2.36 MiB
    digests of a control, 2.36 MiB
    ");
    assert_snapshot!(cache.run(&["controls", "add", "--quiet", SEED_1]), @r"
    exit code 0
    --- stdout
    2a6236f5c63c6977  hidden-96_blocks-4_units-256: already registered
                      ROOT/testdata/lineage/seed-1
    --- stderr
    ");
    assert_snapshot!(cache.run(&["controls", "list"]), @r"
    exit code 0
    --- stdout
    hidden-96_blocks-4_units-256: 2 controls
      2a6236f5c63c6977  llama, 602,976 parameters
                        ROOT/testdata/lineage/seed-1
      5befc89b1ca289aa  llama, 602,976 parameters
                        ROOT/testdata/lineage/seed-2
    --- stderr
    ");
    // One by its path, one by the beginning of its root.
    assert_snapshot!(cache.run(&["controls", "remove", SEED_2, "2A6236F5"]), @r"
    exit code 0
    --- stdout
    5befc89b1ca289aa  hidden-96_blocks-4_units-256: removed from the registry
                      ROOT/testdata/lineage/seed-2
    2a6236f5c63c6977  hidden-96_blocks-4_units-256: removed from the registry
                      ROOT/testdata/lineage/seed-1
    --- stderr
    ");
    assert!(cache.listed().is_empty() && root().join(SEED_2).join("model.safetensors").is_file());
}

#[test]
fn a_registered_control_is_one_small_file_named_by_its_tensor_root() {
    let cache = Cache::with(&[SEED_1]);
    let root = "2a6236f5c63c6977936bfcb6255d7ed91c0ad18f518e661770fbd1ac6275dade";
    let names: Vec<_> = cache.class().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, [format!("{root}.json")]);
    let stored: Value = serde_json::from_str(&std::fs::read_to_string(cache.class().join(&names[0])).unwrap()).unwrap();
    let keys: Vec<&String> = stored.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["family", "nParameters", "path", "schema", "sha256", "shapeClass", "tensorRoot"]);
    let inspected = filiation(&["inspect", "--quiet", "--format", "json", SEED_1]).json();
    for key in ["family", "nParameters", "sha256", "tensorRoot"] {
        assert_eq!(stored[key], inspected[key], "{key}");
    }
    assert_eq!((&stored["schema"], &stored["shapeClass"]), (&"urn:filiation:control:v1".into(), &CLASS.into()));
    assert!(Path::new(stored["path"].as_str().unwrap()).is_absolute());
}

#[test]
fn the_same_tensors_elsewhere_move_the_control() {
    let cache = Cache::with(&[SEED_1]);
    let folder = tempfile::tempdir().unwrap();
    copy(SEED_1, folder.path());
    let path = folder.path().to_str().unwrap();
    assert_snapshot!(cache.run(&["controls", "add", "--quiet", path]).stdout.replace(path, "COPY"), @r"
    2a6236f5c63c6977  hidden-96_blocks-4_units-256: registered anew, in place of `ROOT/testdata/lineage/seed-1`
                      COPY
    ");
    assert_eq!((cache.listed().len(), &cache.listed()[0]["path"]), (1, &Value::from(path)));
}

#[test]
fn what_cannot_be_a_control_is_refused_and_registers_nothing() {
    let cache = Cache::new();
    let folder = tempfile::tempdir().unwrap();
    let nameless = folder.path().join("nameless.safetensors");
    let header = br#"{"w":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}"#;
    std::fs::write(&nameless, [&(header.len() as u64).to_le_bytes()[..], header, &[1; 64]].concat()).unwrap();
    let nameless = nameless.to_str().unwrap();
    // The sound one before it is not registered either.
    let run = cache.run(&["controls", "add", "--quiet", SEED_1, nameless]);
    assert_snapshot!(run.to_string().replace(nameless, "nameless"), @r"
    exit code 1
    --- stdout
    --- stderr
    error: `nameless`: control: found a model that no family describes, expected one whose family tells its shape

    hint: `filiation inspect` shows the family; `compare --control` takes any model
    ");
    assert!(cache.listed().is_empty());
    assert_snapshot!(cache.run(&["controls", "remove", "2a6236f"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: control: found `2a6236f`, expected the path of a registered control, or eight or more digits of its tensor root

    hint: `filiation controls list` shows the registered controls
    ");
    let mut homeless = command(&["controls", "list"]);
    homeless.env_remove("HOME");
    assert_snapshot!(finish(homeless), @r"
    exit code 2
    --- stdout
    --- stderr
    error: cache: found neither FILIATION_CACHE nor XDG_CACHE_HOME nor HOME, expected one of them

    hint: the registry of controls lies in the user's cache; set one of these variables to a folder
    ");
}

/// Paths of the controls in a report.
fn controls(report: &Value) -> Vec<&str> {
    report["case"]["controls"].as_array().unwrap().iter().map(|control| control["path"].as_str().unwrap()).collect()
}

const IDENTITY: [&str; 5] = ["compare", "--format", "json", "--method", "weights.tensor-identity"];

#[test]
fn compare_takes_the_registered_controls_of_the_shape_but_neither_side() {
    let cache = Cache::with(&[SEED_2, BASE, INDEPENDENT, SEED_1]);
    let run = cache.run(&[&IDENTITY[..], &[BASE, INDEPENDENT]].concat());
    // By tensor root: 2a6236f5… before 5befc89b….
    assert_eq!(controls(&run.json()), ["ROOT/testdata/lineage/seed-1", "ROOT/testdata/lineage/seed-2"]);
    assert!(run.stderr.contains("\nnote: 2 registered controls of shape class hidden-96_blocks-4_units-256\n"), "{}", run.stderr);
    let without = cache.run(&[&IDENTITY[..], &["--no-registered-controls", BASE, INDEPENDENT]].concat());
    assert!(controls(&without.json()).is_empty() && !without.stderr.contains("registered"), "{}", without.stderr);
}

#[test]
fn a_report_names_its_controls_so_that_anybody_gets_its_bytes() {
    let cache = Cache::with(&[OTHER_DATA, SEED_1, SEED_2]);
    let registered = cache.run(&["compare", "--quiet", "--format", "json", BASE, FINETUNED]);
    let report = registered.json();
    let words: Vec<&str> = report["command"].as_str().unwrap().split(' ').collect();
    assert_eq!(
        words,
        [
            "filiation",
            "compare",
            BASE,
            FINETUNED,
            "--control",
            "ROOT/testdata/lineage/seed-1",
            "--control",
            "ROOT/testdata/lineage/seed-2",
            "--control",
            "ROOT/testdata/lineage/other-data",
            "--no-registered-controls",
            "--run",
            "never",
            "--seed",
            "0"
        ]
    );
    let repository = std::fs::canonicalize(root()).unwrap();
    let words: Vec<String> = words[1..].iter().map(|word| word.replace("ROOT", repository.to_str().unwrap())).collect();
    let again: Vec<&str> = words.iter().map(String::as_str).chain(["--quiet", "--format", "json"]).collect();
    // Another user: an empty registry, or another one.
    assert!(Cache::new().run(&again) == registered, "explicit controls");
    assert!(Cache::with(&[INDEPENDENT]).run(&again) == registered, "explicit controls beside another registry");
    // The order of registration.
    assert!(Cache::with(&[SEED_2, SEED_1, OTHER_DATA]).run(&["compare", "--quiet", "--format", "json", BASE, FINETUNED]) == registered);
}

#[test]
fn equal_tensor_roots_count_once() {
    let cache = Cache::with(&[SEED_1, SEED_2]);
    let folder = tempfile::tempdir().unwrap();
    copy(SEED_1, folder.path());
    let path = folder.path().to_str().unwrap();
    let given = ["--control", SEED_1, "--control", path, "--control", BASE, "--control", FINETUNED, BASE, FINETUNED];
    let run = cache.run(&[&IDENTITY[..], &given].concat());
    assert_eq!(controls(&run.json()), [SEED_1, "ROOT/testdata/lineage/seed-2"]);
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("warning") || line.starts_with("note")).collect();
    assert_snapshot!(warnings.join("\n").replace(path, "COPY"), @r"
    warning: control `COPY` left out: it has the tensor root of the control `testdata/lineage/seed-1`
    warning: control `testdata/models/base` left out: it has the tensor root of the reference
    warning: control `testdata/models/finetuned` left out: it has the tensor root of the suspect
    note: 1 registered control of shape class hidden-96_blocks-4_units-256
    ");
}

#[test]
fn a_control_that_is_gone_or_changed_is_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, changed) = (folder.path().join("gone"), folder.path().join("changed"));
    copy(SEED_1, &gone);
    copy(SEED_2, &changed);
    let cache = Cache::with(&[gone.to_str().unwrap(), changed.to_str().unwrap(), OTHER_DATA]);
    std::fs::remove_dir_all(&gone).unwrap();
    copy(INDEPENDENT, &changed);
    let run = cache.run(&[&IDENTITY[..], &[BASE, FINETUNED]].concat());
    assert_eq!(controls(&run.json()), ["ROOT/testdata/lineage/other-data"]);
    let warnings: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("warning") || line.starts_with("note")).collect();
    assert_snapshot!(warnings.join("\n").replace(folder.path().to_str().unwrap(), "FOLDER"), @r"
    warning: registered control left out: cannot open `FOLDER/gone`: No such file or directory (os error 2); `filiation controls remove` forgets it
    warning: registered control left out: `FOLDER/changed`: tensor root: found 13e0ef86d46955f8…, expected 5befc89b1ca289aa… as registered; `filiation controls remove` forgets it
    note: 1 registered control of shape class hidden-96_blocks-4_units-256
    ");
    let list = cache.run(&["controls", "list"]).stdout;
    assert_eq!(list.matches(", no longer there\n").count(), 1, "{list}");
    // Its path is enough to forget it, and what stands at a path now takes the place of what stood there.
    assert_eq!(cache.run(&["controls", "remove", gone.to_str().unwrap()]).code, 0);
    assert_eq!(cache.run(&["controls", "add", changed.to_str().unwrap()]).code, 0);
    assert_eq!(cache.listed().len(), 2);
    let run = cache.run(&[&IDENTITY[..], &[BASE, FINETUNED]].concat());
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
}

#[test]
fn a_registry_that_cannot_be_understood_ends_the_run() {
    let cache = Cache::with(&[SEED_1]);
    let file = cache.class().read_dir().unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("control:v1", "control:v2")).unwrap();
    assert_snapshot!(cache.run(&[&IDENTITY[..], &["--quiet", BASE, FINETUNED]].concat()), @r"
    exit code 1
    --- stdout
    --- stderr
    error: `CACHE/filiation/controls/hidden-96_blocks-4_units-256/2a6236f5c63c6977936bfcb6255d7ed91c0ad18f518e661770fbd1ac6275dade.json`: schema: found `urn:filiation:control:v2`, expected `urn:filiation:control:v1`

    hint: delete the file, then `filiation controls add` the model again; `compare --no-registered-controls` runs without the registry
    ");
    assert_eq!(cache.run(&[&IDENTITY[..], &["--no-registered-controls", BASE, FINETUNED]].concat()).code, 0);
}
