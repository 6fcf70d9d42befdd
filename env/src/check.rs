//! Checkers anyone can run on their own parts: `check_env`, `check_policy`, `check_verifier`. Each returns what is wrong, with
//! the likely mistake; an empty list is a pass. Our own tests merely call them.

use crate::action::{Action, Decision};
use crate::event::Event;
use crate::gym::{Env, ResetOptions};
use crate::observation::Observation;
use crate::persona::Persona;
use crate::policy::Policy;
use crate::seed::Seed;
use crate::step::{Metrics, Reward, Step};
use crate::units::Case;
use crate::verifier::Scorer;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A promise that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub promise: &'static str,
    pub found: String,
    /// The mistake that usually causes it.
    pub hint: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\nhint: {}", self.promise, self.found, self.hint)
    }
}

#[derive(Default)]
struct Report(Vec<Violation>);

impl Report {
    fn expect(&mut self, holds: bool, promise: &'static str, hint: &'static str, found: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation { promise, found: found(), hint });
        }
    }
}

/// What every doctor might say, well formed and not.
fn script() -> Vec<Decision> {
    [
        Action::say("Hello, what brings you in today?"),
        Action::say(""),
        Action::Ask("pmh".to_owned()),
        Action::Ask("no such topic!".to_owned()),
        Action::Examine("chest".to_owned()),
        Action::OrderTest("ECG".to_owned()),
        Action::say("\u{0}\u{202e}{}[]\"' ".repeat(40)),
        Action::say("x".repeat(100_000)),
        Action::Conclude { differential: Vec::new(), plan: String::new() },
        Action::say("When did it start, and is it getting worse?"),
    ]
    .map(Decision::from)
    .to_vec()
}

fn play(env: &mut dyn Env, seed: Seed, report: &mut Report) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Err(e) = env.reset(seed, &ResetOptions::default()) {
        report.expect(false, "reset opens an episode", "reset must work for every seed", || e.to_string());
        return steps;
    }
    for decision in script().into_iter().cycle().take(200) {
        match env.step(decision) {
            Ok(step) => {
                let over = !step.status.is_running();
                steps.push(step);
                if over {
                    return steps;
                }
            }
            Err(e) => {
                report.expect(
                    false,
                    "a malformed action is an event, not an error",
                    "return Err for misuse only",
                    || e.to_string(),
                );
                return steps;
            }
        }
    }
    report.expect(false, "every episode ends", "limit the number of turns", || {
        "still running after 200 turns".to_owned()
    });
    steps
}

/// Plays environments made by `make` and reports what breaks the contract of [`Env`].
pub fn check_env(make: impl Fn() -> Box<dyn Env>) -> Vec<Violation> {
    let mut report = Report::default();
    let first = script().swap_remove(0);
    report.expect(make().step(first.clone()).is_err(), "step before reset is misuse", "return Err", || {
        "it was played".to_owned()
    });

    let mut env = make();
    let one = play(env.as_mut(), Seed(11), &mut report);
    let closed = env.step(first.clone()).is_err();
    report.expect(closed, "step after the end is misuse", "return Err until reset", || "it was played".to_owned());

    // The same seed again, in the same environment and in a fresh one that is stepped beside a neighbour.
    let again = play(env.as_mut(), Seed(11), &mut report);
    let (mut fresh, mut neighbour) = (make(), make());
    let _ = neighbour.reset(Seed(99), &ResetOptions::default());
    let _ = neighbour.step(first);
    let beside = play(fresh.as_mut(), Seed(11), &mut report);
    for (name, other) in [("in the same environment", &again), ("beside a neighbour", &beside)] {
        let same = other.len() == one.len() && other.iter().zip(&one).all(|(a, b)| same_step(a, b));
        report.expect(
            same,
            "a seed names one episode",
            "draw from the episode's own counted stream, never from a shared one",
            || {
                let at = other.iter().zip(&one).position(|(a, b)| !same_step(a, b));
                format!("replayed {name}, step {at:?} differs ({} and {} steps)", one.len(), other.len())
            },
        );
    }
    check_steps(&one, &mut report);
    report.0
}

fn same_step(a: &Step, b: &Step) -> bool {
    let bits = |r: Reward| r.value().map(f64::to_bits);
    a.observation == b.observation && a.status == b.status && a.metrics == b.metrics && bits(a.reward) == bits(b.reward)
}

