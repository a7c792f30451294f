//! `text.released-twin` on students of known fractions, and on models that never saw what was released.

use super::nulls::Nulls;
use super::{Demand, Section, Size, World};
use crate::Error;
use crate::commands::outputs::world::Study;
use crate::commands::twins::{Ask, logged, scores};
use ::twins::{CampaignKey, Drawing, Line, LocalSnapshot, Secret, SnapshotRecord, TwinFile};
use evidence::{Observation, Records, ScoredRequest, TwinScores, record_method};
use forward::{LocalScorer, ScoreError};
use lab::distil::{ReplyFile, StoredReply, Teacher};
use lab::train::{Adapter, Tune};
use report::{DetectionCurve, detection};
use sources::Model;
use std::collections::BTreeMap;
use std::path::Path;

/// Pairs that a student learns.
const PAIRS: usize = 4_000;
/// Requests of one test under the null hypothesis.
const REQUESTS: usize = 12;
/// Twins of a request.
const TWINS: usize = 2;
/// At most so many released replies are tested, however many a student learnt.
const TESTED: usize = 1_000;
/// The smallest effect that matters, in nats a token.
const EFFECT: f64 = 0.02;

/// How a student is trained on what it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Way {
    rewriting: f64,
    epochs: f64,
    is_adapter: bool,
}

/// Once, whole weights, as the teacher said it.
const PLAIN: Way = Way { rewriting: 0.0, epochs: 1.0, is_adapter: false };
const REWORDED: Way = Way { rewriting: 0.9, ..PLAIN };
const OFTEN: Way = Way { epochs: 3.0, ..PLAIN };
const ADAPTER: Way = Way { is_adapter: true, ..PLAIN };
const ADAPTER_OFTEN: Way = Way { epochs: 3.0, ..ADAPTER };
/// The ways that curves are drawn of.
const WAYS: [Way; 5] = [OFTEN, PLAIN, REWORDED, ADAPTER_OFTEN, ADAPTER];

impl Way {
    fn words(self) -> String {
        let weights = if self.is_adapter { "adapter" } else { "all weights" };
        let epochs = if self.epochs > 1.0 { format!(", {} epochs", self.epochs) } else { ", once".into() };
        let reworded = if self.rewriting > 0.0 { format!(", {:.0} % reworded", 100.0 * self.rewriting) } else { String::new() };
        format!("{weights}{epochs}{reworded}")
    }
}

/// One student of the table: the share that the teacher answered, and how it is trained.
type Row = (f64, Way);

/// Seeds follow the place in this list, so what is new comes last.
fn rows(size: Size) -> Vec<Row> {
    if size == Size::Small {
        return vec![(0.1, OFTEN)];
    }
    let mut rows: Vec<Row> = [0.02, 0.005, 0.01, 0.05, 0.1, 1.0].map(|fraction| (fraction, PLAIN)).to_vec();
    rows.extend([0.3, 0.6, 0.9].map(|rewriting| (0.1, Way { rewriting, ..PLAIN })));
    rows.extend([2.0, 3.0].map(|epochs| (0.1, Way { epochs, ..PLAIN })));
    rows.extend([(0.1, ADAPTER), (0.1, ADAPTER_OFTEN), (0.02, OFTEN), (0.02, REWORDED), (0.02, ADAPTER)]);
    for (way, fractions) in [
        (REWORDED, &[0.005, 0.01, 0.05][..]),
        (OFTEN, &[0.005, 0.01, 0.05]),
        (ADAPTER, &[0.005, 0.01, 0.05]),
        (ADAPTER_OFTEN, &[0.005, 0.01, 0.02, 0.05]),
    ] {
        rows.extend(fractions.iter().map(|&fraction| (fraction, way)));
    }
    rows
}

/// What was found of a row.
struct Found {
    row: Row,
    requests: usize,
    effect: f64,
    z: f64,
    /// Without a base, with the public one, and with a model of the domain beside it.
    log10_p: [f64; 3],
}

