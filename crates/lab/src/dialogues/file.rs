//! The file that dialogues are drawn from: every key is read, every slot leads somewhere, every list is used.

use super::template::{Slot, Template};
use super::{Chat, DIALOGUES_SCHEMA};
use serde::Deserialize;
use sources::FormatError;
use std::collections::{BTreeMap, BTreeSet};

/// Slots in the words that slots are filled with, and so on.
pub(super) const MAX_DEPTH: usize = 4;
/// Numbers that a task may draw, so that no sum or product of a few overflows.
const MAX_NUMBER: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    schema: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) language: String,
    pub(super) licence: String,
    pub(super) origin: String,
    pub(super) synonyms: Vec<Vec<String>>,
    pub(super) chat: Chat,
    fields: BTreeMap<String, Vec<String>>,
    rows: BTreeMap<String, Vec<Vec<String>>>,
    lists: BTreeMap<String, Vec<String>>,
    pub(super) style: Vec<Style>,
    task: Vec<TaskFile>,
    topic: BTreeMap<String, BTreeMap<String, Vec<Entry>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Word(String),
    Row(Vec<String>),
}

/// How something is asked and answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Style {
    pub(super) id: String,
    pub(super) share: u32,
    pub(super) length: Length,
    pub(super) before: Vec<Text>,
    pub(super) after: Vec<Text>,
    pub(super) opening: Vec<Text>,
    pub(super) closing: Vec<Text>,
}

/// Which answers a style takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Length {
    Any,
    Short,
    Long,
}

/// A template that reads itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text(pub(super) Template);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Template::parse(&text).map(Self).map_err(|(found, expected)| format!("found {found}, expected {expected}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    id: String,
    share: u32,
    #[serde(default)]
    numbers: BTreeMap<String, (i64, i64)>,
    #[serde(default)]
    sums: BTreeMap<String, String>,
    prompts: Vec<Text>,
    answers: Vec<Text>,
    short: Vec<Text>,
    more: Vec<Text>,
}

/// Something that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) share: u32,
    /// Names, smallest and largest values.
    pub(super) numbers: Vec<(String, i64, i64)>,
    /// Names, and what is computed of which.
    pub(super) sums: Vec<(String, Sum)>,
    pub(super) prompts: Vec<Text>,
    pub(super) answers: Vec<Text>,
    pub(super) short: Vec<Text>,
    pub(super) more: Vec<Text>,
}

/// A computation with two numbers of a task.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) left: String,
    pub(super) operator: Operator,
    pub(super) right: String,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
}

/// Words by row and field; a list has one field.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) fields: Vec<String>,
    pub(super) rows: Vec<Vec<Template>>,
}

/// All tables, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    general: BTreeMap<String, Table>,
    pub(super) topics: BTreeMap<String, BTreeMap<String, Table>>,
}

impl Tables {
    /// A table of a topic, or one that all have.
    pub(super) fn get(&self, topic: &str, name: &str) -> Option<&Table> {
        self.topics.get(topic).and_then(|own| own.get(name)).or_else(|| self.general.get(name))
    }
}

