//! Several judges on one bench.

use crate::gather;
use crate::ruling::{Judge, Judged, Judging, Ruling, Tally};
use crate::task::Task;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::Arc;

/// How votes become a ruling. A ruling needs every vote, also where the ones that are there would decide: rulings that come
/// about more easily when they say "met" would bend the mean of what was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// More than half; a tie is unjudged.
    #[default]
    Majority,
    /// Met as soon as one says so: for dangers that nobody must overlook.
    Any,
    /// Met only if all say so.
    All,
}

impl Rule {
    pub fn word(self) -> &'static str {
        match self {
            Rule::Majority => "majority",
            Rule::Any => "any",
            Rule::All => "all",
        }
    }

    pub const ALL: [Rule; 3] = [Rule::Majority, Rule::Any, Rule::All];

    /// The ruling of votes on one criterion; `None` is a judge that gave none.
    pub fn decide(self, votes: &[Option<bool>]) -> Ruling {
        let met = votes.iter().filter(|v| **v == Some(true)).count();
        let unmet = votes.iter().filter(|v| **v == Some(false)).count();
        let cast = format!("{met} of {} say met", votes.len());
        if met + unmet < votes.len() || votes.is_empty() {
            return Ruling::unjudged(format!("{cast}, {} gave no verdict", votes.len() - met - unmet));
        }
        match self {
            Rule::Majority if met == unmet => Ruling::unjudged(format!("{cast}: a tie")),
            Rule::Majority => Ruling::of(met > unmet, cast),
            Rule::Any => Ruling::of(met > 0, cast),
            Rule::All => Ruling::of(unmet == 0, cast),
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(word: &str) -> Result<Rule, String> {
        let found = Rule::ALL.into_iter().find(|r| r.word() == word);
        found.ok_or_else(|| format!("`{word}` is no rule of a panel; one of majority, any, all"))
    }
}

/// Judges who rule together.
pub struct Panel {
    judges: Vec<Arc<dyn Judge>>,
    rule: Rule,
}

impl Panel {
    pub fn new(judges: Vec<Arc<dyn Judge>>, rule: Rule) -> Panel {
        Panel { judges, rule }
    }

    pub fn judges(&self) -> &[Arc<dyn Judge>] {
        &self.judges
    }

    /// What each judge says by itself, in their order.
    pub async fn each(&self, task: &Task) -> Vec<Judged> {
        gather::gather(self.judges.iter().map(|j| j.judge(task)).collect(), usize::MAX).await
    }

    /// The bench's rulings from what each said.
    pub fn combine(&self, task: &Task, each: &[Judged]) -> Judged {
        let mut tally = Tally::default();
        for judged in each {
            // Calls are each judge's, rulings the bench's.
            tally.add(&Tally { items: 0, judged: 0, unjudged: 0, ..judged.tally.clone() });
        }
        let rulings: Vec<Ruling> = (0..task.criteria.len())
            .map(|i| {
                let votes: Vec<Option<bool>> = each.iter().map(|j| j.rulings.get(i).and_then(Ruling::met)).collect();
                let ruling = self.rule.decide(&votes);
                // Whose vote is missing, and why.
                let silent = votes.iter().position(Option::is_none);
                match silent.and_then(|j| Some((self.judges.get(j)?, each.get(j)?.rulings.get(i)?))) {
                    None => ruling,
                    Some((judge, why)) => {
                        Ruling::unjudged(format!("{}; {}: {}", ruling.explanation, judge.id(), why.explanation))
                    }
                }
            })
            .collect();
        tally.count_rulings(&rulings);
        Judged { rulings, tally }
    }
}

impl Judge for Panel {
    fn id(&self) -> String {
        let ids: Vec<String> = self.judges.iter().map(|j| j.id()).collect();
        format!("panel/1 {} of [{}]", self.rule.word(), ids.join("; "))
    }

    fn judge<'a>(&'a self, task: &'a Task) -> Judging<'a> {
        Box::pin(async move { self.combine(task, &self.each(task).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_missing_votes_are_unjudged_and_never_unmet() {
        let (y, n, none) = (Some(true), Some(false), None);
        let of = |rule: Rule, votes: &[Option<bool>]| rule.decide(votes).met();
        assert_eq!(of(Rule::Majority, &[y, y, n]), y);
        assert_eq!(of(Rule::Majority, &[y, n, n]), n);
        assert_eq!(of(Rule::Majority, &[y, n]), none);
        assert_eq!(of(Rule::Majority, &[]), none);
        assert_eq!(of(Rule::Any, &[n, n, y]), y);
        assert_eq!(of(Rule::Any, &[n, n]), n);
        assert_eq!(of(Rule::All, &[y, n]), n);
        assert_eq!(of(Rule::All, &[y, y]), y);
        for rule in Rule::ALL {
            for vote in [y, n] {
                // Two that agree would decide; the third might have made it known as easily had they said the opposite.
                assert_eq!(of(rule, &[vote, vote, none]), none, "{rule:?}");
            }
        }
        assert!(Rule::Majority.decide(&[y, n]).explanation.contains("tie"));
    }
}
