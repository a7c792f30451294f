//! The law of the canonical form: it computes the same function in every family, and checkpoints of one function that differ by gains and by
//! directions that a LayerNorm takes away have the same one.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end a test")]

use sources::canonical::Canonical;
use sources::family::named;
use sources::form::{NormKind, Place};
use sources::{Model, Part, Role, Rows, Slot, TensorSource, view};
use std::collections::BTreeMap;
use tempfile::TempDir;
use testmodels::{Dtype, FAMILIES, Gaussian, Network, Tensor, VARIANTS, Vectors, family, forward, save};

const TOKENS: [usize; 7] = [3, 17, 256, 17, 599, 41, 0];

/// A weight as `[out, in, …]`.
#[derive(Clone)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

type Weights = BTreeMap<Slot, Array>;

/// The folder lives as long as what is read from it.
fn opened(network: &Network) -> (TempDir, Model) {
    let folder = save(network, Dtype::F32);
    let model = Model::open(folder.path()).unwrap();
    assert_eq!(model.binding.as_ref().unwrap().undescribed, Vec::<usize>::new());
    (folder, model)
}

fn is_writer(slot: Slot) -> bool {
    matches!(slot.role, Role::AttnOut | Role::CrossAttnOut | Role::MlpDown)
}

fn place(slot: Slot) -> Place {
    Place { stack: slot.stack, role: slot.role }
}

fn with_part(slot: Slot, part: Part) -> Slot {
    Slot { part, ..slot }
}

/// Every bound weight as it is stored.
fn raw(model: &Model) -> Weights {
    let binding = model.binding.as_ref().unwrap();
    let read = |weight: &sources::Weight| {
        let mut values = Vec::new();
        view::read_rows(model, weight, 0..weight.rows, &mut values).unwrap();
        let shape = match weight.rank {
            1 => vec![weight.rows],
            2 => vec![weight.rows, weight.cols],
            _ => model.tensors()[weight.view.tensor].shape.clone(),
        };
        (weight.slot.unwrap(), Array { shape, values })
    };
    binding.weights.iter().map(read).collect()
}

fn transposed(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..cols).flat_map(|col| (0..rows).map(move |row| values[row * cols + col])).collect()
}

/// The slot of the head that the final norm folds into, where the checkpoint has that norm.
fn head(canonical: &Canonical<'_>) -> Option<Slot> {
    let folding = |role| canonical.binding().form.reads.iter().find(move |folding| folding.weights.iter().any(|place| place.role == role));
    let folding = folding(Role::Unembed)?;
    let at = |place: &Place| Slot { stack: place.stack, layer: None, expert: None, role: place.role, part: Part::Weight };
    canonical.gain(at(&folding.norm))?;
    folding.weights.iter().find(|place| place.role == Role::Unembed).map(at)
}

/// The weights of a network in which the canonical vectors and biases stand, all norms that fold are neutral, and the head is its own.
///
/// The gains behind writers stand in both the vectors and the norm, which divides them out here.
fn folded(model: &Model) -> Weights {
    let canonical = Canonical::new(model).unwrap().unwrap();
    let form = &canonical.binding().form;
    let mut weights = raw(model);
    let slots: Vec<Slot> = weights.keys().copied().collect();
    for &slot in &slots {
        if slot.role.is_norm() {
            if form.reads.iter().any(|folding| folding.norm == place(slot)) {
                let neutral = if slot.part == Part::Weight { 1.0 - form.gain.offset() } else { 0.0 };
                weights.get_mut(&slot).unwrap().values.fill(neutral);
            }
            continue;
        }
        if slot.part == Part::Bias {
            continue;
        }
        let (n, width) = (canonical.n_vectors(slot).unwrap(), canonical.width(slot).unwrap());
        let mut vectors = Vec::new();
        canonical.vectors(slot, slot.role, &(0..n).collect::<Vec<_>>(), &mut vectors).unwrap();
        if is_writer(slot) {
            if let Some(norm) = form.write_norm(place(slot)) {
                let gain = canonical.gain(Slot { role: norm.role, expert: None, ..slot }).unwrap();
                vectors.chunks_exact_mut(width).for_each(|vector| vector.iter_mut().zip(gain).for_each(|(v, g)| *v /= g));
            }
            vectors = transposed(&vectors, n, width);
        }
        weights.get_mut(&slot).unwrap().values = vectors;
        if let Some(bias) = canonical.bias(slot).unwrap() {
            weights.insert(with_part(slot, Part::Bias), Array { shape: vec![bias.len()], values: bias });
        }
    }
    if let Some(head) = head(&canonical)
        && !weights.contains_key(&head)
    {
        let table = canonical.unembedding(head.stack).unwrap();
        let n = canonical.n_vectors(table).unwrap();
        let mut values = Vec::new();
        canonical.vectors(table, Role::Unembed, &(0..n).collect::<Vec<_>>(), &mut values).unwrap();
        weights.insert(head, Array { shape: vec![n, canonical.width(table).unwrap()], values });
        if let Some(bias) = canonical.bias(head).unwrap() {
            weights.insert(with_part(head, Part::Bias), Array { shape: vec![n], values: bias });
        }
    }
    weights
}

