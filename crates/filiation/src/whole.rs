//! Files that are whole or not there: interrupting a run leaves no half of one.

use crate::Error;
use std::io::Write;
use std::path::Path;

/// Writes files of a folder beside their places, then renames them.
pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), Error> {
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let fail = |error| Error::Io { action: "write", path: path.clone(), error };
        let mut builder = tempfile::Builder::new();
        // The user's umask decides who may read them; temporary files are otherwise the owner's alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.prefix(".partial").tempfile_in(folder).map_err(fail)?;
        file.write_all(text.as_bytes()).map_err(fail)?;
        written.push((path, file));
    }
    for (path, file) in written {
        file.persist(&path).map_err(|e| Error::Io { action: "write", path: path.clone(), error: e.error })?;
    }
    Ok(())
}
