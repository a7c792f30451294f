//! Where a training stands, on disk: what learns, the moments, and the losses so far. A training that is interrupted goes on from it to the same bits.

use super::{AdamW, Point};
use crate::LabError;
use serde::{Deserialize, Serialize};
use sources::FormatError;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// The first line of the file; numbers follow as little-endian f32.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: String,
    /// Of everything that decides what the training does.
    training: String,
    step: usize,
    lengths: Vec<usize>,
    points: Vec<Point>,
}

const SCHEMA: &str = "urn:filiation:training-state:v1";

/// Writes beside the place and renames.
pub(super) fn save(path: &Path, training: &str, values: &[&[f32]], adam: &AdamW, points: &[Point]) -> Result<(), LabError> {
    let io = |error| LabError::Io { action: "write", path: path.to_owned(), error };
    let header = Header {
        schema: SCHEMA.into(),
        training: training.into(),
        step: adam.step,
        lengths: values.iter().map(|values| values.len()).collect(),
        points: points.to_vec(),
    };
    let beside = path.with_extension("new");
    let mut file = BufWriter::new(std::fs::File::create(&beside).map_err(io)?);
    let line = serde_json::to_string(&header).map_err(|error| FormatError::new("state", error, "JSON"))?;
    writeln!(file, "{line}").map_err(io)?;
    let moments = adam.moments.iter().flat_map(|[mean, square]| [mean.as_slice(), square.as_slice()]);
    for values in values.iter().copied().chain(moments) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write_all(&bytes).map_err(io)?;
    }
    file.into_inner().map_err(|error| io(error.into_error()))?;
    std::fs::rename(&beside, path).map_err(io)
}

/// Reads into what learns; the losses so far, or `None` where nothing was saved.
pub(super) fn load(path: &Path, training: &str, values: Vec<&mut [f32]>, adam: &mut AdamW) -> Result<Option<Vec<Point>>, LabError> {
    let io = |error| LabError::Io { action: "read", path: path.to_owned(), error };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    let mut file = BufReader::new(file);
    let mut line = String::new();
    file.by_ref().take(1 << 24).read_line(&mut line).map_err(io)?;
    let wrong = |found: String, expected: &str| {
        let error = FormatError::new("state of a training", found, expected.to_owned());
        LabError::from(error.hint("remove the file to begin the training anew").at(path))
    };
    let header: Header = serde_json::from_str(&line).map_err(|error| wrong(error.to_string(), "the header that this program writes"))?;
    if header.schema != SCHEMA || header.training != training {
        return Err(wrong("another training, or one with other settings".into(), "the training that is asked for"));
    }
    if header.lengths != values.iter().map(|values| values.len()).collect::<Vec<_>>() {
        return Err(wrong(format!("{} weights of other lengths", header.lengths.len()), "the weights of the model that is trained"));
    }
    let moments = adam.moments.iter_mut().flat_map(|[mean, square]| [mean.as_mut_slice(), square.as_mut_slice()]);
    for into in values.into_iter().chain(moments) {
        let mut bytes = vec![0; 4 * into.len()];
        file.read_exact(&mut bytes).map_err(io)?;
        into.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
    }
    adam.step = header.step;
    Ok(Some(header.points))
}
