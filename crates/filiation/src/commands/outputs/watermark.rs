//! Watermarks measured: a teacher's marked replies, students that learnt them or not, and a thousand keys that nobody used.

use super::nulls::Nulls;
use super::{Demand, Section, Size, World};
use crate::Error;
use crate::commands::outputs::world::Study;
use crate::commands::watermark::observe;
use evidence::{MarkEvidence, MarkTest, MarkedTexts, Radioactivity, Reading, Records, TokenText, other_keys};
use forward::{Network, NotRunnable, Scheme, Watermark, WatermarkKey, predictions};
use lab::distil::{ReplyFile, Teacher};
use lab::train::Tune;
use sources::{FormatError, Model};
use stats::PValue;
use stats::uniformity::{clopper_pearson, ks_uniform};

/// Keys that nobody used.
const OTHER_KEYS: u64 = 1000;
/// Green lists of a quarter of all tokens, by the two tokens before.
const KGW: Scheme = Scheme::Kgw { gamma: 0.25, delta: 3.0 };
const WINDOW: usize = 2;

/// Watermarks and what is left of them in students.
pub(crate) fn measure(world: &World<'_>) -> Result<Section, Error> {
    let usage = |error: FormatError| Error::Report(error.to_string());
    let key = Watermark::new(KGW, WINDOW, [0x5f; 32]).map_err(usage)?;
    let gumbel = Watermark::new(Scheme::Gumbel, WINDOW, [0x5f; 32]).map_err(usage)?;
    let n = world.size.choose(800, 4_000);
    let few = world.size.choose(200, 1_000);
    let said_by_students = world.size.choose(200, 4_000);
    let is_full = world.size == Size::Full;

    let teacher_model = world.trained("watermark-teacher", 41, 1, 41)?;
    let teacher = world.teacher(&teacher_model)?;
    let marked = world.marked_replies("watermark-marked", &teacher, 11, n, Some(&key))?;
    let plain = world.replies("watermark-plain", &teacher, 11, n)?;
    let by_gumbel = world.marked_replies("watermark-gumbel", &teacher, 12, few, Some(&gumbel))?;
    let to_read = world.marked_replies("watermark-to-read", &teacher, 13, few, Some(&key))?;

    let study = |fraction: f64| Study {
        pairs: n as usize,
        fraction,
        rewriting: 0.0,
        epochs: world.size.choose(2.0, 3.0),
        tune: Tune::Full,
        rate: 1e-3,
        seed: 3,
    };
    let base = || world.trained("watermark-base", 42, 1, 42);
    let students = [
        ("watermark-innocent", "none", world.student("watermark-innocent", base()?, &[&plain], &study(1.0))?),
        ("watermark-tenth", "10 %", world.student("watermark-tenth", base()?, &[&marked], &study(0.1))?),
        ("watermark-whole", "100 %", world.student("watermark-whole", base()?, &[&marked], &study(1.0))?),
    ];

    let mut page = format!(
        "Green lists (γ .25, δ 3) by windows of 2 tokens; Gumbel-max for the teacher's own replies only. Students read {n} replies {} times, of which a share \
         is marked. `z` counts every distinct pair of window and token once. The naive `z` takes every copy for a number of its own. `p` is the rigorous \
         p-value of the method.\n\n| texts | pairs | z | weighted z | log10 p, each once | log10 p, Chernoff | naive z | naive log10 p | log10 p \
         |\n|---|---|---|---|---|---|---|---|---|\n",
        study(1.0).epochs
    );
    let mut demands = Vec::new();
    for (what, file, key) in [("teacher's own, green lists", &marked, &key), ("teacher's own, Gumbel-max", &by_gumbel, &gumbel)] {
        let texts = texts(world, &teacher, file, few as usize)?;
        let found = watermark(key, texts)?;
        row(&mut page, what, found.texts.as_ref(), found.p_value);
        demands.push(below(&format!("{what}: p below 1e-6"), found.p_value, -6.0));
    }
    let mut said = Vec::new();
    for (name, share, model) in &students {
        let student = world.teacher(model)?;
        let file = world.replies(&format!("{name}-says"), &student, 21, said_by_students)?;
        let closed = texts(world, &student, &file, usize::MAX)?;
        let (tokens, readings) = (closed.clone(), readings(world, &teacher, &to_read, model)?);
        let by_texts = radioactivity(&key, closed, Vec::new())?;
        row(&mut page, &format!("student's own, {share} marked"), by_texts.texts.as_ref(), by_texts.p_value);
        let by_reading = radioactivity(&key, Vec::new(), readings)?;
        row(&mut page, &format!("student reads, {share} marked"), by_reading.reading.as_ref(), by_reading.p_value);
        match *share {
            "none" => {
                let all = [by_texts.p_value, by_reading.p_value];
                let least = all.iter().map(|p| p.log10()).fold(0.0, |least: f64, p| if p < least { p } else { least });
                demands.push(Demand {
                    what: "innocent student: no p below 1e-3".into(),
                    found: format!("log10 p {least:.2}"),
                    is_met: least > -3.0,
                });
            }
            // What a tenth of the texts and of the size leaves is too little.
            "100 %" if is_full => {
                demands.push(below("student of marked replies, its texts: p below 1e-6", by_texts.p_value, -6.0));
                demands.push(below("student of marked replies, reading: p below 1e-6", by_reading.p_value, -6.0));
            }
            _ => {}
        }
        said.push((*share, tokens));
    }
    page.push_str(&nulls(world, &key, &said, &mut demands)?);
    page.push_str(&hard_null(world, &teacher, &students[0].2, &mut demands)?);
    Ok(Section { title: "Watermarks and radioactivity".into(), page, demands, pictures: Vec::new() })
}

