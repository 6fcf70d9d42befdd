//! From what was sampled to what the learner reads: lessons, and packed batches of them in which a group's shared prompt stands
//! once.

use crate::grpo::Credit;
use bedside_env::TokenTrace;
use bedside_lm::Packed;
use std::ops::Range;

/// The doctor's turns of one member of a group, with the credit for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    pub turns: Vec<TokenTrace>,
    pub credit: Credit,
    /// False leaves it out of the loss.
    pub trained: bool,
}

impl Lesson {
    /// Tokens of its replies, forced ones included.
    pub fn len(&self) -> usize {
        self.turns.iter().map(|t| t.ids.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Log-probabilities as the sampler reported them; `None` where a turn has none, as in supervised data.
    pub fn sampled(&self) -> Option<Vec<f64>> {
        let complete = self.turns.iter().all(|t| t.log_probs.len() == t.ids.len());
        complete.then(|| self.turns.iter().flat_map(|t| &t.log_probs).map(|p| f64::from(*p)).collect())
    }

    /// Which tokens the policy chose itself.
    pub fn mask(&self) -> Vec<bool> {
        self.turns.iter().flat_map(|t| &t.mask).map(|m| *m == 1).collect()
    }
}

/// A run of tokens with replies in it. A turn whose prompt goes on from the turn before shares its run.
struct Line {
    tokens: Vec<u32>,
    /// Positions of reply tokens, in the lesson's order.
    replies: Vec<usize>,
}

fn lines(turns: &[TokenTrace]) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    for turn in turns {
        match out.last_mut().filter(|l| turn.prompt_ids.starts_with(&l.tokens)) {
            Some(line) => line.tokens.extend(&turn.prompt_ids[line.tokens.len()..]),
            None => out.push(Line { tokens: turn.prompt_ids.clone(), replies: Vec::new() }),
        }
        if let Some(line) = out.last_mut() {
            line.replies.extend(line.tokens.len()..line.tokens.len() + turn.ids.len());
            line.tokens.extend(&turn.ids);
        }
    }
    out
}

/// Tokens for one forward pass, and where the replies stand in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub packed: Packed,
    /// Row of the hidden states that predicts a reply token, and the token.
    pub rows: Vec<u32>,
    pub targets: Vec<u32>,
    /// Index of a lesson in the order given, and which of `rows` are its tokens, in its order.
    pub lessons: Vec<(usize, Range<usize>)>,
}

impl Batch {
    /// Adds members of one group. `first` is the index of the first of them.
    fn push(&mut self, first: usize, members: &[&Lesson]) {
        let each: Vec<Vec<Line>> = members.iter().map(|m| lines(&m.turns)).collect();
        let all: Vec<&Line> = each.iter().flatten().collect();
        let shared = shared_prefix(&all);
        let base = self.packed.len();
        let rest: Vec<&[u32]> = all.iter().map(|l| &l.tokens[shared..]).collect();
        match all.first() {
            Some(line) if shared > 0 => self.packed.push_group(&line.tokens[..shared], &rest),
            _ => rest.iter().for_each(|tokens| self.packed.push(tokens)),
        }
        let mut start = base + shared;
        for (k, lines) in each.iter().enumerate() {
            let from = self.rows.len();
            for line in lines {
                let place = |i: usize| if i < shared { base + i } else { start + i - shared };
                for &i in &line.replies {
                    self.rows.push(place(i - 1) as u32);
                    self.targets.push(line.tokens[i]);
                }
                start += line.tokens.len() - shared;
            }
            self.lessons.push((first + k, from..self.rows.len()));
        }
    }
}

/// How many tokens all lines begin with, replies left out: what is trained on belongs to one member.
fn shared_prefix(lines: &[&Line]) -> usize {
    let Some((first, others)) = lines.split_first() else { return 0 };
    let prompt = |l: &Line| l.replies.first().copied().unwrap_or(l.tokens.len());
    let same = |l: &Line| l.tokens.iter().zip(&first.tokens).take_while(|(a, b)| a == b).count();
    others.iter().map(|l| same(l).min(prompt(l))).fold(prompt(first), usize::min)
}

