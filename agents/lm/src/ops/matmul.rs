//! Matrix products on the CPU in f32.
//!
//! Why not candle's: it asks /proc/cpuinfo for the number of cores before every product unless RAYON_NUM_THREADS is set (0.1 ms
//! each, more than a small product takes), and its kernel is chosen by the number of rows, so that a row's last bits can depend
//! on how many rows are computed beside it. Here every number of the result is one chain of multiply-adds over k = 0, 1, 2, ...,
//! whatever the shape, the blocking and the threads: one row gives the same bits alone and among hundreds. (Machines with fused
//! multiply-add round differently from machines without.)

use super::cpu::{rows, tensor, with_slice};
use crate::error::{LmError, Result};
use candle_core::{DType, Device, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// a [m, k] times b [k, n]. Plain and transposed matrices are read as they lie. f32 and f64 on the CPU are computed here (f64,
/// which serves tests, plainly), all else by candle.
pub(crate) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ((m, k), (k2, n)) = (a.dims2()?, b.dims2()?);
    if k != k2 || a.dtype() != b.dtype() {
        return Err(LmError::misuse(format!(
            "a product of {:?} [{m}, {k}] and {:?} [{k2}, {n}]",
            a.dtype(),
            b.dtype()
        )));
    }
    match (a.device(), a.dtype()) {
        (Device::Cpu, DType::F32) => {}
        (Device::Cpu, DType::F64) => return plainly(&a.contiguous()?, &b.contiguous()?, n),
        _ => return Ok(a.matmul(b)?),
    }
    let (a, a_turned) = plain(a)?;
    let (b, b_turned) = plain(b)?;
    let panels = with_slice::<f32, _>(&b, |b| Panels::new(b, k, n, b_turned))?;
    let out = with_slice::<f32, _>(&a, |a| panels.times(Left { values: a, rows: m, turned: a_turned }))?;
    tensor(out, &[m, n])
}

fn plainly(a: &Tensor, b: &Tensor, n: usize) -> Result<Tensor> {
    let (m, k) = a.dims2()?;
    let mut out = vec![0f64; m * n];
    with_slice::<f64, _>(a, |a| {
        with_slice::<f64, _>(b, |b| {
            rows(&mut out, n, |i, out| {
                for (a, b) in a[i * k..][..k].iter().zip(b.chunks(n)) {
                    out.iter_mut().zip(b).for_each(|(out, b)| *out += a * b);
                }
            });
        })
    })??;
    tensor(out, &[m, n])
}

/// A matrix, or the matrix it is the transpose of: something that lies row by row.
fn plain(t: &Tensor) -> Result<(Tensor, bool)> {
    let turned = t.t()?;
    match t.is_contiguous() || !turned.is_contiguous() {
        true => Ok((t.contiguous()?, false)),
        false => Ok((turned, true)),
    }
}

/// Rows of the left matrix that a tile holds.
const TILE: usize = 6;
/// Depth of a block: its accumulators go on from what the last block stored, so it changes no bit.
const DEPTH: usize = 1024;
/// Numbers of the right matrix that stay in the second-level cache while tiles pass over them.
const CACHED: usize = 64 * 1024;
/// Multiply-adds that are worth another thread.
const WORTH_SHARING: usize = 1 << 19;
/// Rows a task takes.
const TASK_ROWS: usize = 24;

/// Numbers that a tile is wide: two vectors of this machine.
fn width() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    2 * Arch::new().dispatch(Lanes)
}

/// A right-hand matrix [k, n], cut into panels as wide as a tile; the last is padded with zeros.
pub(crate) struct Panels {
    k: usize,
    n: usize,
    width: usize,
    /// [panel, k, width]
    values: Vec<f32>,
}

/// A left-hand matrix [rows, k], lying as its transpose when `turned`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub turned: bool,
}

