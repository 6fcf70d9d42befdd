//! A published recipe on a policy it was not written for: lengths fitted to the policy's replies, then single choices changed.

use super::StageError;
use crate::grpo::GrpoConfig;
use serde_json::{Map, Value};

/// A preset with lengths in proportion to replies of `reply` tokens: constant divisor, overlong buffer, and the length bonus, which
/// stays what it is for a reply of the same share of the limit. A floor at an eighth of the limit bounds it: a reply of a few tokens
/// would else earn more by its length than by its rubric.
pub fn fitted(preset: &str, reply: usize) -> Result<GrpoConfig, StageError> {
    let mut config = GrpoConfig::preset(preset).ok_or_else(|| {
        let names = crate::grpo::presets::NAMES.join(", ");
        StageError::new(format!("there is no preset `{preset}`"), format!("one of {names}"))
    })?;
    let share = reply as f64 / config.max_completion as f64;
    config.max_completion = reply;
    if let Some(overlong) = &mut config.overlong {
        overlong.buffer = ((overlong.buffer as f64 * share).round() as usize).max(1);
    }
    if let Some(bonus) = &mut config.length_bonus {
        bonus.kappa *= share.sqrt();
        bonus.floor = bonus.floor.max(reply.div_ceil(8));
    }
    Ok(config)
}

/// How many groups a step has; mini-batches are at most as many.
pub fn with_groups(config: &mut GrpoConfig, groups: usize) {
    config.groups_per_step = groups;
    config.mini_batches = config.mini_batches.min(groups);
}

/// Changes single choices: `key=value`, keys as in run.json with dots for parts of parts, values as JSON or plain words.
pub fn set(config: &GrpoConfig, choices: &[String]) -> Result<GrpoConfig, StageError> {
    // Parts that were off and are on now: their keys are not there to be looked up, and the parser refuses wrong ones.
    let mut begun: Vec<String> = Vec::new();
    let mut value = serde_json::to_value(config).map_err(|e| StageError::new(e.to_string(), "please report it"))?;
    for choice in choices {
        let refused = |why: String| StageError::new(format!("`{choice}`: {why}"), "such as lr=1e-4, length_bonus=null");
        let Some((key, text)) = choice.split_once('=') else { return Err(refused("there is no `=`".to_owned())) };
        // The rate is what is changed most.
        let key = if key.trim() == "lr" { "schedule.lr" } else { key.trim() };
        let mut at = &mut value;
        let mut path = String::new();
        for part in key.split('.') {
            if at.is_null() {
                *at = Value::Object(Map::new());
                begun.push(path.clone());
            }
            let known = at.as_object().is_some_and(|o| begun.contains(&path) || o.contains_key(part));
            path = format!("{path}.{part}");
            let Some(object) = at.as_object_mut().filter(|_| known) else {
                return Err(refused(format!("there is no `{part}`")));
            };
            at = object.entry(part).or_insert(Value::Null);
        }
        *at = serde_json::from_str(text.trim()).unwrap_or_else(|_| Value::from(text.trim()));
    }
    let hint = "see run.json of any run for keys and values";
    let config: GrpoConfig = serde_json::from_value(value).map_err(|e| StageError::new(e.to_string(), hint))?;
    config.validate()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpo::presets::NAMES;

    #[test]
    fn every_preset_fits_short_replies_and_stays_valid() {
        for name in NAMES {
            let mut config = fitted(name, 64).expect(name);
            with_groups(&mut config, 2);
            config.validate().expect(name);
            assert_eq!((config.max_completion, config.recipe.as_str()), (64, name));
        }
        // At a quarter of the limit the bonus is what the paper's is at a quarter of its limit.
        let (paper, small) =
            (GrpoConfig::m2().length_bonus.expect("one"), fitted("m2", 64).expect("m2").length_bonus.expect("one"));
        let (a, b) = (paper.bonuses(&[Some(0.9)], &[512.0])[0], small.bonuses(&[Some(0.9)], &[16.0])[0]);
        assert!((a - b).abs() < 1e-12, "{a} {b}");
        assert!(small.bonuses(&[Some(0.9)], &[1.0])[0] < 0.26);
        assert!(fitted("ppo", 64).is_err());
    }

    #[test]
    fn single_choices_are_changed_by_name_and_misspelt_ones_refused() {
        let of =
            |choices: &[&str]| set(&GrpoConfig::m2(), &choices.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
        let c = of(&[
            "lr=3e-4",
            "loss_type=dapo",
            "length_bonus=null",
            "dynamic_sampling.max_batches=3",
            "dynamic_sampling.min_spread=0.1",
            "advantage.scale=group",
        ]);
        let c = c.expect("sound choices");
        assert_eq!((c.schedule.lr, c.length_bonus), (3e-4, None));
        assert_eq!(c.dynamic_sampling.map(|d| (d.max_batches, d.min_spread)), Some((3, 0.1)));
        for wrong in [
            "epsilon_hi=0.3",
            "lr",
            "group_size=many",
            "optimizer.gamma=1",
            "group_size=1",
            "dynamic_sampling.batches=3",
        ] {
            let error = of(&[wrong]).expect_err(wrong).to_string();
            assert!(error.contains("hint: "), "{error}");
        }
    }
}
