//! Attention as a composition of candle's tensor operations, part by part; probabilities are computed anew on the way back.

use super::attention::{Heads, parts, seen_before};
use super::cpu::wide;
use crate::error::Result;
use crate::packed::SequenceSpan;
use candle_core::{DType, Device, Tensor};
use std::ops::Range;

/// A part of a sequence as candle tensors: queries [kv, group * tokens, dim], keys and values [kv, keys, dim], and what a
/// query must not see [tokens, keys].
struct Composed {
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
}

fn split(x: &Tensor, range: &Range<usize>, kv: usize, group: usize, dim: usize) -> Result<Tensor> {
    let rows = x.narrow(0, range.start, range.len())?.reshape((range.len(), kv, group, dim))?;
    Ok(rows.permute((1, 2, 0, 3))?.contiguous()?.reshape((kv, group * range.len(), dim))?)
}

fn join(x: &Tensor, tokens: usize, heads: Heads, group: usize) -> Result<Tensor> {
    let x = x.reshape((heads.kv, group, tokens, heads.dim))?.permute((2, 0, 1, 3))?.contiguous()?;
    Ok(x.reshape((tokens, heads.kv * group * heads.dim))?)
}

fn composed([q, k, v]: [&Tensor; 3], span: &SequenceSpan, part: &Range<usize>, heads: Heads) -> Result<Composed> {
    let before = seen_before(span, part);
    let prefix = span.prefix.start..span.prefix.start + before;
    let all = |x: &Tensor| -> Result<Tensor> {
        let own = split(x, part, heads.kv, 1, heads.dim)?;
        if before == 0 {
            return Ok(own);
        }
        Ok(Tensor::cat(&[split(x, &prefix, heads.kv, 1, heads.dim)?, own], 1)?)
    };
    let (tokens, keys) = (part.len(), before + part.len());
    let mask: Vec<f32> =
        (0..tokens * keys).map(|i| if i % keys > before + i / keys { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (tokens, keys), &Device::Cpu)?.to_dtype(wide(q))?.to_device(q.device())?;
    let queries = split(q, part, heads.kv, heads.group, heads.dim)?;
    Ok(Composed { queries, keys: all(k)?, values: all(v)?, mask })
}

impl Composed {
    /// [kv, group * tokens, keys] in the wide format.
    fn probabilities(&self, heads: Heads) -> Result<Tensor> {
        let (tokens, keys) = self.mask.dims2()?;
        let scores = (self.queries.matmul(&self.keys.t()?)?.to_dtype(self.mask.dtype())? * heads.scale())?;
        let scores = scores.reshape((heads.kv, heads.group, tokens, keys))?.broadcast_add(&self.mask)?;
        Ok(candle_nn::ops::softmax_last_dim(&scores)?.reshape((heads.kv, heads.group * tokens, keys))?)
    }
}

pub(crate) fn forward(q: &Tensor, k: &Tensor, v: &Tensor, spans: &[SequenceSpan], heads: Heads) -> Result<Tensor> {
    let mut out = Vec::new();
    for span in spans {
        for part in parts(span) {
            let c = composed([q, k, v], span, part, heads)?;
            let p = c.probabilities(heads)?.to_dtype(q.dtype())?;
            out.push(join(&p.matmul(&c.values)?, part.len(), heads, heads.group)?);
        }
    }
    Ok(Tensor::cat(&out, 0)?)
}

pub(crate) fn backward(qkv: [&Tensor; 3], g: &Tensor, spans: &[SequenceSpan], heads: Heads) -> Result<[Tensor; 3]> {
    let dtype: DType = g.dtype();
    let (mut gq, mut gk, mut gv) = (Vec::new(), Vec::new(), Vec::new());
    for span in spans {
        let mut of_prefix: [Option<Tensor>; 2] = [None, None];
        let mut of_branches: [Vec<Tensor>; 2] = [Vec::new(), Vec::new()];
        for part in parts(span) {
            let c = composed(qkv, span, part, heads)?;
            let p = c.probabilities(heads)?;
            let gout = split(g, part, heads.kv, heads.group, heads.dim)?;
            let gp = gout.matmul(&c.values.t()?)?.to_dtype(p.dtype())?;
            let along = (&p * &gp)?.sum_keepdim(2)?;
            let gs = ((&p * gp.broadcast_sub(&along)?)? * heads.scale())?.to_dtype(dtype)?;
            gq.push(join(&gs.matmul(&c.keys)?, part.len(), heads, heads.group)?);
            let of_keys = gs.t()?.matmul(&c.queries)?;
            let of_values = p.to_dtype(dtype)?.t()?.matmul(&gout)?;
            let before = seen_before(span, part);
            for (i, of) in [of_keys, of_values].into_iter().enumerate() {
                let of = of.to_dtype(wide(&of))?;
                let own = of.narrow(1, before, part.len())?;
                if span.prefix.contains(&part.start) {
                    of_prefix[i] = Some(own);
                    continue;
                }
                of_branches[i].push(join(&own.contiguous()?, part.len(), heads, 1)?);
                if let Some(sum) = of_prefix[i].take() {
                    of_prefix[i] = Some((sum + of.narrow(1, 0, before)?)?);
                }
            }
        }
        for (i, all) in [&mut gk, &mut gv].into_iter().enumerate() {
            if let Some(sum) = &of_prefix[i] {
                all.push(join(&sum.contiguous()?, span.prefix.len(), heads, 1)?.to_dtype(dtype)?);
            }
            for branch in &of_branches[i] {
                all.push(branch.to_dtype(dtype)?);
            }
        }
    }
    Ok([Tensor::cat(&gq, 0)?, Tensor::cat(&gk, 0)?, Tensor::cat(&gv, 0)?])
}
