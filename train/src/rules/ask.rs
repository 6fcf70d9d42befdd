//! Puts tasks to a policy: the same batched generation as in consultations, one reply a member.

use super::{Set, Task, Unchecked, Verdict};
use crate::grpo::reward::MemberReward;
use crate::grpo::{Certificate, CertifiedGroup, MixedGroup};
use crate::metrics::Metrics;
use crate::metrics::monitors::Episode;
use crate::reward::Member;
use crate::rollout::Taken;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::verifier::group::Mixed;
use bedside_env::{Digest, TokenTrace};
use bedside_lm::chat::ChatError;
use bedside_lm::generate::{Decode, GenerateError, Request, generate};
use bedside_lm::{ChatTemplate, Sampling, Tokenizer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A task in a policy's own tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub task: Arc<Task>,
    pub digest: Digest,
    pub prompt_ids: Vec<u32>,
}

impl Asked {
    /// Those tasks whose prompt leaves room for a reply of `reply` tokens in `positions`, and how many do not.
    pub fn all(
        tasks: Vec<Task>,
        chat: &ChatTemplate,
        tokenizer: &Tokenizer,
        positions: usize,
        reply: usize,
    ) -> Result<(Vec<Asked>, usize), ChatError> {
        let (mut out, n) = (Vec::new(), tasks.len());
        for task in tasks {
            let prompt_ids = chat.prompt_ids(tokenizer, &task.messages)?;
            if !prompt_ids.is_empty() && prompt_ids.len() + reply <= positions {
                out.push(Asked { digest: task.digest(), task: Arc::new(task), prompt_ids });
            }
        }
        let left_out = n - out.len();
        Ok((out, left_out))
    }
}

/// What members of a group of replies share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCertificate {
    /// Of question and check.
    pub task: Digest,
    /// Of the prompt's tokens.
    pub prompt: Digest,
    /// Tokens that a reply may have.
    pub budget: usize,
}

impl TaskCertificate {
    fn of(asked: &Asked, budget: usize) -> TaskCertificate {
        TaskCertificate { task: asked.digest, prompt: Digest::of("prompt", &asked.prompt_ids), budget }
    }
}

impl Certificate for TaskCertificate {
    fn check(members: &[Self]) -> Result<Digest, Mixed> {
        let first = members.first().ok_or(Mixed::Empty)?;
        for (member, other) in members.iter().enumerate().skip(1) {
            let differs = [
                ("task", first.task.to_string(), other.task.to_string()),
                ("prompt", first.prompt.to_string(), other.prompt.to_string()),
                ("budget", first.budget.to_string(), other.budget.to_string()),
            ];
            if let Some((field, first, other)) = differs.into_iter().find(|(_, a, b)| a != b) {
                return Err(Mixed::Differs { member, field, first, other });
            }
        }
        Ok(Digest::of("task group", &(first.task, first.prompt, first.budget as u64)))
    }
}

/// One reply, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub set: Set,
    pub text: String,
    /// The one turn.
    pub turn: Taken,
    pub verdict: Result<Verdict, Unchecked>,
}

impl Member for Answered {
    const SCORE: &'static str = "rule";

    fn score(&self) -> Option<f64> {
        self.verdict.as_ref().ok().map(|v| v.score())
    }

    fn turns(&self) -> &[Taken] {
        std::slice::from_ref(&self.turn)
    }

    fn episode(&self, paid: &MemberReward) -> Episode {
        Episode {
            reward: paid.total,
            components: paid.components.clone(),
            tokens: self.turn.trace.ids.clone(),
            truncated: self.turn.truncated,
            turns: 1,
            ..Episode::default()
        }
    }
}

/// How replies are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asking {
    pub sampling: Sampling,
    /// Tokens of a reply at most.
    pub reply: usize,
    /// Replies to each task.
    pub members: usize,
    pub seed: Seed,
    /// Names the rollout: with the same one the same tokens are drawn.
    pub round: u64,
}

/// Groups of replies to one task each, judged and certified.
pub type Groups = Vec<CertifiedGroup<Answered, TaskCertificate>>;

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Mixed(#[from] MixedGroup),
}

