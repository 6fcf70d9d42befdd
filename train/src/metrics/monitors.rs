//! What practitioners watch, from the episodes of a step, under TRL's metric names (verl's and NeMo-RL's where TRL has none).

use super::Metrics;
use crate::grpo::advantage::{GroupStats, mean_std};
use crate::grpo::importance::{Gap, WeightStats};
use crate::grpo::length_bonus::repetition;
use std::collections::BTreeMap;

/// One member of a group, as far as monitors need it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// What the policy was paid, with bonuses; `None` where the judge failed.
    pub reward: Option<f64>,
    /// Its parts: rubric, length bonus, overlong penalty, ...
    pub components: BTreeMap<String, f64>,
    /// Rubric axes, where the rubric defines them.
    pub axes: BTreeMap<String, f64>,
    /// Tokens the policy sampled, in order.
    pub tokens: Vec<u32>,
    /// Cut by a limit on tokens or turns.
    pub truncated: bool,
    /// Doctor turns.
    pub turns: u32,
    /// Sum of the entropies of the sampled tokens' distributions in nats, where it was computed.
    pub entropy: Option<f64>,
    /// Facts the simulator told unearned (leaks), contradicted or made up.
    pub simulator_faults: u32,
}

/// n of the repetition measure, TRL's.
const NGRAM: usize = 3;

/// Sums up a step. `groups` are the reward statistics of its groups.
pub fn measure(episodes: &[Episode], groups: &[GroupStats]) -> Metrics {
    let mut out = Metrics::default();
    let scored: Vec<f64> = episodes.iter().filter_map(|e| e.reward).filter(|r| r.is_finite()).collect();
    let both = mean_std(&scored);
    out.set("reward", both.map(|b| b.0));
    out.set("reward_std", both.map(|b| b.1));
    out.set("rewards/unscored_ratio", share(episodes.len() - scored.len(), episodes.len()));
    out.set("frac_reward_zero_std", share(groups.iter().filter(|g| g.is_flat()).count(), groups.len()));
    for (name, of) in
        [("rewards", (|e| &e.components) as fn(&Episode) -> &BTreeMap<String, f64>), ("axis", |e| &e.axes)]
    {
        by_name(&mut out, name, episodes, of);
    }

    let lengths: Vec<f64> = episodes.iter().map(|e| e.tokens.len() as f64).collect();
    let ended = episodes.iter().filter(|e| !e.truncated).map(|e| e.tokens.len() as f64);
    spread(&mut out, "completions/", "_length", &lengths);
    out.set("completions/tokens", lengths.iter().sum::<f64>());
    spread(&mut out, "completions/", "_terminated_length", &ended.collect::<Vec<_>>());
    out.set("completions/clipped_ratio", share(episodes.iter().filter(|e| e.truncated).count(), episodes.len()));
    let repeated: Vec<f64> = episodes.iter().map(|e| repetition(&e.tokens, NGRAM)).collect();
    out.set("completions/repetition_mean", mean_std(&repeated).map(|b| b.0));
    out.set("completions/repetition_max", repeated.iter().copied().reduce(f64::max));
    let turns: Vec<f64> = episodes.iter().map(|e| f64::from(e.turns)).collect();
    out.set("turns/mean", mean_std(&turns).map(|b| b.0));
    let faults: u32 = episodes.iter().map(|e| e.simulator_faults).sum();
    out.set("simulator/faults_per_episode", share(faults as usize, episodes.len()));

    // Over tokens, not over episodes: a long reply has more to say about the policy's entropy.
    let measured = || episodes.iter().filter(|e| e.entropy.is_some());
    let entropy: f64 = measured().filter_map(|e| e.entropy).sum();
    let tokens: usize = measured().map(|e| e.tokens.len()).sum();
    out.set("entropy", (tokens > 0).then(|| entropy / tokens as f64));
    out
}

