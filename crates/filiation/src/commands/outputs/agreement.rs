//! `text.agreement`: lineages of one recipe, their children, and students of one that started from another.

use super::{Demand, Section, Study, World};
use crate::Error;
use crate::commands::agreement::{invented, top_tokens};
use crate::one_finding::outcome;
use evidence::{Answers, ControlAnswers, OneAnswerEach, Records};
use lab::train::{Schedule, Tune};
use sources::Model;
use stats::tails::ln_student_sf;

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
         over controls) at most {LEVEL}; *and t*: the reference also lies beyond the spread of the controls at {LEVEL} (Student's t).\n\n| suspects | controls | parent found | others \
         named | parent found, and t | others named, and t |\n|---|---|---|---|---|---|\n",
        members.len()
    );
    let kinds = ["base", "fine-tune", "int8", "continued", "merge of fine-tune and continued", "student"];
    // All siblings, then parent hidden; of each by p alone, then by p and t.
    let mut all: [[Count; 2]; 2] = Default::default();
    let mut largest = f64::NEG_INFINITY;
    // Students named their base's; their teacher's; the latter where their base is hidden; the same with t.
    let (mut students, mut as_base, mut as_teacher) = (0, [0; 2], [[0; 2]; 2]);
    for kind in kinds {
        let suspects: Vec<&Member> = members.iter().filter(|member| member.kind == kind).collect();
        if suspects.is_empty() {
            continue;
        }
        let mut rows: [[Count; 2]; 2] = Default::default();
        for suspect in &suspects {
            students += usize::from(suspect.teacher.is_some());
            for candidate in bases.iter().filter(|base| base.name != suspect.name) {
                let truly = suspect.kind != "base" && candidate.lineages.iter().all(|lineage| suspect.lineages.contains(lineage));
                let is_teacher = suspect.teacher.is_some() && candidate.lineages.first() == suspect.teacher.as_ref();
                for (hides, row) in rows.iter_mut().enumerate() {
                    let is_control = |base: &&&Member| {
                        let is_parent = base.lineages.iter().all(|lineage| suspect.lineages.contains(lineage));
                        base.name != candidate.name && base.name != suspect.name && !(hides == 1 && is_parent)
                    };
                    let controls: Vec<&Member> = bases.iter().filter(is_control).copied().collect();
                    let Tested { p, delta, is_beyond } = tested(candidate, suspect, &controls)?;
                    if !truly && hides == 1 && delta > largest {
                        largest = delta;
                    }
                    for (with_t, count) in row.iter_mut().enumerate() {
                        let is_named = p <= LEVEL && (with_t == 0 || is_beyond);
                        count.add_case(truly, is_named);
                        as_base[with_t] += usize::from(suspect.teacher.is_some() && truly && is_named && hides == 0);
                        as_teacher[hides][with_t] += usize::from(is_teacher && is_named);
                    }
                }
            }
        }
        for (name, row) in ["all siblings", "parent hidden"].iter().zip(&rows) {
            let cells: Vec<String> =
                row.iter().map(|count| format!("{} | {}", cell(count.found, count.missed), cell(count.wrong, count.right))).collect();
            page.push_str(&format!("| {kind} ({}) | {name} | {} |\n", suspects.len(), cells.join(" | ")));
        }
        all.iter_mut().flatten().zip(rows.iter().flatten()).for_each(|(sum, count)| sum.add(count));
    }
    let [[open, open_t], [hidden, hidden_t]] = &all;
    page.push_str("\n| | precision | recall |\n|---|---|---|\n");
    for (name, count) in [
        ("all siblings, p alone", open),
        ("all siblings, p and t", open_t),
        ("parent hidden, p alone", hidden),
        ("parent hidden, p and t", hidden_t),
    ] {
        page.push_str(&format!("| {name} | {:.3} | {:.3} |\n", count.precision(), count.recall()));
    }
    page.push_str(&format!(
        "\nOf {students} students that learnt the replies of one base and started from another, by p alone and with t: {} and {} were named the child of the base that they started \
         from, {} and {} of their teacher; where the base is hidden, {} and {} of their teacher. The largest `Δ` of a pair that is no descent, parent hidden, is {largest:.4}.\n",
        as_base[0], as_base[1], as_teacher[0][0], as_teacher[0][1], as_teacher[1][0], as_teacher[1][1]
    ));
    let mut demands = Vec::new();
    for (name, count) in [("p alone", open), ("p and t", open_t)] {
        let (precision, recall) = (count.precision(), count.recall());
        demands.push(Demand {
            what: format!("agreement, {name}: precision ≥ .95 and recall ≥ .9 at {LEVEL}"),
            found: format!("{precision:.3} and {recall:.3}"),
            is_met: precision >= 0.95 && recall >= 0.9,
        });
    }
    demands.push(Demand {
        what: "agreement, parent hidden, p and t: precision ≥ .95".into(),
        found: format!("{:.3}", hidden_t.precision()),
        is_met: hidden_t.precision() >= 0.95,
    });
    demands.push(Demand {
        what: "agreement: students named their base's, never their teacher's".into(),
        found: format!(
            "{} of {students} their base's, {} their teacher's ({} with the base hidden)",
            as_base[0], as_teacher[0][0], as_teacher[1][0]
        ),
        is_met: as_base[0] == students && as_teacher[0][0] == 0,
    });
    Ok(Section { title: "text.agreement".into(), page, demands })
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

/// A suspect beside a candidate.
struct Tested {
    p: f64,
    delta: f64,
    /// Whether the candidate lies beyond the spread of the controls, at the same level.
    is_beyond: bool,
}

fn tested(candidate: &Member, suspect: &Member, controls: &[&Member]) -> Result<Tested, Error> {
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
    let t = found.explanation.parts.iter().find(|part| part.label == "beyond the controls").and_then(|part| part.value);
    let is_beyond = t.is_some_and(|t| ln_student_sf(t, controls.len() as f64 - 1.0) <= LEVEL.ln());
    Ok(Tested { p: found.p_value.map_or(1.0, stats::PValue::value), delta: found.statistic, is_beyond })
}
