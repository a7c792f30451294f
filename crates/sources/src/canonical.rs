//! Canonical form: weights as every reader of the residual stream sees them, with the gains of norms folded in.
//!
//! The same function can be kept in endless ways: a norm's gain may stand in the norm or in the columns of what reads it, a LayerNorm takes
//! away whatever its writers put into the direction of equal coordinates. Canonical vectors have none of that freedom left, so that two
//! checkpoints of one function differ by permutations, rotations and the scales of units alone.

use crate::form::{NormKind, Place};
use crate::weights::Heads;
use crate::{Binding, Model, Part, Role, Slot, SourceError, Stack, Weight, view};
use std::collections::BTreeMap;

/// A model in canonical form. Norms are held (a few vectors a block); everything else is read when it is asked for.
#[derive(Debug)]
pub struct Canonical<'a> {
    model: &'a Model,
    binding: &'a Binding,
    weights: BTreeMap<Slot, &'a Weight>,
    /// Effective gains and biases of every norm.
    norms: BTreeMap<Slot, Vec<f32>>,
}

/// A weight's slot, without its part.
fn slot(place: Place, layer: Option<usize>, expert: Option<usize>, part: Part) -> Slot {
    Slot { stack: place.stack, layer, expert, role: place.role, part }
}

/// Which way the residual stream runs through a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// Rows read the stream, or are vectors of it: columns are residual coordinates.
    Reads,
    /// Columns write into the stream: rows are residual coordinates.
    Writes,
}

fn direction(role: Role) -> Direction {
    match role {
        Role::AttnOut | Role::CrossAttnOut | Role::MlpDown | Role::SharedDown => Direction::Writes,
        _ => Direction::Reads,
    }
}

impl<'a> Canonical<'a> {
    /// Reads the norms of a model; `None` where no family describes it.
    pub fn new(model: &'a Model) -> Result<Option<Self>, SourceError> {
        let Some(binding) = &model.binding else { return Ok(None) };
        let weights: BTreeMap<Slot, &Weight> = binding.weights.iter().filter_map(|w| Some((w.slot?, w))).collect();
        let mut norms = BTreeMap::new();
        for (&slot, weight) in weights.iter().filter(|(slot, _)| slot.role.is_norm()) {
            let mut values = Vec::new();
            view::read_rows(model, weight, 0..weight.rows, &mut values)?;
            if slot.part == Part::Weight {
                values.iter_mut().for_each(|g| *g += binding.form.gain.offset());
            }
            norms.insert(slot, values);
        }
        Ok(Some(Self { model, binding, weights, norms }))
    }

