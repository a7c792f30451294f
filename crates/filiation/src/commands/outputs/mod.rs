//! `filiation lab outputs small|full`: what tests on outputs find, and how often they find what is not there, on models made for it.

mod agreement;
mod equality;
mod nulls;
mod palimpsest;
mod twins;
mod watermark;
mod world;

use crate::Error;
use crate::cli::training::Outputs;
use crate::printer::Printer;
use crate::progress::Progress;
pub(crate) use world::{Reading, Size, Study, World};

/// What one family of methods gave.
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: String,
    /// Tables and their words, as Markdown.
    pub(crate) page: String,
    /// What was demanded of it.
    pub(crate) demands: Vec<Demand>,
    /// Drawings that the page shows, by name: SVG.
    pub(crate) pictures: Vec<(&'static str, String)>,
}

/// A bar and what was found.
pub(crate) struct Demand {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) is_met: bool,
}

/// One family of methods, measured.
type Measure = fn(&World<'_>) -> Result<Section, Error>;

/// In the order of the page.
const MEASURES: &[(&str, Measure)] = &[
    ("twins", twins::measure),
    ("watermark", watermark::measure),
    ("palimpsest", palimpsest::measure),
    ("agreement", agreement::measure),
    ("equality", equality::measure),
];

pub(crate) fn run(args: &Outputs, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let world = World::new(args.size, &args.work, progress)?;
    let known = || MEASURES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if let Some(name) = args.only.iter().find(|name| !MEASURES.iter().any(|(known, _)| known == name)) {
        return Err(Error::Usage { message: format!("part: found `{name}`, expected one of {}", known()), hint: None });
    }
    let wanted = MEASURES.iter().filter(|(name, _)| args.only.is_empty() || args.only.iter().any(|only| only == name));
    let images = args.output.join("images");
    std::fs::create_dir_all(&images).map_err(|error| Error::Io { action: "create", path: images.clone(), error })?;
    let mut sections: Vec<Section> = Vec::new();
    for (_, measure) in wanted {
        sections.push(measure(&world)?);
        // Hours may lie between two sections, so each is written when it is there.
        let drawn = sections.iter().flat_map(|section| &section.pictures);
        crate::whole::write(&images, &drawn.map(|(name, svg)| (*name, svg.as_str())).collect::<Vec<_>>())?;
        crate::whole::write(&args.output, &[("outputs.md", &page(args.size, &sections))])?;
    }
    let missed: Vec<&Demand> = sections.iter().flat_map(|section| &section.demands).filter(|demand| !demand.is_met).collect();
    printer.result(&summary(&sections))?;
    if args.expect && !missed.is_empty() {
        let all: Vec<String> = missed.iter().map(|demand| format!("{}: {}", demand.what, demand.found)).collect();
        return Err(Error::Report(format!("found {} demands not met, expected none: {}", missed.len(), all.join("; "))));
    }
    Ok(())
}

fn summary(sections: &[Section]) -> String {
    let demands: Vec<&Demand> = sections.iter().flat_map(|section| &section.demands).collect();
    let met = demands.iter().filter(|demand| demand.is_met).count();
    let mut text = format!("{met} of {} demands met\n", demands.len());
    for demand in demands {
        text.push_str(&format!("  {} {}: {}\n", if demand.is_met { "met   " } else { "missed" }, demand.what, demand.found));
    }
    text
}

fn page(size: Size, sections: &[Section]) -> String {
    let mut page =
        format!("# Tests on outputs\n\nMade by `filiation lab outputs {}`.\n\n| demand | found | met |\n|---|---|---|\n", size.name());
    for demand in sections.iter().flat_map(|section| &section.demands) {
        page.push_str(&format!("| {} | {} | {} |\n", demand.what, demand.found, if demand.is_met { "yes" } else { "**no**" }));
    }
    for section in sections {
        page.push_str(&format!("\n## {}\n\n{}\n", section.title, section.page.trim_end()));
    }
    page
}
