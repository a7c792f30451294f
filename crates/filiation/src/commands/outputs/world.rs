//! Models, replies and students that the measurements share, made once and found again.

use crate::Error;
use crate::progress::Progress;
use clap::ValueEnum;
use forward::{Tokenizer, Watermark};
use lab::dialogues::Dialogues;
use lab::distil::{Curriculum, Drawing, Lesson, ReplyFile, Rewriting, Sampling, Source, Teacher, distil};
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

impl<'a> World<'a> {
    pub(crate) fn new(size: Size, folder: &Path, progress: &'a Progress) -> Result<Self, Error> {
        let folder = folder.join(size.name());
        std::fs::create_dir_all(&folder).map_err(|error| Error::Io { action: "create", path: folder.clone(), error })?;
        let dialogues = Dialogues::shipped().map_err(|error| error.at(Path::new("data/dialogues/en-v1.toml")))?;
        let corpus = corpus(&dialogues, 1);
        let tokenizer = train_tokenizer(&corpus, TOKENS)?;
        Ok(Self { size, dialogues, progress, folder, tokenizer })
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
        let path = self.path(name);
        if !path.join("training.json").exists() {
            let start = self.begun(seed)?;
            let tokenizer = Tokenizer::of(&start).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts").at(&path))?;
            let ids = tokens(&tokenizer, &corpus(&self.dialogues, corpus_seed))?;
            let schedule = Schedule { steps: self.size.choose(200, 500), batch: 16, warmup: 25, rate: 3e-3, ..Schedule::default() };
            let request = Request {
                folder: &path,
                schedule,
                examples: &Windows::new(ids, LENGTH, order),
                tune: Tune::Full,
                seed,
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
        let path = self.path(name);
        if !path.join("training.json").exists() {
            let curriculum = Curriculum {
                teachers: teachers.iter().map(|file| Source { file, weight: 1.0 }).collect(),
                dialogues: &self.dialogues,
                n: study.pairs,
                fraction: study.fraction,
                rewriting: Rewriting::new(&self.dialogues.synonyms, study.rewriting, study.seed),
                seed: study.seed,
            };
            let lesson = Lesson {
                curriculum: &curriculum,
                chat: &self.dialogues.chat,
                epochs: study.epochs,
                schedule: Schedule { batch: 16, rate: study.rate, ..Schedule::default() },
                tune: study.tune.clone(),
                logits: None,
                seed: study.seed,
                precision: Precision::Of(Dtype::F32),
            };
            let phase = self.progress.steps(&format!("teaching {name}"), 1);
            distil(start, &lesson, &path, &|_, _| ())?;
            phase.advance(1);
        }
        Ok(Model::open(&path)?)
    }
}

fn corpus(dialogues: &Dialogues, seed: u64) -> Vec<String> {
    (0..CORPUS).map(|index| dialogues.text(seed, index)).collect()
}
