//! What a checkpoint's family, its config and its header say about how it computes, as numbers that a forward pass can use.

use crate::NotRunnable;
use crate::rotary::{Rotary, RotaryNumbers};
use crate::weights::{binding_of, slot, weight};
use serde_json::{Value, json};
use sources::family::compute::{Compute, EmbedScale, RotarySettings, SLIDING_ATTENTION, Said, Setting, WindowSettings, kind_by_period};
use sources::family::{self, Family};
use sources::form::{Activation, NormKind};
use sources::{Binding, Model, Role, Slot, Stack, Weight};

/// How one model computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Computation {
    pub(crate) hidden: usize,
    pub(crate) vocabulary: usize,
    pub(crate) heads: usize,
    /// Each is shared by `heads / kv_heads` consecutive heads.
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) causal: bool,
    pub(crate) norm: NormKind,
    pub(crate) epsilon: f32,
    pub(crate) activation: Activation,
    /// Whether attention and MLP of a block read the same stream.
    pub(crate) parallel: bool,
    pub(crate) embed_scale: f32,
    pub(crate) score_scale: f32,
    pub(crate) score_cap: Option<f32>,
    pub(crate) logit_cap: Option<f32>,
    /// Row of the position table that the first token takes.
    pub(crate) first_position: usize,
    /// Whether norms stand in the stream: those after attention and MLP are applied to the sum.
    pub(crate) norms_in_stream: bool,
    /// Longest sequence, where a table of positions ends.
    pub(crate) max_positions: Option<usize>,
    pub(crate) blocks: Vec<BlockKind>,
    /// The different ways to turn that blocks have.
    pub(crate) rotaries: Vec<Rotary>,
    pub(crate) experts: Option<Experts>,
    /// Where the logits come from; `None` for encoders without a head.
    pub(crate) unembed: Option<Slot>,
}

/// What tells one block's attention from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockKind {
    /// Index into [`Computation::rotaries`].
    pub(crate) rotary: Option<usize>,
    /// How many keys up to its own position a query sees.
    pub(crate) window: Option<usize>,
}

/// How a mixture chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Experts {
    pub(crate) chosen: usize,
    pub(crate) normalised: bool,
}

impl Computation {
    /// Of a checkpoint.
    ///
    /// # Errors
    /// With the reason why it cannot be run.
    pub(crate) fn of(model: &Model) -> Result<Self, NotRunnable> {
        let binding = binding_of(model)?;
        let name = &binding.family;
        let Some((family, compute)) = family::named(name).and_then(|family| Some((family, family.compute.as_ref()?))) else {
            return NotRunnable::because(format!(
                "models of the family `{name}` are compared by weights alone; this program cannot run them"
            ));
        };
        if model.is_truncated {
            return NotRunnable::because("its file ends before its last tensors do");
        }
        let said = Said::new(family, model.config.as_ref(), &model.metadata);
        Reading { binding, family, compute, said }.computation()
    }
}

/// A checkpoint while its numbers are gathered.
struct Reading<'a> {
    binding: &'a Binding,
    family: &'a Family,
    compute: &'a Compute,
    said: Said<'a>,
}

