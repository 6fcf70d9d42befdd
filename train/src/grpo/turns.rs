//! Credit by turn: a session's reward says that it went well, a turn's says which question did it.

use super::advantage::{mean_std, scored};
use super::sequence::Credit;
use serde::{Deserialize, Serialize};

/// Where a turn's reward comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnSource {
    /// The turn judged as the fragment it is, by what was open before it.
    Fragment,
    /// What the consultation scored, less what it scores without the turn.
    Counterfactual,
}

/// What a turn's return is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnBaseline {
    /// The mean return of the members that reached the same turn.
    Group,
    /// Nothing: a counterfactual reward is a difference already.
    None,
}

/// How much of the advantage belongs to turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnCredit {
    /// 0: the whole session shares one advantage. 1: turns alone. Between: `(1 - weight) session + weight turn`.
    pub weight: f64,
    pub source: TurnSource,
    /// How much of the next turn's return a turn is credited with, 0..=1. 0 with counterfactual rewards: what a turn made possible
    /// later is in them.
    pub discount: f64,
    pub baseline: TurnBaseline,
}

impl Default for TurnCredit {
    fn default() -> Self {
        TurnCredit { weight: 0.0, source: TurnSource::Fragment, discount: 0.0, baseline: TurnBaseline::Group }
    }
}

impl TurnCredit {
    /// Differences as they are, with nothing to compare them with.
    pub fn counterfactual(weight: f64) -> TurnCredit {
        TurnCredit { weight, source: TurnSource::Counterfactual, discount: 0.0, baseline: TurnBaseline::None }
    }

    /// Advantages by member and turn, from rewards by member and turn. Where a reward that a return needs is missing, the
    /// return is unknown: advantage 0, and no part in the baseline. A turn that one member alone reached has advantage 0.
    pub fn advantages(&self, rewards: &[Vec<Option<f64>>]) -> Vec<Vec<f64>> {
        let returns: Vec<Vec<Option<f64>>> = rewards.iter().map(|r| self.returns(r)).collect();
        if self.baseline == TurnBaseline::None {
            return returns.iter().map(|r| r.iter().map(|g| g.unwrap_or(0.0)).collect()).collect();
        }
        let turns = returns.iter().map(Vec::len).max().unwrap_or(0);
        let baselines: Vec<Option<f64>> = (0..turns)
            .map(|k| {
                let reached: Vec<f64> = returns.iter().filter_map(|r| *r.get(k)?).collect();
                mean_std(&reached).filter(|_| reached.len() > 1).map(|(mean, _)| mean)
            })
            .collect();
        let advantage = |(k, g): (usize, &Option<f64>)| g.zip(baselines[k]).map_or(0.0, |(g, b)| g - b);
        returns.iter().map(|r| r.iter().enumerate().map(advantage).collect()).collect()
    }

    /// Discounted rewards to come, by turn.
    fn returns(&self, rewards: &[Option<f64>]) -> Vec<Option<f64>> {
        let mut next = Some(0.0);
        let mut out: Vec<Option<f64>> = Vec::with_capacity(rewards.len());
        for reward in rewards.iter().rev() {
            // With no discount the future is not needed, so its gaps do no harm.
            let to_come = if self.discount == 0.0 { Some(0.0) } else { next.map(|n| self.discount * n) };
            next = scored(*reward).zip(to_come).map(|(r, n)| r + n);
            out.push(next);
        }
        out.reverse();
        out
    }

    /// The credit of one member's tokens. `turn_of_token` names each token's doctor turn, from 0; tokens beyond the known turns
    /// have the session's part alone.
    pub fn blend(&self, session: f64, turns: &[f64], turn_of_token: &[u32]) -> Credit {
        if self.weight == 0.0 {
            return Credit::Sequence(session);
        }
        let of_turn = |k: &u32| turns.get(*k as usize).copied().unwrap_or(0.0);
        Credit::Tokens(turn_of_token.iter().map(|k| (1.0 - self.weight) * session + self.weight * of_turn(k)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_compared_with_the_same_turn_of_those_who_reached_it() {
        let c = TurnCredit { weight: 1.0, discount: 1.0, ..Default::default() };
        // Returns to go: [3, 2], [1, 1], [2]; baselines 2 and 1.5.
        let a = c.advantages(&[vec![Some(1.0), Some(2.0)], vec![Some(0.0), Some(1.0)], vec![Some(2.0)]]);
        assert_eq!(a, [vec![1.0, 0.5], vec![-1.0, -0.5], vec![0.0]]);
    }

    #[test]
    fn an_unscored_turn_is_unknown_and_so_is_what_leads_to_it() {
        let c = TurnCredit { weight: 1.0, discount: 1.0, ..Default::default() };
        let rewards =
            [vec![Some(1.0), None, Some(1.0)], vec![Some(1.0), Some(1.0), Some(0.0)], vec![Some(2.0), Some(3.0)]];
        let a = c.advantages(&rewards);
        assert_eq!(a[0], [0.0, 0.0, 0.5]);
        // Turn 0: members 1 and 2 alone, returns 2 and 5.
        assert_eq!((a[1][0], a[2][0]), (-1.5, 1.5));
        let near_sighted = TurnCredit { discount: 0.0, ..c };
        assert_eq!(near_sighted.advantages(&rewards)[0][0], 1.0 - 4.0 / 3.0);
    }

    #[test]
    fn counterfactual_differences_are_their_own_advantage() {
        let c = TurnCredit::counterfactual(1.0);
        assert_eq!(c.advantages(&[vec![Some(0.3), None, Some(-0.1)]]), [[0.3, 0.0, -0.1]]);
    }

    #[test]
    fn session_and_turn_are_blended_token_by_token() {
        let c = TurnCredit { weight: 0.25, ..Default::default() };
        let credit = c.blend(1.0, &[-1.0, 3.0], &[0, 0, 1, 2]);
        assert_eq!(credit, Credit::Tokens(vec![0.5, 0.5, 1.5, 0.75]));
        assert_eq!(TurnCredit::default().blend(1.0, &[], &[0, 1]), Credit::Sequence(1.0));
    }
}
