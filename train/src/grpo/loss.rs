//! The loss and its exact derivative with respect to each log-probability.
//!
//! With `r = exp(logp - old)` (of a token, or of a sequence by its mean), advantage `A`, importance weight `w` and a divisor:
//! ```text
//! loss  = sum over tokens of  ( term(r, A, logp) * kept * w  +  beta * kl ) / divisor
//! term  = -min( min(r, delta) A, clip(r, 1 - e_low, 1 + e_high) A )     grpo bnpo dr_grpo dapo luspo
//!         -stop(min(r, cap)) A logp                                     cispo
//!         -4/tau sigmoid(tau (r - 1)) A                                 sapo
//!         -stop(phi(r_sequence)) A logp                                 vespo
//! ```

use super::config::{Count, GrpoConfig, Level, LossType};
use super::sequence::{Credit, Over, Sequence, SequenceError, counted};
use super::tally::Tally;
use super::{importance, kl};

/// What a batch costs and how each log-probability should move.
#[derive(Clone, Debug, PartialEq)]
pub struct LossOutput {
    pub loss: f64,
    /// d loss / d logp, shaped as the sequences; 0 where nothing is learned. A model back-propagates `sum(logp * dlogp)`.
    pub dlogp: Vec<Vec<f64>>,
    pub tally: Tally,
}

/// The loss of one micro-batch, divided by what the whole step counts: losses and gradients of micro-batches add up.
pub fn loss(config: &GrpoConfig, batch: &[Sequence], over: Over) -> Result<LossOutput, SequenceError> {
    let mut out = LossOutput { loss: 0.0, dlogp: Vec::with_capacity(batch.len()), tally: Tally::default() };
    for (i, sequence) in batch.iter().enumerate() {
        sequence.check(i, config)?;
        let (loss, dlogp) = one_sequence(config, sequence, over, &mut out.tally);
        out.loss += loss;
        out.dlogp.push(dlogp);
    }
    Ok(out)
}

/// A token's term with its derivatives.
#[derive(Clone, Copy, Debug, Default)]
struct Term {
    value: f64,
    /// Directly by logp.
    d_logp: f64,
    /// By the logarithm of the ratio.
    d_log_ratio: f64,
    low: bool,
    high: bool,
    capped: bool,
}

fn one_sequence(config: &GrpoConfig, s: &Sequence, over: Over, tally: &mut Tally) -> (f64, Vec<f64>) {
    let active: Vec<usize> = s.active_tokens().collect();
    let mut dlogp = vec![0.0; s.len()];
    if active.is_empty() {
        return (0.0, dlogp);
    }
    let n = active.len() as f64;
    let ratios = Ratios::of(config, s, &active);
    let weights = importance::weights(&config.importance, s);
    let kept = !dropped_as_off_policy(config, s, &active);
    let log_w = sequence_log_ratio(config, s, &active, &weights);
    let divisor = over.weight(config, counted(config, s).1);
    let whole = config.level == Level::Sequence && matches!(s.credit, Credit::Sequence(_));

    let (mut loss, mut by_sequence, mut low, mut high) = (0.0, 0.0, 0, 0);
    for (k, &t) in active.iter().enumerate() {
        let (ratio, a) = (ratios.value[k], s.credit.at(t));
        let phi = gamma_weight(config, log_w, a);
        let term = term(config, ratio, a, s.logp[t], phi);
        let corrected = config.loss_type != LossType::Vespo;
        let rejected = config.importance.mode.is_some() && weights[t] == 0.0;
        tally.rejected += u64::from(rejected);
        let factor = if kept { 1.0 } else { 0.0 } * if corrected { weights[t] } else { 1.0 };

        let (mut value, mut d_logp, mut d_log_ratio) =
            (term.value * factor, term.d_logp * factor, term.d_log_ratio * factor);
        if let (true, Some(reference)) = (config.beta != 0.0, &s.reference) {
            let kl = match config.kl_bias_correction {
                true => kl::k3_corrected(s.logp[t], reference[t], ratio),
                false => kl::k3(s.logp[t], reference[t]),
            };
            tally.kl += kl.value;
            value += config.beta * kl.value;
            d_logp += config.beta * kl.d_logp;
            d_log_ratio += config.beta * kl.d_log_ratio;
        }
        // A rejected token that does not count does not cost either.
        let divisor = if rejected && config.count == Count::Trained { 0.0 } else { divisor };
        loss += divisor * value;
        dlogp[t] += divisor * d_logp;
        match config.level {
            Level::Token => dlogp[t] += divisor * d_log_ratio * ratios.live[k],
            Level::SequenceToken => dlogp[t] += divisor * d_log_ratio,
            Level::Sequence => by_sequence += divisor * d_log_ratio,
        }

        if !whole || k == 0 {
            tally.saw_ratio(ratio);
            (low, high) = (low + u64::from(term.low), high + u64::from(term.high));
            tally.capped += u64::from(term.capped);
        }
        if k == 0 || !matches!(s.credit, Credit::Sequence(_)) {
            tally.phi += phi;
            tally.phi_units += 1;
        }
    }
    // The ratio of a sequence is the exponential of a mean: each of its tokens moves it by 1/n.
    if config.level == Level::Sequence {
        active.iter().enumerate().for_each(|(k, &t)| dlogp[t] += by_sequence / n * ratios.live[k]);
    }
    tally.sequences += 1;
    tally.tokens += active.len() as u64;
    tally.off_policy += u64::from(!kept);
    tally.saw_clipped(if whole { 1 } else { active.len() as u64 }, low, high);
    (loss, dlogp)
}

