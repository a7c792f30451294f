//! The whole program as its users meet it: arguments in; stdout, stderr, exit code and files out.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

mod calibrate;
mod compare;
mod containers;
mod contract;
mod controls;
mod describe;
mod distil;
mod endpoints;
mod hostile;
mod lab;
mod lineage;
mod outputs;
mod probe;
mod served;
mod twins;
mod watermark;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository: the program runs there, so that the paths it prints are the same on every machine.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What one run left behind.
#[derive(Debug, PartialEq)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("one JSON value on stdout")
    }
}

/// A shell's view of a run: everything that a person sees, in the order of streams.
impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filiation"));
    command.current_dir(root()).args(args);
    // Forward passes take seconds in a test build; `outputs.rs` asks for them, with prompts of its own.
    if args.first() == Some(&"compare") && !args.contains(&"--run") {
        command.args(["--run", "never"]);
    }
    // Nothing of the machine's own settings reaches a test.
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
        "FILIATION_CACHE",
        "LOCALAPPDATA",
        "USERPROFILE",
        "RAYON_NUM_THREADS",
        "FILIATION_API_KEY",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    command
}

fn filiation(args: &[&str]) -> Run {
    finish(command(args))
}

fn finish(mut command: Command) -> Run {
    let output = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code().expect("no signal"), stdout: text(output.stdout), stderr: text(output.stderr) }
}

const BASE: &str = "testdata/models/base";
const FINETUNED: &str = "testdata/models/finetuned";
const INDEPENDENT: &str = "testdata/models/independent";
const PERMUTED: &str = "testdata/models/permuted-units";
