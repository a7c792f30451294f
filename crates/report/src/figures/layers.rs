//! The alignment test space by space: standard scores beside the band in which independent models lie, grouped by kind of space.

use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::Layer;
use crate::numbers;

/// Height of the plotted field of one row of panels.
const FIELD: f64 = 176.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 30.0;
/// Under a field: tick labels and two lines of the panel's name.
const BELOW: f64 = 58.0;
const GAP: f64 = 14.0;
/// Under the null hypothesis 99.7 % of standard scores lie within this.
const BAND: f64 = 3.0;
/// More entries than this stand in the table alone.
const MOST_ENTRIES: usize = 512;
/// Width of a letter, roughly.
const LETTER: f64 = 7.2;

/// Entries of one kind: all MLP units, all heads, the residual coordinates.
struct Panel<'a> {
    name: String,
    entries: Vec<(String, &'a Layer)>,
    width: f64,
}

/// What the vertical axis shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Z,
    Coincidences,
}

impl Measure {
    fn of(self, layer: &Layer) -> Option<f64> {
        match self {
            Self::Z => finite(layer.z),
            Self::Coincidences => agreeing_fraction(layer),
        }
    }
}

pub(super) fn draw(layers: &[Layer]) -> Option<Figure> {
    let measure = if layers.iter().any(|layer| finite(layer.z).is_some()) { Measure::Z } else { Measure::Coincidences };
    let values: Vec<f64> = layers.iter().filter_map(|layer| measure.of(layer)).collect();
    if values.is_empty() {
        return None;
    }
    let title = match measure {
        Measure::Z => "Alignment, part by part",
        Measure::Coincidences => "Coinciding units, part by part",
    }
    .to_owned();
    let mut caption = caption(&values, measure);
    if layers.len() > MOST_ENTRIES {
        let n = numbers::grouped(layers.len() as u64);
        caption
            .push_str(&format!(" Not drawn: {n} entries are more than the {MOST_ENTRIES} that the drawing holds; the table has them all."));
        return Some(Figure { id: "fig-layers", title, caption, svg: None, tables: vec![table(layers)], wide: false });
    }
    let (low, high) = match measure {
        Measure::Z => z_range(&values),
        Measure::Coincidences => (0.0, 1.0),
    };
    let rows = rows_of(panels(layers));
    let mut svg = Svg::new();
    svg.text(
        (0.0, 13.0),
        Anchor::Start,
        "axis",
        if measure == Measure::Z { "standard score z" } else { "fraction of units that coincide" },
    );
    let mut top = TOP;
    for row in &rows {
        draw_row(&mut svg, row, top, (low, high), measure);
        top += FIELD + BELOW;
    }
    let svg = svg.finish("fig-layers", (WIDTH, top), &title, &caption);
    Some(Figure { id: "fig-layers", title, caption, svg: Some(svg), tables: vec![table(layers)], wide: false })
}

