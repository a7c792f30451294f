//! Where this user's cache is.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of this program in the user's cache; `variable` reads the environment. `None` where the user has no home.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_system = || {
        if cfg!(windows) {
            set("LOCALAPPDATA").map(|folder| folder.join("filiation").join("cache"))
        } else if cfg!(target_os = "macos") {
            set("HOME").map(|home| home.join("Library/Caches/filiation"))
        } else {
            None
        }
    };
    set("FILIATION_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("filiation")))
        .or_else(of_system)
        .or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache").join("filiation")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_nearest_variable_decides_where_the_cache_is() {
        let with = |set: &[(&str, &str)]| folder(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)));
        let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("FILIATION_CACHE", "/f")];
        for (n, expected) in ["/h/.cache/filiation", "/x/filiation", "/f"].iter().enumerate() {
            assert_eq!(with(&all[..=n]), Some(PathBuf::from(expected)));
        }
        assert_eq!(
            with(&[("XDG_CACHE_HOME", ""), ("HOME", "/h")]),
            Some(PathBuf::from("/h/.cache/filiation")),
            "an empty variable is none"
        );
        assert_eq!(with(&[]), None);
    }
}
