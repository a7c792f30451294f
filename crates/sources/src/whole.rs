//! Files that are whole or not there: interrupting a run leaves no half of one.

use crate::SourceError;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A complete file beside its place, which is taken by [`Whole::place`]. Dropping it leaves nothing.
#[derive(Debug)]
pub struct Whole {
    path: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Whole {
    /// Writes what `fill` writes, in the folder that the file will be in.
    ///
    /// # Errors
    /// If the folder cannot be written into, or `fill` fails.
    pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<Self, SourceError> {
        let failed = |error| SourceError::Io { path: path.to_owned(), action: "write", error };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // The user's umask decides who may read them; temporary files are otherwise the owner's alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut out = BufWriter::new(builder.prefix(".partial").tempfile_in(folder).map_err(failed)?);
        fill(&mut out).map_err(failed)?;
        let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Puts the file in its place; one that is there is replaced.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn place(self) -> Result<(), SourceError> {
        let Self { path, file } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(failed) => Err(SourceError::Io { path, action: "write", error: failed.error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("observation");
        let n_files = || std::fs::read_dir(folder.path()).unwrap().count();
        let refused = Whole::write(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("no more"))
        });
        assert!(refused.is_err());
        assert_eq!(n_files(), 0);
        let whole = Whole::write(&path, |out| out.write_all(b"all")).unwrap();
        assert!(!path.exists());
        whole.place().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), n_files()), (b"all".to_vec(), 1));
    }

    /// Whoever may read a file that a program usually makes may read this one.
    #[cfg(unix)]
    #[test]
    fn the_umask_decides_who_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (ours, usual) = (folder.path().join("ours"), folder.path().join("usual"));
        Whole::write(&ours, |out| out.write_all(b"x")).unwrap().place().unwrap();
        std::fs::write(&usual, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }
}
