//! Who listens to a forward pass, and to what.

/// What a listener wants to hear; the rest is not computed where that saves work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Scores and probabilities of every head.
    pub attention: bool,
    /// The residual stream before the first block, after each, and after the final norm.
    pub stream: bool,
    /// Gate and up activations of every MLP.
    pub units: bool,
    /// Logits, at the positions of [`Taps::logit_positions`].
    pub logits: bool,
}

/// A head of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadAt {
    /// Index of the sequence in the batch.
    pub sequence: usize,
    /// Block, from 0.
    pub layer: usize,
    /// Query head, from 0.
    pub head: usize,
}

/// The units of one MLP on one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitsAt {
    /// Index of the sequence in the batch.
    pub sequence: usize,
    /// Block, from 0.
    pub layer: usize,
    /// The expert of a mixture, for the tokens that it was chosen for.
    pub expert: Option<usize>,
}

/// A listener. Calls come from several threads and in no fixed order; what is told is the same at any number of threads. Every place is told
/// once, but for an expert's units, which may come in parts. Blocks may come in any order; where each waits for all sequences
/// before the next begins, as in this engine, a listener needs the least memory.
///
/// Matrices are row-major with one row a token.
pub trait Taps: Sync {
    /// What to tell.
    fn wanted(&self) -> Wanted;

    /// Scores after scale and cap, and probabilities, `[n, n]`: row `i` is what token `i` attends to. Scores that the mask hides are
    /// negative infinity, their probabilities 0.
    fn attention(&self, at: HeadAt, scores: &[f32], probabilities: &[f32]) {
        let _ = (at, scores, probabilities);
    }

    /// The residual stream of a sequence, `[n, hidden]`, before block `layer`; `layer` = number of blocks gives it after the last block.
    fn stream(&self, sequence: usize, layer: usize, values: &[f32]) {
        let _ = (sequence, layer, values);
    }

    /// The stream after the final norm, `[n, hidden]`: what the unembedding reads, or an encoder's answer.
    fn last(&self, sequence: usize, values: &[f32]) {
        let _ = (sequence, values);
    }

    /// Activations of an MLP's units before the nonlinearity, `[tokens.len(), units]`: of the gate where there is one, and of the up
    /// projection. `tokens` are positions in the sequence; all of them, except for an expert.
    fn units(&self, at: UnitsAt, tokens: &[usize], gate: Option<&[f32]>, up: &[f32]) {
        let _ = (at, tokens, gate, up);
    }

    /// Positions of a sequence whose logits are wanted, ascending.
    fn logit_positions(&self, sequence: usize, n: usize) -> Vec<usize> {
        let _ = sequence;
        (0..n).collect()
    }

    /// Logits of the next token at one position, one a token of the vocabulary, after the final cap where the model has one.
    fn logits(&self, sequence: usize, position: usize, values: &[f32]) {
        let _ = (sequence, position, values);
    }
}
