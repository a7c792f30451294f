//! `text.palimpsest`: models that read once, in an order that was kept; fine-tunes of them; and models that read the same in other orders.

use super::nulls::Nulls;
use super::{Demand, Reading, Section, Study, World};
use crate::Error;
use crate::commands::palimpsest::{Document, log_probabilities};
use crate::one_finding::outcome;
use evidence::{OrderScores, ReadDocument, Records};
use lab::train::Tune;
use rayon::prelude::*;
use sources::Model;
use stats::rank_order::rank_order;
use stats::sampling;

/// The seed that draws the kept order.
const KEPT: u64 = 41;
/// Documents of a null, and orders that each draws.
const NULL_DOCUMENTS: usize = 1000;
const NULL_DRAWS: u32 = 499;
/// Documents of a step: what is read with many others leaves little.
const BATCH: usize = 2;
const LARGE_BATCH: usize = 16;
/// What fine-tunes are asked for.
const LOG10_BAR: f64 = -8.0;

/// A model and what is known of it.
struct Member {
    name: String,
    /// Whether it reads in the kept order or descends from what did.
    descends: bool,
    is_finetune: bool,
    logprobs: Vec<Option<f64>>,
}

pub(crate) fn measure(world: &World<'_>) -> Result<Section, Error> {
    let size = world.size;
    let world = &world.compact()?;
    let n = size.choose(1_200, 4_000);
    let study = Study { pairs: n, fraction: 0.0, rewriting: 0.0, epochs: 1.0, tune: Tune::Full, rate: 3e-3, seed: 40 };
    let by = |order: u64| Reading { order, batch: BATCH };
    let start = world.begun(41)?;
    let documents: Vec<Document> = world
        .reading(&start, &study, by(KEPT))?
        .into_iter()
        .enumerate()
        .map(|(place, pair)| Document { position: place as u64, prompt: pair.prompt, reply: pair.answer, is_chat: true })
        .collect();
    let read =
        |model: &Model, name: &str| log_probabilities(&documents, model, &world.dialogues.chat, &format!("{name} reads"), world.progress);
    let mut members = Vec::new();
    let mut member = |name: &str, model: &Model, descends: bool, is_finetune: bool| -> Result<(), Error> {
        members.push(Member { name: name.into(), descends, is_finetune, logprobs: read(model, name)? });
        Ok(())
    };

    let reader = world.student_by("palimpsest-reader", start, &[], &study, by(KEPT))?;
    member("read in the kept order", &reader, true, false)?;
    let tunes: &[(usize, f64, u64)] =
        size.choose(&[(160, 3e-4, 50)], &[(800, 3e-4, 50), (2_000, 3e-4, 51), (800, 1e-3, 52), (4_000, 1e-3, 53)]);
    for &(pairs, rate, seed) in tunes {
        let tuned = Study { pairs, rate, seed, ..study.clone() };
        let start = Model::open(&world.path("palimpsest-reader"))?;
        let model = world.student(&format!("palimpsest-finetune-{seed}"), start, &[], &tuned)?;
        member(&format!("fine-tuned on {pairs} others, rate {rate}"), &model, true, true)?;
    }
    let model = world.stepped("palimpsest-int8", Model::open(&world.path("palimpsest-reader"))?, &["round=int8".into()])?;
    member("int8 of the reader", &model, true, false)?;
    let start = world.begun(41)?;
    let model = world.student_by("palimpsest-large-steps", start, &[], &study, Reading { order: KEPT, batch: LARGE_BATCH })?;
    member(&format!("read in the kept order, {LARGE_BATCH} documents a step"), &model, true, false)?;
    for seed in 60..size.choose(61, 63) {
        let model = world.student_by(&format!("palimpsest-other-{seed}"), world.begun(seed)?, &[], &study, by(seed))?;
        member(&format!("same documents in another order, seed {seed}"), &model, false, false)?;
    }
    // Of no member: what all are held against.
    let base = world.student_by("palimpsest-base", world.begun(70)?, &[], &study, by(70))?;
    let base = read(&base, "reference model")?;

    let mut page = format!(
        "A model of about 0.1 million parameters reads {n} dialogues once, {BATCH} a step, in an order that is kept. The reference model reads the same in another order. `ρ`: documents read later are \
         remembered better.\n\n| suspect | descends | ρ | log10 p, drawn and paired | log10 p, paired alone |\n|---|---|---|---|---|\n"
    );
    let mut worst = f64::NEG_INFINITY;
    let mut strangers = 0;
    for member in &members {
        let order = scores(&documents, &member.logprobs, &base);
        let outcome = outcome("text.palimpsest", &Records { order: Some(&order), seed: 1, ..Records::default() })?;
        let Some(found) = outcome.observed() else {
            return Err(Error::Report(format!("palimpsest: {}", outcome.why().unwrap_or_default())));
        };
        let log10_p = found.p_value.map_or(0.0, stats::PValue::log10);
        let paired = found.explanation.parts.iter().find(|part| part.label == "by pairs of places").and_then(|part| part.value);
        if member.is_finetune && log10_p > worst {
            worst = log10_p;
        }
        strangers += usize::from(!member.descends && log10_p <= -2.0);
        page.push_str(&format!(
            "| {} | {} | {:.4} | {log10_p:.1} | {:.1} |\n",
            member.name,
            if member.descends { "yes" } else { "no" },
            found.statistic,
            paired.unwrap_or_default()
        ));
    }

    let nulls: Vec<(f64, f64, f64)> = (0..size.choose(200u64, 1_000))
        .into_par_iter()
        .map(|trial| null(trial, &members[trial as usize % members.len()], &documents, &base))
        .collect::<Result<_, Error>>()?;
    let of = |part: fn(&(f64, f64, f64)) -> f64| Nulls::of(&nulls.iter().map(part).collect::<Vec<_>>());
    let (drawn, paired, both) = (of(|p| p.0)?, of(|p| p.1)?, of(|p| p.2)?);
    page.push_str(&format!(
        "\nNulls: orders drawn anew against the same models, {} documents each.\n\n| p-value | found |\n|---|---|\n| by drawn orders | {} |\n| by pairs (a bound) \
         | {} |\n| both, as reported | {} |\n",
        NULL_DOCUMENTS.min(n),
        drawn.words(),
        paired.words(),
        both.words()
    ));
    let mut demands = vec![
        Demand {
            what: "palimpsest: p below 1e-8 on every fine-tune".into(),
            found: format!("largest log10 p {worst:.1} of {}", tunes.len()),
            is_met: worst < LOG10_BAR,
        },
        Demand {
            what: "palimpsest: models of other orders below .01".into(),
            found: format!("{strangers} of {}", members.iter().filter(|member| !member.descends).count()),
            is_met: strangers == 0,
        },
    ];
    demands.extend(drawn.demands("palimpsest by drawn orders", false));
    demands.extend(both.demands("palimpsest as reported", true));
    Ok(Section { title: "text.palimpsest".into(), page, demands })
}

fn scores(documents: &[Document], suspect: &[Option<f64>], base: &[Option<f64>]) -> OrderScores {
    let all = documents.iter().zip(suspect.iter().zip(base));
    let read: Vec<ReadDocument> = all
        .filter_map(|(document, (suspect, base))| Some(ReadDocument { position: document.position, suspect: (*suspect)?, base: (*base)? }))
        .collect();
    OrderScores { unread: documents.len() - read.len(), documents: read }
}

/// p by drawn orders, by pairs, and as reported, of some documents in an order that nobody read in.
fn null(trial: u64, member: &Member, documents: &[Document], base: &[Option<f64>]) -> Result<(f64, f64, f64), Error> {
    let scores = scores(documents, &member.logprobs, base);
    let mut values: Vec<f64> = scores.documents.iter().map(|document| document.suspect - document.base).collect();
    sampling::shuffle(&mut sampling::generator(trial, "outputs/palimpsest/null"), &mut values);
    values.truncate(NULL_DOCUMENTS);
    let found = rank_order(&values, NULL_DRAWS, trial, "null").map_err(|error| Error::Method(error.into()))?;
    Ok(found.map_or((1.0, 1.0, 1.0), |found| (found.permutation.value(), found.paired.value(), found.p_value.value())))
}
