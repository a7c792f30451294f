//! The report's JSON contract as Python dataclasses: `filiation._contract`, generated from the schema that the report's types give.

use crate::Error;
use serde_json::{Map, Value};
use std::fmt::Write as _;

const HEAD: &str = "\
# Generated from the report's JSON schema by `cargo xtask generate`; edit `crates/report/src/data` instead.
\"\"\"The report's contract `urn:filiation:report:v1` as Python classes; `docs/formats/report.schema.json` is the same in JSON.\"\"\"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
";

/// The module's text.
pub(crate) fn python(schema: &str) -> Result<String, Error> {
    let schema: Value = serde_json::from_str(schema).map_err(|e| Error::Failed(format!("report schema: {e}")))?;
    let mut page = String::from(HEAD);
    let none = Map::new();
    let definitions = schema["$defs"].as_object().unwrap_or(&none);
    let (classes, words): (Vec<_>, Vec<_>) = definitions.iter().partition(|(_, definition)| definition["type"] == "object");
    for (name, definition) in words {
        let _ = write!(page, "\n# {}\n{name} = Literal[{}]\n", described(definition), values(definition).join(", "));
    }
    for (name, definition) in classes {
        class(&mut page, name, definition);
    }
    class(&mut page, "Report", &schema);
    Ok(page)
}

fn described(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default().lines().next().unwrap_or_default()
}

/// The words that an enumeration allows, quoted.
fn values(definition: &Value) -> Vec<String> {
    let listed = definition["enum"].as_array().into_iter().flatten();
    let documented = definition["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    listed.chain(documented).map(Value::to_string).collect()
}

fn class(page: &mut String, name: &str, definition: &Value) {
    let _ = write!(page, "\n\n@dataclass(frozen=True, kw_only=True)\nclass {name}:\n    \"\"\"{}\"\"\"\n", described(definition));
    let required: Vec<&str> = definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, property) in definition["properties"].as_object().into_iter().flatten() {
        let mut python = kind(property);
        let default = match (required.contains(&key.as_str()), property["type"].as_str()) {
            (true, _) => String::new(),
            (false, Some("array")) => " = field(default_factory=list)".into(),
            (false, Some("object")) => " = field(default_factory=dict)".into(),
            (false, Some("boolean")) => " = False".into(),
            (false, _) => {
                if !python.ends_with("| None") {
                    python.push_str(" | None");
                }
                " = None".into()
            }
        };
        let words = described(property);
        let comment = if words.is_empty() { String::new() } else { format!("\n    # {words}") };
        let _ = write!(page, "{comment}\n    {}: {python}{default}", snake(key));
    }
    page.push('\n');
}

/// A property's type in Python.
fn kind(property: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(any) = property["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(" | ");
    }
    let one = |name: &str| match name {
        "array" => format!("list[{}]", kind(&property["items"])),
        "object" => format!("dict[str, {}]", kind(&property["additionalProperties"])),
        "integer" => "int".to_owned(),
        "number" => "float".to_owned(),
        "boolean" => "bool".to_owned(),
        "null" => "None".to_owned(),
        _ => "str".to_owned(),
    };
    match &property["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" | "),
        name => one(name.as_str().unwrap_or_default()),
    }
}

/// `nParameters` → `n_parameters`, `log10P` → `log10_p`.
fn snake(key: &str) -> String {
    let mut name = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_types_and_defaults_come_from_the_schema() {
        let schema = serde_json::json!({
            "description": "All.",
            "properties": {
                "log10P": { "type": ["number", "null"], "description": "Of chance." },
                "byLayer": { "type": "array", "items": { "$ref": "#/$defs/Layer" } },
                "kind": { "$ref": "#/$defs/Kind" }
            },
            "required": ["log10P"],
            "$defs": {
                "Kind": { "description": "Which.", "enum": ["a", "b"], "type": "string" },
                "Layer": { "type": "object", "properties": {} }
            }
        });
        let text = python(&schema.to_string()).unwrap_or_default();
        for expected in [
            "# Which.\nKind = Literal[\"a\", \"b\"]\n",
            "class Layer:\n",
            "class Report:\n    \"\"\"All.\"\"\"\n",
            "    # Of chance.\n    log10_p: float | None\n",
            "    by_layer: list[Layer] = field(default_factory=list)\n",
            "    kind: Kind | None = None\n",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
    }
}
