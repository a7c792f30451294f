//! Laws of training: gradients are those of PyTorch, the same bits at any number of threads and after any interruption, and what is written is
//! what was learnt.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use forward::{Target, Tokenizer, Trainable};
use lab::train::{
    Adapter, Example, Examples, Fit, Request, Schedule, Sizes, Tune, Windows, begin, documents, fit, tokens, train, train_tokenizer,
};
use lab::{Dtype, Precision};
use serde_json::Value;
use sources::{Model, Part, Role, Slot, Stack, TensorSource};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

fn data(path: &str) -> PathBuf {
    Path::new("../../testdata").join(path)
}

fn sizes(architecture: &str) -> Sizes {
    let name = architecture.to_owned();
    Sizes { architecture: name, hidden: 32, layers: 2, heads: 4, kv_heads: None, units: 48, positions: 64, tied: false }
}

fn text() -> Vec<String> {
    documents(&["README.md", "GLOSSARY.md"].map(|name| Path::new("../..").join(name))).unwrap()
}

fn begun(sizes: &Sizes, seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    begin(sizes, &train_tokenizer(&text(), 320).unwrap(), seed, &folder.path().join("model")).unwrap();
    folder
}

fn open(folder: &tempfile::TempDir) -> Model {
    Model::open(&folder.path().join("model")).unwrap()
}

fn windows(model: &Model) -> Windows {
    Windows::new(tokens(&Tokenizer::of(model).unwrap(), &text()).unwrap(), 32, 9)
}

fn schedule(steps: usize) -> Schedule {
    Schedule { steps, batch: 4, warmup: 5, ..Schedule::default() }
}

fn bytes(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

/// `testdata/training/gradients.json`, by `testdata/scripts/training_oracle.py` with torch 2.15.
#[test]
fn a_batch_has_the_loss_and_the_gradient_of_torch() {
    let oracle: Value = serde_json::from_slice(&std::fs::read(data("training/gradients.json")).unwrap()).unwrap();
    let model = Model::open(&data("models/base")).unwrap();
    let mut trainable = Trainable::read(&model).unwrap().unwrap();
    let ids: Vec<Vec<u32>> = serde_json::from_value(oracle["ids"].clone()).unwrap();
    let batch: Vec<_> = ids.iter().map(|ids| (ids.as_slice(), Target::NextTokens(0))).collect();
    let mut gradient = trainable.gradient(&batch);
    let loss = oracle["loss"].as_f64().unwrap();
    assert!((gradient.loss / loss - 1.0).abs() < 1e-5, "{} {loss}", gradient.loss);
    let binding = model.binding.as_ref().unwrap();
    let mut compared = 0;
    for place in gradient.parameters.each_mut() {
        let weight = binding.weights.iter().find(|weight| weight.slot == Some(place.slot)).unwrap();
        let torch = &oracle["gradients"][&model.tensors()[weight.view.tensor].name];
        let norm = place.values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        let expected = torch["norm"].as_f64().unwrap();
        assert!((norm / expected - 1.0).abs() < 1e-4, "{} {norm} {expected}", place.slot);
        for (ours, torch) in place.values.iter().zip(torch["first"].as_array().unwrap()) {
            assert!((f64::from(*ours) - torch.as_f64().unwrap()).abs() < 1e-4 * expected, "{} {ours} {torch}", place.slot);
        }
        compared += 1;
    }
    assert_eq!((compared, trainable.parameters.each_mut().len()), (oracle["gradients"].as_object().unwrap().len(), compared));
}

#[test]
fn every_architecture_begins_learns_and_is_read_as_its_family() {
    for architecture in ["llama", "qwen2", "qwen3", "gpt2"] {
        let folder = begun(&Sizes { tied: architecture == "gpt2", ..sizes(architecture) }, 1);
        let model = open(&folder);
        let binding = model.binding.as_ref().unwrap();
        assert_eq!((binding.family.as_str(), binding.undescribed.len()), (architecture, 0));
        let examples = windows(&model);
        let mut trainable = Trainable::read(&model).unwrap().unwrap();
        let asked = Fit { schedule: schedule(60), examples: &examples, tune: Tune::Full, seed: 0, state: None };
        let points = fit(&mut trainable, &asked, &|_| ()).unwrap();
        let (first, last) = (points[0].loss, points[points.len() - 1].loss);
        // Before it has learnt anything, every token of the 320 is as likely.
        assert!((first - 320f64.ln()).abs() < 0.3 && last < first - 0.8, "{architecture}: {first} to {last}");
    }
}

#[test]
fn a_training_gives_the_same_bits_at_any_number_of_threads() {
    let folder = begun(&sizes("llama"), 2);
    let made = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = folder.path().join(format!("trained-{threads}"));
        let model = open(&folder);
        let examples = windows(&model);
        let request = Request {
            folder: &out,
            schedule: schedule(12),
            examples: &examples,
            tune: Tune::Full,
            seed: 0,
            precision: Precision::AsStored,
            history: Value::Null,
        };
        pool.install(|| train(model, &request, &|_| ()).map_err(|error| error.to_string())).unwrap();
        bytes(&out)
    };
    let one = made(1);
    assert!(one == made(2) && one == made(7));
    assert_ne!(one, bytes(&folder.path().join("model")));
}

