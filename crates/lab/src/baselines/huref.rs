//! HuRef: cosine of the products of weights that no permutation and no rotation of the stream changes.

use super::pair::TokenRows;
use super::side::widened;
use super::{Baseline, BaselineCard, BaselinePair, BaselineSide, Measured, baseline_card};
use crate::Matrix;
use faer::{Mat, MatRef};
use sources::Role;

baseline_card! {
    /// Human-readable fingerprints: the cosine of invariant terms (ICS).
    ///
    /// # Formula
    /// `M_a = X W_Qᵀ W_K Xᵀ`, `M_b = X W_Vᵀ W_Oᵀ Xᵀ`, `M_f = X W_upᵀ W_downᵀ Xᵀ` of the last two blocks; the cosine of all six as one vector.
    /// # Shapes
    /// X `[tokens, width]`: embeddings of the same tokens on both sides; every term `[tokens, tokens]`. Widths, heads and units may differ.
    /// With `C` the product of weights and `G = XᵀY`, `⟨XCXᵀ, YDYᵀ⟩ = tr(Gᵀ C G Dᵀ)`, so that no term is ever formed.
    /// # Departures
    /// The authors choose the 4,096 rarest tokens of a corpus that are not too rare; here the first 4,096 common tokens by the digest of their
    /// bytes. Key and value heads of grouped attention are repeated. Mixtures of experts have no third term. Biases and norm gains are
    /// left out, as there.
    /// # Fails when
    /// Gains of norms are left out: folding them into the next matrix and turning the stream changes every term and no output, the more the
    /// less equal the gains are (.90 on `testdata/models/base`). Where the last two blocks are cut off, others stand in their place.
    static CARD = {
        id: "baseline.huref",
        source: "Zeng et al., HuRef, arXiv:2312.04828",
        states_p: false,
        threshold: None,
    }
}

/// Blocks from the end whose terms count.
const LAST_BLOCKS: usize = 2;

/// Products of weights between two readings of the stream, `[width, width]`: three for each of the last blocks.
pub(super) type Invariants = Vec<Option<Mat<f64>>>;

pub(super) struct HuRef;

impl Baseline for HuRef {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        let [x, y] = match pair.embeddings() {
            Ok(rows) => rows,
            Err(why) => return Measured::not_applicable(why),
        };
        let (ours, theirs) = match (pair.reference.invariants(), pair.suspect.invariants()) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(why), _) | (_, Err(why)) => return Measured::not_applicable(why),
        };
        let (own, across, other) = (products(&x, &x), products(&x, &y), products(&y, &y));
        let (mut aa, mut ab, mut bb) = (0.0, 0.0, 0.0);
        for (c, d) in ours.iter().zip(theirs).filter_map(|(c, d)| Some((c.as_ref()?, d.as_ref()?))) {
            aa += inner(&own, c, c);
            ab += inner(&across, c, d);
            bb += inner(&other, d, d);
        }
        if aa <= 0.0 || bb <= 0.0 {
            return Measured::not_applicable("the invariant terms of a side vanish");
        }
        Measured::value((ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
    }
}

/// `XᵀY`, summed in f64.
fn products(x: &TokenRows, y: &TokenRows) -> Mat<f64> {
    let wide = |rows: &TokenRows| -> Mat<f64> {
        let (n, width) = (rows.n(), rows.width);
        let narrow = MatRef::from_row_major_slice(&rows.values, n, width);
        Mat::from_fn(n, width, |row, col| f64::from(narrow[(row, col)]))
    };
    wide(x).transpose() * wide(y)
}

/// `⟨X C Xᵀ, Y D Yᵀ⟩` of `gram = XᵀY`.
fn inner(gram: &Mat<f64>, c: &Mat<f64>, d: &Mat<f64>) -> f64 {
    let turned = gram.transpose() * c * gram;
    (0..d.nrows()).map(|i| (0..d.ncols()).map(|j| turned[(i, j)] * d[(i, j)]).sum::<f64>()).sum()
}

/// The products of weights of a model's last blocks, or why it has none.
pub(super) fn invariants(side: &BaselineSide<'_>) -> Result<Invariants, String> {
    let n = side.blocks();
    if n < LAST_BLOCKS {
        return Err(format!("{n} blocks; the invariant terms are those of the last {LAST_BLOCKS}"));
    }
    let missing = |what: &str| format!("a model whose {what} no family describes");
    let heads = side.heads().ok_or_else(|| missing("heads"))?;
    let width = side.embedding().map(|table| table.cols).ok_or_else(|| missing("table of tokens"))?;
    let mut found = Vec::new();
    for layer in n - LAST_BLOCKS..n {
        let attention = [Role::AttnQ, Role::AttnK, Role::AttnV, Role::AttnOut].map(|role| side.block(role, layer));
        let [Some(q), Some(k), Some(v), Some(out)] = attention else { return Err(missing("attention")) };
        let group = heads.n_heads / heads.n_kv_heads.max(1);
        let (k, v) = (repeated(k, heads.n_kv_heads, group), repeated(v, heads.n_kv_heads, group));
        let fits = q.rows == k.rows && v.rows == out.cols && [q.cols, k.cols, v.cols, out.rows].iter().all(|&side| side == width);
        if !fits {
            return Err(format!("attention of block {layer} whose shapes do not fit its heads"));
        }
        found.push(Some(widened(q).transpose() * widened(&k)));
        found.push(Some(widened(&v).transpose() * widened(out).transpose()));
        let mlp = side.block(Role::MlpUp, layer).zip(side.block(Role::MlpDown, layer));
        let mlp = mlp.filter(|(up, down)| up.rows == down.cols && up.cols == width && down.rows == width);
        found.push(mlp.map(|(up, down)| widened(up).transpose() * widened(down).transpose()));
    }
    Ok(found)
}

/// Each head's rows `group` times in a row, as every query head of the group reads them.
fn repeated(matrix: &Matrix, n_kv_heads: usize, group: usize) -> Matrix {
    let rows_per_head = matrix.rows / n_kv_heads.max(1);
    let order: Vec<usize> =
        (0..n_kv_heads).flat_map(|head| (0..group).flat_map(move |_| head * rows_per_head..(head + 1) * rows_per_head)).collect();
    matrix.take_rows(&order)
}