/// Sampler against trainer.
pub fn sampling(out: &mut Metrics, gap: Option<Gap>, weights: Option<WeightStats>) {
    out.set("sampling/sampling_logp_difference/mean", gap.map(|g| g.mean));
    out.set("sampling/sampling_logp_difference/max", gap.map(|g| g.max));
    out.set("sampling/token_mult_prob_error", gap.map(|g| g.token_mult_prob_error));
    out.set("sampling/gen_kl_error", gap.map(|g| g.gen_kl_error));
    out.set("sampling/importance_sampling_ratio/min", weights.map(|w| w.min));
    out.set("sampling/importance_sampling_ratio/mean", weights.map(|w| w.mean));
    out.set("sampling/importance_sampling_ratio/max", weights.map(|w| w.max));
    out.set("sampling/ess", weights.map(|w| w.ess));
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn by_name(out: &mut Metrics, prefix: &str, episodes: &[Episode], of: fn(&Episode) -> &BTreeMap<String, f64>) {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (name, value) in episodes.iter().flat_map(of) {
        values.entry(name).or_default().push(*value);
    }
    for (name, values) in values {
        let both = mean_std(&values);
        out.set(format!("{prefix}/{name}/mean"), both.map(|b| b.0));
        out.set(format!("{prefix}/{name}/std"), both.map(|b| b.1));
    }
}

fn spread(out: &mut Metrics, prefix: &str, suffix: &str, values: &[f64]) {
    out.set(format!("{prefix}mean{suffix}"), mean_std(values).map(|b| b.0));
    out.set(format!("{prefix}min{suffix}"), values.iter().copied().reduce(f64::min));
    out.set(format!("{prefix}max{suffix}"), values.iter().copied().reduce(f64::max));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpo::advantage::group_stats;

    fn episode(reward: Option<f64>, tokens: usize, truncated: bool) -> Episode {
        let components = reward.map(|r| ("rubric".to_owned(), r)).into_iter().collect();
        Episode { reward, components, tokens: (0..tokens as u32).collect(), truncated, turns: 2, ..Episode::default() }
    }

    #[test]
    fn a_step_is_measured_under_the_names_of_trl() {
        let step = [
            episode(Some(1.0), 10, false),
            episode(Some(0.0), 20, false),
            episode(None, 30, true),
            episode(Some(0.5), 4, false),
        ];
        let groups = [group_stats(&[Some(1.0), Some(0.0)]), group_stats(&[None, Some(0.5)])];
        let m = measure(&step, &groups);
        let expected = [
            ("reward", 0.5),
            ("reward_std", 0.5),
            ("rewards/rubric/mean", 0.5),
            ("rewards/unscored_ratio", 0.25),
            ("frac_reward_zero_std", 0.5),
            ("completions/mean_length", 16.0),
            ("completions/max_length", 30.0),
            ("completions/max_terminated_length", 20.0),
            ("completions/clipped_ratio", 0.25),
            ("completions/repetition_max", 0.0),
            ("turns/mean", 2.0),
        ];
        for (name, value) in expected {
            assert_eq!(m.get(name), Some(value), "{name}");
        }
        assert_eq!(m.get("entropy"), None, "it was not computed");
    }

    #[test]
    fn a_step_whose_judge_always_failed_has_no_reward() {
        let m = measure(&[episode(None, 5, false)], &[group_stats(&[None])]);
        assert_eq!((m.get("reward"), m.get("rewards/unscored_ratio")), (None, Some(1.0)));
        assert_eq!(measure(&[], &[]).get("frac_reward_zero_std"), None);
    }

    #[test]
    fn entropy_is_a_mean_over_tokens() {
        let with = |tokens: usize, entropy| Episode { entropy: Some(entropy), ..episode(None, tokens, false) };
        assert_eq!(measure(&[with(10, 5.0), with(30, 3.0)], &[]).get("entropy"), Some(0.2));
    }
}
