//! AdamW on plain slices: f32 parameters and moments, one deterministic pass, decoupled weight decay (Loshchilov & Hutter,
//! arXiv 1711.05101, algorithm 2; bias correction and the place of eps as in PyTorch). The decay is subtracted with the update in
//! one rounding: a factor `1 - lr * decay` would be rounded to 1 at the rates of reinforcement learning.

use serde::{Deserialize, Serialize};

/// Its constants; the learning rate is the schedule's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    pub beta1: f64,
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Shrinks parameters by `lr * weight_decay` a step.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// First and second moment of one tensor, flat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    pub m: Vec<f32>,
    pub v: Vec<f32>,
}

impl Moments {
    pub fn zeros(len: usize) -> Moments {
        Moments { m: vec![0.0; len], v: vec![0.0; len] }
    }
}

/// Slices of unequal length, or a step number that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdamWError {
    #[error(
        "{params} parameters, {grads} gradients, {moments} moments\nhint: the optimiser state belongs to another model"
    )]
    Lengths { params: usize, grads: usize, moments: usize },
    #[error("optimiser steps are counted from 1")]
    StepZero,
}

impl AdamW {
    /// Step `step` (from 1) of one tensor. Gradients are multiplied by `scale` as they are read (see [`Clip`]).
    /// A rate of 0 changes no bit of the parameters.
    pub fn update(
        &self,
        step: u64,
        lr: f64,
        scale: f32,
        params: &mut [f32],
        grads: &[f32],
        moments: &mut Moments,
    ) -> Result<(), AdamWError> {
        let (n, Moments { m, v }) = (params.len(), moments);
        if grads.len() != n || m.len() != n || v.len() != n {
            return Err(AdamWError::Lengths { params: n, grads: grads.len(), moments: m.len().min(v.len()) });
        }
        let t = i32::try_from(step).unwrap_or(i32::MAX);
        if t == 0 {
            return Err(AdamWError::StepZero);
        }
        // Scalars in f64, once; elements in f32.
        let (b1, b2) = (self.beta1 as f32, self.beta2 as f32);
        let (c1, c2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let rate = (lr / (1.0 - self.beta1.powi(t))) as f32;
        let root = (1.0 - self.beta2.powi(t)).sqrt() as f32;
        let (decay, eps) = ((lr * self.weight_decay) as f32, self.eps as f32);
        let still = lr == 0.0;
        for (((p, g), m), v) in params.iter_mut().zip(grads).zip(m.iter_mut()).zip(v.iter_mut()) {
            let g = g * scale;
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            if !still {
                *p -= *p * decay + rate * (*m / (v.sqrt() / root + eps));
            }
        }
        Ok(())
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                errors.push(format!("optimizer.{name} is {beta}; 0 up to, not including, 1"));
            }
        }
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            errors.push(format!("optimizer.eps is {}; greater than 0", self.eps));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            errors.push(format!("optimizer.weight_decay is {}; at least 0", self.weight_decay));
        }
        errors
    }
}

/// The global norm of a step's gradients and what brings it within bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Over all tensors, before clipping, in f64.
    pub norm: f64,
    /// What gradients are multiplied by, at most 1.
    pub scale: f32,
}

/// A gradient holds NaN or infinity: the step must not be taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "the gradient norm is {norm}\nhint: something overflowed: go on from the last checkpoint with --resume to see whether it comes again; then begin anew with a lower --lr, or in --dtype f32"
)]
pub struct BadGradient {
    pub norm: f64,
}

