//! Models, replies and students that the measurements share, made once and found again.

use crate::Error;
use crate::progress::Progress;
use clap::ValueEnum;
use forward::{Tokenizer, Watermark};
use lab::dialogues::Dialogues;
use lab::distil::{Curriculum, Drawing, Lesson, Pair, ReplyFile, Rewriting, Sampling, Source, Teacher, distil, reading};
use lab::train::{Request, Schedule, Sizes, Tune, Windows, begin, tokens, train, train_tokenizer};
use lab::{Dtype, Precision};
use serde_json::{Value, json};
use sources::{FormatError, Model};
use std::path::{Path, PathBuf};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// Minutes: whether it works.
    Small,
    /// An hour: the numbers of docs/outputs.md.
    Full,
}

impl Size {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Full => "full",
        }
    }

    /// One of two numbers.
    pub(crate) fn choose<T>(self, small: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// Where everything lies, and what it is made of.
pub(crate) struct World<'a> {
    pub(crate) size: Size,
    pub(crate) dialogues: Dialogues,
    pub(crate) progress: &'a Progress,
    folder: PathBuf,
    tokenizer: Value,
}

/// Dialogues of a corpus that models are trained on from nothing.
const CORPUS: u64 = 12_000;
/// Tokens of the vocabulary.
const TOKENS: usize = 512;
/// Tokens of a training sequence.
const LENGTH: usize = 64;

/// How a student learns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Study {
    /// Pairs in all.
    pub(crate) pairs: usize,
    /// Share that the teachers answered; the dialogues' own answers fill the rest.
    pub(crate) fraction: f64,
    /// Share of the words that are put in other words.
    pub(crate) rewriting: f64,
    /// Times that each pair is read.
    pub(crate) epochs: f64,
    /// Which weights learn.
    pub(crate) tune: Tune,
    /// The highest rate.
    pub(crate) rate: f64,
    /// Of what is drawn.
    pub(crate) seed: u64,
}

/// Pairs of a student's step.
const BATCH: usize = 16;

/// How a student reads what it learns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Draws the order of the pairs.
    pub(crate) order: u64,
    /// Pairs of a step.
    pub(crate) batch: usize,
}

