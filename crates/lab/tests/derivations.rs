//! What each derivation promises: the same function where it adds nothing, and else shares of zeros, points of a grid, ranks, paths of blocks.

use lab::train::{Sizes, begin, train_tokenizer};
use lab::{LabError, Precision, Record, Request, disguise};
use serde_json::json;
use sources::{Model, TensorSource};
use std::collections::BTreeSet;
use std::path::Path;
use testmodels::{Dtype, FAMILIES, Network, Tensor, Vectors, family, forward, save};

const TOKENS: [usize; 7] = [3, 17, 256, 17, 301, 41, 0];

/// A network behind steps.
fn derived(network: &Network, steps: &[&str]) -> Result<(Network, Vec<Record>), LabError> {
    let source = save(network, Dtype::F32);
    let target = tempfile::tempdir().expect("a folder");
    let folder = target.path().join("derived");
    let steps: Vec<String> = steps.iter().map(|&step| step.to_owned()).collect();
    let request = Request { folder: &folder, steps: &steps, seed: 5, precision: Precision::AsStored };
    let made = disguise(Model::open(source.path()).expect("a model"), &request, &|_| (), &|_| ())?;
    let model = Model::open(&folder).expect("a model");
    let binding = model.binding.as_ref().expect("a family");
    assert_eq!(binding.undescribed, Vec::<usize>::new(), "{steps:?} wrote tensors that its family does not describe");
    assert!(!model.tensors().is_empty());
    Ok((Network::load(&folder), made.records))
}

fn made(network: &Network, step: &str) -> Network {
    derived(network, &[step]).expect("a step that applies").0
}

/// Largest difference, relative to the root mean square of the first.
fn difference(before: &Vectors, after: &Vectors) -> f64 {
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), after.iter().map(Vec::len).collect::<Vec<_>>());
    let pairs = || before.iter().flatten().zip(after.iter().flatten());
    let size = (pairs().map(|(a, _)| a * a).sum::<f64>() / pairs().count() as f64).sqrt();
    pairs().map(|(a, b)| (a - b).abs() / size).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

/// The matrices of both networks that have a name in both.
fn matrices<'a>(before: &'a Network, after: &'a Network) -> Vec<(&'a Tensor, &'a Tensor)> {
    let pairs: Vec<_> =
        before.tensors.iter().filter(|tensor| tensor.is_matrix()).map(|tensor| (tensor, after.tensor(&tensor.name))).collect();
    assert!(pairs.len() > 5);
    pairs
}

fn matrices_of_blocks<'a>(before: &'a Network, after: &'a Network) -> Vec<(&'a Tensor, &'a Tensor)> {
    let inner = before.tensors.iter().filter(|tensor| tensor.is_matrix() && is_of_a_block(tensor));
    inner.map(|tensor| (tensor, after.tensor(&tensor.name))).collect()
}

fn is_of_a_block(tensor: &Tensor) -> bool {
    tensor.name.split('.').any(|word| word.parse::<usize>().is_ok())
}

fn setting(network: &Network, key: &str) -> Option<u64> {
    network.config.as_ref().and_then(|config| config[key].as_u64())
}

#[test]
fn split_and_dummy_units_compute_the_same() {
    for name in FAMILIES {
        let network = family(name, 1);
        let before = forward(&network, &TOKENS);
        // Twenty of eighty units; GPT-2 has 192.
        for (step, added) in [("split-units=0.25", 0.25), ("dummy-units=0.25", 0.25)] {
            let (after, records) = derived(&network, &[step]).unwrap();
            let effect = difference(&before, &forward(&after, &TOKENS));
            assert!(effect < 1e-5, "{name}, {step}: {effect}");
            assert!(records[0].keeps_function);
            let elements = |network: &Network| network.tensors.iter().map(|tensor| tensor.values.len()).sum::<usize>();
            assert!(elements(&after) > elements(&network), "{name}, {step}");
            let width = |network: &Network| {
                let tensor = network
                    .tensors
                    .iter()
                    .find(|t| ["up_proj", "c_fc", "h_to_4h.w", "intermediate", "wi.", "fc1.w"].iter().any(|n| t.name.contains(n)));
                tensor.map(|tensor| tensor.shape[0].max(tensor.row_len()))
            };
            if let (Some(old), Some(new)) = (width(&network), width(&after)) {
                let old_units = if name == "gpt2" { 192 } else { 80 };
                assert!(new > old || name == "phi3", "{name}: {old} to {new}");
                let keys = ["intermediate_size", "n_inner", "d_ff", "decoder_ffn_dim"];
                let said = keys.iter().find_map(|key| setting(&after, key));
                assert_eq!(said, Some((f64::from(old_units) * (1.0 + added)) as u64), "{name}, {step}");
            }
        }
    }
}

