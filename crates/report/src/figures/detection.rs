//! What is found of how little, as a picture that stands alone: a page of Markdown shows it, so it carries its own colours.

use super::svg::{Anchor, Shape, Svg};
use super::twins::raised;

/// How p falls as the share of what a student learnt from the reference rises, for one way of training.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionCurve {
    /// The way of training: `3 epochs`.
    pub name: String,
    /// Share in (0, 1], and log10 p; rising shares.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 830.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 74.0;
/// The names stand right of it.
const RIGHT: f64 = 560.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 376.0;
/// Between the names of two curves.
const LINE: f64 = 19.0;
/// The axis of p-values ends here where nothing reaches further, and begins at .1.
const LEAST_REACH: f64 = 10.0;
const SHAPES: [Shape; 6] = [Shape::Square, Shape::Triangle, Shape::Diamond, Shape::TriangleDown, Shape::Pentagon, Shape::Bar];

/// An SVG file: log10 p on a logarithmic axis against the share, with a line at the level that a verdict asks for. `None` where no curve has two
/// points.
pub fn detection(curves: &[DetectionCurve], log10_level: f64) -> Option<String> {
    let is_drawn = |(share, log10_p): &&(f64, f64)| *share > 0.0 && log10_p.is_finite();
    let drawn = || curves.iter().flat_map(|curve| &curve.points).filter(is_drawn);
    let least = drawn().map(|point| point.0).fold(f64::INFINITY, |least, share| if share < least { share } else { least });
    let most = drawn().map(|point| point.0).fold(0.0, |most, share| if share > most { share } else { most });
    if least >= most || !curves.iter().any(|curve| curve.points.iter().filter(is_drawn).count() > 1) {
        return None;
    }
    let reach = drawn().map(|point| -point.1).fold(LEAST_REACH, |most, reach| if reach > most { reach } else { most });
    let x = |share: f64| LEFT + (RIGHT - LEFT) * (share / least).ln() / (most / least).ln();
    let y = |log10_p: f64| BOTTOM - (BOTTOM - TOP) * (if log10_p > -1.0 { 1.0 } else { -log10_p }).log10() / reach.log10();

    let mut svg = Svg::new();
    svg.rect(0.0, 0.0, WIDTH, HEIGHT, "paper");
    for tick in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0].into_iter().filter(|tick| *tick <= reach) {
        svg.line((LEFT, y(-tick)), (RIGHT, y(-tick)), "grid");
        svg.text((LEFT - 9.0, y(-tick) + 4.5), Anchor::End, "tick", &power_of_ten(-tick));
    }
    for tick in [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0] {
        if tick >= least * 0.999 && tick <= most * 1.001 {
            svg.line((x(tick), TOP), (x(tick), BOTTOM), "grid");
            svg.text((x(tick), BOTTOM + 20.0), Anchor::Middle, "tick", &format!("{} %", crate::numbers::plain(100.0 * tick)));
        }
    }
    let level = y(log10_level);
    svg.line((LEFT, level), (RIGHT, level), "level");
    svg.text((RIGHT - 6.0, level + 16.0), Anchor::End, "note", &format!("a verdict asks for {}", power_of_ten(log10_level)));
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 46.0), Anchor::Middle, "axis", "share of the student's replies that came from the teacher");
    svg.text((LEFT - 60.0, TOP - 11.0), Anchor::Start, "axis", "p-value");

    let mut names = Vec::new();
    for (i, curve) in curves.iter().enumerate() {
        let points: Vec<(f64, f64)> = curve.points.iter().filter(is_drawn).map(|&(share, log10_p)| (x(share), y(log10_p))).collect();
        let class = format!("line c{}", i % SHAPES.len());
        svg.polyline(&points, &class);
        for point in &points {
            svg.mark(*point, 4.6, SHAPES[i % SHAPES.len()], &format!("mark c{}", i % SHAPES.len()));
        }
        names.extend(points.last().map(|last| (last.1, i)));
    }
    // Names beside the ends of their curves, moved down where two would overlap, and the whole up where it leaves the paper.
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<f64> = Vec::new();
    for (at, _) in &names {
        let above = places.last().map_or(f64::NEG_INFINITY, |last| last + LINE);
        places.push(if *at > above { *at } else { above });
    }
    let over = places.last().map_or(0.0, |last| last - BOTTOM);
    let shift = if over > 0.0 { over } else { 0.0 };
    for ((at, i), place) in names.iter().zip(&places) {
        let (curve, place) = (&curves[*i], place - shift);
        let end = curve.points.iter().rfind(is_drawn).map_or(RIGHT, |point| x(point.0));
        svg.line((end + 7.0, *at), (RIGHT + 12.0, place), "leader");
        svg.mark((RIGHT + 22.0, place), 4.6, SHAPES[i % SHAPES.len()], &format!("mark c{}", i % SHAPES.len()));
        svg.text((RIGHT + 33.0, place + 4.5), Anchor::Start, "name", &curve.name);
    }
    let description = "Curves of the p-value against the share of a student's replies that came from the teacher, one for each way of training; the \
                       numbers stand in the table beside the picture.";
    Some(svg.alone("detection", (WIDTH, HEIGHT), "How little is found", description, STYLE))
}

