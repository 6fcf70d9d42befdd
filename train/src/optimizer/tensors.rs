//! The same step where the parameters are: on another device, moments stay there too, and nothing travels but what a checkpoint
//! keeps.

use super::{Optimizer, OptimizerError};
use crate::adamw::{AdamW, AdamWError, BadGradient, Clip, Moments};
use candle_core::{DType, Device, Tensor, Var};
use std::collections::BTreeMap;

/// One tensor in a step: name, parameters (f32), gradient of the same shape.
pub type TensorUpdate<'a> = (&'a str, &'a Var, &'a Tensor);

impl Optimizer {
    /// [`Optimizer::step`] by tensor operations; equal to it but for rounding. Shapes are checked before any parameter is changed.
    pub fn step_tensors(
        &mut self,
        config: &AdamW,
        lr: f64,
        scale: f32,
        tensors: &[TensorUpdate],
    ) -> Result<(), OptimizerError> {
        for (name, var, gradient) in tensors {
            let params = var.elem_count();
            let kept = self.elsewhere.get(*name).map(|m| m[0].elem_count());
            let moments = kept.or(self.moments.get(*name).map(|m| m.m.len())).unwrap_or(params);
            if gradient.dims() != var.dims() || moments != params {
                let why = AdamWError::Lengths { params, grads: gradient.elem_count(), moments };
                return Err(OptimizerError::Tensor { name: (*name).to_owned(), why });
            }
        }
        self.step += 1;
        let t = i32::try_from(self.step).unwrap_or(i32::MAX);
        let (b1, b2) = (config.beta1, config.beta2);
        let (rate, root) = (lr / (1.0 - b1.powi(t)), (1.0 - b2.powi(t)).sqrt());
        for (name, var, gradient) in tensors {
            let [m, v] = self.moved(name, var)?;
            let g = gradient.to_dtype(DType::F32)?.affine(f64::from(scale), 0.0)?;
            let m = (m.affine(b1, 0.0)? + g.affine(1.0 - b1, 0.0)?)?;
            let v = (v.affine(b2, 0.0)? + g.sqr()?.affine(1.0 - b2, 0.0)?)?;
            if lr != 0.0 {
                let change = (&m / v.sqrt()?.affine(1.0 / root, config.eps)?)?.affine(rate, 0.0)?;
                let decayed = var.as_tensor().affine(lr * config.weight_decay, 0.0)?;
                var.set(&(var.as_tensor() - (decayed + change)?)?.detach())?;
            }
            self.elsewhere.insert((*name).to_owned(), [m.detach(), v.detach()]);
        }
        Ok(())
    }

    /// A tensor's moments where its parameters are; zero at first, or what a checkpoint brought.
    fn moved(&mut self, name: &str, var: &Var) -> Result<[Tensor; 2], OptimizerError> {
        if let Some(held) = self.elsewhere.remove(name) {
            return Ok(held);
        }
        Ok(match self.moments.remove(name) {
            Some(Moments { m, v }) => {
                [Tensor::from_vec(m, var.dims(), var.device())?, Tensor::from_vec(v, var.dims(), var.device())?]
            }
            None => {
                let none = Tensor::zeros(var.dims(), DType::F32, var.device())?;
                [none.clone(), none]
            }
        })
    }

    /// Moments that are elsewhere, brought to the host.
    pub(super) fn fetched(&self) -> Result<BTreeMap<String, Moments>, OptimizerError> {
        let host = |t: &Tensor| t.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>();
        let both = |(name, [m, v]): (&String, &[Tensor; 2])| Ok((name.clone(), Moments { m: host(m)?, v: host(v)? }));
        self.elsewhere.iter().map(both).collect()
    }
}

/// [`Clip::of`] by tensor operations: squares are summed in f32, tensor by tensor, and one number travels for each.
pub fn clip(gradients: &[Tensor], most: Option<f64>) -> Result<Result<Clip, BadGradient>, candle_core::Error> {
    let squares = gradients
        .iter()
        .map(|g| g.to_dtype(DType::F32)?.sqr()?.sum_all())
        .collect::<Result<Vec<_>, candle_core::Error>>()?;
    let sums = match squares.is_empty() {
        true => Vec::new(),
        false => Tensor::stack(&squares, 0)?.to_device(&Device::Cpu)?.to_vec1::<f32>()?,
    };
    let roots: Vec<f32> = sums.iter().map(|s| s.sqrt()).collect();
    Ok(Clip::of(roots.iter().map(std::slice::from_ref), most))
}

#[cfg(test)]
mod tests {
    use super::super::tests::train;
    use super::*;