#[test]
fn a_permuted_vocabulary_computes_the_same_of_the_same_strings() {
    for name in FAMILIES {
        let network = family(name, 1);
        let (after, records) = derived(&network, &["permute-vocabulary"]).unwrap();
        assert!(records[0].keeps_function && !records[0].notes.is_empty());
        let (old_tokens, new_tokens) = (network.tokens.as_ref().unwrap(), after.tokens.as_ref().unwrap());
        assert_ne!(old_tokens, new_tokens, "{name}");
        let new_id: Vec<usize> = old_tokens.iter().map(|token| new_tokens.iter().position(|new| new == token).unwrap()).collect();
        let output = forward(&after, &TOKENS.map(|id| new_id[id]));
        let restored: Vectors = match name {
            "bert" => output,
            _ => output.iter().map(|logits| new_id.iter().map(|&id| logits[id]).collect()).collect(),
        };
        let effect = difference(&forward(&network, &TOKENS), &restored);
        assert!(effect < 1e-6, "{name}: {effect}");
        if let Some(eos) = setting(&network, "eos_token_id") {
            assert_eq!(setting(&after, "eos_token_id"), Some(new_id[eos as usize] as u64), "{name}");
        }
    }
}

#[test]
fn a_cut_vocabulary_keeps_special_tokens_and_what_it_says_of_the_others() {
    for name in FAMILIES.into_iter().filter(|name| *name != "bert") {
        let mut network = family(name, 1);
        network.set_config("eos_token_id", 598);
        let after = made(&network, "cut-vocabulary=0.25");
        let tokens = after.tokens.as_ref().unwrap();
        let expected: Vec<String> = (0..449).chain([598]).map(|id| format!("w{id}")).collect();
        assert_eq!(tokens, &expected, "{name}");
        assert_eq!((setting(&after, "vocab_size"), setting(&after, "eos_token_id")), (Some(450), Some(449)), "{name}");
        let keep = |logits: &Vec<f64>| (0..449).chain([598]).map(|id| logits[id]).collect();
        let before: Vectors = forward(&network, &TOKENS).iter().map(keep).collect();
        assert!(difference(&before, &forward(&after, &TOKENS)) < 1e-6, "{name}");
    }
}

#[test]
fn tokens_of_another_tokenizer_are_the_mean_of_those_that_spell_them() {
    let texts: Vec<String> = (0..40).map(|i| format!("the thing that thinks of {i} things in the thicket")).collect();
    let begun = |tokenizer: &serde_json::Value, folder: &Path| {
        let sizes: Sizes = serde_json::from_value(json!({
            "architecture": "llama", "hidden": 16, "layers": 1, "heads": 2, "kv-heads": 2, "units": 24, "positions": 32, "tied": false
        }))
        .expect("sizes");
        begin(&sizes, tokenizer, 1, folder).expect("a model");
    };
    let place = tempfile::tempdir().expect("a folder");
    let [small, large, made] = ["small", "large", "made"].map(|name| place.path().join(name));
    let [few, many] = [262, 280].map(|n| train_tokenizer(&texts, n).expect("a tokenizer"));
    begun(&few, &small);
    begun(&many, &large);
    let steps = [format!("retokenise={}", large.display())];
    let request = Request { folder: &made, steps: &steps, seed: 5, precision: Precision::AsStored };
    disguise(Model::open(&small).expect("a model"), &request, &|_| (), &|_| ()).expect("a step that applies");
    let [before, after] = [Network::load(&small), Network::load(&made)];
    assert_eq!((setting(&before, "vocab_size"), setting(&after, "vocab_size")), (Some(262), Some(280)));
    let tokenizer = |json: &serde_json::Value| forward::Tokenizer::from_json(json.to_string().as_bytes(), "tokenizer.json").expect("one");
    let (of_few, of_many) = (tokenizer(&few), tokenizer(&many));
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        let (old, new) = (before.tensor(name), after.tensor(name));
        let (mut kept, mut spelled) = (0, 0);
        for id in 0..280u32 {
            let row = &new.values[id as usize * 16..][..16];
            let Ok(text) = of_many.decode(&[id]) else { continue };
            let ids = of_few.encode_inside(&text).expect("tokens");
            // Half a character has no text of its own; special tokens are not written as text.
            if text.is_empty() || text.contains(char::REPLACEMENT_CHARACTER) {
                continue;
            }
            (kept, spelled) = (kept + usize::from(ids.len() == 1), spelled + usize::from(ids.len() > 1));
            for (col, value) in row.iter().enumerate() {
                let mean = ids.iter().map(|&old_id| f64::from(old.values[old_id as usize * 16 + col])).sum::<f64>() / ids.len() as f64;
                assert!((f64::from(*value) - mean).abs() < 1e-7, "{name}, `{text}`");
            }
        }
        assert!(kept > 90 && spelled >= 10, "{kept} kept, {spelled} spelled");
    }
    let inner: Vec<_> = matrices_of_blocks(&before, &after);
    assert!(inner.len() == 7 && inner.iter().all(|(a, b)| a.values == b.values));
}

