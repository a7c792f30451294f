//! `text.agreement`: lineages of one recipe, their children, and students of one that started from another.

use super::{Demand, Section, Study, World};
use crate::Error;
use crate::commands::agreement::{invented, top_tokens};
use crate::one_finding::outcome;
use evidence::{Answers, ControlAnswers, OneAnswerEach, Records};
use lab::train::{Schedule, Tune};
use sources::Model;

/// What p-values are held against.
const LEVEL: f64 = 0.01;
/// Prompts that all are asked.
const PROMPTS: u64 = 3_000;

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
    let lineages = world.size.choose(3, 7);
    let world = &world.compact()?;
    let full = lineages > 3;
    let asked = invented(&world.dialogues, 90, PROMPTS);
    let mut members = Vec::new();
    let mut add = |name: String, kind: &'static str, lineages: Vec<usize>, teacher: Option<usize>, model: &Model| -> Result<(), Error> {
        let answers = top_tokens(model, &world.dialogues.chat, &asked, world.progress)?;
        members.push(Member { name, kind, lineages, teacher, answers });
        Ok(())
    };
    let base = |i: usize| format!("agreement-base-{i}");
    let open = |name: &str| -> Result<Model, Error> { Ok(Model::open(&world.path(name))?) };
    for i in 0..lineages {
        // One recipe and corpus; weights and order are drawn anew.
        let model = world.trained(&base(i), 100 + i as u64, 1, 100 + i as u64)?;
        add(base(i), "base", vec![i], None, &model)?;
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
        let seed = 200 + i as u64;
        let name = format!("agreement-finetune-{i}");
        let model = world.student(&name, open(&base(i))?, &[], &pairs(if full { 800 } else { 320 }, 0.0, 5e-4, seed))?;
        add(name, "fine-tune", vec![i], None, &model)?;
        let name = format!("agreement-int8-{i}");
        let model = world.stepped(&name, open(&base(i))?, &["round=int8".into()])?;
        add(name, "int8", vec![i], None, &model)?;
        if full {
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
    for i in 0..if full { 3 } else { 1 } {
        let (teacher, start) = (i, (i + 1) % lineages);
        let replies = world.teacher(&open(&base(teacher))?)?;
        let n = if full { 2_000 } else { 400 };
        let replies = world.replies(&format!("agreement-replies-{teacher}"), &replies, 400 + i as u64, n)?;
        let name = format!("agreement-student-{i}");
        let model = world.student(&name, open(&base(start))?, &[&replies], &pairs(n as usize, 1.0, 1e-3, 500 + i as u64))?;
        add(name, "student", vec![start], Some(teacher), &model)?;
    }
    judged(&members, lineages)
}

fn judged(members: &[Member], lineages: usize) -> Result<Section, Error> {
    let bases: Vec<&Member> = members.iter().filter(|member| member.kind == "base").collect();
    let mut page = format!(
        "{} checkpoints: {lineages} lineages of one recipe and corpus, by seed, and their children, of about 0.1 million parameters. Every checkpoint is held \
         against every base that is not itself, on {PROMPTS} prompts. *All siblings*: every other base is a control. *Parent hidden*: bases that the suspect \
         truly comes from are not among the controls of another candidate, which is what an accuser who is wrong would do. Counted as found: p (the largest \
         over controls) at most {LEVEL}.\n\n| suspects | parent found, all siblings | others named, all siblings | parent found, parent hidden | others named, parent hidden |\n|---|---|---|---|---|\n",
        members.len()
    );
    let kinds = ["base", "fine-tune", "int8", "continued", "merge of fine-tune and continued", "student"];
    let (mut open, mut hidden) = (Count::default(), Count::default());
    let (mut students, mut as_base, mut as_teacher, mut as_teacher_hidden) = (0, 0, 0, 0);
    let mut spreads: Vec<f64> = Vec::new();
    for kind in kinds {
        let suspects: Vec<&Member> = members.iter().filter(|member| member.kind == kind).collect();
        if suspects.is_empty() {
            continue;
        }
        let mut row = [Count::default(), Count::default()];
        for suspect in &suspects {
            let is_student = suspect.teacher.is_some();
            students += usize::from(is_student);
            for candidate in bases.iter().filter(|base| base.name != suspect.name) {
                let truly = suspect.kind != "base" && candidate.lineages.iter().all(|lineage| suspect.lineages.contains(lineage));
                for (hides, row) in [false, true].into_iter().zip(&mut row) {
                    let is_control = |base: &&&Member| {
                        let is_parent = base.lineages.iter().all(|lineage| suspect.lineages.contains(lineage));
                        base.name != candidate.name && base.name != suspect.name && !(hides && is_parent)
                    };
                    let controls: Vec<&Member> = bases.iter().filter(is_control).copied().collect();
                    let (p, delta) = tested(candidate, suspect, &controls)?;
                    let is_named = p <= LEVEL;
                    if !truly && hides {
                        spreads.push(delta);
                    }
                    match (truly, is_named) {
                        (true, true) => row.found += 1,
                        (true, false) => row.missed += 1,
                        (false, true) => row.wrong += 1,
                        (false, false) => row.right += 1,
                    }
                    if is_student && is_named {
                        let is_teacher = candidate.lineages.first() == suspect.teacher.as_ref();
                        as_base += usize::from(truly && !hides);
                        as_teacher += usize::from(is_teacher && !hides);
                        as_teacher_hidden += usize::from(is_teacher && hides);
                    }
                }
            }
        }
        let cell = |found: usize, rest: usize| if found + rest == 0 { "–".to_owned() } else { format!("{found} of {}", found + rest) };
        let [one, other] = &row;
        page.push_str(&format!(
            "| {kind} ({}) | {} | {} | {} | {} |\n",
            suspects.len(),
            cell(one.found, one.missed),
            cell(one.wrong, one.right),
            cell(other.found, other.missed),
            cell(other.wrong, other.right)
        ));
        open.add(one);
        hidden.add(other);
    }
    spreads.sort_by(f64::total_cmp);
    let largest = spreads.last().copied().unwrap_or(f64::NAN);
    page.push_str(&format!(
        "\n| | all siblings | parent hidden |\n|---|---|---|\n| precision | {:.3} | {:.3} |\n| recall | {:.3} | {:.3} |\n\nStudents that learnt the replies of one base \
         and started from another: {as_base} of {students} named the child of the base that they started from, {as_teacher} of their teacher; {as_teacher_hidden} of their teacher where the \
         base that they started from is hidden. The largest `Δ` of a pair that is no descent, parent hidden, is {largest:.4}.\n",
        open.precision(),
        hidden.precision(),
        open.recall(),
        hidden.recall()
    ));
    let demand = |what: &str, value: f64, bar: f64| Demand { what: what.into(), found: format!("{value:.3}"), is_met: value >= bar };
    let demands = vec![
        demand("agreement: precision ≥ .95, all siblings", open.precision(), 0.95),
        demand("agreement: recall ≥ .9, all siblings", open.recall(), 0.9),
        demand("agreement: precision ≥ .95, parent hidden", hidden.precision(), 0.95),
        Demand {
            what: "agreement: students named their base's, never their teacher's".into(),
            found: format!("{as_base} of {students} their base's, {as_teacher} their teacher's ({as_teacher_hidden} with the base hidden)"),
            is_met: as_base == students && as_teacher == 0,
        },
    ];
    Ok(Section { title: "text.agreement".into(), page, demands })
}

impl Count {
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

/// p and `Δ` of a suspect beside a candidate.
fn tested(candidate: &Member, suspect: &Member, controls: &[&Member]) -> Result<(f64, f64), Error> {
    let answers = Answers {
        reference: candidate.answers.clone(),
        suspect: suspect.answers.clone(),
        controls: controls
            .iter()
            .map(|control| ControlAnswers { name: control.name.clone(), is_sibling: true, answers: control.answers.clone() })
            .collect(),
    };
    let outcome = outcome("text.agreement", &Records { answers: Some(&answers), ..Records::default() })?;
    let Some(found) = outcome.observed() else {
        return Err(Error::Report(format!("agreement: {}", outcome.why().unwrap_or_default())));
    };
    Ok((found.p_value.map_or(1.0, stats::PValue::value), found.statistic))
}
