//! One strip a measure, top to bottom: the suspect's mark stays or moves, and the controls' marks move away from it.
//!
//! Places are in percent of the width and heights in pixels, so that letters and marks keep their size on every screen; the titles stand
//! in the page beside the strips, or on a phone above each of them.

use crate::data::{AttentionClaim, ClaimRow, ClaimRowKind};
use crate::figures::{Figure, capital, escape};
use crate::numbers::three_decimals;
use std::fmt::Write as _;

/// Height of a strip; the style sheet's `--strip` is the same.
const STRIP: f64 = 92.0;
/// Where the rail of a strip lies, from its top.
const RAIL: f64 = 56.0;
/// The suspect's mark sits this far above the rail and the controls' below it, so that none hides another where all values are alike.
const ASIDE: f64 = 7.0;
/// Under the last strip: the ticks and what their ends mean.
const AXIS: f64 = 44.0;
/// Where the axis may begin. It always ends at 1.
const LOWS: [f64; 4] = [0.0, -0.25, -0.5, -1.0];
/// Letters of a name in a tooltip.
const LETTERS: usize = 40;

/// Places on the axis.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let lowest = values.min_by(f64::total_cmp).unwrap_or(0.0);
        Self { low: LOWS.into_iter().find(|low| *low <= lowest).unwrap_or(-1.0) }
    }

    /// In percent of the width.
    fn at(self, value: f64) -> f64 {
        (value.clamp(self.low, 1.0) - self.low) / (1.0 - self.low) * 100.0
    }

    fn ticks(self) -> Vec<f64> {
        let n = ((1.0 - self.low) * 4.0).round() as usize;
        (0..=n).map(|i| self.low + i as f64 / 4.0).collect()
    }
}

