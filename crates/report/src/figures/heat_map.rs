//! Blocks of the suspect against blocks of the reference: derivation is a diagonal, independence is an empty field.

use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::BlockMatrix;
use crate::{numbers, words};

/// Cells larger than this are not needed.
const LARGEST_CELL: f64 = 64.0;
/// Cells at least this large hold their value as text.
const CELL_WITH_TEXT: f64 = 34.0;
/// Cells at least this large show which one is the highest of its row.
const CELL_WITH_MARK: f64 = 5.0;
/// A matrix with more rows or columns than this is left to its table.
const LARGEST_SIDE: usize = 192;
const LEGEND_STEPS: usize = 10;

pub(super) fn draw(matrix: &BlockMatrix) -> Option<Figure> {
    let (n_rows, n_cols) = (matrix.rows.len(), matrix.cols.len());
    if n_rows == 0 || n_cols == 0 || n_rows > LARGEST_SIDE || n_cols > LARGEST_SIDE {
        return None;
    }
    let longest = matrix.rows.iter().map(|row| row.chars().count()).max().unwrap_or(0).min(12);
    let left = 29.0 + 7.5 * longest as f64;
    let top = 46.0;
    let cell = ((WIDTH - left - 2.0) / n_cols as f64).clamp(0.5, LARGEST_CELL);
    let (right, bottom) = (left + cell * n_cols as f64, top + cell * n_rows as f64);
    let mut svg = Svg::new();

    svg.text(((left + right) / 2.0, 14.0), Anchor::Middle, "axis", "blocks of the suspect");
    svg.text_upwards((12.0, (top + bottom) / 2.0), "axis", "blocks of the reference");
    let widest = matrix.cols.iter().map(|col| col.chars().count()).max().unwrap_or(0).min(12) as f64;
    let every = label_every(n_cols, cell, 7.5 * widest + 6.0);
    for (j, name) in matrix.cols.iter().enumerate().step_by(every) {
        svg.text((left + cell * (j as f64 + 0.5), top - 8.0), Anchor::Middle, "tick", &shorten(name));
    }
    let every = label_every(n_rows, cell, 15.0);
    for (i, name) in matrix.rows.iter().enumerate().step_by(every) {
        svg.text((left - 7.0, top + cell * (i as f64 + 0.5) + 4.0), Anchor::End, "tick", &shorten(name));
    }

    svg.rect(left, top, right - left, bottom - top, "field");
    for (i, row) in matrix.rows.iter().enumerate() {
        for (j, col) in matrix.cols.iter().enumerate() {
            draw_cell(
                &mut svg,
                matrix.values.get(i).and_then(|values| values.get(j)).copied().flatten(),
                (left, top, cell),
                (i, j),
                (row, col),
            );
        }
    }
    // Marks after all cells, so that no cell covers one.
    for i in 0..n_rows {
        if let Some((j, _)) = best_of_row(matrix, i)
            && cell >= CELL_WITH_MARK
        {
            let (inset, class) = if cell >= 16.0 { (1.5, "best") } else { (0.3, "best thin") };
            svg.rect(left + cell * j as f64 + inset, top + cell * i as f64 + inset, cell - 2.0 * inset, cell - 2.0 * inset, class);
        }
    }
    svg.rect(left, top, right - left, bottom - top, "frame");

    let negative = matrix.values.iter().flatten().flatten().any(|v| *v < -0.1);
    draw_legend(&mut svg, left, bottom + 16.0, negative);

    let title = "Every block against every block".to_owned();
    let caption = caption(matrix);
    let svg = svg.finish("fig-blocks", (WIDTH, bottom + 48.0), &title, &caption);
    Some(Figure { id: "fig-blocks", title, caption, svg, table: table(matrix) })
}

fn draw_cell(svg: &mut Svg, value: Option<f64>, (left, top, cell): (f64, f64, f64), (i, j): (usize, usize), (row, col): (&str, &str)) {
    let at = (left + cell * j as f64, top + cell * i as f64);
    let centre = (at.0 + cell / 2.0, at.1 + cell / 2.0 + 4.5);
    let Some(value) = value.filter(|v| v.is_finite()) else {
        svg.cell(at, (cell, cell), "absent", 1.0, &format!("reference {row}, suspect {col}: cannot be compared"));
        return;
    };
    let class = if value < 0.0 { "heat-negative" } else { "heat" };
    svg.cell(at, (cell, cell), class, value.abs(), &format!("reference {row}, suspect {col}: {}", numbers::plain(value)));
    if cell >= CELL_WITH_TEXT {
        let class = if value.abs() > 0.55 { "value on" } else { "value" };
        svg.text(centre, Anchor::Middle, class, &two_decimals(value));
    }
}

