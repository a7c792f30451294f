//! The margin against every control: the suspect block by block, beside independent models at the same relative depth.
//!
//! One panel a method. Values run on a cube-root scale, on which 0, 0.001, 0.01 and 1 can all be told apart.

use super::svg::{Anchor, Shape, Svg};
use super::{Figure, NumberTable, WIDTH, capital, shorten};
use crate::data::{Finding, ProfilePoint, Report};
use crate::{names, numbers, words};

const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
/// Room between the frame and the first and last block.
const INSET: f64 = 9.0;
const FIELD: f64 = 184.0;
/// Above a field: its name and what the margin says.
const ABOVE: f64 = 40.0;
/// Under a field: the names of the blocks.
const BELOW: f64 = 40.0;
const LETTER: f64 = 7.2;
/// Width of one entry of the legend.
const ENTRY: f64 = 218.0;
const LEGEND_ROW: f64 = 19.0;
const NAME_LETTERS: usize = 15;
const SHAPES: [Shape; 6] = [Shape::Square, Shape::Triangle, Shape::Diamond, Shape::TriangleDown, Shape::Pentagon, Shape::Bar];
/// Between the marks of one method that gives one number a model.
const ASIDE: f64 = 13.0;
/// Colours of controls in the style sheet; coprime with the shapes, so that 30 controls differ.
const HUES: usize = 5;

/// Everything at one depth.
struct Column {
    /// From 0 to 1.
    depth: f64,
    label: String,
    /// Under the label, in panels of several methods.
    outcome: &'static str,
    /// The suspect's values; several where experts stand side by side.
    suspect: Vec<f64>,
    /// Model and its value, the highest where there are several.
    controls: Vec<(usize, f64)>,
    synthetic: Option<f64>,
    tip: String,
}

/// One field of the figure.
struct Panel {
    title: String,
    outcome: &'static str,
    /// Under the blocks.
    axis: &'static str,
    columns: Vec<Column>,
    /// Whether the columns follow one another.
    is_profile: bool,
}

