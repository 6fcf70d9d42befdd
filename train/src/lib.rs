//! GRPO and the stages before it.
//!
//! What is here needs no tensor: a loss of GRPO depends on a model through one number a token, its log-probability. So credit,
//! loss and its exact derivative `dloss/dlogp` are computed on the host in f64, and a model back-propagates
//! `sum(logp * dlogp)`. One step, from rewards to parameters:
//!
//! ```
//! use bedside_env::seed::{Draw, Purpose, Seed};
//! use bedside_train::adamw::{Clip, Moments};
//! use bedside_train::grpo::{GrpoConfig, Over, Sequence, advantages, loss};
//! use bedside_train::metrics::{Alarms, Metrics};
//!
//! // The recipe, whole. A toy wants short replies and a high rate.
//! let mut config = GrpoConfig { max_completion: 1, length_bonus: None, ..GrpoConfig::m2() };
//! config.schedule.lr = 0.1;
//! config.validate()?;
//!
//! // The policy: three replies of one token each, a softmax over three numbers. The last reply is the right one.
//! let mut logits = [0.0f32; 3];
//! let mut moments = Moments::zeros(3);
//! let mut alarms = Alarms::new(Default::default());
//! for step in 1..=60 {
//!     let total: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
//!     let p = logits.map(|x| f64::from(x).exp() / total);
//!
//!     // 1. Rollout: a group is one starting point, played G times. Members that differ in case, persona, budget or rubric are
//!     //    refused by `grpo::CertifiedGroup`.
//!     let mut draw = Draw::new(Seed(1), b"toy", step, Purpose::Policy);
//!     let mut sample = || { let u = draw.unit(); if u < p[0] { 0 } else if u < p[0] + p[1] { 1 } else { 2 } };
//!     let members: Vec<usize> = (0..config.group_size).map(|_| sample()).collect();
//!
//!     // 2. Reward: `None` where the judge failed; such a member teaches nothing and moves nobody.
//!     let rewards = vec![members.iter().map(|m| Some(*m as f64 / 2.0)).collect()];
//!
//!     // 3. Advantage: the reward minus the group's mean.
//!     let credit = advantages(&config.advantage, &rewards);
//!
//!     // 4. Loss and dloss/dlogp, divided by what the whole step counts, so that micro-batches may be cut anywhere.
//!     let batch: Vec<Sequence> = members.iter().zip(&credit.values[0]).zip(&credit.trained[0])
//!         .map(|((m, a), trained)| Sequence { trained: *trained, ..Sequence::on_policy(vec![p[*m].ln()], *a) })
//!         .collect();
//!     let out = loss(&config, &batch, Over::step(&config, &batch))?;
//!
//!     // 5. Backward: here by hand, d logp(m) / d logit(k) = [m = k] - p(k).
//!     let mut grads = [0.0f32; 3];
//!     for (m, dlogp) in members.iter().zip(&out.dlogp) {
//!         (0..3).for_each(|k| grads[k] += (dlogp[0] * (f64::from(u8::from(*m == k)) - p[k])) as f32);
//!     }
//!
//!     // 6. Update: one clipped AdamW step at the schedule's rate.
//!     let clip = Clip::of([&grads[..]], config.clip_norm)?;
//!     let step = u64::from(step);
//!     config.optimizer.update(step, config.schedule.at(step), clip.scale, &mut logits, &grads, &mut moments)?;
//!
//!     // 7. Monitors: TRL's names, a JSON line and a TensorBoard record a step, alarms with a next step to try.
//!     let mut metrics = Metrics::default();
//!     metrics.extend(out.tally.metrics(&config));
//!     metrics.set("loss", out.loss);
//!     metrics.set("grad_norm", clip.norm);
//!     metrics.set("frac_reward_zero_std", credit.flat_share());
//!     for alarm in alarms.check(step, &metrics) {
//!         println!("{alarm}");
//!     }
//! }
//! let lead = logits[2] - logits[0].max(logits[1]);
//! assert!(lead > 2.0, "{logits:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! Every so often [`checkpoint`] writes parameters, the moments of [`optimizer`] and counters: whole, or not at all.

#![forbid(unsafe_code)]

pub mod adamw;
pub mod checkpoint;
pub mod evaluate;
pub mod grpo;
pub mod learner;
pub mod lesson;
pub mod metrics;
pub mod optimizer;
pub mod policy_folder;
pub mod report;
pub mod reward;
pub mod rollout;
pub mod rules;
pub mod schedule;
pub mod speed;
pub mod stage;
pub mod stats;
pub mod teaching;
pub mod texts;
