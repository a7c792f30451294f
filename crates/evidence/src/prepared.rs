//! Everything that methods are given, made once: tensors paired, units matched, the disguise undone.

use crate::card::{Access, Card, Preparation};
use crate::correspondence::Correspondence;
use crate::matching::{Matching, Unmatched};
use crate::method::{Case, Method, MethodError, Outcome};
use crate::outputs::Outputs;
use crate::restored::Restored;
use crate::side::Side;
use forward::NotRunnable;
use rayon::prelude::*;
use sources::{Role, Slot};

/// A suspect prepared against a reference.
pub struct Prepared<'a> {
    reference: &'a Side<'a>,
    suspect: &'a Side<'a>,
    seed: u64,
    /// Which tensor stands against which.
    pub correspondence: Correspondence,
    /// Which units do the same, or why that could not be asked.
    pub matching: Result<Matching<'a>, Unmatched>,
    /// The disguise undone, where there is one or the tensors leave something to explain.
    pub restored: Option<Restored>,
    outputs: Result<Outputs<'a>, NotRunnable>,
}

/// What progress is told while a case is prepared.
pub struct Advance<'a> {
    /// Elements of tensors compared.
    pub elements: &'a (dyn Fn(u64) + Sync),
    /// Blocks matched; each is looked at once, and once in full.
    pub blocks: &'a (dyn Fn(u64) + Sync),
}

impl Advance<'static> {
    /// Nobody is told.
    pub const QUIET: Self = Self { elements: &|_| {}, blocks: &|_| {} };
}

impl<'a> Prepared<'a> {
    /// Prepares what the methods need. `parents` are further models that the suspect may be a mixture of.
    pub fn find(
        reference: &'a Side<'a>,
        suspect: &'a Side<'a>,
        parents: &[&Side<'_>],
        methods: &[&dyn Method],
        seed: u64,
        advance: &Advance<'_>,
    ) -> Result<Self, MethodError> {
        let correspondence = Correspondence::find(reference, suspect, seed, advance.elements)?;
        let is_wanted = methods.iter().any(|method| method.card().needs == Preparation::Matching);
        let matching = if is_wanted {
            Matching::find(reference, suspect, seed, advance.blocks)?
        } else {
            Err(Unmatched("no method asked for it".into()))
        };
        // Where every tensor equals one of the reference there is nothing to undo.
        let is_identical = correspondence.pairs.iter().filter(|p| p.is_identical()).count() == suspect.weights.len();
        let restored = match &matching {
            Ok(matching) if !is_identical => Restored::find(matching, parents, seed)?,
            _ => None,
        };
        let outputs = Err(NotRunnable("the models were not run on prompts".into()));
        Ok(Self { reference, suspect, seed, correspondence, matching, restored, outputs })
    }

    /// With what the models do on prompts, or the reason why that is not known.
    #[must_use]
    pub fn with_outputs(self, outputs: Result<Outputs<'a>, NotRunnable>) -> Self {
        Self { outputs, ..self }
    }

    /// What methods see.
    pub fn case(&self) -> Case<'_> {
        Case {
            reference: self.reference,
            suspect: self.suspect,
            correspondence: &self.correspondence,
            matching: self.matching.as_ref(),
            restored: self.restored.as_ref(),
            outputs: self.outputs.as_ref().copied(),
            seed: self.seed,
        }
    }

    /// What methods see in the case, in their order. `advance` is told each method that is done.
    ///
    /// They run side by side: one of them decomposes a matrix on one core, and the others need not wait for it.
    pub fn observe(&self, methods: &[&dyn Method], advance: &(dyn Fn(u64) + Sync)) -> Result<Vec<(&'static Card, Outcome)>, MethodError> {
        let case = self.case();
        let observe = |method: &&dyn Method| {
            let outcome = match case.lacks_weights(method.card()) {
                Some(why) => Outcome::not_applicable(why),
                None => method.observe(&case)?,
            };
            advance(1);
            Ok((method.card(), outcome))
        };
        methods.par_iter().with_max_len(1).map(observe).collect()
    }
}

impl Case<'_> {
    /// Why a method that reads weights has none to read. What else a case may lack the methods say themselves.
    fn lacks_weights(&self, card: &Card) -> Option<String> {
        let sides = [("reference", self.reference), ("suspect", self.suspect)];
        let (name, _) = sides.into_iter().find(|(_, side)| side.is_observation && card.access.contains(&Access::Weights))?;
        Some(format!("the {name} is an observation, which holds no weights"))
    }

    /// Elements of each weight of the suspect that correspond to the reference, as it stands or once the disguise is undone.
    pub fn shared_elements(&self) -> Vec<u64> {
        let mut shared: Vec<u64> =
            self.suspect.weights.iter().map(|w| (self.restored_share(w.slot) * w.elements() as f64).round() as u64).collect();
        for pair in self.correspondence.pairs.iter().filter(|pair| pair.is_shared()) {
            if pair.elements() > shared[pair.suspect] {
                shared[pair.suspect] = pair.elements();
            }
        }
        shared
    }

    /// Share of a weight that has a counterpart once the disguise is undone. Vectors go with the matrices of their place.
    fn restored_share(&self, slot: Option<Slot>) -> f64 {
        let (Some(restored), Some(slot)) = (self.restored, slot) else { return 0.0 };
        let of = |role: Role| restored.roles.iter().find(|r| r.is_of(Slot { role, ..slot })).map(|r| r.matched);
        let found = match slot.role {
            Role::AttnNorm | Role::AttnPostNorm | Role::AttnQNorm | Role::AttnKNorm => of(Role::AttnQ),
            Role::MlpNorm | Role::MlpPostNorm | Role::MoeRouter => of(Role::MlpUp),
            Role::FinalNorm => of(Role::Unembed),
            Role::EmbedNorm | Role::PositionEmbed | Role::TypeEmbed => None,
            role => of(role),
        };
        found.unwrap_or(0.0)
    }
}