pub(crate) fn measure(world: &World<'_>) -> Result<Section, Error> {
    let cast = Cast::new(world)?;
    let found = power(world, &cast)?;
    let (nulls, null_page) = nulls(world, &cast)?;
    let mut page = String::from(
        "A teacher answers prompts; students start from a public base and learn 4,000 pairs, a share of which the teacher answered. Tested are the\n\
         replies that went to the student (at most 1,000), with two twins each. The base is the public reference.\n\n",
    );
    let curve = |way: Way| {
        let mut points: Vec<(f64, f64)> = found.iter().filter(|found| found.row.1 == way).map(|f| (f.row.0, f.log10_p[1])).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        DetectionCurve { name: way.words(), points }
    };
    // Of all replies no more than a thousand are tested, so that point is no part of the curve.
    let some = |mut curve: DetectionCurve| {
        curve.points.retain(|point| point.0 < 1.0);
        curve
    };
    let picture = detection(&WAYS.map(|way| some(curve(way))), LOG10_BAR);
    if picture.is_some() {
        page.push_str(&format!("![p against the share of replies that came from the teacher, by way of training](images/{PICTURE})\n\n"));
    }
    page.push_str(&table(&found));
    page.push_str(&null_page);
    let (demanded, bar) = (rows(world.size)[0], found.first().map_or(f64::NAN, |found| found.log10_p[1]));
    let mut demands = vec![Demand {
        what: format!(
            "released-twin: p < 1e-6 when {} % of the student's replies came from the teacher, {}",
            100.0 * demanded.0,
            demanded.1.words()
        ),
        found: format!("log10 p {bar:.1}"),
        is_met: bar < LOG10_BAR,
    }];
    demands.extend(nulls);
    let pictures = picture.map(|svg| (PICTURE, svg)).into_iter().collect();
    Ok(Section { title: "Released replies beside their twins".into(), page, demands, pictures })
}

/// The file of the curves.
const PICTURE: &str = "released-twin.svg";
/// What is demanded.
const LOG10_BAR: f64 = -6.0;

/// Who plays.
struct Cast {
    teacher: Model,
    other: Model,
    base: Model,
    domain: Model,
    key: CampaignKey,
    fresh_key: CampaignKey,
}

impl Cast {
    fn new(world: &World<'_>) -> Result<Self, Error> {
        let secret = world.path("key.json");
        let secret = if secret.exists() { Secret::open(&secret)? } else { Secret::create(&secret)? };
        let base = world.trained("base", 3, 2, 3)?;
        let pairs = world.size.choose(PAIRS / 2, PAIRS);
        let study = Study { pairs, fraction: 0.0, rewriting: 0.0, epochs: 1.0, tune: Tune::Full, rate: 1e-3, seed: 700 };
        Ok(Self {
            teacher: world.trained("teacher", 1, 1, 1)?,
            other: world.trained("other-teacher", 2, 1, 2)?,
            domain: world.student("domain", Model::open(&base.path)?, &[], &study)?,
            base,
            key: secret.campaign("twins"),
            fresh_key: secret.campaign("fresh"),
        })
    }

    fn twins(&self, world: &World<'_>, name: &str, replies: &ReplyFile, key: &CampaignKey, n: usize) -> Result<Vec<Line>, Error> {
        let path = world.path(&format!("{name}.jsonl"));
        let Teacher { responder, tensor_root, .. } = world.teacher(&self.teacher)?;
        let snapshot = LocalSnapshot { record: SnapshotRecord::of_weights("", tensor_root), responder };
        let log = logged(replies);
        let drawing = Drawing {
            snapshot: &snapshot,
            chat: &world.dialogues.chat,
            log: (&log, &snapshot.record.tensor_root),
            sampling: None,
            campaign: (name, key),
            twins: n,
            accounts: &[],
            placebo: 0,
        };
        let phase = world.progress.steps(&format!("drawing {name}"), drawing.work()?);
        drawing.draw(&path, &|n| phase.advance(n))?;
        Ok(TwinFile::open(&path)?.lines)
    }

