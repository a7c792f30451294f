//! Where the released replies stand among arrangements in which the released one has another place, drawn by lot.

use super::raised;
use crate::data::TwinsPicture;
use crate::figures::wide::{Axis, Side, Wide};
use crate::figures::{Figure, NumberTable};
use crate::numbers;

/// Of the drawn bars.
const FIELD: f64 = 196.0;
const TOP: f64 = 52.0;
const BELOW: f64 = 48.0;
/// Most bars from end to end.
const MOST_BARS: f64 = 64.0;
/// Narrowest bar, in standard deviations.
const NARROWEST: f64 = 0.25;
/// Nothing real lies further out.
const FURTHEST: f64 = 1e6;

pub(crate) fn draw(twins: &TwinsPicture) -> Figure {
    let observed = twins.primary.z.clamp(-FURTHEST, FURTHEST);
    // Where the smallest p-value that the bound allows crosses the level; batches are held against it together.
    let level = twins.batches.is_empty().then(|| (2.0 * (std::f64::consts::LN_2 - twins.log10_level * std::f64::consts::LN_10)).sqrt());
    let level = level.filter(|level| level.abs() <= FURTHEST);
    let drawn = || twins.null_z.iter().copied().filter(|z| z.abs() <= FURTHEST);
    let ends = drawn().chain([observed, -4.0, 4.0]).chain(level);
    let (low, high) = ends.fold((0.0f64, 0.0f64), |(low, high), z| (if z < low { z } else { low }, if z > high { z } else { high }));
    let axis = Axis::new(low - 0.5, high + 0.9);
    let step = if axis.width() / MOST_BARS > NARROWEST { axis.width() / MOST_BARS } else { NARROWEST };

    let first = (low / step).floor();
    let mut counts = vec![0u64; ((high - low) / step).ceil() as usize + 2];
    drawn().for_each(|z| {
        let at = ((z / step).floor() - first) as usize;
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    });
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let bottom = TOP + FIELD;
    let mut plot = Wide::new();
    plot.axis(axis, &axis.ticks(9), (TOP, bottom));
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    for (i, &count) in bars.clone() {
        let from = (first + i as f64) * step;
        let height = count as f64 / most * (FIELD - 6.0);
        let (x, width) = (axis.at(from), axis.at(from + step) - axis.at(from));
        let tip = format!("{} arrangements from {} to {}", numbers::grouped(count), numbers::z(from), numbers::z(from + step));
        plot.rect((x, bottom - height), (width, height), "null-bar", &tip);
    }
    plot.line((0.0, bottom), (100.0, bottom), "rail");
    if let Some(level) = level {
        let x = axis.at(level);
        plot.line((x, TOP - 10.0), (x, bottom), "level-line");
        let words = raised(&format!("10^{}", numbers::plain(twins.log10_level)));
        plot.text((x, TOP + 4.0), if observed > level { Side::Left } else { Side::Right }, 7.0, "axis", &words);
    }
    let x = axis.at(observed);
    let z = numbers::z(observed);
    plot.line((x, TOP - 22.0), (x, bottom), "observed-line");
    plot.circle((x, bottom), 6.5, "suspect-dot", &format!("as released: z = {z}"));
    plot.text((x, TOP - 30.0), Side::near(x, 14.0), 0.0, "ours", &format!("as released: z = {z}"));
    plot.text((50.0, bottom + 38.0), Side::Middle, 0.0, "axis", "standard deviations of the null hypothesis");

    let n = twins.null_z.len() as u64;
    let reached = drawn().filter(|null| *null >= observed).count() as u64;
    let title = "The released replies against chance".to_owned();
    let mut caption = format!(
        "Grey: how far released replies would stand above their twins if their places were drawn by lot, which is what the null hypothesis \
         says; {} such arrangements. Blue: how far they do stand. {}",
        numbers::grouped(n),
        match reached {
            _ if n == 0 => String::new(),
            0 => "None of the arrangements reaches it.".to_owned(),
            1 => "One of the arrangements reaches it.".to_owned(),
            many => format!("{} of the arrangements reach it.", numbers::grouped(many)),
        }
    );
    if level.is_some() {
        let words = raised(&format!("10^{}", numbers::plain(twins.log10_level)));
        caption.push_str(&format!(" Dashed: where the level of {words} is reached for certain by Hoeffding's bound."));
    }
    let rows = bars.map(|(i, count)| {
        let from = (first + i as f64) * step;
        vec![format!("{} to {}", numbers::plain(from), numbers::plain(from + step)), numbers::grouped(*count)]
    });
    let tables = vec![NumberTable { caption: String::new(), head: vec!["z".into(), "arrangements".into()], rows: rows.collect() }];
    let markup = plot.finish("fig-null-plot", bottom + BELOW, &title, &caption);
    Figure { id: "fig-null", title, caption, svg: Some(minijinja::Value::from_safe_string(markup)), tables, wide: true }
}