/// Panels side by side under one axis.
fn draw_row(svg: &mut Svg, row: &[Panel<'_>], top: f64, (low, high): (f64, f64), measure: Measure) {
    let bottom = top + FIELD;
    let y = |v: f64| bottom - (v - low) / (high - low) * FIELD;
    let right = LEFT + row.iter().map(|panel| panel.width).sum::<f64>() + GAP * row.len().saturating_sub(1) as f64;
    for tick in ticks(low, high) {
        svg.line((LEFT, y(tick)), (right, y(tick)), if tick == 0.0 { "zero" } else { "grid" });
        svg.text((LEFT - 7.0, y(tick) + 4.0), Anchor::End, "tick", &numbers::plain(tick));
    }
    if measure == Measure::Z {
        svg.rect(LEFT, y(BAND), right - LEFT, y(-BAND) - y(BAND), "band");
    }
    let mut left = LEFT;
    for panel in row {
        let step = panel.width / panel.entries.len() as f64;
        let x = |i: usize| left + step * (i as f64 + 0.5);
        for (i, (_, layer)) in panel.entries.iter().enumerate() {
            match measure.of(layer) {
                Some(v) => {
                    svg.line((x(i), y(0.0)), (x(i), y(v)), "stem");
                    svg.circle((x(i), y(v)), (step * 0.35).clamp(1.5, 5.0), "dot", &tip(layer));
                }
                None => svg.text((x(i), y(0.0) - 5.0), Anchor::Middle, "tick", "–"),
            }
        }
        let longest = panel.entries.iter().map(|(place, _)| place.chars().count()).max().unwrap_or(0) as f64;
        let every = label_every(panel.entries.len(), step, LETTER * longest + 5.0);
        for (i, (place, _)) in panel.entries.iter().enumerate().step_by(every) {
            svg.text((x(i), bottom + 17.0), Anchor::Middle, "tick", place);
        }
        for (i, line) in two_lines(&panel.name).iter().enumerate() {
            svg.text((left + panel.width / 2.0, bottom + 35.0 + 15.0 * i as f64), Anchor::Middle, "axis", line);
        }
        left += panel.width + GAP;
        if left < right {
            svg.line((left - GAP / 2.0, top), (left - GAP / 2.0, bottom + 20.0), "grid");
        }
    }
}

/// Kind and place: `block 3, MLP units` → (`MLP units`, `3`); `decoder block 0, heads` → (`heads`, `d0`); `residual coordinates` has no place.
fn kind_and_place(label: &str) -> (String, String) {
    let stack = |text: &str| match text.trim() {
        "encoder" => "e",
        "decoder" => "d",
        _ => "",
    };
    if let Some((block, kind)) = label.split_once(", ")
        && let Some((prefix, number)) = block.split_once("block ")
    {
        return match kind.strip_prefix("units of expert ") {
            Some(expert) => ("units of the experts".to_owned(), format!("{}{number}.{expert}", stack(prefix))),
            None => (kind.to_owned(), format!("{}{number}", stack(prefix))),
        };
    }
    if let Some(prefix) = label.strip_suffix("residual coordinates") {
        return ("residual stream".to_owned(), stack(prefix).to_owned());
    }
    match (label.strip_prefix("encoder "), label.strip_prefix("decoder ")) {
        (Some(number), _) => ("blocks".to_owned(), format!("e{number}")),
        (_, Some(number)) => ("blocks".to_owned(), format!("d{number}")),
        _ => ("blocks".to_owned(), label.chars().take(12).collect()),
    }
}

/// One panel a kind, in order of first appearance.
fn panels(layers: &[Layer]) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for layer in layers {
        let (kind, place) = kind_and_place(&layer.layer);
        match panels.iter_mut().find(|panel| panel.name == kind) {
            Some(panel) => panel.entries.push((place, layer)),
            None => panels.push(Panel { name: kind, entries: vec![(place, layer)], width: 0.0 }),
        }
    }
    panels
}

/// Panels in rows, as words in lines; what is left of a row goes to its panels by their entries.
fn rows_of(panels: Vec<Panel<'_>>) -> Vec<Vec<Panel<'_>>> {
    let whole = WIDTH - LEFT - 6.0;
    let mut rows: Vec<Vec<Panel<'_>>> = Vec::new();
    let mut used = 0.0;
    for mut panel in panels {
        let words = two_lines(&panel.name).iter().map(|line| line.chars().count()).max().unwrap_or(0) as f64 * LETTER + 4.0;
        panel.width = if words < whole { (6.0 * panel.entries.len() as f64).clamp(words, whole) } else { whole };
        match rows.last_mut() {
            Some(row) if used + GAP + panel.width <= whole => {
                used += GAP + panel.width;
                row.push(panel);
            }
            _ => {
                used = panel.width;
                rows.push(vec![panel]);
            }
        }
    }
    for row in &mut rows {
        let spare = whole - row.iter().map(|panel| panel.width).sum::<f64>() - GAP * (row.len() - 1) as f64;
        let entries = row.iter().map(|panel| panel.entries.len()).sum::<usize>().max(1) as f64;
        for panel in row {
            panel.width += spare * panel.entries.len() as f64 / entries;
        }
    }
    rows
}

/// A name broken at the space nearest its middle.
fn two_lines(name: &str) -> Vec<&str> {
    let middle = name.len() / 2;
    let space = name.match_indices(' ').map(|(i, _)| i).min_by_key(|i| i.abs_diff(middle));
    match space {
        Some(i) if name.chars().count() > 9 => vec![&name[..i], &name[i + 1..]],
        _ => vec![name],
    }
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

fn agreeing_fraction(layer: &Layer) -> Option<f64> {
    match (layer.coincidences, layer.units) {
        (Some(k), Some(h)) if h > 0 => Some((k as f64 / h as f64).clamp(0.0, 1.0)),
        _ => None,
    }
}

/// The band of independence is always in the picture.
fn z_range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
    let high = values.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    let low = if low < -5.0 { low * 1.08 } else { -5.0 };
    let high = if high > 5.0 { high * 1.08 } else { 5.0 };
    (low, high)
}

/// Round numbers, about five of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * unit).find(|s| *s >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).take(24).map(|i| i as f64 * step).collect()
}

