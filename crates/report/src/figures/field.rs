//! A field of shaded cells on a fixed scale, which every matrix of the page is drawn with: blue towards 1, orange towards −1.

use super::svg::{Anchor, Svg};
use crate::numbers;

/// Shades on each side of zero; finer ones cannot be told apart.
const SHADES: usize = 50;
const SCALE_STEPS: usize = 10;

/// Where a field lies.
pub(super) struct Field {
    pub(super) left: f64,
    pub(super) top: f64,
    /// Width and height of a cell.
    pub(super) cell: (f64, f64),
    pub(super) n_rows: usize,
    pub(super) n_cols: usize,
}

impl Field {
    pub(super) fn right(&self) -> f64 {
        self.left + self.cell.0 * self.n_cols as f64
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.cell.1 * self.n_rows as f64
    }

    pub(super) fn at(&self, row: usize, col: usize) -> (f64, f64) {
        (self.left + self.cell.0 * col as f64, self.top + self.cell.1 * row as f64)
    }

    /// Row and column of every cell.
    pub(super) fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let n_cols = self.n_cols;
        (0..self.n_rows).flat_map(move |row| (0..n_cols).map(move |col| (row, col)))
    }

    /// The cells, as one path a shade: a path each would make a page of a hundred blocks too heavy.
    pub(super) fn draw(&self, svg: &mut Svg, words: (&str, &str), shade_at: impl Fn(usize, usize) -> Option<f64>) {
        svg.field((self.left, self.top), self.cell, (self.n_rows, self.n_cols), words);
        let mut shades: Vec<Vec<(f64, f64)>> = vec![Vec::new(); 2 * SHADES + 1];
        let mut absent = Vec::new();
        for (row, col) in self.places() {
            match shade_at(row, col) {
                Some(value) => {
                    let shade = (value.clamp(-1.0, 1.0) * SHADES as f64).round() as i64 + SHADES as i64;
                    if let Some(cells) = shades.get_mut(shade.unsigned_abs() as usize) {
                        cells.push(self.at(row, col));
                    }
                }
                None => absent.push(self.at(row, col)),
            }
        }
        svg.cells(&absent, self.cell, "absent", 1.0);
        for (i, cells) in shades.iter().enumerate().filter(|(i, _)| *i != SHADES) {
            let class = if i < SHADES { "heat-negative" } else { "heat" };
            svg.cells(cells, self.cell, class, i.abs_diff(SHADES) as f64 / SHADES as f64);
        }
    }
}

/// The scale of the shades, from 0 or −1 to 1. Gives its width.
pub(super) fn draw_scale(svg: &mut Svg, (left, top): (f64, f64), negative: bool) -> f64 {
    let steps: Vec<f64> = (0..=SCALE_STEPS).map(|i| i as f64 / SCALE_STEPS as f64).collect();
    let scale: Vec<f64> = if negative { steps.iter().rev().map(|v| -v).chain(steps.iter().skip(1).copied()).collect() } else { steps };
    let step = if negative { 7.0 } else { 12.0 };
    for (i, value) in scale.iter().enumerate() {
        let class = if *value < 0.0 { "heat-negative" } else { "heat" };
        svg.cell((left + step * i as f64, top), (step, 10.0), class, value.abs(), &numbers::plain(*value));
    }
    let width = step * scale.len() as f64;
    svg.rect(left, top, width, 10.0, "frame");
    svg.text((left, top + 25.0), Anchor::Start, "tick", if negative { "−1" } else { "0" });
    svg.text((left + width, top + 25.0), Anchor::End, "tick", "1, the same");
    width
}