impl<'a> World<'a> {
    pub(crate) fn new(size: Size, folder: &Path, progress: &'a Progress) -> Result<Self, Error> {
        let folder = folder.join(size.name());
        std::fs::create_dir_all(&folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
        let dialogues = Dialogues::shipped().map_err(|error| error.at(Path::new("data/dialogues/en-v1.toml")))?;
        let corpus = corpus(&dialogues, 1);
        let tokenizer = train_tokenizer(&corpus, TOKENS)?;
        Ok(Self { size, dialogues, progress, folder, tokenizer })
    }

    /// The same with the small models, whatever is measured: for measurements that need many.
    pub(crate) fn compact(&self) -> Result<Self, Error> {
        let folder = self.folder.join("compact");
        std::fs::create_dir_all(&folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
        let (dialogues, tokenizer) = (self.dialogues.clone(), self.tokenizer.clone());
        Ok(Self { size: Size::Small, dialogues, progress: self.progress, folder, tokenizer })
    }

    /// The sizes of every model here: about a million parameters, or a tenth of that.
    pub(crate) fn sizes(&self) -> Sizes {
        let (hidden, layers, units) = self.size.choose((64, 2, 160), (128, 4, 384));
        Sizes {
            architecture: "llama".into(),
            hidden,
            layers,
            heads: 4,
            kv_heads: Some(2),
            units,
            positions: 256,
            tied: self.size == Size::Small,
        }
    }

    /// A path of this world's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A model of drawn weights.
    pub(crate) fn begun(&self, seed: u64) -> Result<Model, Error> {
        let path = self.path(&format!("begun-{seed}"));
        if !path.exists() {
            begin(&self.sizes(), &self.tokenizer, seed, &path)?;
        }
        Ok(Model::open(&path)?)
    }

    /// A model that was trained from nothing: `seed` draws its weights, `corpus` and `order` what it reads.
    pub(crate) fn trained(&self, name: &str, seed: u64, corpus_seed: u64, order: u64) -> Result<Model, Error> {
        let schedule = Schedule { steps: self.size.choose(200, 500), batch: 16, warmup: 25, rate: 3e-3, ..Schedule::default() };
        self.trained_on(name, || self.begun(seed), corpus_seed, order, schedule)
    }

    /// A model that reads a corpus, from whatever it starts as; `order` draws what it reads when.
    pub(crate) fn trained_on(
        &self,
        name: &str,
        start: impl FnOnce() -> Result<Model, Error>,
        corpus_seed: u64,
        order: u64,
        schedule: Schedule,
    ) -> Result<Model, Error> {
        let path = self.path(name);
        if !path.join("training.json").exists() {
            let start = start()?;
            let tokenizer = Tokenizer::of(&start).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts").at(&path))?;
            let ids = tokens(&tokenizer, &corpus(&self.dialogues, corpus_seed))?;
            let request = Request {
                folder: &path,
                schedule,
                examples: &Windows::new(ids, LENGTH, order),
                tune: Tune::Full,
                seed: order,
                precision: Precision::Of(Dtype::F32),
                history: json!({}),
            };
            let phase = self.progress.steps(&format!("training {name}"), schedule.steps as u64);
            train(start, &request, &|_| phase.advance(1))?;
        }
        Ok(Model::open(&path)?)
    }

    /// A model in memory that answers.
    pub(crate) fn teacher(&self, model: &Model) -> Result<Teacher, Error> {
        Ok(Teacher::read(model, &|_| ())?)
    }

    /// What a teacher answers to the prompts of a seed.
    pub(crate) fn replies(&self, name: &str, teacher: &Teacher, seed: u64, n: u64) -> Result<ReplyFile, Error> {
        self.marked_replies(name, teacher, seed, n, None)
    }

    /// The same with a watermark.
    pub(crate) fn marked_replies(
        &self,
        name: &str,
        teacher: &Teacher,
        seed: u64,
        n: u64,
        watermark: Option<&Watermark>,
    ) -> Result<ReplyFile, Error> {
        let path = self.path(&format!("{name}.jsonl"));
        let sampling = Sampling { temperature: 1.0, top_p: None, max_tokens: 48 };
        let phase = self.progress.steps(&format!("replies {name}"), n);
        Drawing { teacher, dialogues: &self.dialogues, seed, n, sampling, watermark }.answer(&path, &|done| phase.advance(done))?;
        Ok(ReplyFile::open(&path)?)
    }

    /// A student of some replies; without any, of the dialogues' own answers alone.
    pub(crate) fn student(&self, name: &str, start: Model, teachers: &[&ReplyFile], study: &Study) -> Result<Model, Error> {
        self.student_by(name, start, teachers, study, Reading { order: study.seed, batch: BATCH })
    }

    /// The same, with a say in how it reads.
    pub(crate) fn student_by(&self, name: &str, start: Model, teachers: &[&ReplyFile], study: &Study, by: Reading) -> Result<Model, Error> {
        let path = self.path(name);
        if !path.join("training.json").exists() {
            let curriculum = self.curriculum(teachers, study);
            let phase = self.progress.steps(&format!("teaching {name}"), 1);
            distil(start, &self.lesson(&curriculum, study, by), &path, &|_, _| ())?;
            phase.advance(1);
        }
        Ok(Model::open(&path)?)
    }

    /// What a student without a teacher reads, in its order.
    pub(crate) fn reading(&self, start: &Model, study: &Study, by: Reading) -> Result<Vec<Pair>, Error> {
        let curriculum = self.curriculum(&[], study);
        Ok(reading(start, &self.lesson(&curriculum, study, by))?)
    }

    /// A model after steps of the laboratory.
    pub(crate) fn stepped(&self, name: &str, model: Model, steps: &[String]) -> Result<Model, Error> {
        let path = self.path(name);
        if !path.join("disguise.json").exists() {
            let request = lab::Request { folder: &path, steps, seed: 1, precision: Precision::Of(Dtype::F32) };
            lab::disguise(model, &request, &|_| (), &|_| ())?;
        }
        Ok(Model::open(&path)?)
    }

    fn curriculum<'b>(&'b self, teachers: &[&'b ReplyFile], study: &Study) -> Curriculum<'b> {
        Curriculum {
            teachers: teachers.iter().map(|file| Source { file, weight: 1.0 }).collect(),
            dialogues: &self.dialogues,
            n: study.pairs,
            fraction: study.fraction,
            rewriting: Rewriting::new(&self.dialogues.synonyms, study.rewriting, study.seed),
            seed: study.seed,
        }
    }

    fn lesson<'b>(&'b self, curriculum: &'b Curriculum<'b>, study: &Study, by: Reading) -> Lesson<'b> {
        Lesson {
            curriculum,
            chat: &self.dialogues.chat,
            epochs: study.epochs,
            schedule: Schedule { batch: by.batch, rate: study.rate, ..Schedule::default() },
            tune: study.tune.clone(),
            logits: None,
            seed: by.order,
            precision: Precision::Of(Dtype::F32),
        }
    }
}

fn corpus(dialogues: &Dialogues, seed: u64) -> Vec<String> {
    (0..CORPUS).map(|index| dialogues.text(seed, index)).collect()
}
