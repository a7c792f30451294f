//! One dialogue: draws, in an order that the templates give.

use super::file::{Length, MAX_DEPTH, Operator, Style, Tables, Task, Text};
use super::template::{Piece, Slot, Template};
use crate::Draws;
use std::collections::BTreeMap;

/// What has been drawn for one dialogue.
pub(super) struct Composer<'a> {
    tables: &'a Tables,
    topic: &'a str,
    task: &'a Task,
    style: &'a Style,
    draws: Draws,
    numbers: BTreeMap<&'a str, i64>,
    /// Rows by table and index.
    rows: BTreeMap<(&'a str, usize), usize>,
    /// What the slots of those rows became, by field.
    words: BTreeMap<(&'a str, usize, usize), String>,
}

impl<'a> Composer<'a> {
    pub(super) fn new(tables: &'a Tables, topic: &'a str, task: &'a Task, style: &'a Style, mut draws: Draws) -> Self {
        let mut numbers = BTreeMap::new();
        for (name, low, high) in &task.numbers {
            numbers.insert(name.as_str(), low + draws.below((high - low) as usize + 1) as i64);
        }
        for (name, sum) in &task.sums {
            let of = |name: &String| numbers.get(name.as_str()).copied().unwrap_or_default();
            let (left, right) = (of(&sum.left), of(&sum.right));
            let value = match sum.operator {
                Operator::Add => left.saturating_add(right),
                Operator::Subtract => left.saturating_sub(right),
                Operator::Multiply => left.saturating_mul(right),
            };
            numbers.insert(name, value);
        }
        Self { tables, topic, task, style, draws, numbers, rows: BTreeMap::new(), words: BTreeMap::new() }
    }

    pub(super) fn prompt(&mut self) -> String {
        let (task, style) = (self.task, self.style);
        [&style.before, &task.prompts, &style.after].map(|texts| self.one_of(texts)).concat()
    }

    /// The answer to the prompt that was drawn before.
    pub(super) fn answer(&mut self) -> String {
        let (task, style) = (self.task, self.style);
        let mut answer = self.one_of(&style.opening);
        answer += &self.one_of(if style.length == Length::Short { &task.short } else { &task.answers });
        let is_longer = match style.length {
            Length::Short => false,
            Length::Long => true,
            Length::Any => self.draws.below(3) == 0,
        };
        if is_longer {
            answer.push(' ');
            answer += &self.one_of(&task.more);
        }
        answer + &self.one_of(&style.closing)
    }

    fn one_of(&mut self, texts: &'a [Text]) -> String {
        let drawn = self.draws.below(texts.len());
        texts.get(drawn).map(|text| self.fill(&text.0, 0)).unwrap_or_default()
    }

    fn fill(&mut self, template: &'a Template, depth: usize) -> String {
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(words) => text.push_str(words),
                Piece::Slot(slot) => {
                    let word = self.word(slot, depth);
                    text.push_str(&slot.finish(word));
                }
            }
        }
        text
    }

    fn word(&mut self, slot: &'a Slot, depth: usize) -> String {
        if let Some(number) = self.numbers.get(slot.name.as_str()) {
            return number.to_string();
        }
        // What the file's check has found good leads somewhere and ends.
        let Some(table) = self.tables.get(self.topic, &slot.name).filter(|_| depth <= MAX_DEPTH) else { return String::new() };
        let Some(field) = table.field(slot) else { return String::new() };
        let Some(index) = slot.index else {
            let row = self.draws.below(table.rows.len());
            return table.rows.get(row).map(|row| self.fill(&row[field], depth + 1)).unwrap_or_default();
        };
        let name = slot.name.as_str();
        let row = self.row(name, index, table.rows.len());
        if let Some(word) = self.words.get(&(name, index, field)) {
            return word.clone();
        }
        let word = table.rows.get(row).map(|row| self.fill(&row[field], depth + 1)).unwrap_or_default();
        self.words.insert((name, index, field), word.clone());
        word
    }

    /// The row of an index: another than those of other indices, while there are others.
    fn row(&mut self, name: &'a str, index: usize, n: usize) -> usize {
        if let Some(&row) = self.rows.get(&(name, index)) {
            return row;
        }
        let mut taken: Vec<usize> = self.rows.range((name, 0)..=(name, usize::MAX)).map(|(_, &row)| row).collect();
        taken.sort_unstable();
        taken.dedup();
        let free = n.saturating_sub(taken.len());
        let mut row = self.draws.below(if free == 0 { n } else { free });
        if free > 0 {
            for taken in taken {
                row += usize::from(row >= taken);
            }
        }
        self.rows.insert((name, index), row);
        row
    }
}
