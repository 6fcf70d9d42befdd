//! Rotary positions: number i of a head and number i + half turn together by the angle position / theta^(2 i / head_dim). The
//! backward is the turn back.

use super::cpu::{Kernel, Real, rows, tensor, wide, with_slice};
use crate::config::LmConfig;
use crate::error::{LmError, Result};
use candle_core::{DType, Device, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

/// Cosines and sines [positions, head_dim / 2], made when first needed and then kept.
pub(crate) struct Rope {
    head_dim: usize,
    theta: f64,
    limit: usize,
    dtype: DType,
    device: Device,
    table: Mutex<Option<Arc<Table>>>,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub cos: Tensor,
    pub sin: Tensor,
}

impl Rope {
    pub fn new(config: &LmConfig, dtype: DType, device: &Device) -> Rope {
        let dtype = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let (head_dim, theta, limit) = (config.head_dim, config.rope_theta, config.max_position_embeddings);
        Rope { head_dim, theta, limit, dtype, device: device.clone(), table: Mutex::new(None) }
    }

    /// A table of at least `n` positions.
    pub fn upto(&self, n: usize) -> Result<Arc<Table>> {
        if n > self.limit {
            return Err(LmError::misuse(format!("position {} in a model of {} positions", n - 1, self.limit)));
        }
        let mut held = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = held.as_ref().filter(|t| t.cos.dims()[0] >= n) {
            return Ok(table.clone());
        }
        let (n, half) = (n.next_power_of_two().max(256).min(self.limit), self.head_dim / 2);
        let mut angles = Vec::with_capacity(n * half);
        for position in 0..n {
            for i in 0..half {
                angles.push(position as f64 / libm::pow(self.theta, 2.0 * i as f64 / self.head_dim as f64));
            }
        }
        let make = |f: fn(f64) -> f64| -> Result<Tensor> {
            let values: Vec<f64> = angles.iter().map(|a| f(*a)).collect();
            Ok(Tensor::from_vec(values, (n, half), &Device::Cpu)?.to_dtype(self.dtype)?.to_device(&self.device)?)
        };
        let table = Arc::new(Table { cos: make(libm::cos)?, sin: make(libm::sin)? });
        *held = Some(table.clone());
        Ok(table)
    }
}

/// Which way to turn.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Turn {
    Forward,
    Back,
}

/// `x` [N, heads * head_dim], each row at its position.
pub(crate) fn turn(x: &Tensor, table: &Table, positions: &[u32], way: Turn) -> Result<Tensor> {
    match Kernel::of(x) {
        Kernel::F32 => turn_cpu::<f32>(x, table, positions, way),
        Kernel::F64 => turn_cpu::<f64>(x, table, positions, way),
        Kernel::Widen => Ok(turn(&x.to_dtype(wide(x))?, table, positions, way)?.to_dtype(x.dtype())?),
        Kernel::Composed => turn_composed(x, table, positions, way),
    }
}

/// The heads of one token, in place.
#[inline(always)]
pub(crate) fn turn_row<T: Real>(x: &mut [T], cos: &[T], sin: &[T], way: Turn) {
    let half = cos.len();
    let sign = T::of(if way == Turn::Forward { 1.0 } else { -1.0 });
    for head in x.chunks_exact_mut(2 * half) {
        let (low, high) = head.split_at_mut(half);
        for i in 0..half {
            let (a, b, c, s) = (low[i], high[i], cos[i], sin[i] * sign);
            low[i] = a * c - b * s;
            high[i] = b * c + a * s;
        }
    }
}

fn turn_cpu<T: Real>(x: &Tensor, table: &Table, positions: &[u32], way: Turn) -> Result<Tensor> {
    let width = x.dims()[1];
    let half = table.cos.dims()[1];
    let out = with_slice::<T, _>(x, |x| {
        with_slice::<T, _>(&table.cos, |cos| {
            with_slice::<T, _>(&table.sin, |sin| {
                let mut out = vec![T::of(0.0); x.len()];
                rows(&mut out, width, |r, out| {
                    let at = positions[r] as usize * half;
                    out.copy_from_slice(&x[r * width..][..width]);
                    turn_row(out, &cos[at..][..half], &sin[at..][..half], way);
                });
                out
            })
        })
    })???;
    tensor(out, x.dims())
}

fn turn_composed(x: &Tensor, table: &Table, positions: &[u32], way: Turn) -> Result<Tensor> {
    let (n, width) = x.dims2()?;
    let half = table.cos.dims()[1];
    let at = Tensor::new(positions, x.device())?;
    let cos = table.cos.index_select(&at, 0)?.reshape((n, 1, half))?;
    let sin = table.sin.index_select(&at, 0)?.reshape((n, 1, half))?;
    let sin = if way == Turn::Forward { sin } else { sin.neg()? };
    let heads = x.to_dtype(wide(x))?.reshape((n, width / (2 * half), 2 * half))?;
    let (low, high) = (heads.narrow(2, 0, half)?, heads.narrow(2, half, half)?);
    let turned_low = (low.broadcast_mul(&cos)? - high.broadcast_mul(&sin)?)?;
    let turned_high = (high.broadcast_mul(&cos)? + low.broadcast_mul(&sin)?)?;
    Ok(Tensor::cat(&[turned_low, turned_high], 2)?.reshape((n, width))?.to_dtype(x.dtype())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
        let gap = (a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?;
        Ok(gap.to_scalar::<f64>()?)
    }

    #[test]
    fn turning_there_and_back_changes_nothing_and_both_ways_of_computing_agree() -> Result<()> {
        let config = crate::testing::tiny("llama");
        let positions: Vec<u32> = (0..37).map(|i| (i * 7) % 60).collect();
        for (dtype, within) in [(DType::F32, 1e-5), (DType::F64, 1e-12), (DType::BF16, 0.05)] {
            let table = Rope::new(&config, dtype, &Device::Cpu).upto(60)?;
            let x = Tensor::from_vec(
                crate::weights::normal(3, 0, 37 * 3 * config.head_dim, 1.0),
                (37, 3 * config.head_dim),
                &Device::Cpu,
            )?;
            let x = x.to_dtype(dtype)?;
            let there = turn(&x, &table, &positions, Turn::Forward)?;
            assert!(gap(&there, &x)? > 0.1);
            assert!(gap(&turn(&there, &table, &positions, Turn::Back)?, &x)? < within);
            assert!(gap(&there, &turn_composed(&x, &table, &positions, Turn::Forward)?)? < within);
            assert!(gap(&turn_composed(&there, &table, &positions, Turn::Back)?, &x)? < within);
        }
        Ok(())
    }

    #[test]
    fn a_position_past_the_models_last_is_refused() {
        let rope = Rope::new(
            &LmConfig { max_position_embeddings: 300, ..crate::testing::tiny("llama") },
            DType::F32,
            &Device::Cpu,
        );
        assert!(rope.upto(300).is_ok());
        assert!(rope.upto(301).unwrap_err().to_string().contains("300 positions"));
    }
}
