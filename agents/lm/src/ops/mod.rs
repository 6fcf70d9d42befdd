//! The differentiable steps of a transformer, each with its forward and its backward side by side. candle's fused kernels have
//! no backward and say nothing about it, so none of them is on the path that trains.
//!
//! Each step runs on slices on the CPU (f32 and f64; bf16 is widened) and as a composition of candle tensor operations on
//! other devices. Both are tested against each other on the CPU.

pub(crate) mod attention;
pub(crate) mod attention_composed;
pub(crate) mod cpu;
pub(crate) mod embedding;
pub(crate) mod head;
pub(crate) mod kl;
pub(crate) mod linear;
pub(crate) mod matmul;
pub(crate) mod panels;
pub(crate) mod rms_norm;
pub(crate) mod rope;
pub(crate) mod sum;
pub(crate) mod swiglu;
