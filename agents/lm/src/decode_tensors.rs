//! Decoding by candle's tensor operations, for other devices and number formats. Rows are fed side by side, padded to the
//! longest feed; the cache is one tensor a layer, so a row's shared prefix is copied in.

use crate::config::LmConfig;
use crate::decode::Feed;
use crate::error::{LmError, Result};
use crate::ops::attention::Heads;
use crate::ops::cpu::wide;
use crate::ops::rope::{Rope, Turn, turn};
use crate::ops::{embedding::rows_of, rms_norm, swiglu};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;

pub(crate) struct TensorDecoder {
    config: LmConfig,
    heads: Heads,
    dtype: DType,
    device: Device,
    tensors: BTreeMap<String, Tensor>,
    rope: Rope,
}

/// Per layer keys and values [rows, kv, room, dim].
pub(crate) struct TensorStore {
    layers: Vec<[Tensor; 2]>,
    room: usize,
}

impl TensorStore {
    pub fn new(config: &LmConfig, rows: usize, room: usize, decoder: &TensorDecoder) -> Result<TensorStore> {
        let shape = (rows, config.num_key_value_heads, room, config.head_dim);
        let make = || Tensor::zeros(shape, decoder.dtype, &decoder.device);
        let layers = (0..config.num_hidden_layers).map(|_| Ok([make()?, make()?])).collect::<Result<_>>()?;
        Ok(TensorStore { layers, room })
    }

    /// The first `tokens` of a row: [kv, tokens, dim].
    pub fn row(&self, row: usize, tokens: usize) -> Result<Vec<[Tensor; 2]>> {
        let take =
            |t: &Tensor| -> Result<Tensor> { Ok(t.narrow(0, row, 1)?.squeeze(0)?.narrow(1, 0, tokens)?.copy()?) };
        self.layers.iter().map(|[k, v]| Ok([take(k)?, take(v)?])).collect()
    }

    /// Puts a prefix before a row's own tokens, and makes room for both if there is not enough.
    pub fn copy_prefix(&mut self, row: usize, kept: &[[Tensor; 2]], capacity: usize) -> Result<()> {
        let tokens = kept.first().map_or(0, |[k, _]| k.dims()[1]);
        let wanted = (tokens + capacity).next_multiple_of(64);
        for (layer, kept) in self.layers.iter_mut().zip(kept) {
            for (all, kept) in layer.iter_mut().zip(kept) {
                if tokens + capacity > self.room {
                    let (rows, kv, room, dim) = all.dims4()?;
                    let more = Tensor::zeros((rows, kv, wanted - room, dim), all.dtype(), all.device())?;
                    *all = Tensor::cat(&[&*all, &more], 2)?;
                }
                let (_, kv, room, dim) = all.dims4()?;
                let flat = all.reshape((all.elem_count() / dim, dim))?;
                let places: Vec<u32> =
                    (0..kv * tokens).map(|i| ((row * kv + i / tokens) * room + i % tokens) as u32).collect();
                put(&flat, &places, &kept.reshape((kv * tokens, dim))?)?;
            }
        }
        if tokens + capacity > self.room {
            self.room = wanted;
        }
        Ok(())
    }
}

/// Overwrites rows of a matrix in place.
fn put(matrix: &Tensor, places: &[u32], rows: &Tensor) -> Result<()> {
    let at = Tensor::new(places, rows.device())?.unsqueeze(1)?.broadcast_as(rows.shape())?.contiguous()?;
    Ok(matrix.scatter_set(&at, &rows.contiguous()?, 0)?)
}

impl TensorDecoder {
    pub fn new(
        config: &LmConfig,
        tensors: BTreeMap<String, Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<TensorDecoder> {
        // Copies: what learns goes on changing in place.
        let take = |(name, t): (String, Tensor)| Ok((name, t.to_dtype(dtype)?.to_device(device)?.copy()?));
        let tensors = tensors.into_iter().map(take).collect::<Result<_>>()?;
        let rope = Rope::new(config, dtype, device);
        Ok(TensorDecoder {
            config: config.clone(),
            heads: Heads::of(config),
            dtype,
            device: device.clone(),
            tensors,
            rope,
        })
    }

    /// Bytes of all weights.
    pub fn bytes(&self) -> usize {
        self.tensors.values().map(|t| t.elem_count() * t.dtype().size_in_bytes()).sum()
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        let problem = || LmError::Tensor { name: name.to_string(), problem: "is missing".to_string() };
        self.tensors.get(name).ok_or_else(problem)
    }

    fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let y = x.matmul(&self.get(&format!("{name}.weight"))?.t()?)?;
        match self.tensors.get(&format!("{name}.bias")) {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }

    fn norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        rms_norm::forward(x, self.get(&format!("{name}.weight"))?, self.config.rms_norm_eps)
    }

