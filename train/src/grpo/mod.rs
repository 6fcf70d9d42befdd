//! Group-relative policy optimisation, on the host, without a tensor.
//!
//! The loss is a function of one number a token, its log-probability. So it is computed here in f64 together with its exact
//! derivative `dloss/dlogp`, and a model has only to back-propagate `sum(logp * dlogp)`. Read in this order:
//! [`certificate`] who may be compared, [`reward`] and [`length_bonus`] what members are paid, [`advantage`] and [`turns`] who
//! did better, [`dynamic`] which groups teach, [`sequence`] what the learner is given, [`importance`] and [`kl`] its two corrections,
//! [`loss`](mod@loss), and [`config`] for every choice in one place.

pub mod advantage;
pub mod certificate;
pub mod config;
pub mod dynamic;
pub mod importance;
pub mod kl;
pub mod length_bonus;
pub mod loss;
pub mod presets;
pub mod reward;
pub mod sequence;
pub mod tally;
pub mod turns;

pub use advantage::{AdvantageConfig, Advantages, Baseline, RewardScale, advantages};
pub use certificate::{Certificate, CertifiedGroup, MixedGroup};
pub use config::{ConfigErrors, GrpoConfig};
pub use dynamic::{DynamicSampling, Filling, Starved};
pub use importance::{Importance, ImportanceMode};
pub use length_bonus::{LengthBonus, Overlong};
pub use loss::{LossOutput, loss};
pub use reward::{MemberReward, pay};
pub use sequence::{Credit, Over, Sequence, SequenceError};
pub use tally::Tally;
pub use turns::{TurnBaseline, TurnCredit, TurnSource};
