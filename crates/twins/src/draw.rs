//! Twins: replies that a service could as well have given, drawn by seeds that the owner cannot choose afterwards.

use crate::log::{LoggedRequest, Sample, clusters};
use crate::{CampaignKey, TwinError};
use forward::{Chat, FinishReason, Responder};
use serde::{Deserialize, Serialize};
use sources::FormatError;
use sources::lines::{Lines, write_line};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Names the form of the file; changes with a major version only.
pub const TWINS_SCHEMA: &str = "urn:filiation:twins:v1";
/// Requests between two writes.
const TOGETHER: usize = 256;

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// [`TWINS_SCHEMA`].
    pub schema: String,
    /// Name and version of what wrote it.
    pub tool: String,
    /// What answered.
    pub snapshot: SnapshotRecord,
    /// How a question and an answer become one text.
    pub chat: Chat,
    /// The campaign that the twins are for.
    pub campaign: String,
    /// SHA-256 of its key.
    pub key_digest: String,
    /// Twins a request.
    pub twins: usize,
    /// SHA-256 of the log.
    pub log: String,
    /// Accounts whose replies are tested; empty for all.
    pub accounts: Vec<String>,
    /// Requests of others.
    pub placebo: usize,
}

/// The model that twins are drawn from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotRecord {
    /// As opened; of an endpoint the model's name there, and never its address. Not part of what makes two files the same.
    pub path: String,
    /// Digest of its tensors; of an endpoint `endpoint:` and the model's name, because it shows no weights that could be digested.
    pub tensor_root: String,
    /// What an endpoint calls the configuration that answers, where it says so: one for all twins of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
}

/// Before the name of a model that nobody digested.
const OF_ENDPOINT: &str = "endpoint:";

impl SnapshotRecord {
    /// Weights on this machine, by where they lie and the digest of their tensors.
    pub fn of_weights(path: impl Into<String>, tensor_root: impl Into<String>) -> Self {
        Self { path: path.into(), tensor_root: tensor_root.into(), system_fingerprint: None }
    }

    /// A model behind an endpoint, by its name there.
    pub fn of_endpoint(model: &str, system_fingerprint: Option<String>) -> Self {
        Self { path: model.to_owned(), tensor_root: format!("{OF_ENDPOINT}{model}"), system_fingerprint }
    }

    /// Whether its weights stayed behind an endpoint: that they are those that answered then is the owner's word.
    pub fn is_of_endpoint(&self) -> bool {
        self.tensor_root.starts_with(OF_ENDPOINT)
    }

    /// A short name for sentences.
    fn described(&self) -> String {
        let fingerprint = self.system_fingerprint.as_ref().map_or(String::new(), |f| format!(" (fingerprint `{}`)", f.escape_debug()));
        match self.tensor_root.strip_prefix(OF_ENDPOINT) {
            Some(model) => format!("`{}` of an endpoint{fingerprint}", model.escape_debug()),
            None => format!("{:.12}{fingerprint}", self.tensor_root),
        }
    }
}

/// Any other line: a request with its replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// As in the log.
    pub request_id: String,
    /// Equal for requests that share one fate: the smallest id of them.
    pub cluster: String,
    /// Whether the reply went to somebody who has nothing to do with the suspect.
    pub placebo: bool,
    /// What was asked.
    pub prompt: String,
    /// What was answered.
    pub released: Utterance,
    /// What could as well have been.
    pub twins: Vec<Utterance>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Utterance {
    /// Without the marks of the chat.
    pub text: String,
    /// Why it ends.
    pub finish_reason: FinishReason,
}

/// One question to a snapshot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    /// Of the request that a twin is drawn for.
    pub request_id: &'a str,
    /// Which of its twins, from 1.
    pub twin: usize,
    /// What is asked.
    pub prompt: &'a str,
    /// How the reply is drawn.
    pub sampling: Sample,
    /// Of the draws.
    pub seed: u64,
}

