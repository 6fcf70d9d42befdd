//! Decoding in f32 on the CPU. Every number of a row is computed by itself, in an order of its own.

use crate::cache::{Kept, Layer, Row, RowStore};
use crate::config::LmConfig;
use crate::decode::Feed;
use crate::error::{LmError, Result};
use crate::gguf::GgufFile;
use crate::ops::attention::{Heads, softmax_row};
use crate::ops::cpu::{rows, tasks, with_slice};
use crate::ops::matmul::Left;
use crate::ops::panels::Panels;
use crate::ops::rms_norm::norm_row;
use crate::ops::rope::{Rope, Table, Turn, turn_row};
use crate::ops::swiglu::gated;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;

pub(crate) struct SliceDecoder {
    config: LmConfig,
    heads: Heads,
    /// A column a token.
    embedding: Panels,
    blocks: Vec<Block>,
    norm: Vec<f32>,
    /// `None` where it is the embedding.
    head: Option<Panels>,
    rope: Rope,
}

struct Block {
    input_norm: Vec<f32>,
    /// Queries, keys and values side by side.
    qkv: Panels,
    qkv_bias: Vec<f32>,
    /// Of queries and of keys.
    norms: Option<[Vec<f32>; 2]>,
    o: Panels,
    post_norm: Vec<f32>,
    /// Gate and up side by side.
    gate_up: Panels,
    down: Panels,
}

/// Where weights come from.
pub(crate) enum Source {
    /// By name, unpacked.
    Tensors(BTreeMap<String, Tensor>),
    /// A file, whose own format the matrices are kept in.
    Gguf(Box<GgufFile>),
}

impl Source {
    fn vector(&mut self, name: &str) -> Result<Vec<f32>> {
        let tensor = match self {
            Source::Tensors(tensors) => {
                let problem = || LmError::Tensor { name: name.to_string(), problem: "is missing".to_string() };
                tensors.get(name).ok_or_else(problem)?.to_dtype(DType::F32)?
            }
            Source::Gguf(file) => file.tensor(name)?,
        };
        with_slice::<f32, _>(&tensor, |values| values.to_vec())
    }

    /// Weights lie as [out, in]; put below one another they are one matrix.
    fn panels(&mut self, names: &[String], config: &LmConfig) -> Result<Panels> {
        let named: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
        let (mut k, mut n) = (0, 0);
        for (name, shape) in config.tensors().into_iter().filter(|(name, _)| named.contains(name)) {
            if shape.len() != 2 || (k != 0 && k != shape[1]) {
                return Err(LmError::Tensor { name, problem: "is no matrix of its neighbours' width".to_string() });
            }
            (k, n) = (shape[1], n + shape[0]);
        }
        let panels = match self {
            Source::Tensors(_) => {
                let mut all = Vec::with_capacity(k * n);
                for name in &named {
                    all.extend(self.vector(name)?);
                }
                Panels::new(&all, k, all.len() / k.max(1), true)
            }
            Source::Gguf(file) => file.panels(&named)?,
        };
        match (panels.k, panels.n) == (k, n) {
            true => Ok(panels),
            false => {
                let problem = format!("has shape [{}, {}], not [{n}, {k}]", panels.n, panels.k);
                Err(LmError::Tensor { name: named.join(" + "), problem })
            }
        }
    }
}