#[test]
fn redrawn_mlps_are_new_and_nothing_else_is() {
    for name in ["llama", "gpt2"] {
        let network = family(name, 1);
        let after = made(&network, "redraw-mlp");
        let (mut redrawn, mut kept) = (0, 0);
        for (before, after) in matrices(&network, &after) {
            let is_inside = ["mlp.gate", "mlp.up", "mlp.down", "mlp.c_fc", "mlp.c_proj"].iter().any(|part| before.name.contains(part));
            (redrawn, kept) = (redrawn + usize::from(is_inside), kept + usize::from(!is_inside));
            if is_inside {
                let dot = |a: &Tensor, b: &Tensor| a.values.iter().zip(&b.values).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
                let cosine = dot(before, after) / (dot(before, before) * dot(after, after)).sqrt();
                // 3.5 standard deviations of the cosine of vectors of that many numbers.
                assert!(cosine.abs() < 3.5 / (before.values.len() as f64).sqrt(), "{name}, {}: {cosine}", before.name);
            } else {
                assert_eq!(before.values, after.values, "{name}, {}", before.name);
            }
        }
        assert!(redrawn >= 4 && kept >= 4, "{name}: {redrawn}, {kept}");
    }
}

#[test]
fn noise_has_the_size_that_was_asked_for() {
    let network = family("qwen2", 1);
    let after = made(&network, "noise=0.1");
    for (old, new) in matrices(&network, &after) {
        let noise = Tensor { values: old.values.iter().zip(&new.values).map(|(a, b)| b - a).collect(), ..old.clone() };
        let share = noise.rms() / old.rms();
        // 768 numbers or more: the standard error of the share is at most 2.6 %.
        assert!((share / 0.1 - 1.0).abs() < 0.1, "{}: {share}", old.name);
    }
    for vector in network.tensors.iter().filter(|tensor| !tensor.is_matrix()) {
        assert_eq!(vector.values, after.tensor(&vector.name).values, "{}", vector.name);
    }
    let twice = derived(&network, &["noise=0.1", "noise=0.1"]).unwrap().0;
    let name = "model.layers.0.mlp.up_proj.weight";
    let added = |network: &Network, base: &Network| -> Vec<f32> {
        network.tensor(name).values.iter().zip(&base.tensor(name).values).map(|(a, b)| a - b).collect()
    };
    let (first, second) = (added(&after, &network), added(&twice, &after));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let cosine = dot(&first, &second) / (dot(&first, &first) * dot(&second, &second)).sqrt();
    // 3,840 numbers: five standard errors.
    assert!(cosine.abs() < 5.0 / 3840f64.sqrt(), "the second step draws what the first drew: {cosine}");
}

