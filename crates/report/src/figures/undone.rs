//! The disguise undone: some units of one block in the order of the files, and in the order that matching found.

use super::field::{self, Field};
use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::Undone;
use crate::numbers;

/// Rows and columns that are drawn and listed.
const LARGEST_SIDE: usize = 128;
const LETTER: f64 = 7.3;
const LARGEST_CELL: f64 = 34.0;

/// One of the two fields.
struct Order<'a> {
    id: &'static str,
    title: &'static str,
    /// Units of the suspect, left to right.
    cols: &'a [u64],
    values: &'a [Vec<f64>],
}

impl Order<'_> {
    fn value_at(&self, row: usize, col: usize) -> Option<f64> {
        self.values.get(row)?.get(col).copied().filter(|v| v.is_finite())
    }
}

pub(super) fn draw(undone: &Undone) -> Option<Figure> {
    let n_rows = undone.rows.len().min(LARGEST_SIDE);
    let before =
        Order { id: "fig-undone-before", title: "before: as the files have them", cols: &undone.before, values: &undone.values_before };
    let after = Order { id: "fig-undone-after", title: "after: in the order found", cols: &undone.after, values: &undone.values_after };
    if n_rows == 0 || undone.before.is_empty() || undone.after.is_empty() {
        return None;
    }
    let caption = caption(undone, &before, &after);
    let labels = undone.rows.iter().chain(&undone.before).chain(&undone.after).map(|unit| unit.to_string().len()).max().unwrap_or(1);
    let drawings = [&before, &after].map(|order| draw_order(order, &undone.rows, n_rows, labels as f64 * LETTER));
    let mut scale = Svg::new();
    let width = field::draw_scale(&mut scale, (29.0, 6.0), true);
    scale.text((29.0 + width + 14.0, 15.5), Anchor::Start, "tick", "correlation, in both fields");
    let scale = scale.finish("fig-undone-scale", (WIDTH, 36.0), "Scale of both fields", "From −1 over 0, unrelated, to 1, the same.");
    let [left, right] = drawings;
    Some(Figure {
        id: "fig-undone",
        title: "The disguise undone".to_owned(),
        caption,
        svg: Some(minijinja::Value::from_safe_string(format!(r#"<div class="pair">{left}{right}</div>{scale}"#))),
        tables: [&before, &after].map(|order| table(order, &undone.rows, n_rows)).to_vec(),
        wide: true,
    })
}

fn draw_order(order: &Order<'_>, rows: &[u64], n_rows: usize, label: f64) -> minijinja::Value {
    let n_cols = order.cols.len().min(LARGEST_SIDE);
    let (left, top) = (31.0 + label, 54.0 + label);
    let cell = ((WIDTH - left - 2.0) / n_rows.max(n_cols) as f64).clamp(0.5, LARGEST_CELL);
    let field = Field { left, top, cell: (cell, cell), n_rows, n_cols };
    let mut svg = Svg::new();
    svg.text((left, 15.0), Anchor::Start, "heading", order.title);
    svg.text(((left + field.right()) / 2.0, 38.0), Anchor::Middle, "axis", "units of the suspect");
    svg.text_upwards((12.0, (top + field.bottom()) / 2.0), Anchor::Middle, "axis", "units of the reference");
    for (j, unit) in order.cols.iter().take(n_cols).enumerate().step_by(label_every(n_cols, cell, 14.0)) {
        svg.text_upwards((left + cell * (j as f64 + 0.5) + 4.5, top - 6.0), Anchor::Start, "tick", &unit.to_string());
    }
    for (i, unit) in rows.iter().take(n_rows).enumerate().step_by(label_every(n_rows, cell, 14.0)) {
        svg.text((left - 7.0, top + cell * (i as f64 + 0.5) + 4.0), Anchor::End, "tick", &unit.to_string());
    }
    field.draw(&mut svg, ("reference's unit", "suspect's unit"), |row, col| order.value_at(row, col));
    svg.rect(field.left, field.top, field.right() - field.left, field.bottom() - field.top, "frame");
    let say = |on_diagonal| range(order, on_diagonal).map_or_else(|| "none".to_owned(), between);
    let description = format!("Correlations on the diagonal: {}; elsewhere: {}.", say(true), say(false));
    svg.finish(order.id, (WIDTH, field.bottom() + 8.0), order.title, &description)
}

/// Lowest and highest of the values on the diagonal, or of those beside it.
fn range(order: &Order<'_>, on_diagonal: bool) -> Option<(f64, f64)> {
    let values = order.values.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, value)| (i == j, *value)));
    let mut values: Vec<f64> = values.filter(|(is_on, v)| *is_on == on_diagonal && v.is_finite()).map(|(_, v)| v).collect();
    values.sort_by(f64::total_cmp);
    Some((*values.first()?, *values.last()?))
}