    /// The checkpoint.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// Names, form and heads of the family.
    pub fn binding(&self) -> &'a Binding {
        self.binding
    }

    /// Heads of every attention, where known.
    pub fn heads(&self) -> Option<Heads> {
        self.binding.heads
    }

    /// The stored weight of a slot.
    pub fn weight(&self, slot: Slot) -> Option<&'a Weight> {
        self.weights.get(&slot).copied()
    }

    /// All slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.weights.keys().copied()
    }

    /// The table that turns tokens into the stream of a stack: its own, or the one that stacks share.
    pub fn embedding(&self, stack: Stack) -> Option<Slot> {
        self.table(stack, Role::Embed)
    }

    /// The table that reads tokens off the stream of a stack: its own, or the embedding where the two are tied.
    pub fn unembedding(&self, stack: Stack) -> Option<Slot> {
        self.table(stack, Role::Unembed).or_else(|| self.embedding(stack))
    }

    fn table(&self, stack: Stack, role: Role) -> Option<Slot> {
        let of = |stack| Slot { stack, layer: None, expert: None, role, part: Part::Weight };
        [of(stack), of(Stack::Single)].into_iter().find(|slot| self.weights.contains_key(slot))
    }

    /// The effective gain of a norm.
    pub fn gain(&self, norm: Slot) -> Option<&[f32]> {
        self.norms.get(&norm).map(Vec::as_slice)
    }

    fn norm_of(&self, norm: Place, reader: Slot, part: Part) -> Option<&[f32]> {
        let of_layer = slot(norm, reader.layer, None, part);
        let of_model = slot(norm, None, None, part);
        self.norms.get(&of_layer).or_else(|| self.norms.get(&of_model)).map(Vec::as_slice)
    }

    /// The gain that folds into a weight that reads the stream.
    pub fn read_gain(&self, reader: Slot) -> Option<&[f32]> {
        self.norm_of(self.binding.form.read_norm(Place { stack: reader.stack, role: reader.role })?, reader, Part::Weight)
    }

    /// Number of vectors along a weight's other axis: units of an MLP, rows of all heads, tokens.
    pub fn n_vectors(&self, slot: Slot) -> Option<usize> {
        let weight = self.weights.get(&slot)?;
        Some(match direction(slot.role) {
            Direction::Reads => weight.rows,
            Direction::Writes => weight.cols,
        })
    }

    /// Width of the residual stream at a weight.
    pub fn width(&self, slot: Slot) -> Option<usize> {
        let weight = self.weights.get(&slot)?;
        Some(match direction(slot.role) {
            Direction::Reads => weight.cols,
            Direction::Writes => weight.rows,
        })
    }

    /// The vectors of a weight in the residual stream, `[vectors.len(), width]`: rows of a weight that reads it, columns of one that writes it.
    ///
    /// `table` is the role that a tied table is read in: an embedding as unembedding takes the final norm's gain.
    pub fn vectors(&self, slot: Slot, read_as: Role, vectors: &[usize], out: &mut Vec<f32>) -> Result<(), SourceError> {
        let Some(&weight) = self.weights.get(&slot) else {
            out.clear();
            return Ok(());
        };
        let width = match direction(slot.role) {
            Direction::Reads => {
                let cols: Vec<usize> = (0..weight.cols).collect();
                view::gather(self.model, weight, vectors, &cols, out)?;
                weight.cols
            }
            Direction::Writes => {
                let rows: Vec<usize> = (0..weight.rows).collect();
                let mut values = Vec::new();
                view::gather(self.model, weight, &rows, vectors, &mut values)?;
                transpose(&values, weight.rows, vectors.len(), out);
                weight.rows
            }
        };
        let read_as = Slot { role: read_as, ..slot };
        let gain = match direction(slot.role) {
            Direction::Reads => self.read_gain(read_as),
            Direction::Writes => self.write_gain(slot),
        };
        if let Some(gain) = gain.filter(|gain| gain.len() == width) {
            out.chunks_exact_mut(width).for_each(|vector| vector.iter_mut().zip(gain).for_each(|(v, g)| *v *= g));
        }
        if self.is_centred(read_as) {
            out.chunks_exact_mut(width).for_each(centre);
        }
        Ok(())
    }

    /// The gain of the norm after a writer: it scales the writer's rows up to a number for each token.
    fn write_gain(&self, writer: Slot) -> Option<&[f32]> {
        self.norm_of(self.binding.form.write_norm(Place { stack: writer.stack, role: writer.role })?, writer, Part::Weight)
    }

    /// Whether the direction of equal coordinates is lost on this weight: what a LayerNorm reads, and what is written before one.
    fn is_centred(&self, slot: Slot) -> bool {
        let form = &self.binding.form;
        let reads_stream = |role| matches!(role, Role::Embed | Role::PositionEmbed | Role::TypeEmbed);
        form.norm == NormKind::Layer
            && (direction(slot.role) == Direction::Writes
                || reads_stream(slot.role)
                || form.read_norm(Place { stack: slot.stack, role: slot.role }).is_some())
    }

    /// The bias of a weight with the bias of the norm before it, `b + W c`; `None` where there is neither.
    ///
    /// A tied head is asked for as the head: its slot has no weight of its own, and reads the final norm all the same.
    pub fn bias(&self, of: Slot) -> Result<Option<Vec<f32>>, SourceError> {
        let own = self.weights.get(&Slot { part: Part::Bias, ..of });
        let place = Place { stack: of.stack, role: of.role };
        let shift = self.binding.form.read_norm(place).and_then(|norm| self.norm_of(norm, of, Part::Bias));
        let matrix = if of.role == Role::Unembed { self.unembedding(of.stack) } else { Some(of) };
        let weight = matrix.and_then(|matrix| self.weights.get(&matrix)).filter(|_| own.is_some() || shift.is_some());
        let Some(&weight) = weight else { return Ok(None) };
        let mut bias = vec![0.0; weight.rows];
        if let Some(own) = own {
            view::read_rows(self.model, own, 0..own.rows, &mut bias)?;
        }
        if let Some(shift) = shift.filter(|shift| shift.len() == weight.cols) {
            let at_once = (4 << 20) / weight.cols.max(1) + 1;
            let mut values = Vec::new();
            for start in (0..weight.rows).step_by(at_once) {
                let end = (start + at_once).min(weight.rows);
                view::read_rows(self.model, weight, start..end, &mut values)?;
                for (bias, row) in bias[start..end].iter_mut().zip(values.chunks_exact(weight.cols)) {
                    *bias += row.iter().zip(shift).map(|(&w, &c)| f64::from(w) * f64::from(c)).sum::<f64>() as f32;
                }
            }
        }
        // What is written before a LayerNorm loses its mean there; what only reads is no vector of the stream.
        if direction(of.role) == Direction::Writes && self.is_centred(of) {
            centre(&mut bias);
        }
        Ok(Some(bias))
    }
}

fn centre(vector: &mut [f32]) {
    let mean = (vector.iter().map(|&v| f64::from(v)).sum::<f64>() / vector.len().max(1) as f64) as f32;
    vector.iter_mut().for_each(|v| *v -= mean);
}

fn transpose(values: &[f32], rows: usize, cols: usize, out: &mut Vec<f32>) {
    out.clear();
    out.extend((0..cols).flat_map(|col| (0..rows).map(move |row| values[row * cols + col])));
}
