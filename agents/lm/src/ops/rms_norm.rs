//! y = w * x / sqrt(mean(x^2) + eps), over the last dimension.

use super::cpu::{Kernel, Real, rows, rows2, sum_by, tensor, wide, with_slice};
use crate::error::Result;
use candle_core::{D, Tensor};

/// `x` [.., width], `w` [width]; same shape and format as `x`.
pub(crate) fn forward(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    match Kernel::of(x) {
        Kernel::F32 => forward_cpu::<f32>(x, w, eps),
        Kernel::F64 => forward_cpu::<f64>(x, w, eps),
        Kernel::Widen => Ok(forward(&x.to_dtype(wide(x))?, &w.to_dtype(wide(x))?, eps)?.to_dtype(x.dtype())?),
        Kernel::Composed => forward_composed(x, w, eps),
    }
}

/// Gradients of `x` and, when asked, of `w`, from the gradient `g` of the result.
pub(crate) fn backward(x: &Tensor, w: &Tensor, g: &Tensor, eps: f64, of_w: bool) -> Result<(Tensor, Option<Tensor>)> {
    match Kernel::of(x) {
        Kernel::F32 => backward_cpu::<f32>(x, w, g, eps, of_w),
        Kernel::F64 => backward_cpu::<f64>(x, w, g, eps, of_w),
        Kernel::Widen => {
            let t = wide(x);
            let (gx, gw) = backward(&x.to_dtype(t)?, &w.to_dtype(t)?, &g.to_dtype(t)?, eps, of_w)?;
            Ok((gx.to_dtype(x.dtype())?, gw))
        }
        Kernel::Composed => backward_composed(x, w, g, eps, of_w),
    }
}

fn forward_cpu<T: Real>(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    let width = w.elem_count();
    let out = with_slice::<T, _>(x, |x| {
        with_slice::<T, _>(w, |w| {
            let mut out = vec![T::of(0.0); x.len()];
            rows(&mut out, width, |r, out| norm_row(&x[r * width..][..width], w, eps, out));
            out
        })
    })??;
    tensor(out, x.dims())
}

/// One row; sampling uses it too.
#[inline(always)]
pub(crate) fn norm_row<T: Real>(x: &[T], w: &[T], eps: f64, out: &mut [T]) {
    let scale = inverse_rms(x, eps);
    for ((o, x), w) in out.iter_mut().zip(x).zip(w) {
        *o = *x * scale * *w;
    }
}

#[inline(always)]
fn inverse_rms<T: Real>(x: &[T], eps: f64) -> T {
    let mean = sum_by(x.len(), |i| x[i] * x[i]) / T::of(x.len() as f64);
    T::of(1.0) / (mean + T::of(eps)).sqrt()
}

/// Rows whose share of the weight's gradient is summed together; fixed, so that threads cannot change the sum.
const BLOCK: usize = 128;

fn backward_cpu<T: Real>(x: &Tensor, w: &Tensor, g: &Tensor, eps: f64, of_w: bool) -> Result<(Tensor, Option<Tensor>)> {
    let width = w.elem_count();
    let (gx, gw) = with_slice::<T, _>(x, |x| {
        with_slice::<T, _>(g, |g| {
            with_slice::<T, _>(w, |w| {
                let mut gx = vec![T::of(0.0); x.len()];
                let mut parts = vec![T::of(0.0); x.len().div_ceil(width * BLOCK) * width];
                rows2(&mut gx, width * BLOCK, &mut parts, width, |block, gx, gw| {
                    for (r, gx) in gx.chunks_mut(width).enumerate() {
                        let row = (block * BLOCK + r) * width;
                        let (x, g) = (&x[row..][..width], &g[row..][..width]);
                        let scale = inverse_rms(x, eps);
                        let along = sum_by(width, |i| g[i] * w[i] * x[i]) * scale * scale / T::of(width as f64);
                        for i in 0..width {
                            gx[i] = (g[i] * w[i] - x[i] * along) * scale;
                            gw[i] += g[i] * x[i] * scale;
                        }
                    }
                });
                let mut gw = vec![T::of(0.0); width];
                for part in parts.chunks(width) {
                    gw.iter_mut().zip(part).for_each(|(sum, p)| *sum += *p);
                }
                (gx, gw)
            })
        })
    })???;
    Ok((tensor(gx, x.dims())?, of_w.then(|| tensor(gw, &[width])).transpose()?))
}

fn forward_composed(x: &Tensor, w: &Tensor, eps: f64) -> Result<Tensor> {
    let wx = x.to_dtype(wide(x))?;
    let y = wx.broadcast_mul(&scale_composed(&wx, eps)?)?.broadcast_mul(&w.to_dtype(wide(x))?)?;
    Ok(y.to_dtype(x.dtype())?)
}

fn scale_composed(x: &Tensor, eps: f64) -> Result<Tensor> {
    Ok(((x.sqr()?.mean_keepdim(D::Minus1)?) + eps)?.sqrt()?.recip()?)
}

fn backward_composed(x: &Tensor, w: &Tensor, g: &Tensor, eps: f64, of_w: bool) -> Result<(Tensor, Option<Tensor>)> {
    let t = wide(x);
    let (wx, ww, g) = (x.to_dtype(t)?, w.to_dtype(t)?, g.to_dtype(t)?);
    let scale = scale_composed(&wx, eps)?;
    let unit = wx.broadcast_mul(&scale)?;
    let gu = g.broadcast_mul(&ww)?;
    let along = (&gu * &unit)?.mean_keepdim(D::Minus1)?;
    let gx = (gu - unit.broadcast_mul(&along)?)?.broadcast_mul(&scale)?.to_dtype(x.dtype())?;
    let gw = if of_w { Some((g * unit)?.reshape(((), w.elem_count()))?.sum(0)?) } else { None };
    Ok((gx, gw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::Real;
    use candle_core::{DType, Device};

    #[test]
    fn slices_and_tensor_operations_agree() -> Result<()> {
        let x = Tensor::from_vec(crate::weights::normal(1, 0, 300 * 24, 2.0), (300, 24), &Device::Cpu)?;
        let g = Tensor::from_vec(crate::weights::normal(1, 1, 300 * 24, 1.0), (300, 24), &Device::Cpu)?;
        let w = Tensor::from_vec(crate::weights::normal(1, 2, 24, 1.0), 24, &Device::Cpu)?;
        for (dtype, within) in [(DType::F32, 1e-5), (DType::F64, 1e-12), (DType::BF16, 0.05)] {
            let (x, g, w) = (x.to_dtype(dtype)?, g.to_dtype(dtype)?, w.to_dtype(dtype)?);
            close(&forward(&x, &w, 1e-5)?, &forward_composed(&x, &w, 1e-5)?, within)?;
            let (a, aw) = backward(&x, &w, &g, 1e-5, true)?;
            let (b, bw) = backward_composed(&x, &w, &g, 1e-5, true)?;
            close(&a, &b, within)?;
            close(&aw.unwrap(), &bw.unwrap(), within * 20.0)?;
        }
        assert_eq!(f32::of(0.5), 0.5);
        Ok(())
    }

    fn close(a: &Tensor, b: &Tensor, within: f64) -> Result<()> {
        let gap =
            (a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f64>()?;
        assert!(gap < within, "{gap} not within {within}");
        Ok(())
    }
}