/// Asks every task `members` times, all together.
pub fn ask<D: Decode + ?Sized>(
    model: &mut D,
    tokenizer: &Tokenizer,
    tasks: &[&Asked],
    how: Asking,
) -> Result<Groups, AskError> {
    let members = how.members.max(1);
    let requests: Vec<Request<'_>> = (0..tasks.len() * members)
        .map(|i| Request {
            prompt: &tasks[i / members].prompt_ids,
            forced: &[],
            seed: member_seed(how.seed, how.round, i / members, i % members),
            max_new_tokens: how.reply,
        })
        .collect();
    let generated = generate(model, tokenizer, &how.sampling, &[], &requests)?;
    let mut groups: Vec<Vec<(TaskCertificate, Answered)>> = tasks.iter().map(|_| Vec::new()).collect();
    for (i, g) in generated.into_iter().enumerate() {
        let asked = tasks[i / members];
        let truncated = g.truncated();
        let verdict = asked.task.check.judge(&g.text);
        let trace =
            TokenTrace { prompt_ids: asked.prompt_ids.clone(), ids: g.ids, log_probs: g.log_probs, mask: g.mask };
        let answered = Answered { set: asked.task.set, text: g.text, turn: Taken { trace, truncated }, verdict };
        groups[i / members].push((TaskCertificate::of(asked, how.reply), answered));
    }
    Ok(CertifiedGroup::all(groups)?)
}

fn member_seed(run: Seed, round: u64, task: usize, member: usize) -> Seed {
    let place = [round.to_be_bytes(), (task as u64).to_be_bytes(), (member as u64).to_be_bytes()].concat();
    Seed(Draw::new(run, &place, 1, Purpose::Policy).next_u64())
}

/// Counts of verdicts as `PREFIX/accuracy` (of the replies that were checked), `PREFIX/unparsed` (share of them without a readable
/// answer, each scored 0), `PREFIX/unchecked` (share of all whose check could not be made), and accuracy by set.
pub fn count<'a>(prefix: &str, answers: impl IntoIterator<Item = &'a Answered>, metrics: &mut Metrics) {
    let mut by_set: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let [mut all, mut checked, mut unparsed] = [0usize; 3];
    for answer in answers {
        all += 1;
        let Ok(verdict) = &answer.verdict else { continue };
        checked += 1;
        unparsed += usize::from(*verdict == Verdict::Unparsed);
        let of_set = by_set.entry(answer.set.name()).or_default();
        of_set[0] += usize::from(*verdict == Verdict::Right);
        of_set[1] += 1;
    }
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    metrics.set(format!("{prefix}/accuracy"), share(by_set.values().map(|s| s[0]).sum(), checked));
    metrics.set(format!("{prefix}/unparsed"), share(unparsed, checked));
    metrics.set(format!("{prefix}/unchecked"), share(all - checked, all));
    for (set, [right, of]) in by_set {
        metrics.set(format!("{prefix}/accuracy/{set}"), share(right, of));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(set: Set, verdict: Result<Verdict, Unchecked>) -> Answered {
        let trace = TokenTrace { prompt_ids: vec![1], ids: vec![2], log_probs: vec![-1.0], mask: vec![1] };
        Answered { set, text: String::new(), turn: Taken { trace, truncated: false }, verdict }
    }

    #[test]
    fn unparsed_answers_count_as_wrong_and_unchecked_ones_not_at_all() {
        let all = [
            answered(Set::Gsm8k, Ok(Verdict::Right)),
            answered(Set::Gsm8k, Ok(Verdict::Unparsed)),
            answered(Set::Medcalc, Ok(Verdict::Wrong)),
            answered(Set::Medcalc, Ok(Verdict::Right)),
            answered(Set::Medcalc, Err(Unchecked::Nothing)),
        ];
        let mut m = Metrics::default();
        count("rules", &all, &mut m);
        for (name, value) in [
            ("rules/accuracy", 0.5),
            ("rules/unparsed", 0.25),
            ("rules/unchecked", 0.2),
            ("rules/accuracy/gsm8k", 0.5),
            ("rules/accuracy/medcalc", 0.5),
        ] {
            assert_eq!(m.get(name), Some(value), "{name}");
        }
        assert_eq!(all.each_ref().map(Member::score), [Some(1.0), Some(0.0), Some(0.0), Some(1.0), None]);
        let mut none = Metrics::default();
        count("rules", &all[..0], &mut none);
        assert_eq!(none.get("rules/accuracy"), None);
    }

    #[test]
    fn replies_to_other_tasks_or_of_another_budget_are_no_group() {
        let one = TaskCertificate { task: Digest([1; 32]), prompt: Digest([2; 32]), budget: 8 };
        let sound = CertifiedGroup::new(vec![(one, 1), (one, 2)]).expect("one task");
        assert_eq!(sound.members(), [1, 2]);
        for (field, other) in [
            ("task", TaskCertificate { task: Digest([9; 32]), ..one }),
            ("prompt", TaskCertificate { prompt: Digest([9; 32]), ..one }),
            ("budget", TaskCertificate { budget: 9, ..one }),
        ] {
            let refused = CertifiedGroup::new(vec![(one, 1), (other, 2)]).expect_err(field);
            assert!(matches!(&refused, Mixed::Differs { member: 1, field: f, .. } if *f == field), "{refused}");
        }
    }
}
