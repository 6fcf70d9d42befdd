//! Causal attention of a packed batch, grouped queries without repeated keys. Nothing as large as tokens times tokens is kept:
//! the backward computes probabilities anew from the saved normaliser.
//!
//! A sequence is taken apart into its prefix and its branches. Queries of a part see the keys of the prefix and those of their
//! own part up to themselves. Query heads that share a key/value head stand as neighbouring rows of one matrix.

use super::attention_composed;
use super::cpu::{Kernel, Real, dot, rows, rows2, sum_by, tensor, wide, with_slice};
use super::matmul::matmul;
use crate::config::LmConfig;
use crate::error::Result;
use crate::packed::SequenceSpan;
use candle_core::Tensor;
use rayon::prelude::*;
use std::ops::Range;

#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub kv: usize,
    /// Query heads per key/value head.
    pub group: usize,
    pub dim: usize,
}

impl Heads {
    pub fn of(config: &LmConfig) -> Heads {
        Heads { kv: config.num_key_value_heads, group: config.group(), dim: config.head_dim }
    }

    pub fn scale(&self) -> f64 {
        1.0 / (self.dim as f64).sqrt()
    }
}

/// The result [N, heads * dim], and what the backward wants to see again.
pub(crate) struct Attended {
    pub out: Tensor,
    /// log sum exp of each query's scores [N, heads]; `None` where the backward does without.
    normaliser: Option<Tensor>,
}

/// `q` [N, heads * dim], `k` and `v` [N, kv * dim], turned to their positions already.
pub(crate) fn forward(q: &Tensor, k: &Tensor, v: &Tensor, spans: &[SequenceSpan], heads: Heads) -> Result<Attended> {
    match Kernel::of(q) {
        Kernel::F32 => forward_cpu::<f32>(q, k, v, spans, heads),
        Kernel::F64 => forward_cpu::<f64>(q, k, v, spans, heads),
        Kernel::Widen => {
            let t = wide(q);
            let a = forward(&q.to_dtype(t)?, &k.to_dtype(t)?, &v.to_dtype(t)?, spans, heads)?;
            Ok(Attended { out: a.out.to_dtype(q.dtype())?, normaliser: a.normaliser })
        }
        Kernel::Composed => Ok(Attended { out: attention_composed::forward(q, k, v, spans, heads)?, normaliser: None }),
    }
}

/// Gradients of `q`, `k` and `v` from the gradient `g` of the result.
pub(crate) fn backward(
    [q, k, v]: [&Tensor; 3],
    attended: &Attended,
    g: &Tensor,
    spans: &[SequenceSpan],
    heads: Heads,
) -> Result<[Tensor; 3]> {
    match (Kernel::of(q), &attended.normaliser) {
        (Kernel::F32, Some(normaliser)) => backward_cpu::<f32>([q, k, v, &attended.out, normaliser, g], spans, heads),
        (Kernel::F64, Some(normaliser)) => backward_cpu::<f64>([q, k, v, &attended.out, normaliser, g], spans, heads),
        (Kernel::Widen, Some(normaliser)) => {
            let t = wide(q);
            let wide = Attended { out: attended.out.to_dtype(t)?, normaliser: Some(normaliser.clone()) };
            let [q, k, v] = [q.to_dtype(t)?, k.to_dtype(t)?, v.to_dtype(t)?];
            let [a, b, c] = backward([&q, &k, &v], &wide, &g.to_dtype(t)?, spans, heads)?;
            Ok([a.to_dtype(g.dtype())?, b.to_dtype(g.dtype())?, c.to_dtype(g.dtype())?])
        }
        _ => attention_composed::backward([q, k, v], g, spans, heads),
    }
}

/// Queries that are scored together. Bounds memory, and keeps a causal triangle from being computed as a square.
const QUERIES: usize = 64;

/// The prefix, if there is one, then the branches.
pub(crate) fn parts(span: &SequenceSpan) -> impl Iterator<Item = &Range<usize>> {
    std::iter::once(&span.prefix).chain(&span.branches).filter(|part| !part.is_empty())
}

/// How many keys of the prefix a part sees before its own.
pub(crate) fn seen_before(span: &SequenceSpan, part: &Range<usize>) -> usize {
    if span.prefix.contains(&part.start) { 0 } else { span.prefix.len() }
}

