//! What the scripted doctors share: reading an observation's disclosed facts, and a belief that follows them.

use bedside_env::Observation;
use bedside_env::action::Action;
use bedside_records::kb::{KnowledgeBase, Population, Posterior};
use bedside_records::{Polarity, Topic};

/// What the patient came with: the first thing told, or the finding the opening words name.
pub(crate) fn complaint(o: &Observation) -> Option<String> {
    let told = o.told.iter().find(|t| t.turn == 0 && t.polarity == Polarity::Present);
    told.map(|t| t.topic.subject.clone())
}

/// A belief over the knowledge base's conditions after all that was told. `None` where the complaint is not one of its
/// presenting ones.
pub(crate) fn belief<'a>(kb: &'a KnowledgeBase, population: &Population, o: &Observation) -> Option<Posterior<'a>> {
    let years = o.age_months.map(|m| m / 12);
    let mut posterior = Posterior::new(kb, population, years, o.sex, &complaint(o)?)?;
    for t in o.told.iter().filter(|t| t.topic.aspect.is_none()) {
        posterior.observe(&t.topic.subject, t.polarity == Polarity::Present);
    }
    Some(posterior)
}

/// Whether a topic has been settled: told, or asked in vain.
pub(crate) fn settled(o: &Observation, topic: &Topic) -> bool {
    o.told.iter().any(|t| t.topic == *topic) || o.unknown.contains(topic)
}

/// Ends with the best guesses of a belief and a plan made of the first one's management and safety net.
pub(crate) fn conclude(kb: &KnowledgeBase, posterior: Option<&Posterior<'_>>, o: &Observation) -> Action {
    let ranked = posterior.map(Posterior::probabilities).unwrap_or_default();
    let differential: Vec<String> = ranked.iter().take(5).map(|(c, _)| c.name.clone()).collect();
    let Some((best, _)) = ranked.first() else {
        let guess = complaint(o).and_then(|id| kb.finding(&id).map(|f| f.name.clone()));
        return Action::Conclude {
            differential: vec![
                guess.map_or_else(|| "undifferentiated illness".to_owned(), |n| format!("{n}, cause unclear")),
            ],
            plan: "We will do some more tests. Come back at once if anything gets worse.".to_owned(),
        };
    };
    let steps = best.management.join(". ");
    Action::Conclude { differential, plan: format!("{steps}. {}.", best.safety_net.trim_end_matches('.')) }
}