/// Batches that are given out until a step, and counted.
struct Counted<'a> {
    inner: &'a Windows,
    until: usize,
    given: AtomicUsize,
}

impl Examples for Counted<'_> {
    fn batch(&self, step: usize, size: usize) -> Vec<Example> {
        assert!(step < self.until, "interrupted");
        self.given.fetch_add(1, Ordering::Relaxed);
        self.inner.batch(step, size)
    }

    fn digest(&self) -> String {
        self.inner.digest()
    }
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_bits() {
    for tune in [Tune::Full, Tune::Adapter(Adapter::default()), Tune::Mlp, Tune::Evading(0.5)] {
        let folder = begun(&sizes("llama"), 3);
        let examples = windows(&open(&folder));
        let run = |name: &str, until: usize| {
            let counted = Counted { inner: &examples, until, given: AtomicUsize::new(0) };
            let out = folder.path().join(name);
            let request = Request {
                folder: &out,
                schedule: schedule(130),
                examples: &counted,
                tune: tune.clone(),
                seed: 4,
                precision: Precision::Of(Dtype::F32),
                history: Value::Null,
            };
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| train(open(&folder), &request, &|_| ()).unwrap()));
            (made.ok(), counted.given.load(Ordering::Relaxed), out)
        };
        let (whole, given, at_once) = run("at-once", usize::MAX);
        assert_eq!(given, 130);
        assert!(run("in-two", 120).0.is_none());
        let (rest, given, in_two) = run("in-two", usize::MAX);
        assert_eq!(given, 130 - 100, "it goes on from the state saved last");
        assert_eq!(rest, whole);
        assert!(bytes(&at_once) == bytes(&in_two));
        assert!(!folder.path().join("in-two.training").exists());
        assert_eq!(
            std::fs::read_to_string(at_once.join("training.json")).unwrap(),
            std::fs::read_to_string(in_two.join("training.json")).unwrap()
        );
    }
}