impl Panels {
    /// From [k, n], or from [n, k] when `turned`.
    pub fn new(values: &[f32], k: usize, n: usize, turned: bool) -> Panels {
        let width = width();
        let mut out = vec![0.0; n.div_ceil(width) * k * width];
        rows(&mut out, k * width, |p, panel| {
            let columns = p * width..n.min((p + 1) * width);
            if turned {
                for (j, column) in columns.enumerate() {
                    let from = &values[column * k..][..k];
                    for (row, x) in panel.chunks_exact_mut(width).zip(from) {
                        row[j] = *x;
                    }
                }
            } else {
                for (i, row) in panel.chunks_exact_mut(width).enumerate() {
                    row[..columns.len()].copy_from_slice(&values[i * n..][columns.clone()]);
                }
            }
        });
        Panels { k, n, width, values: out }
    }

    /// left [rows, k] times this, row by row.
    pub fn times(&self, left: Left) -> Vec<f32> {
        let (m, n) = (left.rows, self.n);
        let mut out = vec![0.0; m * n];
        let all = 0..n.div_ceil(self.width);
        if m * n * self.k < 2 * WORTH_SHARING {
            Arch::new().dispatch(Task { left, first: 0, right: self, panels: all, out: &mut out, stride: n });
        } else if m >= 4 * TASK_ROWS {
            out.par_chunks_mut(TASK_ROWS * n).enumerate().for_each(|(i, out)| {
                let task = Task { left, first: i * TASK_ROWS, right: self, panels: all.clone(), out, stride: n };
                Arch::new().dispatch(task);
            });
        } else {
            // Few rows: share out the columns, and put the pieces together.
            let each = (WORTH_SHARING / (m * self.k * self.width).max(1)).max(1);
            let starts: Vec<usize> = all.clone().step_by(each).collect();
            let pieces: Vec<Vec<f32>> = starts
                .par_iter()
                .map(|start| {
                    let panels = *start..all.end.min(start + each);
                    let stride = n.min(panels.end * self.width) - start * self.width;
                    let mut out = vec![0.0; m * stride];
                    Arch::new().dispatch(Task { left, first: 0, right: self, panels, out: &mut out, stride });
                    out
                })
                .collect();
            for (start, piece) in starts.iter().zip(&pieces) {
                let stride = piece.len() / m;
                for (row, piece) in out.chunks_mut(n).zip(piece.chunks(stride)) {
                    row[start * self.width..][..stride].copy_from_slice(piece);
                }
            }
        }
        out
    }
}

/// Some rows of the result, from row `first` of the left matrix on, times some panels.
struct Task<'a> {
    left: Left<'a>,
    first: usize,
    right: &'a Panels,
    panels: std::ops::Range<usize>,
    /// Rows of `stride` numbers: the columns of the panels.
    out: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { left, first, right, panels, out, stride } = self;
        let k = right.k;
        let mut tile = vec![0.0; TILE * k.min(DEPTH)];
        for depth in (0..k).step_by(DEPTH) {
            let deep = DEPTH.min(k - depth);
            let group = (CACHED / (deep * right.width)).max(1);
            for start in panels.clone().step_by(group) {
                let some = start..panels.end.min(start + group);
                for (t, out) in out.chunks_mut(TILE * stride).enumerate() {
                    let row = first + t * TILE;
                    let place = Place { right, panels: some.clone(), origin: panels.start, depth, deep, stride };
                    match out.len() / stride {
                        6 => place.tile::<S, 6>(simd, left, row, &mut tile, out),
                        5 => place.tile::<S, 5>(simd, left, row, &mut tile, out),
                        4 => place.tile::<S, 4>(simd, left, row, &mut tile, out),
                        3 => place.tile::<S, 3>(simd, left, row, &mut tile, out),
                        2 => place.tile::<S, 2>(simd, left, row, &mut tile, out),
                        _ => place.tile::<S, 1>(simd, left, row, &mut tile, out),
                    }
                }
            }
        }
    }
}

/// Where in the product a tile works.
struct Place<'a> {
    right: &'a Panels,
    panels: std::ops::Range<usize>,
    /// The panel that stands first in the output.
    origin: usize,
    depth: usize,
    deep: usize,
    stride: usize,
}

