//! The table as a page of Markdown.

use super::{ANY_EXACT, ATTACK, Apart, Cell, Column, Group, Kind, SECOND_FALSE_POSITIVE_RATE, SizeIs, TOGETHER, Table, UNDISGUISED};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

impl Table {
    /// Sections for a page that has its own title: demands, what each method finds, what it does without derivation, words of the relation.
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        // Writing into a string does not fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> fmt::Result {
        self.demands(page)?;
        let undisguised: Vec<(String, usize)> =
            self.groups.iter().filter(|group| group.disguise == UNDISGUISED).map(|group| (group.transformation.clone(), group.n)).collect();
        writeln!(page, "## Undisguised derivations\n")?;
        writeln!(
            page,
            "Share of the derived pairs that each method finds: tests by p ≤ 10⁻⁶, similarities beyond every one of the independent pairs of \
             the bench. Baselines are in italics. `*`: did not apply to some of the pairs, which count as not found; `–`: to none.\n"
        )?;
        self.matrix(page, "transformation", &undisguised, |name, group| group.disguise == UNDISGUISED && group.transformation == name)?;
        let disguises: Vec<(String, usize)> = self
            .disguises()
            .into_iter()
            .map(|name| (name.to_owned(), self.groups.iter().filter(|group| group.disguise == name).map(|group| group.n).sum()))
            .collect();
        if !disguises.is_empty() {
            writeln!(page, "## Disguised derivations\n")?;
            self.matrix(page, "disguise", &disguises, |name, group| group.disguise == name)?;
        }
        let of_attack = |group: &&Group| group.disguise == ATTACK;
        let attacks: Vec<(String, usize)> =
            self.groups.iter().filter(of_attack).map(|group| (group.transformation.clone(), group.n)).collect();
        if !attacks.is_empty() {
            writeln!(page, "## Attacks\n")?;
            writeln!(page, "Derivations that were made against the tests: they change the function, and no demand above counts them.\n")?;
            self.matrix(page, "attack", &attacks, |name, group| group.disguise == ATTACK && group.transformation == name)?;
        }
        self.independent(page)?;
        self.null(page)?;
        self.words(page)?;
        self.sources(page)
    }

    fn demands(&self, page: &mut String) -> fmt::Result {
        let t = &self.together;
        writeln!(page, "## Summary\n")?;
        writeln!(
            page,
            "{} pairs: {} derived, {} independent, of which {} differ in their seed alone. All methods together support derivation for {} of \
             {} derived pairs ({} stay open), and for {} of {} independent pairs ({} stay open){}.\n",
            self.rows,
            t.derived,
            t.independent,
            self.same_recipe,
            t.supported,
            t.derived,
            t.derived_inconclusive,
            t.false_positives,
            t.independent,
            t.independent_inconclusive,
            match t.false_positive_bound {
                Some(bound) if t.false_positives == 0 => format!(
                    ": a rate of false positives below {bound:.4} with 95 % confidence, had the pairs been independent of each other (3/n = {:.4})",
                    3.0 / t.independent.max(1) as f64
                ),
                Some(bound) => format!(": a rate of false positives below {bound:.4} with 95 % confidence"),
                None => String::new(),
            }
        )?;
        if self.bars.is_empty() {
            return Ok(());
        }
        writeln!(
            page,
            "The size of an exact test is demanded to lie within its exact 99 % interval of the level, and exact tests to reject at 10⁻⁶.\n"
        )?;
        writeln!(page, "| demand | found | met |\n|---|---|---|")?;
        for bar in &self.bars {
            writeln!(page, "| {} | {} | {} |", escaped(&bar.what), escaped(&bar.found), if bar.is_met { "yes" } else { "**no**" })?;
        }
        writeln!(page)
    }

    fn matrix(&self, page: &mut String, what: &str, columns: &[(String, usize)], is: impl Fn(&str, &Group) -> bool) -> fmt::Result {
        if columns.is_empty() {
            return writeln!(page, "No pairs.\n");
        }
        let numbers: Vec<usize> = (1..=columns.len()).collect();
        writeln!(page, "| # | {what} | pairs |\n|---:|---|---:|")?;
        for (number, (name, n)) in numbers.iter().zip(columns) {
            writeln!(page, "| {number} | {} | {n} |", escaped(name))?;
        }
        let header: String = numbers.iter().map(|number| format!(" {number} |")).collect();
        writeln!(page, "\n| method |{header} all |\n|---|{}---:|", "---:|".repeat(numbers.len()))?;
        for column in &self.columns {
            let cells: String =
                columns.iter().map(|(name, _)| format!(" {} |", of_cell(self.sum(column, |group| is(name, group))))).collect();
            let all = self.sum(column, |group| columns.iter().any(|(name, _)| is(name, group)));
            writeln!(page, "| {} |{cells} {} |", named(column), of_cell(all))?;
        }
        writeln!(page)
    }

    fn independent(&self, page: &mut String) -> fmt::Result {
        let n = self.together.independent;
        writeln!(page, "## Independent pairs\n")?;
        let second = if (n as f64) * SECOND_FALSE_POSITIVE_RATE < 1.0 {
            format!("With {n} independent pairs a rate of 10⁻³ allows none of them, so that it is the rate 0.")
        } else {
            "At a rate of 10⁻³ the threshold of similarities is lower; the last column says what they find then.".to_owned()
        };
        writeln!(
            page,
            "What each method says where nothing was derived. {second} A threshold at 0 is fitted to these very pairs: the next one may exceed \
             it.\n"
        )?;
        let heads = ["false positives", "median", "largest", "reached by", "all derived, at 0", "at 10⁻³", "does not apply", "median ms"];
        writeln!(page, "| method | kind | {} |", heads.join(" | "))?;
        writeln!(page, "|---|---|{}", "---:|".repeat(heads.len()))?;
        for column in &self.columns {
            let apart = &column.independent;
            let all = self.sum(column, |_| true);
            let second = all.share().map_or("–".into(), |_| share(all.found_second, all.n));
            writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} | {second} | {} | {} |",
                named(column),
                column.kind.name(),
                apart.false_positives.map_or("–".into(), |k| format!("{k} of {}", apart.applied)),
                number(apart.median),
                number(apart.largest),
                apart.largest_at.as_deref().map_or("–".into(), escaped),
                of_cell(all),
                column.not_applicable,
                column.median_seconds.map_or("–".into(), |seconds| format!("{:.1}", 1000.0 * seconds)),
            )?;
        }
        writeln!(page)?;
        let published: Vec<_> = self.columns.iter().filter_map(|column| Some((column, column.as_published?))).collect();
        if !published.is_empty() {
            writeln!(page, "At the thresholds that their authors publish:\n")?;
            writeln!(page, "| baseline | above | derived pairs | independent pairs |\n|---|---:|---:|---:|")?;
            for (column, own) in published {
                let (derived, independent) = (self.together.derived, self.together.independent);
                let (found, wrong) = (own.found, own.false_positives);
                writeln!(page, "| {} | {} | {found} of {derived} | {wrong} of {independent} |", named(column), own.threshold)?;
            }
            writeln!(page)?;
        }
        writeln!(page, "All methods together, by what the pairs share:\n")?;
        verdicts(page, &self.apart)?;
        if self.shared_initialisation.is_empty() {
            return Ok(());
        }
        writeln!(page, "## One initialisation, trained apart\n")?;
        writeln!(
            page,
            "Neither derived nor independent: no trained weight passed from one to the other, yet the null hypothesis of independent \
             initialisations is false. These pairs stand in no other table.\n"
        )?;
        verdicts(page, &self.shared_initialisation)
    }

    fn null(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "## Under the null hypothesis\n")?;
        writeln!(
            page,
            "Tests on {} pairs of independent trainings that differ in their seed alone: how often p is at most .01 and .001, with exact 99 % \
             intervals, and Kolmogorov and Smirnov's p for uniform p-values. Bounds are larger than uniform by design. Pairs share models, so \
             that they are fewer than they seem.\n",
            self.same_recipe
        )?;
        writeln!(
            page,
            "| test | kind | pairs | size at .01 | size at .001 | uniform | smallest log10 p |\n|---|---|---:|---|---|---:|---:|"
        )?;
        for column in &self.columns {
            let Some(null) = &column.null else { continue };
            let sizes: String = null
                .sizes
                .iter()
                .map(|size| {
                    let is = if size.is == SizeIs::Nominal { String::new() } else { format!(", {}", size.is.name()) };
                    format!(" {} ({:.4}, {:.4} to {:.4}{is}) |", size.rejected, size.rate, size.low, size.high)
                })
                .collect();
            let (uniform, smallest) = (null.uniformity_p, null.smallest_log10_p);
            writeln!(page, "| {} | {} | {} |{sizes} {uniform:.3} | {smallest:.2} |", named(column), column.kind.name(), null.n)?;
        }
        writeln!(page)
    }

    fn words(&self, page: &mut String) -> fmt::Result {
        let r = &self.relations;
        writeln!(page, "## Words of the relation\n")?;
        writeln!(
            page,
            "Of {} derived pairs {} have a right answer: every expected word and none beyond what is expected or allowed. {} miss a word, {} have \
             a wrong one. Rows: expected; columns: said. A pair with several words counts in several places.\n",
            r.n, r.right, r.missed, r.wrong
        )?;
        let said: BTreeSet<&str> = r.confusion.iter().map(|entry| entry.said.as_str()).collect();
        let expected: BTreeSet<&str> = r.confusion.iter().map(|entry| entry.expected.as_str()).collect();
        if said.is_empty() {
            return Ok(());
        }
        let header: String = said.iter().map(|word| format!(" {} |", escaped(word))).collect();
        writeln!(page, "| |{header}\n|---|{}", "---:|".repeat(said.len()))?;
        for word in expected {
            let count =
                |said: &str| r.confusion.iter().find(|entry| entry.expected == word && entry.said == said).map_or(0, |entry| entry.n);
            let cells: String = said.iter().map(|said| count(said)).map(|n| if n == 0 { " |".into() } else { format!(" {n} |") }).collect();
            writeln!(page, "| {} |{cells}", escaped(word))?;
        }
        writeln!(page, "\n| transformation | pairs | right |\n|---|---:|---:|")?;
        for (name, (n, right)) in &r.by_transformation {
            writeln!(page, "| {} | {n} | {} |", escaped(name), share(*right, *n))?;
        }
        writeln!(page)
    }

    fn sources(&self, page: &mut String) -> fmt::Result {
        let published: Vec<(&str, &String)> =
            self.columns.iter().filter_map(|column| Some((column.id.as_str(), column.source.as_ref()?))).collect();
        if published.is_empty() {
            return Ok(());
        }
        writeln!(page, "## Baselines\n\nRe-implemented from their formulas; `docs/guide/baselines.md` says how.\n")?;
        published.into_iter().try_for_each(|(id, source)| writeln!(page, "- *{id}*: {}", escaped(source)))
    }
}