/// A model that draws replies by seeds.
pub trait Snapshot {
    /// Names it. A model that is served may have to be asked the first question of the drawing to know what its server calls it.
    ///
    /// # Errors
    /// As [`Self::answer`].
    fn record(&self, chat: &Chat, first: &Asked<'_>) -> Result<SnapshotRecord, TwinError>;
    /// A reply to each question, in their order.
    ///
    /// # Errors
    /// If the model cannot be read or reached, or cannot answer.
    fn answer(&self, chat: &Chat, asked: &[Asked<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Utterance>, TwinError>;
}

/// A snapshot on this machine.
pub struct LocalSnapshot {
    /// Names it.
    pub record: SnapshotRecord,
    /// The model.
    pub responder: Responder,
}

impl Snapshot for LocalSnapshot {
    fn record(&self, _: &Chat, _: &Asked<'_>) -> Result<SnapshotRecord, TwinError> {
        Ok(self.record.clone())
    }

    fn answer(&self, chat: &Chat, asked: &[Asked<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Utterance>, TwinError> {
        let mut said = Vec::with_capacity(asked.len());
        for alike in asked.chunk_by(|a, b| a.sampling == b.sampling) {
            let ids = |asked: &Asked<'_>| Ok((chat.asked_ids(&self.responder.tokenizer, asked.prompt)?, asked.seed));
            let questions: Vec<(Vec<u32>, u64)> = alike.iter().map(ids).collect::<Result<_, TwinError>>()?;
            let answers = self.responder.answer(chat, alike[0].sampling, &questions, advance)??;
            said.extend(answers.into_iter().map(|answer| Utterance { text: answer.text, finish_reason: answer.finish_reason }));
        }
        Ok(said)
    }
}

/// What is drawn.
pub struct Drawing<'a> {
    /// Who answers.
    pub snapshot: &'a dyn Snapshot,
    /// How a question and an answer become one text.
    pub chat: &'a Chat,
    /// What was asked and answered, and SHA-256 of the file.
    pub log: (&'a [LoggedRequest], &'a str),
    /// How replies were drawn, where the log does not say.
    pub sampling: Option<Sample>,
    /// The campaign and its key.
    pub campaign: (&'a str, &'a CampaignKey),
    /// Twins a request.
    pub twins: usize,
    /// Accounts whose replies are tested; all where there is none.
    pub accounts: &'a [String],
    /// Requests of other accounts that are drawn beside them.
    pub placebo: usize,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// What answered.
    pub snapshot: SnapshotRecord,
    /// Requests that are tested.
    pub tested: usize,
    /// Requests of others.
    pub placebo: usize,
    /// Requests of them that were there already.
    pub found: usize,
    /// Requests whose reply was no draw: temperature 0.
    pub without_chance: usize,
}

/// A request that twins are drawn for.
struct Chosen<'a> {
    request: &'a LoggedRequest,
    cluster: String,
    is_placebo: bool,
    sampling: Sample,
}

impl Drawing<'_> {
    /// Draws what the file lacks and adds it.
    ///
    /// # Errors
    /// If the file holds twins of another drawing, a file cannot be read or written, or the snapshot cannot answer.
    pub fn draw(&self, path: &Path, advance: &(dyn Fn(u64) + Sync)) -> Result<Drawn, TwinError> {
        let (chosen, without_chance) = self.chosen()?;
        let first = chosen.first().map(|chosen| self.question(chosen, 1)).ok_or_else(|| nothing_to_test(self.log.0.len()))?;
        let header = self.header(self.snapshot.record(self.chat, &first)?);
        let io = |action| move |error| TwinError::Io { action, path: path.to_owned(), error };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io("open"))?;
        let (found, end) = found(&file, &header, &chosen, path)?;
        // What an interruption left of a line is dropped.
        file.set_len(end).map_err(io("shorten"))?;
        file.seek(SeekFrom::End(0)).map_err(io("write"))?;
        let mut writer = BufWriter::new(file);
        if end == 0 {
            write_line(&mut writer, &header).map_err(io("write"))?;
        }
        advance((found * self.twins) as u64);
        for together in chosen[found..].chunks(TOGETHER) {
            for line in self.lines(together, advance)? {
                write_line(&mut writer, &line).map_err(io("write"))?;
            }
            writer.flush().map_err(io("write"))?;
        }
        writer.flush().map_err(io("write"))?;
        let placebo = chosen.iter().filter(|chosen| chosen.is_placebo).count();
        Ok(Drawn { snapshot: header.snapshot, tested: chosen.len() - placebo, placebo, found, without_chance })
    }

    /// Replies that a whole drawing has.
    ///
    /// # Errors
    /// As [`Self::draw`], where the log names no request that can be drawn for.
    pub fn work(&self) -> Result<u64, TwinError> {
        Ok((self.chosen()?.0.len() * self.twins) as u64)
    }

    fn header(&self, snapshot: SnapshotRecord) -> Header {
        Header {
            schema: TWINS_SCHEMA.into(),
            tool: format!("filiation {}", env!("CARGO_PKG_VERSION")),
            snapshot,
            chat: self.chat.clone(),
            campaign: self.campaign.0.to_owned(),
            key_digest: self.campaign.1.digest(),
            twins: self.twins,
            log: self.log.1.to_owned(),
            accounts: self.accounts.to_vec(),
            placebo: self.placebo,
        }
    }

    /// The requests that are tested and those that are placebo, in the order of the log, and how many had no chance in them.
    fn chosen(&self) -> Result<(Vec<Chosen<'_>>, usize), TwinError> {
        if self.twins == 0 {
            return Err(FormatError::new("twins a request", 0, "at least 1").into());
        }
        let known: BTreeSet<&str> = self.log.0.iter().filter_map(|request| request.account.as_deref()).collect();
        if let Some(unknown) = self.accounts.iter().find(|account| !known.contains(account.as_str())) {
            return Err(FormatError::new("account", format!("`{}`", unknown.escape_debug()), "one that the log names").into());
        }
        let mut drawn = Vec::new();
        let mut without_chance = 0;
        for request in self.log.0 {
            let Some(sampling) = request.sampling.or(self.sampling) else {
                let found = format!("none for request `{}`", request.request_id.escape_debug());
                let expected = "how its reply was drawn, in the log or for all of it";
                return Err(FormatError::new("sampling", found, expected)
                    .hint("give `--temperature`, `--top-p` and `--max-tokens`")
                    .into());
            };
            if sampling.temperature > 0.0 {
                drawn.push((request, sampling));
            } else {
                without_chance += 1;
            }
        }
        let of_accounts = |request: &LoggedRequest| {
            self.accounts.is_empty() || request.account.as_ref().is_some_and(|account| self.accounts.contains(account))
        };
        // Which of the others are drawn follows from the key, so that nobody chooses them.
        let mut others: Vec<&LoggedRequest> = drawn.iter().map(|(request, _)| *request).filter(|request| !of_accounts(request)).collect();
        others.sort_by_cached_key(|request| self.campaign.1.rank(&request.request_id));
        let placebo: BTreeSet<&str> = others.iter().take(self.placebo).map(|request| request.request_id.as_str()).collect();
        let wanted = |request: &LoggedRequest| of_accounts(request) || placebo.contains(request.request_id.as_str());
        let kept: Vec<(&LoggedRequest, Sample)> = drawn.into_iter().filter(|(request, _)| wanted(request)).collect();
        if !kept.iter().any(|(request, _)| of_accounts(request)) {
            return Err(nothing_to_test(self.log.0.len()));
        }
        let labels = clusters(&kept.iter().map(|(request, _)| *request).collect::<Vec<_>>());
        let chosen = kept.into_iter().zip(labels).map(|((request, sampling), cluster)| Chosen {
            is_placebo: !of_accounts(request),
            request,
            cluster,
            sampling,
        });
        Ok((chosen.collect(), without_chance))
    }

    fn question<'q>(&self, chosen: &'q Chosen<'_>, twin: usize) -> Asked<'q> {
        let request_id = &chosen.request.request_id;
        let seed = self.campaign.1.seed(request_id, twin);
        Asked { request_id, twin, prompt: &chosen.request.prompt, sampling: chosen.sampling, seed }
    }

    fn lines(&self, chosen: &[Chosen<'_>], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<Line>, TwinError> {
        let asked: Vec<Asked<'_>> = chosen.iter().flat_map(|chosen| (1..=self.twins).map(|twin| self.question(chosen, twin))).collect();
        let said = self.snapshot.answer(self.chat, &asked, advance)?;
        if said.len() != asked.len() {
            return Err(FormatError::new("replies of the snapshot", said.len(), asked.len()).into());
        }
        let line = |(chosen, twins): (&Chosen<'_>, &[Utterance])| Line {
            request_id: chosen.request.request_id.clone(),
            cluster: chosen.cluster.clone(),
            placebo: chosen.is_placebo,
            prompt: chosen.request.prompt.clone(),
            released: Utterance { text: chosen.request.reply.clone(), finish_reason: chosen.request.finish_reason },
            twins: twins.to_vec(),
        };
        Ok(chosen.iter().zip(said.chunks(self.twins)).map(line).collect())
    }
}

/// Requests of an earlier run, and where the last whole line ends.
fn found(file: &File, header: &Header, chosen: &[Chosen<'_>], path: &Path) -> Result<(usize, u64), TwinError> {
    let mut lines = Lines::new(file, path);
    let Some(earlier) = lines.next_value::<Header>(|| "first line".into(), "the header of a file of twins")? else { return Ok((0, 0)) };
    let anywhere =
        |header: &Header| Header { snapshot: SnapshotRecord { path: String::new(), ..header.snapshot.clone() }, ..header.clone() };
    if anywhere(&earlier) != anywhere(header) {
        let error = FormatError::new("twins", described(&earlier), described(header));
        return Err(error.hint("name another file, or remove this one").at(path).into());
    }
    let mut n = 0;
    while let Some(line) = lines.next_value::<Line>(|| format!("request {}", n + 1), "a request with its twins")? {
        let expected = chosen.get(n).map(|chosen| chosen.request.request_id.as_str());
        if expected != Some(line.request_id.as_str()) {
            let expected = expected.map_or("no further request".into(), |id| format!("`{}`", id.escape_debug()));
            return Err(FormatError::new(format!("request {}", n + 1), format!("`{}`", line.request_id.escape_debug()), expected)
                .at(path)
                .into());
        }
        n += 1;
    }
    Ok((n, lines.end))
}

fn nothing_to_test(logged: usize) -> TwinError {
    let found = format!("none with chance in it among {logged} of these accounts or of any");
    FormatError::new("requests to test", found, "at least one reply drawn above temperature 0").into()
}

fn described(header: &Header) -> String {
    format!(
        "{} twins a request of campaign `{}` (key {:.12}) by snapshot {}, log {:.12}, {} accounts, {} placebo, of {}",
        header.twins,
        header.campaign.escape_debug(),
        header.key_digest,
        header.snapshot.described(),
        header.log,
        header.accounts.len(),
        header.placebo,
        header.tool
    )
}

/// A file of twins, read.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinFile {
    /// By whom and how.
    pub header: Header,
    /// In the order of the log.
    pub lines: Vec<Line>,
}

impl TwinFile {
    /// Reads a file; half a line at its end, which an interruption leaves, is refused: a set that is not whole is none.
    ///
    /// # Errors
    /// If it cannot be read, or is no whole file of twins.
    pub fn open(path: &Path) -> Result<Self, TwinError> {
        let io = |error| TwinError::Io { action: "open", path: path.to_owned(), error };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut lines = Lines::new(&file, path);
        let refused = |error: FormatError| error.at(path);
        let Some(header) = lines.next_value::<Header>(|| "first line".into(), "the header of a file of twins")? else {
            return Err(refused(FormatError::new("file of twins", "no whole line", "a header and requests")).into());
        };
        if header.schema != TWINS_SCHEMA {
            let found = format!("`{}`", header.schema.escape_debug());
            return Err(refused(FormatError::new("schema of the twins", found, format!("`{TWINS_SCHEMA}`"))).into());
        }
        let mut requests: Vec<Line> = Vec::new();
        while let Some(line) = lines.next_value(|| format!("request {}", requests.len() + 1), "a request with its twins")? {
            requests.push(line);
        }
        if lines.end != bytes {
            let error = FormatError::new("last line", "half of one", "whole lines");
            return Err(refused(error.hint("the drawing was interrupted: run `filiation twins draw` again to go on with it")).into());
        }
        Ok(Self { header, lines: requests })
    }
}
