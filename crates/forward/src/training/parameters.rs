//! The weights of a decoder, or as many numbers of the same places: a gradient, a moment of an optimiser.

use crate::attention::Attention;
use crate::mlp::Mlp;
use crate::norm::Norm;
use crate::product::Linear;
use crate::weights::slot;
use sources::{Part, Role, Slot};

/// One number for every weight of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    pub(crate) embed: Linear,
    pub(crate) positions: Option<Linear>,
    pub(crate) blocks: Vec<BlockParameters>,
    pub(crate) final_norm: Option<Norm>,
    /// Where the head is a matrix of its own.
    pub(crate) unembed: Option<Linear>,
}

/// Those of one block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlockParameters {
    pub(crate) attn_norm: Option<Norm>,
    pub(crate) attention: Attention,
    pub(crate) attn_post_norm: Option<Norm>,
    pub(crate) mlp_norm: Option<Norm>,
    pub(crate) mlp: Mlp,
    pub(crate) mlp_post_norm: Option<Norm>,
}

/// The numbers of one place, `[rows, cols]`; a vector has one column.
#[derive(Debug)]
pub struct Values<'a> {
    /// Which.
    pub slot: Slot,
    /// Outputs.
    pub rows: usize,
    /// Row-major. Gains are as they multiply.
    pub values: &'a mut [f32],
}

impl Values<'_> {
    /// Whether it is a matrix, which decays; gains and biases do not.
    pub fn is_matrix(&self) -> bool {
        self.values.len() > self.rows
    }
}

impl Parameters {
    /// As many zeros.
    pub fn zeros(&self) -> Self {
        let mut zeros = self.clone();
        zeros.each_mut().into_iter().for_each(|place| place.values.fill(0.0));
        zeros
    }

    /// Every place, always in the same order.
    pub fn each_mut(&mut self) -> Vec<Values<'_>> {
        let mut places = Vec::new();
        add_linear(&mut places, slot(Role::Embed, None), Some(&mut self.embed));
        add_linear(&mut places, slot(Role::PositionEmbed, None), self.positions.as_mut());
        for (layer, block) in self.blocks.iter_mut().enumerate() {
            let at = |role| slot(role, Some(layer));
            let Attention { q, k, v, out, q_norm, k_norm } = &mut block.attention;
            let linears = [(Role::AttnQ, q), (Role::AttnK, k), (Role::AttnV, v), (Role::AttnOut, out)];
            linears.into_iter().for_each(|(role, linear)| add_linear(&mut places, at(role), Some(linear)));
            let Mlp { gate, up, down } = &mut block.mlp;
            let linears = [(Role::MlpGate, gate.as_mut()), (Role::MlpUp, Some(up)), (Role::MlpDown, Some(down))];
            linears.into_iter().for_each(|(role, linear)| add_linear(&mut places, at(role), linear));
            let norms = [
                (Role::AttnNorm, &mut block.attn_norm),
                (Role::AttnQNorm, q_norm),
                (Role::AttnKNorm, k_norm),
                (Role::AttnPostNorm, &mut block.attn_post_norm),
                (Role::MlpNorm, &mut block.mlp_norm),
                (Role::MlpPostNorm, &mut block.mlp_post_norm),
            ];
            norms.into_iter().for_each(|(role, norm)| add_norm(&mut places, at(role), norm.as_mut()));
        }
        add_norm(&mut places, slot(Role::FinalNorm, None), self.final_norm.as_mut());
        add_linear(&mut places, slot(Role::Unembed, None), self.unembed.as_mut());
        places
    }

    /// Adds the numbers of another, place by place.
    pub fn add(&mut self, other: &mut Self) {
        for (mine, other) in self.each_mut().into_iter().zip(other.each_mut()) {
            mine.values.iter_mut().zip(other.values).for_each(|(a, b)| *a += *b);
        }
    }
}

fn add_linear<'a>(places: &mut Vec<Values<'a>>, slot: Slot, linear: Option<&'a mut Linear>) {
    let Some(Linear { rows, weight, bias, .. }) = linear else { return };
    places.push(Values { slot, rows: *rows, values: weight });
    places.extend(bias.as_mut().map(|bias| Values { slot: Slot { part: Part::Bias, ..slot }, rows: *rows, values: bias }));
}

fn add_norm<'a>(places: &mut Vec<Values<'a>>, slot: Slot, norm: Option<&'a mut Norm>) {
    let Some(Norm { gain, bias }) = norm else { return };
    places.push(Values { slot, rows: gain.len(), values: gain });
    places.extend(bias.as_mut().map(|bias| Values { slot: Slot { part: Part::Bias, ..slot }, rows: bias.len(), values: bias }));
}