#[test]
fn the_state_of_another_training_is_refused() {
    let folder = begun(&sizes("llama"), 3);
    let model = open(&folder);
    let examples = windows(&model);
    let out = folder.path().join("out");
    std::fs::write(
        folder.path().join("out.training"),
        "{\"schema\":\"urn:filiation:training-state:v1\",\"training\":\"\",\"step\":3,\"lengths\":[],\"points\":[]}\n",
    )
    .unwrap();
    let request = Request {
        folder: &out,
        schedule: schedule(3),
        examples: &examples,
        tune: Tune::Full,
        seed: 0,
        precision: Precision::AsStored,
        history: Value::Null,
    };
    let error = train(model, &request, &|_| ()).unwrap_err();
    let end = "state of a training: found another training, or one with other settings, expected the training that is asked for";
    assert!(error.to_string().ends_with(end), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn an_adapter_changes_matrices_of_blocks_by_its_rank() {
    let folder = begun(&sizes("llama"), 5);
    let model = open(&folder);
    let examples = windows(&model);
    let mut before = Trainable::read(&model).unwrap().unwrap();
    let mut after = Trainable::read(&model).unwrap().unwrap();
    let tune = Tune::Adapter(Adapter { rank: 3, alpha: 6.0 });
    fit(&mut after, &Fit { schedule: schedule(20), examples: &examples, tune, seed: 1, state: None }, &|_| ()).unwrap();
    let mut changed = 0;
    for (before, after) in before.parameters.each_mut().into_iter().zip(after.parameters.each_mut()) {
        if before.values == after.values {
            continue;
        }
        changed += 1;
        let cols = before.values.len() / before.rows;
        let change =
            faer::Mat::from_fn(before.rows, cols, |i, j| f64::from(after.values[i * cols + j]) - f64::from(before.values[i * cols + j]));
        let singular = change.singular_values().unwrap();
        assert!(singular[3] < 1e-5 * singular[0] && singular[2] > 1e-4 * singular[0], "{}: {singular:?}", before.slot);
    }
    assert_eq!(changed, 2 * 7);
}

/// Each weight before and after 40 steps.
fn tuned(tune: Tune) -> Vec<(Slot, Vec<f32>, Vec<f32>)> {
    let folder = begun(&sizes("llama"), 5);
    let model = open(&folder);
    let examples = windows(&model);
    let mut before = Trainable::read(&model).unwrap().unwrap();
    let mut after = Trainable::read(&model).unwrap().unwrap();
    fit(&mut after, &Fit { schedule: schedule(40), examples: &examples, tune, seed: 1, state: None }, &|_| ()).unwrap();
    let places = before.parameters.each_mut().into_iter().zip(after.parameters.each_mut());
    places.map(|(before, after)| (before.slot, before.values.to_vec(), after.values.to_vec())).collect()
}

#[test]
fn a_training_of_mlps_leaves_everything_else() {
    let inside = [Role::MlpGate, Role::MlpUp, Role::MlpDown];
    let all = tuned(Tune::Mlp);
    assert!(all.len() > 10);
    for (slot, before, after) in all {
        assert_eq!(before != after, inside.contains(&slot.role), "{slot}");
    }
}

#[test]
fn an_evading_training_turns_weights_further_from_their_start() {
    let cosine = |tune: Tune| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        let all = tuned(tune);
        let of_blocks = all.iter().filter(|(slot, before, _)| slot.layer.is_some() && before.len() > 64);
        let cosines: Vec<f64> = of_blocks.map(|(_, a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).collect();
        cosines.iter().sum::<f64>() / cosines.len() as f64
    };
    let (plain, evading) = (cosine(Tune::Full), cosine(Tune::Evading(10.0)));
    assert!(evading < plain - 0.05, "{evading} against {plain}");
}

#[test]
fn what_is_written_is_what_was_learnt() {
    let folder = begun(&sizes("gpt2"), 6);
    let model = open(&folder);
    let examples = windows(&model);
    let mut learnt = Trainable::read(&model).unwrap().unwrap();
    fit(&mut learnt, &Fit { schedule: schedule(8), examples: &examples, tune: Tune::Full, seed: 0, state: None }, &|_| ()).unwrap();
    let out = folder.path().join("out");
    let request = Request {
        folder: &out,
        schedule: schedule(8),
        examples: &examples,
        tune: Tune::Full,
        seed: 0,
        precision: Precision::Of(Dtype::F32),
        history: Value::Null,
    };
    train(model, &request, &|_| ()).unwrap();
    let mut written = Trainable::read(&Model::open(&out).unwrap()).unwrap().unwrap();
    assert_eq!(written.parameters, learnt.parameters);
    let slot = Slot { stack: Stack::Single, layer: Some(0), expert: None, role: Role::MlpUp, part: Part::Bias };
    let moved = written.parameters.each_mut().into_iter().any(|place| place.slot == slot && place.values.iter().any(|v| *v != 0.0));
    assert!(moved, "biases learn");
}
