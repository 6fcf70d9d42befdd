//! Whether a device computes what the CPU does, and how fast it moves memory.

use super::{Result, Spent, Subject, tokens};
use bedside_lm::testing::{lively, tiny};
use bedside_lm::{HeadOptions, Model, Packed, Trainable};
use candle_core::{DType, Device, Tensor};

/// Gradients of a device beside the CPU's in f64.
pub struct Agreement {
    /// Of any parameter: the distance of the two gradients over the length of the true one.
    pub worst: f64,
    /// Of any parameter: the cosine between the two.
    pub cosine: f64,
    /// Parameters compared.
    pub parameters: usize,
}

impl Subject {
    /// Gradients of small models of every family, all parameters and low-rank corrections, over a group with a shared prefix.
    pub fn gradients(&self) -> Result<Agreement> {
        let mut out = Agreement { worst: 0.0, cosine: 1.0, parameters: 0 };
        for family in ["llama", "qwen2", "qwen3", "untied"] {
            for trainable in [Trainable::All, Trainable::Lora { rank: 2, alpha: 4.0 }] {
                let truth = gradients(family, trainable, DType::F64, &Device::Cpu)?;
                let ours = gradients(family, trainable, self.dtype, &self.device)?;
                for (t, o) in truth.iter().zip(&ours) {
                    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    let (tt, oo, to) = (dot(t, t), dot(o, o), dot(t, o));
                    out.worst = out.worst.max(((tt + oo - 2.0 * to).max(0.0) / tt).sqrt());
                    out.cosine = out.cosine.min(to / (tt * oo).sqrt());
                    out.parameters += 1;
                }
            }
        }
        Ok(out)
    }

    /// The largest distance between the log-probability of a token here and on the CPU in f32, over `n` tokens of this model.
    pub fn log_probs(&self, n: usize) -> Result<f64> {
        let weights = self.model.weights()?;
        let mut batch = Packed::default();
        batch.push(&tokens(5, n.max(2), weights.config.vocab_size));
        let p = batch.predictions()?;
        let all = |dtype: DType, device: &Device| -> Result<Vec<f64>> {
            let model = Model::new(&weights, Trainable::Nothing, dtype, device, 1)?;
            let out = model.log_probs(&model.hidden(&batch)?, &p.rows, &p.targets, HeadOptions::default())?;
            Ok(out.log_probs.to_dtype(DType::F64)?.to_vec1()?)
        };
        let (truth, ours) = (all(DType::F32, &Device::Cpu)?, all(self.dtype, &self.device)?);
        Ok(truth.iter().zip(&ours).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
    }

    /// Bytes a second that copying within the device's memory reads and writes; `bytes` are copied at a time.
    pub fn copies(&self, bytes: usize) -> Result<f64> {
        let numbers = (bytes / 4).max(1);
        let from: Vec<f32> = (0..numbers).map(|i| (i % 8191) as f32).collect();
        let from = Tensor::from_vec(from, numbers, &self.device)?;
        from.copy()?;
        let times = 20;
        let (spent, _) = Spent::of(&self.device, times, || {
            for _ in 0..times {
                from.copy()?;
            }
            Ok(())
        })?;
        Ok((times * numbers * 8) as f64 / spent.seconds)
    }
}

fn gradients(family: &str, trainable: Trainable, dtype: DType, device: &Device) -> Result<Vec<Vec<f64>>> {
    let model = Model::new(&lively(tiny(family), 3)?, trainable, dtype, device, 1)?;
    for (i, (name, var)) in model.vars().iter().enumerate() {
        if name.contains("lora_B") {
            // At zero, where they start, half of the gradients would be zero too.
            let values: Vec<f64> = (0..var.elem_count()).map(|j| 0.2 * ((i + j) as f64).cos()).collect();
            var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?.to_dtype(var.dtype())?.to_device(device)?)?;
        }
    }
    model.refresh()?;
    let mut batch = Packed::default();
    let prefix: Vec<u32> = (0..20).map(|i| i * 11 % 23).collect();
    batch.push_group(&prefix, &[&[4, 4, 8, 1, 0, 22], &[7], &[2, 9, 5]]);
    batch.push(&[3, 1, 4, 1, 5, 9, 2, 6]);
    let p = batch.predictions()?;
    let out = model.log_probs(&model.hidden(&batch)?, &p.rows, &p.targets, HeadOptions::default())?.log_probs;
    let weights: Vec<f64> = (0..p.rows.len()).map(|i| (i as f64).cos()).collect();
    let weights = Tensor::from_vec(weights, p.rows.len(), &Device::Cpu)?.to_dtype(out.dtype())?.to_device(device)?;
    let gradients = model.backward(&(out * weights)?.sum_all()?)?.0;
    let flat = |g: &Tensor| -> Result<Vec<f64>> {
        Ok(g.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    };
    gradients.iter().map(flat).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself_and_half_precision_points_the_same_way() -> Result<()> {
        let mut subject = Subject { model: Source::named("tiny"), device: Device::Cpu, dtype: DType::F32 };
        let g = subject.gradients()?;
        assert!(
            g.worst < 1e-3 && g.cosine > 0.999_999 && g.parameters > 150,
            "{} {} {}",
            g.worst,
            g.cosine,
            g.parameters
        );
        assert_eq!(subject.log_probs(20)?, 0.0);
        assert!(subject.copies(1 << 20)? > 1e6);
        subject.dtype = DType::BF16;
        let g = subject.gradients()?;
        assert!(g.worst > 1e-4 && g.cosine > 0.9, "{} {}", g.worst, g.cosine);
        assert!((1e-6..0.5).contains(&subject.log_probs(20)?));
        Ok(())
    }
}