    /// What the teacher would have said had it been asked again: replies to the same prompts that were never released.
    fn fresh(&self, world: &World<'_>, name: &str, replies: &ReplyFile) -> Result<ReplyFile, Error> {
        let drawn = self.twins(world, name, replies, &self.fresh_key, 1)?;
        let again = |(reply, line): (&StoredReply, Line)| {
            let mut twins = line.twins.into_iter();
            twins
                .next()
                .map_or_else(|| reply.clone(), |twin| StoredReply { reply: twin.text, finish_reason: twin.finish_reason, ..reply.clone() })
        };
        Ok(ReplyFile { header: replies.header.clone(), replies: replies.replies.iter().zip(drawn).map(|(r, l)| again((r, l))).collect() })
    }

    /// With the base, and beside it a model of the students' domain that no teacher taught.
    fn scores(&self, world: &World<'_>, suspect: &Model, lines: &[Line]) -> Result<TwinScores, Error> {
        let open = |model| LocalScorer::open(model, &world.dialogues.chat).map_err(ScoreError::from);
        let (suspect, base, domain) = (open(suspect)?, open(&self.base)?, open(&self.domain)?);
        scores(&[lines], &Ask { suspect: &suspect, bases: vec![&base, &domain] }, (EFFECT, false), world.progress)
    }
}

fn observe(scores: &TwinScores, seed: u64) -> Result<Option<Observation>, Error> {
    let outcome =
        record_method("text.released-twin").map(|method| method.observe(&Records { twins: Some(scores), seed, ..Records::default() }));
    Ok(outcome.transpose()?.and_then(|outcome| outcome.observed().cloned()))
}

/// With the public base alone.
fn without_domain(scores: TwinScores) -> TwinScores {
    let requests = scores.requests.into_iter().map(|request| ScoredRequest { further: Vec::new(), ..request });
    TwinScores { requests: requests.collect(), ..scores }
}

fn power(world: &World<'_>, cast: &Cast) -> Result<Vec<Found>, Error> {
    let pairs = world.size.choose(PAIRS / 2, PAIRS);
    let replies = world.replies("released", &world.teacher(&cast.teacher)?, 100, pairs as u64)?;
    let lines = cast.twins(world, "twins", &replies, &cast.key, TWINS)?;
    let mut all = Vec::new();
    for (i, row) in rows(world.size).into_iter().enumerate() {
        let (fraction, Way { rewriting, epochs, is_adapter }) = row;
        let tune = if is_adapter { Tune::Adapter(Adapter { rank: 16, alpha: 32.0 }) } else { Tune::Full };
        let study = Study { pairs, fraction, rewriting, epochs, tune, rate: 1e-3, seed: 500 + i as u64 };
        let name = format!("student-{fraction}-{rewriting}-{epochs}-{}", !is_adapter);
        let student = world.student(&name, Model::open(&cast.base.path)?, &[&replies], &study)?;
        let requests = ((fraction * pairs as f64).round() as usize).min(TESTED);
        let scores = cast.scores(world, &student, &lines[..requests])?;
        let log10_p = |observation: Option<Observation>| observation.and_then(|o| o.p_value).map_or(f64::NAN, stats::PValue::log10);
        let with_domain = log10_p(observe(&scores, 0)?);
        let Some(observation) = observe(&without_domain(scores), 0)? else { continue };
        let Some(twins) = observation.twins else { continue };
        let without = twins.without_base.as_ref().map_or(f64::NAN, |test| test.p_value.log10());
        let log10_p = [without, twins.p_value.log10(), with_domain];
        all.push(Found { row, requests, effect: twins.primary.effect, z: twins.primary.z, log10_p });
    }
    Ok(all)
}

