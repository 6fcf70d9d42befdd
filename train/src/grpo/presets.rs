//! Published recipes. Where a paper is silent the value is the default here (`m2`), and is ours.

use super::advantage::{AdvantageConfig, Baseline, RewardScale};
use super::config::{Count, GrpoConfig, Level, LossType, Restart, Vespo};
use super::dynamic::DynamicSampling;
use super::importance::Importance;
use super::length_bonus::{LengthBonus, Overlong};
use super::turns::TurnCredit;
use crate::adamw::AdamW;
use crate::schedule::{Decay, Schedule};

/// Names of all presets.
pub const NAMES: [&str; 5] = ["m2", "dapo", "dr_grpo", "gspo", "orbit"];

impl Default for GrpoConfig {
    /// [`GrpoConfig::m2`].
    fn default() -> Self {
        GrpoConfig::m2()
    }
}

impl GrpoConfig {
    /// A preset by name.
    pub fn preset(name: &str) -> Option<GrpoConfig> {
        match name {
            "m2" => Some(GrpoConfig::m2()),
            "dapo" => Some(GrpoConfig::dapo()),
            "dr_grpo" => Some(GrpoConfig::dr_grpo()),
            "gspo" => Some(GrpoConfig::gspo()),
            "orbit" => Some(GrpoConfig::orbit()),
            _ => None,
        }
    }

    /// Baichuan-M2 2.7, eq. 2 and 3: advantage = reward - group mean, clip-higher, no KL, `1 / l_max`, length bonus with both
    /// gates. The paper gives neither G, clip bounds, threshold, learning rate nor batch.
    pub fn m2() -> GrpoConfig {
        GrpoConfig {
            recipe: "m2".to_owned(),
            seed: 0,
            steps: 250,
            group_size: 8,
            groups_per_step: 16,
            iterations: 1,
            mini_batches: 1,
            max_completion: 2048,
            mask_truncated: false,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            loss_type: LossType::DrGrpo,
            level: Level::Token,
            epsilon_low: 0.2,
            epsilon_high: 0.28,
            delta: None,
            cispo_cap: 5.0,
            sapo_tau_pos: 1.0,
            sapo_tau_neg: 1.05,
            vespo: Vespo::default(),
            log_ratio_limit: 20.0,
            beta: 0.0,
            kl_bias_correction: true,
            importance: Importance::default(),
            off_policy_mask: None,
            count: Count::Trained,
            advantage: AdvantageConfig::default(),
            turn_credit: TurnCredit::default(),
            length_bonus: Some(LengthBonus::default()),
            overlong: None,
            dynamic_sampling: None,
            restart: None,
            optimizer: AdamW::default(),
            schedule: Schedule { lr: 1e-6, warmup: 0, total: 0, decay: Decay::Constant, floor: 0.0 },
            clip_norm: Some(1.0),
        }
    }

    /// Dr.GRPO 3.2 and 4: no standard deviation, constant divisor, symmetric clip.
    pub fn dr_grpo() -> GrpoConfig {
        GrpoConfig {
            recipe: "dr_grpo".to_owned(),
            epsilon_high: 0.2,
            max_completion: 3000,
            length_bonus: None,
            ..GrpoConfig::m2()
        }
    }

    /// DAPO 3 and 4.1: clip-higher, dynamic sampling, token mean, overlong filtering and punishment. The soft punishment
    /// replaces the filter in verl's recipe, so the filter is off.
    pub fn dapo() -> GrpoConfig {
        GrpoConfig {
            recipe: "dapo".to_owned(),
            group_size: 16,
            groups_per_step: 512,
            mini_batches: 16,
            max_completion: 20_480,
            loss_type: LossType::Dapo,
            advantage: AdvantageConfig {
                baseline: Baseline::Mean,
                scale: RewardScale::Group,
                eps: 1e-6,
                variance_mask: None,
            },
            length_bonus: None,
            overlong: Some(Overlong { buffer: 4096, penalty: 1.0 }),
            dynamic_sampling: Some(DynamicSampling::default()),
            schedule: Schedule { lr: 1e-6, warmup: 20, total: 0, decay: Decay::Constant, floor: 0.0 },
            ..GrpoConfig::m2()
        }
    }

