//! From logits to one token, on the host. Pure: a token is a function of (logits, sampling, seed, token index), so the same
//! sequence is drawn whatever else is in the batch.

use bedside_env::seed::{Draw, Purpose, Seed};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divides the logits; 0 is greedy (the most likely token, the lowest id on a tie).
    pub temperature: f32,
    /// Only this many of the most likely tokens may be drawn; 0 is all of them.
    pub top_k: usize,
    /// Only the most likely tokens that together reach this mass may be drawn, the one that crosses it included; applied
    /// to what `top_k` left. 1 is all of them.
    pub top_p: f32,
}

impl Default for Sampling {
    /// The plain distribution: what a policy gradient assumes.
    fn default() -> Self {
        Sampling { temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

impl Sampling {
    pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };
}

/// One drawn token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    pub id: u32,
    /// Natural log of its probability under softmax(logits / temperature) over the **whole** vocabulary, before `top_k` and
    /// `top_p` cut it. That is what a trainer recomputes (TRL does the same), so the two can be compared token by token.
    /// Greedy counts as temperature 1.
    pub log_prob: f32,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    #[error("none of {vocab} logits is a finite number\nhint: the weights hold NaN, or training diverged")]
    NothingFinite { vocab: usize },
    #[error("token {id} is outside of a vocabulary of {vocab}\nhint: tokenizer and model do not belong together")]
    NoSuchToken { id: u32, vocab: usize },
}

/// Draws tokens; keeps its buffers between draws.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    /// exp((logit - max) / temperature), by token id.
    weights: Vec<f32>,
    /// Token ids that `top_k` and `top_p` leave.
    kept: Vec<u32>,
}

/// What is known of a row of logits after one pass: its largest one, and the sum of the weights.
struct Mass {
    max: f32,
    temperature: f32,
    total: f64,
}

impl Mass {
    fn log_prob(&self, logit: f32) -> f32 {
        (f64::from(logit - self.max) / f64::from(self.temperature) - self.total.ln()) as f32
    }
}

impl Sampler {
    /// The token at `index` of the sequence that `seed` names: one counted ChaCha8 draw.
    pub fn draw(&mut self, logits: &[f32], how: &Sampling, seed: Seed, index: u32) -> Result<Drawn, SampleError> {
        let mass = self.weigh(logits, how)?;
        let id = if how.temperature <= 0.0 {
            let best = logits.iter().position(|l| *l == mass.max);
            best.ok_or(SampleError::NothingFinite { vocab: logits.len() })? as u32
        } else {
            let unit = Draw::new(seed, b"token", index, Purpose::Policy).unit();
            if how.top_k == 0 && how.top_p >= 1.0 {
                self.pick(0..logits.len() as u32, mass.total * unit)
            } else {
                let total = self.restrict(how, mass.total);
                self.pick(self.kept.iter().copied(), total * unit)
            }
        };
        Ok(Drawn { id, log_prob: mass.log_prob(logits[id as usize]) })
    }

    /// The same log-probability for a token that was not drawn but put there.
    pub fn log_prob(&mut self, logits: &[f32], how: &Sampling, id: u32) -> Result<f32, SampleError> {
        let mass = self.weigh(logits, how)?;
        let logit = *logits.get(id as usize).ok_or(SampleError::NoSuchToken { id, vocab: logits.len() })?;
        Ok(mass.log_prob(logit))
    }

