//! The stream before the first block.

use super::Network;
use sources::{Role, SourceError};

impl Network<'_> {
    /// Rows of the tables for every token of every sequence, one after another, normed where the family norms them.
    pub(super) fn embed(&self, sequences: &[impl AsRef<[u32]>]) -> Result<Vec<f32>, SourceError> {
        let computation = &self.computation;
        let hidden = computation.hidden;
        let ids: Vec<usize> = sequences.iter().flat_map(AsRef::as_ref).map(|&id| id as usize).collect();
        let mut stream = self.weights.rows(Role::Embed, &ids)?.unwrap_or_default();
        if computation.embed_scale != 1.0 {
            stream.iter_mut().for_each(|v| *v *= computation.embed_scale);
        }
        let longest = sequences.iter().map(|sequence| sequence.as_ref().len()).max().unwrap_or(0);
        let positions: Vec<usize> = (0..longest).map(|position| position + computation.first_position).collect();
        let positions = self.weights.rows(Role::PositionEmbed, &positions)?;
        // All tokens are of the first type.
        let of_type = self.weights.rows(Role::TypeEmbed, &[0])?;
        let mut rest = stream.as_mut_slice();
        for sequence in sequences {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(sequence.as_ref().len() * hidden);
            if let Some(positions) = &positions {
                own.iter_mut().zip(positions).for_each(|(v, p)| *v += p);
            }
            if let Some(of_type) = &of_type {
                own.chunks_exact_mut(hidden).for_each(|vector| vector.iter_mut().zip(of_type).for_each(|(v, t)| *v += t));
            }
            rest = after;
        }
        self.normed(self.weights.norm(Role::EmbedNorm, None)?.as_ref(), &mut stream);
        Ok(stream)
    }
}
