//! `filiation lab dialogues` and `filiation lab distil`: invented prompts, a teacher's replies, and a student that learns them.

use crate::Error;
use crate::cli::distil::{Dialogues as DialoguesArgs, Distil, Drawn, Replies, Student};
use crate::models::open;
use crate::printer::{Printer, printable};
use crate::progress::Progress;
use lab::Precision;
use lab::dialogues::{Dialogues, Subset};
use lab::distil::{Curriculum, Drawing, Lesson, ReplyFile, Rewriting, Sampling, Source, Teacher};
use lab::train::{Schedule, Tune};
use sources::digest;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

impl Drawn {
    fn dialogues(&self) -> Result<Dialogues, Error> {
        let all = match &self.words {
            Some(path) => Dialogues::open(path)?,
            None => Dialogues::shipped().map_err(lab::LabError::from)?,
        };
        let subset = Subset { topics: self.topic.clone(), tasks: self.task.clone(), styles: self.style.clone() };
        let unknown = |error: sources::FormatError| Error::Usage { message: error.to_string(), hint: None };
        all.only(&subset).map_err(unknown)
    }
}

pub(crate) fn dialogues(args: &DialoguesArgs, printer: &Printer) -> Result<(), Error> {
    let dialogues = args.drawn.dialogues()?;
    let texts = (args.from..args.from.saturating_add(args.dialogues)).map(|index| dialogues.text(args.drawn.seed, index));
    let Some(path) = &args.output else { return printer.result(&texts.collect::<String>()) };
    let io = |action| move |error| Error::Io { action, path: path.clone(), error };
    let mut file = BufWriter::new(File::create(path).map_err(io("create"))?);
    for text in texts {
        file.write_all(text.as_bytes()).map_err(io("write"))?;
    }
    file.flush().map_err(io("write"))
}

pub(crate) fn distil(command: &Distil, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    match command {
        Distil::Replies(args) => replies(args, printer, progress),
        Distil::Student(args) => student(args, printer, progress),
    }
}

fn teacher(path: &Path, progress: &Progress) -> Result<Teacher, Error> {
    let model = open(path, progress)?;
    let reading = progress.bytes("digests of the teacher", digest::custody_bytes(&model));
    Ok(Teacher::read(&model, &|n| reading.advance(n))?)
}

fn replies(args: &Replies, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let dialogues = args.drawn.dialogues()?;
    let teacher = teacher(&args.teacher, progress)?;
    let sampling = Sampling { temperature: args.temperature, top_p: args.top_p, max_tokens: args.max_tokens };
    let watermark = args.watermark.as_deref().map(super::watermark::drawn_key).transpose()?;
    let (seed, n) = (args.drawn.seed, args.dialogues);
    let drawing = Drawing { teacher: &teacher, dialogues: &dialogues, seed, n, sampling, watermark: watermark.as_ref() };
    let start = Instant::now();
    let answered = {
        let phase = progress.steps("replies", args.dialogues);
        drawing.answer(&args.output, &|n| phase.advance(n))?
    };
    let seconds = start.elapsed().as_secs_f64();
    let mut text = format!("{} replies in `{}`", answered.found + answered.drawn, printable(&args.output.display().to_string()));
    if answered.found > 0 {
        text.push_str(&format!(", {} of them from before", answered.found));
    }
    if answered.drawn > 0 && seconds > 0.0 {
        text.push_str(&format!("; {:.0} an hour", answered.drawn as f64 / seconds * 3600.0));
    }
    printer.result(&format!("{text}\n"))
}

fn student(args: &Student, printer: &Printer, progress: &Progress) -> Result<(), Error> {
    let usage = |message: String| Error::Usage { message, hint: None };
    if !args.weight.is_empty() && args.weight.len() != args.replies.len() {
        return Err(usage(format!("weights: found {}, expected one for each of {} files", args.weight.len(), args.replies.len())));
    }
    if !(0.0..=1.0).contains(&args.rewriting) {
        return Err(usage(format!("rewriting: found {}, expected 0 to 1", args.rewriting)));
    }
    if args.batch == 0 {
        return Err(usage("batch: found 0, expected at least 1".into()));
    }
    let dialogues = args.drawn.dialogues()?;
    let files: Vec<ReplyFile> = args.replies.iter().map(|path| ReplyFile::open(path)).collect::<Result<_, _>>()?;
    let weights = args.weight.iter().copied().chain(std::iter::repeat(1.0));
    let curriculum = Curriculum {
        teachers: files.iter().zip(weights).map(|(file, weight)| Source { file, weight }).collect(),
        dialogues: &dialogues,
        n: args.pairs.unwrap_or_else(|| files.iter().map(|file| file.replies.len()).sum()),
        fraction: args.fraction,
        rewriting: Rewriting::new(&dialogues.synonyms, args.rewriting, args.drawn.seed),
        seed: args.drawn.seed,
    };
    let logits = args.logits.as_ref().map(|path| teacher(path, progress)).transpose()?;
    let lesson = Lesson {
        curriculum: &curriculum,
        chat: &dialogues.chat,
        epochs: args.epochs,
        schedule: Schedule { batch: args.batch, rate: args.rate, ..Schedule::default() },
        tune: Tune::Full,
        logits: logits.as_ref().map(|teacher| (teacher, args.temperature)),
        seed: args.drawn.seed,
        precision: Precision::Of(lab::Dtype::F32),
    };
    let start = open(&args.start, progress)?;
    let made = {
        let (phase, done) = (std::cell::OnceCell::new(), Cell::new(0));
        let advance = |at: lab::train::Progress, steps: usize| {
            let phase = phase.get_or_init(|| progress.steps("learning", steps as u64));
            phase.advance(at.step.saturating_sub(done.replace(at.step)) as u64);
        };
        lab::distil::distil(start, &lesson, &args.output, &advance)?
    };
    let loss = |point: Option<&lab::train::Point>| point.map_or(f64::NAN, |point| point.loss);
    let (first, last) = (loss(made.points.first()), loss(made.points.last()));
    let path = printable(&args.output.display().to_string());
    printer.result(&format!("{} pairs learnt; loss from {first:.3} to {last:.3}; written to `{path}`\n", curriculum.n))
}
