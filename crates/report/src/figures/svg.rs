//! A small writer of SVG: numbers with one decimal, text always escaped.

use std::fmt::Write as _;

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// What tells marks apart where colours cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Pentagon,
    Bar,
}

/// A drawing in progress.
pub(super) struct Svg {
    body: String,
}

impl Svg {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.push(format_args!(r#"<rect x="{}" y="{}" width="{}" height="{}" class="{class}"/>"#, n(x), n(y), n(width), n(height)));
    }

    /// A rectangle whose class is its hue and whose opacity is its value; `tip` appears under the pointer.
    pub(super) fn cell(&mut self, at: (f64, f64), size: (f64, f64), class: &str, opacity: f64, tip: &str) {
        self.push(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" class="{class}" fill-opacity="{:.2}" data-tip="{}"/>"#,
            n(at.0),
            n(at.1),
            n(size.0),
            n(size.1),
            opacity.clamp(0.0, 1.0),
            escape(tip)
        ));
    }

    /// Rectangles of one size, class and opacity as one path.
    pub(super) fn cells(&mut self, corners: &[(f64, f64)], size: (f64, f64), class: &str, opacity: f64) {
        if corners.is_empty() || opacity <= 0.0 {
            return;
        }
        let (width, height) = (format!("{:.2}", size.0), format!("{:.2}", size.1));
        let mut path = String::new();
        for (x, y) in corners {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{x:.2} {y:.2}h{width}v{height}h-{width}z");
        }
        self.push(format_args!(r#"<path d="{path}" class="{class}" fill-opacity="{:.2}"/>"#, opacity.clamp(0.0, 1.0)));
    }

    /// The ground of a matrix; the page finds the cell under the pointer from its measures, and its value in the figure's table.
    /// `words` stand before the name of the row and of the column.
    pub(super) fn field(&mut self, at: (f64, f64), cell: (f64, f64), (rows, cols): (usize, usize), words: (&str, &str)) {
        self.push(format_args!(
            r#"<rect x="{:.2}" y="{:.2}" width="{:.2}" height="{:.2}" class="field" data-cell="{:.3} {:.3}" data-row="{}" data-col="{}"/>"#,
            at.0,
            at.1,
            cell.0 * cols as f64,
            cell.1 * rows as f64,
            cell.0,
            cell.1,
            escape(words.0),
            escape(words.1)
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.push(format_args!(r#"<line x1="{}" y1="{}" x2="{}" y2="{}" class="{class}"/>"#, n(from.0), n(from.1), n(to.0), n(to.1)));
    }

    pub(super) fn circle(&mut self, at: (f64, f64), radius: f64, class: &str, tip: &str) {
        self.push(format_args!(r#"<circle cx="{}" cy="{}" r="{}" class="{class}"{}/>"#, n(at.0), n(at.1), n(radius), tip_attribute(tip)));
    }

    pub(super) fn diamond(&mut self, at: (f64, f64), radius: f64, class: &str, tip: &str) {
        let (x, y) = at;
        let points =
            [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)].map(|(x, y)| format!("{},{}", n(x), n(y))).join(" ");
        self.push(format_args!(r#"<polygon points="{points}" class="{class}"{}/>"#, tip_attribute(tip)));
    }

    /// A line through several points.
    pub(super) fn polyline(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() > 1 {
            self.push(format_args!(r#"<polyline points="{}" class="{class}"/>"#, list(points)));
        }
    }

    /// An area with several corners.
    pub(super) fn polygon(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() > 2 {
            self.push(format_args!(r#"<polygon points="{}" class="{class}"/>"#, list(points)));
        }
    }

    pub(super) fn mark(&mut self, (x, y): (f64, f64), radius: f64, shape: Shape, class: &str) {
        let r = radius;
        let corners: &[(f64, f64)] = match shape {
            Shape::Square => &[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
            Shape::Triangle => &[(0.0, -1.1), (1.05, 0.8), (-1.05, 0.8)],
            Shape::Diamond => &[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)],
            Shape::TriangleDown => &[(0.0, 1.1), (1.05, -0.8), (-1.05, -0.8)],
            Shape::Pentagon => &[(0.0, -1.1), (1.05, -0.34), (0.65, 0.89), (-0.65, 0.89), (-1.05, -0.34)],
            Shape::Bar => &[(-1.1, -0.5), (1.1, -0.5), (1.1, 0.5), (-1.1, 0.5)],
        };
        let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + r * dx, y + r * dy)).collect();
        self.polygon(&corners, class);
    }

    /// An unseen rectangle that shows `tip` under the pointer.
    pub(super) fn tip_area(&mut self, at: (f64, f64), size: (f64, f64), tip: &str) {
        self.push(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" class="unseen"{}/>"#,
            n(at.0),
            n(at.1),
            n(size.0),
            n(size.1),
            tip_attribute(tip)
        ));
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let anchor = anchor.name();
        self.push(format_args!(r#"<text x="{}" y="{}" text-anchor="{anchor}" class="{class}">{}</text>"#, n(at.0), n(at.1), escape(text)));
    }

    /// Text that reads upwards.
    pub(super) fn text_upwards(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let (x, y) = (n(at.0), n(at.1));
        let anchor = anchor.name();
        self.push(format_args!(
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}" transform="rotate(-90 {x} {y})" class="{class}">{}</text>"#,
            escape(text)
        ));
    }

    /// The same as a file of its own, which no page lends colours to.
    pub(super) fn alone(self, id: &str, size: (f64, f64), title: &str, description: &str, style: &str) -> String {
        let drawing = self.finish(id, size, title, description).to_string();
        drawing.replacen("<svg ", r#"<svg xmlns="http://www.w3.org/2000/svg" "#, 1).replacen(
            "<title ",
            &format!("<style>{style}</style><title "),
            1,
        )
    }

    /// The finished drawing with its text alternative.
    pub(super) fn finish(self, id: &str, size: (f64, f64), title: &str, description: &str) -> minijinja::Value {
        minijinja::Value::from_safe_string(format!(
            r#"<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>{}</svg>"#,
            n(size.0),
            n(size.1),
            escape(title),
            escape(description),
            self.body
        ))
    }

    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(markup);
    }
}

fn list(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect::<Vec<_>>().join(" ")
}

fn tip_attribute(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!(r#" data-tip="{}""#, escape(tip)) }
}

/// A coordinate; anything that is not finite is drawn at the origin rather than written as `NaN`.
fn n(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text made safe inside elements and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in XML, and of no use in HTML.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!([n(1.0), n(0.25), n(-0.01), n(f64::NAN), n(f64::INFINITY)], ["1", "0.2", "0", "0", "0"]);
    }

    proptest! {
        #[test]
        fn escaped_text_holds_no_markup(text in ".*") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