impl Reading<'_> {
    fn weight(&self, role: Role, layer: Option<usize>) -> Option<&Weight> {
        weight(self.binding, role, layer)
    }

    fn number(&self, setting: Option<&Setting>) -> Option<f64> {
        self.said.number(setting?)
    }

    fn cap(&self, setting: Option<&Setting>) -> Option<f32> {
        self.number(setting).filter(|&cap| cap > 0.0).map(|cap| cap as f32)
    }

    fn computation(&self) -> Result<Computation, NotRunnable> {
        let (binding, compute) = (self.binding, self.compute);
        let Some(embed) = self.weight(Role::Embed, None) else { return NotRunnable::because("it has no table of tokens") };
        let Some(heads) = binding.heads else {
            return NotRunnable::because("neither config nor header says how many attention heads it has");
        };
        let Some(q) = self.weight(Role::AttnQ, Some(0)) else { return NotRunnable::because("its first block has no queries") };
        let layers = binding.layers.iter().find(|(stack, _)| *stack == Stack::Single).map_or(0, |(_, n)| *n);
        let declared = self.family.layers.single.as_ref().and_then(|setting| self.said.count(setting));
        if declared.is_some_and(|declared| declared != layers) {
            let declared = declared.unwrap_or_default();
            return NotRunnable::because(format!("its config declares {declared} blocks and its files hold {layers}"));
        }
        let head_dim = q.rows / heads.n_heads.max(1);
        if head_dim == 0 || head_dim * heads.n_heads != q.rows || heads.n_kv_heads == 0 || heads.n_heads % heads.n_kv_heads != 0 {
            return NotRunnable::because(format!("its {} rows of queries are not {} heads", q.rows, heads.n_heads));
        }
        let Some(epsilon) = self.said.number(&compute.epsilon) else {
            return NotRunnable::because("its config has no epsilon of its norms");
        };
        let activation = self.said.value(&compute.activation);
        let activation = activation.as_ref().and_then(Value::as_str).unwrap_or_default();
        let Some(activation) = Activation::named(activation) else {
            return NotRunnable::because(format!("its activation is `{}`, which is not known here", activation.escape_debug()));
        };
        let query_scalar = self.number(compute.query_scalar.as_ref()).unwrap_or(head_dim as f64);
        let (blocks, rotaries) = self.blocks(layers, head_dim)?;
        let model_type = self.said.config("model_type").and_then(Value::as_str).unwrap_or_default();
        let first_position = compute.first_position.get(model_type).copied().unwrap_or(0);
        let positions = self.weight(Role::PositionEmbed, None).map(|weight| weight.rows.saturating_sub(first_position));
        let experts = compute.experts.as_ref().filter(|_| self.weight(Role::MoeRouter, Some(0)).is_some());
        let experts = experts.map(|experts| Experts {
            chosen: self.said.count(&experts.chosen).unwrap_or(1),
            normalised: self.said.is_on(&experts.normalised),
        });
        Ok(Computation {
            hidden: embed.cols,
            vocabulary: embed.rows,
            heads: heads.n_heads,
            kv_heads: heads.n_kv_heads,
            head_dim,
            causal: compute.causal,
            norm: binding.form.norm,
            epsilon: epsilon as f32,
            activation,
            parallel: compute.parallel.as_ref().is_some_and(|setting| self.said.is_on(setting)),
            embed_scale: compute.embed_scale.map_or(1.0, |EmbedScale::RootOfHidden| (embed.cols as f32).sqrt()),
            score_scale: query_scalar.sqrt().recip() as f32,
            score_cap: self.cap(compute.score_cap.as_ref()),
            logit_cap: self.cap(compute.logit_cap.as_ref()),
            first_position,
            norms_in_stream: !binding.form.stream.is_empty(),
            max_positions: positions,
            blocks,
            rotaries,
            experts,
            unembed: self.unembed(),
        })
    }

    /// The head's own matrix, or the table where the two are tied. What only encodes has none.
    fn unembed(&self) -> Option<Slot> {
        let own = self.weight(Role::Unembed, None).is_some();
        // A masked language model's head transforms the stream first; its logits at a position are of that position's own token.
        if !self.compute.causal {
            return None;
        }
        let tied = self.said.is_on(&self.family.head.tied) || !own;
        Some(slot(if tied { Role::Embed } else { Role::Unembed }, None))
    }

    fn blocks(&self, layers: usize, head_dim: usize) -> Result<(Vec<BlockKind>, Vec<Rotary>), NotRunnable> {
        let mut rotaries = Vec::new();
        // Blocks turn in two ways at most: those with a window may have numbers of their own.
        let mut places = [None; 2];
        let mut blocks = Vec::with_capacity(layers);
        for layer in 0..layers {
            let window = self.compute.window.as_ref().and_then(|settings| self.window(settings, layer));
            let mut rotary = None;
            if let Some(settings) = self.compute.rotary.as_ref().filter(|settings| self.is_turned(settings, layer)) {
                let is_local = window.is_some() && settings.local_base.is_some();
                let place = &mut places[usize::from(is_local)];
                if place.is_none() {
                    *place = Some(rotaries.len());
                    rotaries.push(self.rotary(settings, is_local, head_dim)?);
                }
                rotary = *place;
            }
            blocks.push(BlockKind { rotary, window });
        }
        Ok((blocks, rotaries))
    }

    fn window(&self, settings: &WindowSettings, layer: usize) -> Option<usize> {
        let size = self.said.count(&settings.size).filter(|&size| size > 0)?;
        if settings.enabled.as_ref().is_some_and(|enabled| !self.said.is_on(enabled)) {
            return None;
        }
        let kinds = settings.kinds.as_ref().and_then(|kinds| self.said.value(kinds));
        let kind = kinds.as_ref().and_then(|kinds| kinds.get(layer)?.as_str());
        let is_windowed = match (kind, &settings.period, &settings.from) {
            (Some(kind), ..) => kind == SLIDING_ATTENTION,
            (None, Some(period), _) => kind_by_period(layer, self.said.count(period).unwrap_or(0)) == SLIDING_ATTENTION,
            (None, None, Some(from)) => self.said.count(from).is_none_or(|from| layer >= from),
            (None, None, None) => true,
        };
        is_windowed.then_some(size)
    }

    fn is_turned(&self, settings: &RotarySettings, layer: usize) -> bool {
        let layers = settings.layers.as_ref().and_then(|layers| self.said.value(layers));
        layers.as_ref().and_then(|layers| layers.get(layer)?.as_u64()) != Some(0)
    }

    fn rotary(&self, settings: &RotarySettings, local: bool, head_dim: usize) -> Result<Rotary, NotRunnable> {
        let base = if local { settings.local_base.as_ref() } else { Some(&settings.base) };
        let base = self.number(base).filter(|&base| base > 1.0);
        let Some(base) = base else { return NotRunnable::because("its rotary positions have no base") };
        let dims = settings.turned_dims(&self.said, head_dim);
        if dims > head_dim || !dims.is_multiple_of(2) {
            return NotRunnable::because(format!("{dims} dimensions of its heads of {head_dim} turn with the position"));
        }
        let object = if local { settings.local_scaling.as_ref() } else { settings.scaling.as_ref() };
        let object = object.and_then(|setting| self.said.value(setting));
        let header = settings
            .header_scaling
            .as_ref()
            .filter(|_| !local)
            .and_then(|header| Some(json!({ "rope_type": self.said.value(&header.kind)?, "factor": self.said.value(&header.factor) })));
        Rotary::new(&RotaryNumbers {
            dims,
            base,
            scaling: object.as_ref().or(header.as_ref()),
            max_positions: self.number(settings.max_positions.as_ref()),
            original_max_positions: self.number(settings.original_max_positions.as_ref()),
        })
    }
}
