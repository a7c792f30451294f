//! Tensor by tensor: the best counterpart beside the runner-up. A wide gap is what a copy shows and strangers do not.

use super::svg::{Anchor, Svg};
use super::{Figure, WIDTH};
use crate::data::TensorMatch;
use crate::numbers;

const HEIGHT: f64 = 250.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 44.0;
/// More tensors than this are gathered into this many groups.
const MOST_COLUMNS: usize = 200;

/// One tensor, or the least favourable values of several neighbours.
struct Column {
    best: Option<f64>,
    runner_up: Option<f64>,
    tip: String,
}

pub(super) fn draw(matches: &[TensorMatch]) -> Option<Figure> {
    let n_all = matches.len();
    let matches: Vec<&TensorMatch> = matches.iter().filter(|m| super::is_matrix(m)).collect();
    if matches.iter().all(|m| finite(m.cosine).is_none()) {
        return None;
    }
    let per_column = matches.len().div_ceil(MOST_COLUMNS).max(1);
    let columns: Vec<Column> = matches.chunks(per_column).map(column).collect();
    let negative = columns.iter().flat_map(|c| [c.best, c.runner_up]).flatten().any(|v| v < -0.05);
    let low = if negative { -1.0 } else { 0.0 };
    let y = |v: f64| BOTTOM - (v.clamp(low, 1.0) - low) / (1.0 - low) * (BOTTOM - TOP);
    let step = (WIDTH - LEFT - 8.0) / columns.len() as f64;
    let x = |i: usize| LEFT + step * (i as f64 + 0.5);
    let radius = (step * 0.4).clamp(1.8, 4.5);

    let mut svg = Svg::new();
    svg.circle((LEFT + 6.0, 9.0), 4.5, "dot", "");
    svg.text((LEFT + 16.0, 13.5), Anchor::Start, "tick", "best counterpart");
    svg.diamond((LEFT + 152.0, 9.0), 4.8, "second", "");
    svg.text((LEFT + 162.0, 13.5), Anchor::Start, "tick", "runner-up");
    svg.text((0.0, 13.5), Anchor::Start, "axis", "cosine");
    let ticks = if negative { [-1.0, -0.5, 0.0, 0.5, 1.0] } else { [0.0, 0.25, 0.5, 0.75, 1.0] };
    for tick in ticks {
        svg.line((LEFT, y(tick)), (WIDTH, y(tick)), if tick == 0.0 { "zero" } else { "grid" });
        svg.text((LEFT - 7.0, y(tick) + 4.0), Anchor::End, "tick", &short(tick));
    }
    for (i, column) in columns.iter().enumerate() {
        if let (Some(best), Some(second)) = (column.best, column.runner_up) {
            svg.line((x(i), y(best)), (x(i), y(second)), "gap");
        }
        if let Some(second) = column.runner_up {
            svg.diamond((x(i), y(second)), radius * 1.05, "second", &column.tip);
        }
        if let Some(best) = column.best {
            svg.circle((x(i), y(best)), radius, "dot", &column.tip);
        }
    }
    let label = if per_column == 1 { "matrices of the suspect, in file order" } else { "matrices of the suspect, in file order, gathered" };
    svg.text(((LEFT + WIDTH) / 2.0, HEIGHT - 14.0), Anchor::Middle, "axis", label);

    let title = "Best counterpart against runner-up".to_owned();
    let caption = caption(&matches, n_all - matches.len(), per_column);
    let svg = svg.finish("fig-margins", (WIDTH, HEIGHT), &title, &caption);
    Some(Figure { id: "fig-margins", title, caption, svg: Some(svg), tables: Vec::new(), wide: false })
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

/// The values least favourable to a counterpart: the lowest best and the highest runner-up.
fn column(matches: &[&TensorMatch]) -> Column {
    let best = matches.iter().filter_map(|m| finite(m.cosine)).min_by(f64::total_cmp);
    let runner_up = matches.iter().filter_map(|m| finite(m.runner_up)).max_by(f64::total_cmp);
    let names = match matches {
        [one] => one.suspect.name.clone(),
        [first, .., last] => format!("{} … {}", first.suspect.name, last.suspect.name),
        [] => String::new(),
    };
    let say = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), numbers::plain);
    Column { best, runner_up, tip: format!("{names}: best {}, runner-up {}", say(best), say(runner_up)) }
}

fn caption(matches: &[&TensorMatch], n_vectors: usize, per_column: usize) -> String {
    let all = column(matches);
    let mut caption = format!(
        "Each of {} matrices of the suspect: its likeness to its counterpart in the reference (dot), and to the next best matrix there \
         (diamond). A copy leaves a wide gap; strangers leave none.",
        matches.len()
    );
    if let Some(best) = all.best {
        caption.push_str(&format!(" Lowest dot: {}.", numbers::plain(best)));
    }
    match all.runner_up {
        Some(second) => caption.push_str(&format!(" Highest diamond: {}.", numbers::plain(second))),
        None => caption.push_str(" No matrix has a runner-up of a compatible shape."),
    }
    if n_vectors > 0 {
        caption.push_str(&format!(
            " Left out: {n_vectors} vectors, such as biases and norms, which look alike in unrelated models; they are in the table of tensors."
        ));
    }
    if per_column > 1 {
        caption.push_str(&format!(" Each mark stands for {per_column} neighbours and shows the values least favourable to a counterpart."));
    }
    caption
}

fn short(tick: f64) -> String {
    let text = format!("{:.2}", tick.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if tick < 0.0 { format!("−{text}") } else { text.to_owned() }
}