pub(super) fn draw(report: &Report) -> Option<Figure> {
    let findings: Vec<&Finding> = report.findings.iter().filter(|f| f.needs_controls() && f.statistic.is_some()).collect();
    let mut models: Vec<&str> = Vec::new();
    for control in findings.iter().flat_map(|finding| &finding.controls) {
        if !models.contains(&control.model.as_str()) {
            models.push(&control.model);
        }
    }
    let short = names::short(&models);
    let mut panels: Vec<Panel> = findings.iter().flat_map(|finding| profiles(finding, &models, &short)).collect();
    panels.extend(single(&findings, &models, &short));
    if panels.is_empty() {
        return None;
    }
    let suspect = names::short(&[&report.case.reference.path, &report.case.suspect.path]).pop().unwrap_or_default();
    let has_synthetic = panels.iter().flat_map(|panel| &panel.columns).any(|column| column.synthetic.is_some());
    let mut legend = Svg::new();
    let height = draw_legend(&mut legend, &suspect, &short, has_synthetic);
    let legend = legend.finish(
        "fig-controls-legend",
        (WIDTH, height),
        "Legend",
        "Lines and marks of the suspect, of each control and of synthetic copies.",
    );
    let draw_panel = |(i, panel): (usize, &Panel)| {
        let mut svg = Svg::new();
        draw_panel(&mut svg, panel, ABOVE, models.len());
        svg.finish(&format!("fig-controls-{i}"), (WIDTH, ABOVE + FIELD + BELOW), &panel.title, &panel.sentence()).to_string()
    };
    let drawn: String = panels.iter().enumerate().map(draw_panel).collect();
    let title = "The margin against every control".to_owned();
    let caption = caption(&findings, &panels, &models, has_synthetic);
    let svg = minijinja::Value::from_safe_string(format!(r#"{legend}<div class="pair">{drawn}</div>"#));
    let tables = tables(&findings, &models, &short);
    Some(Figure { id: "fig-controls", title, caption, svg: Some(svg), tables, wide: panels.len() > 1 })
}

/// The panels of one finding: one a stack, where the model has an encoder and a decoder.
fn profiles(finding: &Finding, models: &[&str], short: &[String]) -> Vec<Panel> {
    let mut stacks: Vec<(&str, Vec<&ProfilePoint>)> = Vec::new();
    for point in finding.profile.iter().filter(|p| p.value.is_finite() && p.depth.is_finite()) {
        let stack = point.label.rsplit_once(' ').map_or("", |(stack, _)| stack);
        match stacks.iter_mut().find(|(name, _)| *name == stack) {
            Some((_, points)) => points.push(point),
            None => stacks.push((stack, vec![point])),
        }
    }
    let panel = |(stack, mut points): (&str, Vec<&ProfilePoint>)| {
        points.sort_by(|a, b| a.depth.total_cmp(&b.depth));
        let mut columns: Vec<Column> = Vec::new();
        for point in points {
            let column = column(point, finding, models, short);
            match columns.last_mut().filter(|last| (last.depth - column.depth).abs() < 1e-9) {
                Some(last) => last.take_in(column),
                None => columns.push(column),
            }
        }
        let stack = match stack {
            "enc" => ", encoder",
            "dec" => ", decoder",
            _ => "",
        };
        Panel {
            title: format!("{}{stack}", shorten(&finding.method, 28)),
            outcome: words::margin(finding),
            axis: "blocks of the suspect, first to last",
            columns,
            is_profile: true,
        }
    };
    stacks.into_iter().map(panel).collect()
}

/// The methods that give one number for the whole model, side by side.
fn single(findings: &[&Finding], models: &[&str], short: &[String]) -> Option<Panel> {
    let of_models = |f: &&&Finding| f.profile.is_empty() && f.statistic.is_some_and(|v| v.abs() <= 1.0 + 1e-9);
    let findings: Vec<&&Finding> = findings.iter().filter(of_models).collect();
    let n = findings.len();
    let mut columns: Vec<Column> = findings
        .iter()
        .enumerate()
        .map(|(i, finding)| {
            let value = finding.statistic.unwrap_or(0.0);
            let point = ProfilePoint {
                depth: if n > 1 { i as f64 / (n - 1) as f64 } else { 0.5 },
                value,
                controls: finding.controls.iter().map(|control| control.statistic).collect(),
                synthetic: finding.synthetic_controls.as_ref().and_then(|s| s.statistics.iter().copied().max_by(f64::total_cmp)),
                ..ProfilePoint::default()
            };
            let column = column(&point, finding, models, short);
            let tip = format!("{}: {}", finding.method, column.tip);
            let label = finding.method.rsplit('.').next().unwrap_or_default().to_owned();
            Column { label, outcome: words::margin(finding), tip, ..column }
        })
        .collect();
    // What holds for all of them is said once.
    let mut outcome = columns.first()?.outcome;
    if columns.iter().all(|column| column.outcome == outcome) {
        columns.iter_mut().for_each(|column| column.outcome = "");
    } else {
        outcome = "";
    }
    Some(Panel { title: "one number for the whole model".to_owned(), outcome, axis: "", columns, is_profile: false })
}

fn column(point: &ProfilePoint, finding: &Finding, models: &[&str], short: &[String]) -> Column {
    let model = |i: usize| finding.controls.get(i).and_then(|control| models.iter().position(|model| *model == control.model));
    let controls: Vec<(usize, f64)> =
        point.controls.iter().enumerate().filter_map(|(i, value)| Some((model(i)?, value.filter(|v| v.is_finite())?))).collect();
    let synthetic = point.synthetic.filter(|v| v.is_finite());
    let blocks = match (point.label.as_str(), point.reference.as_str()) {
        ("", _) => String::new(),
        (label, "") => format!("block {label}: "),
        (label, reference) => format!("block {label}, beside the reference's {reference}: "),
    };
    let mut tip = format!("{blocks}suspect {}", numbers::three_decimals(point.value));
    for (i, value) in &controls {
        let name = short.get(*i).map_or("", String::as_str);
        tip.push_str(&format!(", {name} {}", numbers::three_decimals(*value)));
    }
    if let Some(value) = synthetic {
        tip.push_str(&format!("; synthetic copies at most {}", numbers::three_decimals(value)));
    }
    let label = point.label.rsplit(' ').next().unwrap_or_default();
    // Experts stand in one column under the name of their block.
    let label = label.split('.').next().unwrap_or_default().to_owned();
    Column { depth: point.depth.clamp(0.0, 1.0), label, outcome: "", suspect: vec![point.value], controls, synthetic, tip }
}

impl Column {
    fn lowest(&self) -> Option<f64> {
        self.suspect.iter().copied().min_by(f64::total_cmp)
    }

    /// Another expert of the same block.
    fn take_in(&mut self, other: Self) {
        self.suspect.extend(other.suspect);
        for (model, value) in other.controls {
            match self.controls.iter_mut().find(|(known, _)| *known == model) {
                Some((_, highest)) if *highest < value => *highest = value,
                Some(_) => {}
                None => self.controls.push((model, value)),
            }
        }
        self.synthetic = self.synthetic.into_iter().chain(other.synthetic).max_by(f64::total_cmp);
        let range = |values: &[f64]| -> Option<(String, String)> {
            let (low, high) = (values.iter().copied().min_by(f64::total_cmp)?, values.iter().copied().max_by(f64::total_cmp)?);
            Some((numbers::three_decimals(low), numbers::three_decimals(high)))
        };
        self.tip = format!("block {}, {} experts", self.label, self.suspect.len());
        if let Some((low, high)) = range(&self.suspect) {
            self.tip.push_str(&format!(": suspect {low} to {high}"));
        }
        if let Some((_, high)) = range(&self.controls.iter().map(|(_, v)| *v).collect::<Vec<_>>()) {
            self.tip.push_str(&format!(", controls at most {high}"));
        }
        if let Some(high) = self.synthetic {
            self.tip.push_str(&format!("; synthetic copies at most {}", numbers::three_decimals(high)));
        }
    }
}

impl Panel {
    /// What it shows, in numbers.
    fn sentence(&self) -> String {
        if !self.is_profile {
            let say = |column: &Column| {
                let highest = column.controls.iter().map(|(_, v)| *v).max_by(f64::total_cmp);
                let beside = highest.map_or_else(String::new, |v| format!(", controls at most {}", numbers::three_decimals(v)));
                format!("{}: suspect {}{beside}.", column.label, column.lowest().map_or_else(String::new, numbers::three_decimals))
            };
            return self.columns.iter().map(say).collect::<Vec<_>>().join(" ");
        }
        let suspect = || self.columns.iter().flat_map(|column| column.suspect.iter().copied());
        let controls = self.columns.iter().flat_map(|column| column.controls.iter().map(|(_, v)| *v)).max_by(f64::total_cmp);
        let (Some(low), Some(high)) = (suspect().min_by(f64::total_cmp), suspect().max_by(f64::total_cmp)) else {
            return String::new();
        };
        let (low, high) = (numbers::three_decimals(low), numbers::three_decimals(high));
        let range = if low == high { low } else { format!("{low} to {high}") };
        let beside = controls.map_or_else(String::new, |v| format!(", controls at most {}", numbers::three_decimals(v)));
        format!("{}: suspect {range}{beside}.", self.title)
    }

    /// How far to the right a model's mark stands: the suspect (0) and the controls lie side by side where there is one number a model.
    fn aside(&self, place: usize, n_models: usize) -> f64 {
        let step = (0.85 * (WIDTH - LEFT - RIGHT) / (self.columns.len() * (n_models + 1)) as f64).clamp(2.0, ASIDE);
        if self.is_profile { 0.0 } else { step * (place as f64 - n_models as f64 / 2.0) }
    }
}

/// Gives where it ends.
fn draw_legend(svg: &mut Svg, suspect: &str, controls: &[String], has_synthetic: bool) -> f64 {
    let mut y = 9.0;
    svg.line((0.0, y), (26.0, y), "suspect-line");
    svg.circle((13.0, y), 4.2, "dot", "");
    svg.text((33.0, y + 4.5), Anchor::Start, "axis", &format!("suspect: {}", shorten(suspect, 2 * NAME_LETTERS)));
    for (row, pair) in controls.chunks(2).enumerate() {
        y += LEGEND_ROW;
        for (col, name) in pair.iter().enumerate() {
            let (i, x) = (2 * row + col, ENTRY * col as f64);
            svg.line((x, y), (x + 26.0, y), &line_class(i));
            svg.mark((x + 13.0, y), 3.6, shape(i), &mark_class(i));
            svg.text((x + 33.0, y + 4.5), Anchor::Start, "tick", &format!("control: {}", shorten(name, NAME_LETTERS)));
        }
    }
    if controls.is_empty() {
        y += LEGEND_ROW;
        svg.text((33.0, y + 4.5), Anchor::Start, "tick", "controls: none were given");
    }
    if has_synthetic {
        y += LEGEND_ROW;
        svg.rect(0.0, y - 6.0, 26.0, 12.0, "synthetic");
        svg.line((0.0, y - 6.0), (26.0, y - 6.0), "synthetic-edge");
        svg.text((33.0, y + 4.5), Anchor::Start, "tick", "synthetic copies (not models), the highest of them");
    }
    svg.text((0.0, y + 27.0), Anchor::Start, "tick", "agreement with the reference, 0 to 1, on a cube-root scale");
    y + 33.0
}

fn shape(i: usize) -> Shape {
    SHAPES.get(i % SHAPES.len()).copied().unwrap_or(Shape::Square)
}

fn line_class(i: usize) -> String {
    format!("control c{}", i % HUES)
}

fn mark_class(i: usize) -> String {
    let filled = if (i / SHAPES.len()).is_multiple_of(2) { "hollow" } else { "filled" };
    format!("control-mark {filled} c{}", i % HUES)
}

fn draw_panel(svg: &mut Svg, panel: &Panel, top: f64, n_models: usize) {
    let bottom = top + FIELD;
    let right = WIDTH - RIGHT;
    let values = || panel.columns.iter().flat_map(|c| c.suspect.iter().copied().chain(c.controls.iter().map(|(_, v)| *v)));
    let lowest = values().min_by(f64::total_cmp).unwrap_or(0.0);
    let low = [0.0, -0.01, -0.1, -0.5].into_iter().find(|low| lowest >= *low - 1e-4).unwrap_or(-1.0);
    let y = |v: f64| bottom - (v.clamp(low, 1.0).cbrt() - low.cbrt()) / (1.0 - low.cbrt()) * FIELD;
    let inset = if panel.is_profile { INSET } else { (right - LEFT) / (2 * panel.columns.len()) as f64 };
    let x = |depth: f64| LEFT + inset + depth * (right - LEFT - 2.0 * inset);

    svg.text((0.0, top - 13.0), Anchor::Start, "axis", &panel.title);
    svg.text((right, top - 13.0), Anchor::End, "heading", panel.outcome);
    for tick in [-1.0, -0.5, -0.1, -0.01, 0.0, 0.01, 0.1, 0.5, 1.0, 0.001].into_iter().filter(|tick| *tick >= low) {
        // The finest is the last, and is left out where the others need its place.
        if tick == 0.001 && y(0.0) - y(tick) < 12.0 {
            continue;
        }
        svg.line((LEFT, y(tick)), (right, y(tick)), if tick == 0.0 { "zero" } else { "grid" });
        svg.text((LEFT - 7.0, y(tick) + 4.0), Anchor::End, "tick", &numbers::plain(tick));
    }
    let step = if panel.columns.len() > 1 { (right - LEFT - 2.0 * inset) / (panel.columns.len() - 1) as f64 } else { 40.0 };
    draw_synthetic(svg, panel, &x, &y, n_models);
    for model in 0..n_models {
        draw_control(svg, panel, model, n_models, &x, &y);
    }
    let line: Vec<(f64, f64)> = panel.columns.iter().filter_map(|c| Some((x(c.depth), y(c.lowest()?)))).collect();
    if panel.is_profile {
        svg.polyline(&line, "suspect-line");
    }
    for column in &panel.columns {
        for value in &column.suspect {
            svg.circle((x(column.depth) + panel.aside(0, n_models), y(*value)), (step * 0.3).clamp(1.6, 4.2), "dot", "");
        }
    }
    let mut free = f64::NEG_INFINITY;
    for column in &panel.columns {
        let half = LETTER * column.label.chars().count() as f64 / 2.0 + 2.0;
        if x(column.depth) - half >= free {
            svg.text((x(column.depth), bottom + 17.0), Anchor::Middle, "tick", &column.label);
            free = x(column.depth) + half;
        }
        let letters = ((right - LEFT) / panel.columns.len() as f64 / (LETTER + 0.6)) as usize;
        svg.text((x(column.depth), bottom + 33.0), Anchor::Middle, "heading", &shorten(column.outcome, letters));
    }
    if !panel.axis.is_empty() {
        svg.text(((LEFT + right) / 2.0, bottom + 33.0), Anchor::Middle, "axis", panel.axis);
    }
    let width = if panel.is_profile { step } else { 2.0 * inset };
    for column in &panel.columns {
        svg.tip_area((x(column.depth) - width / 2.0, top), (width, FIELD), &column.tip);
    }
}

/// The area that copies without any order reach.
fn draw_synthetic(svg: &mut Svg, panel: &Panel, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64, n_models: usize) {
    if !panel.is_profile || panel.columns.len() == 1 {
        let width = 30.0 - 2.0 * panel.aside(0, n_models);
        for column in &panel.columns {
            if let Some(value) = column.synthetic {
                let (left, edge) = (x(column.depth) - width / 2.0, y(value));
                svg.polygon(&[(left, y(0.0)), (left, edge), (left + width, edge), (left + width, y(0.0))], "synthetic");
                svg.line((left, edge), (left + width, edge), "synthetic-edge");
            }
        }
        return;
    }
    for run in panel.columns.split(|column| column.synthetic.is_none()) {
        let edge: Vec<(f64, f64)> = run.iter().filter_map(|c| Some((x(c.depth), y(c.synthetic?)))).collect();
        if let (Some(first), Some(last)) = (edge.first(), edge.last()) {
            let ground = [(last.0, y(0.0)), (first.0, y(0.0))];
            svg.polygon(&edge.iter().copied().chain(ground).collect::<Vec<_>>(), "synthetic");
            svg.polyline(&edge, "synthetic-edge");
        }
    }
}

fn draw_control(svg: &mut Svg, panel: &Panel, model: usize, n_models: usize, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) {
    let value = |column: &Column| column.controls.iter().find(|(i, _)| *i == model).map(|(_, value)| *value);
    let aside = panel.aside(model + 1, n_models);
    if panel.is_profile {
        for run in panel.columns.split(|column| value(column).is_none()) {
            let line: Vec<(f64, f64)> = run.iter().filter_map(|column| Some((x(column.depth), y(value(column)?)))).collect();
            svg.polyline(&line, &line_class(model));
        }
    }
    // Marks of different controls take turns, so that they do not cover one another.
    let period = if panel.is_profile { n_models.min(panel.columns.len() / 3).max(1) } else { 1 };
    for column in panel.columns.iter().skip(model % period).step_by(period) {
        if let Some(value) = value(column) {
            svg.mark((x(column.depth) + aside, y(value)), 3.2, shape(model), &mark_class(model));
        }
    }
}

fn caption(findings: &[&Finding], panels: &[Panel], models: &[&str], has_synthetic: bool) -> String {
    let mut caption = "What the suspect's units, heads or tokens have in common with the reference's once they are put into one order, from 0 \
                       (nothing) to 1 (all), beside the same number for every control at the same relative depth. A derived model stands far \
                       above every control in every block, however it is disguised; an independent one runs among them."
        .to_owned();
    for panel in panels {
        caption.push_str(&format!(" {}", panel.sentence()));
    }
    if models.is_empty() {
        caption.push_str(" No conclusion: no controls were given, so this report does not know what independent models reach.");
    }
    if has_synthetic {
        caption.push_str(
            " The grey area ends at the highest value of synthetic copies: the suspect's own units in random order. They are not models; they \
             show what chance reaches, not what training on the same data reaches.",
        );
    }
    if panels.iter().flat_map(|panel| &panel.columns).any(|column| column.suspect.len() > 1) {
        caption.push_str(" Where several experts stand in one block, the line runs through the lowest of them.");
    }
    let missing: Vec<String> = findings
        .iter()
        .filter(|f| f.profile.is_empty() && f.statistic.is_some_and(|v| v.abs() > 1.0 + 1e-9))
        .map(|f| f.method.clone())
        .collect();
    if !missing.is_empty() {
        caption.push_str(&format!(" Not drawn, because it is no share: {}.", missing.join(", ")));
    }
    caption
}

fn tables(findings: &[&Finding], models: &[&str], short: &[String]) -> Vec<NumberTable> {
    let number = |v: Option<f64>| v.filter(|v| v.is_finite()).map_or_else(|| "–".to_owned(), numbers::three_decimals);
    let name = |model: &str| models.iter().position(|m| *m == model).and_then(|i| short.get(i).cloned()).unwrap_or_default();
    let mut tables: Vec<NumberTable> = findings
        .iter()
        .filter(|finding| !finding.profile.is_empty())
        .map(|finding| {
            let mut head: Vec<String> = ["block", "reference's block", "could agree", "suspect"].map(str::to_owned).to_vec();
            head.extend(finding.controls.iter().map(|control| name(&control.model)));
            head.push("synthetic copies, highest".to_owned());
            let rows = finding.profile.iter().map(|point| {
                let mut row = vec![point.label.clone(), point.reference.clone(), numbers::grouped(point.n), number(Some(point.value))];
                row.extend((0..finding.controls.len()).map(|i| number(point.controls.get(i).copied().flatten())));
                row.push(number(point.synthetic));
                row
            });
            NumberTable { caption: finding.method.clone(), head, rows: rows.collect() }
        })
        .collect();
    let whole: Vec<Vec<String>> = findings
        .iter()
        .filter(|finding| finding.profile.is_empty())
        .map(|finding| {
            let of = |model: &&str| finding.controls.iter().find(|control| control.model == **model).and_then(|control| control.statistic);
            let mut row = vec![finding.method.clone(), number(finding.statistic)];
            row.extend(models.iter().map(|model| number(of(model))));
            row
        })
        .collect();
    if !whole.is_empty() {
        let head = ["method", "suspect"].into_iter().map(str::to_owned).chain(short.iter().cloned()).collect();
        tables.push(NumberTable { caption: capital("one number for the whole model"), head, rows: whole });
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Control;

    fn point(label: &str, depth: f64, value: f64) -> ProfilePoint {
        ProfilePoint { label: label.to_owned(), depth, value, n: 688, controls: vec![Some(0.004), None], ..ProfilePoint::default() }
    }

    fn report(profile: Vec<ProfilePoint>) -> Report {
        let control = |model: &str| Control { model: model.to_owned(), statistic: Some(0.004), log10_p: None };
        let finding = Finding {
            method: "weights.unit-matching".to_owned(),
            statistic: Some(0.99),
            controls: vec![control("x/one"), control("x/two")],
            profile,
            ..Finding::default()
        };
        Report { findings: vec![finding], ..Report::default() }
    }

    #[test]
    fn experts_of_a_block_share_a_column_and_the_line_takes_the_lowest() {
        let report = report(vec![point("0.0", 0.0, 0.9), point("0.1", 0.0, 0.2), point("1.0", 1.0, 0.8)]);
        let models = ["x/one", "x/two"];
        let panels = profiles(&report.findings[0], &models, &names::short(&models));
        assert_eq!(panels[0].columns.len(), 2);
        assert_eq!((panels[0].columns[0].label.as_str(), panels[0].columns[0].lowest()), ("0", Some(0.2)));
        let figure = draw(&report).unwrap();
        assert!(figure.caption.contains("through the lowest of them"), "{}", figure.caption);
        assert_eq!(panels[0].columns[0].tip, "block 0, 2 experts: suspect 0.200 to 0.900, controls at most 0.004");
        assert_eq!(figure.tables[0].rows[0], ["0.0", "", "688", "0.900", "0.004", "–", "–"]);
    }

    #[test]
    fn stacks_have_their_own_panels() {
        let report = report(vec![point("enc 0", 0.0, 0.9), point("dec 0", 0.0, 0.8), point("enc 1", 1.0, 0.9)]);
        let figure = draw(&report).unwrap();
        let svg = figure.svg.unwrap().to_string();
        assert!(svg.contains("weights.unit-matching, encoder<") && svg.contains("weights.unit-matching, decoder<"), "{svg}");
    }

    #[test]
    fn without_controls_the_figure_says_so() {
        let mut report = report(vec![point("0", 0.0, 0.9), point("1", 1.0, 0.8)]);
        report.findings[0].controls.clear();
        let figure = draw(&report).unwrap();
        assert!(figure.caption.contains("No conclusion: no controls were given"), "{}", figure.caption);
        assert!(figure.svg.unwrap().to_string().contains(">no conclusion: no controls<"));
    }

    #[test]
    fn many_blocks_and_many_controls_weigh_little() {
        let models: Vec<String> = (0..30).map(|i| format!("controls/model-{i}")).collect();
        let profile = (0..126)
            .map(|i| ProfilePoint { controls: vec![Some(0.004); models.len()], ..point(&i.to_string(), f64::from(i) / 125.0, 0.9) })
            .collect();
        let mut report = report(profile);
        report.findings[0].controls = models.into_iter().map(|model| Control { model, statistic: Some(0.004), log10_p: None }).collect();
        let svg = draw(&report).unwrap().svg.unwrap().to_string();
        assert!(svg.len() < 300_000, "{} bytes", svg.len());
        // Colour, shape and filling together tell 30 controls apart.
        let marks: std::collections::BTreeSet<String> = (0..30).map(|i| format!("{:?} {}", shape(i), mark_class(i))).collect();
        assert_eq!(marks.len(), 30);
    }

    #[test]
    fn methods_without_a_margin_draw_nothing() {
        assert!(draw(&report(Vec::new())).is_none());
    }
}
