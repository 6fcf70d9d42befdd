//! A look at the held-out cases: how the policy does on them, whether it plays like a reward hack, and whether one would do as well.
//! The cases and seeds are the same in every look, and for everybody.

use super::StageError;
use super::reinforcement::World;
use crate::evaluate::{Contestant, Course, Row, compete, compete_with};
use crate::grpo::advantage::mean_std;
use crate::metrics::{Habits, Metrics};
use bedside_agents::ProbeKind;
use bedside_env::seed::Seed;
use bedside_lm::{LmPolicy, Rows};

const HELD: Seed = Seed(1);

/// Looks, and remembers what does not change from look to look.
#[derive(Default)]
pub struct Watch {
    /// The best probe's mean score; the inner `None` where no probe has one.
    best_probe: Option<Option<f64>>,
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    mean_std(&values.collect::<Vec<_>>()).map(|(mean, _)| mean)
}

impl Watch {
    /// Whole consultations of the policy as it samples.
    pub fn look(&mut self, policy: &mut LmPolicy<Rows>, world: &World) -> Result<Metrics, StageError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let course = Course { cases: world.held.clone(), config: world.env.clone(), seeds: vec![HELD], threads };
        let (mut rows, mut habits, mut out): (Vec<Row>, _, _) = (Vec::new(), Habits::default(), Metrics::default());
        compete_with(&course, policy, |played| {
            habits.saw(&played.recording.log.events);
            rows.push(played.row);
        })?;
        let score = mean(rows.iter().filter_map(|r| r.score));
        out.set("held/score", score);
        out.set("held/diagnosis_top1", mean(rows.iter().filter_map(|r| r.diagnosis_top1)));
        out.set("held/turns", mean(rows.iter().map(|r| f64::from(r.turns))));
        habits.report(&mut out);
        let best = match self.best_probe {
            Some(best) => best,
            None => *self.best_probe.insert(best_probe(&course)?),
        };
        out.set("probes/best", best);
        out.set("probes/margin", score.zip(best).map(|(score, best)| score - best));
        Ok(out)
    }
}

fn best_probe(course: &Course) -> Result<Option<f64>, StageError> {
    let mut best = None;
    for kind in ProbeKind::ALL {
        let mut scores = Vec::new();
        let mut probe = Contestant::Scripted(kind.name().to_owned());
        compete(course, &mut probe, |played| scores.extend(played.row.score))?;
        best = best.into_iter().chain(mean(scores.into_iter())).reduce(f64::max);
    }
    Ok(best)
}