fn check_steps(steps: &[Step], report: &mut Report) {
    for (i, step) in steps.iter().enumerate() {
        let turn = i as u32 + 1;
        let o = &step.observation;
        report.expect(o.turn == turn, "a step is a turn", "count rejected actions too", || {
            format!("turn {} after {turn} steps", o.turn)
        });
        report.expect(o.status == step.status, "status is told twice alike", "copy it from one place", || {
            format!("{:?} and {:?}", o.status, step.status)
        });
        let last = i + 1 == steps.len();
        report.expect(step.status.is_running() != last, "only the last step ends", "stop stepping at the end", || {
            format!("{:?} at step {turn} of {}", step.status, steps.len())
        });
        let scored = step.reward.value();
        report.expect(
            scored.is_none_or(f64::is_finite),
            "a reward is a finite number",
            "a failed judge is Unscored",
            || format!("{scored:?}"),
        );
        let keys: Vec<&str> = step.metrics.iter().map(|(k, _)| k).collect();
        let wanted = Metrics::KEYS.to_vec();
        report.expect(
            keys == wanted,
            "metrics have the same keys for every case",
            "start from Metrics::default()",
            || format!("{keys:?}"),
        );
    }
    for pair in steps.windows(2) {
        let (a, b) = (&pair[0].observation, &pair[1].observation);
        let grows = b.dialogue.starts_with(&a.dialogue) && b.told.starts_with(&a.told);
        report.expect(grows, "the past does not change", "append to the dialogue, never rewrite it", || {
            format!("at turn {}", b.turn)
        });
        report.expect(b.turns_left < a.turns_left || a.turns_left == 0, "turns_left falls", "count every turn", || {
            format!("{} then {}", a.turns_left, b.turns_left)
        });
    }
}

/// Feeds a policy the observations given and reports what breaks the contract of [`Policy`].
pub fn check_policy(make: impl Fn() -> Box<dyn Policy>, observations: &[Observation]) -> Vec<Violation> {
    let mut report = Report::default();
    let turns: Vec<(&Observation, Seed)> = observations.iter().enumerate().map(|(i, o)| (o, Seed(i as u64))).collect();
    let act = |batch: &[(&Observation, Seed)]| make().act(batch);
    match (act(&turns), act(&turns)) {
        (Ok(a), Ok(b)) => {
            report.expect(a.len() == turns.len(), "one decision an observation", "return them in order", || {
                format!("{} for {}", a.len(), turns.len())
            });
            report.expect(a == b, "the same seed decides the same", "draw from the seed given", || {
                "two calls differ".to_owned()
            });
            for (i, turn) in turns.iter().enumerate() {
                let alone = act(std::slice::from_ref(turn));
                let same = alone.as_ref().is_ok_and(|d| d.first() == a.get(i));
                report.expect(
                    same,
                    "batch mates do not matter",
                    "key state and draws by episode, not by position",
                    || format!("observation {i} alone decides otherwise"),
                );
            }
        }
        (Err(e), _) | (_, Err(e)) => {
            report.expect(false, "a policy decides", "errors are for lost connections and the like", || e.to_string());
        }
    }
    report.expect(act(&[]).is_ok_and(|d| d.is_empty()), "an empty batch is fine", "return an empty list", || {
        "it failed".to_owned()
    });
    report.expect(!make().name().trim().is_empty(), "a policy has a name", "return name and version", || {
        "it is empty".to_owned()
    });
    report.0
}

/// Scores the given episodes and reports what breaks the contract of [`Scorer`].
pub fn check_verifier(scorer: &dyn Scorer, episodes: &[(Arc<Case>, Persona, Vec<Event>)]) -> Vec<Violation> {
    let mut report = Report::default();
    for (case, persona, events) in episodes {
        let rubric = scorer.rubric(case, persona, &[]);
        let ids: BTreeSet<&str> = rubric.criteria.iter().map(|c| c.id.as_str()).collect();
        report.expect(ids.len() == rubric.criteria.len(), "criterion ids are unique", "name them by content", || {
            format!("{:?}", rubric.made_by)
        });
        for c in &rubric.criteria {
            let axes = c.tags.iter().filter(|t| t.starts_with("axis:")).count();
            report.expect(axes == 1, "a criterion has one axis", "tag it with exactly one axis:...", || c.id.clone());
            let tags: BTreeSet<&String> = c.tags.iter().collect();
            report.expect(tags.len() == c.tags.len(), "tags do not repeat", "drop the second one", || c.id.clone());
            report.expect(!c.criterion.trim().is_empty(), "a criterion is a sentence", "write it out", || c.id.clone());
        }
        let positive = rubric.criteria.iter().any(|c| c.points.get() > 0);
        report.expect(positive, "a rubric has positive points", "without them there is nothing to divide by", || {
            case.record.id.to_string()
        });
        let same = rubric == scorer.rubric(case, persona, &[]);
        report.expect(same, "a rubric is a function of its case", "no clock, no draw", || case.record.id.to_string());
        let (card, again) = (scorer.score(case, events), scorer.score(case, events));
        report.expect(card == again, "the same events get the same card", "no clock, no draw", || {
            case.record.id.to_string()
        });
        for v in &card.verdicts {
            let inside = v.evidence.iter().all(|e| (*e as usize) < events.len());
            report.expect(inside, "evidence points into the log", "use event numbers of this episode", || {
                v.criterion.clone()
            });
        }
        if card.verdicts.iter().any(|v| matches!(v.outcome, crate::rubric::Outcome::Unjudged(_))) {
            let silent = card.reward().value().is_some();
            report.expect(!silent, "an unjudged verdict never moves a score", "return Unscored", || {
                format!("{:?}", card.reward())
            });
        }
    }
    report.0
}