impl Place<'_> {
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(&self, simd: S, left: Left, row: usize, tile: &mut [f32], out: &mut [f32]) {
        let (k, width) = (self.right.k, self.right.width);
        // The tile lies step by step: R numbers for k = depth, R for the next.
        let (steps, _) = tile[..R * self.deep].as_chunks_mut::<R>();
        if left.turned {
            for (i, step) in steps.iter_mut().enumerate() {
                step.copy_from_slice(&left.values[(self.depth + i) * left.rows + row..][..R]);
            }
        } else {
            for r in 0..R {
                let from = &left.values[(row + r) * k + self.depth..][..self.deep];
                for (step, x) in steps.iter_mut().zip(from) {
                    step[r] = *x;
                }
            }
        }
        for p in self.panels.clone() {
            let panel = &self.right.values[(p * k + self.depth) * width..][..self.deep * width];
            let (panel, _) = S::as_simd_f32s(panel);
            let (panel, _) = panel.as_chunks::<2>();
            let at = (p - self.origin) * width;
            let wide = width.min(self.stride - at);
            let mut sums = [[simd.splat_f32s(0.0); 2]; R];
            if self.depth > 0 {
                for (r, sum) in sums.iter_mut().enumerate() {
                    pulp::bytemuck::cast_slice_mut::<S::f32s, f32>(sum)[..wide]
                        .copy_from_slice(&out[r * self.stride + at..][..wide]);
                }
            }
            for (step, b) in steps.iter().zip(panel) {
                for (sum, x) in sums.iter_mut().zip(step) {
                    let x = simd.splat_f32s(*x);
                    sum[0] = simd.mul_add_e_f32s(x, b[0], sum[0]);
                    sum[1] = simd.mul_add_e_f32s(x, b[1], sum[1]);
                }
            }
            for (r, sum) in sums.iter().enumerate() {
                let sum = pulp::bytemuck::cast_slice::<S::f32s, f32>(sum);
                out[r * self.stride + at..][..wide].copy_from_slice(&sum[..wide]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::normal;

    fn matrix(stream: u64, rows: usize, columns: usize) -> Result<Tensor> {
        Ok(Tensor::from_vec(normal(8, stream, rows * columns, 1.0), (rows, columns), &Device::Cpu)?)
    }

    #[test]
    fn products_of_any_shape_and_orientation_are_candles() -> Result<()> {
        for (m, k, n) in
            [(1, 1, 1), (7, 5, 33), (64, 48, 16), (130, 2100, 40), (5, 300, 700), (1, 64, 3000), (200, 70, 90)]
        {
            let (a, b) = (matrix(0, m, k)?, matrix(1, k, n)?);
            let truth = a.to_dtype(DType::F64)?.matmul(&b.to_dtype(DType::F64)?)?;
            let (at, bt) = (a.t()?.contiguous()?, b.t()?.contiguous()?);
            for (a, b) in [(a.clone(), b.clone()), (at.t()?, b.clone()), (a.clone(), bt.t()?), (at.t()?, bt.t()?)] {
                let gap = (matmul(&a, &b)?.to_dtype(DType::F64)? - &truth)?.abs()?.flatten_all()?.max(0)?;
                assert!(gap.to_scalar::<f64>()? < 2e-6 * k as f64, "{m} {k} {n}: {gap}");
            }
        }
        assert!(matmul(&matrix(0, 2, 3)?, &matrix(1, 4, 2)?).is_err());
        Ok(())
    }

    #[test]
    fn a_row_has_the_same_bits_alone_and_among_others() -> Result<()> {
        for (k, n) in [(48, 40), (576, 1536), (1536, 576), (2500, 30)] {
            let (a, b) = (matrix(2, 200, k)?, matrix(3, n, k)?);
            let all = matmul(&a, &b.t()?)?.to_vec2::<f32>()?;
            for (start, rows) in [(0, 1), (3, 1), (5, 2), (0, 5), (1, 64), (17, 96), (0, 199)] {
                let some = matmul(&a.narrow(0, start, rows)?, &b.t()?)?.to_vec2::<f32>()?;
                assert_eq!(some, all[start..start + rows], "{k} {n} {start} {rows}");
            }
        }
        Ok(())
    }
}
