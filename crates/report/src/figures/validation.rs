//! The figures of a validation: a Tippett plot, the empirical cross-entropy, and the best monotone calibration.

use super::svg::{Anchor, Svg};
use super::{Figure, NumberTable, WIDTH};
use crate::numbers;
use crate::validation::Validation;

/// Corners of the plot.
const LEFT: f64 = 62.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = WIDTH - 12.0;
const BOTTOM: f64 = 250.0;
const HEIGHT: f64 = 318.0;
const LETTER: f64 = 6.6;
/// Shares of derived and of independent pairs keep their colours on the page.
const DERIVED: &str = "suspect-line";
const INDEPENDENT: &str = "control c0";
const BEST: &str = "control c1";

pub(crate) fn draw(validation: &Validation) -> Vec<Figure> {
    [tippett(validation), cross_entropy(validation), pools(validation)].into_iter().flatten().collect()
}

/// A plot with two axes.
struct Plot {
    svg: Svg,
    x: [f64; 2],
    y: [f64; 2],
}

impl Plot {
    fn new(x: [f64; 2], y: [f64; 2], steps: [f64; 2], names: [&str; 2]) -> Self {
        let mut plot = Self { svg: Svg::new(), x, y };
        for value in ticks(x, steps[0]) {
            let at = plot.at(value, y[0]).0;
            plot.svg.line((at, TOP), (at, BOTTOM), if value == 0.0 { "zero" } else { "grid" });
            plot.svg.text((at, BOTTOM + 18.0), Anchor::Middle, "tick", &signed(value));
        }
        for value in ticks(y, steps[1]) {
            let at = plot.at(x[0], value).1;
            plot.svg.line((LEFT, at), (RIGHT, at), "grid");
            plot.svg.text((LEFT - 7.0, at + 4.5), Anchor::End, "tick", &signed(value));
        }
        plot.svg.rect(LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, "frame");
        plot.svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 37.0), Anchor::Middle, "axis", names[0]);
        plot.svg.text_upwards((11.0, (TOP + BOTTOM) / 2.0), Anchor::Middle, "axis", names[1]);
        plot
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, [low, high]: [f64; 2]| (value.clamp(low, high) - low) / (high - low);
        (LEFT + (RIGHT - LEFT) * share(x, self.x), BOTTOM - (BOTTOM - TOP) * share(y, self.y))
    }

    fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<(f64, f64)> = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.svg.polyline(&points, class);
    }

    /// A key below the axes, from left to right.
    fn key(&mut self, entries: &[(&str, &str)]) {
        let mut x = LEFT;
        for (class, words) in entries {
            self.svg.line((x, HEIGHT - 11.0), (x + 22.0, HEIGHT - 11.0), class);
            self.svg.text((x + 28.0, HEIGHT - 6.5), Anchor::Start, "tick", words);
            x += 28.0 + LETTER * words.chars().count() as f64 + 18.0;
        }
    }

    fn finish(self, id: &'static str, title: &str, caption: String, table: NumberTable) -> Figure {
        let svg = Some(self.svg.finish(id, (WIDTH, HEIGHT), title, &caption));
        Figure { id, title: title.to_owned(), caption, svg, tables: vec![table], wide: false }
    }
}

fn ticks([low, high]: [f64; 2], step: f64) -> impl Iterator<Item = f64> {
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(move |i| i as f64 * step)
}

fn signed(value: f64) -> String {
    numbers::plain(value).replace('-', "−")
}

/// Ends of an axis around values, whole numbers.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((-1.0, 1.0), |(low, high): (f64, f64), v| (if v < low { v } else { low }, if v > high { v } else { high }));
    [low.floor(), high.ceil()]
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> NumberTable {
    NumberTable { caption: String::new(), head: head.iter().map(|&name| name.to_owned()).collect(), rows }
}

fn tippett(validation: &Validation) -> Option<Figure> {
    let steps = &validation.tippett;
    let x = ends(steps.iter().map(|step| step[0]));
    let mut plot = Plot::new(x, [0.0, 1.0], [1.0, 0.25], ["log10 LR", "share of pairs with at least this"]);
    for (place, class) in [(1, DERIVED), (2, INDEPENDENT)] {
        let (mut points, mut reached) = (Vec::new(), x[0]);
        for step in steps {
            // The share at a value is that of everything since the value before it.
            points.extend([(reached, step[place]), (step[0], step[place])]);
            reached = step[0];
        }
        points.extend([(reached, 0.0), (x[1], 0.0)]);
        plot.curve(&points, class);
    }
    plot.key(&[(DERIVED, "derived pairs"), (INDEPENDENT, "independent pairs")]);
    let caption =
        "Tippett plot: how many pairs reach a log10 LR. The curve of derived pairs should stay high up to the right end, that of \
                   independent pairs should have fallen to 0 before the line at 0. What lies on the wrong side of that line is misleading."
            .to_owned();
    let rows = steps.iter().map(|step| [signed(step[0])].into_iter().chain(step[1..].iter().map(|v| numbers::percent(*v))).collect());
    let table = table(&["log10 LR of at least", "derived pairs", "independent pairs"], rows.collect());
    (!steps.is_empty()).then(|| plot.finish("fig-tippett", "How strong the evidence is", caption, table))
}