/// The policy ratio at each active token.
struct Ratios {
    value: Vec<f64>,
    /// d log ratio / d logp of the token: 1, or 0 where the log-ratio is clamped.
    live: Vec<f64>,
}

impl Ratios {
    fn of(config: &GrpoConfig, s: &Sequence, active: &[usize]) -> Ratios {
        let limit = config.log_ratio_limit;
        let raw = active.iter().map(|&t| s.logp[t] - s.old_at(t));
        let (logs, live): (Vec<f64>, Vec<f64>) =
            raw.map(|x| (x.clamp(-limit, limit), if x.abs() <= limit { 1.0 } else { 0.0 })).unzip();
        let value = match config.level {
            Level::Token => logs.iter().map(|x| x.exp()).collect(),
            Level::Sequence | Level::SequenceToken => {
                vec![(logs.iter().sum::<f64>() / logs.len() as f64).exp(); logs.len()]
            }
        };
        Ratios { value, live }
    }
}

fn term(config: &GrpoConfig, r: f64, a: f64, logp: f64, phi: f64) -> Term {
    match config.loss_type {
        LossType::Grpo | LossType::Bnpo | LossType::DrGrpo | LossType::Dapo | LossType::Luspo => clipped(config, r, a),
        LossType::Cispo => {
            let weight = r.min(config.cispo_cap);
            let capped = r > config.cispo_cap && a > 0.0;
            Term { value: -weight * a * logp, d_logp: -weight * a, capped, ..Term::default() }
        }
        LossType::Sapo => {
            let tau = if a > 0.0 { config.sapo_tau_pos } else { config.sapo_tau_neg };
            let gate = 1.0 / (1.0 + (-tau * (r - 1.0)).exp());
            let d_log_ratio = -4.0 * gate * (1.0 - gate) * r * a;
            Term { value: -4.0 / tau * gate * a, d_log_ratio, ..Term::default() }
        }
        LossType::Vespo => Term { value: -phi * a * logp, d_logp: -phi * a, ..Term::default() },
    }
}

/// PPO's pessimistic clip with separate bounds, and an upper bound `delta` for negative advantages (dual clip).
fn clipped(config: &GrpoConfig, r: f64, a: f64) -> Term {
    let (lo, hi) = (1.0 - config.epsilon_low, 1.0 + config.epsilon_high);
    let capped = config.delta.map_or(r, |delta| r.min(delta));
    let (free, clip) = (capped * a, r.clamp(lo, hi) * a);
    // Bounds are inclusive, as PyTorch's clamp has them.
    let d_free = if config.delta.is_none_or(|delta| r <= delta) { r * a } else { 0.0 };
    let d_clip = if (lo..=hi).contains(&r) { r * a } else { 0.0 };
    let (value, slope) = if free < clip {
        (free, d_free)
    } else if clip < free {
        (clip, d_clip)
    } else {
        // A tie shares its gradient, as PyTorch's minimum does.
        (free, 0.5 * (d_free + d_clip))
    };
    let (low, high) = (capped < lo && a < 0.0, capped > hi && a > 0.0);
    Term { value: -value, d_log_ratio: -slope, low, high, ..Term::default() }
}