impl Clip {
    /// Norm over tensors in the order given; `most` as PyTorch's `clip_grad_norm_` (`scale = most / (norm + 1e-6)`).
    pub fn of<'a>(grads: impl IntoIterator<Item = &'a [f32]>, most: Option<f64>) -> Result<Clip, BadGradient> {
        let squares = |g: &[f32]| g.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
        let norm = grads.into_iter().map(squares).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(BadGradient { norm });
        }
        let scale = most.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0));
        Ok(Clip { norm, scale: scale as f32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook in f64, from the definition: no running products, no shared terms.
    fn reference(c: &AdamW, lr: f64, start: f64, grads: &[f64]) -> f64 {
        let mut p = start;
        for t in 1..=grads.len() {
            let moment = |beta: f64, power: i32| -> f64 {
                let past = grads[..t].iter().enumerate();
                past.map(|(i, g)| (1.0 - beta) * beta.powi((t - 1 - i) as i32) * g.powi(power)).sum()
            };
            let m = moment(c.beta1, 1) / (1.0 - c.beta1.powi(t as i32));
            let v = moment(c.beta2, 2) / (1.0 - c.beta2.powi(t as i32));
            p = p - lr * c.weight_decay * p - lr * m / (v.sqrt() + c.eps);
        }
        p
    }

    #[test]
    fn two_steps_are_those_worked_by_hand() {
        // lr 0.1, decay 0.1, gradient 2 then -1, from p = 1.
        // t=1: m/(1-b1) = 2, sqrt(v/(1-b2)) = 2, so p = 1*(1-0.01) - 0.1 = 0.89.
        // t=2: m = 0.9*0.2 - 0.1 = 0.08, /0.19 = 0.421053; v = 0.999*0.004 + 0.001 = 0.004996, /0.001999 = 2.499250,
        //      root 1.580902; p = 0.89*0.99 - 0.1*0.421053/1.580902 = 0.8811 - 0.0266338 = 0.8544662.
        let c = AdamW { weight_decay: 0.1, ..AdamW::default() };
        let (mut p, mut s) = ([1.0f32], Moments::zeros(1));
        c.update(1, 0.1, 1.0, &mut p, &[2.0], &mut s).expect("lengths");
        assert!((p[0] - 0.89).abs() < 1e-6, "{p:?}");
        c.update(2, 0.1, 1.0, &mut p, &[-1.0], &mut s).expect("lengths");
        assert!((p[0] - 0.854_466_2).abs() < 1e-6, "{p:?}");
    }

    #[test]
    fn a_long_trajectory_stays_with_the_definition_in_f64() {
        let c = AdamW { weight_decay: 0.01, ..AdamW::default() };
        for start in [-2.0, 0.0, 0.7] {
            let grads: Vec<f64> = (0..200).map(|i| f64::from(((i as f64 + start).sin() * 3.0) as f32)).collect();
            let (mut p, mut s) = ([start as f32], Moments::zeros(1));
            for (i, g) in grads.iter().enumerate() {
                c.update(i as u64 + 1, 3e-3, 1.0, &mut p, &[*g as f32], &mut s).expect("lengths");
            }
            let exact = reference(&c, 3e-3, f64::from(start as f32), &grads);
            // 200 roundings of a number near 2 are at most 2.4e-5 apart, and about 2e-6 if they fall as they please.
            assert!((f64::from(p[0]) - exact).abs() < 1e-5, "{} {exact}", p[0]);
        }
    }

    #[test]
    fn a_rate_of_zero_changes_no_bit_but_remembers_gradients() {
        let start = [1.5f32, -0.0, f32::MIN_POSITIVE, 3e38];
        let (mut p, mut s) = (start, Moments::zeros(4));
        let c = AdamW { weight_decay: 0.1, ..AdamW::default() };
        c.update(1, 0.0, 1.0, &mut p, &[1.0, -1.0, f32::MAX, 2.0], &mut s).expect("lengths");
        assert_eq!(p.map(f32::to_bits), start.map(f32::to_bits));
        assert_ne!(s, Moments::zeros(4));
    }

    #[test]
    fn tensors_cut_differently_come_out_the_same_to_the_bit() {
        let grads: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).cos()).collect();
        let run = |cut: usize| {
            let (mut p, c) = (vec![0.5f32; 64], AdamW::default());
            let (mut a, mut b) = (Moments::zeros(cut), Moments::zeros(64 - cut));
            for t in 1..20 {
                let (left, right) = p.split_at_mut(cut);
                c.update(t, 1e-2, 0.5, left, &grads[..cut], &mut a).expect("lengths");
                c.update(t, 1e-2, 0.5, right, &grads[cut..], &mut b).expect("lengths");
            }
            p
        };
        assert_eq!(run(0), run(23));
    }

    #[test]
    fn a_state_of_another_model_is_refused() {
        let mut s = Moments::zeros(2);
        let e = AdamW::default().update(1, 0.1, 1.0, &mut [0.0; 3], &[0.0; 3], &mut s).expect_err("two moments");
        assert_eq!(e, AdamWError::Lengths { params: 3, grads: 3, moments: 2 });
        let e = AdamW::default().update(0, 0.1, 1.0, &mut [0.0; 2], &[0.0; 2], &mut s).expect_err("no step 0");
        assert_eq!(e, AdamWError::StepZero);
    }

    #[test]
    fn the_norm_is_global_and_only_long_gradients_are_cut() {
        let grads: [&[f32]; 2] = [&[3.0, 0.0], &[4.0]];
        let clip = Clip::of(grads, Some(1.0)).expect("finite");
        assert_eq!(clip.norm, 5.0);
        assert!((f64::from(clip.scale) - 0.2).abs() < 1e-6);
        assert_eq!(Clip::of(grads, Some(10.0)).map(|c| c.scale), Ok(1.0));
        assert_eq!(Clip::of(grads, None).map(|c| c.scale), Ok(1.0));
        assert!(Clip::of([&[1.0, f32::NAN][..]], None).is_err());
    }
}
