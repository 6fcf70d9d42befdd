//! y = x W^T + b + scale (x A^T) B^T. Weights that do not learn cost no gradient.

use super::matmul::matmul;
use super::sum::sum_scaled;
use crate::error::Result;
use crate::params::{Param, Sink};
use candle_core::Tensor;

pub(crate) struct Linear {
    /// [out, in]
    pub weight: Param,
    /// [out]
    pub bias: Option<Param>,
    pub lora: Option<Lora>,
}

/// A low-rank correction.
pub(crate) struct Lora {
    /// [rank, in]
    pub a: Param,
    /// [out, rank], zero at first.
    pub b: Param,
    pub scale: f64,
}

impl Linear {
    /// `x` [N, in] -> [N, out]; `base` leaves the low-rank correction out.
    pub fn forward(&self, x: &Tensor, base: bool) -> Result<Tensor> {
        let mut y = matmul(x, &self.weight.value.t()?)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(&bias.value)?;
        }
        if let Some(lora) = self.lora.as_ref().filter(|_| !base) {
            let correction = matmul(&matmul(x, &lora.a.value.t()?)?, &lora.b.value.t()?)?;
            y = sum_scaled(&y, &correction, lora.scale)?;
        }
        Ok(y)
    }

    /// Gradient of `x` from the gradient `g` [N, out] of the result.
    pub fn back_through(&self, g: &Tensor) -> Result<Tensor> {
        let mut gx = matmul(g, &self.weight.value)?;
        if let Some(lora) = &self.lora {
            gx = sum_scaled(&gx, &matmul(&matmul(g, &lora.b.value)?, &lora.a.value)?, lora.scale)?;
        }
        Ok(gx)
    }

    /// Gradients of whatever learns here, into the sink.
    pub fn collect(&self, x: &Tensor, g: &Tensor, sink: &Sink) -> Result<()> {
        if let Some(slot) = self.weight.slot {
            sink.add(slot, &matmul(&g.t()?, x)?)?;
        }
        if let Some(slot) = self.bias.as_ref().and_then(|b| b.slot) {
            sink.add(slot, &g.to_dtype(super::cpu::wide(g))?.sum(0)?)?;
        }
        let Some(lora) = &self.lora else { return Ok(()) };
        if let Some(slot) = lora.a.slot {
            sink.add(slot, &(matmul(&matmul(g, &lora.b.value)?.t()?, x)? * lora.scale)?)?;
        }
        if let Some(slot) = lora.b.slot {
            sink.add(slot, &(matmul(&g.t()?, &matmul(x, &lora.a.value.t()?)?)? * lora.scale)?)?;
        }
        Ok(())
    }
}
