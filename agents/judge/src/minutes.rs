//! A panel that keeps the minutes: who said what of each criterion, and what it took.

use crate::agreement::{self, Accord, Voted};
use crate::panel::Panel;
use crate::ruling::{Judge, Judging, Ruling, Tally};
use crate::task::Task;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};

/// A [`Panel`] as a judge, which remembers its members' votes. What it says of them does not depend on the order in which
/// conversations were judged.
pub struct Minuted {
    panel: Panel,
    kept: Mutex<(Vec<Voted>, Vec<Tally>)>,
}

/// One member's part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    pub judge: String,
    /// What it judged and took by itself.
    pub tally: Tally,
    /// Share of its verdicts that are "met".
    pub met: Option<f64>,
}

impl Minuted {
    pub fn new(panel: Panel) -> Minuted {
        let tallies = panel.judges().iter().map(|_| Tally::default()).collect();
        Minuted { panel, kept: Mutex::new((Vec::new(), tallies)) }
    }

    /// The members in their order.
    pub fn members(&self) -> Vec<Member> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let met = |i: usize| {
            let said: Vec<bool> = kept.0.iter().filter_map(|v| v.votes.get(i).copied().flatten()).collect();
            (!said.is_empty()).then(|| said.iter().filter(|m| **m).count() as f64 / said.len() as f64)
        };
        let all = self.panel.judges().iter().zip(&kept.1).enumerate();
        all.map(|(i, (judge, tally))| Member { judge: judge.id(), tally: tally.clone(), met: met(i) }).collect()
    }

    /// Agreement over all criteria, then by axis.
    pub fn accord(&self) -> Vec<(String, Accord)> {
        let mut voted = self.kept.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        // Floating sums come out the same in any order of arrival.
        voted.sort_by(|a, b| (&a.criterion, &a.axis, &a.votes).cmp(&(&b.criterion, &b.axis, &b.votes)));
        agreement::table(&voted).into_iter().filter(|(name, _)| !name.starts_with("criterion ")).collect()
    }
}

impl Judge for Minuted {
    fn id(&self) -> String {
        self.panel.id()
    }

    fn judge<'a>(&'a self, task: &'a Task) -> Judging<'a> {
        Box::pin(async move {
            let each = self.panel.each(task).await;
            let votes = |i: usize| each.iter().map(|j| j.rulings.get(i).and_then(Ruling::met)).collect();
            let said: Vec<Voted> = task.criteria.iter().enumerate().map(|(i, c)| Voted::of(c, votes(i))).collect();
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.0.extend(said);
            kept.1.iter_mut().zip(&each).for_each(|(sum, judged)| sum.add(&judged.tally));
            drop(kept);
            self.panel.combine(task, &each)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::Rule;
    use crate::ruling::Judged;
    use crate::task::Conversation;
    use bedside_chat::Blocking;
    use bedside_chat::prompts::Span;
    use bedside_env::Criterion;
    use bedside_env::rubric::Points;
    use std::sync::Arc;

    /// Says so of each criterion, by its place.
    struct Says(&'static str, &'static [Option<bool>]);

    impl Judge for Says {
        fn id(&self) -> String {
            self.0.to_owned()
        }

        fn judge<'a>(&'a self, _: &'a Task) -> Judging<'a> {
            let rulings: Vec<Ruling> = self
                .1
                .iter()
                .map(|v| v.map_or_else(|| Ruling::unjudged("the line was dead"), |met| Ruling::of(met, "")))
                .collect();
            let mut tally = Tally { calls: 1, ..Tally::default() };
            tally.count_rulings(&rulings);
            Box::pin(async move { Judged { rulings, tally } })
        }
    }

    #[test]
    fn members_are_counted_apart_and_a_missing_vote_is_told_with_its_reason() {
        let y = Some(true);
        static A: [Option<bool>; 3] = [Some(true), Some(true), Some(false)];
        static B: [Option<bool>; 3] = [Some(true), Some(false), None];
        let judges: Vec<Arc<dyn Judge>> = vec![Arc::new(Says("a", &A)), Arc::new(Says("b", &B))];
        let bench = Minuted::new(Panel::new(judges, Rule::Majority));
        let criterion = |i: usize| Criterion {
            id: i.to_string(),
            criterion: "Asks.".to_owned(),
            points: Points::new(1).expect("points"),
            tags: vec!["axis:accuracy".to_owned()],
            check: None,
        };
        let conversation = Conversation { lines: Vec::new(), speaker: "doctor".into(), span: Span::All, given: 0 };
        let task = Task { name: "t".to_owned(), conversation, criteria: (0..3).map(criterion).collect() };
        let blocking = Blocking::new(1).expect("a thread");
        let judged = blocking.wait(bench.judge(&task));
        let met: Vec<Option<bool>> = judged.rulings.iter().map(Ruling::met).collect();
        assert_eq!(met, [y, None, None], "a tie and a missing vote are unjudged");
        assert!(judged.rulings[1].explanation.contains("a tie"), "{:?}", judged.rulings);
        let told = &judged.rulings[2].explanation;
        assert!(told.contains("b: the line was dead"), "{told}");
        blocking.wait(bench.judge(&task));
        let [a, b] = &bench.members()[..] else { panic!("two members") };
        assert_eq!((a.tally.calls, a.tally.judged, a.tally.unjudged, a.met), (2, 6, 0, Some(2.0 / 3.0)));
        assert_eq!((b.tally.calls, b.tally.judged, b.tally.unjudged, b.met), (2, 4, 2, Some(0.5)));
        let names: Vec<String> = bench.accord().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["all", "axis accuracy"]);
        let all = bench.accord()[0].1;
        assert_eq!((all.items, all.same), (4, Some(0.5)));
    }
}
