//! The table on a terminal of 80 columns.

use super::markdown::share;
use super::{ATTACK, Table, UNDISGUISED};
use std::fmt::{self, Write as _};

/// Width of the names.
const NAMES: usize = 34;

impl Table {
    /// Every method in one line, and the demands that were not met.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = self.write_summary(&mut text);
        text
    }

    fn write_summary(&self, text: &mut String) -> fmt::Result {
        let t = &self.together;
        writeln!(text, "{} pairs: {} derived, {} independent ({} of one recipe)\n", self.rows, t.derived, t.independent, self.same_recipe)?;
        writeln!(
            text,
            "{:<NAMES$} {:>8} {:>9} {:>6} {:>9} {:>8}",
            "share of derived pairs found", "as is", "disguised", "n/a", "false", "ms"
        )?;
        for column in &self.columns {
            let plain = self.sum(column, |group| group.disguise == UNDISGUISED);
            let hidden = self.sum(column, |group| ![UNDISGUISED, ATTACK].contains(&group.disguise.as_str()));
            let of = |cell: super::Cell| cell.share().map_or("-".into(), |_| share(cell.found, cell.n));
            let false_ones = column.independent.false_positives.map_or("-".into(), |k| format!("{k}/{}", column.independent.applied));
            let ms = column.median_seconds.map_or("-".into(), |seconds| format!("{:.1}", 1000.0 * seconds));
            let name: String = column.id.chars().take(NAMES).collect();
            writeln!(text, "{name:<NAMES$} {:>8} {:>9} {:>6} {false_ones:>9} {ms:>8}", of(plain), of(hidden), column.not_applicable)?;
        }
        writeln!(text, "\nrelation right for {} of {} derived pairs", self.relations.right, self.relations.n)?;
        if let Some(bound) = t.false_positive_bound {
            writeln!(text, "false positives {} of {}: rate below {bound:.4} (95 %)", t.false_positives, t.independent)?;
        }
        let missed: Vec<_> = self.bars.iter().filter(|bar| !bar.is_met).collect();
        writeln!(text, "demands met: {} of {}", self.bars.len() - missed.len(), self.bars.len())?;
        missed.into_iter().try_for_each(|bar| writeln!(text, "not met: {}\n         {}", bar.what, bar.found))
    }
}
