//! HealthBench's other figures: how far a grader agrees with physicians, the worst of k answers, and win rates that length
//! alone cannot buy.

use super::healthbench::clipped_mean;

/// A share with the number of pairs behind it; `None` of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    pub value: Option<f64>,
    pub n: usize,
}

/// Agreement of one rater with the others, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Of pairs this rater called met, the share the others called met.
    pub precision_met: Share,
    pub precision_unmet: Share,
    /// Of pairs the others called met, the share this rater called met.
    pub recall_met: Share,
    pub recall_unmet: Share,
    pub f1_met: Option<f64>,
    pub f1_unmet: Option<f64>,
    /// Macro F1: the mean of the two.
    pub balanced: Option<f64>,
}

/// Meta-evaluation of one rater. Each (item, other rater) is one pair; items and lists of others go together.
pub fn agreement<'a>(pairs: impl IntoIterator<Item = (bool, &'a [bool])>) -> Agreement {
    // counts[own][other]
    let mut counts = [[0usize; 2]; 2];
    for (own, others) in pairs {
        for other in others {
            counts[usize::from(own)][usize::from(*other)] += 1;
        }
    }
    let share = |hits: usize, n: usize| Share { value: (n > 0).then(|| hits as f64 / n as f64), n };
    let precision = |class: usize| share(counts[class][class], counts[class][0] + counts[class][1]);
    let recall = |class: usize| share(counts[class][class], counts[0][class] + counts[1][class]);
    let f1 = |p: Share, r: Share| {
        let (p, r) = (p.value?, r.value?);
        Some(if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 })
    };
    let (f1_unmet, f1_met) = (f1(precision(0), recall(0)), f1(precision(1), recall(1)));
    Agreement {
        precision_met: precision(1),
        precision_unmet: precision(0),
        recall_met: recall(1),
        recall_unmet: recall(0),
        f1_met,
        f1_unmet,
        balanced: f1_met.zip(f1_unmet).map(|(a, b)| (a + b) / 2.0),
    }
}

/// Mean over all k-subsets of the subset's minimum, in closed form over the sorted scores: sum of s(i) C(n-i, k-1) / C(n, k).
/// `None` unless 1 <= k <= n.
pub fn worst_at_k(scores: &[f64], k: usize) -> Option<f64> {
    let n = scores.len();
    if k == 0 || k > n {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Probability that the i-th smallest (from 0) is the minimum of a random k-subset.
    let mut p = k as f64 / n as f64;
    let mut total = 0.0;
    for (i, s) in sorted.iter().enumerate().take(n - k + 1) {
        total += s * p;
        let left = n - i - 1;
        if left >= k {
            p *= (left + 1 - k) as f64 / left as f64;
        }
    }
    Some(total)
}

/// Worst-at-k over problems: the mean, clipped. Problems with fewer than k answers have none and are an error of the caller.
pub fn worst_at_k_over(problems: &[Vec<f64>], k: usize) -> Option<f64> {
    let each = problems.iter().map(|p| worst_at_k(p, k)).collect::<Option<Vec<_>>>()?;
    (!each.is_empty()).then(|| clipped_mean(&each))
}

/// One answer: its score and its length in characters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    pub score: f64,
    pub chars: u32,
}

/// How often the first model wins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WinRate {
    /// All ordered pairs; ties excluded.
    pub raw: Share,
    /// Pairs whose lengths differ by at most `slack` of the longer.
    pub length_controlled: Share,
}

/// Wins of the first model over the second, problem by problem: every answer against every answer.
pub fn win_rate(problems: &[(Vec<Answered>, Vec<Answered>)], slack: f64) -> WinRate {
    let mut wins = [0usize; 2];
    let mut pairs = [0usize; 2];
    for (ours, theirs) in problems {
        for (a, b) in ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b))).filter(|(a, b)| a.score != b.score) {
            let close = f64::from(a.chars.abs_diff(b.chars)) <= slack * f64::from(a.chars.max(b.chars));
            for column in 0..if close { 2 } else { 1 } {
                pairs[column] += 1;
                wins[column] += usize::from(a.score > b.score);
            }
        }
    }
    let share = |c: usize| Share { value: (pairs[c] > 0).then(|| wins[c] as f64 / pairs[c] as f64), n: pairs[c] };
    WinRate { raw: share(0), length_controlled: share(1) }
}