/// The page's colours by day and by night; shapes tell curves apart without them.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#55585f}.paper{fill:#fff}.axis,.name{fill:#1c1e22}.grid{stroke:#e3e4e8}.level{stroke:#1c1e22;stroke-width:1.4;stroke-dasharray:6 4}\
.note{fill:#1c1e22}.leader{stroke:#b6b9c1;stroke-width:.8}.line{fill:none;stroke-width:2;stroke-linejoin:round}.mark{stroke:#fff;stroke-width:1}\
.line.c0{stroke:#0b5fa5}.mark.c0{fill:#0b5fa5}.line.c1{stroke:#b3480b}.mark.c1{fill:#b3480b}.line.c2{stroke:#0f7d5c}.mark.c2{fill:#0f7d5c}\
.line.c3{stroke:#8a3a8f}.mark.c3{fill:#8a3a8f}.line.c4{stroke:#7a6200}.mark.c4{fill:#7a6200}.line.c5{stroke:#55585f}.mark.c5{fill:#55585f}\
@media(prefers-color-scheme:dark){text{fill:#a9adb8}.paper{fill:#14161a}.axis,.name,.note{fill:#eceef2}.grid{stroke:#2b2e36}.level{stroke:#eceef2}.leader{stroke:#565b66}.mark{stroke:#14161a}\
.line.c0{stroke:#6db3f2}.mark.c0{fill:#6db3f2}.line.c1{stroke:#f0935a}.mark.c1{fill:#f0935a}.line.c2{stroke:#4cc79d}.mark.c2{fill:#4cc79d}.line.c3{stroke:#cf8bd4}.mark.c3{fill:#cf8bd4}\
.line.c4{stroke:#d2b648}.mark.c4{fill:#d2b648}.line.c5{stroke:#a9adb8}.mark.c5{fill:#a9adb8}}";

fn power_of_ten(exponent: f64) -> String {
    raised(&format!("10^{exponent:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> DetectionCurve {
        DetectionCurve { name: name.into(), points: points.to_vec() }
    }

    #[test]
    fn more_replies_stand_further_right_and_smaller_p_values_higher() {
        let drawn = detection(&[curve("one epoch", &[(0.01, -1.0), (0.1, -10.0)])], -6.0).unwrap();
        assert!(drawn.contains(r#"<polyline points="74,376 560,28" class="line c0"/>"#), "{drawn}");
        assert!(drawn.starts_with("<svg xmlns=") && drawn.contains("one epoch") && drawn.contains("10⁻⁶"));
    }

    #[test]
    fn curves_that_end_together_keep_their_names_apart_and_on_the_paper() {
        let curves: Vec<DetectionCurve> = (0..5).map(|i| curve(&format!("way {i}"), &[(0.01, -1.0), (0.1, -1.0)])).collect();
        let drawn = detection(&curves, -6.0).unwrap();
        let places: Vec<f64> = (0..5)
            .map(|i| {
                let before = drawn.split(&format!("class=\"name\">way {i}<")).next().unwrap();
                before.rsplit("y=\"").next().unwrap().split('"').next().unwrap().parse().unwrap()
            })
            .collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= LINE - 0.2) && places[4] <= BOTTOM + 5.0, "{places:?}");
    }

    #[test]
    fn nothing_to_compare_is_no_picture() {
        assert!(detection(&[], -6.0).is_none() && detection(&[curve("one", &[(0.1, -3.0)])], -6.0).is_none());
        assert!(detection(&[curve("none", &[(0.1, f64::NAN), (0.2, f64::NAN)])], -6.0).is_none());
    }
}