/// The name of an entry as a person says it: a bare number is a block.
fn name(layer: &Layer) -> String {
    if layer.layer.bytes().all(|b| b.is_ascii_digit()) { format!("block {}", layer.layer) } else { layer.layer.clone() }
}

fn tip(layer: &Layer) -> String {
    let mut tip = name(layer);
    if let Some(z) = finite(layer.z) {
        tip.push_str(&format!(": z = {}", numbers::z(z)));
    }
    if let (Some(k), Some(h)) = (layer.coincidences, layer.units) {
        tip.push_str(&format!(", {} of {} units coincide", numbers::grouped(k), numbers::grouped(h)));
    }
    if let Some(p) = finite(layer.log10_p) {
        tip.push_str(&format!(", log10 p = {}", numbers::log10(p)));
    }
    tip
}

fn caption(values: &[f64], measure: Measure) -> String {
    let lowest = values.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
    let highest = values.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    let say = |v: f64| if measure == Measure::Z { numbers::z(v) } else { numbers::plain(v) };
    let range = if values.len() == 1 { say(lowest) } else { format!("{} to {}", say(lowest), say(highest)) };
    match measure {
        Measure::Z => {
            let inside = values.iter().filter(|v| v.abs() <= BAND).count();
            format!(
                "How far the units, heads and coordinates of the two models agree index by index, in standard deviations of a random order: \
                 {range} here. Models that were initialised independently stay in the shaded band, −3 to 3, in 997 of 1,000 cases; here \
                 {inside} of {} do.",
                values.len()
            )
        }
        Measure::Coincidences => {
            format!(
                "Fraction of a block's units whose counterparts coincide: {range} here. Independent models: about one unit in the block."
            )
        }
    }
}

fn table(layers: &[Layer]) -> NumberTable {
    let dash = || "–".to_owned();
    NumberTable {
        head: ["where", "z", "coincidences", "units", "log10 p"].map(str::to_owned).to_vec(),
        rows: layers
            .iter()
            .map(|layer| {
                vec![
                    name(layer),
                    finite(layer.z).map_or_else(dash, numbers::z),
                    layer.coincidences.map_or_else(dash, numbers::grouped),
                    layer.units.map_or_else(dash, numbers::grouped),
                    finite(layer.log10_p).map_or_else(dash, numbers::log10),
                ]
            })
            .collect(),
        ..NumberTable::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Labels as `weights.unit-alignment` writes them.
    #[test]
    fn labels_fall_into_kinds_and_places() {
        let pair = |label: &str| {
            let (kind, place) = kind_and_place(label);
            format!("{kind}|{place}")
        };
        assert_eq!(pair("block 3, MLP units"), "MLP units|3");
        assert_eq!(pair("decoder block 0, cross-attention heads"), "cross-attention heads|d0");
        assert_eq!(pair("block 3, units of expert 7"), "units of the experts|3.7");
        assert_eq!(pair("residual coordinates"), "residual stream|");
        assert_eq!(pair("encoder residual coordinates"), "residual stream|e");
        assert_eq!([pair("11"), pair("decoder 3")], ["blocks|11", "blocks|d3"]);
    }

    #[test]
    fn what_is_too_long_to_draw_says_so_and_keeps_its_table() {
        let layers: Vec<Layer> = (0..600).map(|i| Layer { layer: i.to_string(), z: Some(1.0), ..Layer::default() }).collect();
        let figure = draw(&layers).unwrap();
        assert!(figure.svg.is_none() && figure.tables[0].rows.len() == 600);
        assert!(figure.caption.contains("600 entries are more than the 512"), "{}", figure.caption);
    }

    proptest! {
        #[test]
        fn ticks_lie_inside_and_stay_few(low in -1e6f64..-1.0, high in 1.0f64..1e6) {
            let ticks = ticks(low, high);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 12);
            prop_assert!(ticks.iter().all(|t| (low - 1e-6..=high + 1e-6).contains(t)));
        }

        #[test]
        fn panels_fit_their_rows_and_lose_nobody(labels in prop::collection::vec("(block [0-9]{1,3}, )?(MLP units|heads|cross-attention heads|residual coordinates|[a-z ]{1,20})", 1..200)) {
            let layers: Vec<Layer> = labels.into_iter().map(|layer| Layer { layer, z: Some(0.0), ..Layer::default() }).collect();
            let rows = rows_of(panels(&layers));
            prop_assert_eq!(rows.iter().flatten().map(|panel| panel.entries.len()).sum::<usize>(), layers.len());
            for row in &rows {
                let width = row.iter().map(|panel| panel.width).sum::<f64>() + GAP * (row.len() - 1) as f64;
                prop_assert!(LEFT + width <= WIDTH, "{width}");
            }
        }
    }
}
