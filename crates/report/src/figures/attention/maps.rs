//! What two paired heads look at on one short prompt, side by side: the reference's on the left, the suspect's on the right.

use crate::data::{AttentionClaim, ClaimMap};
use crate::figures::field::Field;
use crate::figures::svg::{Anchor, Svg};
use crate::figures::{Figure, NumberTable, WIDTH, capital, shorten};
use crate::numbers;

/// As many pairs as the data format promises; their anchors.
const IDS: [[&str; 4]; 3] = [
    ["fig-map-1", "fig-map-1-reference", "fig-map-1-suspect", "fig-map-1-scale"],
    ["fig-map-2", "fig-map-2-reference", "fig-map-2-suspect", "fig-map-2-scale"],
    ["fig-map-3", "fig-map-3-reference", "fig-map-3-suspect", "fig-map-3-scale"],
];
/// Longer prompts would be unreadable.
const MOST_LABELS: usize = 48;
/// Letters of a token beside the field.
const LETTERS: usize = 11;
const LETTER: f64 = 7.0;
const LARGEST_CELL: f64 = 30.0;
/// Attention at the marks of the scale: squares of the shades.
const SCALE: [f64; 7] = [0.0, 0.01, 0.04, 0.16, 0.36, 0.64, 1.0];

pub(crate) fn draw(claim: &AttentionClaim) -> Vec<Figure> {
    claim.maps.iter().filter(|map| is_whole(map)).zip(&IDS).map(|(map, ids)| draw_pair(map, ids)).collect()
}

/// Whether both maps have a row and a column for each label.
fn is_whole(map: &ClaimMap) -> bool {
    let n = map.labels.len();
    (1..=MOST_LABELS).contains(&n) && map.reference.len() == n * n && map.suspect.len() == n * n
}

