//! What every cluster of requests shows: under the suspect, and under what must show nothing.

use crate::data::TwinsTest;
use crate::figures::wide::{Axis, Side, Wide};
use crate::figures::{Figure, escape};
use crate::numbers::{self, four_decimals};
use std::fmt::Write as _;

/// Height of a panel; the style sheet's `--panel` is the same.
const PANEL: f64 = 148.0;
/// From the top of a panel: where its bars end and stand, and where its mean lies.
const BARS: (f64, f64) = (42.0, 104.0);
const MEAN: f64 = 121.0;
const AXIS: f64 = 46.0;
/// Bars from end to end; an odd number would put one across zero.
const N_BARS: usize = 48;
/// Share of the clusters that lie within the drawn range; the others stand in the outermost bars.
const WITHIN: f64 = 0.99;

/// One panel.
pub(crate) struct Check<'a> {
    pub(crate) test: &'a TwinsTest,
    /// In bold beside it.
    pub(crate) title: &'static str,
    /// What it must show, if it must.
    pub(crate) words: String,
    /// Whether it is the suspect, or something that must show nothing.
    pub(crate) is_suspect: bool,
}

pub(crate) fn draw(checks: &[Check<'_>]) -> Figure {
    let mut sizes: Vec<f64> = checks.iter().flat_map(|check| &check.test.differences).map(|d| d.abs()).filter(|d| d.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    let reach = sizes.get((sizes.len() as f64 * WITHIN) as usize).or(sizes.last()).copied().unwrap_or(1.0);
    let ends = checks.iter().flat_map(|check| check.test.finite_interval().into_iter().flatten().chain([check.test.effect]));
    let reach = ends.map(f64::abs).filter(|end| end.is_finite()).fold(reach, |reach: f64, end| if end > reach { end } else { reach });
    let axis = Axis::new(-1.08 * reach, 1.08 * reach);
    let bottom = PANEL * checks.len() as f64;

    let mut plot = Wide::new();
    plot.axis(axis, &axis.ticks(8), (0.0, bottom));
    for (i, check) in checks.iter().enumerate() {
        panel(&mut plot, axis, PANEL * i as f64, check);
    }
    plot.text((0.0, bottom + 38.0), Side::Right, 0.0, "axis", "twins more probable");
    plot.text((100.0, bottom + 38.0), Side::Left, 0.0, "axis", "released more probable");
    let title = "What the number is worth".to_owned();
    let mut caption =
        "Each histogram counts clusters of requests by how much more probable the released reply is than its twins, in nats a \
                       token. The mark below is the mean with its 95 % interval."
            .to_owned();
    if checks.iter().any(|check| !check.is_suspect) {
        caption.push_str(
            " The suspect stands at the top; what never saw a released reply stands below, and must lie at zero. If it does not, released \
             replies differ from their twins for another reason than training, and the suspect's number is worth nothing.",
        );
    }
    let titles: String = checks.iter().enumerate().fold(String::new(), |mut titles, (i, check)| {
        let p = crate::distillation::p_in_words(check.test.log10_p, check.test.null);
        // Writing to a String cannot fail.
        let _ = write!(
            titles,
            r#"<div style="grid-row:{}"><p class="name {}">{}</p><p>{}</p><p>{} clusters, {}</p></div>"#,
            i + 1,
            if check.is_suspect { "ours" } else { "theirs" },
            escape(check.title),
            escape(&check.words),
            numbers::grouped(check.test.clusters),
            crate::html::prose(&p),
        );
        titles
    });
    let svg = plot.finish("fig-differences-plot", bottom + AXIS, &title, &description(checks));
    let markup = format!(r#"<div class="panels" style="--n:{}"><div class="titles">{titles}</div>{svg}</div>"#, checks.len());
    Figure { id: "fig-differences", title, caption, svg: Some(minijinja::Value::from_safe_string(markup)), tables: Vec::new(), wide: true }
}

fn panel(plot: &mut Wide, axis: Axis, top: f64, check: &Check<'_>) {
    let test = check.test;
    let side = axis.width() / 2.0;
    let step = axis.width() / N_BARS as f64;
    let mut counts = [0u64; N_BARS];
    for difference in test.differences.iter().filter(|d| d.is_finite()) {
        let at = ((difference + side) / step).floor().clamp(0.0, N_BARS as f64 - 1.0) as usize;
        counts[at] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let (ours, mark) = if check.is_suspect { ("own-bar", "suspect-dot") } else { ("check-bar", "check-dot") };
    let line = if check.is_suspect { "own-interval" } else { "check-interval" };
    for (i, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = count as f64 / most * (BARS.1 - BARS.0);
        let from = i as f64 * step - side;
        let tip = format!("{} clusters from {} to {}", numbers::grouped(count), four_decimals(from), four_decimals(from + step));
        let x = axis.at(from);
        plot.rect((x, top + BARS.1 - height), (axis.at(from + step) - x, height), ours, &tip);
    }
    plot.line((0.0, top + BARS.1), (100.0, top + BARS.1), "rail");
    let y = top + MEAN;
    let x = axis.at(test.effect);
    let [low, high] = test.finite_interval().unwrap_or([test.effect; 2]).map(|end| axis.at(end));
    plot.line((low, y), (high, y), line);
    for end in [low, high] {
        plot.line((end, y - 4.0), (end, y + 4.0), line);
    }
    plot.circle((x, y), 5.5, mark, &effect_in_words(test));
    let (place, room) = if x > 70.0 { (low, Side::Left) } else { (high, Side::Right) };
    plot.text((place, y + 4.5), room, 10.0, if check.is_suspect { "ours" } else { "theirs" }, &four_decimals(test.effect));
}

fn effect_in_words(test: &TwinsTest) -> String {
    match test.finite_interval() {
        Some([low, high]) => format!("{} ({} to {})", four_decimals(test.effect), four_decimals(low), four_decimals(high)),
        None => four_decimals(test.effect),
    }
}

fn description(checks: &[Check<'_>]) -> String {
    let each = checks.iter().map(|check| format!("{}: mean {} nats a token", check.title, effect_in_words(check.test)));
    format!("{}.", each.collect::<Vec<_>>().join("; "))
}
