//! Every family against the tensor lists of real architectures: `testdata/families/` and the micro models.

use super::{Family, bind, families, unbound};
use crate::memory::named;
use crate::tensor::{MetaValue, TensorInfo};
use crate::{Axis, Binding, Part, Role, Rows, Slot, Space, Stack, Weight};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A checkpoint without its numbers.
struct List {
    tensors: Vec<TensorInfo>,
    config: Option<Value>,
    metadata: BTreeMap<String, MetaValue>,
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// Reads a list. Origin: `make_family_lists.py`, `make_ctranslate2_lists.py` and `list_checkpoint.py` in `testdata/scripts/`, which name
/// their versions.
fn list(name: &str) -> List {
    let text = std::fs::read_to_string(testdata(&format!("families/{name}.json"))).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let tensors = json["tensors"].as_object().unwrap().iter().map(|(name, shape)| {
        let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
        named(name, &shape)
    });
    let metadata = json.get("metadata").and_then(Value::as_object).into_iter().flatten().map(|(key, value)| {
        let value = value.as_u64().map_or_else(|| MetaValue::Text(value.as_str().unwrap().into()), MetaValue::Unsigned);
        (key.clone(), value)
    });
    List { tensors: tensors.collect(), metadata: metadata.collect(), config: json.get("config").cloned() }
}

fn lists() -> Vec<String> {
    let entries = std::fs::read_dir(testdata("families")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.map(|name| name.strip_suffix(".json").unwrap().to_owned()).collect();
    names.sort();
    names
}

/// `t5-gated.hf` is a list of the family `t5`; a few lists are called by a model that shares a family.
fn family_of(list: &str) -> &str {
    // Nothing in a CTranslate2 file tells Qwen2 from Llama.
    if list == "qwen2.ctranslate2" {
        return "llama";
    }
    match list.split(['-', '.']).next().unwrap() {
        "mistral" | "smollm3" => "llama",
        "roberta" | "xlm" | "distilbert" | "minilm" => "bert",
        name => name,
    }
}

fn bound(list: &List) -> Binding {
    bind(&list.tensors, list.config.as_ref(), &list.metadata).unwrap()
}

fn weight(binding: &Binding, stack: Stack, layer: Option<usize>, role: Role) -> &Weight {
    let slot = Slot { stack, layer, expert: None, role, part: Part::Weight };
    binding.weights.iter().find(|weight| weight.slot == Some(slot)).unwrap_or_else(|| panic!("no {slot}"))
}

fn stored_rows(weight: &Weight) -> Vec<usize> {
    match &weight.view.rows {
        Rows::All => (0..weight.rows).collect(),
        Rows::Runs(runs) => runs.iter().cloned().flatten().collect(),
        Rows::Indices(indices) => indices.clone(),
    }
}

/// What every binding keeps, whatever the family.
fn check_laws(name: &str, list: &List, binding: &Binding) {
    let slots: BTreeSet<_> = binding.weights.iter().map(|weight| weight.slot.unwrap()).collect();
    assert_eq!(slots.len(), binding.weights.len(), "{name}: a slot twice");
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for weight in &binding.weights {
        let shape = &list.tensors[weight.view.tensor].shape;
        rows.entry(weight.view.tensor).or_default().extend(stored_rows(weight));
        assert_eq!(stored_rows(weight).len(), weight.rows, "{name}: {}", weight.label());
        assert_eq!(weight.rank, shape.len(), "{name}: {}", weight.label());
        for (axis, len) in weight.axes.iter().zip([weight.rows, weight.cols]) {
            assert!(len.is_multiple_of(axis.unit), "{name}: {} does not hold whole units", weight.label());
        }
    }
    let parts = [&binding.constants, &binding.repeated, &binding.undescribed].into_iter().flatten().copied();
    let all: Vec<_> = parts.chain(rows.keys().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    assert_eq!(all, (0..list.tensors.len()).collect::<Vec<_>>(), "{name}: a tensor in no list");
    for (tensor, mut rows) in rows {
        rows.sort_unstable();
        let views: Vec<_> = binding.weights.iter().filter(|weight| weight.view.tensor == tensor).collect();
        let shape = &list.tensors[tensor].shape;
        let expected = if views[0].view.transposed { shape[1] } else { shape[0] };
        assert_eq!(rows, (0..expected).collect::<Vec<_>>(), "{name}: {} is not covered once", list.tensors[tensor].name);
    }
}

#[test]
fn every_family_file_loads_and_has_a_list() {
    let covered: BTreeSet<_> = lists().iter().map(|name| family_of(name).to_owned()).collect();
    let known: BTreeSet<_> = families().unwrap().iter().map(|family| family.name.clone()).collect();
    assert_eq!(covered, known);
}

#[test]
fn every_tensor_of_every_list_is_described() {
    for name in lists() {
        let list = list(&name);
        let binding = bound(&list);
        assert_eq!(binding.family, family_of(&name), "{name}");
        let missing: Vec<_> = binding.undescribed.iter().map(|&i| &list.tensors[i].name).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        check_laws(&name, &list, &binding);
        for (stack, n) in &binding.layers {
            let expected = match (name.as_str(), stack) {
                ("whisper.hf", Stack::Decoder) => 3,
                ("whisper-base.ctranslate2" | "minilm.hf", _) => 6,
                ("gemma3-270m.gguf", _) => 18,
                _ => 2,
            };
            assert_eq!(*n, expected, "{name}");
        }
    }
}

#[test]
fn names_and_shapes_alone_are_enough_where_the_layout_does_not_depend_on_heads() {
    // What cannot be laid out without the number of heads: GGUF llama's row order, and NeoX's fusion head by head.
    let needs_heads = ["llama.gguf", "llama-tied-biased.gguf", "mistral.gguf", "smollm3.gguf", "gpt_neox.hf"];
    for name in lists().iter().filter(|name| !needs_heads.contains(&name.as_str())) {
        let mut list = list(name);
        (list.config, list.metadata) = (None, BTreeMap::new());
        // GGUF llama's names are also those of the families that keep the row order, so only Hugging Face names tell the family.
        let Some(binding) = bind(&list.tensors, None, &list.metadata) else { panic!("{name}") };
        assert!(binding.undescribed.is_empty(), "{name}");
        check_laws(name, &list, &binding);
    }
}

#[test]
fn gguf_and_hugging_face_describe_the_same_weights() {
    let only_in_hugging_face = [Role::Pooler];
    for name in lists() {
        let Some(model) = name.strip_suffix(".gguf") else { continue };
        if model == "gemma3-270m" {
            continue; // A real file, of which there is no other form here.
        }
        let of = |container: &str| -> BTreeMap<_, _> {
            let binding = bound(&list(&format!("{model}.{container}")));
            binding.weights.into_iter().map(|weight| (weight.slot.unwrap(), (weight.rows, weight.cols, weight.axes))).collect()
        };
        let mut hf = of("hf");
        hf.retain(|slot, _| !only_in_hugging_face.contains(&slot.role));
        assert_eq!(of("gguf"), hf, "{model}");
    }
}

#[test]
fn ctranslate2_and_hugging_face_describe_the_same_weights() {
    let slots = |name: &str| -> BTreeMap<_, _> {
        let binding = bound(&list(name));
        binding.weights.into_iter().map(|weight| (weight.slot.unwrap(), (weight.rows, weight.cols))).collect()
    };
    let made: Vec<_> = lists().into_iter().filter(|name| name.ends_with(".ctranslate2") && name != "whisper-base.ctranslate2").collect();
    assert_eq!(made.len(), 18, "{made:?}");
    for name in made {
        let model = name.trim_end_matches(".ctranslate2").trim_end_matches("-int8");
        assert_eq!(slots(&name), slots(&format!("{model}.hf")), "{name}");
    }
}

/// Whatever container a model came from, its Hugging Face form holds the same weights, and each name once.
#[test]
fn what_is_stored_binds_to_what_it_was_made_from() {
    for name in lists() {
        let source = list(&name);
        let binding = bound(&source);
        let family = super::named(&binding.family).unwrap();
        let shape = |weight: &Weight| {
            let stored = &source.tensors[weight.view.tensor].shape;
            if weight.rank > 2 { stored.clone() } else { [weight.rows, weight.cols][..weight.rank].to_vec() }
        };
        let weights: BTreeMap<Slot, Vec<usize>> = binding.weights.iter().map(|weight| (weight.slot.unwrap(), shape(weight))).collect();
        let stored = family.stored(&family.spelling(&source.tensors).unwrap(), &weights, binding.heads);
        if name == "gpt_neox.ctranslate2" {
            // Nothing in it tells the number of heads, by which Hugging Face fuses its attention.
            assert!(stored.is_err());
            continue;
        }
        let stored = stored.unwrap();
        let names: BTreeSet<_> = stored.iter().map(|stored| stored.name.as_str()).collect();
        assert_eq!(names.len(), stored.len(), "{name}");
        if name.ends_with(".hf") {
            let held = |list: &List| {
                list.tensors
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| !binding.repeated.contains(i) && !binding.constants.contains(i))
                    .map(|(_, tensor)| (tensor.name.clone(), tensor.shape.clone()))
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(held(&source), stored.iter().map(|stored| (stored.name.clone(), stored.shape.clone())).collect(), "{name}");
        }

        let config = binding.heads.map(|heads| {
            let mut config = source.config.clone().unwrap_or_else(|| serde_json::json!({}));
            for (key, n) in ["n_head", "num_heads", "encoder_attention_heads", "n_heads", "num_attention_heads"]
                .map(|key| (key, heads.n_heads))
                .into_iter()
                .chain([("num_key_value_heads", heads.n_kv_heads)])
            {
                config[key] = n.into();
            }
            config
        });
        let tensors: Vec<_> = stored.iter().map(|stored| named(&stored.name, &stored.shape)).collect();
        let again = super::bind_to(std::slice::from_ref(family), &tensors, config.as_ref(), &BTreeMap::new()).unwrap();
        assert!(again.undescribed.is_empty(), "{name}");
        assert_eq!(again.heads, binding.heads, "{name}");
        let describe = |binding: &Binding| -> BTreeMap<Slot, (usize, usize, [Axis; 2])> {
            binding.weights.iter().map(|weight| (weight.slot.unwrap(), (weight.rows, weight.cols, weight.axes))).collect()
        };
        assert_eq!(describe(&again), describe(&binding), "{name}");
        for weight in &again.weights {
            let piece = stored[weight.view.tensor].pieces.iter().find(|piece| Some(piece.slot) == weight.slot).unwrap();
            assert_eq!(
                (&piece.rows, stored[weight.view.tensor].transposed),
                (&weight.view.rows, weight.view.transposed && weight.rank == 2),
                "{name}"
            );
        }
    }
}

#[test]
fn heads_move_as_whole_key_value_groups() {
    let heads = |unit| Axis { space: Space::Heads { stack: Stack::Single, layer: 1, cross: false }, unit };
    let at = |binding: &Binding, role| weight(binding, Stack::Single, Some(1), role).axes;
    // 6 query heads of 8 dimensions in 2 groups.
    let grouped = bound(&list("llama.hf"));
    assert_eq!(at(&grouped, Role::AttnQ)[0], heads(24));
    assert_eq!(at(&grouped, Role::AttnK)[0], heads(8));
    assert_eq!(at(&grouped, Role::AttnOut)[1], heads(24));
    // 6 query heads of 12 dimensions around one key and value head.
    let single_group = bound(&list("gemma.hf"));
    assert_eq!(at(&single_group, Role::AttnQ)[0], heads(12));
    assert_eq!(at(&single_group, Role::AttnOut)[1], heads(12));
    assert_eq!(at(&single_group, Role::AttnV)[0], Axis::FIXED);
    // 6 heads of 8 dimensions.
    assert_eq!(at(&bound(&list("gpt2.hf")), Role::AttnK)[0], heads(8));
}

#[test]
fn what_ties_units_together_makes_them_fixed() {
    let t5 = bound(&list("t5.hf"));
    assert_eq!(weight(&t5, Stack::Decoder, Some(0), Role::AttnQ).axes[0], Axis::FIXED);
    let cross = Space::Heads { stack: Stack::Decoder, layer: 0, cross: true };
    assert_eq!(weight(&t5, Stack::Decoder, Some(0), Role::CrossAttnQ).axes[0], Axis { space: cross, unit: 12 });
    let shared = Space::Residual(Stack::Single);
    for stack in [Stack::Encoder, Stack::Decoder] {
        assert_eq!(weight(&t5, stack, Some(0), Role::MlpUp).axes[1].space, shared);
    }
    // Heads of 64 dimensions are whisper's own constant: CTranslate2's config does not tell. Whisper base has 8 of them.
    let whisper = bound(&list("whisper-base.ctranslate2"));
    assert_eq!(weight(&whisper, Stack::Encoder, Some(0), Role::AttnQ).axes[0].unit, 64);
    assert_eq!(weight(&whisper, Stack::Encoder, Some(0), Role::MlpUp).axes[1], Axis::FIXED);
    assert_eq!(weight(&whisper, Stack::Decoder, Some(0), Role::MlpUp).axes[1].space, Space::Residual(Stack::Decoder));
    assert_eq!(weight(&whisper, Stack::Decoder, Some(0), Role::CrossAttnK).axes[1], Axis::FIXED);
}

#[test]
fn a_setting_that_orders_a_space_makes_it_fixed() {
    let up = |list: &List| weight(&bound(list), Stack::Single, Some(0), Role::MlpUp).axes;
    let mut list = list("distilbert-mlm.hf");
    assert_eq!(up(&list)[1].space, Space::Residual(Stack::Single));
    list.config.as_mut().unwrap()["sinusoidal_pos_embds"] = true.into();
    assert_eq!(up(&list)[1], Axis::FIXED);
    assert!(up(&list)[0].space.is_exchangeable());
}

#[test]
fn a_second_copy_of_a_tied_weight_is_repeated_not_bound() {
    let mut list = list("t5.hf");
    let n_weights = bound(&list).weights.len();
    list.tensors.insert(0, named("encoder.embed_tokens.weight", &[80, 48]));
    let binding = bound(&list);
    assert_eq!((binding.repeated.as_slice(), binding.weights.len()), ([0].as_slice(), n_weights));
    // Where the first copy is not stored, the second gives the weight.
    list.tensors.retain(|tensor| tensor.name != "shared.weight");
    let binding = bound(&list);
    assert_eq!((binding.repeated.len(), binding.weights.len()), (0, n_weights));
}

#[test]
fn experts_are_told_apart() {
    // As in published Mixtral checkpoints.
    let expert = |n: usize| named(&format!("model.layers.0.block_sparse_moe.experts.{n}.w1.weight"), &[6, 4]);
    let tensors = [expert(0), expert(1), named("model.layers.0.block_sparse_moe.gate.weight", &[2, 4])];
    let binding = bind(&tensors, None, &BTreeMap::new()).unwrap();
    let spaces = binding.weights.iter().filter_map(|weight| Some((weight.slot?.expert?, weight.axes[0].space)));
    let units = |expert| Space::MlpUnits { stack: Stack::Single, layer: 0, expert: Some(expert) };
    assert_eq!(spaces.collect::<Vec<_>>(), [(0, units(0)), (1, units(1))]);
}

#[test]
fn tables_and_masks_are_constants() {
    let mut list = list("gpt2.hf");
    list.tensors.push(named("transformer.h.1.attn.bias", &[1, 1, 40, 40]));
    assert_eq!(bound(&list).constants, [list.tensors.len() - 1]);
}

#[test]
fn heads_are_fixed_where_nothing_tells_their_number() {
    let list = list("llama.hf");
    let binding = bind(&list.tensors, None, &BTreeMap::new()).unwrap();
    assert_eq!(weight(&binding, Stack::Single, Some(0), Role::AttnQ).axes[0], Axis::FIXED);
    assert!(weight(&binding, Stack::Single, Some(0), Role::MlpUp).axes[0].space.is_exchangeable());
}

#[test]
fn a_config_that_contradicts_the_shapes_is_not_believed() {
    let mut list = list("llama.hf");
    list.config.as_mut().unwrap()["hidden_size"] = 64.into();
    let binding = bound(&list);
    assert_eq!((binding.family.as_str(), binding.undescribed.len()), ("llama", 0));
    assert_eq!(weight(&binding, Stack::Single, Some(0), Role::AttnQ).axes[0], Axis::FIXED);
}

#[test]
fn a_tensor_whose_shape_contradicts_the_others_is_undescribed() {
    let mut list = list("llama.hf");
    let norm = list.tensors.iter().position(|tensor| tensor.name == "model.norm.weight").unwrap();
    list.tensors[norm] = named("model.norm.weight", &[47]);
    assert_eq!(bound(&list).undescribed, [norm]);
}

#[test]
fn what_no_family_describes_is_unbound() {
    let tensors = [named("conv.weight", &[4, 2, 3]), named("scale", &[]), named("conv.bias", &[4])];
    assert_eq!(bind(&tensors, None, &BTreeMap::new()), None);
    let weights = unbound(&tensors);
    assert_eq!(weights.iter().map(|weight| (weight.rows, weight.cols, weight.rank)).collect::<Vec<_>>(), [(4, 6, 3), (4, 1, 1)]);
    assert!(weights.iter().all(|weight| weight.slot.is_none() && weight.axes == [Axis::FIXED; 2]));
}

#[test]
fn prefixes_come_and_go() {
    for (name, from, to) in
        [("bert.hf", "", "0.auto_model."), ("bert-pretraining.hf", "bert.", ""), ("gemma3.hf", "model.", "language_model.model.")]
    {
        let mut list = list(name);
        for tensor in &mut list.tensors {
            if let Some(rest) = tensor.name.strip_prefix(from) {
                tensor.name = format!("{to}{rest}");
            }
        }
        assert!(bound(&list).undescribed.is_empty(), "{name}");
    }
}

#[test]
fn the_micro_model_is_described_from_its_own_header() {
    let bytes = std::fs::read(testdata("models/base/model.safetensors")).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let shapes =
        header.iter().filter_map(|(name, entry)| Some((name, serde_json::from_value::<Vec<usize>>(entry.get("shape")?.clone()).ok()?)));
    let config = serde_json::from_slice(&std::fs::read(testdata("models/base/config.json")).unwrap()).unwrap();
    let tensors: Vec<_> = shapes.map(|(name, shape)| named(name, &shape)).collect();
    let list = List { tensors, config: Some(config), metadata: BTreeMap::new() };
    let binding = bound(&list);
    check_laws("base", &list, &binding);
    assert_eq!((binding.family.as_str(), binding.layers.as_slice()), ("llama", [(Stack::Single, 4)].as_slice()));
    assert_eq!((binding.undescribed.len(), binding.weights.len()), (0, 39));
    // 4 query heads of 24 dimensions in 2 groups, as its config says.
    assert_eq!(weight(&binding, Stack::Single, Some(3), Role::AttnQ).axes[0].unit, 48);
}

proptest! {
    /// Numbers of heads and shapes come from files that anybody can write.
    #[test]
    fn no_config_and_no_shape_breaks_the_laws(
        which in 0usize..4,
        heads in prop_oneof![0u64..30, Just(u64::MAX)],
        groups in prop_oneof![0u64..30, Just(u64::MAX)],
        head_dim in prop_oneof![0u64..30, Just(u64::MAX)],
        odd in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0usize..100, 0..4)), 0..3),
    ) {
        let name = ["llama.gguf", "gpt_neox.hf", "phi3.hf", "whisper.hf"][which];
        let mut list = list(name);
        for (at, shape) in &odd {
            let tensor = at.get(&list.tensors).clone();
            let at = at.index(list.tensors.len());
            list.tensors[at] = named(&tensor.name, shape);
        }
        if let Some(config) = &mut list.config {
            for (key, value) in [("num_attention_heads", heads), ("num_key_value_heads", groups), ("head_dim", head_dim), ("encoder_attention_heads", heads)] {
                config[key] = value.into();
            }
        }
        for (key, value) in [("head_count", heads), ("head_count_kv", groups), ("key_length", head_dim)] {
            list.metadata.insert(format!("llama.attention.{key}"), MetaValue::Unsigned(value));
        }
        if let Some(binding) = bind(&list.tensors, list.config.as_ref(), &list.metadata) {
            check_laws(name, &list, &binding);
        }
    }
}