    /// GSPO 4.1 and 5.1: sequence ratios, very narrow clip, four mini-batches of a rollout.
    pub fn gspo() -> GrpoConfig {
        GrpoConfig {
            recipe: "gspo".to_owned(),
            mini_batches: 4,
            loss_type: LossType::Grpo,
            level: Level::Sequence,
            epsilon_low: 3e-4,
            epsilon_high: 4e-4,
            advantage: AdvantageConfig { scale: RewardScale::Group, ..AdvantageConfig::default() },
            length_bonus: None,
            ..GrpoConfig::m2()
        }
    }

    /// ORBIT Table 13: standardised advantage, variance mask, resampling, dual clip, overlong buffer, staged restart.
    pub fn orbit() -> GrpoConfig {
        GrpoConfig {
            recipe: "orbit".to_owned(),
            steps: 500,
            groups_per_step: 100,
            max_completion: 9216,
            top_p: 0.95,
            loss_type: LossType::Dapo,
            delta: Some(10.0),
            advantage: AdvantageConfig {
                baseline: Baseline::Mean,
                scale: RewardScale::Group,
                eps: 1e-6,
                variance_mask: Some(0.0),
            },
            length_bonus: None,
            overlong: Some(Overlong { buffer: 5120, penalty: 1.0 }),
            dynamic_sampling: Some(DynamicSampling::default()),
            restart: Some(Restart::default()),
            optimizer: AdamW { weight_decay: 0.1, ..AdamW::default() },
            schedule: Schedule { lr: 1e-6, warmup: 10, total: 0, decay: Decay::Constant, floor: 0.0 },
            ..GrpoConfig::m2()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_survives_json() {
        for name in NAMES {
            let c = GrpoConfig::preset(name).expect("named");
            assert_eq!(c.recipe, name);
            c.validate().expect(name);
            let json = serde_json::to_string(&c).expect("plain data");
            let back: GrpoConfig = serde_json::from_str(&json).expect("its own JSON");
            assert_eq!((back.digest(), &back), (c.digest(), &c));
        }
        assert_eq!(GrpoConfig::preset("ppo"), None);
    }

    #[test]
    fn all_errors_are_listed_at_once() {
        let c = GrpoConfig {
            group_size: 1,
            epsilon_low: 1.5,
            delta: Some(1.1),
            temperature: 0.0,
            beta: f64::NAN,
            clip_norm: Some(0.0),
            optimizer: AdamW { beta1: 1.0, ..AdamW::default() },
            schedule: Schedule { lr: -1.0, ..GrpoConfig::m2().schedule },
            ..GrpoConfig::m2()
        };
        let errors = c.validate().expect_err("wrong in eight ways");
        let named =
            ["group_size", "epsilon_low", "delta", "temperature", "beta is NaN", "clip_norm", "beta1", "schedule.lr"];
        for name in named {
            assert_eq!(errors.0.iter().filter(|e| e.contains(name)).count(), 1, "{name}: {errors}");
        }
        assert_eq!(errors.0.len(), named.len(), "{errors}");
        assert!(errors.to_string().contains("hint:"));
    }

    #[test]
    fn a_range_is_told_in_numbers_a_person_reads() {
        let error = |c: GrpoConfig| c.validate().expect_err("out of range").0.join("\n");
        assert_eq!(
            error(GrpoConfig { epsilon_high: -5.0, ..GrpoConfig::m2() }),
            "epsilon_high is -5; at least 0, and finite"
        );
        assert_eq!(
            error(GrpoConfig { log_ratio_limit: 0.0, ..GrpoConfig::m2() }),
            "log_ratio_limit is 0; 0.000000001 to 80"
        );
        let mut c = GrpoConfig::m2();
        c.length_bonus = c.length_bonus.map(|b| LengthBonus { threshold: 9.0, ..b });
        assert!(error(c).starts_with("length_bonus.threshold is 9; 0 to 1"));
    }

    #[test]
    fn a_misspelt_field_is_refused_and_a_missing_one_is_m2s() {
        assert!(serde_json::from_str::<GrpoConfig>(r#"{"epsilon_hi": 0.3}"#).is_err());
        let c: GrpoConfig = serde_json::from_str(r#"{"epsilon_high": 0.3}"#).expect("one field");
        assert_eq!(c, GrpoConfig { epsilon_high: 0.3, ..GrpoConfig::m2() });
        assert_ne!(c.digest(), GrpoConfig::m2().digest());
    }

    #[test]
    fn a_restart_is_hotter_up_to_its_ceiling() {
        let r = Restart::default();
        let second = r.next(1.0);
        assert!((second - 1.10).abs() < 1e-12);
        assert_eq!((r.next(second), r.next(1.2)), (1.2, 1.2));
    }
}
