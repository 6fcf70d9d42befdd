//! Weights survive the way to disk and back, in the names other programs use.

use bedside_lm::testing::{lively, tiny};
use bedside_lm::{Decoder, LmConfig, Model, Result, Trainable, Weights};
use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use std::path::Path;

fn same(a: &Weights, b: &Weights) {
    assert_eq!(a.config, b.config);
    assert!(a.tensors.keys().eq(b.tensors.keys()));
    for (name, tensor) in &a.tensors {
        let numbers = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(tensor), numbers(&b.tensors[name]), "{name}");
    }
}

const FAMILIES: [&str; 4] = ["llama", "untied", "qwen2", "qwen3"];

#[test]
fn a_folder_gives_back_what_was_saved() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let weights = lively(tiny(family), 1)?;
        weights.save_folder(folder.path())?;
        same(&weights, &Weights::from_folder(folder.path())?);
        assert!(!folder.path().join("model.safetensors.part").exists());
    }
    // transformers refuses a file that does not name its framework.
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&bytes[8..200]).to_string();
    assert!(header.contains(r#""__metadata__":{"format":"pt"}"#), "{header}");
    let half = lively(tiny("llama"), 1)?.to_dtype(DType::BF16)?;
    half.save_folder(folder.path())?;
    let again = Weights::from_folder(folder.path())?;
    assert!(again.tensors.values().all(|t| t.dtype() == DType::BF16));
    same(&half, &again);
    Ok(())
}

#[test]
fn shards_are_put_together() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let weights = lively(tiny("qwen2"), 2)?;
    weights.save_folder(folder.path())?;
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let mut map = serde_json::Map::new();
    let mut parts = [std::collections::HashMap::new(), std::collections::HashMap::new()];
    for (i, (name, tensor)) in weights.tensors.iter().enumerate() {
        map.insert(name.clone(), format!("part-{}.safetensors", i % 2).into());
        parts[i % 2].insert(name.clone(), tensor.clone());
    }
    for (i, part) in parts.iter().enumerate() {
        candle_core::safetensors::save(part, folder.path().join(format!("part-{i}.safetensors")))?;
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({ "weight_map": map }).to_string()).unwrap();
    same(&weights, &Weights::from_folder(folder.path())?);
    std::fs::write(&index, r#"{"weight_map":{"a":"../elsewhere.safetensors"}}"#).unwrap();
    assert!(Weights::from_folder(folder.path()).unwrap_err().to_string().contains("not a file name"));
    Ok(())
}

#[test]
fn a_tensor_that_is_missing_or_misshapen_is_named() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let mut weights = lively(tiny("llama"), 1)?;
    let norm = weights.tensors.remove("model.layers.1.input_layernorm.weight").unwrap();
    weights.save_folder(folder.path())?;
    let error = Weights::from_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("model.layers.1.input_layernorm.weight") && error.contains("missing"), "{error}");
    weights.tensors.insert("model.layers.1.input_layernorm.weight".into(), norm.narrow(0, 0, 3)?);
    weights.save_folder(folder.path())?;
    let error = Weights::from_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("[3], not [8]"), "{error}");
    Ok(())
}

/// Writes GGUF as llama.cpp's converter does: its names, and for Llama the rows of query and key heads as neighbouring pairs.
/// Matrices are written in `format`.
fn write_gguf(weights: &Weights, format: GgmlDType, path: &Path) -> Result<()> {
    let c = &weights.config;
    let arch = if c.qk_norm {
        "qwen3"
    } else if c.qkv_bias {
        "qwen2"
    } else {
        "llama"
    };
    let renamed = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    let mut tensors = Vec::new();
    for (name, tensor) in &weights.tensors {
        let mut tensor = tensor.clone();
        if arch == "llama" && (name.contains("q_proj") || name.contains("k_proj")) {
            // Row 2 i of a head is its row i, row 2 i + 1 its row i + half.
            let half = c.head_dim / 2;
            let order = (0..tensor.dims()[0] as u32).map(|r| {
                let (head, r) = (r / c.head_dim as u32, r % c.head_dim as u32);
                head * c.head_dim as u32 + r / 2 + r % 2 * half as u32
            });
            tensor = tensor.index_select(&Tensor::from_iter(order, tensor.device())?, 0)?;
        }
        let name = renamed.iter().fold(name.clone(), |name, (from, to)| name.replacen(from, to, 1));
        let format = if tensor.rank() == 2 { format } else { GgmlDType::F32 };
        tensors.push((name, QTensor::quantize(&tensor, format)?));
    }
    let key = |name: &str| format!("{arch}.{name}");
    let metadata = [
        ("general.architecture".to_string(), Value::String(arch.to_string())),
        (key("embedding_length"), Value::U32(c.hidden_size as u32)),
        (key("feed_forward_length"), Value::U32(c.intermediate_size as u32)),
        (key("block_count"), Value::U32(c.num_hidden_layers as u32)),
        (key("attention.head_count"), Value::U32(c.num_attention_heads as u32)),
        (key("attention.head_count_kv"), Value::U32(c.num_key_value_heads as u32)),
        (key("attention.key_length"), Value::U32(c.head_dim as u32)),
        (key("attention.layer_norm_rms_epsilon"), Value::F32(c.rms_norm_eps as f32)),
        (key("rope.freq_base"), Value::F32(c.rope_theta as f32)),
        (key("context_length"), Value::U32(c.max_position_embeddings as u32)),
    ];
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    Ok(write(&mut std::fs::File::create(path).unwrap(), &metadata, &tensors)?)
}

