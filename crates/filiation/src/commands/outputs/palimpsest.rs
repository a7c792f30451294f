//! `text.palimpsest`: models that read once, in an order that was kept; fine-tunes of them; and models that read the same in other orders.

use super::nulls::Nulls;
use super::{Demand, Reading, Section, Study, World};
use crate::Error;
use crate::commands::palimpsest::{Document, log_probabilities, scores};
use crate::one_finding::outcome;
use crate::suspect::Reader;
use evidence::Records;
use lab::train::Tune;
use rayon::prelude::*;
use sources::Model;
use stats::sampling;

/// The seed that draws the kept order.
const KEPT: u64 = 41;
/// Documents of a null.
const NULL_DOCUMENTS: usize = 1000;
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
    let read = |model: &Model, name: &str| {
        log_probabilities(&documents, Reader::Weights(model), &world.dialogues.chat, &format!("{name} reads"), world.progress)
    };
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
    let (bases, are_tuned) = size.choose((2, false), (6, true));
    let mut of_bases = Vec::new();
    for seed in (70..).take(bases) {
        let name = format!("palimpsest-base-{seed}");
        let base = world.student_by(&name, world.begun(seed)?, &[], &study, by(seed))?;
        of_bases.push(read(&base, "base")?);
        if are_tuned {
            // A suspect has been trained on; a base that was, on other documents, is nearer to it.
            let tuned = Study { pairs: 2_000, rate: 1e-3, seed: 100 + seed, ..study.clone() };
            let model = world.student(&format!("{name}-tuned"), base, &[], &tuned)?;
            of_bases.push(read(&model, "tuned base")?);
        }
    }
    let of_bases: Vec<&Vec<Option<f64>>> = of_bases.iter().collect();

    let mut page = format!(
        "A model of about 0.1 million parameters reads {n} dialogues once, {BATCH} a step, in an order that is kept. The bases read the same in other orders: {bases} of them{}. `ρ`: \
         documents read later are remembered better.\n\n| suspect | descends | ρ, one base | log10 p | ρ, \
         all bases | log10 p |\n|---|---|---|---|---|---|\n",
        if are_tuned { ", and each again after a fine-tune of 2000 other documents, rate 0.001" } else { "" }
    );
    let mut worst = f64::NEG_INFINITY;
    let mut strangers = 0;
    for member in &members {
        let tested = |bases: &[&Vec<Option<f64>>]| -> Result<(f64, f64), Error> {
            let order = scores(&documents, &member.logprobs, bases);
            let outcome = outcome("text.palimpsest", &Records { order: Some(&order), seed: 1, ..Records::default() })?;
            let Some(found) = outcome.observed() else {
                return Err(Error::Report(format!("palimpsest: {}", outcome.why().unwrap_or_default())));
            };
            Ok((found.statistic, found.p_value.map_or(0.0, stats::PValue::log10)))
        };
        let (alone_rho, alone_log10_p) = tested(&of_bases[..1])?;
        let (rho, log10_p) = tested(&of_bases)?;
        if member.is_finetune && log10_p > worst {
            worst = log10_p;
        }
        strangers += usize::from(!member.descends && log10_p <= -2.0);
        page.push_str(&format!(
            "| {} | {} | {alone_rho:.4} | {alone_log10_p:.1} | {rho:.4} | {log10_p:.1} |\n",
            member.name,
            if member.descends { "yes" } else { "no" },
        ));
    }

    let nulls: Vec<[f64; 3]> = (0..size.choose(200u64, 1_000))
        .into_par_iter()
        .map(|trial| null(trial, &members[trial as usize % members.len()], &documents, &of_bases))
        .collect::<Result<_, Error>>()?;
    let of = |k: usize| Nulls::of(&nulls.iter().map(|p| p[k]).collect::<Vec<_>>());
    let (drawn, paired, both) = (of(0)?, of(1)?, of(2)?);
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
    demands.extend(both.demands("palimpsest", false));
    Ok(Section { title: "text.palimpsest".into(), page, demands, pictures: Vec::new() })
}

/// p by drawn orders, by pairs, and as reported, of some documents in an order that nobody read in.
fn null(trial: u64, member: &Member, documents: &[Document], bases: &[&Vec<Option<f64>>]) -> Result<[f64; 3], Error> {
    let mut scores = scores(documents, &member.logprobs, bases);
    sampling::shuffle(&mut sampling::generator(trial, "outputs/palimpsest/null"), &mut scores.documents);
    scores.documents.truncate(NULL_DOCUMENTS);
    scores.documents.iter_mut().zip(0..).for_each(|(document, place)| document.position = place);
    let outcome = outcome("text.palimpsest", &Records { order: Some(&scores), seed: trial, ..Records::default() })?;
    let observed = outcome.observed().and_then(|found| Some((found, found.p_value?)));
    let Some((found, p_value)) = observed else {
        return Err(Error::Report(format!("palimpsest: {}", outcome.why().unwrap_or_default())));
    };
    let part = |label: &str| found.explanation.parts.iter().find(|part| part.label == label).and_then(|part| part.value);
    let p = |label: &str| part(label).map_or(f64::NAN, |log10_p| 10f64.powf(log10_p));
    Ok([p("by drawn orders"), p("by pairs of places"), p_value.value()])
}
