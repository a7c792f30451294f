//! The log of a service: what was asked and what was answered.

use crate::TwinError;
use forward::FinishReason;
pub use forward::Sampling as Sample;
use serde::Deserialize;
use sources::FormatError;
use sources::lines::Lines;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// One line of a log: `docs/formats/request-log.md`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggedRequest {
    /// Unique in the log: seeds follow from it.
    pub request_id: String,
    /// What was asked, as the model read it but for the marks of the chat.
    pub prompt: String,
    /// What was answered and released.
    pub reply: String,
    /// Why it ends.
    pub finish_reason: FinishReason,
    /// Who asked.
    #[serde(default)]
    pub account: Option<String>,
    /// Requests of one conversation share one fate.
    #[serde(default)]
    pub conversation: Option<String>,
    /// How the reply was drawn, where requests differ in it.
    #[serde(default)]
    pub sampling: Option<Sample>,
}

/// Reads a log. Half a line at its end, which a service that is still writing leaves, is passed over.
///
/// # Errors
/// If it cannot be read, has no request, names one twice, or has a key that is not known: a misspelt `conversation` would change clusters.
pub fn read_log(path: &Path) -> Result<Vec<LoggedRequest>, TwinError> {
    let file = File::open(path).map_err(|error| TwinError::Io { action: "open", path: path.to_owned(), error })?;
    let mut lines = Lines::new(&file, path);
    let mut requests: Vec<LoggedRequest> = Vec::new();
    while let Some(request) = lines.next_value(|| format!("request {}", requests.len() + 1), "a logged request")? {
        requests.push(request);
    }
    check(&requests).map_err(|error| error.at(path))?;
    Ok(requests)
}

fn check(requests: &[LoggedRequest]) -> Result<(), FormatError> {
    if requests.is_empty() {
        return Err(FormatError::new("log", "no whole line", "a request a line"));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, request) in requests.iter().enumerate() {
        if let Some(first) = seen.insert(&request.request_id, i) {
            let found = format!("`{}` in lines {} and {}", request.request_id.escape_debug(), first + 1, i + 1);
            return Err(FormatError::new("requestId", found, "another one in each line"));
        }
    }
    Ok(())
}

/// A label for each request, equal for those that share a prompt or a conversation, directly or through others. It is the smallest id of its
/// cluster, so that a longer log names the same clusters as far as it does not join them.
pub fn clusters(requests: &[&LoggedRequest]) -> Vec<String> {
    let mut root: Vec<usize> = (0..requests.len()).collect();
    fn find(root: &mut [usize], mut at: usize) -> usize {
        while root[at] != at {
            root[at] = root[root[at]];
            at = root[at];
        }
        at
    }
    let mut first: BTreeMap<(bool, &str), usize> = BTreeMap::new();
    for (i, request) in requests.iter().enumerate() {
        let keys = [Some((false, request.prompt.as_str())), request.conversation.as_deref().map(|conversation| (true, conversation))];
        for key in keys.into_iter().flatten() {
            let other = *first.entry(key).or_insert(i);
            let (one, other) = (find(&mut root, i), find(&mut root, other));
            root[one] = other;
        }
    }
    let roots: Vec<usize> = (0..requests.len()).map(|i| find(&mut root, i)).collect();
    let mut smallest: BTreeMap<usize, &str> = BTreeMap::new();
    for (of, request) in roots.iter().zip(requests) {
        let label = smallest.entry(*of).or_insert(&request.request_id);
        if request.request_id.as_str() < *label {
            *label = &request.request_id;
        }
    }
    roots.iter().map(|of| smallest[of].to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(id: usize, prompt: u8, conversation: Option<u8>) -> LoggedRequest {
        LoggedRequest {
            request_id: format!("r{id:03}"),
            prompt: prompt.to_string(),
            reply: String::new(),
            finish_reason: FinishReason::Stop,
            account: None,
            conversation: conversation.map(|c| c.to_string()),
            sampling: None,
        }
    }

    #[test]
    fn a_shared_prompt_joins_two_conversations() {
        let all = [request(0, 1, Some(1)), request(1, 2, Some(1)), request(2, 2, Some(2)), request(3, 3, Some(3)), request(4, 4, None)];
        let labels = clusters(&all.iter().collect::<Vec<_>>());
        assert_eq!(labels, ["r000", "r000", "r000", "r003", "r004"]);
    }

    proptest! {
        #[test]
        fn clusters_are_what_the_closure_says(asked in prop::collection::vec((0u8..6, prop::option::of(0u8..6)), 1..20)) {
            let all: Vec<LoggedRequest> = asked.iter().enumerate().map(|(i, &(p, c))| request(i, p, c)).collect();
            let labels = clusters(&all.iter().collect::<Vec<_>>());
            // Warshall's closure of "same prompt or same conversation".
            let n = all.len();
            let joined = |i: usize, j: usize| asked[i].0 == asked[j].0 || (asked[i].1.is_some() && asked[i].1 == asked[j].1);
            let mut reach: Vec<Vec<bool>> = (0..n).map(|i| (0..n).map(|j| joined(i, j)).collect()).collect();
            for k in 0..n {
                for i in 0..n {
                    for j in 0..n {
                        reach[i][j] |= reach[i][k] && reach[k][j];
                    }
                }
            }
            for i in 0..n {
                let smallest = (0..n).find(|&j| reach[i][j]).unwrap();
                prop_assert_eq!(&labels[i], &all[smallest].request_id);
            }
        }
    }

    #[test]
    fn a_log_is_strict_and_half_a_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_log(&path).map_err(|error| error.to_string())
        };
        let line = r#"{"requestId":"a","prompt":"p","reply":"r","finishReason":"stop","sampling":{"temperature":0.7,"maxTokens":9}}"#;
        let requests = read(&format!("{line}\n{}", &line[..20])).unwrap();
        assert!(requests.len() == 1 && requests[0].sampling.is_some_and(|s| s.top_p.is_none() && s.max_tokens == 9));
        let refused = [
            (String::new(), "log: found no whole line"),
            (format!("{line}\n{line}\n"), "requestId: found `a` in lines 1 and 2"),
            (line.replace("prompt", "promt") + "\n", "request 1: found unknown field `promt`"),
            (line.replace("stop", "end") + "\n", "request 1: found unknown variant `end`"),
        ];
        for (text, expected) in refused {
            let error = read(&text).unwrap_err();
            assert!(error.contains(expected) && error.contains("log.jsonl"), "{error}");
        }
    }
}
