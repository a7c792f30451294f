//! Every head of the suspect with its counterpart in the reference: heads down, layers across.

use crate::data::{AttentionClaim, ClaimHead};
use crate::figures::field::{self, Field};
use crate::figures::svg::{Anchor, Svg};
use crate::figures::{Figure, NumberTable, WIDTH, label_every};
use crate::numbers;
use std::collections::BTreeMap;

/// Rows and columns that are drawn and listed.
const LARGEST_SIDE: u64 = 128;
const LARGEST_CELL: f64 = 40.0;
const TALLEST_CELL: f64 = 30.0;
const LEFT: f64 = 50.0;
const TOP: f64 = 46.0;
/// What a clear counterpart reaches; the caption counts by it.
const CLEAR: f64 = 0.5;

pub(crate) fn draw(claim: &AttentionClaim) -> Option<Figure> {
    let by_place: BTreeMap<(u64, u64), &ClaimHead> = claim.heads.iter().map(|head| ((head.at.layer, head.at.head), head)).collect();
    let side = |n: u64, last: Option<u64>| n.max(last.map_or(0, |last| last.saturating_add(1))).min(LARGEST_SIDE) as usize;
    let n_cols = side(claim.n_layers, claim.heads.iter().map(|head| head.at.layer).max());
    let n_rows = side(claim.n_heads, claim.heads.iter().map(|head| head.at.head).max());
    if claim.heads.is_empty() || n_cols == 0 || n_rows == 0 {
        return None;
    }
    // Where nothing remains that could be measured, the raw correlation is shown, and the caption says so.
    let is_residual = claim.heads.iter().any(|head| finite(head.residual).is_some());
    let shown = |head: &ClaimHead| if is_residual { finite(head.residual) } else { finite(Some(head.raw)) };
    let at = |row: usize, col: usize| by_place.get(&(col as u64, row as u64)).copied();

    let width = ((WIDTH - LEFT - 2.0) / n_cols as f64).clamp(0.5, LARGEST_CELL);
    let field = Field { left: LEFT, top: TOP, cell: (width, width.clamp(6.0, TALLEST_CELL)), n_rows, n_cols };
    let mut svg = Svg::new();
    // The first and the last column of a narrow field leave no room for the words above it.
    let middle = ((LEFT + field.right()) / 2.0).clamp(LEFT + 60.0, WIDTH);
    svg.text((middle, 14.0), Anchor::Middle, "axis", "layers of the suspect");
    svg.text_upwards((12.0, (TOP + field.bottom()) / 2.0), Anchor::Middle, "axis", "heads");
    for col in (0..n_cols).step_by(label_every(n_cols, field.cell.0, 24.0)) {
        svg.text((LEFT + field.cell.0 * (col as f64 + 0.5), TOP - 8.0), Anchor::Middle, "tick", &col.to_string());
    }
    for row in (0..n_rows).step_by(label_every(n_rows, field.cell.1, 14.0)) {
        svg.text((LEFT - 7.0, TOP + field.cell.1 * (row as f64 + 0.5) + 4.5), Anchor::End, "tick", &row.to_string());
    }
    field.draw(&mut svg, ("head", "layer"), |row, col| at(row, col).and_then(shown));
    svg.rect(field.left, field.top, field.right() - field.left, field.bottom() - field.top, "frame");
    let values: Vec<f64> = claim.heads.iter().filter_map(shown).collect();
    field::draw_scale(&mut svg, (LEFT, field.bottom() + 16.0), values.iter().any(|v| *v < -0.05));

    let title = "Head by head".to_owned();
    let caption = caption(claim, &values, is_residual);
    let svg = svg.finish("fig-heads-map", (WIDTH, field.bottom() + 48.0), &title, &caption);
    let mut head = vec!["head \\ layer".to_owned()];
    head.extend((0..n_cols).map(|col| col.to_string()));
    let cell = |head: &ClaimHead| {
        let value = shown(head).map_or_else(|| "–".to_owned(), numbers::three_decimals);
        format!("{value} ({}.{})", head.at.reference_layer, head.at.reference_head)
    };
    let rows = (0..n_rows).map(|row| {
        let cells = (0..n_cols).map(|col| at(row, col).map_or_else(|| "–".to_owned(), cell));
        std::iter::once(row.to_string()).chain(cells).collect()
    });
    let table =
        NumberTable { caption: "In brackets: layer and head of the reference's counterpart".to_owned(), head, rows: rows.collect() };
    Some(Figure { id: "fig-heads", title, caption, svg: Some(svg), tables: vec![table], wide: false })
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

fn caption(claim: &AttentionClaim, values: &[f64], is_residual: bool) -> String {
    let mut caption =
        "Each cell is one attention head of the suspect, beside the head of the reference that it is paired with, one to one; the darker, the more \
                       alike."
            .to_owned();
    caption.push_str(if is_residual {
        " Shown is the correlation of what remains when the shared part is removed."
    } else {
        " Shown is the raw correlation, because nothing else could be measured head by head; independent models reach high values on it."
    });
    let n = values.len();
    let clear = values.iter().filter(|v| **v >= CLEAR).count();
    let in_place = claim.heads.iter().filter(|h| (h.at.layer, h.at.head) == (h.at.reference_layer, h.at.reference_head)).count();
    if n > 0 {
        caption.push_str(&format!(" {clear} of {n} heads reach {}.", numbers::plain(CLEAR)));
    }
    caption.push_str(&format!(
        " For {in_place} of {} heads, the counterpart has the same layer and number in the reference.",
        claim.heads.len()
    ));
    if claim.n_layers.max(claim.n_heads) > LARGEST_SIDE {
        caption.push_str(&format!(" Cut: the first {LARGEST_SIDE} layers and heads are shown here and in the table; report.json has all."));
    }
    caption
}