/// A network that holds these weights under the names of `like`, which `model` is, and the head's bias, which no family has a name for.
fn laid_out(model: &Model, like: &Network, mut weights: Weights) -> (Network, Option<Vec<f32>>) {
    let binding = model.binding.as_ref().unwrap();
    let family = named(&binding.family).unwrap();
    let slot = weights.keys().copied().find(|slot| slot.role == Role::Unembed && slot.part == Part::Bias);
    let logit_bias = slot.and_then(|slot| weights.remove(&slot)).map(|bias| bias.values);
    let is_untied = weights.keys().any(|slot| slot.role == Role::Unembed) && !raw(model).keys().any(|slot| slot.role == Role::Unembed);

    let mut network = Network { tensors: Vec::new(), ..like.clone() };
    if is_untied {
        network.set_config("tie_word_embeddings", false);
        if binding.family == "t5" {
            // What T5 multiplies the last states by where the head is tied.
            let head = weights.iter_mut().find(|(slot, _)| slot.role == Role::Unembed).unwrap().1;
            let scale = (head.shape[1] as f32).sqrt().recip();
            head.values.iter_mut().for_each(|v| *v *= scale);
        }
    }
    let shapes: BTreeMap<Slot, Vec<usize>> = weights.iter().map(|(&slot, array)| (slot, array.shape.clone())).collect();
    let spelling = family.spelling(model.tensors()).unwrap();
    for stored in family.stored(&spelling, &shapes, binding.heads).unwrap() {
        assert_eq!(stored.offset, 0);
        let n: usize = stored.shape.iter().product();
        let rows = if stored.transposed { stored.shape[1] } else { stored.shape[0] };
        let cols = n / rows;
        let mut values = vec![0.0; n];
        for piece in &stored.pieces {
            let at: Vec<usize> = match &piece.rows {
                Rows::All => (0..rows).collect(),
                Rows::Runs(runs) => runs.iter().cloned().flatten().collect(),
                Rows::Indices(indices) => indices.clone(),
            };
            let part = &weights[&piece.slot].values;
            assert_eq!(part.len(), at.len() * cols, "{}", stored.name);
            at.into_iter()
                .zip(part.chunks_exact(cols))
                .for_each(|(row, values_of)| values[row * cols..][..cols].copy_from_slice(values_of));
        }
        if stored.transposed {
            values = transposed(&values, rows, cols);
        }
        network.tensors.push(Tensor { name: stored.name, shape: stored.shape, values });
    }
    for &constant in &binding.constants {
        network.tensors.push(like.tensor(&model.tensors()[constant].name).clone());
    }
    (network, logit_bias)
}

/// Largest difference, relative to the root mean square of the first.
fn difference(before: impl Iterator<Item = f64> + Clone, after: impl Iterator<Item = f64> + Clone) -> f64 {
    assert_eq!(before.clone().count(), after.clone().count());
    let size = (before.clone().map(|a| a * a).sum::<f64>() / before.clone().count() as f64).sqrt() + f64::MIN_POSITIVE;
    before.zip(after).map(|(a, b)| (a - b).abs() / size).fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most })
}

fn effect(before: &Vectors, after: &Vectors) -> f64 {
    difference(before.iter().flatten().copied(), after.iter().flatten().copied())
}

fn change(before: &[f32], after: &[f32]) -> f64 {
    difference(before.iter().copied().map(f64::from), after.iter().copied().map(f64::from))
}

#[test]
fn the_canonical_form_computes_the_same_function() {
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let original = family(name, 1);
        let (_folder, model) = opened(&original);
        let (network, logit_bias) = laid_out(&model, &original, folded(&model));
        let before = forward(&original, &TOKENS);
        let mut after = forward(&network, &TOKENS);
        if let Some(bias) = logit_bias {
            after.iter_mut().for_each(|logits| logits.iter_mut().zip(&bias).for_each(|(logit, &b)| *logit += f64::from(b)));
        }
        let effect = effect(&before, &after);
        assert!(effect <= 1e-4, "{name}: {effect}");

        // Not by leaving everything as it was.
        let is_changed = |tensor: &&Tensor| network.tensors.iter().find(|new| new.name == tensor.name).unwrap().values != tensor.values;
        let changed = original.tensors.iter().filter(is_changed).count();
        let is_folding = !matches!(name, "olmo2" | "bert");
        assert!(changed >= if is_folding { 14 } else { 2 }, "{name}: {changed}");
    }
}