fn cross_entropy(validation: &Validation) -> Option<Figure> {
    let points = &validation.cross_entropy;
    let (first, last) = (points.first()?, points.last()?);
    let mut plot = Plot::new([first[0], last[0]], [0.0, 1.0], [1.0, 0.25], ["log10 prior odds", "bits still lacking"]);
    for (place, class) in [(3, INDEPENDENT), (2, BEST), (1, DERIVED)] {
        let curve: Vec<(f64, f64)> = points.iter().map(|point| (point[0], point[place])).collect();
        plot.curve(&curve, class);
    }
    plot.key(&[(DERIVED, "evidence"), (BEST, "best calibrated"), (INDEPENDENT, "none")]);
    let caption =
        "Empirical cross-entropy: what a reader still lacks, whatever the odds were before the evidence. The lower the better; a \
                   calibration above the curve without evidence would do harm there. The gap to the best monotone calibration is the \
                   price of bounds and of what the fit gets wrong."
            .to_owned();
    let rows = points
        .iter()
        .step_by(5)
        .map(|point| [signed(point[0])].into_iter().chain(point[1..].iter().map(|v| numbers::three_decimals(*v))).collect());
    let table = table(&["log10 prior odds", "with the evidence", "best calibrated", "without"], rows.collect());
    Some(plot.finish("fig-cross-entropy", "What it is worth to a reader", caption, table))
}

fn pools(validation: &Validation) -> Option<Figure> {
    let pools = &validation.pools;
    let (first, last) = (pools.first()?, pools.last()?);
    let x = ends(pools.iter().flat_map(|&(from, to, _)| [from, to]));
    let y = ends(pools.iter().filter_map(|pool| pool.2).chain(x));
    let mut plot = Plot::new(x, y, [1.0, 1.0], ["log10 LR that is stated", "log10 LR that pairs bear out"]);
    plot.curve(&[(x[0], x[0]), (x[1], x[1])], INDEPENDENT);
    for &(from, to, value) in pools {
        let at = value.unwrap_or(if to <= first.1 && from < last.0 { y[0] } else { y[1] });
        let ((left, height), (right, _)) = (plot.at(from, at), plot.at(to, at));
        plot.svg.line((left - 1.5, height), (right + 1.5, height), "stem");
        let tip = format!("{} to {}: {}", signed(from), signed(to), value.map_or("infinite".into(), signed));
        plot.svg.circle(((left + right) / 2.0, height), 3.5, "dot", &tip);
    }
    plot.key(&[("stem", "best monotone calibration"), (INDEPENDENT, "stated = borne out")]);
    let caption = "Pooled adjacent violators: pairs with neighbouring log10 LRs, and the log10 LR that their shares bear out. On the line the \
                   stated number is right; above it, on the right side, it is cautious. Pools at the lower and upper edge hold pairs of one \
                   kind alone, which bear out any number."
        .to_owned();
    let rows = pools.iter().map(|&(from, to, value)| vec![signed(from), signed(to), value.map_or("infinite".into(), signed)]);
    let table = table(&["from", "to", "borne out"], rows.collect());
    Some(plot.finish("fig-pools", "Whether the numbers mean what they say", caption, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_behind_the_value_that_reaches_it() {
        let validation = Validation { tippett: vec![[-1.0, 1.0, 1.0], [2.0, 0.5, 0.0]], ..Validation::default() };
        let figure = tippett(&validation).unwrap();
        assert_eq!(figure.tables[0].rows[1], ["2", "50.0 %", "0 %"].map(str::to_owned));
        let drawn = figure.svg.unwrap().to_string();
        // From the top left along the top to −1, then down at it to the share of the next value; the axis goes from −1 to 2.
        assert!(drawn.contains("62,12 62,12 62,131 428,131 428,250 428,250"), "{drawn}");
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert!(draw(&Validation::default()).is_empty());
    }
}
