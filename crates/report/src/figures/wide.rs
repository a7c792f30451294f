//! Drawings as wide as the page: places in percent of the width and heights in pixels, so that letters and marks keep their size on every screen.

use super::escape;
use crate::numbers;
use std::fmt::Write as _;

/// Places of values, in percent of the width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    pub(super) fn new(low: f64, high: f64) -> Self {
        if low.is_finite() && high.is_finite() && high > low { Self { low, high } } else { Self { low: -1.0, high: 1.0 } }
    }

    pub(super) fn at(self, value: f64) -> f64 {
        (value.clamp(self.low, self.high) - self.low) / (self.high - self.low) * 100.0
    }

    pub(super) fn width(self) -> f64 {
        self.high - self.low
    }

    /// Round values inside, at most `most` of them.
    pub(super) fn ticks(self, most: usize) -> Vec<f64> {
        let step = round_step(self.width() / most.max(1) as f64);
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|i| i as f64 * step).collect()
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(least)
}

/// How a text stands to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

impl Side {
    /// Inside, near the edges.
    pub(super) fn near(x: f64, margin: f64) -> Self {
        match x {
            x if x < margin => Self::Right,
            x if x > 100.0 - margin => Self::Left,
            _ => Self::Middle,
        }
    }

    /// Towards the wider part.
    pub(super) fn of_room(x: f64) -> Self {
        if x > 55.0 { Self::Left } else { Self::Right }
    }

    fn anchor(self) -> &'static str {
        match self {
            Self::Left => "end",
            Self::Middle => "middle",
            Self::Right => "start",
        }
    }

    fn sign(self) -> f64 {
        match self {
            Self::Left => -1.0,
            Self::Middle => 0.0,
            Self::Right => 1.0,
        }
    }
}

/// A drawing in progress.
pub(super) struct Wide {
    body: String,
}

impl Wide {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.push(format_args!(r#"<line x1="{}%" y1="{}" x2="{}%" y2="{}" class="{class}"/>"#, n(x1), n(y1), n(x2), n(y2)));
    }

    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str, tip: &str) {
        let tip = tip_attribute(tip);
        self.push(format_args!(r#"<rect x="{}%" y="{}" width="{}%" height="{}" class="{class}"{tip}/>"#, n(x), n(y), n(width), n(height)));
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, class: &str, tip: &str) {
        let tip = tip_attribute(tip);
        self.push(format_args!(r#"<circle cx="{}%" cy="{}" r="{}" class="{class}"{tip}/>"#, n(x), n(y), n(radius)));
    }

    /// `away` pixels beside its place.
    pub(super) fn text(&mut self, (x, y): (f64, f64), side: Side, away: f64, class: &str, text: &str) {
        let anchor = side.anchor();
        let text = escape(text);
        let dx = n(side.sign() * away);
        self.push(format_args!(r#"<text x="{}%" y="{}" dx="{dx}" text-anchor="{anchor}" class="{class}">{text}</text>"#, n(x), n(y)));
    }

    /// Ticks and their numbers under a field, with a line through it for each.
    pub(super) fn axis(&mut self, axis: Axis, ticks: &[f64], (top, bottom): (f64, f64)) {
        for &tick in ticks {
            let x = axis.at(tick);
            self.line((x, top), (x, bottom), if tick == 0.0 { "zero" } else { "grid" });
            self.text((x, bottom + 17.0), Side::near(x, 3.0), 0.0, "tick", &numbers::plain(tick));
        }
    }

    /// An area and a line that are stretched over a field; points are in percent of it, from its top left corner.
    pub(super) fn stretched(&mut self, (top, height): (f64, f64), area: (&str, &[(f64, f64)]), line: (&str, &[(f64, f64)])) {
        self.push(format_args!(
            r#"<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none" overflow="hidden">"#,
            n(top),
            n(height)
        ));
        for (name, (class, points)) in [("polygon", area), ("polyline", line)] {
            let points = points.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect::<Vec<_>>().join(" ");
            self.push(format_args!(r#"<{name} points="{points}" class="{class}"/>"#));
        }
        self.push(format_args!("</svg>"));
    }

    pub(super) fn finish(self, id: &str, height: f64, title: &str, description: &str) -> String {
        format!(
            r#"<svg class="plot" width="100%" height="{}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>{}</svg>"#,
            n(height),
            escape(title),
            escape(description),
            self.body
        )
    }

    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(markup);
    }
}

fn tip_attribute(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!(r#" data-tip="{}""#, escape(tip)) }
}

/// A coordinate with two decimals; anything that is not finite is drawn at the origin.
fn n(value: f64) -> String {
    let text = format!("{:.2}", if value.is_finite() { value } else { 0.0 });
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let of = |low, high, most| Axis::new(low, high).ticks(most).into_iter().map(numbers::plain).collect::<Vec<_>>().join(" ");
        assert_eq!(of(-0.42, 0.42, 7), "−0.4 −0.2 0 0.2 0.4");
        assert_eq!(of(-4.0, 9.3, 8), "−4 −2 0 2 4 6 8");
        assert_eq!(of(0.0, 0.05, 5), "0 0.01 0.02 0.03 0.04 0.05");
        assert_eq!(of(f64::NAN, 1.0, 2), "−1 0 1");
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!([n(1.0), n(0.256), n(-0.001), n(f64::NAN), n(f64::INFINITY), n(100.0)], ["1", "0.26", "0", "0", "0", "100"]);
    }
}