/// Columns `head * width ..` of a range of rows, as a matrix of its own, appended to `out`.
fn gather<T: Real>(out: &mut Vec<T>, from: &[T], range: Range<usize>, columns: usize, head: usize, width: usize) {
    for row in range {
        out.extend_from_slice(&from[row * columns + head * width..][..width]);
    }
}

/// A key/value head's view of a part: keys (or values) [keys, dim].
fn keys_of<T: Real>(from: &[T], span: &SequenceSpan, part: &Range<usize>, heads: Heads, head: usize) -> Result<Tensor> {
    let before = seen_before(span, part);
    let mut out = Vec::with_capacity((before + part.len()) * heads.dim);
    gather(&mut out, from, span.prefix.start..span.prefix.start + before, heads.kv * heads.dim, head, heads.dim);
    gather(&mut out, from, part.clone(), heads.kv * heads.dim, head, heads.dim);
    tensor(out, &[before + part.len(), heads.dim])
}

/// Queries of a range, `group` rows a token: [range * group, dim].
fn queries_of<T: Real>(from: &[T], range: Range<usize>, heads: Heads, head: usize) -> Result<Tensor> {
    let width = heads.group * heads.dim;
    let mut out = Vec::with_capacity(range.len() * width);
    let n = range.len() * heads.group;
    gather(&mut out, from, range, heads.kv * width, head, width);
    tensor(out, &[n, heads.dim])
}

/// Tokens below which waking other threads costs more than it gains.
const WORTH_SHARING: usize = 128;

/// Every sequence with every key/value head, head by head.
fn each<R: Send>(
    spans: &[SequenceSpan],
    heads: Heads,
    f: impl Fn(usize, &SequenceSpan) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let tokens = spans.last().map_or(0, |s| s.range().end);
    let all: Vec<(usize, &SequenceSpan)> =
        (0..heads.kv).flat_map(|head| spans.iter().map(move |span| (head, span))).collect();
    if tokens < WORTH_SHARING {
        return all.into_iter().map(|(head, span)| f(head, span)).collect();
    }
    all.into_par_iter().map(|(head, span)| f(head, span)).collect()
}

/// Puts what each piece of work made, `width` numbers a token, into [N, kv * width].
fn assemble<T: Real>(pieces: Vec<Vec<T>>, spans: &[SequenceSpan], heads: Heads, width: usize) -> Result<Tensor> {
    let n = spans.last().map_or(0, |s| s.range().end);
    let mut owner = vec![(0u32, 0u32); n];
    for (s, span) in spans.iter().enumerate() {
        for (i, token) in span.range().enumerate() {
            owner[token] = (s as u32, i as u32);
        }
    }
    let mut out = vec![T::of(0.0); n * heads.kv * width];
    rows(&mut out, heads.kv * width, |token, row| {
        let (span, i) = owner[token];
        for (head, out) in row.chunks_mut(width).enumerate() {
            let piece = &pieces[head * spans.len() + span as usize];
            out.copy_from_slice(&piece[i as usize * width..][..width]);
        }
    });
    tensor(out, &[n, heads.kv * width])
}

fn forward_cpu<T: Real>(q: &Tensor, k: &Tensor, v: &Tensor, spans: &[SequenceSpan], heads: Heads) -> Result<Attended> {
    let pieces: Vec<(Vec<T>, Vec<T>)> = with_slice::<T, _>(q, |q| {
        with_slice::<T, _>(k, |k| {
            with_slice::<T, _>(v, |v| each(spans, heads, |head, span| attend(q, k, v, span, heads, head)))
        })
    })????;
    let (outs, normalisers) = pieces.into_iter().unzip();
    Ok(Attended {
        out: assemble::<T>(outs, spans, heads, heads.group * heads.dim)?,
        normaliser: Some(assemble::<T>(normalisers, spans, heads, heads.group)?),
    })
}

