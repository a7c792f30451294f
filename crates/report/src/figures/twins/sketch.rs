//! A request, the released reply, its twins, and what two kinds of model find of them.

use crate::data::TwinsPicture;
use crate::figures::svg::{Anchor, Svg};
use crate::figures::{Figure, WIDTH};

const ROW: f64 = 46.0;
const TOP: f64 = 58.0;
const BOX: (f64, f64) = (112.0, 32.0);
/// Where the replies and the two columns of bars begin.
const REPLIES: f64 = 112.0;
const COLUMNS: [f64; 2] = [242.0, 343.0];
/// Lengths of the bars: alike but for chance, and with the released one above.
const BARS: [[f64; 3]; 2] = [[52.0, 57.0, 49.0], [84.0, 55.0, 51.0]];

pub(crate) fn draw(twins: &TwinsPicture) -> Figure {
    let names = match twins.most_twins {
        0 | 1 => vec!["released reply".to_owned(), "its twin".to_owned()],
        2 => vec!["released reply".to_owned(), "twin 1".to_owned(), "twin 2".to_owned()],
        n => vec!["released reply".to_owned(), "twin 1".to_owned(), format!("… twin {n}")],
    };
    let mut svg = Svg::new();
    let middle = |row: usize| TOP + ROW * row as f64 + BOX.1 / 2.0;
    let last = names.len() - 1;
    let centre = (middle(0) + middle(last)) / 2.0;
    svg.rect(0.5, centre - 24.0, 78.0, 48.0, "box");
    svg.text((39.5, centre - 3.0), Anchor::Middle, "value", "a logged");
    svg.text((39.5, centre + 13.0), Anchor::Middle, "value", "request");
    let heads = [["what its service", "could have said"], ["to a model", "that saw none"], ["to one trained", "on the first"]];
    for (x, lines) in [REPLIES, COLUMNS[0], COLUMNS[1]].into_iter().zip(heads) {
        for (i, line) in lines.into_iter().enumerate() {
            svg.text((x, 16.0 + 16.0 * i as f64), Anchor::Start, "axis", line);
        }
    }
    for (row, name) in names.iter().enumerate() {
        let y = middle(row);
        svg.line((80.0, centre), (REPLIES - 2.0, y), "arrow");
        svg.rect(REPLIES, y - BOX.1 / 2.0, BOX.0, BOX.1, if row == 0 { "box own" } else { "box twin" });
        svg.text((REPLIES + BOX.0 / 2.0, y + 4.5), Anchor::Middle, if row == 0 { "heading" } else { "value" }, name);
        for (x, lengths) in COLUMNS.into_iter().zip(BARS) {
            let class = if row == 0 { "own-bar" } else { "null-bar" };
            svg.rect(x, y - 7.0, lengths[row.min(2)], 14.0, class);
        }
    }
    for x in COLUMNS {
        svg.line((x, TOP - 6.0), (x, middle(last) + BOX.1 / 2.0 + 6.0), "zero");
    }
    let bottom = middle(last) + BOX.1 / 2.0;
    svg.text((COLUMNS[0], bottom + 26.0), Anchor::Start, "tick", "bars: probability of each");
    let title = "One request".to_owned();
    let caption = "To a model that never depended on what was released, the released reply is one of several like it. To one that was \
                   trained on it, it stands out. One request says next to nothing; hundreds together do."
        .to_owned();
    let svg = svg.finish("fig-sketch-plot", (WIDTH, bottom + 36.0), &title, &caption);
    Figure { id: "fig-sketch", title, caption, svg: Some(svg), tables: Vec::new(), wide: false }
}
