//! The doctor as a language model: decoder-only transformers of the Llama family, trained and sampled by the same kernels.

#![forbid(unsafe_code)]

mod block;
mod body;
mod cache;
mod config;
mod decode;
mod decode_slices;
mod decode_tensors;
mod error;
mod gguf;
mod model;
mod ops;
mod packed;
mod params;
pub mod testing;
mod weights;

pub use cache::{Cache, Prefix};
pub use config::LmConfig;
pub use decode::Decoder;
pub use error::{LmError, Result};
pub use model::{Gradients, HeadOptions, HeadOut, Model, Trainable};
pub use packed::{Packed, Predictions, SequenceSpan};
pub use weights::Weights;