    fn weigh(&mut self, logits: &[f32], how: &Sampling) -> Result<Mass, SampleError> {
        let max = logits.iter().copied().filter(|l| l.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        if !max.is_finite() {
            return Err(SampleError::NothingFinite { vocab: logits.len() });
        }
        let temperature = if how.temperature <= 0.0 { 1.0 } else { how.temperature };
        self.weights.clear();
        // A NaN among good logits is never drawn: it weighs nothing, as minus infinity does.
        self.weights.extend(logits.iter().map(|l| if l.is_finite() { ((l - max) / temperature).exp() } else { 0.0 }));
        let total = self.weights.iter().map(|w| f64::from(*w)).sum();
        Ok(Mass { max, temperature, total })
    }

    /// The first token at which the running sum passes `target`; the last one that weighs anything if rounding overshoots.
    fn pick(&self, ids: impl Iterator<Item = u32>, target: f64) -> u32 {
        let (mut sum, mut last) = (0.0, 0);
        for id in ids {
            let weight = f64::from(self.weights[id as usize]);
            if weight > 0.0 {
                sum += weight;
                last = id;
                if sum > target {
                    break;
                }
            }
        }
        last
    }

    /// Fills `kept`, heaviest first, and returns the weight of it all.
    fn restrict(&mut self, how: &Sampling, total: f64) -> f64 {
        let Sampler { weights, kept } = self;
        let heavier =
            |a: &u32, b: &u32| -> Ordering { weights[*b as usize].total_cmp(&weights[*a as usize]).then(a.cmp(b)) };
        kept.clear();
        kept.extend(0..weights.len() as u32);
        let k = if how.top_k == 0 { kept.len() } else { how.top_k.min(kept.len()) };
        let sum = |ids: &[u32]| -> f64 { ids.iter().map(|i| f64::from(weights[*i as usize])).sum() };
        if k < kept.len() {
            kept.select_nth_unstable_by(k - 1, heavier);
            kept.truncate(k);
        }
        if how.top_p >= 1.0 {
            kept.sort_unstable_by(heavier);
            return sum(kept);
        }
        // Sorting a whole vocabulary for the few tokens of a nucleus is waste: sort a head, and a longer one if it falls short.
        let wanted = f64::from(how.top_p) * if k < weights.len() { sum(kept) } else { total };
        let mut head = 64.min(kept.len());
        loop {
            if head < kept.len() {
                kept.select_nth_unstable_by(head - 1, heavier);
            }
            kept[..head].sort_unstable_by(heavier);
            let mut mass = 0.0;
            for at in 0..head {
                mass += f64::from(weights[kept[at] as usize]);
                if mass >= wanted {
                    kept.truncate(at + 1);
                    return mass;
                }
            }
            if head == kept.len() {
                return mass;
            }
            head = (head * 8).min(kept.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softmax(logits: &[f32], temperature: f32) -> Vec<f64> {
        let exp: Vec<f64> = logits.iter().map(|l| f64::from(*l / temperature).exp()).collect();
        let total: f64 = exp.iter().sum();
        exp.into_iter().map(|e| e / total).collect()
    }

    fn counts(logits: &[f32], how: &Sampling, draws: u32) -> Vec<u32> {
        let mut sampler = Sampler::default();
        let mut counts = vec![0; logits.len()];
        for i in 0..draws {
            counts[sampler.draw(logits, how, Seed(5), i).expect("finite").id as usize] += 1;
        }
        counts
    }

    /// Pearson's statistic of `seen` against `expected` probabilities.
    fn chi_square(seen: &[u32], expected: &[f64]) -> f64 {
        let n: u32 = seen.iter().sum();
        let term = |(s, p): (&u32, &f64)| (f64::from(*s) - f64::from(n) * p).powi(2) / (f64::from(n) * p);
        seen.iter().zip(expected).filter(|(_, p)| **p > 0.0).map(term).sum()
    }

    const LOGITS: [f32; 8] = [0.3, -1.0, 2.0, 0.0, 1.5, -0.4, 0.9, -2.0];

    #[test]
    fn draws_follow_the_softmax_at_any_temperature() {
        for temperature in [0.5, 1.0, 2.0] {
            let how = Sampling { temperature, ..Sampling::default() };
            let seen = counts(&LOGITS, &how, 20_000);
            // 7 degrees of freedom: 24.3 is exceeded once in a thousand times.
            let chi = chi_square(&seen, &softmax(&LOGITS, temperature));
            assert!(chi < 24.3, "chi square {chi} at temperature {temperature}: {seen:?}");
        }
    }

    #[test]
    fn top_p_keeps_the_smallest_head_that_reaches_the_mass_in_proportion() {
        let p = softmax(&LOGITS, 1.0);
        // Heaviest first: 2 (.41), 4 (.25), 6 (.14), 0 (.08); three of them reach 0.8.
        let how = Sampling { top_p: 0.8, ..Sampling::default() };
        let seen = counts(&LOGITS, &how, 20_000);
        let kept: Vec<usize> = (0..8).filter(|i| seen[*i] > 0).collect();
        assert_eq!(kept, [2, 4, 6]);
        let mass: f64 = kept.iter().map(|i| p[*i]).sum();
        assert!(mass >= 0.8 && mass - p[6] < 0.8, "{mass}");
        let renormalised: Vec<f64> = (0..8).map(|i| if kept.contains(&i) { p[i] / mass } else { 0.0 }).collect();
        let chi = chi_square(&seen, &renormalised);
        assert!(chi < 13.8, "chi square {chi} with 2 degrees of freedom");
    }

    #[test]
    fn top_k_keeps_k_tokens_and_comes_before_top_p() {
        let seen = counts(&LOGITS, &Sampling { top_k: 2, ..Sampling::default() }, 2_000);
        assert_eq!((0..8).filter(|i| seen[*i] > 0).collect::<Vec<_>>(), [2, 4]);
        // 0.41 / (0.41 + 0.25) is over 0.6: after top_k, one token reaches 0.6.
        let both = counts(&LOGITS, &Sampling { top_k: 2, top_p: 0.6, ..Sampling::default() }, 200);
        assert_eq!(both[2], 200);
    }

    #[test]
    fn a_nucleus_wider_than_the_sorted_head_is_whole() {
        let flat = vec![0.0f32; 1_000];
        let seen = counts(&flat, &Sampling { top_p: 0.5, ..Sampling::default() }, 20_000);
        // Ties go to the lower id, so the first 500 tokens make half of the mass.
        assert!(seen[..500].iter().all(|c| *c > 0) && seen[501..].iter().all(|c| *c == 0));
    }

    #[test]
    fn the_log_probability_is_of_the_whole_distribution_at_the_temperature() {
        let how = Sampling { temperature: 0.7, top_k: 3, top_p: 0.9 };
        let p = softmax(&LOGITS, 0.7);
        let mut sampler = Sampler::default();
        for i in 0..50 {
            let drawn = sampler.draw(&LOGITS, &how, Seed(1), i).expect("finite");
            assert!((f64::from(drawn.log_prob) - p[drawn.id as usize].ln()).abs() < 1e-6);
            assert_eq!(sampler.log_prob(&LOGITS, &how, drawn.id), Ok(drawn.log_prob));
        }
    }

    #[test]
    fn greedy_takes_the_largest_and_the_lowest_id_on_a_tie() {
        let mut sampler = Sampler::default();
        let drawn = sampler.draw(&[1.0, 3.0, 3.0, 0.0], &Sampling::GREEDY, Seed(0), 0).expect("finite");
        assert_eq!(drawn.id, 1);
        let p = softmax(&[1.0, 3.0, 3.0, 0.0], 1.0);
        assert!((f64::from(drawn.log_prob) - p[1].ln()).abs() < 1e-6);
    }

    #[test]
    fn the_draw_depends_on_seed_and_index_and_not_on_what_was_drawn_before() {
        let how = Sampling::default();
        let mut busy = Sampler::default();
        let all: Vec<u32> = (0..64).map(|i| busy.draw(&LOGITS, &how, Seed(9), i).expect("finite").id).collect();
        for i in (0..64).rev() {
            assert_eq!(Sampler::default().draw(&LOGITS, &how, Seed(9), i).expect("finite").id, all[i as usize]);
        }
        let other: Vec<u32> = (0..64).map(|i| busy.draw(&LOGITS, &how, Seed(10), i).expect("finite").id).collect();
        assert_ne!(all, other);
    }

    #[test]
    fn logits_that_are_no_numbers_are_never_drawn() {
        let mut sampler = Sampler::default();
        for i in 0..100 {
            let bad = [f32::NAN, 0.0, f32::NEG_INFINITY, 0.1];
            let drawn = sampler.draw(&bad, &Sampling::default(), Seed(2), i).expect("two are finite");
            assert!(drawn.id == 1 || drawn.id == 3);
        }
        let none = sampler.draw(&[f32::NAN; 3], &Sampling::default(), Seed(2), 0);
        assert_eq!(none, Err(SampleError::NothingFinite { vocab: 3 }));
    }
}