impl Table {
    /// The place of a field.
    pub(super) fn field(&self, slot: &Slot) -> Option<usize> {
        match &slot.field {
            Some(field) => self.fields.iter().position(|name| name == field),
            None => Some(0),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", text.escape_debug())
}

fn refuse<T>(what: impl Into<String>, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Result<T, FormatError> {
    Err(FormatError::new(what, found, expected))
}

impl File {
    /// Reads the text of a file, and what can be drawn from it.
    pub(super) fn parse(text: &str) -> Result<(Self, Tables, Vec<Task>), FormatError> {
        let refused = |error: toml::de::Error| {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            FormatError::new("file of dialogues", message, "the keys of a file of dialogues")
        };
        let mut file: Self = toml::from_str(text).map_err(refused)?;
        if file.schema != DIALOGUES_SCHEMA {
            return refuse("schema of the dialogues", quoted(&file.schema), quoted(DIALOGUES_SCHEMA));
        }
        if let Some(expected) = file.chat.fault() {
            return refuse("`chat` of the dialogues", "one that is empty", expected);
        }
        if let Some(set) = file.synonyms.iter().find(|set| set.len() < 2) {
            return refuse("synonyms", format!("{set:?}"), "at least two words");
        }
        let tables = file.tables()?;
        let tasks: Vec<Task> = std::mem::take(&mut file.task).into_iter().map(Task::of).collect::<Result<_, _>>()?;
        for (what, n) in [("tasks", tasks.len()), ("styles", file.style.len()), ("topics", tables.topics.len())] {
            if n == 0 {
                return refuse(format!("{what} of the dialogues"), "none", "at least one");
            }
        }
        Check { tables: &tables, used: BTreeSet::new() }.all(&tasks, &file.style)?;
        Ok((file, tables, tasks))
    }

    fn tables(&mut self) -> Result<Tables, FormatError> {
        let mut tables = Tables::default();
        for (name, words) in std::mem::take(&mut self.lists) {
            let table = self.table(&name, words.into_iter().map(|word| vec![word]).collect(), true)?;
            tables.general.insert(name, table);
        }
        for (name, rows) in std::mem::take(&mut self.rows) {
            let table = self.table(&name, rows, false)?;
            if tables.general.insert(name.clone(), table).is_some() {
                return refuse(format!("`{name}`"), "a list and rows", "one of the two");
            }
        }
        let mut names: Option<BTreeSet<String>> = None;
        for (topic, own) in std::mem::take(&mut self.topic) {
            let found: BTreeSet<String> = own.keys().cloned().collect();
            let expected = names.get_or_insert_with(|| found.clone());
            if *expected != found {
                return refuse(format!("lists of topic `{topic}`"), format!("{found:?}"), format!("{expected:?}, as in the first topic"));
            }
            let mut read = BTreeMap::new();
            for (name, entries) in own {
                let is_list = entries.iter().all(|entry| matches!(entry, Entry::Word(_)));
                let rows = entries.into_iter().map(|entry| match entry {
                    Entry::Word(word) => vec![word],
                    Entry::Row(row) => row,
                });
                let table = self.table(&name, rows.collect(), is_list)?;
                read.insert(name, table);
            }
            tables.topics.insert(topic, read);
        }
        Ok(tables)
    }

    fn table(&self, name: &str, rows: Vec<Vec<String>>, is_list: bool) -> Result<Table, FormatError> {
        let fields = match self.fields.get(name) {
            None if is_list => vec![String::new()],
            Some(fields) if !is_list && !fields.is_empty() => fields.clone(),
            _ => {
                return refuse(
                    format!("`{name}`"),
                    if is_list { "words" } else { "rows" },
                    "rows where `fields` names it, words elsewhere",
                );
            }
        };
        if rows.is_empty() {
            return refuse(format!("`{name}`"), "no word", "at least one");
        }
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != fields.len() {
                return refuse(format!("row {row:?} of `{name}`"), format!("{} words", row.len()), fields.len());
            }
            let parsed: Result<Vec<Template>, _> = row.iter().map(|word| Template::parse(word)).collect();
            read.push(parsed.map_err(|(found, expected)| FormatError::new(format!("word of `{name}`"), found, expected))?);
        }
        Ok(Table { fields, rows: read })
    }
}

impl Task {
    fn of(file: TaskFile) -> Result<Self, FormatError> {
        let TaskFile { id, share, numbers, sums, prompts, answers, short, more } = file;
        if [&prompts, &answers, &short, &more].iter().any(|texts| texts.is_empty()) {
            return refuse(format!("task `{id}`"), "an empty list", "prompts, answers, short and more");
        }
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for (name, &(low, high)) in &numbers {
            if low > high || low.abs() > MAX_NUMBER || high.abs() > MAX_NUMBER {
                return refuse(
                    format!("number `{name}` of task `{id}`"),
                    format!("{low} to {high}"),
                    format!("a range within {MAX_NUMBER}"),
                );
            }
            known.insert(name);
        }
        let mut computed = Vec::new();
        for (name, text) in &sums {
            let words: Vec<&str> = text.split_whitespace().collect();
            let sum = match words.as_slice() {
                [left, operator, right] if known.contains(left) && known.contains(right) => {
                    let operator = match *operator {
                        "+" => Some(Operator::Add),
                        "-" => Some(Operator::Subtract),
                        "*" => Some(Operator::Multiply),
                        _ => None,
                    };
                    operator.map(|operator| Sum { left: (*left).into(), operator, right: (*right).into() })
                }
                _ => None,
            };
            let Some(sum) = sum else {
                let expected = "`x + y`, `x - y` or `x * y` of numbers, or of sums before it in the alphabet";
                return refuse(format!("sum `{name}` of task `{id}`"), quoted(text), expected);
            };
            if !known.insert(name) {
                return refuse(format!("`{name}` of task `{id}`"), "a number and a sum", "one of the two");
            }
            computed.push((name.clone(), sum));
        }
        let numbers = numbers.into_iter().map(|(name, (low, high))| (name, low, high)).collect();
        Ok(Self { id, share, numbers, sums: computed, prompts, answers, short, more })
    }
}

/// What must hold of all slots.
struct Check<'a> {
    tables: &'a Tables,
    used: BTreeSet<(String, String)>,
}

impl Check<'_> {
    fn all(mut self, tasks: &[Task], styles: &[Style]) -> Result<(), FormatError> {
        unique("task", tasks.iter().map(|task| (task.id.as_str(), task.share)))?;
        unique("style", styles.iter().map(|style| (style.id.as_str(), style.share)))?;
        for topic in self.tables.topics.keys() {
            for task in tasks {
                let numbers: BTreeSet<&str> =
                    task.numbers.iter().map(|(name, ..)| name.as_str()).chain(task.sums.iter().map(|(name, _)| name.as_str())).collect();
                let mut named = BTreeSet::new();
                for text in [&task.prompts, &task.answers, &task.short, &task.more].into_iter().flatten() {
                    self.template(&text.0, topic, &numbers, &format!("task `{}`", task.id), 0, &mut named)?;
                }
                if let Some(idle) = numbers.iter().find(|name| !named.contains(**name) && !is_operand(task, name)) {
                    return refuse(format!("number `{idle}` of task `{}`", task.id), "no slot", "one that shows it");
                }
            }
            for style in styles {
                for text in [&style.before, &style.after, &style.opening, &style.closing].into_iter().flatten() {
                    self.template(&text.0, topic, &BTreeSet::new(), &format!("style `{}`", style.id), 0, &mut BTreeSet::new())?;
                }
                if [&style.before, &style.after, &style.opening, &style.closing].iter().any(|texts| texts.is_empty()) {
                    return refuse(format!("style `{}`", style.id), "an empty list", "at least one text each, which may be empty");
                }
            }
        }
        let of_topics = self.tables.topics.values().flatten();
        for (name, table) in self.tables.general.iter().chain(of_topics) {
            if let Some(field) = table.fields.iter().find(|field| !self.used.contains(&(name.clone(), (*field).clone()))) {
                let field = if field.is_empty() { String::new() } else { format!(".{field}") };
                return refuse(format!("`{name}{field}`"), "no slot", "one that draws from it");
            }
        }
        Ok(())
    }

