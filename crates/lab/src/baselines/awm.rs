//! AWM: coordinates are matched on embeddings, then queries and keys are aligned without bias.

use super::gram::{AttentionGrams, reordered};
use super::{Baseline, BaselineCard, BaselinePair, Measured, baseline_card};
use stats::InputError;
use stats::assignment::maximum_weight_assignment;
use stats::cka::{CentredGram, unbiased_cka};
use stats::products::{normalise_rows, row_products};

baseline_card! {
    /// The accurate weight-matrix fingerprint.
    ///
    /// # Formula
    /// π = the assignment that maximises `Σ |cos(X_i, Y_π(i))|` over columns of embeddings, `s` the signs of these cosines; then the
    /// unbiased linear CKA of `W_Qᵀ` with `W_Q'ᵀ` and of `W_Kᵀ` with `W_K'ᵀ`, residual coordinates as samples, those of the wider model
    /// chosen by π and s. The mean over blocks and the two matrices.
    /// # Shapes
    /// X `[tokens, width]`, embeddings of the common tokens; Gram matrices `W_QᵀW_Q` `[width, width]`, so that heads may be turned and
    /// differ in number. Models of unequal depth: blocks by a second assignment on the mean CKA.
    /// # Departures
    /// At most 4,096 common tokens. The authors set a z-score against independent pairs of theirs; here the CKA itself.
    /// # Fails when
    /// A turned residual stream has no coordinates to match. Maps inside heads that are not orthogonal, which rotary positions and
    /// products of queries and keys permit, or gains folded into the matrices. Signs are given to one side before centring, so that
    /// exchanging the sides changes the number a little.
    static CARD = {
        id: "baseline.awm",
        source: "Zeng et al., AWM, arXiv:2510.06738",
        states_p: false,
        threshold: None,
    }
}

pub(super) struct Awm;

impl Baseline for Awm {
    fn card(&self) -> &'static BaselineCard {
        &CARD
    }

    fn measure(&self, pair: &BaselinePair<'_>) -> Measured {
        measure(pair).unwrap_or_else(|error| Measured::not_applicable(error.to_string()))
    }
}

fn measure(pair: &BaselinePair<'_>) -> Result<Measured, InputError> {
    let [x, y] = match pair.embeddings() {
        Ok(rows) => rows,
        Err(why) => return Ok(Measured::not_applicable(why)),
    };
    let swap = x.width < y.width;
    let (wide, narrow) = if swap { (&y, &x) } else { (&x, &y) };
    let columns = |rows: &super::pair::TokenRows| {
        let mut columns = crate::Matrix::new(rows.n(), rows.width, rows.values.clone()).transposed();
        normalise_rows(&mut columns.values, columns.cols);
        columns
    };
    let mut cosines = vec![0.0; wide.width * narrow.width];
    row_products(&columns(narrow).values, &columns(wide).values, wide.n(), &mut cosines)?;
    let sizes: Vec<f32> = cosines.iter().map(|cosine| cosine.abs()).collect();
    let assigned = maximum_weight_assignment(&sizes, narrow.width, wide.width)?;
    let sign = |cosine: f32| if cosine < 0.0 { -1.0 } else { 1.0 };
    let chosen = assigned.column_of_row.iter().enumerate();
    let order: Vec<(usize, f32)> = chosen.filter_map(|(i, &j)| Some((j?, sign(cosines[i * wide.width + j?])))).collect();

    let sides = [pair.reference.attention_grams(), pair.suspect.attention_grams()];
    let [of_wide, of_narrow] = if swap { [sides[1], sides[0]] } else { sides };
    let fits = |grams: &[AttentionGrams], width: usize| !grams.is_empty() && grams.iter().all(|gram| gram.width == width);
    if !fits(of_wide, wide.width) || !fits(of_narrow, narrow.width) {
        return Ok(Measured::not_applicable("queries and keys that do not read the stream of the embeddings"));
    }
    let centred = |products: &[f32]| CentredGram::new(products, narrow.width);
    let of_wide: Vec<[CentredGram; 2]> =
        of_wide.iter().map(|gram| both(&gram.products, |p| centred(&reordered(p, gram.width, &order)))).collect::<Result<_, _>>()?;
    let of_narrow: Vec<[CentredGram; 2]> = of_narrow.iter().map(|gram| both(&gram.products, |p| centred(p))).collect::<Result<_, _>>()?;
    Ok(match mean_over_blocks(&of_wide, &of_narrow)? {
        Some(value) => Measured::value(value),
        None => Measured::not_applicable("queries or keys that do not vary"),
    })
}

fn both(products: &[Vec<f32>; 2], of: impl Fn(&[f32]) -> Result<CentredGram, InputError>) -> Result<[CentredGram; 2], InputError> {
    Ok([of(&products[0])?, of(&products[1])?])
}

/// Block against block where there are as many, else by the assignment that makes the mean largest.
fn mean_over_blocks(a: &[[CentredGram; 2]], b: &[[CentredGram; 2]]) -> Result<Option<f64>, InputError> {
    let alike = |a: &[CentredGram; 2], b: &[CentredGram; 2]| {
        let found: Vec<f64> = a.iter().zip(b).filter_map(|(a, b)| unbiased_cka(a, b)).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    };
    let values: Vec<f64> = if a.len() == b.len() {
        a.iter().zip(b).filter_map(|(a, b)| alike(a, b)).collect()
    } else {
        let all: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| alike(a, b).unwrap_or(0.0))).collect();
        let assigned = maximum_weight_assignment(&all, a.len(), b.len())?;
        assigned.column_of_row.iter().enumerate().filter_map(|(i, &j)| Some(all[i * b.len() + j?])).collect()
    };
    Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
}
