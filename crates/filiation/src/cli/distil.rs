//! Arguments of `lab dialogues` and `lab distil`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which dialogues are drawn.
#[derive(Debug, Args)]
pub struct Drawn {
    /// A file of words in the place of the shipped one (`urn:filiation:dialogues:v1`).
    #[arg(long, value_name = "FILE")]
    pub words: Option<PathBuf>,
    /// Only this topic; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub topic: Vec<String>,
    /// Only this task; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub task: Vec<String>,
    /// Only this style; can be given several times.
    #[arg(long, value_name = "NAME")]
    pub style: Vec<String>,
    /// Of all draws; the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `lab dialogues`.
#[derive(Debug, Args)]
pub struct Dialogues {
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub dialogues: u64,
    /// Index of the first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// A text file in the place of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which.
    #[command(flatten)]
    pub drawn: Drawn,
}

/// What `lab distil` does.
#[derive(Debug, Subcommand)]
pub enum Distil {
    /// Let a teacher answer invented prompts, and store its replies; goes on where it was interrupted.
    Replies(Replies),
    /// Let a student learn stored replies.
    Student(Student),
}

/// Arguments of `lab distil replies`.
#[derive(Debug, Args)]
pub struct Replies {
    /// The teacher: a weight file or a folder on this machine.
    pub teacher: PathBuf,
    /// The file of replies (JSON lines); one of the same drawing is gone on with.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub dialogues: u64,
    /// What logits are divided by before a draw; 0 takes the most probable token.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f32,
    /// Draw from the fewest tokens that together have this probability.
    #[arg(long, value_name = "P")]
    pub top_p: Option<f32>,
    /// Tokens of a reply.
    #[arg(long, value_name = "N", default_value_t = 96)]
    pub max_tokens: usize,
    /// Draw with the watermark of this key file. See `filiation watermark key`.
    #[arg(long, value_name = "KEYFILE")]
    pub watermark: Option<PathBuf>,
    /// Which.
    #[command(flatten)]
    pub drawn: Drawn,
}

/// Arguments of `lab distil student`.
#[derive(Debug, Args)]
pub struct Student {
    /// Files of replies, one a teacher.
    #[arg(required = true)]
    pub replies: Vec<PathBuf>,
    /// The student before it learns: a folder, as `lab train` begins one.
    #[arg(long, value_name = "MODEL")]
    pub start: PathBuf,
    /// The new folder; one that holds something is refused.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// How much a teacher counts, in the order of the files; all alike unless given.
    #[arg(long, value_name = "W")]
    pub weight: Vec<f64>,
    /// Pairs of prompt and answer; as many as there are replies unless given.
    #[arg(long, value_name = "N")]
    pub pairs: Option<usize>,
    /// Share of the pairs that teachers answered; the dialogues' own answers fill the rest.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub fraction: f64,
    /// Share of the teachers' words that are put in other words, where there are some.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub rewriting: f64,
    /// Times that every pair is read.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub epochs: f64,
    /// Sequences of a step.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub batch: usize,
    /// The highest rate of learning.
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    pub rate: f64,
    /// Learn this teacher's probabilities instead of the tokens of the replies; its vocabulary must be the student's.
    #[arg(long, value_name = "TEACHER")]
    pub logits: Option<PathBuf>,
    /// What the logits of that teacher are divided by.
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "logits")]
    pub temperature: f32,
    /// Which dialogues fill the rest.
    #[command(flatten)]
    pub drawn: Drawn,
}
