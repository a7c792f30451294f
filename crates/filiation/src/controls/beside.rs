//! Which controls a comparison takes: those that were given, and the registered ones of the reference's shape.

use super::{Registry, shape_class};
use crate::Error;
use crate::models::{Compared, Opened};
use crate::progress::Progress;
use sources::Model;
use sources::digest::Custody;
use std::collections::BTreeMap;

/// Hexadecimal digits of a root that a warning shows.
const SHOWN: usize = 16;

/// Takes each model once: equal tensor roots are one model, and the two sides are no controls of themselves.
pub(crate) struct Choice<'a> {
    progress: &'a Progress,
    chosen: Vec<Compared>,
    /// What each root is called that can no more be taken.
    taken: BTreeMap<String, String>,
}

impl<'a> Choice<'a> {
    pub(crate) fn beside(reference: &Custody, suspect: &Custody, progress: &'a Progress) -> Self {
        let taken = [(suspect, "the suspect"), (reference, "the reference")];
        Self { progress, chosen: Vec::new(), taken: taken.map(|(custody, name)| (custody.tensor_root.clone(), name.to_owned())).into() }
    }

    /// Takes a control that was given on the command line, unless it is there already.
    pub(crate) fn take_given(&mut self, opened: Opened) -> Result<(), Error> {
        let control = opened.digested("digests of a control", self.progress)?;
        if let Some(name) = self.taken.get(&control.custody.tensor_root) {
            self.progress.note(&format!("warning: control `{}` left out: it has the tensor root of {name}", control.given.display()));
            return Ok(());
        }
        self.take(control);
        Ok(())
    }

    /// Takes the registered controls of the reference's shape, by tensor root; one that is gone or changed is left out with a warning.
    pub(crate) fn take_registered(&mut self, registry: &Registry, reference: &Model) -> Result<(), Error> {
        let Some(class) = reference.binding.as_ref().and_then(shape_class::of) else { return Ok(()) };
        let before = self.chosen.len();
        for registered in registry.of_class(&class)? {
            if self.taken.contains_key(&registered.tensor_root) {
                continue;
            }
            let opened =
                Opened::of(&registered.path, self.progress).and_then(|opened| opened.digested("digests of a control", self.progress));
            let why = match opened {
                Ok(control) if control.custody.tensor_root == registered.tensor_root => {
                    self.take(control);
                    continue;
                }
                Ok(control) => format!(
                    "`{}`: tensor root: found {}…, expected {}… as registered",
                    registered.path.display(),
                    &control.custody.tensor_root[..SHOWN],
                    &registered.tensor_root[..SHOWN]
                ),
                Err(error) => error.to_string(),
            };
            self.progress.note(&format!("warning: registered control left out: {why}; `filiation controls remove` forgets it"));
        }
        let n = self.chosen.len() - before;
        if n > 0 {
            self.progress.note(&format!("note: {n} registered control{} of shape class {class}", if n == 1 { "" } else { "s" }));
        }
        Ok(())
    }

    fn take(&mut self, control: Compared) {
        self.taken.insert(control.custody.tensor_root.clone(), format!("the control `{}`", control.given.display()));
        self.chosen.push(control);
    }

    pub(crate) fn finish(self) -> Vec<Compared> {
        self.chosen
    }
}
