//! Several files of twins as disjoint batches: no request counts twice, and what two of them share is known.

use crate::Error;
use ::twins::{LoggedRequest, TwinFile, clusters};
use sources::FormatError;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Refuses a request that stands in two files, and joins clusters over all of them: a prompt or a conversation may go on in a later batch.
///
/// A single file stays as it is.
pub(super) fn keep_apart(paths: &[&PathBuf], files: &mut [TwinFile]) -> Result<(), Error> {
    if files.len() < 2 {
        return Ok(());
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, file) in files.iter().enumerate() {
        for line in &file.lines {
            if let Some(first) = seen.insert(&line.request_id, at) {
                let found = format!("`{}`, which stands in `{}` too", line.request_id.escape_debug(), paths[first].display());
                return Err(FormatError::new("request of a batch", found, "requests of no other batch")
                    .hint("the evidence of a batch counts once: draw twins of further requests, and give each file once")
                    .at(paths[at])
                    .into());
            }
        }
    }
    let lines = || files.iter().flat_map(|file| &file.lines);
    let requests: Vec<LoggedRequest> = lines()
        .map(|line| LoggedRequest {
            request_id: line.request_id.clone(),
            prompt: line.prompt.clone(),
            reply: String::new(),
            finish_reason: line.released.finish_reason,
            account: None,
            conversation: Some(line.cluster.clone()),
            sampling: None,
        })
        .collect();
    let labels = clusters(&requests.iter().collect::<Vec<_>>());
    files.iter_mut().flat_map(|file| &mut file.lines).zip(labels).for_each(|(line, label)| line.cluster = label);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::twins::{Line, TWINS_SCHEMA, Utterance};
    use forward::{Chat, FinishReason};
    use serde_json::json;

    fn file(requests: &[(&str, &str, &str)]) -> TwinFile {
        let header = serde_json::from_value(json!({
            "schema": TWINS_SCHEMA, "tool": "test", "snapshot": { "path": "", "tensorRoot": "" }, "chat": Chat::named("chatml").unwrap(),
            "campaign": "spring", "keyDigest": "", "twins": 1, "log": "", "accounts": [], "placebo": 0,
        }))
        .unwrap();
        let said = |text: &str| Utterance { text: text.into(), finish_reason: FinishReason::Stop };
        let line = |&(id, cluster, prompt): &(&str, &str, &str)| Line {
            request_id: id.into(),
            cluster: cluster.into(),
            placebo: false,
            prompt: prompt.into(),
            released: said("yes"),
            twins: vec![said("no")],
        };
        TwinFile { header, lines: requests.iter().map(line).collect() }
    }

    fn labels(files: &[TwinFile]) -> Vec<&str> {
        files.iter().flat_map(|file| &file.lines).map(|line| line.cluster.as_str()).collect()
    }

    #[test]
    fn a_request_in_two_batches_is_refused_with_both_files() {
        let (one, other) = (PathBuf::from("one.jsonl"), PathBuf::from("other.jsonl"));
        let batch = || file(&[("r1", "r1", "p"), ("r2", "r2", "q")]);
        let error = keep_apart(&[&one, &other], &mut [batch(), batch()]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("request of a batch: found `r1`, which stands in `one.jsonl` too") && said.contains("other.jsonl"), "{said}");
        assert!(error.hint().is_some_and(|hint| hint.contains("counts once")));
        let apart = keep_apart(&[&one, &other], &mut [batch(), file(&[("r2", "r2", "s")])]).unwrap_err().to_string();
        assert!(apart.contains("`r2`"), "{apart}");
    }

    #[test]
    fn a_prompt_that_comes_again_in_a_later_batch_joins_its_cluster() {
        let path = PathBuf::from("twins.jsonl");
        let mut files = [file(&[("r1", "r1", "p"), ("r2", "r1", "q"), ("r3", "r3", "s")]), file(&[("r7", "r7", "q"), ("r8", "r7", "t")])];
        keep_apart(&[&path, &path], &mut files).unwrap();
        assert_eq!(labels(&files), ["r1", "r1", "r3", "r1", "r1"]);
        let mut alone = [file(&[("r5", "r4", "p"), ("r6", "r4", "q")])];
        keep_apart(&[&path], &mut alone).unwrap();
        assert_eq!(labels(&alone), ["r4", "r4"], "a file by itself keeps its labels");
    }
}
