//! What was asked and answered, a line each: the custody log, and the file to go on from. `docs/formats/probe.md` specifies it.

use crate::budget::{Budget, Spent};
use crate::{Endpoint, ProbeError, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Names the form of the file; changes with a major version only.
pub const TRANSCRIPT_SCHEMA: &str = "urn:filiation:probe:v1";
/// A line holds a request and its answer, which is JSON inside a JSON string.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`TRANSCRIPT_SCHEMA`].
    pub schema: String,
    /// Name and version of what began it.
    pub tool: String,
    /// Base URL, without credentials.
    pub endpoint: String,
    /// The model's name there.
    pub model: String,
    /// As first declared.
    pub budget: Budget,
    /// What is asked, in the words of the command that asks.
    pub asked: Value,
}

impl Header {
    /// The header of what is to be asked.
    pub fn new(endpoint: &Endpoint, budget: Budget, asked: Value) -> Self {
        Self {
            schema: TRANSCRIPT_SCHEMA.into(),
            tool: format!("filiation {}", env!("CARGO_PKG_VERSION")),
            endpoint: endpoint.url().to_owned(),
            model: endpoint.model().to_owned(),
            budget,
            asked,
        }
    }

    /// Everything but the version of the tool and the budget, which may be raised.
    fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.schema, &self.endpoint, &self.model, &self.asked) == (&other.schema, &other.endpoint, &other.model, &other.asked)
    }

    fn described(&self) -> String {
        format!("{} asked of `{}` at `{}`", canonical(&self.asked), self.model.escape_debug(), self.endpoint.escape_debug())
    }
}

/// Any other line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// A request and what came of it.
    Exchange(Box<Exchange>),
    /// Another budget was declared.
    Budget(Budget),
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// What it was asked for.
    pub id: String,
    /// Below the base URL: `/completions`.
    pub path: String,
    /// SHA-256 of the request as canonical JSON, in hexadecimal.
    pub request_digest: String,
    /// As sent.
    pub request: Value,
    /// HTTP status of the last attempt; null where none came.
    pub status: Option<u16>,
    /// What was answered; null where nothing came.
    pub body: Option<String>,
    /// SHA-256 of `body`.
    pub body_digest: Option<String>,
    /// When the first attempt was sent.
    pub sent_at: String,
    /// When the last one ended.
    pub received_at: String,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// Tokens that it counts for: as the endpoint says, else as reserved.
    pub tokens: u64,
    /// Why this is no answer; null where it is one.
    pub failure: Option<String>,
}

/// JSON whose keys are in the order of their code points, without spaces.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let pair = |(key, value): (&String, &Value)| format!("{}:{}", Value::String(key.clone()), canonical(value));
            format!("{{{}}}", sorted.into_iter().map(pair).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// SHA-256 in hexadecimal, as transcripts write it.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What tells two exchanges apart.
pub(crate) fn request_digest(path: &str, request: &Value) -> String {
    sha256(format!("{path}\n{}", canonical(request)).as_bytes())
}

/// A transcript, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// What was asked, of whom.
    pub header: Header,
    /// In the order in which they ended.
    pub exchanges: Vec<Exchange>,
}

impl Transcript {
    /// Reads a file; half a line at its end, which an interruption leaves, is passed over.
    ///
    /// # Errors
    /// If it cannot be read, or is no transcript, or a digest in it is not that of what stands beside it.
    pub fn open(path: &Path) -> Result<Self, ProbeError> {
        let io = |error| ProbeError::Io { action: "open", path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        let mut exchanges = Vec::new();
        let read = read(&file, path, &mut |line, _| {
            if let Line::Exchange(exchange) = line {
                exchanges.push(*exchange);
            }
        })?;
        match read.header {
            Some(header) => Ok(Self { header, exchanges }),
            None => Err(fault(path, Shape::new("transcript", "no whole line", "a header and exchanges"))),
        }
    }
}

fn fault(path: &Path, shape: Shape) -> ProbeError {
    ProbeError::Transcript { path: path.to_owned(), shape: Box::new(shape) }
}

/// What a pass over a file found.
struct Found {
    header: Option<Header>,
    /// Where the last whole line ends.
    end: u64,
}

/// Tells each line after the header with the place of its first byte.
fn read(file: &File, path: &Path, tell: &mut dyn FnMut(Line, u64)) -> Result<Found, ProbeError> {
    let (mut reader, mut end, mut n, mut header) = (BufReader::new(file), 0, 0_usize, None);
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        let length = read.map_err(|error| ProbeError::Io { action: "read", path: path.to_owned(), error })? as u64;
        if length == MAX_LINE_BYTES {
            return Err(fault(
                path,
                Shape::new("line of the transcript", format!("{length} bytes"), format!("fewer than {MAX_LINE_BYTES}")),
            ));
        }
        if line.pop() != Some(b'\n') {
            return Ok(Found { header, end });
        }
        if header.is_none() {
            header = Some(parse_header(&line).map_err(|shape| fault(path, shape))?);
        } else {
            tell(parse_line(&line, n).map_err(|shape| fault(path, shape))?, end);
        }
        n += 1;
        end += length;
    }
}