fn below(what: &str, p: PValue, level: f64) -> Demand {
    Demand { what: what.into(), found: format!("log10 p {:.1}", p.log10()), is_met: p.log10() < level && p.is_rigorous() }
}

fn row(page: &mut String, what: &str, test: Option<&MarkTest>, p: PValue) {
    let Some(test) = test else { return };
    let or = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.1}"));
    let (chernoff, naive) = (test.chernoff.map(|p| p.log10()), test.naive.map(|naive| naive.z));
    let naive_p = test.naive.map(|naive| naive.p_value.log10());
    let weighted = test.chernoff.map(|_| test.weighted_z);
    page.push_str(&format!(
        "| {what} | {} | {:.1} | {} | {:.1} | {} | {} | {} | {:.1} |\n",
        test.n,
        test.z,
        or(weighted),
        test.once.log10(),
        or(chernoff),
        or(naive),
        or(naive_p),
        p.log10()
    ));
}

fn refused(model: &Model) -> impl Fn(NotRunnable) -> Error + '_ {
    |why| FormatError::new("model", why.0, "a decoder with a tokenizer").at(&model.path).into()
}

fn unsplit(why: NotRunnable) -> Error {
    Error::Report(why.0)
}

/// The first replies of a file as tokens, with their prompts.
fn texts(world: &World<'_>, model: &Teacher, file: &ReplyFile, n: usize) -> Result<Vec<TokenText>, Error> {
    let tokenizer = &model.responder.tokenizer;
    let text = |reply: &lab::distil::StoredReply| {
        let prompt = world.dialogues.chat.asked_ids(tokenizer, &reply.prompt).map_err(unsplit)?;
        Ok(TokenText { prompt, reply: reply.tokens.clone() })
    };
    file.replies.iter().take(n).map(text).collect()
}

/// The owner's replies as a suspect reads them.
fn readings(world: &World<'_>, owner: &Teacher, file: &ReplyFile, suspect: &Model) -> Result<Vec<Reading>, Error> {
    let network = Network::open(suspect).map_err(refused(suspect))?;
    let owners = texts(world, owner, file, usize::MAX)?;
    let tokens: Vec<Vec<u32>> = owners.iter().map(|text| [text.prompt.as_slice(), &text.reply].concat()).collect();
    let predicted = predictions(&network, &tokens, &|_| ())?;
    let reading =
        |((text, tokens), predictions): ((TokenText, Vec<u32>), Vec<u32>)| Reading { tokens, given: text.prompt.len(), predictions };
    Ok(owners.into_iter().zip(tokens).zip(predicted).map(reading).collect())
}

fn evidence_of(id: &'static str, records: &Records<'_>) -> Result<MarkEvidence, Error> {
    let (_, outcome) = observe(id, records)?;
    match outcome.observed().and_then(|observation| observation.marks.as_deref()) {
        Some(evidence) => Ok(evidence.clone()),
        None => Err(Error::Report(format!("{id} does not apply: {}", outcome.why().unwrap_or_default()))),
    }
}

