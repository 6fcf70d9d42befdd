//! Slices out of CPU tensors, and loops over their rows.

use crate::error::{LmError, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor, WithDType};
use rayon::prelude::*;

/// The number formats that CPU kernels are written for.
pub(crate) trait Real: WithDType {
    fn of(value: f64) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }
    #[inline(always)]
    fn exp(self) -> f32 {
        exp(self)
    }
    fn ln(self) -> f32 {
        f32::ln(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> f64 {
        value
    }
    fn exp(self) -> f64 {
        libm::exp(self)
    }
    fn ln(self) -> f64 {
        libm::log(self)
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
}

/// e^x within 2 ulp on [-87, 88], constant outside; no branch and no table, so that a loop over it becomes vector code, and the
/// same bits on every platform. Range reduction by a two-part ln 2 and a minimax polynomial of degree 7 (Cephes `expf`).
#[inline(always)]
#[allow(clippy::excessive_precision)] // as published
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_375 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_150_0e-4;
    for c in [1.398_199_950_7e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1] {
        p = p * r + c;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    (p * r * r + r + 1.0) * power
}

/// How a step is computed for a tensor.
pub(crate) enum Kernel {
    F32,
    F64,
    /// Half precision on the CPU: computed in f32 and rounded back.
    Widen,
    /// Another device: candle's tensor operations.
    Composed,
}

impl Kernel {
    pub fn of(t: &Tensor) -> Kernel {
        #[cfg(test)]
        if COMPOSED.get() {
            return Kernel::Composed;
        }
        match (t.device(), t.dtype()) {
            (Device::Cpu, DType::F32) => Kernel::F32,
            (Device::Cpu, DType::F64) => Kernel::F64,
            (Device::Cpu, _) => Kernel::Widen,
            _ => Kernel::Composed,
        }
    }
}

#[cfg(test)]
thread_local! {
    static COMPOSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Does some work as another device would: with tensor operations alone.
#[cfg(test)]
pub(crate) fn as_elsewhere<T>(work: impl FnOnce() -> T) -> T {
    COMPOSED.set(true);
    let made = work();
    COMPOSED.set(false);
    made
}

/// Norms, softmaxes and losses are computed in this.
pub(crate) fn wide(t: &Tensor) -> DType {
    if t.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

/// A CPU tensor's values, in order.
pub(crate) fn with_slice<T: Real, R>(t: &Tensor, f: impl FnOnce(&[T]) -> R) -> Result<R> {
    let t = t.contiguous()?;
    let (storage, layout) = t.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => {
            Ok(f(&CpuStorage::as_slice::<T>(cpu)?[layout.start_offset()..][..layout.shape().elem_count()]))
        }
        _ => Err(LmError::misuse("a CPU kernel was given a tensor of another device")),
    }
}

pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Numbers a task works on before it pays to have another.
const TASK: usize = 16 * 1024;

/// Fills `out` row by row: `f(row number, row)`. Rows are shared out among threads, and each is computed by itself, so neither
/// the threads nor the number of rows can change a bit.
pub(crate) fn rows<T: Send>(out: &mut [T], width: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    tasks(out, width, width, f);
}

/// Like [`rows`] where a row of `width` costs as much as one of `work` numbers.
pub(crate) fn tasks<T: Send>(out: &mut [T], width: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let per_task = (TASK / work.max(1)).max(1);
    let task = |(i, block): (usize, &mut [T])| {
        pulp::Arch::new().dispatch(|| {
            for (r, row) in block.chunks_mut(width).enumerate() {
                f(i * per_task + r, row);
            }
        });
    };
    if out.len() <= width * per_task {
        out.chunks_mut(width * per_task).enumerate().for_each(task);
    } else {
        out.par_chunks_mut(width * per_task).enumerate().for_each(task);
    }
}

/// Like [`rows`] with a second output of its own width.
pub(crate) fn rows2<T: Send, U: Send>(
    a: &mut [T],
    a_width: usize,
    b: &mut [U],
    b_width: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    let per_task = (TASK / a_width.max(b_width).max(1)).max(1);
    let task = |(i, (a, b)): (usize, (&mut [T], &mut [U]))| {
        pulp::Arch::new().dispatch(|| {
            for (r, (a, b)) in a.chunks_mut(a_width).zip(b.chunks_mut(b_width)).enumerate() {
                f(i * per_task + r, a, b);
            }
        });
    };
    if a.len() <= TASK {
        a.chunks_mut(a_width * per_task).zip(b.chunks_mut(b_width * per_task)).enumerate().for_each(task);
    } else {
        a.par_chunks_mut(a_width * per_task).zip(b.par_chunks_mut(b_width * per_task)).enumerate().for_each(task);
    }
}

/// Lanes of a sum: the order of additions is fixed here and not by the width of the machine's vectors.
const LANES: usize = 16;

/// Sum of products.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    sum_by(a.len().min(b.len()), |i| a[i] * b[i])
}

/// Sum of `f(0) + ... + f(n - 1)` in a fixed order.
#[inline(always)]
pub(crate) fn sum_by<T: Real>(n: usize, f: impl Fn(usize) -> T) -> T {
    let mut lanes = [T::of(0.0); LANES];
    let full = n / LANES * LANES;
    for i in (0..full).step_by(LANES) {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + l);
        }
    }
    for i in full..n {
        lanes[i - full] += f(i);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            let other = lanes[l + width];
            lanes[l] += other;
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_exponential_is_within_two_units_in_the_last_place() {
        let mut worst = 0f64;
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let truth = libm::exp(x as f64);
            worst = worst.max(((exp(x) as f64 - truth) / truth).abs());
        }
        assert!(worst < 2.0 * f32::EPSILON as f64, "{worst:e}");
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn rows_are_numbered_through_whatever_the_number_of_tasks() {
        for n in [1, 7, 5000] {
            let mut out = vec![0usize; n * 40];
            rows(&mut out, 40, |r, row| row.fill(r));
            assert!(out.iter().enumerate().all(|(i, v)| *v == i / 40));
            let mut b = vec![0usize; n];
            rows2(&mut out, 40, &mut b, 1, |r, a, b| {
                a[0] = r;
                b[0] = r;
            });
            assert!(b.iter().enumerate().all(|(i, v)| *v == i));
        }
    }
}
