//! Docs written once, in the code, and generated from there.

use crate::{Error, contract, root, say};
use evidence::{Access, Card, cards};
use report::glossary;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(crate) fn run(check: bool) -> Result<(), Error> {
    let mut stale = Vec::new();
    for (path, content) in files()? {
        let full = root().join(&path);
        if std::fs::read_to_string(&full).is_ok_and(|found| found == content) {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
            continue;
        }
        if let Some(folder) = full.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        std::fs::write(&full, content).map_err(Error::io("write", &full))?;
        say(&format!("wrote {}", path.display()));
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!("generated files: found {} out of date, expected what `cargo xtask generate` writes", stale.join(", "))))
}

fn files() -> Result<Vec<(PathBuf, String)>, Error> {
    let mut files: Vec<(PathBuf, String)> =
        cards().map(|card| (PathBuf::from(format!("docs/methods/{}.md", card.id)), method_page(card))).collect();
    files.push(("docs/methods/README.md".into(), method_index()));
    let schema = report::json::schema().map_err(Error::failed)?;
    files.push(("crates/python/python/filiation/_contract.py".into(), contract::python(&schema)?));
    files.push(("docs/formats/report.schema.json".into(), schema));
    files.push(("GLOSSARY.md".into(), glossary()));
    let mut command = filiation::cli::command();
    files.push(("docs/cli.md".into(), reference(&command)));
    files.push(("docs/man/filiation.1".into(), manual(command.clone())?));
    command.build();
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("filiation-{}", sub.get_name());
        for inner in sub.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let name = format!("{name}-{}", inner.get_name());
            files.push((format!("docs/man/{name}.1").into(), manual(inner.clone().display_name(name))?));
        }
        files.push((format!("docs/man/{name}.1").into(), manual(sub.clone().display_name(name))?));
    }
    Ok(files)
}

fn method_page(card: &Card) -> String {
    let access: Vec<&str> = card.access.iter().map(|a: &Access| a.name()).collect();
    let quantity = &card.statistic;
    let mut page = format!(
        "<!-- Generated from the doc comment of the method's card by `cargo xtask generate`; edit it there. -->\n\n\
         # `{}`\n\n\
         | question | needs | statistic | unit | range |\n|---|---|---|---|---|\n| {} | {} | {} | {} | {} to {} |\n",
        card.id,
        card.question.name(),
        access.join(", "),
        quantity.symbol,
        quantity.unit,
        quantity.range.0,
        quantity.range.1
    );
    for (heading, text) in card.sections() {
        let _ = write!(page, "\n## {heading}\n\n{text}\n");
    }
    page
}

fn method_index() -> String {
    let mut page = String::from(
        "<!-- Generated from the registry of methods by `cargo xtask generate`. -->\n\n\
         # Methods\n\n\
         One way each to gather evidence, in the order in which reports show them. `filiation explain METHOD` prints the same page.\n\n\
         | method | question | null hypothesis |\n|---|---|---|\n",
    );
    for card in cards() {
        let _ = writeln!(page, "| [`{0}`]({0}.md) | {1} | {2} |", card.id, cell(&card.section("Question")), cell(card.null));
    }
    page
}

fn glossary() -> String {
    let mut page = String::from(
        "<!-- Generated from `crates/report/src/glossary.rs` by `cargo xtask generate`; edit it there. -->\n\n\
         # Glossary\n\n\
         One concept, one word. This is the only place that defines them; the report page carries those that it uses.\n\n\
         | word | meaning here |\n|---|---|\n",
    );
    for term in glossary::TERMS {
        let _ = writeln!(page, "| **{}** | {} |", term.term, cell(term.meaning));
    }
    page.push_str("\n## Words that are not used\n\n| not | but |\n|---|---|\n");
    for (word, instead) in glossary::AVOIDED {
        let _ = writeln!(page, "| {} | {} |", cell(word), cell(instead));
    }
    page
}

/// Text inside a table of Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn manual(command: clap::Command) -> Result<String, Error> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|e| Error::Failed(format!("man page: {e}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn reference(command: &clap::Command) -> String {
    let mut page =
        String::from("<!-- Generated from the definition of the command line by `cargo xtask generate`. -->\n\n# Command line\n");
    let mut section = |command: &clap::Command, name: &str| {
        let help = command.clone().bin_name(name).render_long_help().to_string();
        let _ =
            write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end());
    };
    section(command, "filiation");
    let mut built = command.clone();
    built.build();
    for sub in built.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = format!("filiation {}", sub.get_name());
        section(sub, &name);
        for inner in sub.get_subcommands().filter(|inner| inner.get_name() != "help") {
            section(inner, &format!("{name} {}", inner.get_name()));
        }
    }
    page
}