/// One sequence, one key/value head: results [tokens, group * dim] and normalisers [tokens, group].
fn attend<T: Real>(
    q: &[T],
    k: &[T],
    v: &[T],
    span: &SequenceSpan,
    heads: Heads,
    head: usize,
) -> Result<(Vec<T>, Vec<T>)> {
    let scale = T::of(heads.scale());
    let tokens = span.range().len();
    let mut out = Vec::with_capacity(tokens * heads.group * heads.dim);
    let mut normalisers = Vec::with_capacity(tokens * heads.group);
    for part in parts(span) {
        let before = seen_before(span, part);
        let (keys, values) = (keys_of(k, span, part, heads, head)?, keys_of(v, span, part, heads, head)?);
        for start in (0..part.len()).step_by(QUERIES) {
            let end = (start + QUERIES).min(part.len());
            let width = before + end;
            let queries = queries_of(q, part.start + start..part.start + end, heads, head)?;
            let scores = matmul(&queries, &keys.narrow(0, 0, width)?.t()?)?;
            let (p, normaliser) = with_slice::<T, _>(&scores, |scores| {
                let mut p = vec![T::of(0.0); scores.len()];
                let mut normaliser = vec![T::of(0.0); scores.len() / width];
                rows2(&mut p, width, &mut normaliser, 1, |r, p, normaliser| {
                    let seen = before + start + r / heads.group + 1;
                    normaliser[0] = softmax_row(&scores[r * width..][..seen], scale, &mut p[..seen]);
                });
                (p, normaliser)
            })?;
            normalisers.extend_from_slice(&normaliser);
            let result = matmul(&tensor(p, scores.dims())?, &values.narrow(0, 0, width)?)?;
            with_slice::<T, _>(&result, |result| out.extend_from_slice(result))?;
        }
    }
    Ok((out, normalisers))
}

/// Softmax of scaled scores; returns the log of the sum of exponentials.
#[inline(always)]
pub(crate) fn softmax_row<T: Real>(scores: &[T], scale: T, p: &mut [T]) -> T {
    let largest = super::head::largest(scores);
    for (p, s) in p.iter_mut().zip(scores) {
        *p = ((*s - largest) * scale).exp();
    }
    let sum = sum_by(p.len(), |i| p[i]);
    let inverse = T::of(1.0) / sum;
    p.iter_mut().for_each(|p| *p *= inverse);
    largest * scale + sum.ln()
}

fn backward_cpu<T: Real>(tensors: [&Tensor; 6], spans: &[SequenceSpan], heads: Heads) -> Result<[Tensor; 3]> {
    let [q, k, v, out, normaliser, g] = tensors;
    let pieces: Vec<[Vec<T>; 3]> = with_slice::<T, _>(q, |q| {
        with_slice::<T, _>(k, |k| {
            with_slice::<T, _>(v, |v| {
                with_slice::<T, _>(out, |out| {
                    with_slice::<T, _>(normaliser, |normaliser| {
                        with_slice::<T, _>(g, |g| {
                            let all = [q, k, v, out, normaliser, g];
                            each(spans, heads, |head, span| attend_back(all, span, heads, head))
                        })
                    })
                })
            })
        })
    })???????;
    let (mut gq, mut gk, mut gv) = (Vec::new(), Vec::new(), Vec::new());
    for [q, k, v] in pieces {
        gq.push(q);
        gk.push(k);
        gv.push(v);
    }
    Ok([
        assemble(gq, spans, heads, heads.group * heads.dim)?,
        assemble(gk, spans, heads, heads.dim)?,
        assemble(gv, spans, heads, heads.dim)?,
    ])
}