pub(crate) fn draw(claim: &AttentionClaim, names: &[String]) -> Figure {
    let n = claim.measures.len();
    let rows: Vec<(&ClaimRow, &str)> = claim.rows.iter().zip(names.iter().map(String::as_str).chain(std::iter::repeat(""))).collect();
    let axis = Axis::over(rows.iter().flat_map(|(row, _)| row.values.iter().flatten().copied()).filter(|v| v.is_finite()));
    let bottom = STRIP * n as f64;
    let mut body = String::new();
    draw_axis(&mut body, axis, bottom);
    for i in 0..n {
        let y = STRIP * i as f64 + RAIL;
        push(&mut body, format_args!(r#"<line x1="0" x2="100%" y1="{y}" y2="{y}" class="rail"/>"#));
    }
    // Controls first, so that the suspect lies on top.
    let suspects = rows.iter().filter(|(row, _)| row.kind == ClaimRowKind::Suspect);
    for (row, _) in rows.iter().filter(|(row, _)| row.kind == ClaimRowKind::Control).chain(suspects.clone()) {
        draw_trace(&mut body, axis, row, n);
    }
    for i in 0..n {
        draw_marks(&mut body, axis, &rows, i);
    }

    let title = "Six ways to correlate the same attention".to_owned();
    let title = if n == 6 { title } else { "Ways to correlate the same attention".to_owned() };
    let caption = "Each strip is one measure, and each step down takes away more of what all transformers have in common. The dot is the \
                   suspect, diamonds are independent models, all beside the same reference on the same prompts. Where the dot lies among \
                   the diamonds, the number does not tell the suspect from models that share nothing with the reference; where the \
                   diamonds fall far behind, it can."
        .to_owned();
    let titles: String = claim.measures.iter().enumerate().fold(String::new(), |mut titles, (i, measure)| {
        push(&mut titles, format_args!(r#"<p style="grid-row:{}"><span>{}</span></p>"#, i + 1, escape(&capital(&measure.title))));
        titles
    });
    let independent = match claim.rows.iter().filter(|row| row.kind == ClaimRowKind::Control).count() {
        0 => "independent models: none measured".to_owned(),
        1 => "1 independent model".to_owned(),
        n => format!("{n} independent models"),
    };
    let markup = format!(
        r#"<p class="key"><span>{SUSPECT_MARK} the suspect</span> <span>{CONTROL_MARK} {independent}</span></p><div class="strips" style="--n:{n}"><div class="titles">{titles}</div><svg width="100%" height="{}" role="img" aria-labelledby="fig-strips-t fig-strips-d"><title id="fig-strips-t">{}</title><desc id="fig-strips-d">{}</desc>{body}</svg></div>"#,
        bottom + AXIS,
        escape(&title),
        escape(&description(claim, &rows)),
    );
    let svg = Some(minijinja::Value::from_safe_string(markup));
    Figure { id: "fig-strips", title, caption, svg, tables: Vec::new(), wide: true }
}

const SUSPECT_MARK: &str =
    r#"<svg class="mark" width="16" height="16" role="img" aria-label="suspect"><circle cx="8" cy="8" r="6.5" class="suspect-dot"/></svg>"#;
const CONTROL_MARK: &str = r#"<svg class="mark" width="16" height="16" role="img" aria-label="independent model"><path d="M8 1.5 14.5 8 8 14.5 1.5 8z" class="control-diamond"/></svg>"#;

/// The marks of the suspect and of a control, to be set among letters.
pub(crate) fn marks() -> [minijinja::Value; 2] {
    [SUSPECT_MARK, CONTROL_MARK].map(|mark| minijinja::Value::from_safe_string(mark.to_owned()))
}

fn push(out: &mut String, markup: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(markup);
}

fn draw_axis(body: &mut String, axis: Axis, bottom: f64) {
    for tick in axis.ticks() {
        let x = axis.at(tick);
        let class = if tick == 0.0 { "zero" } else { "grid" };
        push(body, format_args!(r#"<line x1="{x:.2}%" x2="{x:.2}%" y1="26" y2="{bottom}" class="{class}"/>"#));
        let y = bottom + 17.0;
        let words = format!("{tick}").replace('-', "−");
        push(body, format_args!(r#"<text x="{x:.2}%" y="{y}" text-anchor="{}" class="tick">{words}</text>"#, anchor(x, 4.0)));
    }
    let y = bottom + 35.0;
    let x = axis.at(0.0);
    push(body, format_args!(r#"<text x="{x:.2}%" y="{y}" text-anchor="{}" class="axis">unrelated</text>"#, anchor(x, 12.0)));
    push(body, format_args!(r#"<text x="100%" y="{y}" text-anchor="end" class="axis">the same</text>"#));
}

/// Near an edge a text stays inside.
fn anchor(x: f64, margin: f64) -> &'static str {
    if x < margin {
        "start"
    } else if x > 100.0 - margin {
        "end"
    } else {
        "middle"
    }
}

/// Lines from strip to strip; where a measure has no value, the line is broken.
fn draw_trace(body: &mut String, axis: Axis, row: &ClaimRow, n: usize) {
    let (class, rail) = match row.kind {
        ClaimRowKind::Suspect => ("trace own", RAIL - ASIDE),
        ClaimRowKind::Control => ("trace", RAIL + ASIDE),
    };
    for i in 1..n {
        if let (Some(above), Some(below)) = (row.value(i - 1), row.value(i)) {
            let (y1, y2) = (STRIP * (i - 1) as f64 + rail, STRIP * i as f64 + rail);
            let (x1, x2) = (axis.at(above), axis.at(below));
            push(body, format_args!(r#"<line x1="{x1:.2}%" y1="{y1}" x2="{x2:.2}%" y2="{y2}" class="{class}"/>"#));
        }
    }
}

fn draw_marks(body: &mut String, axis: Axis, rows: &[(&ClaimRow, &str)], measure: usize) {
    let rail = STRIP * measure as f64 + RAIL;
    let (ours, theirs) = (rail - ASIDE, rail + ASIDE);
    let mut controls: Vec<f64> = Vec::new();
    for (row, name) in rows.iter().filter(|(row, _)| row.kind == ClaimRowKind::Control) {
        let Some(v) = row.value(measure) else { continue };
        controls.push(v);
        let tip = escape(&format!("independent, {}: {}", crate::figures::shorten(name, LETTERS), three_decimals(v)));
        push(
            body,
            format_args!(
                r#"<svg x="{:.2}%" y="{theirs}" overflow="visible"><path d="M0-6.5 6.5 0 0 6.5-6.5 0z" class="control-diamond" data-tip="{tip}"/></svg>"#,
                axis.at(v)
            ),
        );
    }
    controls.sort_by(f64::total_cmp);
    if let (Some(low), Some(high)) = (controls.first(), controls.last()) {
        let x = axis.at((low + high) / 2.0);
        let (low, high) = (three_decimals(*low), three_decimals(*high));
        let range = if low == high { low } else { format!("{low} to {high}") };
        push(
            body,
            format_args!(r#"<text x="{x:.2}%" y="{}" text-anchor="{}" class="theirs">{range}</text>"#, theirs + 21.0, anchor(x, 18.0)),
        );
    }
    for (row, name) in rows.iter().filter(|(row, _)| row.kind == ClaimRowKind::Suspect) {
        match row.value(measure) {
            Some(v) => {
                let x = axis.at(v);
                let tip = escape(&format!("suspect, {}: {}", crate::figures::shorten(name, LETTERS), three_decimals(v)));
                push(body, format_args!(r#"<circle cx="{x:.2}%" cy="{ours}" r="6.5" class="suspect-dot" data-tip="{tip}"/>"#));
                push(
                    body,
                    format_args!(
                        r#"<text x="{x:.2}%" y="{}" text-anchor="{}" class="ours">{}</text>"#,
                        ours - 12.0,
                        anchor(x, 8.0),
                        three_decimals(v)
                    ),
                );
            }
            None => push(
                body,
                format_args!(
                    r#"<text x="100%" y="{}" text-anchor="end" class="none">no number for the suspect; see the table</text>"#,
                    ours - 12.0
                ),
            ),
        }
    }
}

/// The whole figure in words.
fn description(claim: &AttentionClaim, rows: &[(&ClaimRow, &str)]) -> String {
    let sentence = |(i, title): (usize, String)| {
        let number = |row: &ClaimRow| row.value(i).map_or_else(|| "no number".to_owned(), three_decimals);
        let of =
            |kind: ClaimRowKind| rows.iter().filter(|(row, _)| row.kind == kind).map(|(row, _)| number(row)).collect::<Vec<_>>().join(", ");
        let controls = of(ClaimRowKind::Control);
        let controls = if controls.is_empty() { "none measured".to_owned() } else { controls };
        format!("{title}: suspect {}; independent models {controls}.", of(ClaimRowKind::Suspect))
    };
    claim.measures.iter().map(|m| capital(&m.title)).enumerate().map(sentence).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_begins_where_it_must_and_ends_at_one() {
        let low = |values: &[f64]| Axis::over(values.iter().copied()).low;
        assert_eq!([low(&[]), low(&[0.2]), low(&[-0.01, 0.9]), low(&[-0.3]), low(&[-0.9])], [0.0, 0.0, -0.25, -0.5, -1.0]);
        assert_eq!(Axis { low: -0.25 }.ticks(), [-0.25, 0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!([Axis { low: -1.0 }.at(0.0), Axis { low: 0.0 }.at(7.0)], [50.0, 100.0]);
    }
}
