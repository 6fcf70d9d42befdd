//! a + factor * b. candle's own sum of large CPU tensors spins on a barrier between threads, which costs more than the sum on a
//! machine that has other work.

use super::cpu::{Kernel, Real, rows, tensor, with_slice};
use crate::error::Result;
use candle_core::Tensor;

/// Numbers a call of the row loop handles.
const BLOCK: usize = 1024;

pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    sum_scaled(a, b, 1.0)
}

/// Shapes and formats are the same.
pub(crate) fn sum_scaled(a: &Tensor, b: &Tensor, factor: f64) -> Result<Tensor> {
    match Kernel::of(a) {
        Kernel::F32 if a.shape() == b.shape() => sum_cpu::<f32>(a, b, factor),
        Kernel::F64 if a.shape() == b.shape() => sum_cpu::<f64>(a, b, factor),
        _ if factor == 1.0 => Ok((a + b)?),
        _ => Ok((a + (b * factor)?)?),
    }
}

fn sum_cpu<T: Real>(a: &Tensor, b: &Tensor, factor: f64) -> Result<Tensor> {
    let factor = T::of(factor);
    let out = with_slice::<T, _>(a, |a| {
        with_slice::<T, _>(b, |b| {
            let mut out = vec![T::of(0.0); a.len()];
            rows(&mut out, BLOCK, |r, out| {
                let (a, b) = (&a[r * BLOCK..][..out.len()], &b[r * BLOCK..][..out.len()]);
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    *out = *a + factor * *b;
                }
            });
            out
        })
    })??;
    tensor(out, a.dims())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn sums_are_candles() -> Result<()> {
        let make = |stream| Tensor::from_vec(crate::weights::normal(9, stream, 70 * 33, 1.0), (70, 33), &Device::Cpu);
        for (dtype, within) in [(DType::F32, 1e-6), (DType::F64, 1e-12), (DType::BF16, 0.1)] {
            let (a, b) = (make(0)?.to_dtype(dtype)?, make(1)?.to_dtype(dtype)?);
            for (ours, theirs) in [(sum(&a, &b)?, (&a + &b)?), (sum_scaled(&a, &b, 0.3)?, (&a + (&b * 0.3)?)?)] {
                let gap = (ours.to_dtype(DType::F64)? - theirs.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?;
                assert!(gap.to_scalar::<f64>()? < within, "{gap}");
            }
        }
        assert!(sum(&make(0)?, &make(1)?.t()?).is_err());
        Ok(())
    }
}
