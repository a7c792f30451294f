//! Laws over the methods on what was said and kept.

use evidence::{Access, HEADINGS, Preparation, RECORD_METHODS, Records, cards};
use std::collections::BTreeSet;

#[test]
fn cards_are_complete_and_ids_unique() {
    let ids: BTreeSet<&str> = cards().map(|card| card.id).collect();
    assert_eq!(ids.len(), cards().count());
    for id in ["text.palimpsest", "text.agreement", "text.equality"] {
        assert!(ids.contains(id), "`{id}` is gone");
    }
    for card in RECORD_METHODS.iter().map(|method| method.card()) {
        let sections = card.sections();
        assert_eq!(sections.iter().map(|(heading, _)| *heading).collect::<Vec<_>>(), HEADINGS, "{}", card.id);
        assert!(sections.iter().all(|(_, text)| !text.is_empty()), "{}", card.id);
        let is_of_logits = card.id == "logits.partial-image";
        let (access, family) = if is_of_logits { (Access::Logits, "logits.") } else { (Access::Text, "text.") };
        assert!(card.needs == Preparation::Records && card.access[0] == access && card.id.starts_with(family), "{}", card.id);
    }
}

#[test]
fn lineage_from_answers_says_that_it_is_no_distillation() {
    for method in
        RECORD_METHODS.iter().filter(|method| ["text.palimpsest", "text.agreement", "logits.partial-image"].contains(&method.card().id))
    {
        assert!(method.card().section("Question").contains("Weight lineage only"), "{}", method.card().id);
        assert_eq!(method.card().question.name(), "derivation");
    }
}

#[test]
fn without_records_a_method_says_why_it_does_not_apply() {
    for method in RECORD_METHODS {
        let outcome = method.observe(&Records::default()).unwrap();
        assert!(outcome.why().is_some_and(|why| !why.is_empty()), "{}", method.card().id);
    }
}
