//! What so many requests would find: the smallest effect against the number of requests.

use crate::data::{CurvePoint, TwinsPicture};
use crate::figures::wide::{Axis, Side, Wide};
use crate::figures::{Figure, NumberTable};
use crate::numbers::{self, four_decimals};

const FIELD: f64 = 250.0;
const TOP: f64 = 34.0;
const BELOW: f64 = 46.0;
/// Points of the drawn curve.
const FINE: usize = 80;

pub(crate) fn draw(twins: &TwinsPicture) -> Option<Figure> {
    let is_drawable = |point: &&CurvePoint| point.requests > 0 && point.effect.is_finite() && point.effect > 0.0;
    let mut curve: Vec<CurvePoint> = twins.curve.iter().filter(is_drawable).copied().collect();
    curve.sort_by_key(|point| point.requests);
    curve.dedup_by_key(|point| point.requests);
    let (first, last) = (*curve.first()?, *curve.last()?);
    if first.requests == last.requests {
        return None;
    }
    let log = |n: u64| (n.max(1) as f64).log10();
    let x_axis = Axis::new(log(first.requests), log(last.requests));
    let test = &twins.primary;
    let [low, high] = test.finite_interval().unwrap_or([test.effect; 2]);
    let largest = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).fold(0.0f64, |most, v| if v > most { v } else { most });
    // The left end of the curve, which few requests reach, may leave the field.
    let top_value = 1.12 * largest(&[high, twins.effect, 2.0 * twins.detectable]);
    let bottom_value = if low < 0.0 { 1.15 * low } else { 0.0 };
    let y_axis = Axis::new(bottom_value, top_value);
    let down = |value: f64| 100.0 - y_axis.at(value);
    let y = |value: f64| TOP + FIELD * down(value) / 100.0;
    let bottom = TOP + FIELD;

    let mut plot = Wide::new();
    for tick in powers(first.requests, last.requests) {
        let x = x_axis.at(log(tick));
        plot.line((x, TOP), (x, bottom), "grid");
        plot.text((x, bottom + 17.0), Side::near(x, 3.0), 0.0, "tick", &numbers::grouped(tick));
    }
    for tick in y_axis.ticks(6) {
        plot.line((0.0, y(tick)), (100.0, y(tick)), if tick == 0.0 { "zero" } else { "grid" });
        plot.text((0.0, y(tick) - 4.0), Side::Right, 0.0, "tick halo", &numbers::plain(tick));
    }
    let (line, clipped) = fine(&curve, x_axis, top_value, down);
    let mut area = clipped;
    area.extend([(100.0, down(bottom_value)), (0.0, down(bottom_value))]);
    plot.stretched((TOP, FIELD), ("missed", &area), ("curve", &line));

    let declared = y(twins.effect);
    plot.line((0.0, declared), (100.0, declared), "level-line");
    plot.text((100.0, declared - 6.0), Side::Left, 0.0, "axis halo", &format!("declared to matter: {}", four_decimals(twins.effect)));
    let x = x_axis.at(log(test.requests));
    let at_hand = format!("{} requests at hand", numbers::grouped(test.requests));
    plot.line((x, TOP - 6.0), (x, bottom), "hand-line");
    plot.text((x, TOP - 14.0), Side::near(x, 16.0), 0.0, "axis", &at_hand);
    plot.circle((x, y(twins.detectable)), 5.0, "curve-dot", &format!("{at_hand} find {}", four_decimals(twins.detectable)));
    plot.line((x, y(low)), (x, y(high)), "own-interval");
    plot.circle((x, y(test.effect)), 6.5, "suspect-dot", &format!("observed: {}", four_decimals(test.effect)));
    let side = Side::of_room(x);
    // The words of the declared effect stand above its line, so those of an effect close to it stand below.
    let beside = match y(test.effect) {
        at if (at - declared).abs() < 24.0 => (if at > declared { at } else { declared }) + 20.0,
        at => at + 4.5,
    };
    plot.text((x, beside), side, 12.0, "ours halo", &format!("observed: {}", four_decimals(test.effect)));
    let is_apart = |other: f64| (y(twins.detectable) - other).abs() > 24.0;
    if is_apart(y(test.effect)) && is_apart(declared) && is_apart(beside) {
        plot.text((x, y(twins.detectable) - 6.0), side, 10.0, "axis halo", &format!("found reliably: {}", four_decimals(twins.detectable)));
    }
    plot.text((50.0, bottom + 38.0), Side::Middle, 0.0, "axis", "requests");
    plot.text((0.0, 12.0), Side::Right, 0.0, "axis", "nats a token");

    let title = "What the test would have found".to_owned();
    let needed = if twins.detectable <= twins.effect {
        format!("The {} requests at hand find the declared effect.", numbers::grouped(test.requests))
    } else {
        format!("To find the declared effect, about {} requests would be needed.", numbers::grouped(twins.requests_needed))
    };
    let caption = format!(
        "The curve is the smallest effect that a number of requests finds with a probability of {} at the level of the verdict; effects in \
         the shaded part would be missed more often than that. {needed}",
        numbers::plain(twins.power)
    );
    let rows = curve.iter().map(|point| vec![numbers::grouped(point.requests), four_decimals(point.effect)]).collect();
    let tables =
        vec![NumberTable { caption: String::new(), head: vec!["requests".into(), "smallest effect found, nats a token".into()], rows }];
    let markup = plot.finish("fig-power-plot", bottom + BELOW, &title, &caption);
    Some(Figure { id: "fig-power", title, caption, svg: Some(minijinja::Value::from_safe_string(markup)), tables, wide: true })
}

/// The curve between its points, straight in logarithms, and the same with what leaves the field pressed to its edge.
type Points = Vec<(f64, f64)>;
fn fine(curve: &[CurvePoint], axis: Axis, top: f64, down: impl Fn(f64) -> f64) -> (Points, Points) {
    let log = |point: &CurvePoint| ((point.requests as f64).ln(), point.effect.ln());
    let mut points = Vec::new();
    for pair in curve.windows(2) {
        let [(x0, y0), (x1, y1)] = [log(&pair[0]), log(&pair[1])];
        points.extend((0..=FINE / curve.len()).map(|i| {
            let t = i as f64 / (FINE / curve.len()).max(1) as f64;
            (axis.at((x0 + t * (x1 - x0)) / std::f64::consts::LN_10), (y0 + t * (y1 - y0)).exp())
        }));
    }
    // What is above the field is left out, up to the point where the curve comes in.
    let line = points.iter().filter(|(_, value)| *value <= top).map(|&(x, value)| (x, down(value))).collect();
    (line, points.into_iter().map(|(x, value)| (x, down(value))).collect())
}

/// 1, 2 and 5 times powers of ten, or powers of ten alone where those are many.
fn powers(low: u64, high: u64) -> Vec<u64> {
    let all = |steps: &[u64]| -> Vec<u64> {
        (0..19u32)
            .flat_map(|k| steps.iter().filter_map(move |n| 10u64.checked_pow(k)?.checked_mul(*n)))
            .filter(|n| (low..=high).contains(n))
            .collect()
    };
    [&[1, 2, 5][..], &[1, 3], &[1]].into_iter().map(all).find(|ticks| ticks.len() <= 6).unwrap_or_else(|| all(&[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_requests_are_few_and_round() {
        assert_eq!(powers(10, 400), [10, 20, 50, 100, 200]);
        assert_eq!(powers(10, 4_000), [10, 30, 100, 300, 1_000, 3_000]);
        assert_eq!(powers(10, 400_000), [10, 100, 1_000, 10_000, 100_000]);
    }
}