fn draw_pair(map: &ClaimMap, [id, reference, suspect, scale]: &[&'static str; 4]) -> Figure {
    let labels: Vec<String> = map.labels.iter().map(|label| shorten(&visible(label), LETTERS)).collect();
    let of = |side: &str, layer: u64, head: u64| format!("{side}: layer {layer}, head {head}");
    let sides = [
        (*reference, of("reference", map.at.reference_layer, map.at.reference_head), &map.reference),
        (*suspect, of("suspect", map.at.layer, map.at.head), &map.suspect),
    ];
    let drawn: String = sides.iter().map(|(id, title, values)| draw_map(id, title, &labels, values).to_string()).collect();
    let legend = draw_scale(scale);
    let r = numbers::three_decimals(map.residual);
    let title = format!("Layer {}, head {} of the suspect: r = {r}", map.at.layer, map.at.head);
    let n = map.labels.len();
    let looks_ahead = [&map.reference, &map.suspect]
        .into_iter()
        .any(|values| values.chunks(n).enumerate().any(|(row, attention)| attention.iter().skip(row + 1).any(|v| *v != 0.0)));
    let ahead = if looks_ahead { "" } else { ". The upper half is empty because a model that writes text never looks ahead" };
    let caption = format!(
        "Head {} in layer {} of the reference beside head {} in layer {} of the suspect, on prompt “{}”. Row by row: how the head spreads \
         its attention while it reads the word on the left{ahead}. Over all prompts, what remains of the two heads correlates by r\u{a0}=\u{a0}{r}.",
        map.at.reference_head,
        map.at.reference_layer,
        map.at.head,
        map.at.layer,
        shorten(&visible(&map.prompt), 40)
    );
    let tables = sides.iter().map(|(_, title, values)| table(title, &labels, values)).collect();
    let svg = Some(minijinja::Value::from_safe_string(format!(r#"<div class="pair">{drawn}</div>{legend}"#)));
    Figure { id, title, caption, svg, tables, wide: true }
}

/// A token as one can see it.
fn visible(label: &str) -> String {
    let text: String = label.trim_matches(' ').replace('\u{2581}', "").replace(['\n', '\r'], "↵").replace('\t', "⇥");
    if text.is_empty() { "␣".to_owned() } else { text }
}

/// Small attention is made visible: the shade is its square root.
fn shade(attention: f64) -> f64 {
    attention.abs().sqrt().copysign(attention)
}

fn draw_map(id: &str, title: &str, labels: &[String], values: &[f32]) -> minijinja::Value {
    let n = labels.len();
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(1) as f64 * LETTER;
    let (left, top) = (12.0 + longest, 34.0 + longest);
    let cell = ((WIDTH - left - 2.0) / n as f64).clamp(0.5, LARGEST_CELL);
    let field = Field { left, top, cell: (cell, cell), n_rows: n, n_cols: n };
    let mut svg = Svg::new();
    svg.text((left, 14.0), Anchor::Start, "heading", title);
    let class = if cell < 13.0 { "tick small" } else { "tick" };
    for (i, label) in labels.iter().enumerate() {
        let middle = cell * (i as f64 + 0.5) + 4.3;
        svg.text_upwards((left + middle, top - 6.0), Anchor::Start, class, label);
        svg.text((left - 6.0, top + middle), Anchor::End, class, label);
    }
    field.draw(&mut svg, ("reading", "looks at"), |row, col| values.get(row * n + col).map(|v| shade(f64::from(*v))));
    svg.rect(field.left, field.top, field.right() - field.left, field.bottom() - field.top, "frame");
    svg.finish(id, (WIDTH, field.bottom() + 6.0), title, &description(labels, values))
}

/// Where each row looks most.
fn description(labels: &[String], values: &[f32]) -> String {
    let most = |row: &[f32]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(col, _)| col);
    let looks =
        values.chunks(labels.len().max(1)).zip(labels).filter_map(|(row, label)| Some(format!("{label}: {}", labels.get(most(row)?)?)));
    format!("Where each word looks most: {}.", looks.collect::<Vec<_>>().join("; "))
}

fn draw_scale(id: &str) -> minijinja::Value {
    const STEP: f64 = 44.0;
    let mut svg = Svg::new();
    svg.text((0.0, 15.5), Anchor::Start, "tick", "attention");
    for (i, attention) in SCALE.iter().enumerate() {
        let x = 66.0 + STEP * i as f64;
        svg.cell((x, 6.0), (STEP, 10.0), "heat", shade(*attention), "");
        svg.text((x + STEP / 2.0, 31.0), Anchor::Middle, "tick", &format!("{:.0} %", attention * 100.0));
    }
    svg.rect(66.0, 6.0, STEP * SCALE.len() as f64, 10.0, "frame");
    svg.finish(id, (WIDTH, 36.0), "Scale of both maps", "From none of the attention, white, to all of it, dark.")
}

fn table(title: &str, labels: &[String], values: &[f32]) -> NumberTable {
    let mut head = vec!["reading \\ looks at".to_owned()];
    head.extend(labels.iter().cloned());
    let rows = values
        .chunks(labels.len().max(1))
        .zip(labels)
        .map(|(row, label)| std::iter::once(label.clone()).chain(row.iter().map(|v| numbers::three_decimals(f64::from(*v)))).collect());
    NumberTable { caption: capital(title), head, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(n: usize, entries: usize) -> ClaimMap {
        ClaimMap {
            labels: vec!["\u{2581}the".to_owned(); n],
            reference: vec![0.5; entries],
            suspect: vec![0.25; entries],
            ..ClaimMap::default()
        }
    }

    #[test]
    fn only_whole_maps_are_drawn_and_at_most_three() {
        let of = |maps: Vec<ClaimMap>| draw(&AttentionClaim { maps, ..AttentionClaim::default() }).len();
        assert_eq!([of(vec![map(2, 4)]), of(vec![map(2, 3)]), of(vec![map(0, 0)]), of(vec![map(49, 2401)])], [1, 0, 0, 0]);
        assert_eq!(of(vec![map(3, 9); 5]), 3);
    }

    #[test]
    fn tokens_can_be_seen() {
        assert_eq!(["\u{2581}the", "\n", " ", "", " of"].map(visible), ["the", "↵", "␣", "␣", "of"]);
        assert_eq!([shade(0.25), shade(0.0), shade(-0.01)], [0.5, 0.0, -0.1]);
    }
}
