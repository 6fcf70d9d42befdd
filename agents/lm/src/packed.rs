//! Several sequences in one row of tokens, without padding. A sequence may fork: a prefix, then branches that each see the
//! prefix and themselves but not one another, so that what a group shares is computed once.

use crate::error::{LmError, Result};
use std::ops::Range;

/// Token t attends to s <= t iff both are of the same sequence and s is in the prefix (branch 0) or in t's own branch.
/// Tokens of a sequence are contiguous, its prefix first, then branch 1, branch 2, ...
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    pub tokens: Vec<u32>,
    /// Position in the sequence; a branch counts on from the end of the prefix.
    pub positions: Vec<u32>,
    /// Non-decreasing.
    pub sequence: Vec<u32>,
    /// 0 is the prefix; non-decreasing within a sequence.
    pub branch: Vec<u32>,
}

/// A sequence of a packed batch as ranges of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSpan {
    pub prefix: Range<usize>,
    pub branches: Vec<Range<usize>>,
}

impl SequenceSpan {
    pub fn range(&self) -> Range<usize> {
        self.prefix.start..self.branches.last().map_or(self.prefix.end, |b| b.end)
    }
}

/// Which row of the hidden states predicts which token. The last row of a prefix predicts the first token of each branch, so
/// rows repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predictions {
    /// Row of the hidden states that predicts.
    pub rows: Vec<u32>,
    /// Token id predicted.
    pub targets: Vec<u32>,
    /// Index of the predicted token in the batch.
    pub of: Vec<u32>,
}

impl Packed {
    /// Adds a sequence of its own.
    pub fn push(&mut self, tokens: &[u32]) {
        self.push_group(tokens, &[]);
    }

    /// Adds a sequence of a prefix and branches. An empty branch takes its number and no room.
    pub fn push_group(&mut self, prefix: &[u32], branches: &[&[u32]]) {
        let sequence = self.sequence.last().map_or(0, |s| s + 1);
        let mut add = |tokens: &[u32], start: usize, branch: usize| {
            for (i, token) in tokens.iter().enumerate() {
                self.tokens.push(*token);
                self.positions.push((start + i) as u32);
                self.sequence.push(sequence);
                self.branch.push(branch as u32);
            }
        };
        add(prefix, 0, 0);
        for (b, tokens) in branches.iter().enumerate() {
            add(tokens, prefix.len(), b + 1);
        }
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The sequences as ranges; refuses a batch that breaks the rules stated above.
    pub fn spans(&self) -> Result<Vec<SequenceSpan>> {
        let n = self.len();
        if [self.positions.len(), self.sequence.len(), self.branch.len()] != [n; 3] {
            return Err(LmError::misuse("packed batch: the four columns differ in length"));
        }
        let mut spans: Vec<SequenceSpan> = Vec::new();
        let mut i = 0;
        while i < n {
            let (sequence, branch) = (self.sequence[i], self.branch[i]);
            let mut end = i;
            while end < n && (self.sequence[end], self.branch[end]) == (sequence, branch) {
                end += 1;
            }
            let opens = i == 0 || self.sequence[i - 1] != sequence;
            if i > 0 && (sequence, branch) < (self.sequence[i - 1], self.branch[i - 1]) {
                return Err(LmError::misuse(format!(
                    "packed batch: token {i} goes back to an earlier sequence or branch"
                )));
            }
            if opens {
                let prefix = if branch == 0 { i..end } else { i..i };
                spans.push(SequenceSpan { prefix, branches: Vec::new() });
            }
            if branch > 0
                && let Some(span) = spans.last_mut()
            {
                span.branches.push(i..end);
            }
            let first = match (spans.last(), branch) {
                (Some(span), 1..) => span.prefix.len(),
                _ => 0,
            };
            if (i..end).any(|t| self.positions[t] as usize != first + t - i) {
                return Err(LmError::misuse(format!(
                    "packed batch: tokens {i}..{end} do not count on from position {first}"
                )));
            }
            i = end;
        }
        Ok(spans)
    }

    /// Every token but the first of each sequence, with the row that predicts it. A branch without a prefix starts unpredicted.
    pub fn predictions(&self) -> Result<Predictions> {
        let mut out = Predictions::default();
        let mut predict = |row: usize, of: usize| {
            out.rows.push(row as u32);
            out.targets.push(self.tokens[of]);
            out.of.push(of as u32);
        };
        for span in self.spans()? {
            for of in span.prefix.clone().skip(1) {
                predict(of - 1, of);
            }
            for branch in &span.branches {
                if !span.prefix.is_empty() {
                    predict(span.prefix.end - 1, branch.start);
                }
                for of in branch.clone().skip(1) {
                    predict(of - 1, of);
                }
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_each_branch_on_from_its_prefix() {
        let mut p = Packed::default();
        p.push(&[7, 8]);
        p.push_group(&[1, 2, 3], &[&[4, 5], &[], &[6]]);
        assert_eq!(p.positions, [0, 1, 0, 1, 2, 3, 4, 3]);
        assert_eq!(p.branch, [0, 0, 0, 0, 0, 1, 1, 3]);
        let spans = p.spans().unwrap();
        assert_eq!(spans[0], SequenceSpan { prefix: 0..2, branches: vec![] });
        assert_eq!(spans[1], SequenceSpan { prefix: 2..5, branches: vec![5..7, 7..8] });
        assert_eq!(spans[1].range(), 2..8);
    }

    #[test]
    fn the_end_of_a_prefix_predicts_the_start_of_every_branch() {
        let mut p = Packed::default();
        p.push_group(&[1, 2], &[&[3, 4], &[5]]);
        let got = p.predictions().unwrap();
        assert_eq!(got.rows, [0, 1, 2, 1]);
        assert_eq!(got.targets, [2, 3, 4, 5]);
        assert_eq!(got.of, [1, 2, 3, 4]);
    }

    #[test]
    fn a_batch_that_breaks_the_rules_is_refused() {
        let mut good = Packed::default();
        good.push_group(&[1, 2], &[&[3], &[4]]);
        good.push(&[5]);
        assert!(good.spans().is_ok());
        let broken: [fn(&mut Packed); 5] = [
            |p| p.positions[1] = 5,
            |p| p.positions[3] = 3,
            |p| p.branch[2] = 2,
            |p| p.sequence[0] = 9,
            |p| p.tokens.truncate(2),
        ];
        for (i, brk) in broken.iter().enumerate() {
            let mut bad = good.clone();
            brk(&mut bad);
            // Case 2 merges two branches into one whose positions then repeat.
            assert!(bad.spans().is_err(), "case {i}");
        }
    }
}
