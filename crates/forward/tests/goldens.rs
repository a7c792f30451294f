//! Parity with `transformers`: logits, attention, hidden states and units of tiny models of every family, as testdata/forward/README.md says
//! they were made.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{HeadAt, Network, Taps, UnitsAt, Wanted};
use sources::{Model, TensorSource as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Largest difference to the golden values.
const TOLERANCE: f64 = 1e-4;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/forward")
}

/// A tensor of a golden file.
struct Golden {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Golden {
    fn of(file: &Model, name: &str) -> Option<Self> {
        let index = file.tensors().iter().position(|tensor| tensor.name == name)?;
        let tensor = &file.tensors()[index];
        let mut values = Vec::new();
        file.read_f32(index, 0..tensor.rows(), &mut values).unwrap();
        Some(Self { shape: tensor.shape.clone(), values: values.into_iter().map(f64::from).collect() })
    }

    /// The part at leading indices.
    fn at(&self, indices: &[usize]) -> &[f64] {
        let size: usize = self.shape[indices.len()..].iter().product();
        let index = indices.iter().zip(&self.shape).fold(0, |index, (i, n)| index * n + i);
        &self.values[index * size..][..size]
    }
}

/// Compares everything that it is told with a golden file, and keeps the largest difference of each kind.
struct Compare<'a> {
    file: &'a Model,
    layers: usize,
    encodes: bool,
    worst: Mutex<std::collections::BTreeMap<&'static str, (usize, f64)>>,
}

impl Compare<'_> {
    fn take(&self, what: &'static str, found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let differences = found.iter().zip(expected).map(|(&a, b)| (f64::from(a) - b).abs());
        let most = differences.fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most });
        let mut worst = self.worst.lock().unwrap();
        let entry = worst.entry(what).or_insert((0, 0.0));
        *entry = (entry.0 + 1, if most > entry.1 || most.is_nan() { most } else { entry.1 });
    }
}

impl Taps for Compare<'_> {
    fn wanted(&self) -> Wanted {
        Wanted { attention: true, stream: true, units: true, logits: true }
    }

    fn attention(&self, at: HeadAt, _: &[f32], probabilities: &[f32]) {
        self.take("attention", probabilities, Golden::of(self.file, "attentions").unwrap().at(&[at.sequence, at.layer, at.head]));
    }

    fn stream(&self, sequence: usize, layer: usize, values: &[f32]) {
        // The last of `output_hidden_states` has the final norm; an encoder has none.
        if layer < self.layers || self.encodes {
            self.take("stream", values, Golden::of(self.file, "hidden_states").unwrap().at(&[sequence, layer]));
        }
    }

    fn last(&self, sequence: usize, values: &[f32]) {
        self.take("last", values, Golden::of(self.file, "hidden_states").unwrap().at(&[sequence, self.layers]));
    }

    fn units(&self, at: UnitsAt, _: &[usize], gate: Option<&[f32]>, up: &[f32]) {
        let of = |name: &str| Golden::of(self.file, name).filter(|golden| at.sequence < golden.shape[0]);
        if let (Some(golden), Some(gate)) = (of("units_gate"), gate) {
            self.take("gate", gate, golden.at(&[at.sequence, at.layer]));
        }
        if let Some(golden) = of("units_up") {
            self.take("up", up, golden.at(&[at.sequence, at.layer]));
        }
    }

    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        self.take("logits", values, Golden::of(self.file, "logits").unwrap().at(&[sequence, position]));
    }
}

fn check(case: &str) -> std::collections::BTreeMap<&'static str, (usize, f64)> {
    let folder = testdata().join(case);
    let file = Model::open(&folder.join("golden.safetensors")).unwrap();
    let model = Model::open(&folder.join("model.safetensors")).unwrap();
    let network = Network::open(&model).unwrap_or_else(|why| panic!("{case}: {why}"));
    let tokens = Golden::of(&file, "tokens").unwrap();
    let sequences: Vec<Vec<u32>> = (0..tokens.shape[0]).map(|i| tokens.at(&[i]).iter().map(|&id| id as u32).collect()).collect();
    let compare = Compare { file: &file, layers: network.shape().layers, encodes: !network.shape().causal, worst: Mutex::default() };
    network.run(&sequences, &compare, &|_| ()).unwrap();
    compare.worst.into_inner().unwrap()
}

fn cases() -> Vec<String> {
    let folders = std::fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<String> =
        folders.filter(|p| p.join("golden.safetensors").is_file()).map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_computes_what_transformers_computes() {
    let cases = cases();
    assert!(cases.len() >= 28, "{cases:?}");
    let mut wrong = Vec::new();
    for case in cases {
        let worst = check(&case);
        let told: Vec<&str> = worst.keys().copied().collect();
        let encodes = ["bert", "roberta", "xlm-roberta", "distilbert"].contains(&case.as_str());
        assert_eq!(told.contains(&"logits"), !encodes, "{case}: {told:?}");
        assert!(["attention", "last", "stream"].iter().all(|what| told.contains(what)), "{case}: {told:?}");
        wrong.extend(
            worst
                .iter()
                .filter(|(_, (_, d))| d.is_nan() || *d >= TOLERANCE)
                .map(|(what, (n, d))| format!("{case}: {what}: {d:.1e} of {n}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
