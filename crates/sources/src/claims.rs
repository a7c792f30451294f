//! What a model's card and config *say* of its origin. Claims are context for the report to test; nothing is concluded from them.

use crate::SourceError;
use crate::model::{read_bytes, read_json};
use crate::tensor::MetaValue;
use std::collections::BTreeMap;
use std::path::Path;

/// Declared origin, each with where it was declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `base_model` of the card, of an adapter's configuration, or of GGUF metadata.
    pub base_models: Vec<Claim>,
    /// `base_model_relation` of the card.
    pub relation: Option<Claim>,
    /// `license`.
    pub licence: Option<Claim>,
}

/// One declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// As written.
    pub value: String,
    /// File or metadata key.
    pub origin: String,
}

impl Claims {
    /// Reads the front matter of `README.md` in `folder`, `config.json`, and a container's own metadata.
    pub fn read(folder: &Path, config: Option<&serde_json::Value>, metadata: &BTreeMap<String, MetaValue>) -> Result<Self, SourceError> {
        let mut claims = Self::default();
        let card = folder.join("README.md");
        if card.is_file() {
            claims.add_front_matter(&String::from_utf8_lossy(&read_bytes(&card)?));
        }
        if let Some(name) = config.and_then(|c| c.get("_name_or_path")).and_then(|v| v.as_str()).filter(|name| !name.is_empty()) {
            claims.base_models.push(Claim { value: name.to_owned(), origin: "config.json `_name_or_path`".into() });
        }
        let adapter = read_json(&folder.join("adapter_config.json"))?;
        if let Some(name) =
            adapter.as_ref().and_then(|c| c.get("base_model_name_or_path")).and_then(|v| v.as_str()).filter(|name| !name.is_empty())
        {
            claims.base_models.push(Claim { value: name.to_owned(), origin: "adapter_config.json `base_model_name_or_path`".into() });
        }
        for (key, value) in metadata {
            let MetaValue::Text(value) = value else { continue };
            let claim = || Claim { value: value.clone(), origin: format!("metadata `{key}`") };
            match key.as_str() {
                "general.license" => claims.licence = claims.licence.or(Some(claim())),
                key if key.starts_with("general.base_model.") && key.ends_with(".name") => claims.base_models.push(claim()),
                _ => {}
            }
        }
        Ok(claims)
    }

    fn add_front_matter(&mut self, card: &str) {
        let mut lines = card.lines();
        if lines.next().map(str::trim_end) != Some("---") {
            return;
        }
        let mut key = "";
        for line in lines.take_while(|line| line.trim_end() != "---") {
            let item = line.trim_start().strip_prefix("- ");
            if let (None, Some((name, _))) = (item, line.split_once(':')) {
                key = if line.starts_with(char::is_whitespace) { "" } else { name.trim() };
            }
            let value = item
                .map(without_comment)
                .or_else(|| line.split_once(':').map(|(_, value)| without_comment(value)))
                .unwrap_or_default()
                .trim();
            for value in value.trim_matches(['[', ']']).split(',').map(|v| v.trim().trim_matches(['"', '\''])).filter(|v| !v.is_empty()) {
                let claim = Claim { value: value.to_owned(), origin: format!("README.md `{key}`") };
                match key {
                    "base_model" => self.base_models.push(claim),
                    "base_model_relation" => self.relation = Some(claim),
                    "license" => self.licence = Some(claim),
                    _ => {}
                }
            }
        }
    }
}

/// YAML comments start at a number sign that follows a space.
fn without_comment(value: &str) -> &str {
    value.split_once(" #").map_or(value, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims_of(card: &str) -> (Vec<String>, Option<String>, Option<String>) {
        let mut claims = Claims::default();
        claims.add_front_matter(card);
        (claims.base_models.into_iter().map(|c| c.value).collect(), claims.relation.map(|c| c.value), claims.licence.map(|c| c.value))
    }

    #[test]
    fn front_matter_gives_the_three_claims_in_every_spelling() {
        let one =
            "---\nlicense: apache-2.0\nbase_model: org/base\nbase_model_relation: \"quantized\"\ntags:\n- base_model:other\n---\ntext";
        assert_eq!(claims_of(one), (vec!["org/base".into()], Some("quantized".into()), Some("apache-2.0".into())));
        let list = "---\nbase_model:\n- org/a\n- org/b\nlicense: mit\n---\n";
        assert_eq!(claims_of(list), (vec!["org/a".into(), "org/b".into()], None, Some("mit".into())));
        assert_eq!(claims_of("---\nbase_model: [org/a, 'org/b']\n---").0, ["org/a", "org/b"]);
        assert_eq!(claims_of("---\nlicense: mit # as the base\n---").2, Some("mit".into()));
    }

    #[test]
    fn text_without_front_matter_claims_nothing() {
        assert_eq!(claims_of("# Card\nbase_model: org/base\n"), (vec![], None, None));
        assert_eq!(claims_of("---\ntags:\n  base_model: nested\n---\nbase_model: body\n"), (vec![], None, None));
    }
}