    fn template(
        &mut self,
        template: &Template,
        topic: &str,
        numbers: &BTreeSet<&str>,
        place: &str,
        depth: usize,
        named: &mut BTreeSet<String>,
    ) -> Result<(), FormatError> {
        if depth > MAX_DEPTH {
            return refuse(
                format!("slots of {place}"),
                "words whose slots lead back to them",
                format!("at most {MAX_DEPTH} inside one another"),
            );
        }
        for slot in template.slots() {
            named.insert(slot.name.clone());
            if numbers.contains(slot.name.as_str()) {
                if slot.index.is_some() || slot.field.is_some() {
                    return refuse(format!("slot `{}` of {place}", slot.name), "an index or a field", "a number alone");
                }
                continue;
            }
            let Some(table) = self.tables.get(topic, &slot.name) else {
                return refuse(format!("slot of {place}"), quoted(&slot.name), "a list, rows or a number of the task");
            };
            let Some(field) = table.field(slot) else {
                let found = quoted(slot.field.as_deref().unwrap_or_default());
                return refuse(format!("field of `{}` in {place}", slot.name), found, table.fields.join(", "));
            };
            let is_new = self.used.insert((slot.name.clone(), table.fields[field].clone()));
            // What was followed once for a topic is followed again for the next, whose words differ.
            if is_new || table.rows.iter().any(|row| row[field].slots().next().is_some()) {
                for row in &table.rows {
                    self.template(&row[field], topic, &BTreeSet::new(), &format!("`{}`", slot.name), depth + 1, named)?;
                }
            }
        }
        Ok(())
    }
}

fn is_operand(task: &Task, name: &str) -> bool {
    task.sums.iter().any(|(_, sum)| sum.left == name || sum.right == name)
}

fn unique<'a>(what: &str, ids: impl Iterator<Item = (&'a str, u32)>) -> Result<(), FormatError> {
    let mut seen = BTreeSet::new();
    for (id, share) in ids {
        if id.is_empty() || !seen.insert(id) {
            return refuse(format!("id of a {what}"), quoted(id), "an id that no other has");
        }
        if share == 0 || i64::from(share) > MAX_NUMBER {
            return refuse(format!("share of {what} `{id}`"), share, format!("1 to {MAX_NUMBER}"));
        }
    }
    Ok(())
}
