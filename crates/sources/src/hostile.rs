//! What readers owe to files that mean harm: one sentence for each broken rule.

use crate::FormatError;
use std::collections::BTreeMap;
use std::path::Path;

/// Opens every file of `testdata/hostile/<format>` and compares what the reader says, with a table of (file name without extension, sentence).
///
/// All differences are shown at once, as lines for the table.
pub(crate) fn check<T: std::fmt::Debug>(format: &str, table: &[(&str, &str)], parse: impl Fn(&Vec<u8>) -> Result<T, FormatError>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hostile").join(format);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let rule = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let sentence = match parse(&std::fs::read(&path).unwrap()) {
            Ok(parsed) => format!("accepted as {parsed:?}"),
            Err(error) => error.to_string(),
        };
        found.insert(rule, sentence);
    }
    let expected: BTreeMap<String, String> = table.iter().map(|&(rule, sentence)| (rule.into(), sentence.into())).collect();
    assert_eq!(expected.len(), table.len(), "a rule stands twice in the table");
    let wrong: Vec<String> =
        found.iter().filter(|(rule, sentence)| expected.get(*rule) != Some(sentence)).map(|(r, s)| format!("({r:?}, {s:?}),")).collect();
    assert!(wrong.is_empty(), "not in the table:\n{}", wrong.join("\n"));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "a file is missing in {}", folder.display());
}
