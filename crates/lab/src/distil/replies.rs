//! What a teacher answered, a line each, in a file that an interruption does not change: `urn:filiation:replies:v1`.
//!
//! The first line says by whom, to which prompts and how; every other is one reply, in the order of the prompts. A reply depends on its own
//! seed alone, so a file that is gone on with ends as the bytes of one that was never interrupted.

use super::teacher::{Teacher, unfit};
use crate::dialogues::{Dialogues, Subset};
use crate::{Draws, LabError};
use forward::{Answer, FinishReason, Sampling, Watermark, WatermarkRecord};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sources::FormatError;
use sources::digest::hex;
use sources::lines::{Lines, write_line};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Names the form of the file; changes with a major version only.
pub const REPLIES_SCHEMA: &str = "urn:filiation:replies:v1";
/// Replies between two writes: at first, at most, and while they take less than this.
const FIRST_REQUESTS: usize = 128;
const MOST_REQUESTS: usize = 8192;
const WRITE_AFTER: Duration = Duration::from_secs(5);

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`REPLIES_SCHEMA`].
    pub schema: String,
    /// Name and version of what wrote it.
    pub tool: String,
    /// Who answered.
    pub teacher: TeacherRecord,
    /// How.
    pub sampling: Sampling,
    /// What was asked.
    pub dialogues: DialoguesRecord,
    /// The watermark of the draws, where there is one; its key is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<WatermarkRecord>,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeacherRecord {
    /// As opened; not part of what makes two files the same.
    pub path: String,
    /// Digest of its tensors.
    pub tensor_root: String,
}

/// Which prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DialoguesRecord {
    /// Name and version of the file of words.
    pub label: String,
    /// Its SHA-256.
    pub digest: String,
    /// Of the prompts, and of the seeds of the replies.
    pub seed: u64,
    /// Which topics, tasks and styles.
    pub subset: Subset,
}

/// Any other line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredReply {
    /// Unique among all files: from the header and the index.
    pub request_id: String,
    /// Of the draws of this reply.
    pub seed: u64,
    /// What was asked.
    pub prompt: String,
    /// What was answered, without the marks of the chat.
    pub reply: String,
    /// Why it ends.
    pub finish_reason: FinishReason,
    /// What was drawn.
    pub tokens: Vec<u32>,
    /// The natural logarithm of each token's probability under the teacher itself.
    pub logprobs: Vec<f32>,
}

/// What is drawn.
pub struct Drawing<'a> {
    /// Who answers.
    pub teacher: &'a Teacher,
    /// What is asked.
    pub dialogues: &'a Dialogues,
    /// Of the prompts, and of the seeds of the replies.
    pub seed: u64,
    /// Dialogues.
    pub n: u64,
    /// How.
    pub sampling: Sampling,
    /// What the draws hang on besides.
    pub watermark: Option<&'a Watermark>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// Replies that the file had already.
    pub found: u64,
    /// Replies that were drawn.
    pub drawn: u64,
}

impl Drawing<'_> {
    /// The first line.
    pub fn header(&self) -> Header {
        let Self { teacher, dialogues, seed, sampling, .. } = *self;
        Header {
            schema: REPLIES_SCHEMA.into(),
            tool: format!("filiation {}", env!("CARGO_PKG_VERSION")),
            teacher: TeacherRecord { path: teacher.path.display().to_string(), tensor_root: teacher.tensor_root.clone() },
            sampling,
            dialogues: DialoguesRecord {
                label: dialogues.label.clone(),
                digest: dialogues.digest.clone(),
                seed,
                subset: dialogues.subset.clone(),
            },
            watermark: self.watermark.map(Watermark::record),
        }
    }

    /// Draws what the file lacks and adds it; `advance` is told each reply, those that are there already included.
    ///
    /// # Errors
    /// If the file holds replies of another drawing, or cannot be read or written, or a prompt is longer than the teacher's positions.
    pub fn answer(&self, path: &Path, advance: &(dyn Fn(u64) + Sync)) -> Result<Answered, LabError> {
        let io = |action| move |error| LabError::Io { action, path: path.to_owned(), error };
        let header = self.header();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io("open"))?;
        let (found, end) = self.found(&file, &header, path)?;
        // What an interruption left of a line is dropped.
        file.set_len(end).map_err(io("shorten"))?;
        file.seek(SeekFrom::End(0)).map_err(io("write"))?;
        let mut writer = BufWriter::new(file);
        if end == 0 {
            write_line(&mut writer, &header).map_err(io("write"))?;
        }
        advance(found.min(self.n));
        let key = header.key();
        let (mut next, mut together) = (found, FIRST_REQUESTS);
        while next < self.n {
            let start = Instant::now();
            let until = self.n.min(next.saturating_add(together as u64));
            for reply in self.replies(next..until, &key, advance)? {
                write_line(&mut writer, &reply).map_err(io("write"))?;
            }
            writer.flush().map_err(io("write"))?;
            next = until;
            if start.elapsed() < WRITE_AFTER {
                together = (2 * together).min(MOST_REQUESTS);
            }
        }
        writer.flush().map_err(io("write"))?;
        Ok(Answered { found, drawn: self.n.saturating_sub(found) })
    }

    /// Replies of an earlier run, and where the last whole line ends.
    fn found(&self, file: &File, header: &Header, path: &Path) -> Result<(u64, u64), LabError> {
        let mut lines = Lines::new(file, path);
        let Some(line) = lines.next_line()? else { return Ok((0, 0)) };
        let found = Header::parse(&line, path)?;
        if !found.is_same_drawing(header) {
            let mut error = FormatError::new("replies", found.described(), header.described()).at(path);
            if let sources::SourceError::Format { error, .. } = &mut error {
                error.hint = Some("name another file, or remove this one".into());
            }
            return Err(error.into());
        }
        let (key, mut n) = (found.key(), 0);
        while let Some(line) = lines.next_line()? {
            StoredReply::parse(&line, &key, n, path)?;
            n += 1;
        }
        Ok((n, lines.end))
    }

    fn replies(&self, indices: std::ops::Range<u64>, key: &str, advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<StoredReply>, LabError> {
        let Self { teacher, dialogues, seed, sampling, .. } = *self;
        let responder = &teacher.responder;
        let refused = |why| unfit(&teacher.path, why, "a tokenizer that splits and joins the dialogues");
        let ask = |index| {
            let ids = dialogues.chat.asked_ids(&responder.tokenizer, &dialogues.prompt(seed, index)).map_err(refused)?;
            Ok((ids, Draws::new(seed, &format!("replies/{index}")).below(1 << 53) as u64))
        };
        let asked: Vec<(Vec<u32>, u64)> = indices.clone().into_par_iter().map(ask).collect::<Result<_, LabError>>()?;
        let answers = responder.answer_marked(&dialogues.chat, sampling, self.watermark, &asked, advance)?.map_err(refused)?;
        let stored = |((index, (_, own)), answer): ((u64, (Vec<u32>, u64)), Answer)| StoredReply {
            request_id: request_id(key, index),
            seed: own,
            prompt: dialogues.prompt(seed, index),
            reply: answer.text,
            finish_reason: answer.finish_reason,
            tokens: answer.tokens,
            logprobs: answer.logprobs,
        };
        Ok(indices.zip(asked).zip(answers).map(stored).collect())
    }
}

