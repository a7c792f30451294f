//! Short names of models: of each path as many last parts as it takes to tell all of them apart.

/// At most this many parts of a path.
const MOST_PARTS: usize = 3;

/// One name a path, in order. Paths that three parts do not tell apart keep three.
pub(crate) fn short(paths: &[&str]) -> Vec<String> {
    let with = |n: usize| -> Vec<String> { paths.iter().map(|path| last(path, n)).collect() };
    let are_told_apart = |names: &[String]| {
        names
            .iter()
            .enumerate()
            .all(|(i, name)| names.iter().zip(paths).skip(i + 1).all(|(other, path)| name != other || paths[i] == *path))
    };
    (1..=MOST_PARTS).map(with).find(|names| are_told_apart(names)).unwrap_or_else(|| with(MOST_PARTS))
}

/// The last `n` parts of a path.
fn last(path: &str, n: usize) -> String {
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    let name = parts.iter().skip(parts.len().saturating_sub(n)).copied().collect::<Vec<_>>().join("/");
    if name.is_empty() { path.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_they_can_be_told_apart() {
        assert_eq!(short(&["a/base.gguf", "b/tuned.gguf"]), ["base.gguf", "tuned.gguf"]);
        assert_eq!(short(&["x/base/model.bin", "x/tuned/model.bin"]), ["base/model.bin", "tuned/model.bin"]);
        assert_eq!(short(&["a/one.gguf", "b/two.gguf", "c/one.gguf"]), ["a/one.gguf", "b/two.gguf", "c/one.gguf"]);
        assert_eq!(short(&["same", "same"]), ["same", "same"]);
        assert_eq!(short(&["/", ""]), ["/", ""]);
        assert!(short(&[]).is_empty());
    }
}
