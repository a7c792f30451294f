//! The alignment test block by block: standard scores beside the band in which independent models lie.

use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::Layer;
use crate::numbers;

const HEIGHT: f64 = 250.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = HEIGHT - 44.0;
/// Under the null hypothesis 99.7 % of standard scores lie within this.
const BAND: f64 = 3.0;
const MOST_LAYERS: usize = 512;

pub(super) fn draw(layers: &[Layer]) -> Option<Figure> {
    if layers.is_empty() || layers.len() > MOST_LAYERS {
        return None;
    }
    let by_z = layers.iter().any(|layer| finite(layer.z).is_some());
    let value = |layer: &Layer| if by_z { finite(layer.z) } else { agreeing_fraction(layer) };
    let values: Vec<f64> = layers.iter().filter_map(value).collect();
    let (low, high) = if by_z { z_range(&values) } else { (0.0, 1.0) };
    if values.is_empty() {
        return None;
    }
    let y = |v: f64| BOTTOM - (v - low) / (high - low) * (BOTTOM - TOP);
    let step = (WIDTH - LEFT - 8.0) / layers.len() as f64;
    let x = |i: usize| LEFT + step * (i as f64 + 0.5);

    let mut svg = Svg::new();
    svg.text((0.0, 13.0), Anchor::Start, "axis", if by_z { "standard score z" } else { "fraction of units that coincide" });
    for tick in ticks(low, high) {
        svg.line((LEFT, y(tick)), (WIDTH, y(tick)), if tick == 0.0 { "zero" } else { "grid" });
        svg.text((LEFT - 7.0, y(tick) + 4.0), Anchor::End, "tick", &numbers::plain(tick));
    }
    if by_z {
        svg.rect(LEFT, y(BAND), WIDTH - LEFT, y(-BAND) - y(BAND), "band");
    }
    for (i, layer) in layers.iter().enumerate() {
        let tip = tip(layer);
        match value(layer) {
            Some(v) => {
                svg.line((x(i), y(0.0)), (x(i), y(v)), "stem");
                svg.circle((x(i), y(v)), (step * 0.35).clamp(1.5, 5.5), "dot", &tip);
            }
            None => svg.text((x(i), y(0.0) - 5.0), Anchor::Middle, "tick", "–"),
        }
    }
    let longest = layers.iter().map(|layer| layer.layer.chars().count()).max().unwrap_or(1) as f64;
    for (i, layer) in layers.iter().enumerate().step_by(label_every(layers.len(), step, 7.5 * longest + 6.0)) {
        svg.text((x(i), BOTTOM + 18.0), Anchor::Middle, "tick", &layer.layer);
    }
    svg.text(((LEFT + WIDTH) / 2.0, HEIGHT - 6.0), Anchor::Middle, "axis", "block");

    let title = if by_z { "Alignment, block by block" } else { "Coinciding units, block by block" }.to_owned();
    let caption = caption(&values, by_z);
    let svg = svg.finish("fig-layers", (WIDTH, HEIGHT), &title, &caption);
    Some(Figure { id: "fig-layers", title, caption, svg, table: table(layers) })
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

fn tip(layer: &Layer) -> String {
    let mut tip = format!("block {}", layer.layer);
    if let Some(z) = finite(layer.z) {
        tip.push_str(&format!(": z = {}", numbers::plain(z)));
    }
    if let (Some(k), Some(h)) = (layer.coincidences, layer.units) {
        tip.push_str(&format!(", {} of {} units coincide", numbers::grouped(k), numbers::grouped(h)));
    }
    if let Some(p) = finite(layer.log10_p) {
        tip.push_str(&format!(", log10 p = {}", numbers::log10(p)));
    }
    tip
}

fn caption(values: &[f64], by_z: bool) -> String {
    let lowest = values.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0);
    let highest = values.iter().copied().max_by(f64::total_cmp).unwrap_or(0.0);
    let range =
        if values.len() == 1 { numbers::plain(lowest) } else { format!("{} to {}", numbers::plain(lowest), numbers::plain(highest)) };
    if by_z {
        format!(
            "How far the units of a block agree index by index, in standard deviations of a random order: {range} here. Independent models stay within the shaded band, −3 to 3, in 997 of 1,000 blocks."
        )
    } else {
        format!("Fraction of a block's units whose counterparts coincide: {range} here. Independent models: about one unit in the block.")
    }
}

fn table(layers: &[Layer]) -> NumberTable {
    let dash = || "–".to_owned();
    NumberTable {
        head: ["block", "z", "coincidences", "units", "log10 p"].map(str::to_owned).to_vec(),
        rows: layers
            .iter()
            .map(|layer| {
                vec![
                    layer.layer.clone(),
                    finite(layer.z).map_or_else(dash, numbers::plain),
                    layer.coincidences.map_or_else(dash, numbers::grouped),
                    layer.units.map_or_else(dash, numbers::grouped),
                    finite(layer.log10_p).map_or_else(dash, numbers::log10),
                ]
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ticks_lie_inside_and_stay_few(low in -1e6f64..-1.0, high in 1.0f64..1e6) {
            let ticks = ticks(low, high);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 12);
            prop_assert!(ticks.iter().all(|t| (low - 1e-6..=high + 1e-6).contains(t)));
        }
    }
}