#[test]
fn gguf_gives_back_the_weights_with_query_and_key_rows_in_their_own_order() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        // Eight numbers a head: with four, the order of pairs and that of halves are each other's inverse.
        let weights = lively(LmConfig { head_dim: 8, ..tiny(family) }, 4)?;
        let path = folder.path().join("model.gguf");
        write_gguf(&weights, GgmlDType::F32, &path)?;
        same(&weights, &Weights::from_gguf(&path)?);
    }
    Ok(())
}

#[test]
fn a_packed_file_decodes_to_the_bits_of_its_unpacked_weights_at_any_batch_size_and_on_any_threads() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for family in FAMILIES {
        let wide = LmConfig { vocab_size: 75, hidden_size: 64, intermediate_size: 96, head_dim: 16, ..tiny(family) };
        let weights = lively(wide, 6)?;
        let mut sizes = Vec::new();
        // Q5_0 is a format that products do not read: it is unpacked when it is loaded.
        for format in [GgmlDType::F32, GgmlDType::F16, GgmlDType::Q8_0, GgmlDType::Q4_1, GgmlDType::Q5_0] {
            write_gguf(&weights, format, &path)?;
            let unpacked = Weights::from_gguf(&path)?;
            let truth = Model::new(&unpacked, Trainable::Nothing, DType::F32, &Device::Cpu, 0)?.decoder()?;
            let packed = Decoder::from_gguf(&path)?;
            sizes.push(packed.bytes());
            let play = |decoder: &Decoder, rows: &[usize]| -> Result<Vec<Vec<f32>>> {
                let prefix = decoder.prefix(&[1, 2, 3, 4, 5])?;
                let mut cache = decoder.cache(20, 40)?;
                let mut out = Vec::new();
                for row in rows {
                    cache.start(*row, Some(prefix.clone()))?;
                }
                for step in 0..3 {
                    let feeds: Vec<(usize, u32)> = rows.iter().map(|r| (*r, (*r * 7 + step * 3) as u32 % 75)).collect();
                    out = decoder.step(&mut cache, &feeds)?.to_vec2()?;
                }
                Ok(out)
            };
            let all: Vec<usize> = (0..20).collect();
            let expected = play(&truth, &all)?;
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| -> Result<()> {
                    assert_eq!(play(&packed, &all)?, expected, "{family} {format:?} {threads}");
                    for some in [&all[..1], &all[3..6], &all[4..17]] {
                        assert_eq!(
                            play(&packed, some)?,
                            expected[some[0]..=some[some.len() - 1]],
                            "{family} {format:?}"
                        );
                    }
                    Ok(())
                })?;
            }
        }
        assert!(sizes[2] * 3 < sizes[0] && sizes[1] * 2 == sizes[0] && sizes[3] < sizes[2] && sizes[4] == sizes[0]);
    }
    Ok(())
}

#[test]
fn random_weights_depend_on_the_seed_alone_and_look_as_they_should() -> Result<()> {
    let config = LmConfig { vocab_size: 500, hidden_size: 64, ..tiny("qwen2") };
    let (a, b, c) =
        (Weights::random(config.clone(), 1)?, Weights::random(config.clone(), 1)?, Weights::random(config, 2)?);
    same(&a, &b);
    let numbers = |w: &Weights, name: &str| w.tensors[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let drawn = numbers(&a, "model.embed_tokens.weight");
    assert_ne!(drawn, numbers(&c, "model.embed_tokens.weight"));
    let mean: f32 = drawn.iter().sum::<f32>() / drawn.len() as f32;
    let std = (drawn.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / drawn.len() as f32).sqrt();
    assert!(mean.abs() < 5e-4 && (std - 0.02).abs() < 5e-4, "{mean} {std}");
    assert!(numbers(&a, "model.norm.weight").iter().all(|x| *x == 1.0));
    assert!(numbers(&a, "model.layers.0.self_attn.q_proj.bias").iter().all(|x| *x == 0.0));
    Ok(())
}
