//! A doctor to learn from: competent, and never twice the same. A language model that imitates a doctor who always does the same
//! has nothing left to choose from, and group-relative training then has nothing to compare; so this one mixes good questions
//! with ordinary ones, in any order, and now and then stops early.

use crate::checklist::QUESTIONS;
use crate::information::{OPENING, best_request};
use crate::told;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::units::Phrasing;
use bedside_env::{Action, Decision, Observation, Policy, PolicyError, Speaker};
use bedside_records::kb::{KnowledgeBase, Pool, Population};

/// Mixes the most informative request, routine questions and chance. All it says is text or a typed request that text can
/// express, so that a language model can say the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Teacher {
    /// Share of turns that ask what tells most, given what is known.
    pub keen: f64,
    /// Share of turns that ask what any doctor asks, in any order; the rest ask about anything that fits the complaint.
    pub routine: f64,
    /// Probability of concluding in each turn from the fifth on.
    pub stop: f64,
    /// Stop when the belief's entropy is below this, in nats.
    pub sure: f64,
    /// Diagnoses named.
    pub differential: usize,
}

impl Default for Teacher {
    fn default() -> Self {
        Teacher { keen: 0.5, routine: 0.35, stop: 0.06, sure: 0.1, differential: 3 }
    }
}

/// Turns before it may stop by chance.
const AT_LEAST: u32 = 4;

impl Teacher {
    fn turn(&self, kb: &KnowledgeBase, o: &Observation, seed: Seed) -> Action {
        let mut draw = Draw::new(seed, b"teacher", o.turn, Purpose::Policy);
        let population = Population { pool: Pool::All, ..Population::default() };
        let belief = told::belief(kb, &population, o);
        let sure = belief.as_ref().is_some_and(|b| b.entropy() < self.sure);
        if o.turns_left <= 1 || o.turn >= AT_LEAST && (sure || draw.unit() < self.stop) {
            return self.short(told::conclude(kb, belief.as_ref(), o));
        }
        let chance = draw.unit();
        if o.turn == 0 && chance < 0.5 {
            return Action::say(OPENING[0]);
        }
        if chance < self.keen
            && let Some(action) = belief.as_ref().and_then(|b| best_request(kb, o, b, |_| true))
        {
            return worded(kb, action, &mut draw);
        }
        if chance < self.keen + self.routine {
            let fresh: Vec<&&str> = OPENING[1..].iter().chain(&QUESTIONS[1..]).filter(|q| !said(o, q)).collect();
            if let Some(question) = draw.pick(&fresh) {
                return Action::say(**question);
            }
        }
        let complaint = told::complaint(o);
        let fits = |c: &&bedside_records::kb::Condition| {
            complaint.as_ref().is_some_and(|id| c.findings.contains_key(id.as_str()))
        };
        let suspects: Vec<_> = kb.conditions().iter().filter(fits).collect();
        let findings: Vec<&String> = draw.pick(&suspects).map(|c| c.findings.keys().collect()).unwrap_or_default();
        let any = draw.pick(&findings).and_then(|id| kb.finding(id)).map(crate::information::request);
        match any.map(|a| worded(kb, a, &mut draw)) {
            Some(action) if !said(o, &Phrasing::spoken(&action)) => action,
            _ => self.short(told::conclude(kb, belief.as_ref(), o)),
        }
    }

    /// A conclusion short enough to be learnt: few diagnoses, the first step, and when to come back.
    fn short(&self, action: Action) -> Action {
        match action {
            Action::Conclude { mut differential, plan } => {
                differential.truncate(self.differential);
                let sentences: Vec<&str> = plan.split(". ").collect();
                let plan = match sentences.as_slice() {
                    [first, .., last] => format!("{first}. {last}"),
                    _ => plan,
                };
                Action::Conclude { differential, plan }
            }
            other => other,
        }
    }
}

fn said(o: &Observation, line: &str) -> bool {
    o.dialogue.iter().any(|l| l.speaker == Speaker::Doctor && &*l.text == line)
}

/// A typed question in one of the knowledge base's wordings.
fn worded(kb: &KnowledgeBase, action: Action, draw: &mut Draw) -> Action {
    match &action {
        Action::Ask(topic) => {
            let finding = kb.finding(topic.split('/').next().unwrap_or(topic));
            let words = finding.and_then(|f| draw.pick(&f.ask).cloned());
            Action::Say(words.unwrap_or_else(|| Phrasing::spoken(&action)))
        }
        _ => action,
    }
}

impl Policy for Teacher {
    fn name(&self) -> String {
        "teacher/1".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        let kb = KnowledgeBase::builtin();
        Ok(turns.iter().map(|(o, seed)| self.turn(kb, o, *seed).into()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_env::units::Case;
    use bedside_env::{Env, EnvConfig, Gym, ResetOptions};
    use bedside_records::kb::Generator;
    use std::sync::Arc;

    /// Plays one case with a seed of the teacher's own; returns what it said and the score.
    fn play(gym: &mut Gym, case: usize, seed: Seed) -> (Vec<String>, f64) {
        let options = ResetOptions { case: Some(case), ..ResetOptions::default() };
        let (mut o, _) = gym.reset(Seed(1), &options).expect("resets");
        loop {
            let action = Teacher::default().act(&[(&o, seed)]).expect("acts").remove(0);
            let step = gym.step(action).expect("steps");
            if !step.status.is_running() {
                let said = step.observation.dialogue.iter().filter(|l| l.speaker == Speaker::Doctor);
                return (said.map(|l| l.text.to_string()).collect(), step.reward.value().expect("scored"));
            }
            o = step.observation;
        }
    }

    #[test]
    fn it_rarely_does_the_same_twice_and_does_better_than_chance() {
        let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
        let cases: Vec<_> = (0..12).filter_map(|s| generator.generate(Seed(s))).map(Case::new).collect();
        let n = cases.len();
        let mut gym = Gym::new(Arc::new(cases), EnvConfig::default());
        let (mut different, mut total) = (0, 0.0);
        for case in 0..n {
            let (a, score) = play(&mut gym, case, Seed(1));
            let (b, _) = play(&mut gym, case, Seed(2));
            assert_eq!((&a, score), (&play(&mut gym, case, Seed(1)).0, score), "a seed says the same");
            different += usize::from(a != b);
            total += score;
        }
        assert!(different + 1 >= n, "{different} of {n}");
        assert!(total / n as f64 > 0.3, "{}", total / n as f64);
    }
}
