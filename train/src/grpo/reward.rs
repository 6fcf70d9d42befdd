//! What a group is paid: rubric, length bonus, overlong penalty, each kept apart so that a curve shows which of them rose.

use super::advantage::scored;
use super::config::GrpoConfig;
use std::collections::BTreeMap;

/// One member's pay.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberReward {
    /// The sum; `None` where the judge failed: length alone is no reward.
    pub total: Option<f64>,
    /// Parts by name: `rubric`, and `length_bonus` and `overlong` where the recipe has them. Empty without a score.
    pub components: BTreeMap<String, f64>,
}

/// Pays one group of single replies. `rubric` are the verifier's scores, `lengths` sampled tokens.
pub fn pay(config: &GrpoConfig, rubric: &[Option<f64>], lengths: &[usize]) -> Vec<MemberReward> {
    pay_sessions(config, rubric, &lengths.iter().map(|l| vec![*l]).collect::<Vec<_>>())
}

/// Pays one group of sessions. `lengths` are the sampled tokens of each member's replies; [`super::length_bonus`] says how they
/// count.
pub fn pay_sessions(config: &GrpoConfig, rubric: &[Option<f64>], lengths: &[Vec<usize>]) -> Vec<MemberReward> {
    let mean = |replies: &Vec<usize>| replies.iter().sum::<usize>() as f64 / replies.len().max(1) as f64;
    let bonuses = config.length_bonus.map(|b| b.bonuses(rubric, &lengths.iter().map(mean).collect::<Vec<_>>()));
    let member = |(i, (score, replies)): (usize, (&Option<f64>, &Vec<usize>))| {
        let Some(score) = scored(*score) else {
            return MemberReward { total: None, components: BTreeMap::new() };
        };
        let mut components = BTreeMap::from([("rubric".to_owned(), score)]);
        if let Some(bonuses) = &bonuses {
            components.insert("length_bonus".to_owned(), bonuses[i]);
        }
        if let Some(overlong) = config.overlong {
            components.insert("overlong".to_owned(), overlong.of_session(replies, config.max_completion));
        }
        MemberReward { total: Some(components.values().sum()), components }
    };
    rubric.iter().zip(lengths).enumerate().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpo::length_bonus::{LengthBonus, Overlong};

    #[test]
    fn parts_add_up_and_a_failed_judge_is_paid_nothing_at_all() {
        let config = GrpoConfig {
            length_bonus: Some(LengthBonus { threshold: 0.4, ..LengthBonus::default() }),
            overlong: Some(Overlong { buffer: 100, penalty: 1.0 }),
            max_completion: 1600,
            ..GrpoConfig::m2()
        };
        let paid = pay(&config, &[Some(0.5), None, Some(0.9)], &[400, 100, 1550]);
        assert_eq!(paid[0].total, Some(0.5), "below the group's quantile");
        assert_eq!(paid[1], MemberReward { total: None, components: BTreeMap::new() });
        let third = &paid[2].components;
        assert_eq!((third["rubric"], third["overlong"]), (0.9, -0.5));
        assert!((third["length_bonus"] - 4.0 / 1550f64.sqrt()).abs() < 1e-12);
        assert_eq!(paid[2].total, Some(third.values().sum()));
        // A session of many replies is paid for their length, not for their number.
        let sessions = pay_sessions(&config, &[Some(0.5), Some(0.9)], &[vec![400], vec![1550, 50, 1500, 1600]]);
        let second = &sessions[1].components;
        assert!((second["length_bonus"] - 4.0 / 1175f64.sqrt()).abs() < 1e-12, "{second:?}");
        assert_eq!(second["overlong"], (-0.5 - 1.0) / 4.0);
        assert_eq!(pay_sessions(&config, &[Some(0.9)], &[Vec::new()])[0].total, Some(0.9), "no reply, no bonus");
        let plain = pay(&GrpoConfig::dr_grpo(), &[Some(0.5)], &[400]);
        assert_eq!(plain[0].components.keys().collect::<Vec<_>>(), ["rubric"]);
    }
}