/// A family file of one tensor, with a place for an extra line at each level.
fn small(family: &str, dim: &str, weight: &str, space: &str, container: &str, parts: &str, name: &str) -> String {
    format!(
        r#"family = "small"
architectures = []
model_types = []
{family}
[dims]
n = {{ {dim} }}
[weights]
embed = {{ shape = ["n", "n"], space = {{ out = "fixed", in = "fixed" {space} }} {weight} }}
[form]
norm = "rms"
gain = "g"
positions = "rotary"
activation = "silu"
reads = {{}}
[head]
tied = {{ default = true }}
[layers]
single = {{ config = ["n_layers"] }}
[compute]
causal = true
epsilon = {{ default = 1e-5 }}
activation = {{ default = "silu" }}
[compute.rotary]
base = {{ default = 1e4 }}
[compute.window]
size = {{ default = 4 }}
[compute.experts]
chosen = {{ default = 2 }}
normalised = {{ default = true }}
[containers.hf]
prefixes = [""]
parts = {{ weight = ["weight"], bias = [] {parts} }}
{container}
[containers.hf.names]
"w" = {{ roles = ["embed"] {name} }}
"#
    )
}

#[test]
fn an_unknown_key_is_an_error_at_every_level() {
    Family::parse(&small("", "", "", "", "", "", "")).unwrap();
    let wrong = [
        small("note = 1", "", "", "", "", "", ""),
        small("", "note = 1", "", "", "", "", ""),
        small("", "", ", note = 1", "", "", "", ""),
        small("", "", "", ", note = 1", "", "", ""),
        small("", "", "", "", "note = 1", "", ""),
        small("", "", "", "", "", ", note = 1", ""),
        small("", "", "", "", "", "", ", note = 1"),
        small("", "", "", "", "", "", "").replace("reads = {}", "reads = {}\nnote = 1"),
        small("", "", "", "", "", "", "").replace("[head]", "[head]\nnote = 1"),
        small("", "", "", "", "", "", "").replace("[layers]", "[layers]\nnote = 1"),
        small("", "", "", "", "", "", "").replace("causal = true", "causal = true\nnote = 1"),
        small("", "", "", "", "", "", "").replace("[compute.rotary]", "[compute.rotary]\nnote = 1"),
        small("", "", "", "", "", "", "").replace("[compute.window]", "[compute.window]\nnote = 1"),
        small("", "", "", "", "", "", "").replace("[compute.experts]", "[compute.experts]\nnote = 1"),
        small("", "", "", "", "", "", "").replace("size = {", "size = { note = 1,"),
    ];
    for text in wrong {
        let error = Family::parse(&text).unwrap_err().to_string();
        assert!(error.contains("unknown field `note`"), "{error}");
    }
}

