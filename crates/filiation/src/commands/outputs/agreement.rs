//! `text.agreement`: lineages of one recipe, their children, and students of one that started from another.

use super::nulls::Nulls;
use super::{Demand, Section, Study, World};
use crate::Error;
use crate::commands::agreement::{invented, top_tokens};
use crate::one_finding::outcome;
use evidence::{Answers, ControlAnswers, OneAnswerEach, Records};
use lab::train::{Schedule, Tune};
use rayon::prelude::*;
use sources::Model;
use stats::PValue;
use stats::holm::holm;
use stats::sampling::{generator, shuffle};

/// What a suspect may say of all candidates together, by chance.
const LEVEL: f64 = 0.05;
/// Prompts that all are asked.
const PROMPTS: u64 = 3_000;
/// Controls of a test under the null hypothesis.
const NULL_CONTROLS: usize = 9;
/// The first lineage's seed.
const FIRST: u64 = 600;

/// A checkpoint.
struct Member {
    name: String,
    kind: &'static str,
    /// The lineages that its weights are from.
    lineages: Vec<usize>,
    /// Whose replies it learnt, for students.
    teacher: Option<usize>,
    answers: OneAnswerEach,
}

/// Every candidate parent that a child was held against.
#[derive(Default)]
struct Count {
    found: usize,
    missed: usize,
    wrong: usize,
    right: usize,
}

pub(crate) fn measure(world: &World<'_>) -> Result<Section, Error> {
    let (lineages, strangers) = world.size.choose((4, 0), (12, 22));
    let is_full = world.size == super::Size::Full;
    let world = &world.compact()?;
    let asked = invented(&world.dialogues, 90, PROMPTS);
    let mut members = Vec::new();
    let mut add = |name: String, kind: &'static str, lineages: Vec<usize>, teacher: Option<usize>, model: &Model| -> Result<(), Error> {
        let answers = top_tokens(model, &world.dialogues.chat, &asked, world.progress)?;
        members.push(Member { name, kind, lineages, teacher, answers });
        Ok(())
    };
    let base = |i: usize| format!("agreement-base-{i}");
    let open = |name: &str| -> Result<Model, Error> { Ok(Model::open(&world.path(name))?) };
    for i in 0..lineages + strangers {
        // One recipe and corpus; weights and order are drawn anew.
        let model = world.trained(&base(i), FIRST + i as u64, 1, FIRST + i as u64)?;
        add(base(i), if i < lineages { "base" } else { "stranger" }, vec![i], None, &model)?;
    }
    let pairs = |n: usize, fraction: f64, rate: f64, seed: u64| Study {
        pairs: n,
        fraction,
        rewriting: 0.0,
        epochs: 1.0,
        tune: Tune::Full,
        rate,
        seed,
    };
    for i in 0..lineages {
        let seed = 2 * FIRST + i as u64;
        let name = format!("agreement-finetune-{i}");
        let model = world.student(&name, open(&base(i))?, &[], &pairs(if is_full { 800 } else { 320 }, 0.0, 5e-4, seed))?;
        add(name, "fine-tune", vec![i], None, &model)?;
        let name = format!("agreement-int8-{i}");
        let model = world.stepped(&name, open(&base(i))?, &["round=int8".into()])?;
        add(name, "int8", vec![i], None, &model)?;
        if is_full {
            let name = format!("agreement-continued-{i}");
            let schedule = Schedule { steps: 60, batch: 16, warmup: 5, rate: 1e-3, ..Schedule::default() };
            let model = world.trained_on(&name, || open(&base(i)), 300 + i as u64, seed, schedule)?;
            add(name, "continued", vec![i], None, &model)?;
            let name = format!("agreement-merge-{i}");
            let step = format!("merge={},0.5", world.path(&format!("agreement-continued-{i}")).display());
            let model = world.stepped(&name, open(&format!("agreement-finetune-{i}"))?, &[step])?;
            add(name, "merge of fine-tune and continued", vec![i], None, &model)?;
        }
    }
    for i in 0..if is_full { 3 } else { 1 } {
        let (teacher, start) = (i, (i + 1) % lineages);
        let replies = world.teacher(&open(&base(teacher))?)?;
        let n = if is_full { 2_000 } else { 400 };
        let replies = world.replies(&format!("agreement-replies-{teacher}"), &replies, 400 + i as u64, n)?;
        let name = format!("agreement-student-{i}");
        let model = world.student(&name, open(&base(start))?, &[&replies], &pairs(n as usize, 1.0, 1e-3, 500 + i as u64))?;
        add(name, "student", vec![start], Some(teacher), &model)?;
    }
    let (independent, members): (Vec<Member>, Vec<Member>) = members.into_iter().partition(|member| member.kind == "stranger");
    let mut section = judged(&members, lineages)?;
    if is_full {
        let bases = members.iter().filter(|member| member.kind == "base");
        nulls(&bases.chain(&independent).collect::<Vec<_>>(), &mut section)?;
    }
    Ok(section)
}

