//! Parameters, and where their gradients land.

use crate::error::Result;
use crate::ops::sum::sum;
use candle_core::{DType, Tensor, Var};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A tensor of the model. It is computed with as `value`; where it learns, `slot` is its place among the trained parameters.
pub(crate) struct Param {
    /// Cut from any graph. Shares its storage with the trained variable, or is a copy of it in half precision.
    pub value: Tensor,
    pub slot: Option<usize>,
}

/// A trained variable and, if the model computes in another number format, the copy it computes with.
pub(crate) struct Trained {
    pub var: Var,
    pub copy: Option<Var>,
}

impl Trained {
    /// `value` in the wide format is what learns; `dtype` is what the model computes in.
    pub fn new(value: &Tensor, dtype: DType) -> Result<Trained> {
        let master = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let var = Var::from_tensor(&value.to_dtype(master)?)?;
        let copy = if master == dtype { None } else { Some(Var::from_tensor(&value.to_dtype(dtype)?)?) };
        Ok(Trained { var, copy })
    }

    pub fn value(&self) -> Tensor {
        self.copy.as_ref().unwrap_or(&self.var).as_detached_tensor()
    }

    pub fn refresh(&self) -> Result<()> {
        if let Some(copy) = &self.copy {
            copy.set(&self.var.as_detached_tensor().to_dtype(copy.dtype())?)?;
        }
        Ok(())
    }
}

/// Collects the gradients of trained parameters during a backward pass.
///
/// The model hands candle one node per forward pass and walks its own blocks in the backward, so parameters are no leaves of
/// candle's graph. Their gradients are summed here, which spares a zero fill and an addition for each of them.
pub(crate) struct Sink(Mutex<Vec<Option<Tensor>>>);

impl Sink {
    pub fn new(slots: usize) -> Sink {
        Sink(Mutex::new(vec![None; slots]))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Tensor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to a parameter's gradient, in the wide format.
    pub fn add(&self, slot: usize, gradient: &Tensor) -> Result<()> {
        let gradient = gradient.to_dtype(super::ops::cpu::wide(gradient))?;
        let entry = &mut self.lock()[slot];
        *entry = Some(match entry.take() {
            Some(so_far) => sum(&so_far, &gradient)?,
            None => gradient,
        });
        Ok(())
    }

    /// Empties the sink.
    pub fn take(&self) -> Vec<Option<Tensor>> {
        let mut slots = self.lock();
        let n = slots.len();
        std::mem::replace(&mut *slots, vec![None; n])
    }
}