/// Gradients of one sequence and one key/value head: queries [tokens, group * dim], keys and values [tokens, dim].
fn attend_back<T: Real>(all: [&[T]; 6], span: &SequenceSpan, heads: Heads, head: usize) -> Result<[Vec<T>; 3]> {
    let [q, k, v, out, normaliser, g] = all;
    let scale = T::of(heads.scale());
    let (origin, tokens, dim) = (span.range().start, span.range().len(), heads.dim);
    let mut gq = Vec::with_capacity(tokens * heads.group * dim);
    let mut gk = vec![T::of(0.0); tokens * dim];
    let mut gv = vec![T::of(0.0); tokens * dim];
    for part in parts(span) {
        let before = seen_before(span, part);
        let (keys, values) = (keys_of(k, span, part, heads, head)?, keys_of(v, span, part, heads, head)?);
        for start in (0..part.len()).step_by(QUERIES) {
            let end = (start + QUERIES).min(part.len());
            let (width, range) = (before + end, part.start + start..part.start + end);
            let (keys, values) = (keys.narrow(0, 0, width)?, values.narrow(0, 0, width)?);
            let queries = queries_of(q, range.clone(), heads, head)?;
            let (gout, result) =
                (queries_of(g, range.clone(), heads, head)?, queries_of(out, range.clone(), heads, head)?);
            let mut logs = Vec::with_capacity(range.len() * heads.group);
            gather(&mut logs, normaliser, range, heads.kv * heads.group, head, heads.group);
            // p = e^(s - normaliser); gs = p (gp - out . gout)
            let scores = matmul(&queries, &keys.t()?)?;
            let gp = matmul(&gout, &values.t()?)?;
            let (p, gs) = with_slice::<T, _>(&scores, |scores| {
                with_slice::<T, _>(&gp, |gp| {
                    with_slice::<T, _>(&gout, |gout| {
                        with_slice::<T, _>(&result, |result| {
                            let mut p = vec![T::of(0.0); scores.len()];
                            let mut gs = vec![T::of(0.0); scores.len()];
                            rows2(&mut p, width, &mut gs, width, |r, p, gs| {
                                let seen = before + start + r / heads.group + 1;
                                let along = dot(&gout[r * dim..][..dim], &result[r * dim..][..dim]);
                                let (scores, gp) = (&scores[r * width..][..seen], &gp[r * width..][..seen]);
                                let (p, gs) = (&mut p[..seen], &mut gs[..seen]);
                                for i in 0..seen {
                                    p[i] = (scores[i] * scale - logs[r]).exp();
                                    gs[i] = p[i] * (gp[i] - along) * scale;
                                }
                            });
                            (p, gs)
                        })
                    })
                })
            })????;
            let (p, gs) = (tensor(p, scores.dims())?, tensor(gs, scores.dims())?);
            with_slice::<T, _>(&matmul(&gs, &keys)?, |part| gq.extend_from_slice(part))?;
            for (sum, of) in [(&mut gk, matmul(&gs.t()?, &queries)?), (&mut gv, matmul(&p.t()?, &gout)?)] {
                with_slice::<T, _>(&of, |of| {
                    // The prefix's keys come first, then the part's own.
                    let own = (part.start - origin) * dim;
                    let (shared, rest) = of.split_at(before * dim);
                    sum[..before * dim].iter_mut().zip(shared).for_each(|(s, x)| *s += *x);
                    sum[own..][..rest.len()].iter_mut().zip(rest).for_each(|(s, x)| *s += *x);
                })?;
            }
        }
    }
    Ok([gq, gk, gv])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Packed;
    use candle_core::{DType, Device};

    #[test]
    fn slices_and_tensor_operations_agree() -> Result<()> {
        let mut packed = Packed::default();
        let tokens = vec![0u32; 200];
        packed.push(&tokens[..5]);
        packed.push_group(&tokens[..70], &[&tokens[..3], &tokens[..1], &tokens[..80]]);
        packed.push_group(&[], &[&tokens[..4], &tokens[..2]]);
        let (spans, n) = (packed.spans()?, packed.len());
        let heads = Heads { kv: 2, group: 3, dim: 8 };
        let make = |stream, m| Tensor::from_vec(crate::weights::normal(6, stream, n * m, 1.0), (n, m), &Device::Cpu);
        for (dtype, within) in [(DType::F32, 2e-5), (DType::F64, 1e-12), (DType::BF16, 0.2)] {
            let q = make(0, 48)?.to_dtype(dtype)?;
            let (k, v) = (make(1, 16)?.to_dtype(dtype)?, make(2, 16)?.to_dtype(dtype)?);
            let g = make(3, 48)?.to_dtype(dtype)?;
            let a = forward(&q, &k, &v, &spans, heads)?;
            close(&a.out, &attention_composed::forward(&q, &k, &v, &spans, heads)?, within)?;
            let back = backward([&q, &k, &v], &a, &g, &spans, heads)?;
            for (x, y) in back.iter().zip(attention_composed::backward([&q, &k, &v], &g, &spans, heads)?) {
                close(x, &y, within * 4.0)?;
            }
        }
        Ok(())
    }

    fn close(a: &Tensor, b: &Tensor, within: f64) -> Result<()> {
        let gap = (a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?;
        assert!(gap.to_scalar::<f64>()? < within, "{gap}");
        Ok(())
    }
}
