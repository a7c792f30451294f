//! `text.equality`: a model beside itself, and beside models that are nearly it.

use super::nulls::Nulls;
use super::{Demand, Section, Study, World};
use crate::Error;
use crate::commands::equality::{Asking, ByPrompt, sampled, together};
use crate::one_finding::outcome;
use evidence::{Records, Sample};
use forward::Sampling;
use lab::train::Tune;
use rayon::prelude::*;
use sources::Model;
use stats::sampling;

/// The model that is claimed.
const MODEL: &str = "equality-model";
/// The level that power is stated at.
const LEVEL: f64 = 0.01;
/// Prompts of a null, and answers of each side to each.
const NULL_PROMPTS: usize = 10;
const NULL_SAMPLES: usize = 5;

pub(crate) fn measure(world: &World<'_>) -> Result<Section, Error> {
    let (n_prompts, pool, per_test, trials, repeats) = world.size.choose((20, 20, 10, 200, 5), (60, 100, 20, 1_000, 20));
    let world = &world.compact()?;
    let model = world.trained(MODEL, 100, 1, 100)?;
    let prompts: Vec<String> = (0..n_prompts).map(|index| world.dialogues.prompt(91, index)).collect();
    let sampled = |model: &Model, name: &str, temperature: f32| {
        let asking = Asking { sampling: Sampling { temperature, top_p: None, max_tokens: 48 }, samples: pool, seed: 7 };
        sampled(model, &world.dialogues.chat, &prompts, name, asking, world.progress)
    };
    let own = sampled(&model, "model itself", 1.0)?;

    let p_values: Vec<(f64, f64)> = (0..trials as u64)
        .into_par_iter()
        .map(|trial| tested(&own, &own, NULL_PROMPTS, NULL_SAMPLES, trial, true))
        .collect::<Result<_, Error>>()?;
    let texts = Nulls::of(&p_values.iter().map(|p| p.0).collect::<Vec<_>>())?;
    let both = Nulls::of(&p_values.iter().map(|p| p.1).collect::<Vec<_>>())?;

    let study = |pairs: usize| Study { pairs, fraction: 0.0, rewriting: 0.0, epochs: 1.0, tune: Tune::Full, rate: 5e-4, seed: 210 };
    let open = || -> Result<Model, Error> { Ok(Model::open(&world.path(MODEL))?) };
    let finetuned = world.student("equality-finetune", open()?, &[], &study(800))?;
    let int4 = world.stepped("equality-int4", open()?, &["round=int4".into()])?;
    let others = [
        ("the model itself", sampled(&model, "model again", 1.0)?),
        ("a fine-tune on 800 pairs", sampled(&finetuned, "fine-tune", 1.0)?),
        ("its int4 copy", sampled(&int4, "int4 copy", 1.0)?),
        ("temperature .8", sampled(&model, "colder model", 0.8)?),
    ];
    let mut page = format!(
        "A model of about 0.1 million parameters. Nulls: two sets of its own answers, {NULL_SAMPLES} each to {NULL_PROMPTS} prompts, drawn from {pool} answers to each of \
         {n_prompts} prompts.\n\n| p-value | found |\n|---|---|\n| of the texts | {} |\n| of texts and log-probabilities, as reported | {} |\n\nPower: {per_test} answers each to all {n_prompts} prompts; share of {repeats} sets with p at \
         most {LEVEL}.\n\n| endpoint | texts alone | with log-probabilities |\n|---|---|---|\n",
        texts.words(),
        both.words()
    );
    let mut found_of = Vec::new();
    for (name, other) in &others {
        let p: Vec<(f64, f64)> = (0..repeats as u64)
            .into_par_iter()
            .map(|trial| tested(&own, other, n_prompts as usize, per_test, trial, false))
            .collect::<Result<_, Error>>()?;
        let rate = |of: fn(&(f64, f64)) -> f64| p.iter().filter(|p| of(p) <= LEVEL).count();
        let (texts, both) = (rate(|p| p.0), rate(|p| p.1));
        page.push_str(&format!("| {name} | {texts} of {repeats} | {both} of {repeats} |\n"));
        found_of.push((*name, texts, both));
    }
    let mut demands = texts.demands("equality of texts", false);
    demands.extend(both.demands("equality as reported", true));
    // Which power to expect nobody demanded; that it is there at all is.
    for (name, texts, both) in found_of.into_iter().skip(1) {
        demands.push(Demand {
            what: format!("equality: power against {name}, at least half"),
            found: format!("{texts} of {repeats} by texts, {both} of {repeats} with log-probabilities"),
            is_met: 2 * both >= repeats,
        });
    }
    Ok(Section { title: "text.equality".into(), page, demands, pictures: Vec::new() })
}

/// p of the texts and p as reported, of some answers to some prompts; of one source the two sides share no answer.
fn tested(own: &ByPrompt, other: &ByPrompt, n_prompts: usize, n_samples: usize, trial: u64, is_one: bool) -> Result<(f64, f64), Error> {
    let mut generator = sampling::generator(trial, "outputs/equality");
    let mut prompts: Vec<&String> = own.keys().collect();
    sampling::shuffle(&mut generator, &mut prompts);
    let (mut model, mut endpoint) = (ByPrompt::new(), ByPrompt::new());
    for prompt in prompts.into_iter().take(n_prompts) {
        let mut drawn = |samples: &[Sample], n: usize| -> Vec<Sample> {
            let mut order: Vec<usize> = (0..samples.len()).collect();
            sampling::shuffle(&mut generator, &mut order);
            order.into_iter().take(n).filter_map(|i| samples.get(i).cloned()).collect()
        };
        let empty = Vec::new();
        let all = own.get(prompt).unwrap_or(&empty);
        let (first, second) = if is_one {
            let mut both = drawn(all, 2 * n_samples);
            let second = both.split_off(both.len() / 2);
            (both, second)
        } else {
            (drawn(all, n_samples), drawn(other.get(prompt).unwrap_or(&empty), n_samples))
        };
        model.insert(prompt.clone(), first);
        endpoint.insert(prompt.clone(), second);
    }
    let samples = together(&model, &endpoint);
    let outcome = outcome("text.equality", &Records { samples: Some(&samples), seed: trial, ..Records::default() })?;
    let Some(found) = outcome.observed() else {
        return Err(Error::Report(format!("equality: {}", outcome.why().unwrap_or_default())));
    };
    let both = found.p_value.map_or(1.0, stats::PValue::value);
    let mut silent = samples;
    silent
        .prompts
        .iter_mut()
        .flat_map(|prompt| prompt.reference.iter_mut().chain(&mut prompt.suspect))
        .for_each(|sample| (sample.logprob, sample.first) = (None, None));
    let outcome = crate::one_finding::outcome("text.equality", &Records { samples: Some(&silent), seed: trial, ..Records::default() })?;
    let texts = outcome.observed().and_then(|found| found.p_value).map_or(1.0, stats::PValue::value);
    Ok((texts, both))
}