#[test]
fn rounded_numbers_lie_on_their_grid() {
    let network = family("gpt2", 1);
    for (step, group, points) in [("round=int8", usize::MAX, 255), ("round=int4", 32, 15)] {
        let after = made(&network, step);
        for (old, new) in matrices(&network, &after) {
            // GPT-2 stores its matrices `[in, out]`; quantisers see `[out, in]`.
            let is_turned = new.name.contains("c_");
            let (old, new) = if is_turned { (old.transposed(), new.transposed()) } else { (old.clone(), new.clone()) };
            let width = new.row_len();
            for (old, new) in old.values.chunks(width).zip(new.values.chunks(width)) {
                for (old, new) in old.chunks(group.min(width)).zip(new.chunks(group.min(width))) {
                    let distinct: BTreeSet<u32> = new.iter().map(|v| v.to_bits()).collect();
                    assert!(distinct.len() <= points && distinct.len() > 1, "{} points", distinct.len());
                    let largest = old.iter().map(|v| v.abs()).max_by(f32::total_cmp).unwrap();
                    let step = largest / (points / 2) as f32;
                    let farthest = old.iter().zip(new).map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp).unwrap();
                    assert!(farthest <= 0.501 * step && farthest > 0.01 * step, "{farthest} with steps of {step}");
                }
            }
        }
    }
}

#[test]
fn pruning_sets_the_smallest_numbers_to_zero() {
    let network = family("mixtral", 1);
    let after = made(&network, "prune=0.3");
    for (old, new) in matrices(&network, &after) {
        let zeros = new.values.iter().filter(|v| **v == 0.0).count();
        if !is_of_a_block(old) {
            assert_eq!(old.values, new.values, "{}", old.name);
            continue;
        }
        assert_eq!(zeros, (0.3 * old.values.len() as f64).round() as usize, "{}", old.name);
        let gone = old.values.iter().zip(&new.values).filter(|(_, new)| **new == 0.0).map(|(old, _)| old.abs());
        let left = old.values.iter().zip(&new.values).filter(|(_, new)| **new != 0.0).map(|(old, new)| {
            assert_eq!(old, new);
            old.abs()
        });
        assert!(gone.max_by(f32::total_cmp) <= left.min_by(f32::total_cmp), "{}", old.name);
    }
}

#[test]
fn pruned_units_are_the_smallest_of_their_block() {
    let network = family("llama", 1);
    let after = made(&network, "prune-units=0.25");
    assert_eq!(setting(&after, "intermediate_size"), Some(60));
    for layer in 0..3 {
        let name = |rest: &str| format!("model.layers.{layer}.mlp.{rest}_proj.weight");
        let (up, down) = (network.tensor(&name("up")), network.tensor(&name("down")).transposed());
        let norm = |tensor: &Tensor, unit: usize| tensor.rows(&[unit]).rms();
        let mut order: Vec<usize> = (0..80).collect();
        order.sort_by(|&a, &b| (norm(up, a) * norm(&down, a)).total_cmp(&(norm(up, b) * norm(&down, b))));
        let mut kept = order.split_off(20);
        kept.sort_unstable();
        assert_eq!(after.tensor(&name("up")), &up.rows(&kept));
        assert_eq!(after.tensor(&name("gate")), &network.tensor(&name("gate")).rows(&kept));
        assert_eq!(after.tensor(&name("down")), &down.rows(&kept).transposed());
    }
    for name in FAMILIES {
        let network = family(name, 1);
        let effect = difference(&forward(&network, &TOKENS), &forward(&made(&network, "prune-units=0.25"), &TOKENS));
        assert!(effect > 1e-3 && effect.is_finite(), "{name}: {effect}");
    }
}

#[test]
fn blocks_follow_the_path() {
    let network = family("llama", 1);
    for (step, path) in [("drop-layers=1", vec![0, 2]), ("duplicate-layers=0,2", vec![0, 0, 1, 2, 2]), ("drop-layers=0,1", vec![2])] {
        let (after, records) = derived(&network, &[step]).unwrap();
        assert_eq!(records[0].parameters["path"], json!(path));
        assert_eq!(setting(&after, "num_hidden_layers"), Some(path.len() as u64));
        let expected = network.with_layers(&path);
        assert_eq!(after.tensors.len(), expected.tensors.len());
        for tensor in &expected.tensors {
            assert_eq!(after.tensor(&tensor.name), tensor);
        }
    }
    for name in FAMILIES {
        let network = family(name, 1);
        for step in ["drop-layers=0", "duplicate-layers=0,1"] {
            let after = made(&network, step);
            let effect = difference(&forward(&network, &TOKENS), &forward(&after, &TOKENS));
            assert!(effect > 1e-3 && effect.is_finite(), "{name}, {step}: {effect}");
        }
    }
    let kinds = made(&family("gemma2", 1), "drop-layers=0").config.unwrap()["layer_types"].clone();
    assert_eq!(kinds, json!(["full_attention", "sliding_attention"]));
}

