//! From what a group did to what its members are paid, and what credit their tokens get.

use crate::grpo::advantage::GroupStats;
use crate::grpo::reward::{self as grpo, MemberReward};
use crate::grpo::{Certificate, CertifiedGroup, GrpoConfig, advantages};
use crate::lesson::Lesson;
use crate::metrics::monitors::Episode;
use crate::rollout::{Played, Taken};
use bedside_env::{Event, Limit, Status, TokenTrace};

/// A rollout, paid.
#[derive(Clone, Debug)]
pub struct Paid {
    /// By group and member.
    pub lessons: Vec<Vec<Lesson>>,
    /// What monitors read, in the same order, flat.
    pub episodes: Vec<Episode>,
    pub groups: Vec<GroupStats>,
}

/// What a member of a group shows to be paid.
pub trait Member {
    /// What its score is called among the parts of its pay.
    const SCORE: &'static str;
    /// `None` where the judge failed.
    fn score(&self) -> Option<f64>;
    /// Its replies, in order.
    fn turns(&self) -> &[Taken];
    /// What monitors read of it.
    fn episode(&self, paid: &MemberReward) -> Episode;
}

/// Rewards, advantages and credit of a rollout. A member without a score is not paid: it has no reward, no part in its group's
/// mean, and teaches nothing. `turns` gives rewards by group, member and turn where credit goes by turn.
pub fn pay<M: Member, C: Certificate>(
    config: &GrpoConfig,
    groups: &[CertifiedGroup<M, C>],
    turns: Option<&TurnRewards>,
) -> Paid {
    pay_as(config, groups, turns, |_, scores| scores)
}

/// [`pay`], with each group's scores changed first: a control deals them out at random, and must learn nothing.
pub fn pay_as<M: Member, C: Certificate>(
    config: &GrpoConfig,
    groups: &[CertifiedGroup<M, C>],
    turns: Option<&TurnRewards>,
    change: impl Fn(usize, Vec<Option<f64>>) -> Vec<Option<f64>>,
) -> Paid {
    let paid_for = |(g, group): (usize, &CertifiedGroup<M, C>)| {
        let scores = change(g, group.members().iter().map(Member::score).collect());
        let replies = |p: &M| p.turns().iter().map(|t| t.trace.ids.len()).collect();
        let mut paid = grpo::pay_sessions(config, &scores, &group.members().iter().map(replies).collect::<Vec<_>>());
        for components in paid.iter_mut().map(|p| &mut p.components) {
            if let Some(score) = components.remove("rubric") {
                components.insert(M::SCORE.to_owned(), score);
            }
        }
        paid
    };
    let rewarded: Vec<Vec<MemberReward>> = groups.iter().enumerate().map(paid_for).collect();
    let rewards: Vec<Vec<Option<f64>>> = rewarded.iter().map(|g| g.iter().map(|r| r.total).collect()).collect();
    let credit = advantages(&config.advantage, &rewards);
    let mut paid = Paid { lessons: Vec::new(), episodes: Vec::new(), groups: credit.groups };
    for (g, group) in groups.iter().enumerate() {
        let by_turn = turns.map(|t| config.turn_credit.advantages(&t[g])).unwrap_or_default();
        let mut lessons = Vec::with_capacity(group.members().len());
        for (m, played) in group.members().iter().enumerate() {
            let traces: Vec<TokenTrace> = played.turns().iter().map(|t| t.trace.clone()).collect();
            let turn_of: Vec<u32> = traces.iter().enumerate().flat_map(|(k, t)| vec![k as u32; t.ids.len()]).collect();
            let own = by_turn.get(m).map_or(&[][..], Vec::as_slice);
            let cut = config.mask_truncated && played.turns().iter().any(|t| t.truncated);
            lessons.push(Lesson {
                credit: config.turn_credit.blend(credit.values[g][m], own, &turn_of),
                trained: credit.trained[g][m] && !cut,
                turns: traces,
            });
            paid.episodes.push(played.episode(&rewarded[g][m]));
        }
        paid.lessons.push(lessons);
    }
    paid
}

/// Rewards by group, member and doctor turn.
pub type TurnRewards = Vec<Vec<Vec<Option<f64>>>>;

impl Member for Played {
    const SCORE: &'static str = "rubric";

    fn score(&self) -> Option<f64> {
        self.last.reward.value()
    }

    fn turns(&self) -> &[Taken] {
        &self.turns
    }

    fn episode(&self, paid: &MemberReward) -> Episode {
        let axis = |(key, value): (&'static str, Option<f64>)| Some((key.strip_prefix("axis:")?.to_owned(), value?));
        let axes = self.last.metrics.iter().filter_map(axis).collect();
        let repaired = self.log.events.iter().filter(|e| matches!(e, Event::ReplyRepaired { .. })).count();
        Episode {
            reward: paid.total,
            components: paid.components.clone(),
            axes,
            tokens: self.turns.iter().flat_map(|t| t.trace.ids.iter().copied()).collect(),
            truncated: self.turns.iter().any(|t| t.truncated) || self.last.status == Status::Truncated(Limit::Turns),
            turns: self.turns.len() as u32,
            entropy: None,
            simulator_faults: repaired as u32,
        }
    }
}
