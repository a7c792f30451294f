//! Where what was observed stands among what chance alone would have given: replies by arrangements of their places, texts by other keys.

use super::raised;
use crate::data::{MarksTest, TwinsPicture};
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

/// What is drawn, and its words.
struct Chance<'a> {
    null_z: &'a [f64],
    observed: f64,
    /// Where a level is reached for certain, and log10 of the level.
    level: Option<(f64, f64)>,
    /// What the observed value is: `as released`.
    mark: &'a str,
    /// What was drawn, of one and of several.
    draws: [&'a str; 2],
    title: &'a str,
    /// What is grey, and what is blue.
    grey: &'a str,
    blue: &'a str,
}

/// Released replies beside arrangements in which the released one has another place.
pub(crate) fn draw(twins: &TwinsPicture) -> Figure {
    // Where the smallest p-value that the bound allows crosses the level; batches are held against it together.
    let level = twins.batches.is_empty().then(|| (2.0 * (std::f64::consts::LN_2 - twins.log10_level * std::f64::consts::LN_10)).sqrt());
    against(&Chance {
        null_z: &twins.null_z,
        observed: twins.primary.z,
        level: level.map(|level| (level, twins.log10_level)),
        mark: "as released",
        draws: ["arrangement", "arrangements"],
        title: "The released replies against chance",
        grey: "how far released replies would stand above their twins if their places were drawn by lot, which is what the null hypothesis says",
        blue: "how far they do stand",
    })
}

/// Texts under the owner's key beside the same texts under keys that nobody used; `None` where there are none.
pub(crate) fn keys(test: &MarksTest) -> Option<Figure> {
    let weighted = test.counts.iter().find(|count| count.name.starts_with("by weight"))?;
    (!test.null_z.is_empty()).then(|| {
        against(&Chance {
            null_z: &test.null_z,
            observed: weighted.z,
            level: None,
            mark: "under the owner's key",
            draws: ["key", "keys"],
            title: "The texts under the owner's key, against chance",
            grey: "how far the same texts would stand under keys that nobody used, which is what the null hypothesis says",
            blue: "how far they stand under the owner's",
        })
    })
}

fn against(chance: &Chance<'_>) -> Figure {
    let observed = chance.observed.clamp(-FURTHEST, FURTHEST);
    let log10_level = chance.level.map_or(0.0, |level| level.1);
    let level = chance.level.map(|level| level.0).filter(|level| level.abs() <= FURTHEST);
    let [one, several] = chance.draws;
    let drawn = || chance.null_z.iter().copied().filter(|z| z.abs() <= FURTHEST);
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
        let tip = format!("{} {several} from {} to {}", numbers::grouped(count), numbers::z(from), numbers::z(from + step));
        plot.rect((x, bottom - height), (width, height), "null-bar", &tip);
    }
    plot.line((0.0, bottom), (100.0, bottom), "rail");
    if let Some(level) = level {
        let x = axis.at(level);
        plot.line((x, TOP - 10.0), (x, bottom), "level-line");
        let words = raised(&format!("10^{}", numbers::plain(log10_level)));
        plot.text((x, TOP + 4.0), if observed > level { Side::Left } else { Side::Right }, 7.0, "axis", &words);
    }
    let x = axis.at(observed);
    let z = numbers::z(observed);
    plot.line((x, TOP - 22.0), (x, bottom), "observed-line");
    plot.circle((x, bottom), 6.5, "suspect-dot", &format!("{}: z = {z}", chance.mark));
    plot.text((x, TOP - 30.0), Side::near(x, 14.0), 0.0, "ours", &format!("{}: z = {z}", chance.mark));
    plot.text((50.0, bottom + 38.0), Side::Middle, 0.0, "axis", "standard deviations of the null hypothesis");

    let n = chance.null_z.len() as u64;
    let reached = drawn().filter(|null| *null >= observed).count() as u64;
    let title = chance.title.to_owned();
    let mut caption = format!(
        "Grey: {}; {} such {several}. Blue: {}. {}",
        chance.grey,
        numbers::grouped(n),
        chance.blue,
        match reached {
            _ if n == 0 => String::new(),
            0 => format!("None of the {several} reaches it."),
            1 => format!("One {one} reaches it."),
            many => format!("{} {several} reach it.", numbers::grouped(many)),
        }
    );
    if level.is_some() {
        let words = raised(&format!("10^{}", numbers::plain(log10_level)));
        caption.push_str(&format!(" Dashed: where the level of {words} is reached for certain by Hoeffding's bound."));
    }
    let rows = bars.map(|(i, count)| {
        let from = (first + i as f64) * step;
        vec![format!("{} to {}", numbers::plain(from), numbers::plain(from + step)), numbers::grouped(*count)]
    });
    let tables = vec![NumberTable { caption: String::new(), head: vec!["z".into(), several.into()], rows: rows.collect() }];
    let markup = plot.finish("fig-null-plot", bottom + BELOW, &title, &caption);
    Figure { id: "fig-null", title, caption, svg: Some(minijinja::Value::from_safe_string(markup)), tables, wide: true }
}