/// The scale is fixed, so that two reports can be held side by side.
fn draw_legend(svg: &mut Svg, left: f64, top: f64, negative: bool) {
    let step = 14.0;
    let steps: Vec<f64> = (0..=LEGEND_STEPS).map(|i| i as f64 / LEGEND_STEPS as f64).collect();
    let values: Vec<f64> = if negative { steps.iter().rev().map(|v| -v).chain(steps.iter().skip(1).copied()).collect() } else { steps };
    let step = if negative { step / 1.5 } else { step };
    for (i, value) in values.iter().enumerate() {
        let class = if *value < 0.0 { "heat-negative" } else { "heat" };
        svg.cell((left + step * i as f64, top), (step, 10.0), class, value.abs(), &numbers::plain(*value));
    }
    let width = step * values.len() as f64;
    svg.rect(left, top, width, 10.0, "frame");
    svg.text((left, top + 25.0), Anchor::Start, "tick", if negative { "−1" } else { "0" });
    svg.text((left + width, top + 25.0), Anchor::End, "tick", "1");
    svg.rect(left + width + 18.0, top - 1.0, 12.0, 12.0, "best");
    svg.text((left + width + 36.0, top + 9.5), Anchor::Start, "tick", "highest of its row");
}

fn caption(matrix: &BlockMatrix) -> String {
    let rows: Vec<(usize, usize, f64)> =
        (0..matrix.rows.len()).filter_map(|i| best_of_row(matrix, i).map(|(j, best)| (i, j, best))).collect();
    let measure = if matrix.measure.is_empty() { "Agreement, from 0 (none) to 1 (the same)" } else { &matrix.measure };
    let roles = if matrix.roles.is_empty() {
        String::new()
    } else {
        format!(" over {}", matrix.roles.iter().map(|role| words::role(role)).collect::<Vec<_>>().join(", "))
    };
    let mut caption = format!("{measure}{roles}.");
    let named_alike = rows.iter().filter(|(i, j, _)| matrix.rows.get(*i) == matrix.cols.get(*j)).count();
    if !rows.is_empty() {
        caption.push_str(&format!(
            " In {named_alike} of {} blocks of the reference the highest agreement is with the suspect's block of the same place.",
            rows.len()
        ));
    }
    let lowest = rows.iter().map(|(_, _, best)| *best).min_by(f64::total_cmp);
    let runner_up = (0..matrix.rows.len()).filter_map(|i| runner_up_of_row(matrix, i)).max_by(f64::total_cmp);
    if let (Some(lowest), Some(runner_up)) = (lowest, runner_up) {
        caption.push_str(&format!(
            " The lowest of these highest values is {}; the highest second value of any row is {}.",
            numbers::plain(lowest),
            numbers::plain(runner_up)
        ));
    }
    caption
}

/// Column and value of the highest value of a row.
fn best_of_row(matrix: &BlockMatrix, row: usize) -> Option<(usize, f64)> {
    let values = matrix.values.get(row)?.iter().enumerate().filter_map(|(j, v)| v.filter(|v| v.is_finite()).map(|v| (j, v)));
    // The first of equals, whatever max_by would take.
    values.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// The second highest value of a row: as the report gives it, or as its cells do.
fn runner_up_of_row(matrix: &BlockMatrix, row: usize) -> Option<f64> {
    if let Some(given) = matrix.runner_up.get(row) {
        return given.filter(|v| v.is_finite());
    }
    let (best, _) = best_of_row(matrix, row)?;
    let others = matrix.values.get(row)?.iter().enumerate().filter(|(j, _)| *j != best);
    others.filter_map(|(_, v)| v.filter(|v| v.is_finite())).max_by(f64::total_cmp)
}

fn table(matrix: &BlockMatrix) -> NumberTable {
    let mut head = vec!["reference \\ suspect".to_owned()];
    head.extend(matrix.cols.iter().cloned());
    let rows = matrix.rows.iter().zip(&matrix.values).map(|(name, values)| {
        let mut row = vec![name.clone()];
        row.extend(values.iter().map(|v| v.map_or_else(|| "–".to_owned(), numbers::plain)));
        row
    });
    NumberTable { head, rows: rows.collect() }
}

fn two_decimals(value: f64) -> String {
    let text = format!("{:.2}", value.abs());
    if value < 0.0 && text != "0.00" { format!("−{text}") } else { text }
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= 12 { name.to_owned() } else { name.chars().take(11).chain(['…']).collect() }
}