fn parse_header(line: &[u8]) -> Result<Header, Shape> {
    let header: Header =
        serde_json::from_slice(line).map_err(|error| Shape::new("first line", error, "the header of a transcript of questions"))?;
    if header.schema == TRANSCRIPT_SCHEMA {
        Ok(header)
    } else {
        Err(Shape::new("schema of the transcript", format!("`{}`", header.schema.escape_debug()), format!("`{TRANSCRIPT_SCHEMA}`")))
    }
}

fn parse_line(line: &[u8], n: usize) -> Result<Line, Shape> {
    let line: Line =
        serde_json::from_slice(line).map_err(|error| Shape::new(format!("line {}", n + 1), error, "an exchange or a budget"))?;
    if let Line::Exchange(exchange) = &line {
        let expected = request_digest(&exchange.path, &exchange.request);
        if exchange.request_digest != expected {
            let found = format!("`{}`", exchange.request_digest.escape_debug());
            return Err(Shape::new(format!("digest of the request of line {}", n + 1), found, format!("`{expected}`")));
        }
        let expected = exchange.body.as_ref().map(|body| sha256(body.as_bytes()));
        if exchange.body_digest != expected {
            let text = |digest: &Option<String>| digest.as_ref().map_or("none".into(), |digest| format!("`{}`", digest.escape_debug()));
            return Err(Shape::new(format!("digest of the body of line {}", n + 1), text(&exchange.body_digest), text(&expected)));
        }
    }
    Ok(line)
}

/// A transcript that is gone on with.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    end: u64,
    /// Answered requests by digest: where their line begins.
    answered: BTreeMap<String, u64>,
}

impl Writer {
    /// Opens a file, or begins one, and says what earlier runs spent.
    pub(crate) fn open(path: &Path, header: &Header) -> Result<(Self, Spent), ProbeError> {
        let io = |action| move |error| ProbeError::Io { action, path: path.to_owned(), error };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => (),
            // Two runs would spend one budget twice.
            Err(TryLockError::WouldBlock) => {
                return Err(fault(path, Shape::new("transcript", "another run that writes it", "one run at a time")));
            }
            Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        let (mut answered, mut spent, mut budget) = (BTreeMap::new(), Spent::default(), None);
        let read = read(&file, path, &mut |line, at| match line {
            Line::Exchange(exchange) => {
                spent.requests += u64::from(exchange.attempts);
                spent.tokens = spent.tokens.saturating_add(exchange.tokens);
                if exchange.failure.is_none() {
                    answered.insert(exchange.request_digest, at);
                }
            }
            Line::Budget(declared) => budget = Some(declared),
        })?;
        if let Some(found) = read.header.as_ref().filter(|found| !found.is_of_the_same(header)) {
            let shape = Shape::new("transcript", found.described(), header.described());
            return Err(fault(path, shape.hint("name another file, or remove this one")));
        }
        // What an interruption left of a line is dropped.
        file.set_len(read.end).map_err(io("shorten"))?;
        let mut writer = Self { path: path.to_owned(), file, end: read.end, answered };
        match read.header {
            None => writer.write(header)?,
            Some(found) if budget.unwrap_or(found.budget) != header.budget => writer.write(&Line::Budget(header.budget))?,
            Some(_) => (),
        }
        Ok((writer, spent))
    }

    /// What was answered to a request before.
    pub(crate) fn found(&mut self, digest: &str) -> Result<Option<Exchange>, ProbeError> {
        let Some(&at) = self.answered.get(digest) else { return Ok(None) };
        let io = |error| ProbeError::Io { action: "read", path: self.path.clone(), error };
        self.file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut line = Vec::new();
        BufReader::new(&self.file).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).map_err(io)?;
        match parse_line(&line, 0).map_err(|shape| fault(&self.path, shape))? {
            Line::Exchange(exchange) => Ok(Some(*exchange)),
            Line::Budget(_) => Ok(None),
        }
    }

    pub(crate) fn add(&mut self, exchange: Exchange) -> Result<(), ProbeError> {
        let (digest, is_answered, at) = (exchange.request_digest.clone(), exchange.failure.is_none(), self.end);
        self.write(&Line::Exchange(Box::new(exchange)))?;
        if is_answered {
            self.answered.insert(digest, at);
        }
        Ok(())
    }

    /// SHA-256 of the file as it stands. It is read through the handle that holds the lock, which some systems let nobody else do.
    pub(crate) fn digest(&mut self) -> Result<String, ProbeError> {
        let io = |error| ProbeError::Io { action: "read", path: self.path.clone(), error };
        self.file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut reader = BufReader::new(&self.file);
        let mut hasher = Sha256::new();
        loop {
            let bytes = reader.fill_buf().map_err(io)?;
            if bytes.is_empty() {
                return Ok(hex(&hasher.finalize()));
            }
            hasher.update(bytes);
            let n = bytes.len();
            reader.consume(n);
        }
    }

    fn write(&mut self, value: &impl Serialize) -> Result<(), ProbeError> {
        let io = |error| ProbeError::Io { action: "write", path: self.path.clone(), error };
        let mut line = serde_json::to_vec(value).map_err(|error| io(error.into()))?;
        line.push(b'\n');
        self.file.seek(SeekFrom::Start(self.end)).map_err(io)?;
        self.file.write_all(&line).map_err(io)?;
        self.end += line.len() as u64;
        Ok(())
    }
}