fn watermark(key: &Watermark, texts: Vec<TokenText>) -> Result<MarkEvidence, Error> {
    let marked = MarkedTexts { key: WatermarkKey::Drawn(key.clone()), texts };
    evidence_of("text.watermark", &Records { marked: Some(&marked), ..Records::default() })
}

fn radioactivity(key: &Watermark, closed: Vec<TokenText>, reading: Vec<Reading>) -> Result<MarkEvidence, Error> {
    let given = Radioactivity { watermark: key.clone(), closed, reading };
    evidence_of("text.radioactivity", &Records { radioactivity: Some(&given), ..Records::default() })
}

/// Keys that nobody used, on the texts of students.
fn nulls(world: &World<'_>, key: &Watermark, said: &[(&str, Vec<TokenText>)], demands: &mut Vec<Demand>) -> Result<String, Error> {
    let mut page = format!(
        "\n### {OTHER_KEYS} other keys\n\nOn the texts of the same students, under keys that nobody used: how many p-values lie at or below a level, with the \
         99 % interval of the rate at .01, and the p-value of uniformity (Kolmogorov and Smirnov).\n\n\
         | texts | test | ≤ .01 | 99 % interval | ≤ 1e-5 | uniform |\n|---|---|---|---|---|---|\n"
    );
    for (share, texts) in said.iter().filter(|(share, _)| *share != "10 %") {
        let found = other_keys(texts, key, OTHER_KEYS, world.size.choose(1_999, 9_999), 7)?;
        let of = |p: fn(&evidence::OtherKey) -> PValue| -> Vec<f64> { found.iter().map(|key| p(key).value()).collect() };
        for (test, ps, is_exact) in [
            ("each pair once", of(|key| key.once), true),
            ("weighted, fresh keys", of(|key| key.fresh_keys), true),
            ("weighted, Chernoff", of(|key| key.chernoff), false),
            ("naive", of(|key| key.naive), false),
        ] {
            let count = |level: f64| ps.iter().filter(|p| **p <= level).count() as u64;
            let (at, beyond) = (count(0.01), count(1e-5));
            let (low, high) = clopper_pearson(at, OTHER_KEYS, 0.99).map_err(evidence::MethodError::from)?;
            let uniform = ks_uniform(&ps).map_err(evidence::MethodError::from)?.p.value();
            page.push_str(&format!("| {share} marked | {test} | {at} | {low:.4} to {high:.4} | {beyond} | {uniform:.3} |\n"));
            let what = format!("{share} marked, {test}");
            if is_exact {
                let is_met = low <= 0.01 && 0.01 <= high;
                demands.push(Demand { what: format!("{what}: size at .01"), found: format!("{at} of {OTHER_KEYS}"), is_met });
            }
            if test != "naive" {
                demands.push(Demand { what: format!("{what}: none at 1e-5"), found: beyond.to_string(), is_met: beyond == 0 });
            }
        }
    }
    Ok(page)
}

/// The innocent student reads texts of fresh keys of the owner: what it reads hangs on the key, what it learnt does not.
fn hard_null(world: &World<'_>, teacher: &Teacher, innocent: &Model, demands: &mut Vec<Demand>) -> Result<String, Error> {
    let (n, replies) = world.size.choose((20, 40), (1_000, 20));
    let mut ps = Vec::new();
    for index in 0..n {
        let key = Watermark::new(KGW, WINDOW, [0x60; 32]).map_err(|error| Error::Report(error.to_string()))?.stranger(1, index);
        let file = world.marked_replies(&format!("watermark-null-{index}"), teacher, 31, replies, Some(&key))?;
        let readings = readings(world, teacher, &file, innocent)?;
        ps.push(radioactivity(&key, Vec::new(), readings)?.p_value.value());
    }
    let count = |level: f64| ps.iter().filter(|p| **p <= level).count() as u64;
    demands.extend(Nulls::of(&ps)?.demands("innocent student reads texts of fresh keys", true));
    Ok(format!(
        "\n### Reading under the owner's own keys\n\nThe innocent student reads {replies} replies of the teacher under each of {n} keys, so that what it reads \
         hangs on the key and what it learnt does not: {} at or below .05, {} at or below .01.\n",
        count(0.05),
        count(0.01)
    ))
}