impl Header {
    fn parse(line: &str, path: &Path) -> Result<Self, LabError> {
        let header: Result<Self, _> = serde_json::from_str(line);
        let header = header.map_err(|error| FormatError::new("first line", error, "the header of a file of replies").at(path))?;
        if header.schema != REPLIES_SCHEMA {
            let found = format!("`{}`", header.schema.escape_debug());
            return Err(FormatError::new("schema of the replies", found, format!("`{REPLIES_SCHEMA}`")).at(path).into());
        }
        Ok(header)
    }

    /// Everything that decides what the replies are: not where the teacher lay.
    fn is_same_drawing(&self, other: &Self) -> bool {
        let anywhere = |header: &Self| Self { teacher: TeacherRecord { path: String::new(), ..header.teacher.clone() }, ..header.clone() };
        anywhere(self) == anywhere(other)
    }

    fn described(&self) -> String {
        let Sampling { temperature, top_p, max_tokens } = self.sampling;
        let top_p = top_p.map_or(String::new(), |p| format!(", top p {p}"));
        let watermark = self.watermark.as_ref().map_or(String::new(), |w| format!(", watermark {} of key {:.12}", w.scheme, w.key_digest));
        format!(
            "replies of teacher {:.12} by {} to dialogues {} of {:.12} with seed {} at temperature {temperature}{top_p}, {max_tokens} tokens{watermark}",
            self.teacher.tensor_root, self.tool, self.dialogues.label, self.dialogues.digest, self.dialogues.seed
        )
    }

    /// What request ids hang on: teacher, sampling, dialogues and watermark as the first line writes them.
    fn key(&self) -> String {
        let sampling = serde_json::to_string(&self.sampling).unwrap_or_default();
        let dialogues = serde_json::to_string(&self.dialogues).unwrap_or_default();
        let watermark = self.watermark.as_ref().map_or(String::new(), |w| format!("/{}", serde_json::to_string(w).unwrap_or_default()));
        format!("{}/{sampling}/{dialogues}{watermark}", self.teacher.tensor_root)
    }
}

/// The first 16 hexadecimal digits of SHA-256 over what is drawn and the index.
fn request_id(key: &str, index: u64) -> String {
    let digest = Sha256::digest(format!("{key}/{index}").as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}

impl StoredReply {
    fn parse(line: &str, key: &str, index: u64, path: &Path) -> Result<Self, LabError> {
        let reply: Result<Self, _> = serde_json::from_str(line);
        let reply = reply.map_err(|error| FormatError::new(format!("reply {index}"), error, "a stored reply").at(path))?;
        let expected = request_id(key, index);
        if reply.request_id != expected {
            let found = format!("`{}`", reply.request_id.escape_debug());
            return Err(FormatError::new(format!("id of reply {index}"), found, format!("`{expected}`")).at(path).into());
        }
        if reply.tokens.len() != reply.logprobs.len() {
            let found = format!("{} for {} tokens", reply.logprobs.len(), reply.tokens.len());
            return Err(FormatError::new(format!("logprobs of reply {index}"), found, "one a token").at(path).into());
        }
        Ok(reply)
    }
}

/// A file of replies, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyFile {
    /// By whom, to what and how.
    pub header: Header,
    /// In the order of the prompts.
    pub replies: Vec<StoredReply>,
}

impl ReplyFile {
    /// Reads a file; half a line at its end, which an interruption leaves, is passed over.
    ///
    /// # Errors
    /// If it cannot be read, or is no file of replies.
    pub fn open(path: &Path) -> Result<Self, LabError> {
        let file = File::open(path).map_err(|error| LabError::Io { action: "open", path: path.to_owned(), error })?;
        let mut lines = Lines::new(&file, path);
        let Some(line) = lines.next_line()? else {
            return Err(FormatError::new("file of replies", "no whole line", "a header and replies").at(path).into());
        };
        let header = Header::parse(&line, path)?;
        let (key, mut replies) = (header.key(), Vec::new());
        while let Some(line) = lines.next_line()? {
            replies.push(StoredReply::parse(&line, &key, replies.len() as u64, path)?);
        }
        Ok(Self { header, replies })
    }
}
