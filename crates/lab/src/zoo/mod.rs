//! A zoo: models whose history is known, because it was made here. A plan says which; every model stands under the digest of what it was made
//! from and how, so that a build goes on where it stopped and changes only what a changed plan changes.

mod build;
mod graph;
mod making;
mod pairs;
mod plan;

pub use build::{Built, Told, build};
pub use graph::{GRAPH_FILE, Graph, Node};
pub use making::{Making, Model, models};
pub use pairs::{Pair, are_strangers, pairs};
pub use plan::Plan;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Truth;
    use std::collections::BTreeSet;

    #[test]
    fn every_plan_makes_models_of_different_names_parents_first() {
        for name in ["small", "full"] {
            let all = models(&Plan::named(name).unwrap()).unwrap();
            let mut made = BTreeSet::new();
            for model in &all {
                assert!(model.making.parents().into_iter().all(|parent| made.contains(parent)), "{name}: {}", model.name);
                assert!(made.insert(model.name.as_str()), "{name}: {} twice", model.name);
            }
        }
    }

    #[test]
    fn what_is_known_of_a_pair_is_what_its_lineages_say() {
        let plan = Plan::named("full").unwrap();
        let all = models(&plan).unwrap();
        let model = |name: &str| all.iter().find(|model| model.name == name).unwrap();
        let pairs = pairs(&plan).unwrap();
        for pair in &pairs {
            let (reference, suspect) = (model(&pair.reference), model(&pair.suspect));
            let known = match (reference.lineages.is_disjoint(&suspect.lineages), are_strangers(&all, reference, suspect)) {
                (false, _) => Truth::Derived,
                (true, false) => Truth::SharedInitialisation,
                (true, true) => Truth::Independent,
            };
            assert_eq!(known, pair.truth, "{} / {}", pair.reference, pair.suspect);
        }
        let count = |of: &dyn Fn(&Pair) -> bool| pairs.iter().filter(|pair| of(pair)).count();
        // The sizes that issue D asks of the full plan.
        assert!(count(&|pair| pair.truth == Truth::Derived) >= 400, "{}", count(&|pair| pair.truth == Truth::Derived));
        assert!(count(&|pair| pair.is_same_recipe) >= 300);
        assert!(all.iter().filter(|model| matches!(model.making, Making::Distillation { .. })).count() >= 20);
        assert!(all.iter().filter(|model| matches!(model.making, Making::Training { .. })).count() >= 25);
    }

    #[test]
    fn a_zoo_is_found_again_and_a_changed_plan_makes_only_what_it_changes() {
        let text = "strangers = 0\ndisguises = []\nlineages = [{ name = \"a\", recipe = \"r\", corpus = \"c\", order = 1, seeds = [1, 2] }]\n\
                    derivations = [{ name = \"noise\", steps = [\"noise=0.1\"], open = 1 }]\nwords = {}\nmay = {}\n\
                    corpora = { c = { seed = 1, dialogues = 60 } }\n\
                    [recipes.r]\nmodel = { architecture = \"llama\", hidden = 16, layers = 1, heads = 2, units = 24, positions = 64, tied = true }\n\
                    vocabulary = { corpus = \"c\", tokens = 300 }\nlength = 16\nschedule = { steps = 3, batch = 2, warmup = 1, rate = 1e-3, \
                    weight-decay = 0.1, betas = [0.9, 0.95], clip = 1.0 }\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.toml");
        let built = |text: &str| {
            std::fs::write(&path, text).unwrap();
            build(&Plan::named(path.to_str().unwrap()).unwrap(), &folder.path().join("zoo"), &|_| ()).unwrap()
        };
        let first = built(text);
        assert_eq!((first.made, first.graph.models.len()), (3, 3));
        let again = built(text);
        assert_eq!((again.made, &again.graph), (0, &first.graph));
        assert_eq!(Graph::read(&folder.path().join("zoo")).unwrap(), first.graph);
        assert_eq!(built(&text.replace("noise=0.1", "noise=0.2")).made, 1);
        assert_eq!(built(&text.replace("seeds = [1, 2]", "seeds = [1, 3]")).made, 1);
        assert!(first.path("a-1").unwrap().join("model.safetensors").is_file());
    }
}
