//! What remains between the two models once the disguise is undone: relative difference, block by block and role by role.

use super::field::Field;
use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::Remainder;
use crate::{numbers, words};
use std::collections::BTreeMap;

/// Rows that are drawn; the tables have them all.
const MOST_ROWS: usize = 160;
/// Height of all rows, where there are many.
const HEIGHT: f64 = 560.0;
const ROW: (f64, f64) = (3.5, 22.0);
const LARGEST_WIDTH: f64 = 64.0;
/// Cells at least this large hold their value as text.
const CELL_WITH_TEXT: (f64, f64) = (33.0, 15.0);
const LETTER: f64 = 7.0;
/// Norm of the difference of two unrelated tensors of one size, over the norm of one: the square root of 2.
const UNRELATED: f64 = std::f64::consts::SQRT_2;
const OUTSIDE: &str = "outside";

/// Blocks and roles in their order, and what is known of each pair.
struct Grid<'a> {
    blocks: Vec<&'a str>,
    roles: Vec<&'a str>,
    entries: BTreeMap<(&'a str, &'a str), &'a Remainder>,
}

impl<'a> Grid<'a> {
    fn new(remainder: &'a [Remainder]) -> Self {
        let mut blocks: Vec<&str> = Vec::new();
        let mut roles: Vec<&str> = Vec::new();
        let mut entries = BTreeMap::new();
        for entry in remainder {
            if !blocks.contains(&entry.block.as_str()) {
                blocks.push(&entry.block);
            }
            if !roles.contains(&entry.role.as_str()) {
                roles.push(&entry.role);
            }
            entries.entry((entry.block.as_str(), entry.role.as_str())).or_insert(entry);
        }
        // Stable: blocks stay in the order of the data, and what is outside of them comes first.
        blocks.sort_by_key(|block| !block.is_empty());
        roles.sort_by_key(|role| words::role_order(role));
        Self { blocks, roles, entries }
    }

    fn difference(&self, row: usize, col: usize) -> Option<f64> {
        let entry = self.entries.get(&(*self.blocks.get(row)?, *self.roles.get(col)?))?;
        entry.relative_difference.filter(|v| v.is_finite())
    }
}

pub(super) fn draw(remainder: &[Remainder]) -> Option<Figure> {
    let grid = Grid::new(remainder);
    if remainder.iter().all(|r| r.relative_difference.is_none_or(|v| !v.is_finite())) {
        return None;
    }
    let (n_rows, n_cols) = (grid.blocks.len().min(MOST_ROWS), grid.roles.len());
    let names: Vec<String> =
        grid.blocks.iter().map(|block| if block.is_empty() { OUTSIDE.to_owned() } else { (*block).to_owned() }).collect();
    let roles: Vec<String> = grid.roles.iter().map(|role| words::role(role)).collect();
    let letters = |names: &[String]| names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
    let (left, top) = (31.0 + LETTER * letters(&names), 10.0 + LETTER * letters(&roles));
    let height = (HEIGHT / n_rows as f64).clamp(ROW.0, ROW.1);
    let width = ((WIDTH - left - 2.0) / n_cols as f64).clamp(1.0, LARGEST_WIDTH);
    let field = Field { left, top, cell: (width, height), n_rows, n_cols };
    let mut svg = Svg::new();
    svg.text_upwards((12.0, (top + field.bottom()) / 2.0), Anchor::Middle, "axis", "blocks of the suspect");
    for (j, role) in roles.iter().enumerate().step_by(label_every(n_cols, width, 14.0)) {
        svg.text_upwards((left + width * (j as f64 + 0.5) + 4.5, top - 7.0), Anchor::Start, "tick", role);
    }
    for (i, name) in names.iter().take(n_rows).enumerate().step_by(label_every(n_rows, height, 14.0)) {
        svg.text((left - 7.0, top + height * (i as f64 + 0.5) + 4.5), Anchor::End, "tick", name);
    }
    // Differences are orange everywhere on the page.
    field.draw(&mut svg, ("", ""), |row, col| grid.difference(row, col).map(|v| -shade(v)));
    if width >= CELL_WITH_TEXT.0 && height >= CELL_WITH_TEXT.1 {
        for (row, col) in field.places() {
            if let Some(value) = grid.difference(row, col) {
                let (x, y) = field.at(row, col);
                let class = if shade(value) > 0.7 { "value on" } else { "value" };
                svg.text((x + width / 2.0, y + height / 2.0 + 4.5), Anchor::Middle, class, &short(value));
            }
        }
    }
    svg.rect(left, top, field.right() - left, field.bottom() - top, "frame");
    let absent = field.places().any(|(row, col)| grid.difference(row, col).is_none());
    draw_scale(&mut svg, field.bottom() + 14.0, absent);

    let title = "What remains when the disguise is undone".to_owned();
    let caption = caption(remainder, &grid);
    let svg = svg.finish("fig-remainder", (WIDTH, field.bottom() + 46.0), &title, &caption);
    let number = |v: Option<f64>| v.filter(|v| v.is_finite()).map_or_else(|| "–".to_owned(), numbers::plain);
    let tables = vec![
        table("Relative difference", &grid, |r| number(r.relative_difference)),
        table("Correlation of the values", &grid, |r| number(r.correlation)),
        table("Units, rows or tokens compared", &grid, |r| numbers::grouped(r.n)),
    ];
    Some(Figure { id: "fig-remainder", title, caption, svg: Some(svg), tables, wide: false })
}