/// By way of training, then by share.
fn table(found: &[Found]) -> String {
    let mut rows: Vec<&Found> = found.iter().collect();
    let key = |found: &Found| (found.row.1.is_adapter, found.row.1.rewriting, found.row.1.epochs, found.row.0);
    rows.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
    let mut page = String::from(
        "| weights, epochs, rewording | replies of the teacher | requests | effect, nats a token | z | log10 p, no base | with the base | and a model of the domain |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for Found { row: (fraction, way), requests, effect, z, log10_p: [without, with, with_domain] } in rows {
        page.push_str(&format!(
            "| {} | {} % | {requests} | {effect:.3} | {z:.1} | {without:.1} | {with:.1} | {with_domain:.1} |\n",
            way.words(),
            100.0 * fraction
        ));
    }
    page.push('\n');
    page
}

/// Models that never saw what was released: each with a log of its own, cut into sets of requests.
fn nulls(world: &World<'_>, cast: &Cast) -> Result<(Vec<Demand>, String), Error> {
    let per_model = world.size.choose(240, 100 * REQUESTS);
    let teacher = world.teacher(&cast.teacher)?;
    let other = world.teacher(&cast.other)?;
    let base = |path: &Path| Model::open(path).map_err(Error::from);
    let study = |seed, fraction| Study { pairs: per_model, fraction, rewriting: 0.0, epochs: 2.0, tune: Tune::Full, rate: 1e-3, seed };
    let kinds = [
        "the teacher itself",
        "another teacher",
        "the base",
        "student of fresh draws",
        "student of fresh draws",
        "student of fresh draws",
        "student of another teacher",
        "student of another teacher",
        "student of no teacher",
        "student of no teacher",
    ];
    let mut by_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (i, kind) in kinds.into_iter().enumerate() {
        let released = world.replies(&format!("null-{i}"), &teacher, 200 + i as u64, per_model as u64)?;
        let lines = cast.twins(world, &format!("null-twins-{i}"), &released, &cast.key, TWINS)?;
        let seed = 900 + i as u64;
        let name = format!("null-student-{i}");
        let model = match kind {
            "the teacher itself" => base(&cast.teacher.path)?,
            "another teacher" => base(&cast.other.path)?,
            "the base" => base(&cast.base.path)?,
            "student of fresh draws" => {
                let fresh = cast.fresh(world, &format!("null-fresh-{i}"), &released)?;
                world.student(&name, base(&cast.base.path)?, &[&fresh], &study(seed, 1.0))?
            }
            "student of another teacher" => {
                let theirs = world.replies(&format!("null-other-{i}"), &other, 200 + i as u64, per_model as u64)?;
                world.student(&name, base(&cast.base.path)?, &[&theirs], &study(seed, 1.0))?
            }
            _ => world.student(&name, base(&cast.base.path)?, &[], &study(seed, 0.0))?,
        };
        let scores = cast.scores(world, &model, &lines)?;
        for (set, requests) in scores.requests.chunks(REQUESTS).enumerate() {
            let requests: Vec<ScoredRequest> = requests.to_vec();
            // The base in its own place has nothing left once its part is taken away.
            let requests =
                if kind == "the base" { requests.into_iter().map(|r| ScoredRequest { base: None, ..r }).collect() } else { requests };
            let part = TwinScores { requests, effect: EFFECT, is_sequence: false };
            let Some(observation) = observe(&part, set as u64)? else { continue };
            by_kind.entry(kind).or_default().extend(observation.p_value.map(stats::PValue::value));
        }
    }
    let all: Vec<f64> = by_kind.values().flatten().copied().collect();
    let mut page = String::from("| nothing to find in | p-values |\n|---|---|\n");
    for (kind, p) in &by_kind {
        page.push_str(&format!("| {kind} | {} |\n", Nulls::of(p)?.words()));
    }
    let all = Nulls::of(&all)?;
    page.push_str(&format!("| **all** | {} |\n\n", all.words()));
    Ok((all.demands("released-twin", false), page))
}