fn verdicts(page: &mut String, kinds: &[Apart]) -> fmt::Result {
    writeln!(page, "| pairs | n | supports derivation | supports independence | inconclusive |\n|---|---:|---:|---:|---:|")?;
    for kind in kinds {
        let [derived, apart, open] = [kind.supports_derivation, kind.supports_independence, kind.inconclusive];
        writeln!(page, "| {} | {} | {derived} | {apart} | {open} |", escaped(&kind.transformation), kind.n)?;
    }
    writeln!(page)
}

fn named(column: &Column) -> String {
    match (column.kind, column.id.as_str()) {
        (Kind::Verdict, _) | (_, TOGETHER | ANY_EXACT) => format!("**{}**", column.id),
        _ if column.source.is_some() => format!("*{}*", column.id),
        (_, id) => format!("`{id}`"),
    }
}

/// `1`, `.83`, with a star where the method did not apply to some pairs.
fn of_cell(cell: Cell) -> String {
    let star = if cell.applied < cell.n { "*" } else { "" };
    cell.share().map_or_else(|| "–".into(), |_| format!("{}{star}", share(cell.found, cell.n)))
}

/// Two digits that never round up to 1 nor down to 0.
pub(super) fn share(found: usize, n: usize) -> String {
    match found {
        _ if n == 0 => "–".into(),
        0 => "0".into(),
        _ if found == n => "1".into(),
        _ => format!("{:.2}", (found as f64 / n as f64).clamp(0.01, 0.99)).trim_start_matches('0').to_owned(),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| if value.abs() >= 1000.0 { format!("{value:.3e}") } else { format!("{value:.3}") })
}

/// Names come from plans that anybody writes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}