fn judged(members: &[Member], lineages: usize) -> Result<Section, Error> {
    let bases: Vec<&Member> = members.iter().filter(|member| member.kind == "base").collect();
    let mut page = format!(
        "{} checkpoints: {lineages} lineages of one recipe and corpus, by seed, and their children, of about 0.1 million parameters. Every checkpoint is held \
         against every base that is not itself, on {PROMPTS} prompts. *All siblings*: every other base is a control. *Parent hidden*: bases that the suspect \
         truly comes from are not among the controls of another candidate, which is what an accuser who is wrong would do. A candidate is named where its \
         p-value, adjusted by Holm for all candidates of the suspect, is at most {LEVEL}.\n\n| suspects | controls | parent found | others named |\n|---|---|---|---|\n",
        members.len()
    );
    // All siblings, then parent hidden.
    let mut all: [Count; 2] = Default::default();
    // Students named their base's; their teacher's; the latter where their base is hidden.
    let (mut students, mut as_base, mut as_teacher) = (0, 0, [0; 2]);
    for kind in ["base", "fine-tune", "int8", "continued", "merge of fine-tune and continued", "student"] {
        let suspects: Vec<&Member> = members.iter().filter(|member| member.kind == kind).collect();
        if suspects.is_empty() {
            continue;
        }
        let mut rows: [Count; 2] = Default::default();
        for suspect in &suspects {
            students += usize::from(suspect.teacher.is_some());
            let is_parent =
                |base: &Member| suspect.kind != "base" && base.lineages.iter().all(|lineage| suspect.lineages.contains(lineage));
            let candidates: Vec<&Member> = bases.iter().filter(|base| base.name != suspect.name).copied().collect();
            for (hides, row) in rows.iter_mut().enumerate() {
                let p_of = |candidate: &Member| {
                    let is_control =
                        |base: &&&Member| base.name != candidate.name && base.name != suspect.name && !(hides == 1 && is_parent(base));
                    tested(candidate, suspect, &bases.iter().filter(is_control).copied().collect::<Vec<_>>())
                };
                let p_values: Vec<PValue> = candidates.iter().map(|candidate| p_of(candidate)).collect::<Result<_, _>>()?;
                for (candidate, p) in candidates.iter().zip(holm(&p_values)) {
                    let (truly, is_named) = (is_parent(candidate), p.value() <= LEVEL);
                    let is_teacher = suspect.teacher.is_some() && candidate.lineages.first() == suspect.teacher.as_ref();
                    row.add_case(truly, is_named);
                    as_base += usize::from(suspect.teacher.is_some() && truly && is_named && hides == 0);
                    as_teacher[hides] += usize::from(is_teacher && is_named);
                }
            }
        }
        for (name, row) in ["all siblings", "parent hidden"].iter().zip(&rows) {
            let (found, wrong) = (cell(row.found, row.missed), cell(row.wrong, row.right));
            page.push_str(&format!("| {kind} ({}) | {name} | {found} | {wrong} |\n", suspects.len()));
        }
        all.iter_mut().zip(&rows).for_each(|(sum, count)| sum.add(count));
    }
    page.push_str("\n| | precision | recall |\n|---|---|---|\n");
    for (name, count) in ["all siblings", "parent hidden"].iter().zip(&all) {
        page.push_str(&format!("| {name} | {:.3} | {:.3} |\n", count.precision(), count.recall()));
    }
    page.push_str(&format!(
        "\nOf {students} students that learnt the replies of one base and started from another, {as_base} were named the child of the base that they started from, \
         {} of their teacher; where the base is hidden, {} of their teacher.\n",
        as_teacher[0], as_teacher[1]
    ));
    let (precision, recall) = (all[0].precision(), all[0].recall());
    let demands = vec![
        Demand {
            what: "agreement: precision ≥ .95 and recall ≥ .9".into(),
            found: format!("{precision:.3} and {recall:.3}"),
            is_met: precision >= 0.95 && recall >= 0.9,
        },
        Demand {
            what: "agreement: students named their teacher's child".into(),
            found: format!("{} of {students}", as_teacher[0]),
            is_met: as_teacher[0] == 0,
        },
    ];
    Ok(Section { title: "text.agreement".into(), page, demands, pictures: Vec::new() })
}