/// Darkness: the square root, so that 0.01 and 1 can both be told from nothing.
fn shade(difference: f64) -> f64 {
    (difference.abs() / UNRELATED).sqrt().clamp(0.0, 1.0)
}

fn draw_scale(svg: &mut Svg, top: f64, absent: bool) {
    let (left, step) = (31.0, 46.0);
    let values = [0.0, 0.01, 0.05, 0.2, 0.5, 1.0, UNRELATED];
    for (i, value) in values.into_iter().enumerate() {
        let x = left + step * i as f64;
        svg.cell((x, top), (step, 10.0), "heat-negative", shade(value), &numbers::plain(value));
        let label = if value == UNRELATED { "1.41".to_owned() } else { numbers::plain(value) };
        svg.text((x + step / 2.0, top + 25.0), Anchor::Middle, "tick", &label);
    }
    svg.rect(left, top, step * values.len() as f64, 10.0, "frame");
    if absent {
        let x = left + step * values.len() as f64 + 12.0;
        svg.rect(x, top - 1.0, 12.0, 12.0, "absent");
        svg.text((x + 17.0, top + 9.5), Anchor::Start, "tick", "none");
    }
}

fn caption(remainder: &[Remainder], grid: &Grid<'_>) -> String {
    let mut caption =
        "Size of the difference between the two models, over the size of the reference, after the suspect's units, heads and \
                       basis were put back into the reference's order: 0 is the same, 1.41 is unrelated. The darker, the more was changed \
                       besides the disguise."
            .to_owned();
    let known = || remainder.iter().filter_map(|r| r.relative_difference.filter(|v| v.is_finite()).map(|v| (r, v)));
    let lowest = known().map(|(_, v)| v).min_by(f64::total_cmp);
    if let (Some(lowest), Some((at, highest))) = (lowest, known().max_by(|a, b| a.1.total_cmp(&b.1))) {
        let place = if at.block.is_empty() { "outside the blocks".to_owned() } else { format!("in block {}", at.block) };
        caption.push_str(&format!(
            " Here {} to {}, the highest in the {} {place}.",
            numbers::plain(lowest),
            numbers::plain(highest),
            words::role(&at.role)
        ));
    }
    if grid.blocks.len() > MOST_ROWS {
        caption.push_str(&format!(" Cut: the first {MOST_ROWS} of {} blocks are drawn; the tables have them all.", grid.blocks.len()));
    }
    caption
}

fn table(caption: &str, grid: &Grid<'_>, say: impl Fn(&Remainder) -> String) -> NumberTable {
    let mut head = vec!["block".to_owned()];
    head.extend(grid.roles.iter().map(|role| words::role(role)));
    let rows = grid.blocks.iter().map(|block| {
        let name = if block.is_empty() { "outside the blocks".to_owned() } else { format!("block {block}") };
        let cells = grid.roles.iter().map(|role| grid.entries.get(&(*block, *role)).map_or_else(|| "–".to_owned(), |entry| say(entry)));
        std::iter::once(name).chain(cells).collect()
    });
    NumberTable { caption: caption.to_owned(), head, rows: rows.collect() }
}

/// What a cell holds: two decimals, and never 0 for what is not.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v < 0.005 => "<.01".to_owned(),
        v if v < 0.995 => format!("{v:.2}").trim_start_matches('0').to_owned(),
        v => format!("{v:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(block: &str, role: &str, difference: f64) -> Remainder {
        Remainder { block: block.to_owned(), role: role.to_owned(), n: 688, correlation: Some(0.99), relative_difference: Some(difference) }
    }

    #[test]
    fn blocks_keep_their_order_and_roles_follow_the_network() {
        let figure = draw(&[entry("10", "mlpUp", 0.1), entry("9", "attnQ", 0.02), entry("", "embed", 0.5)]).unwrap();
        let table = &figure.tables[0];
        assert_eq!(table.head, ["block", "embedding", "attention query", "MLP up"]);
        assert_eq!(table.rows[0], ["outside the blocks", "0.5", "–", "–"]);
        assert_eq!([&table.rows[1][0], &table.rows[2][0]], ["block 10", "block 9"]);
        assert!(figure.caption.contains("0.02 to 0.5, the highest in the embedding outside the blocks"), "{}", figure.caption);
    }

    #[test]
    fn small_is_not_nothing() {
        assert_eq!([0.0, 0.001, 0.07, 0.999, 1.41].map(short), ["0", "<.01", ".07", "1.0", "1.4"]);
        assert!(shade(0.01) > 0.08 && shade(1e9) == 1.0);
    }

    #[test]
    fn nothing_known_is_no_figure() {
        assert!(draw(&[]).is_none());
        assert!(draw(&[Remainder { relative_difference: None, ..entry("0", "embed", 0.0) }]).is_none());
    }
}