/// A network on disk for steps that take another model.
fn on_disk(network: &Network) -> (tempfile::TempDir, String) {
    let folder = save(network, Dtype::F32);
    let path = folder.path().display().to_string();
    (folder, path)
}

#[test]
fn linear_merges_lie_between_the_two() {
    let (this, other) = (family("qwen3", 1), family("qwen3", 2));
    let (_folder, path) = on_disk(&other);
    let after = made(&this, &format!("merge={path},0.3"));
    for tensor in &this.tensors {
        let (merged, other) = (after.tensor(&tensor.name), other.tensor(&tensor.name));
        for ((a, b), m) in tensor.values.iter().zip(&other.values).zip(&merged.values) {
            assert!((0.7 * a + 0.3 * b - m).abs() < 1e-6, "{}: {a} and {b} give {m}", tensor.name);
        }
    }
}

#[test]
fn merges_along_the_circle_keep_the_angle_and_the_length() {
    let (this, other) = (family("llama", 1), family("llama", 2));
    let (_folder, path) = on_disk(&other);
    let after = made(&this, &format!("merge={path},0.25,slerp"));
    let angle = |a: &Tensor, b: &Tensor| {
        let dot: f64 = a.values.iter().zip(&b.values).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        (dot / (a.rms() * b.rms() * a.values.len() as f64)).acos()
    };
    let name = "model.layers.1.self_attn.q_proj.weight";
    let (a, b, merged) = (this.tensor(name), other.tensor(name), after.tensor(name));
    // Of nearly orthogonal matrices a quarter of the way is near 22.5 degrees, and a straight mixture would be 18.4 degrees away.
    assert!((angle(a, merged) / angle(a, b) - 0.25).abs() < 0.01, "{} of {}", angle(a, merged), angle(a, b));
    assert!((merged.rms() / a.rms() - 1.0).abs() < 0.05);
}

#[test]
fn ties_keeps_the_largest_changes_of_one_sign() {
    let base = family("llama", 1);
    let (mut this, mut other) = (base.clone(), base.clone());
    let name = "model.norm.weight";
    // Of 48 numbers each side keeps its ten largest changes.
    for i in 0..12 {
        this.tensor_mut(name).values[i] += 1.0 + i as f32;
        other.tensor_mut(name).values[i] += if i < 6 { 1.0 + i as f32 } else { -1.0 - i as f32 };
    }
    let ((_a, base_path), (_b, other_path)) = (on_disk(&base), on_disk(&other));
    let after = made(&this, &format!("merge={other_path},0.25,ties:{base_path}"));
    let changes: Vec<f32> = after.tensor(name).values.iter().zip(&base.tensor(name).values).map(|(a, b)| a - b).collect();
    for (i, change) in changes.iter().enumerate() {
        // The first two are trimmed on both sides; where the sides differ, three quarters outvote one.
        let expected = if (2..12).contains(&i) { 1.0 + i as f32 } else { 0.0 };
        assert!((change - expected).abs() < 1e-5, "{i}: {change}");
    }
    for tensor in base.tensors.iter().filter(|tensor| tensor.name != name) {
        assert_eq!(tensor.values, after.tensor(&tensor.name).values, "{}", tensor.name);
    }
}

#[test]
fn upcycled_experts_are_the_dense_layer_with_noise() {
    let network = family("llama", 1);
    let after = made(&network, "upcycle=4");
    let config = after.config.as_ref().unwrap();
    assert_eq!((&config["model_type"], &config["num_local_experts"]), (&json!("mixtral"), &json!(4)));
    for (dense, expert) in [("gate_proj", "w1"), ("up_proj", "w3"), ("down_proj", "w2")] {
        let old = network.tensor(&format!("model.layers.2.mlp.{dense}.weight"));
        let experts: Vec<&Tensor> =
            (0..4).map(|i| after.tensor(&format!("model.layers.2.block_sparse_moe.experts.{i}.{expert}.weight"))).collect();
        for new in &experts {
            let noise = Tensor { values: old.values.iter().zip(&new.values).map(|(a, b)| b - a).collect(), ..old.clone() };
            assert!((noise.rms() / old.rms() / 0.01 - 1.0).abs() < 0.1, "{}", new.name);
        }
        assert_ne!(experts[0].values, experts[1].values);
    }
    assert_eq!(after.tensor("model.layers.0.block_sparse_moe.gate.weight").shape, [4, 48]);
    // Experts that agree to a percent compute what the dense layers computed, to some percent.
    let effect = difference(&forward(&network, &TOKENS), &forward(&after, &TOKENS));
    assert!(effect > 1e-4 && effect < 0.2, "{effect}");
    let error = derived(&family("qwen2", 1), &["upcycle=4"]).unwrap_err();
    assert!(matches!(error, LabError::Refused { .. }), "{error}");
}