#[test]
fn a_family_file_that_contradicts_itself_is_refused() {
    let good = small("", "", "", "", "", "", "");
    for (from, to, complaint) in [
        ("n = {", "m = {}\nn = {", "`m`, declared and not used"),
        (r#"["n", "n"]"#, r#"["n", "m"]"#, "`m`, used and not declared"),
        (r#"["n", "n"]"#, r#"["n"]"#, "`embed` with 1 axes"),
        (r#"["n", "n"]"#, r#"["n", "n / 2"]"#, "`n / 2`"),
        ("embed =", "embedding =", "`embedding`"),
        (r#"roles = ["embed"]"#, r#"roles = ["unembed"]"#, "`unembed`"),
        (r#"roles = ["embed"]"#, r#"roles = []"#, "`w`"),
        (r#"roles = ["embed"]"#, r#"roles = ["embed"], split = "stacked""#, "`w`"),
        (r#"roles = ["embed"]"#, r#"roles = ["embed"], rows = "rope_interleaved""#, "`w`"),
        (r#"out = "fixed""#, r#"out = "mlp""#, "{layer}"),
        (r#"out = "fixed""#, r#"out = "units""#, "unknown variant `units`"),
        ("reads = {}", r#"reads = { mlp_norm = ["embed"] }"#, "`mlp_norm`"),
        ("[form]", "mlp_norm = { shape = [\"n\"], space = { out = \"residual\" } }\n[form]", "`mlp_norm` left out"),
        (r#"gain = "g""#, r#"gain = "2g""#, "unknown variant `2g`"),
        (r#"prefixes = [""]"#, "prefixes = []", "none in `hf`"),
        ("[dims]", "[[fixed_when]]\nconfig = \"a\"\nis = true\nspace = \"mlp\"\nnote = 1\n[dims]", "unknown field `note`"),
        ("[containers.hf.names]", "[containers.hf.names]\n\"v\" = 3", "a role, or a table with `roles`"),
    ] {
        let error = Family::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(complaint), "{from} -> {to}: {error}");
    }
}