/// The same function in other weights: gains multiplied and readers divided; and where norms take the mean away, constants added to what is
/// written before them and, over the gain, to what is read behind them.
fn regained(model: &Model, seed: u64) -> Weights {
    let form = &model.binding.as_ref().unwrap().form;
    let canonical = Canonical::new(model).unwrap().unwrap();
    let mut weights = raw(model);
    if let Some(head) = head(&canonical)
        && !weights.contains_key(&head)
    {
        let table = weights[&canonical.unembedding(head.stack).unwrap()].clone();
        weights.insert(head, table);
    }
    let draws = |slot: Slot, what: &str, n: usize, scale: f64| Gaussian::new(seed, &format!("{what} of {slot}")).vector(n, scale);
    let slots: Vec<Slot> = weights.keys().copied().collect();
    for &norm in slots.iter().filter(|slot| slot.role.is_norm() && slot.part == Part::Weight) {
        let Some(folding) = form.reads.iter().find(|folding| folding.norm == place(norm)) else { continue };
        let gains = weights.get_mut(&norm).unwrap();
        // Of both signs.
        let factors: Vec<f32> = draws(norm, "factors", gains.values.len(), 1.0).iter().map(|x| (0.3 * x).exp() * x.signum()).collect();
        let offset = form.gain.offset();
        gains.values.iter_mut().zip(&factors).for_each(|(g, f)| *g = (*g + offset) * f - offset);
        let gains: Vec<f32> = gains.values.iter().map(|g| g + offset).collect();
        let shift = weights.get_mut(&with_part(norm, Part::Bias)).map(|shift| {
            shift.values.iter_mut().zip(&factors).for_each(|(c, f)| *c *= f);
            shift.values.clone()
        });
        let reads = |slot: &&Slot| {
            slot.part == Part::Weight && folding.weights.contains(&place(**slot)) && (norm.layer.is_none() || norm.layer == slot.layer)
        };
        for &reader in slots.iter().chain(head(&canonical).iter().filter(|head| !slots.contains(head))).filter(reads) {
            let matrix = weights.get_mut(&reader).unwrap();
            let rows = matrix.values.chunks_exact_mut(factors.len());
            rows.for_each(|row| row.iter_mut().zip(&factors).for_each(|(w, f)| *w /= f));
            let Some(shift) = shift.as_ref().filter(|_| slots.contains(&with_part(reader, Part::Bias))) else { continue };
            let added = draws(reader, "constants", matrix.shape[0], 0.05);
            for (row, t) in weights.get_mut(&reader).unwrap().values.chunks_exact_mut(gains.len()).zip(&added) {
                row.iter_mut().zip(&gains).for_each(|(w, g)| *w += t / g);
            }
            // The norm's bias goes through the same columns.
            let through: f32 = shift.iter().zip(&gains).map(|(c, g)| c / g).sum();
            let bias = weights.get_mut(&with_part(reader, Part::Bias)).unwrap();
            bias.values.iter_mut().zip(&added).for_each(|(b, t)| *b -= t * through);
        }
    }
    if form.norm == NormKind::Layer {
        for &slot in &slots {
            let array = weights.get_mut(&slot).unwrap();
            if is_writer(slot) {
                let columns = array.values.len() / array.shape[0];
                let added = draws(slot, "written constants", columns, 0.1);
                array.values.chunks_exact_mut(columns).for_each(|row| row.iter_mut().zip(&added).for_each(|(w, t)| *w += t));
            } else if matches!(slot.role, Role::Embed | Role::PositionEmbed | Role::TypeEmbed) {
                let width = array.shape[1];
                let added = draws(slot, "written constants", array.shape[0], 0.1);
                array.values.chunks_exact_mut(width).zip(&added).for_each(|(row, t)| row.iter_mut().for_each(|w| *w += t));
            }
        }
    }
    weights
}

#[test]
fn checkpoints_of_one_function_have_one_canonical_form() {
    for name in FAMILIES.into_iter().chain(VARIANTS) {
        let original = family(name, 1);
        let (_folder, model) = opened(&original);
        let (disguised, _) = laid_out(&model, &original, regained(&model, 3));
        let effect = effect(&forward(&original, &TOKENS), &forward(&disguised, &TOKENS));
        assert!(effect <= 1e-4, "{name}: the disguise changes the function by {effect}");

        let (_folder, other) = opened(&disguised);
        let (before, mut after) = (folded(&model), folded(&other));
        if name == "t5" {
            // The tied head's scale is not in the weights, and its own head's is.
            let head = after.iter_mut().find(|(slot, _)| slot.role == Role::Unembed).unwrap().1;
            let scale = (head.shape[1] as f32).sqrt();
            head.values.iter_mut().for_each(|v| *v *= scale);
        }
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{name}");
        let stored = raw(&model);
        let mut hidden = 0;
        for (slot, array) in &before {
            let differs = change(&array.values, &after[slot].values);
            assert!(differs <= 1e-4, "{name}, {slot}: {differs}");
            hidden += usize::from(stored.get(slot).is_some_and(|stored| change(&stored.values, &raw(&other)[slot].values) > 0.1));
        }
        assert!(hidden >= if name == "olmo2" { 1 } else { 9 }, "{name}: {hidden} weights were disguised");
    }
}