fn between((low, high): (f64, f64)) -> String {
    let (low, high) = (numbers::three_decimals(low), numbers::three_decimals(high));
    if low == high { low } else { format!("{low} to {high}") }
}

fn caption(undone: &Undone, before: &Order<'_>, after: &Order<'_>) -> String {
    let same = undone.suspect == undone.reference;
    let blocks = if same {
        format!("block {} of both models", undone.suspect)
    } else {
        format!("block {} of the suspect and block {} of the reference", undone.suspect, undone.reference)
    };
    let mut caption = format!(
        "{} hidden units of {blocks}, each against each; the rows are the same in both fields. Before: what the files store, for units of equal \
         index. After: what the units do to the tokens that both models know, with the suspect's units in the order that unit matching \
         found. A disguised derivation has no diagonal before and a full one after; independent \
         models have none before and at most a faint one after, because matching always takes the best there is.",
        numbers::grouped(undone.rows.len() as u64)
    );
    if let (Some(first), Some(second)) = (range(before, true), range(after, true)) {
        caption.push_str(&format!(" On the diagonal: {} before, {} after.", between(first), between(second)));
    }
    if let Some((_, highest)) = range(after, false) {
        caption.push_str(&format!(" Highest beside the diagonal after: {}.", numbers::three_decimals(highest)));
    }
    let largest = undone.rows.len().max(undone.before.len()).max(undone.after.len());
    if largest > LARGEST_SIDE {
        caption.push_str(&format!(" Cut: the first {LARGEST_SIDE} units are shown here and in the tables; report.json has all."));
    }
    caption
}

fn table(order: &Order<'_>, rows: &[u64], n_rows: usize) -> NumberTable {
    let n_cols = order.cols.len().min(LARGEST_SIDE);
    let mut head = vec!["reference \\ suspect".to_owned()];
    head.extend(order.cols.iter().take(n_cols).map(u64::to_string));
    let rows = rows.iter().take(n_rows).enumerate().map(|(i, unit)| {
        let values = (0..n_cols).map(|j| order.value_at(i, j).map_or_else(|| "–".to_owned(), numbers::three_decimals));
        std::iter::once(unit.to_string()).chain(values).collect()
    });
    NumberTable { caption: super::capital(order.title), head, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(n: usize) -> Undone {
        let units: Vec<u64> = (0..n as u64).collect();
        let values = |diagonal: f64| (0..n).map(|i| (0..n).map(|j| if i == j { diagonal } else { -0.02 }).collect()).collect();
        Undone {
            suspect: "3".to_owned(),
            reference: "4".to_owned(),
            rows: units.clone(),
            before: units.clone(),
            after: units.into_iter().rev().collect(),
            values_before: values(0.01),
            values_after: values(0.97),
        }
    }

    #[test]
    fn the_caption_says_both_diagonals_and_both_blocks() {
        let figure = draw(&undone(8)).unwrap();
        for phrase in ["block 3 of the suspect and block 4 of the reference", "0.010 before, 0.970 after", "after: −0.020."] {
            assert!(figure.caption.contains(phrase), "no `{phrase}` in {}", figure.caption);
        }
        assert!(figure.tables.iter().all(|table| table.rows.len() == 8 && table.head.len() == 9));
        assert_eq!(figure.tables[1].head[1], "7");
    }

    #[test]
    fn short_values_are_absent_cells_and_long_ones_are_cut() {
        let mut ragged = undone(130);
        ragged.values_after.truncate(3);
        ragged.values_before[0].clear();
        let figure = draw(&ragged).unwrap();
        assert!(figure.caption.contains("Cut: the first 128"), "{}", figure.caption);
        assert_eq!(figure.tables[1].rows[3][1], "–");
        assert!(figure.svg.unwrap().to_string().contains("class=\"absent\""));
        assert!(draw(&Undone::default()).is_none());
    }
}