    /// Logits [feeds, vocab] in f32 after the last token of each feed.
    pub fn feed(&self, store: &mut TensorStore, feeds: &[Feed]) -> Result<Tensor> {
        let Heads { kv, group, dim } = self.heads;
        let (b, t) = (feeds.len(), feeds.iter().map(|f| f.tokens.len()).max().unwrap_or(0));
        let seen = feeds.iter().map(|f| f.before + f.own + f.tokens.len()).max().unwrap_or(0);
        // Padding repeats the last token at the last position; nothing reads what it computes, and it is not kept.
        let clip = |f: &Feed, i: usize| i.min(f.tokens.len() - 1);
        let tokens: Vec<u32> = feeds.iter().flat_map(|f| (0..t).map(move |i| f.tokens[clip(f, i)])).collect();
        let positions: Vec<u32> =
            feeds.iter().flat_map(|f| (0..t).map(move |i| (f.before + f.own + clip(f, i)) as u32)).collect();
        let table = self.rope.upto(seen)?;
        let hides = |i: usize| if (i % seen) as u32 > positions[i / seen] { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..b * t * seen).map(hides).collect();
        let mask = Tensor::from_vec(mask, (b, 1, 1, t, seen), &Device::Cpu)?;

        // New keys and values: where they come from, [feeds * t * kv] rows, and where they go.
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (f, feed) in feeds.iter().enumerate() {
            for i in 0..feed.tokens.len() {
                for head in 0..kv {
                    from.push(((f * t + i) * kv + head) as u32);
                    to.push(((feed.row * kv + head) * store.room + feed.before + feed.own + i) as u32);
                }
            }
        }
        let fed: Vec<u32> = feeds.iter().map(|f| f.row as u32).collect();
        let mut x = rows_of(self.get("model.embed_tokens.weight")?, &tokens)?;
        let mask = mask.to_dtype(wide(&x))?.to_device(&self.device)?;
        for (layer, [keys, values]) in store.layers.iter().enumerate() {
            let at = |name: &str| format!("model.layers.{layer}.{name}");
            let normed = self.norm(&x, &at("input_layernorm"))?;
            let mut q = self.linear(&normed, &at("self_attn.q_proj"))?;
            let mut k = self.linear(&normed, &at("self_attn.k_proj"))?;
            let v = self.linear(&normed, &at("self_attn.v_proj"))?;
            if self.config.qk_norm {
                q = self.norm(&q.reshape(((), dim))?, &at("self_attn.q_norm"))?.reshape(q.shape())?;
                k = self.norm(&k.reshape(((), dim))?, &at("self_attn.k_norm"))?.reshape(k.shape())?;
            }
            let q = turn(&q, &table, &positions, Turn::Forward)?;
            let k = turn(&k, &table, &positions, Turn::Forward)?;
            let mut seen_by_fed = Vec::new();
            for (all, new) in [(keys, &k), (values, &v)] {
                let flat = all.reshape((all.elem_count() / dim, dim))?;
                put(&flat, &to, &rows_of(&new.reshape(((), dim))?, &from)?)?;
                let everyone = fed.len() == all.dims()[0] && fed.iter().enumerate().all(|(i, r)| i as u32 == *r);
                let mine = if everyone { all.clone() } else { rows_of(all, &fed)? };
                seen_by_fed.push(mine.narrow(2, 0, seen)?);
            }
            let q = q.reshape((b, t, kv, group, dim))?.permute((0, 2, 3, 1, 4))?.contiguous()?;
            let q = q.reshape((b, kv, group * t, dim))?;
            let scores = q.matmul(&seen_by_fed[0].t()?)?.to_dtype(wide(&x))?;
            let scores =
                (scores * (1.0 / (dim as f64).sqrt()))?.reshape((b, kv, group, t, seen))?.broadcast_add(&mask)?;
            let p =
                candle_nn::ops::softmax_last_dim(&scores)?.reshape((b, kv, group * t, seen))?.to_dtype(self.dtype)?;
            let o =
                p.matmul(&seen_by_fed[1])?.reshape((b, kv, group, t, dim))?.permute((0, 3, 1, 2, 4))?.contiguous()?;
            x = (x + self.linear(&o.reshape((b * t, kv * group * dim))?, &at("self_attn.o_proj"))?)?;
            let normed = self.norm(&x, &at("post_attention_layernorm"))?;
            let (gate, up) = (self.linear(&normed, &at("mlp.gate_proj"))?, self.linear(&normed, &at("mlp.up_proj"))?);
            x = (x + self.linear(&swiglu::forward(&gate, &up)?, &at("mlp.down_proj"))?)?;
        }
        let ends: Vec<u32> = feeds.iter().enumerate().map(|(f, feed)| (f * t + feed.tokens.len() - 1) as u32).collect();
        let ends = self.norm(&rows_of(&x, &ends)?, "model.norm")?;
        let head = if self.config.tie_word_embeddings { "model.embed_tokens" } else { "lm_head" };
        Ok(self.linear(&ends, head)?.to_dtype(DType::F32)?)
    }
}
