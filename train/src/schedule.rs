//! Learning rate by step.

use serde::{Deserialize, Serialize};

/// What happens after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    Constant,
    /// In a line to the floor at `total`.
    Linear,
    /// Half a cosine to the floor at `total`.
    Cosine,
}

/// Linear warm-up, then constant or falling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The greatest rate, reached at the last warm-up step.
    pub lr: f64,
    /// Steps of warm-up; the first has `lr / warmup`, so no step is spent on a rate of 0.
    pub warmup: u64,
    /// Last step of a falling schedule.
    pub total: u64,
    pub decay: Decay,
    /// The rate it falls to, as a share of `lr`.
    pub floor: f64,
}

impl Schedule {
    pub fn constant(lr: f64) -> Schedule {
        Schedule { lr, warmup: 0, total: 0, decay: Decay::Constant, floor: 0.0 }
    }

    /// The rate of optimiser step `step`, counted from 1.
    pub fn at(&self, step: u64) -> f64 {
        if step <= self.warmup {
            return self.lr * step.max(1) as f64 / self.warmup as f64;
        }
        let after = (step - self.warmup) as f64;
        let progress = (after / self.total.saturating_sub(self.warmup).max(1) as f64).min(1.0);
        let left = match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        };
        self.lr * (self.floor + (1.0 - self.floor) * left)
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if !(self.lr >= 0.0 && self.lr.is_finite()) {
            errors.push(format!("schedule.lr is {}; at least 0", self.lr));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            errors.push(format!("schedule.floor is {}; 0 to 1, a share of lr", self.floor));
        }
        if self.decay != Decay::Constant && self.total <= self.warmup {
            errors.push(format!("schedule.total is {}, not after {} steps of warm-up", self.total, self.warmup));
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn warm_up_rises_in_a_line_and_never_wastes_a_step() {
        let s = Schedule { warmup: 4, ..Schedule::constant(1.0) };
        assert_eq!([1, 2, 3, 4, 5, 99].map(|t| s.at(t)), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(Schedule::constant(0.3).at(1), 0.3);
    }

    #[test]
    fn linear_and_cosine_meet_at_half_way_and_end_at_the_floor() {
        let linear = Schedule { lr: 1.0, warmup: 10, total: 110, decay: Decay::Linear, floor: 0.1 };
        let cosine = Schedule { decay: Decay::Cosine, ..linear };
        for s in [linear, cosine] {
            near(s.at(60), 0.55);
            near(s.at(110), 0.1);
            near(s.at(500), 0.1);
            assert!((11..=110).all(|t| s.at(t) <= s.at(t - 1)));
        }
        near(cosine.at(35), 0.1 + 0.9 * 0.5 * (1.0 + (std::f64::consts::PI / 4.0).cos()));
    }

    #[test]
    fn a_falling_schedule_needs_an_end() {
        let s = Schedule { decay: Decay::Cosine, warmup: 5, total: 5, ..Schedule::constant(1.0) };
        assert_eq!(s.errors().len(), 1);
        assert!(Schedule::constant(0.0).errors().is_empty(), "a rate of 0 is a control, not an error");
    }
}