/// Every ordered pair of independent models, with controls drawn from the others.
fn nulls(models: &[&Member], section: &mut Section) -> Result<(), Error> {
    let pairs: Vec<(usize, usize)> =
        (0..models.len()).flat_map(|i| (0..models.len()).map(move |j| (i, j))).filter(|(i, j)| i != j).collect();
    let of_pair = |&(i, j): &(usize, usize)| {
        let mut others: Vec<&Member> = (0..models.len()).filter(|k| *k != i && *k != j).map(|k| models[k]).collect();
        shuffle(&mut generator((i * models.len() + j) as u64, "outputs/agreement/null"), &mut others);
        others.truncate(NULL_CONTROLS);
        Ok(tested(models[j], models[i], &others)?.value())
    };
    let p_values: Vec<f64> = pairs.par_iter().map(of_pair).collect::<Result<_, Error>>()?;
    let nulls = Nulls::of(&p_values)?;
    section.page.push_str(&format!(
        "\nNulls: all {} ordered pairs of {} independent models, each with {NULL_CONTROLS} controls drawn from the others: {}. These pairs share models, so the \
         interval is narrower than it should be.\n",
        pairs.len(),
        models.len(),
        nulls.words()
    ));
    section.demands.extend(nulls.demands("agreement", false));
    Ok(())
}

fn cell(found: usize, rest: usize) -> String {
    if found + rest == 0 { "–".to_owned() } else { format!("{found} of {}", found + rest) }
}

impl Count {
    fn add_case(&mut self, is_true: bool, is_named: bool) {
        match (is_true, is_named) {
            (true, true) => self.found += 1,
            (true, false) => self.missed += 1,
            (false, true) => self.wrong += 1,
            (false, false) => self.right += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.wrong += other.wrong;
        self.right += other.right;
    }

    fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.wrong).max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.found as f64 / (self.found + self.missed).max(1) as f64
    }
}

fn tested(candidate: &Member, suspect: &Member, controls: &[&Member]) -> Result<PValue, Error> {
    let control = |control: &&Member| ControlAnswers { name: control.name.clone(), is_sibling: true, answers: control.answers.clone() };
    let answers = Answers {
        reference: candidate.answers.clone(),
        suspect: suspect.answers.clone(),
        controls: controls.iter().map(control).collect(),
    };
    let outcome = outcome("text.agreement", &Records { answers: Some(&answers), ..Records::default() })?;
    let p_value = outcome.observed().and_then(|found| found.p_value);
    p_value.ok_or_else(|| Error::Report(format!("agreement: {}", outcome.why().unwrap_or_default())))
}