/// DeepSeek-V3.2's mask: a sequence with a negative advantage whose mean log(sampler / now) is above the bound teaches nothing.
/// With token-wise credit the mean advantage decides.
fn dropped_as_off_policy(config: &GrpoConfig, s: &Sequence, active: &[usize]) -> bool {
    let Some(bound) = config.off_policy_mask else { return false };
    let mean = |f: &dyn Fn(usize) -> f64| active.iter().map(|&t| f(t)).sum::<f64>() / active.len() as f64;
    let gap = |t: usize| match s.sampling.as_ref().map(|p| p[t]) {
        // What the sampler could not score is no evidence.
        Some(p) if p.is_nan() => 0.0,
        Some(p) => p - s.logp[t],
        None => s.old_at(t) - s.logp[t],
    };
    mean(&|t| s.credit.at(t)) < 0.0 && mean(&gap) > bound
}

/// VESPO's floor of a sequence's log weight, ln 1e-8.
const LOG_W_FLOOR: f64 = -18.420_680_743_952_367;

/// VESPO: the log of the sequence's weight, a sum (not a mean) over tokens, with the sampler's correction inside.
fn sequence_log_ratio(config: &GrpoConfig, s: &Sequence, active: &[usize], weights: &[f64]) -> f64 {
    let policy = active.iter().map(|&t| (s.logp[t] - s.old_at(t)).clamp(-20.0, 20.0)).sum::<f64>();
    let sampler = match config.importance.mode {
        Some(_) => active.iter().map(|&t| weights[t].ln().clamp(LOG_W_FLOOR, 20.0)).sum::<f64>(),
        None => 0.0,
    };
    (policy + sampler).clamp(LOG_W_FLOOR, 20.0)
}

/// VESPO's gamma weight `e^l w^k e^(-l w)`, 1 at w = 1; no gradient goes through it. 1 for every other loss.
fn gamma_weight(config: &GrpoConfig, log_w: f64, a: f64) -> f64 {
    if config.loss_type != LossType::Vespo {
        return 1.0;
    }
    let v = &config.vespo;
    let (k, lambda) = if a >= 0.0 { (v.k_pos, v.lambda_pos) } else { (v.k_neg, v.lambda_neg) };
    let phi = (lambda + k * log_w - lambda * log_w.exp()).exp();
    if phi.is_finite() { phi } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_bounds_belong_to_the_range_that_learns() {
        let c = GrpoConfig { delta: Some(2.0), ..GrpoConfig::m2() };
        let (lo, hi) = (1.0 - c.epsilon_low, 1.0 + c.epsilon_high);
        let slope = |r: f64, a: f64| clipped(&c, r, a).d_log_ratio;
        assert_eq!((slope(hi, 1.0), slope(lo, -1.0), slope(2.0, -1.0)), (-hi, lo, 2.0));
        assert_eq!(
            (slope(hi.next_up(), 1.0), slope(lo.next_down(), -1.0), slope(2.0f64.next_up(), -1.0)),
            (0.0, 0.0, 0.0)
        );
        // Beyond the bound that does not bind, the gradient leads back.
        assert_eq!((slope(1.5, -1.0), slope(0.5, 1.0)), (1.5, -0.5));
    }

    #[test]
    fn a_ratio_beyond_all_reason_neither_overflows_nor_learns() {
        let far = Sequence { old: Some(vec![-900.0]), ..Sequence::on_policy(vec![-1.0], -1.0) };
        let c = GrpoConfig { loss_type: LossType::Bnpo, ..GrpoConfig::m2() };
        let out = loss(&c, &[far], Over { sequences: 1.0, tokens: 1.0 }).expect("finite");
        assert_eq!((out.loss, out.dlogp), (20f64.exp(), vec![vec![0.0]]));
    }
}
