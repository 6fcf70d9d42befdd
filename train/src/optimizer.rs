//! AdamW over a model's named tensors, and its state as bytes for a checkpoint.

mod tensors;

use crate::adamw::{AdamW, AdamWError, Moments};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// State of a run's optimiser. Tensors are known by name, so their order does not matter.
#[derive(Clone, Debug, Default)]
pub struct Optimizer {
    /// Steps taken.
    pub step: u64,
    moments: BTreeMap<String, Moments>,
    /// Moments that are kept where the parameters are: first and second.
    elsewhere: BTreeMap<String, [Tensor; 2]>,
}

pub use tensors::{TensorUpdate, clip};

/// One tensor in a step: name, parameters, gradient.
pub type Update<'a> = (&'a str, &'a mut [f32], &'a [f32]);

/// Why a step was not taken or a state not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptimizerError {
    #[error("tensor `{name}`: {why}")]
    Tensor { name: String, why: AdamWError },
    #[error(
        "the optimiser state is cut short or is no optimiser state (at byte {0})\nhint: resume from another checkpoint"
    )]
    Bytes(usize),
    #[error("the device failed in a step of the optimiser: {0}")]
    Device(String),
}

impl From<candle_core::Error> for OptimizerError {
    fn from(e: candle_core::Error) -> OptimizerError {
        OptimizerError::Device(e.to_string())
    }
}

const MAGIC: &[u8; 8] = b"bsadamw1";

impl Optimizer {
    /// One step over all tensors; moments of a tensor seen for the first time start at 0. Lengths are checked before any
    /// parameter is changed.
    pub fn step(&mut self, config: &AdamW, lr: f64, scale: f32, tensors: &mut [Update]) -> Result<(), OptimizerError> {
        if !self.elsewhere.is_empty() {
            let fetched = self.fetched()?;
            self.moments.extend(fetched);
            self.elsewhere.clear();
        }
        for (name, params, grads) in tensors.iter() {
            let moments = self.moments.get(*name).map_or(params.len(), |m| m.m.len());
            if grads.len() != params.len() || moments != params.len() {
                let why = AdamWError::Lengths { params: params.len(), grads: grads.len(), moments };
                return Err(OptimizerError::Tensor { name: (*name).to_owned(), why });
            }
        }
        self.step += 1;
        for (name, params, grads) in tensors {
            let moments = self.moments.entry((*name).to_owned()).or_insert_with(|| Moments::zeros(params.len()));
            let done = config.update(self.step, lr, scale, params, grads, moments);
            done.map_err(|why| OptimizerError::Tensor { name: (*name).to_owned(), why })?;
        }
        Ok(())
    }

    /// Little-endian: magic, step, count, then for each tensor its name, length, first and second moments.
    pub fn to_bytes(&self) -> Result<Vec<u8>, OptimizerError> {
        let fetched = self.fetched()?;
        let moments: BTreeMap<&String, &Moments> = self.moments.iter().chain(&fetched).collect();
        let mut out = MAGIC.to_vec();
        out.extend(self.step.to_le_bytes());
        out.extend((moments.len() as u64).to_le_bytes());
        for (name, Moments { m, v }) in moments {
            out.extend((name.len() as u64).to_le_bytes());
            out.extend(name.as_bytes());
            out.extend((m.len() as u64).to_le_bytes());
            out.extend(m.iter().chain(v).flat_map(|x| x.to_le_bytes()));
        }
        Ok(out)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Optimizer, OptimizerError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(OptimizerError::Bytes(0));
        }
        let mut out = Optimizer { step: reader.number()? as u64, ..Optimizer::default() };
        for _ in 0..reader.number()? {
            let at = reader.at;
            let length = reader.number()?;
            let name = std::str::from_utf8(reader.take(length)?).map_err(|_| OptimizerError::Bytes(at))?.to_owned();
            let length = reader.number()?;
            let moments = Moments { m: reader.floats(length)?, v: reader.floats(length)? };
            out.moments.insert(name, moments);
        }
        if reader.at == bytes.len() { Ok(out) } else { Err(OptimizerError::Bytes(reader.at)) }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], OptimizerError> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(OptimizerError::Bytes(self.at))?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn number(&mut self) -> Result<usize, OptimizerError> {
        let at = self.at;
        let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| OptimizerError::Bytes(at))?;
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| OptimizerError::Bytes(at))
    }

    fn floats(&mut self, n: usize) -> Result<Vec<f32>, OptimizerError> {
        let bytes = self.take(n.checked_mul(4).ok_or(OptimizerError::Bytes(self.at))?)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn train(optimizer: &mut Optimizer, a: &mut [f32], b: &mut [f32], steps: std::ops::Range<u32>) {
        for t in steps {
            let grads = |n: usize| (0..n).map(|i| ((i as u32 + t) as f32).sin()).collect::<Vec<f32>>();
            let (ga, gb) = (grads(a.len()), grads(b.len()));
            let mut tensors: [Update; 2] = [("a", &mut *a, &ga), ("b", &mut *b, &gb)];
            optimizer.step(&AdamW::default(), 1e-2, 1.0, &mut tensors).expect("lengths");
        }
    }

    #[test]
    fn a_run_resumed_from_bytes_ends_in_the_same_bits() {
        let run = |cut: u32| {
            let (mut o, mut a, mut b) = (Optimizer::default(), vec![0.5f32; 9], vec![-0.25f32; 4]);
            train(&mut o, &mut a, &mut b, 0..cut);
            let mut o = Optimizer::from_bytes(&o.to_bytes().expect("on the host")).expect("its own bytes");
            train(&mut o, &mut a, &mut b, cut..30);
            (o.step, o.to_bytes(), a, b)
        };
        assert_eq!(run(0), run(17));
        assert_eq!(run(30).0, 30);
    }

    #[test]
    fn bytes_cut_anywhere_are_refused() {
        let (mut o, mut a, mut b) = (Optimizer::default(), vec![0.5f32; 3], vec![1.0f32; 2]);
        train(&mut o, &mut a, &mut b, 0..3);
        let bytes = o.to_bytes().expect("on the host");
        assert!((0..bytes.len()).all(|n| Optimizer::from_bytes(&bytes[..n]).is_err()));
        assert!(Optimizer::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let mut huge = bytes.clone();
        huge[16..24].fill(0xff);
        assert!(Optimizer::from_bytes(&huge).is_err(), "a count beyond the bytes");
    }

    #[test]
    fn a_tensor_of_another_shape_is_refused_before_anything_changes() {
        let (mut o, mut a, mut b) = (Optimizer::default(), vec![0.5f32; 3], vec![1.0f32; 2]);
        train(&mut o, &mut a, &mut b, 0..1);
        let before = (o.to_bytes(), a.clone());
        let mut wide = [0.0f32; 5];
        let refused = o.step(&AdamW::default(), 0.1, 1.0, &mut [("a", &mut a, &[1.0; 3]), ("b", &mut wide, &[1.0; 5])]);
        assert!(matches!(refused, Err(OptimizerError::Tensor { name, .. }) if name == "b"));
        assert_eq!((o.to_bytes(), a), before);
    }
}
