//! The scope: which fraction of each role and of each block of the suspect is shared.

use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH, label_every};
use crate::data::Scope;
use crate::{numbers, words};

const LABEL: f64 = 158.0;
const PERCENT: f64 = 64.0;
const ROW: f64 = 25.0;
const BAR: f64 = 13.0;
const MOST_LAYERS: usize = 512;

pub(super) fn draw(scope: &Scope) -> Option<Figure> {
    let roles = words::roles_in_order(&scope.roles);
    // Empty bars, or one bar that repeats the verdict's, are no picture.
    if scope.shared_fraction <= 0.0 || (roles.len() < 2 && scope.by_layer.is_empty()) {
        return None;
    }
    let width = WIDTH - LABEL - PERCENT;
    let mut svg = Svg::new();
    let mut top = 4.0;
    for (role, fraction) in &roles {
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
        let middle = top + BAR - 2.0;
        svg.text((LABEL - 9.0, middle), Anchor::End, "tick", &words::role(role));
        svg.rect(LABEL, top, width, BAR, "empty");
        if fraction > 0.0 {
            svg.rect(LABEL, top, width * fraction, BAR, "full");
        }
        svg.text((WIDTH, middle), Anchor::End, "tick", &numbers::percent(fraction));
        top += ROW;
    }
    if !scope.by_layer.is_empty() && scope.by_layer.len() <= MOST_LAYERS {
        top = strip(&mut svg, scope, top + 14.0);
    }
    let cut = scope.by_layer.len() > MOST_LAYERS;
    let title = "What is shared, by role and by block".to_owned();
    let mut caption = caption(scope, &roles);
    if cut {
        caption.push_str(&format!(
            " Not drawn by block: {} blocks are more than {MOST_LAYERS}; the table has them all.",
            scope.by_layer.len()
        ));
    }
    let svg = svg.finish("fig-scope", (WIDTH, top + 2.0), &title, &caption);
    Some(Figure { id: "fig-scope", title, caption, svg: Some(svg), tables: vec![table(scope, &roles)], wide: false })
}

/// One cell a block, as high as the fraction that is shared.
fn strip(svg: &mut Svg, scope: &Scope, top: f64) -> f64 {
    const HEIGHT: f64 = 40.0;
    let width = WIDTH - LABEL - PERCENT;
    let step = width / scope.by_layer.len() as f64;
    let gap = if step > 12.0 { 2.0 } else { 0.0 };
    svg.text((LABEL - 9.0, top + HEIGHT / 2.0 + 4.0), Anchor::End, "tick", "by block");
    for (i, layer) in scope.by_layer.iter().enumerate() {
        let x = LABEL + step * i as f64;
        let fraction = if layer.shared_fraction.is_finite() { layer.shared_fraction.clamp(0.0, 1.0) } else { 0.0 };
        let tip = format!("block {}: {} of {} parameters", layer.layer, numbers::percent(fraction), numbers::grouped(layer.elements));
        svg.cell((x, top), (step - gap, HEIGHT), "empty", 1.0, &tip);
        if fraction > 0.0 {
            svg.cell((x, top + HEIGHT * (1.0 - fraction)), (step - gap, HEIGHT * fraction), "full", 1.0, &tip);
        }
    }
    let longest = scope.by_layer.iter().map(|layer| layer.layer.chars().count()).max().unwrap_or(1) as f64;
    for (i, layer) in scope.by_layer.iter().enumerate().step_by(label_every(scope.by_layer.len(), step, 7.5 * longest + 6.0)) {
        svg.text((LABEL + step * i as f64 + (step - gap) / 2.0, top + HEIGHT + 16.0), Anchor::Middle, "tick", &layer.layer);
    }
    top + HEIGHT + 22.0
}

fn caption(scope: &Scope, roles: &[(&str, f64)]) -> String {
    let whole = roles.iter().filter(|(_, fraction)| *fraction >= 0.995).count();
    let none = roles.iter().filter(|(_, fraction)| *fraction <= 0.005).count();
    let parts = roles.len() - whole.min(roles.len()) - none.min(roles.len());
    let of_roles = if whole == roles.len() {
        "Every role is shared whole.".to_owned()
    } else {
        let some = if parts > 0 { format!(", {parts} in part") } else { String::new() };
        format!("Of {} roles {whole} are shared whole{some}, {none} not at all.", roles.len())
    };
    format!(
        "A role is the place of a tensor in the network. Shared: {} of the suspect's trained parameters. {of_roles}",
        numbers::percent(scope.shared_fraction)
    )
}

fn table(scope: &Scope, roles: &[(&str, f64)]) -> NumberTable {
    let mut rows: Vec<Vec<String>> = roles
        .iter()
        .map(|(role, fraction)| {
            let elements = scope.elements.get(*role).map_or_else(|| "–".to_owned(), |n| numbers::grouped(*n));
            vec![words::role(role), numbers::percent(*fraction), elements]
        })
        .collect();
    rows.extend(
        scope
            .by_layer
            .iter()
            .map(|layer| vec![format!("block {}", layer.layer), numbers::percent(layer.shared_fraction), numbers::grouped(layer.elements)]),
    );
    NumberTable { head: ["part", "shared", "parameters"].map(str::to_owned).to_vec(), rows, ..NumberTable::default() }
}
