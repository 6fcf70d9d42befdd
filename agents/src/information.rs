//! Asks what the exact posterior expects to learn most from, then concludes with it.

use crate::told::{self, settled};
use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, Observation, Policy, PolicyError, Speaker};
use bedside_records::kb::{Finding, KnowledgeBase, Pool, Population, Posterior};
use bedside_records::{Category, Topic};
use std::collections::BTreeMap;

/// Asked first: what any clinician needs whatever the belief says.
pub(crate) const OPENING: [&str; 9] = [
    "Hello, I'm the doctor looking after you today. I'm sorry you're not well. Can you tell me more about what has brought you in?",
    "That sounds hard. When did it start?",
    "What does it feel like?",
    "Have you noticed anything else along with it?",
    "Do you have any medical conditions?",
    "Do you take any regular medicines?",
    "Are you allergic to anything?",
    "Does anything run in your family?",
    "Do you smoke or drink alcohol?",
];

/// A patient who has not known this many answers has a record that the knowledge base did not make: then what can be seen and
/// measured tells more than another question.
const OPEN_RECORD: usize = 4;

/// Turns by expected information until the belief is sure enough, or turns run out.
#[derive(Clone, Copy, Debug)]
pub struct InformationGain {
    population: Population,
    /// Stop asking when the belief's entropy is below this, in nats, and the red flags of the leading condition are settled.
    sure: f64,
}

impl Default for InformationGain {
    fn default() -> Self {
        InformationGain { population: Population { pool: Pool::All, ..Population::default() }, sure: 0.02 }
    }
}

impl InformationGain {
    fn turn(&self, kb: &KnowledgeBase, o: &Observation) -> Action {
        if let Some(question) = OPENING.get(o.turn as usize).filter(|_| o.turns_left > 1) {
            return Action::say(*question);
        }
        let belief = told::belief(kb, &self.population, o);
        if o.turns_left <= 1 {
            return told::conclude(kb, belief.as_ref(), o);
        }
        let Some(belief) = belief else { return routine(o).unwrap_or_else(|| told::conclude(kb, None, o)) };
        let leading = belief.probabilities();
        if belief.entropy() < self.sure {
            let red_flags = leading.first().map_or(&[][..], |(c, _)| &c.red_flags);
            let open =
                red_flags.iter().filter_map(|id| kb.finding(id)).find(|f| !settled(o, &Topic::new(f.id.clone())));
            return open.map_or_else(|| told::conclude(kb, Some(&belief), o), request);
        }
        if o.unknown.len() >= OPEN_RECORD
            && let Some(action) = open_record(kb, o, &belief)
        {
            return action;
        }
        best_request(kb, o, &belief, |_| true).unwrap_or_else(|| told::conclude(kb, Some(&belief), o))
    }
}

/// The question, examination or test whose answers are expected to lower the entropy most. One examination answers for all
/// findings of its site, so their information is added up (an upper bound: they may overlap).
pub(crate) fn best_request(
    kb: &KnowledgeBase,
    o: &Observation,
    belief: &Posterior<'_>,
    of: impl Fn(&Finding) -> bool,
) -> Option<Action> {
    let likely: Vec<_> = belief.probabilities().into_iter().take_while(|(_, p)| *p > 0.01).collect();
    let mut candidates: BTreeMap<&str, &Finding> = BTreeMap::new();
    for (c, _) in &likely {
        let ids = c.findings.keys().chain(&c.red_flags).chain(c.discriminators.iter().map(|d| &d.ask));
        candidates.extend(ids.filter_map(|id| kb.finding(id)).map(|f| (f.id.as_str(), f)));
    }
    let mut gain: BTreeMap<String, (f64, Action)> = BTreeMap::new();
    let years = o.age_months.map(|m| m / 12);
    for f in candidates.into_values().filter(|f| of(f) && f.possible(years, o.sex)) {
        let action = request(f);
        if settled(o, &Topic::new(f.id.clone())) || already(o, &action) {
            continue;
        }
        let nats = belief.information(&f.id).unwrap_or(0.0);
        let key = f.site.as_ref().map(|s| format!("exam {s}")).or_else(|| f.test.as_ref().map(|t| format!("test {t}")));
        let entry = gain.entry(key.unwrap_or_else(|| f.id.clone())).or_insert((0.0, action));
        entry.0 += nats;
    }
    let best = gain.into_values().max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 1e-4).then_some(best.1)
}

/// How one asks for a finding.
pub(crate) fn request(f: &Finding) -> Action {
    match (f.category, &f.site, &f.test) {
        (Category::Exam, Some(site), _) => Action::Examine(site.replace('_', " ")),
        (Category::Test, _, Some(test)) => Action::OrderTest(f.test_names.first().unwrap_or(test).clone()),
        _ => Action::Ask(f.id.clone()),
    }
}

/// Whether this very thing was said before.
pub(crate) fn already(o: &Observation, action: &Action) -> bool {
    let spoken = bedside_env::units::Phrasing::spoken(action);
    o.dialogue.iter().any(|l| l.speaker == Speaker::Doctor && *l.text == *spoken)
}

/// Where the record was not made by the knowledge base: lets the patient tell the story, takes the vital signs, then looks and
/// measures where the belief expects most, then the usual places.
fn open_record(kb: &KnowledgeBase, o: &Observation, belief: &Posterior<'_>) -> Option<Action> {
    let story = ["Please tell me more about it.", "Is there anything else you would like to tell me?"].map(Action::say);
    let first = story.into_iter().chain([Action::Examine("vitals".to_owned())]).find(|a| !already(o, a));
    let look = |f: &Finding| matches!(f.category, Category::Exam | Category::Test);
    let looks = o
        .dialogue
        .iter()
        .filter(|l| l.speaker == Speaker::Doctor && bedside_env::units::Phrasing::is_examination(&l.text))
        .count();
    first.or_else(|| if looks < 4 { best_request(kb, o, belief, look) } else { None }).or_else(|| routine(o))
}

/// What to do where nothing is expected of anything: the general examination and the usual tests, once each.
fn routine(o: &Observation) -> Option<Action> {
    let exams =
        ["vitals", "general", "abdomen", "chest", "nervous system", "heart"].map(|s| Action::Examine(s.to_owned()));
    let tests = ["blood tests", "imaging", "urine dipstick", "ECG"].map(|t| Action::OrderTest(t.to_owned()));
    tests[..2].iter().chain(&exams).chain(&tests[2..]).find(|a| !already(o, a)).cloned()
}

impl Policy for InformationGain {
    fn name(&self) -> String {
        "information-gain".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        let kb = KnowledgeBase::builtin();
        Ok(turns.iter().map(|(o, _)| self.turn(kb, o).into()).collect())
    }
}
