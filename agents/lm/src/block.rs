//! One block: attention, then a gated feed-forward, each added to what came in. Forward and backward, written out.

use crate::error::Result;
use crate::ops::attention::{self, Attended, Heads};
use crate::ops::linear::Linear;
use crate::ops::rope::{self, Table, Turn};
use crate::ops::sum::sum;
use crate::ops::{rms_norm, swiglu};
use crate::packed::SequenceSpan;
use crate::params::{Param, Sink};
use candle_core::Tensor;
use std::sync::Arc;

pub(crate) struct Block {
    pub input_norm: Param,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    /// Per head, before the turn; Qwen3.
    pub q_norm: Option<Param>,
    pub k_norm: Option<Param>,
    pub o: Linear,
    pub post_norm: Param,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

/// What all blocks of a pass share.
pub(crate) struct Scene {
    pub positions: Vec<u32>,
    pub spans: Vec<SequenceSpan>,
    pub table: Arc<Table>,
    pub heads: Heads,
    pub eps: f64,
    /// Leave low-rank corrections out.
    pub base: bool,
}

/// What the backward needs to see again. Norms and the gated product are cheap and made anew.
pub(crate) struct Saved {
    /// Queries and keys before their norms, where there are norms.
    bare: Option<[Tensor; 2]>,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attended: Attended,
    /// After the attention half.
    mid: Tensor,
    gate: Tensor,
    up: Tensor,
}

impl Block {
    /// `x` [N, hidden].
    pub fn forward(&self, x: &Tensor, scene: &Scene) -> Result<(Tensor, Saved)> {
        let normed = rms_norm::forward(x, &self.input_norm.value, scene.eps)?;
        let mut q = self.q.forward(&normed, scene.base)?;
        let mut k = self.k.forward(&normed, scene.base)?;
        let v = self.v.forward(&normed, scene.base)?;
        let mut bare = None;
        if let (Some(q_norm), Some(k_norm)) = (&self.q_norm, &self.k_norm) {
            let normed = [per_head(&q, q_norm, scene)?, per_head(&k, k_norm, scene)?];
            bare = Some([q, k]);
            [q, k] = normed;
        }
        let q = rope::turn(&q, &scene.table, &scene.positions, Turn::Forward)?;
        let k = rope::turn(&k, &scene.table, &scene.positions, Turn::Forward)?;
        let attended = attention::forward(&q, &k, &v, &scene.spans, scene.heads)?;
        let mid = sum(x, &self.o.forward(&attended.out, scene.base)?)?;
        let normed = rms_norm::forward(&mid, &self.post_norm.value, scene.eps)?;
        let gate = self.gate.forward(&normed, scene.base)?;
        let up = self.up.forward(&normed, scene.base)?;
        let out = sum(&mid, &self.down.forward(&swiglu::forward(&gate, &up)?, scene.base)?)?;
        Ok((out, Saved { bare, q, k, v, attended, mid, gate, up }))
    }

    /// Gradient of `x` from the gradient `g` of the result; the parameters' go to the sink.
    pub fn backward(&self, x: &Tensor, saved: &Saved, g: &Tensor, scene: &Scene, sink: &Sink) -> Result<Tensor> {
        let [product, g_gate, g_up] = {
            // The product does not depend on its gradient, so one pass makes it and both gradients.
            let g_product = self.down.back_through(g)?;
            swiglu::backward(&saved.gate, &saved.up, &g_product)?
        };
        self.down.collect(&product, g, sink)?;
        let normed = rms_norm::forward(&saved.mid, &self.post_norm.value, scene.eps)?;
        self.gate.collect(&normed, &g_gate, sink)?;
        self.up.collect(&normed, &g_up, sink)?;
        let g_normed = sum(&self.gate.back_through(&g_gate)?, &self.up.back_through(&g_up)?)?;
        let g_mid = sum(g, &norm_back(&saved.mid, &self.post_norm, &g_normed, scene, sink)?)?;

        self.o.collect(&saved.attended.out, &g_mid, sink)?;
        let g_out = self.o.back_through(&g_mid)?;
        let qkv = [&saved.q, &saved.k, &saved.v];
        let [gq, gk, gv] = attention::backward(qkv, &saved.attended, &g_out, &scene.spans, scene.heads)?;
        let mut gq = rope::turn(&gq, &scene.table, &scene.positions, Turn::Back)?;
        let mut gk = rope::turn(&gk, &scene.table, &scene.positions, Turn::Back)?;
        if let (Some([q, k]), Some(q_norm), Some(k_norm)) = (&saved.bare, &self.q_norm, &self.k_norm) {
            gq = per_head_back(q, q_norm, &gq, scene, sink)?;
            gk = per_head_back(k, k_norm, &gk, scene, sink)?;
        }
        let normed = rms_norm::forward(x, &self.input_norm.value, scene.eps)?;
        let mut g_normed: Option<Tensor> = None;
        for (linear, g) in [(&self.q, &gq), (&self.k, &gk), (&self.v, &gv)] {
            linear.collect(&normed, g, sink)?;
            let part = linear.back_through(g)?;
            g_normed = Some(match g_normed {
                Some(so_far) => sum(&so_far, &part)?,
                None => part,
            });
        }
        match g_normed {
            Some(g_normed) => sum(&g_mid, &norm_back(x, &self.input_norm, &g_normed, scene, sink)?),
            None => Ok(g_mid),
        }
    }
}

fn norm_back(x: &Tensor, norm: &Param, g: &Tensor, scene: &Scene, sink: &Sink) -> Result<Tensor> {
    let (gx, gw) = rms_norm::backward(x, &norm.value, g, scene.eps, norm.slot.is_some())?;
    if let (Some(slot), Some(gw)) = (norm.slot, gw) {
        sink.add(slot, &gw)?;
    }
    Ok(gx)
}

/// [N, heads * dim] as [N * heads, dim].
fn by_head(x: &Tensor, scene: &Scene) -> Result<Tensor> {
    Ok(x.reshape(((), scene.heads.dim))?)
}

fn per_head(x: &Tensor, norm: &Param, scene: &Scene) -> Result<Tensor> {
    Ok(rms_norm::forward(&by_head(x, scene)?, &norm.value, scene.eps)?.reshape(x.shape())?)
}

fn per_head_back(x: &Tensor, norm: &Param, g: &Tensor, scene: &Scene, sink: &Sink) -> Result<Tensor> {
    Ok(norm_back(&by_head(x, scene)?, norm, &by_head(g, scene)?, scene, sink)?.reshape(x.shape())?)
}