impl SliceDecoder {
    pub fn new(config: &LmConfig, mut source: Source) -> Result<SliceDecoder> {
        let heads = Heads::of(config);
        let mut blocks = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let at = |name: &str| format!("model.layers.{layer}.{name}");
            let qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(at);
            let mut qkv_bias = Vec::new();
            if config.qkv_bias {
                for name in &qkv {
                    qkv_bias.extend(source.vector(&format!("{name}.bias"))?);
                }
            }
            let norms = match config.qk_norm {
                true => Some([
                    source.vector(&at("self_attn.q_norm.weight"))?,
                    source.vector(&at("self_attn.k_norm.weight"))?,
                ]),
                false => None,
            };
            blocks.push(Block {
                input_norm: source.vector(&at("input_layernorm.weight"))?,
                qkv: source.panels(&qkv, config)?,
                qkv_bias,
                norms,
                o: source.panels(&[at("self_attn.o_proj")], config)?,
                post_norm: source.vector(&at("post_attention_layernorm.weight"))?,
                gate_up: source.panels(&["mlp.gate_proj", "mlp.up_proj"].map(at), config)?,
                down: source.panels(&[at("mlp.down_proj")], config)?,
            });
        }
        let embedding = source.panels(&["model.embed_tokens".to_string()], config)?;
        let head = match config.tie_word_embeddings {
            true => None,
            false => Some(source.panels(&["lm_head".to_string()], config)?),
        };
        Ok(SliceDecoder {
            config: config.clone(),
            heads,
            embedding,
            blocks,
            norm: source.vector("model.norm.weight")?,
            head,
            rope: Rope::new(config, DType::F32, &Device::Cpu),
        })
    }

    /// Bytes of all matrices.
    pub fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|b| [&b.qkv, &b.o, &b.gate_up, &b.down]);
        blocks.chain([&self.embedding]).chain(&self.head).map(Panels::bytes).sum()
    }

    /// Logits [feeds, vocab] after the last token of each feed.
    pub fn feed(&self, held: &[Row], stores: &mut [RowStore], feeds: &[Feed]) -> Result<Tensor> {
        // From inside of the pool its threads need not be woken for every product.
        rayon::scope(|_| self.step(held, stores, feeds))
    }

    fn step(&self, held: &[Row], stores: &mut [RowStore], feeds: &[Feed]) -> Result<Tensor> {
        let (hidden, ff) = (self.config.hidden_size, self.config.intermediate_size);
        // Every token with its row, its place among the row's own, and its position.
        let places: Vec<Place> = feeds
            .iter()
            .flat_map(|f| {
                let place = move |i| Place { row: f.row, own: f.own + i, position: f.before + f.own + i };
                (0..f.tokens.len()).map(place)
            })
            .collect();
        let last = places.iter().map(|p| p.position).max().unwrap_or(0);
        let table = self.rope.upto(last + 1)?;
        let n = places.len();
        let mut x = vec![0.0; n * hidden];
        for (token, x) in feeds.iter().flat_map(|f| f.tokens).zip(x.chunks_mut(hidden)) {
            self.embedding.column(*token as usize, x);
        }
        for (l, block) in self.blocks.iter().enumerate() {
            let normed = self.normed(&x, &block.input_norm);
            let mut qkv = block.qkv.times(Left { values: &normed, rows: n, turned: false });
            self.turn(block, &mut qkv, &places, &table)?;
            let (q_width, kv_width) =
                (self.heads.kv * self.heads.group * self.heads.dim, self.heads.kv * self.heads.dim);
            let width = q_width + 2 * kv_width;
            for (place, qkv) in places.iter().zip(qkv.chunks(width)) {
                let (keys, values) = qkv[q_width..].split_at(kv_width);
                stores[place.row].layers[l].put(place.own, keys, values);
            }
            let mut attended = vec![0.0; n * q_width];
            let seen = places.iter().map(|p| p.position + 1).max().unwrap_or(1);
            let stores = &*stores;
            tasks(&mut attended, q_width, seen * q_width / 4, |i, out| {
                let place = &places[i];
                let prefix = match held[place.row].prefix.as_deref().map(|p| (&p.kept, p.tokens.len())) {
                    Some((Kept::Slices(store), len)) => Some((&store.layers[l], len)),
                    _ => None,
                };
                attend(
                    self.heads,
                    &qkv[i * width..][..q_width],
                    prefix,
                    (&stores[place.row].layers[l], place.own + 1),
                    out,
                );
            });
            add(&mut x, &block.o.times(Left { values: &attended, rows: n, turned: false }));
            let normed = self.normed(&x, &block.post_norm);
            let gate_up = block.gate_up.times(Left { values: &normed, rows: n, turned: false });
            let mut product = vec![0.0; n * ff];
            rows(&mut product, ff, |i, out| {
                let (gate, up) = gate_up[2 * ff * i..][..2 * ff].split_at(ff);
                for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = gated(*gate, *up);
                }
            });
            add(&mut x, &block.down.times(Left { values: &product, rows: n, turned: false }));
        }
        // Only the last token of each feed is asked for logits.
        let mut ends = Vec::with_capacity(feeds.len() * hidden);
        let mut end = 0;
        for feed in feeds {
            end += feed.tokens.len();
            ends.extend_from_slice(&x[(end - 1) * hidden..][..hidden]);
        }
        let normed = self.normed(&ends, &self.norm);
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let logits = head.times(Left { values: &normed, rows: feeds.len(), turned: false });
        Ok(Tensor::from_vec(logits, (feeds.len(), self.config.vocab_size), &Device::Cpu)?)
    }

    fn normed(&self, x: &[f32], w: &[f32]) -> Vec<f32> {
        let width = w.len();
        let mut out = vec![0.0; x.len()];
        rows(&mut out, width, |r, out| norm_row(&x[r * width..][..width], w, self.config.rms_norm_eps, out));
        out
    }

    /// Bias, head norms and positions, in place on rows of queries, keys and values.
    fn turn(&self, block: &Block, qkv: &mut [f32], places: &[Place], table: &Table) -> Result<()> {
        let Heads { kv, group, dim } = self.heads;
        let (turned, width, half) = (kv * (group + 1) * dim, kv * (group + 2) * dim, dim / 2);
        let eps = self.config.rms_norm_eps;
        with_slice::<f32, _>(&table.cos, |cos| {
            with_slice::<f32, _>(&table.sin, |sin| {
                rows(qkv, width, |i, row| {
                    for (x, b) in row.iter_mut().zip(&block.qkv_bias) {
                        *x += *b;
                    }
                    if let Some([q_norm, k_norm]) = &block.norms {
                        let mut bare = vec![0.0; dim];
                        for (head, x) in row[..turned].chunks_exact_mut(dim).enumerate() {
                            bare.copy_from_slice(x);
                            norm_row(&bare, if head < kv * group { q_norm } else { k_norm }, eps, x);
                        }
                    }
                    let at = places[i].position * half;
                    turn_row(&mut row[..turned], &cos[at..][..half], &sin[at..][..half], Turn::Forward);
                });
            })
        })?
    }
}

struct Place {
    row: usize,
    own: usize,
    position: usize,
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += *y);
}

/// One token's queries [kv * group * dim] over the shared keys, if any, and then its row's own.
#[inline(always)]
fn attend(heads: Heads, queries: &[f32], prefix: Option<(&Layer, usize)>, own: (&Layer, usize), out: &mut [f32]) {
    let Heads { kv, group, dim } = heads;
    let before = prefix.map_or(0, |(_, n)| n);
    let scale = (1.0 / (dim as f64).sqrt()) as f32;
    let mut scores = vec![0.0; before + own.1];
    let mut p = vec![0.0; before + own.1];
    for head in 0..kv {
        for g in 0..group {
            let at = (head * group + g) * dim;
            let query = &queries[at..][..dim];
            let (shared, mine) = scores.split_at_mut(before);
            if let Some((layer, _)) = prefix {
                layer.score(head, query, shared);
            }
            own.0.score(head, query, mine);
            softmax_row(&scores, scale, &mut p);
            let out = &mut out[at..][..dim];
            if let Some((layer, _)) = prefix {
                layer.gather(head, &p[..before], out);
            }
            own.0.gather(head, &p[before..], out);
        }
    }
}
