//! silu(gate) * up, where silu(x) = x / (1 + e^-x).

use super::cpu::{Kernel, Real, rows, tensor, wide, with_slice};
use crate::error::Result;
use candle_core::Tensor;

pub(crate) fn forward(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    match Kernel::of(gate) {
        Kernel::F32 => forward_cpu::<f32>(gate, up),
        Kernel::F64 => forward_cpu::<f64>(gate, up),
        Kernel::Widen => Ok(forward(&gate.to_dtype(wide(gate))?, &up.to_dtype(wide(gate))?)?.to_dtype(gate.dtype())?),
        Kernel::Composed => forward_composed(gate, up),
    }
}

/// The result again (the projection after it needs it for its weight), and the gradients of both inputs.
pub(crate) fn backward(gate: &Tensor, up: &Tensor, g: &Tensor) -> Result<[Tensor; 3]> {
    match Kernel::of(gate) {
        Kernel::F32 => backward_cpu::<f32>(gate, up, g),
        Kernel::F64 => backward_cpu::<f64>(gate, up, g),
        Kernel::Widen => {
            let t = wide(gate);
            let [y, a, b] = backward(&gate.to_dtype(t)?, &up.to_dtype(t)?, &g.to_dtype(t)?)?;
            Ok([y.to_dtype(gate.dtype())?, a.to_dtype(gate.dtype())?, b.to_dtype(gate.dtype())?])
        }
        Kernel::Composed => backward_composed(gate, up, g),
    }
}

#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    T::of(1.0) / (T::of(1.0) + (T::of(0.0) - x).exp())
}

#[inline(always)]
pub(crate) fn gated<T: Real>(gate: T, up: T) -> T {
    gate * sigmoid(gate) * up
}

/// Numbers a call of the row loop handles.
const BLOCK: usize = 1024;

fn forward_cpu<T: Real>(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let out = with_slice::<T, _>(gate, |gate| {
        with_slice::<T, _>(up, |up| {
            let mut out = vec![T::of(0.0); gate.len()];
            rows(&mut out, BLOCK, |r, out| {
                let n = out.len();
                let (gate, up) = (&gate[r * BLOCK..][..n], &up[r * BLOCK..][..n]);
                for i in 0..n {
                    out[i] = gated(gate[i], up[i]);
                }
            });
            out
        })
    })??;
    tensor(out, gate.dims())
}

fn backward_cpu<T: Real>(gate: &Tensor, up: &Tensor, g: &Tensor) -> Result<[Tensor; 3]> {
    let [y, a, b] = with_slice::<T, _>(gate, |gate| {
        with_slice::<T, _>(up, |up| {
            with_slice::<T, _>(g, |g| {
                let n = gate.len();
                let (mut y, mut a, mut b) = (vec![T::of(0.0); n], vec![T::of(0.0); n], vec![T::of(0.0); n]);
                let mut all: Vec<[&mut [T]; 3]> = y
                    .chunks_mut(BLOCK)
                    .zip(a.chunks_mut(BLOCK))
                    .zip(b.chunks_mut(BLOCK))
                    .map(|((y, a), b)| [y, a, b])
                    .collect();
                super::cpu::tasks(&mut all, 1, 3 * BLOCK, |r, out| {
                    let [y, a, b] = &mut out[0];
                    let m = y.len();
                    let (gate, up, g) = (&gate[r * BLOCK..][..m], &up[r * BLOCK..][..m], &g[r * BLOCK..][..m]);
                    let (y, a, b) = (&mut y[..m], &mut a[..m], &mut b[..m]);
                    for i in 0..m {
                        let s = sigmoid(gate[i]);
                        let silu = gate[i] * s;
                        y[i] = silu * up[i];
                        // d silu = s + silu (1 - s)
                        a[i] = g[i] * up[i] * (s + silu * (T::of(1.0) - s));
                        b[i] = g[i] * silu;
                    }
                });
                [y, a, b]
            })
        })
    })???;
    Ok([tensor(y, gate.dims())?, tensor(a, gate.dims())?, tensor(b, gate.dims())?])
}

fn sigmoid_composed(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

fn forward_composed(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    let g = gate.to_dtype(wide(gate))?;
    Ok((&g * sigmoid_composed(&g)? * up.to_dtype(wide(gate))?)?.to_dtype(gate.dtype())?)
}

fn backward_composed(gate: &Tensor, up: &Tensor, g: &Tensor) -> Result<[Tensor; 3]> {
    let (dtype, t) = (gate.dtype(), wide(gate));
    let (gate, up, g) = (gate.to_dtype(t)?, up.to_dtype(t)?, g.to_dtype(t)?);
    let s = sigmoid_composed(&gate)?;
    let silu = (&gate * &s)?;
    let slope = (&s + (&silu - (&silu * &s)?)?)?;
    let a = ((&g * &up)? * slope)?;
    Ok([(&silu * &up)?.to_dtype(dtype)?, a.to_dtype(dtype)?, (g * silu)?.to_dtype(dtype)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn slices_and_tensor_operations_agree() -> Result<()> {
        let make = |stream| Tensor::from_vec(crate::weights::normal(2, stream, 70 * 33, 3.0), (70, 33), &Device::Cpu);
        for (dtype, within) in [(DType::F32, 1e-4), (DType::F64, 1e-12), (DType::BF16, 0.5)] {
            let [gate, up, g] = [make(0)?.to_dtype(dtype)?, make(1)?.to_dtype(dtype)?, make(2)?.to_dtype(dtype)?];
            let mut pairs = vec![(forward(&gate, &up)?, forward_composed(&gate, &up)?)];
            pairs.extend(backward(&gate, &up, &g)?.into_iter().zip(backward_composed(&gate, &up, &g)?));
            for (a, b) in pairs {
                let gap = (a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?;
                assert!(gap.to_scalar::<f64>()? < within, "{gap}");
            }
        }
        Ok(())
    }
}