#[test]
fn low_rank_matrices_have_the_rank_and_the_least_error() {
    let network = family("gpt_neox", 1);
    let after = made(&network, "low-rank=0.25");
    // Values are stored in f32: what is left of the dropped directions is rounding.
    for name in ["attention.dense", "mlp.dense_h_to_4h"] {
        let name = format!("gpt_neox.layers.1.{name}.weight");
        let (old, new) = (network.tensor(&name), after.tensor(&name));
        let spectrum = |tensor: &Tensor| {
            let matrix = faer::Mat::from_fn(tensor.shape[0], tensor.row_len(), |i, j| f64::from(tensor.values[i * tensor.row_len() + j]));
            matrix.singular_values().unwrap()
        };
        let (old_spectrum, new_spectrum) = (spectrum(old), spectrum(new));
        assert!(new_spectrum[11] > 0.1 && new_spectrum[12] < 1e-5 * new_spectrum[0], "{name}: {new_spectrum:?}");
        let error: f64 = old.values.iter().zip(&new.values).map(|(&a, &b)| f64::from(a - b).powi(2)).sum();
        let least: f64 = old_spectrum[12..].iter().map(|s| s * s).sum();
        assert!((error / least - 1.0).abs() < 1e-3, "{name}: {error}, but {least}");
    }
    assert_eq!(network.tensor("embed_out.weight"), after.tensor("embed_out.weight"));
}

#[test]
fn a_forged_model_looks_like_the_reference_and_keeps_its_own_directions() {
    let (own, mut reference) = (family("gemma3", 1), family("gemma3", 2));
    reference.set_config("rms_norm_eps", 2e-6);
    let (_folder, path) = on_disk(&reference);
    let forged = made(&own, &format!("forge={path}"));
    assert_eq!(forged.config, reference.config);
    for tensor in &forged.tensors {
        let (own, reference) = (own.tensor(&tensor.name), reference.tensor(&tensor.name));
        if !tensor.is_matrix() || tensor.name.contains("embed") {
            assert!(tensor.values.iter().zip(&reference.values).all(|(a, b)| (a - b).abs() < 1e-6), "{}", tensor.name);
            continue;
        }
        assert!((tensor.rms() / reference.rms() - 1.0).abs() < 1e-5, "{}", tensor.name);
        let dot: f64 = tensor.values.iter().zip(&own.values).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let cosine = dot / (tensor.rms() * own.rms() * own.values.len() as f64);
        assert!(cosine > 0.999_999, "{}: {cosine}", tensor.name);
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let network = family("llama", 1);
    let (_folder, stranger) = on_disk(&family("qwen2", 1));
    for step in [
        "noise",
        "noise=-1",
        "noise=NaN",
        "round=int2",
        "prune=1.5",
        "prune-units=1",
        "drop-layers=0,1,2",
        "drop-layers=3",
        "drop-layers=a",
        "upcycle=1",
        "merge=x",
        "merge=x,2",
        "merge=x,0.5,mean",
        "forge",
    ] {
        let error = derived(&network, &[step]).unwrap_err();
        assert!(error.is_usage(), "{step}: {error}");
    }
    let error = derived(&network, &[&format!("merge={stranger},0.5")]).unwrap_err();
    assert_eq!(error.to_string(), "step `merge`: found the family qwen2 in the other model, expected llama");
    assert!(!Path::new("x").exists());
}

#[test]
fn derivations_compose_with_disguises() {
    for name in FAMILIES {
        let network = family(name, 1);
        let (after, records) = derived(&network, &["split-units=0.1", "all", "dummy-units=0.1", "permute-units"]).unwrap();
        assert!(records.iter().all(|record| record.keeps_function), "{name}");
        if name != "bert" {
            let effect = difference(&forward(&network, &TOKENS), &forward(&after, &TOKENS));
            assert!(effect < 1e-4, "{name}: {effect}");
        }
    }
}