    fn gradient(n: usize, t: u32) -> Result<Tensor, candle_core::Error> {
        let values: Vec<f32> = (0..n).map(|i| ((i as u32 + t) as f32).sin()).collect();
        Tensor::from_vec(values, n, &Device::Cpu)
    }

    fn steps(o: &mut Optimizer, vars: &[Var; 2], steps: std::ops::Range<u32>) -> Result<(), OptimizerError> {
        for t in steps {
            let (a, b) = (gradient(9, t)?, gradient(4, t)?);
            o.step_tensors(&AdamW::default(), 1e-2, 1.0, &[("a", &vars[0], &a), ("b", &vars[1], &b)])?;
        }
        Ok(())
    }

    fn vars() -> Result<[Var; 2], candle_core::Error> {
        Ok([Var::new(&[0.5f32; 9], &Device::Cpu)?, Var::new(&[-0.25f32; 4], &Device::Cpu)?])
    }

    #[test]
    fn tensors_take_the_step_that_slices_take_and_resume_from_bytes_of_either() -> Result<(), OptimizerError> {
        let (mut host, mut a, mut b) = (Optimizer::default(), vec![0.5f32; 9], vec![-0.25f32; 4]);
        train(&mut host, &mut a, &mut b, 0..12);
        let bytes = host.to_bytes()?;
        train(&mut host, &mut a, &mut b, 12..30);
        let near = |o: &Optimizer, vars: &[Var; 2]| -> Result<(), OptimizerError> {
            for (ours, truth) in vars.iter().zip([&a, &b]) {
                for (x, y) in ours.to_vec1::<f32>()?.iter().zip(truth) {
                    assert!((x - y).abs() < 2e-6, "{x} {y}");
                }
            }
            assert_eq!(o.to_bytes()?.len(), bytes.len());
            Ok(())
        };
        // All of it by tensors; cut in the middle and gone on with by tensors; begun by slices and gone on with by tensors.
        let (mut whole, there) = (Optimizer::default(), vars()?);
        steps(&mut whole, &there, 0..30)?;
        near(&whole, &there)?;
        let (mut first, then) = (Optimizer::default(), vars()?);
        steps(&mut first, &then, 0..12)?;
        let mut again = Optimizer::from_bytes(&first.to_bytes()?)?;
        steps(&mut again, &then, 12..30)?;
        assert_eq!(again.to_bytes()?, whole.to_bytes()?);
        let (mut begun, x, y) = (Optimizer::from_bytes(&bytes)?, vec![0.5f32; 9], vec![-0.25f32; 4]);
        let (mut x, mut y) = (x, y);
        train(&mut Optimizer::default(), &mut x, &mut y, 0..12);
        let vars = [Var::from_vec(x, 9, &Device::Cpu)?, Var::from_vec(y, 4, &Device::Cpu)?];
        steps(&mut begun, &vars, 12..30)?;
        near(&begun, &vars)
    }

    #[test]
    fn a_rate_of_zero_changes_no_bit_and_another_shape_is_refused() -> Result<(), OptimizerError> {
        let (mut o, vars) = (Optimizer::default(), vars()?);
        let decaying = AdamW { weight_decay: 0.1, ..AdamW::default() };
        o.step_tensors(&decaying, 0.0, 1.0, &[("a", &vars[0], &gradient(9, 1)?)])?;
        assert_eq!(vars[0].to_vec1::<f32>()?, [0.5; 9]);
        let refused = o.step_tensors(&decaying, 0.1, 1.0, &[("a", &vars[0], &gradient(8, 1)?)]);
        assert!(matches!(refused, Err(OptimizerError::Tensor { name, .. }) if name == "a"));
        assert_eq!(o.step, 1);
        Ok(())
    }

    #[test]
    fn the_norm_is_that_of_slices() -> Result<(), candle_core::Error> {
        let (a, b) = (gradient(9, 1)?, gradient(4, 7)?);
        let (x, y) = (a.to_vec1::<f32>()?, b.to_vec1::<f32>()?);
        let truth = Clip::of([&x[..], &y[..]], Some(0.5));
        let (Ok(truth), Ok(ours)) = (truth, clip(&[a, b], Some(0.5))?) else { panic!("finite gradients") };
        assert!((truth.norm - ours.norm).abs() < 1e-6 && (truth.scale - ours.scale).abs() < 1e-6);
        let nan = Tensor::new(&[f32::NAN], &Device::Cpu)?;
        assert!(clip(&[nan], None)?.is_err());
        Ok(())
    }
}
