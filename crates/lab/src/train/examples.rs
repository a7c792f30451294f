//! What a training reads, step by step: a function of the step alone, so that a training goes on where it was interrupted.

use crate::Draws;
use forward::Target;
use std::sync::Arc;

/// What a sequence teaches.
#[derive(Debug, Clone, PartialEq)]
pub enum Learnt {
    /// Its own next tokens from this position on.
    NextTokens(usize),
    /// A teacher's probabilities of the next token at each position but the last, from this one on.
    Distributions(usize, Vec<f32>),
}

/// One sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// What is learnt of it.
    pub learnt: Learnt,
}

impl Example {
    /// As the gradient takes it.
    pub(super) fn target(&self) -> (&[u32], Target<'_>) {
        let target = match &self.learnt {
            Learnt::NextTokens(from) => Target::NextTokens(*from),
            Learnt::Distributions(from, all) => Target::Distributions(*from, all),
        };
        (&self.tokens, target)
    }
}

/// Where batches come from.
pub trait Examples: Sync {
    /// The sequences of one step.
    fn batch(&self, step: usize, size: usize) -> Vec<Example>;
    /// Names what is read, for the record and for a training that goes on: equal digests read equal batches.
    fn digest(&self) -> String;
}

/// Windows at random places of a run of documents.
#[derive(Debug, Clone)]
pub struct Windows {
    ids: Arc<[u32]>,
    length: usize,
    order: u64,
    digest: String,
}

impl Windows {
    /// Windows of `length` tokens and the one after them; `order` seeds their places.
    pub fn new(ids: Arc<[u32]>, length: usize, order: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        ids.iter().for_each(|id| {
            hasher.update(&id.to_le_bytes());
        });
        let digest = format!("windows of {length}, order {order}, {} tokens {}", ids.len(), hasher.finalize().to_hex());
        Self { ids, length, order, digest }
    }
}

impl Examples for Windows {
    fn batch(&self, step: usize, size: usize) -> Vec<Example> {
        let mut draws = Draws::new(self.order, &format!("windows/{step}"));
        let places = self.ids.len().saturating_sub(self.length).max(1);
        let window = |_| {
            let place = draws.below(places);
            let end = (place + self.length + 1).min(self.ids.len());
            Example { tokens: self.ids[place..end].to_vec(), learnt: Learnt::NextTokens(0) }
        };
        (0..size).map(window).collect()
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}

/// Whole sequences, each once an epoch, in an order that every epoch draws anew.
#[derive(Debug, Clone)]
pub struct Replies {
    all: Arc<[Example]>,
    order: u64,
    digest: String,
}

impl Replies {
    /// `order` seeds the order.
    pub fn new(all: Arc<[Example]>, order: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        for example in all.iter() {
            hasher.update(&(example.tokens.len() as u64).to_le_bytes());
            example.tokens.iter().for_each(|id| {
                hasher.update(&id.to_le_bytes());
            });
            let (from, shares) = match &example.learnt {
                Learnt::NextTokens(from) => (*from, [].as_slice()),
                Learnt::Distributions(from, shares) => (*from, shares.as_slice()),
            };
            hasher.update(&(from as u64).to_le_bytes());
            shares.iter().for_each(|share| {
                hasher.update(&share.to_le_bytes());
            });
        }
        let digest = format!("{} sequences, order {order}, {}", all.len(), hasher.finalize().to_hex());
        Self { all, order, digest }
    }

    /// Places of the sequences in the order in which an epoch, counted from 0, reads them.
    pub fn order(&self, epoch: usize) -> Vec<usize> {
        Draws::new(self.order, &format!("replies/{epoch}")).order(self.all.len())
    }

    /// Steps that read everything so many times.
    pub fn steps(&self, epochs: f64, batch: usize) -> usize {
        (epochs * self.all.len() as f64 / batch.max(1) as f64).ceil() as usize
    }
}

impl Examples for Replies {
    fn batch(&self, step: usize, size: usize) -> Vec<Example> {
        let n = self.all.len();
        let mut drawn: Option<(usize, Vec<usize>)> = None;
        let places = (step * size..(step + 1) * size).filter(|_| n > 0);
        let example = |place: usize| {
            let epoch = place / n;
            if drawn.as_ref().is_none_or(|(of, _)| *of != epoch) {
                drawn = Some((epoch, self.order(epoch)));
            }
            drawn.as_ref().map(|(_, order)| self.all[order[place % n]].clone())
        };
        places.filter_map(example).collect()
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_epoch_reads_every_reply_once() {
        let all: Vec<Example> = (0..10).map(|i| Example { tokens: vec![i, i], learnt: Learnt::NextTokens(0) }).collect();
        let replies = Replies::new(all.into(), 5);
        assert_eq!(replies.steps(2.0, 4), 5);
        let mut read: BTreeMap<u32, usize> = BTreeMap::new();
        for step in 0..replies.steps(2.0, 4) {
            replies.batch(step, 4).iter().for_each(|example| *read.entry(example.tokens[0]).or_default() += 1);
        }
        assert!(read.len() == 10 && read.values().all(|&n| n == 2), "{read:?}");
        let first: Vec<usize> = (0..3).flat_map(|step| replies.batch(step, 4)).map(|example| example.tokens[0] as usize).collect();
        assert_eq!(first[..10], replies.order(0));
        assert_eq!(first[10..], replies.order(1)[..2]);
    }

    #[test]
    fn windows_are_those_of_their_step_and_order() {
        let ids: Arc<[u32]> = (0..1000).collect();
        let windows = Windows::new(ids.clone(), 16, 1);
        let batch = windows.batch(3, 4);
        assert_eq!(batch, windows.batch(3, 4));
        assert_ne!(batch, windows.batch(4, 4));
        assert_ne!(batch, Windows::new(ids, 16, 2).batch(3, 4));
        assert!(batch.iter().all(|e| e.tokens.len() == 17 && e.tokens.windows(2).all(|pair| pair[1] == pair[0] + 1)));
    }
}
