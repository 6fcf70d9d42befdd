//! Distance to a frozen reference, one sampled token at a time.

/// An estimate with its derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenKl {
    pub value: f64,
    /// d value / d logp at a fixed ratio.
    pub d_logp: f64,
    /// d value / d log ratio; 0 without bias correction.
    pub d_log_ratio: f64,
}

/// Schulman's k3 estimate of KL(policy || reference): `x - 1 - log x` with `x = reference / policy`. Never negative.
pub fn k3(logp: f64, reference: f64) -> TokenKl {
    let d = reference - logp;
    TokenKl { value: d.exp_m1() - d, d_logp: -d.exp_m1(), d_log_ratio: 0.0 }
}

/// k3 times the importance ratio `now / then`: unbiased where the tokens were sampled by an older policy (TRL's default).
pub fn k3_corrected(logp: f64, reference: f64, ratio: f64) -> TokenKl {
    let plain = k3(logp, reference);
    let value = plain.value * ratio;
    TokenKl { value, d_logp: plain.d_logp * ratio, d_log_ratio: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k3_is_zero_at_the_reference_and_positive_elsewhere() {
        assert_eq!(k3(-1.25, -1.25), TokenKl { value: 0.0, d_logp: 0.0, d_log_ratio: 0.0 });
        assert!([-3.0, -1.0, 0.5, 2.0].iter().all(|d| k3(-1.0, -1.0 + d).value > 0.0));
    }

    #[test]
    fn its_derivatives_are_those_of_finite_differences() {
        let (p, q, old, h) = (-1.1, -0.6, -0.9, 1e-6);
        let f = |p: f64| k3_corrected(p, q, (p - old).exp()).value;
        let k = k3_corrected(p, q, (p - old).exp());
        let numeric = (f(p + h) - f(p - h)) / (2.0 * h);
        assert!((numeric - k.d_logp - k.d_log_ratio).abs() < 1e-8, "{numeric} {k:?}");
    }
}
