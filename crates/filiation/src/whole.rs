//! Files of a folder that are all whole or not there.

use crate::Error;
use sources::SourceError;
use sources::whole::Whole;
use std::path::Path;

/// Writes files of a folder beside their places, then renames them.
pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), Error> {
    let write = |(name, text): &(&str, &str)| Whole::write(&folder.join(name), |out| out.write_all(text.as_bytes()));
    let written = files.iter().map(write).collect::<Result<Vec<_>, SourceError>>()?;
    written.into_iter().try_for_each(Whole::place)?;
    Ok(())
}