/// Packs groups, in order, into batches of at most `most` tokens. A group that fits shares its prefix once; one that does not is
/// cut into parts that each repeat it; a single lesson longer than `most` has a batch of its own.
pub fn pack(groups: &[&[Lesson]], most: usize) -> Vec<Batch> {
    let mut out: Vec<Batch> = vec![Batch::default()];
    let mut first = 0;
    for group in groups {
        let members: Vec<&Lesson> = group.iter().collect();
        place(&mut out, first, &members, most);
        first += group.len();
    }
    out.retain(|b| !b.packed.is_empty());
    out
}

fn place(out: &mut Vec<Batch>, first: usize, members: &[&Lesson], most: usize) {
    let mut alone = Batch::default();
    alone.push(first, members);
    if alone.packed.len() > most && members.len() > 1 {
        let half = members.len() / 2;
        place(out, first, &members[..half], most);
        place(out, first + half, &members[half..], most);
        return;
    }
    match out.last_mut() {
        Some(last) if last.packed.len() + alone.packed.len() <= most => last.push(first, members),
        _ => out.push(alone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(prompt: &[u32], ids: &[u32]) -> TokenTrace {
        let (log_probs, mask) = (vec![-1.0; ids.len()], vec![1; ids.len()]);
        TokenTrace { prompt_ids: prompt.to_vec(), ids: ids.to_vec(), log_probs, mask }
    }

    fn lesson(turns: Vec<TokenTrace>) -> Lesson {
        Lesson { turns, credit: Credit::Sequence(1.0), trained: true }
    }

    /// Every reply token's whole context, read back from the packed batch by its own rule.
    fn contexts(batch: &Batch) -> Vec<Vec<u32>> {
        let p = &batch.packed;
        let sees = |t: usize, s: usize| {
            s <= t && p.sequence[s] == p.sequence[t] && (p.branch[s] == 0 || p.branch[s] == p.branch[t])
        };
        let context = |row: usize| (0..=row).filter(|s| sees(row, *s)).map(|s| p.tokens[s]).collect::<Vec<_>>();
        batch.rows.iter().zip(&batch.targets).map(|(r, t)| [context(*r as usize), vec![*t]].concat()).collect()
    }

    #[test]
    fn a_group_has_its_prompt_once_and_each_reply_sees_its_own_past_alone() {
        let group = [lesson(vec![turn(&[1, 2, 3], &[4, 5])]), lesson(vec![turn(&[1, 2, 3], &[4, 6, 7])])];
        let batches = pack(&[&group], 100);
        assert_eq!(batches[0].packed.len(), 3 + 2 + 3);
        assert_eq!(
            contexts(&batches[0]),
            [vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4], vec![1, 2, 3, 4, 6], vec![1, 2, 3, 4, 6, 7]]
        );
        assert_eq!(batches[0].lessons, [(0, 0..2), (1, 2..5)]);
        batches[0].packed.spans().expect("a sound batch");
    }

    #[test]
    fn a_prompt_that_goes_on_from_the_turn_before_is_one_run_and_another_prompt_is_not() {
        let session = lesson(vec![turn(&[1, 2], &[3]), turn(&[1, 2, 3, 8], &[4]), turn(&[9, 9], &[5])]);
        let b = &pack(&[&[session]], 100)[0];
        // The runs have nothing in common, so they are sequences of their own.
        assert_eq!(b.packed.len(), 5 + 3);
        assert_eq!(contexts(b), [vec![1, 2, 3], vec![1, 2, 3, 8, 4], vec![9, 9, 5]]);
    }

    #[test]
    fn a_group_too_long_for_one_batch_is_cut_and_loses_nothing() {
        let group: Vec<Lesson> = (0..5).map(|i| lesson(vec![turn(&[1, 2, 3, 4], &[10 + i, 20 + i])])).collect();
        let whole = pack(&[&group], 1000);
        let cut = pack(&[&group], 9);
        assert!(cut.len() > 1 && cut.iter().all(|b| b.packed.len() <= 9));
        let all: Vec<Vec<u32>> = cut.iter().flat_map(contexts).collect();
        assert_eq!(all, contexts(&whole[0]));
        let order: Vec<usize> = cut.iter().flat_map(|b| b.lessons.iter().map(|l| l.0)).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lesson_without_turns_takes_no_room_and_keeps_its_place() {
        let groups: [&[Lesson]; 2] = [&[lesson(Vec::new())], &[lesson(vec![turn(&[1], &[2])])]];
        let b = &pack(&groups, 10)[0];
        assert_eq!(b.lessons, [(0, 0..0), (1, 0..1)]);
    }
}
