//! Examples to imitate: consultations that the environment's own doctors played, the better ones kept (rejection sampling), as
//! lessons in a model's own tokens.

use crate::grpo::Credit;
use crate::lesson::Lesson;
use bedside_env::seed::{Draw, Purpose, Seed};
use bedside_env::units::Case;
use bedside_env::{
    DoctorTurn, Env, EnvConfig, EnvError, EpisodeLog, Gym, Observation, Policy, PolicyError, ResetOptions, Speaker,
    TokenTrace,
};
use bedside_lm::parse::render_reply;
use bedside_lm::prompt::{PromptConfig, PromptError};
use bedside_lm::{ChatTemplate, Tokenizer};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One consultation, played and scored.
#[derive(Clone, Debug)]
pub struct Demonstration {
    pub case: usize,
    /// What the doctor saw, and did about it.
    pub turns: Vec<(Observation, DoctorTurn)>,
    pub score: Option<f64>,
    pub log: EpisodeLog,
}

#[derive(Debug, thiserror::Error)]
pub enum TeachingError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error("a worker thread is gone\nhint: it panicked; its message is on standard error, please report it")]
    WorkerLost,
}

/// How demonstrations are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Consultations a case.
    pub tries: usize,
    /// How many of them, the best by score, are kept. Unscored ones never are.
    pub keep: usize,
    pub seed: Seed,
    pub threads: usize,
}

/// Plays `tries` consultations on each case and keeps the best. The result does not depend on the threads. `each` is called
/// once for every case done.
pub fn demonstrate<P: Policy>(
    cases: &Arc<Vec<Arc<Case>>>,
    config: &EnvConfig,
    teacher: impl Fn() -> P + Sync,
    plan: Plan,
    each: impl Fn() + Sync,
) -> Result<Vec<Demonstration>, TeachingError> {
    let next = AtomicUsize::new(0);
    let one_worker = || -> Result<Vec<(usize, Vec<Demonstration>)>, TeachingError> {
        let (mut gym, mut teacher, mut out) = (Gym::new(cases.clone(), config.clone()), teacher(), Vec::new());
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases.len() {
                return Ok(out);
            }
            let mut tries = Vec::with_capacity(plan.tries);
            for k in 0..plan.tries {
                let seed =
                    Seed(Draw::new(plan.seed, &(case as u64).to_be_bytes(), k as u32, Purpose::Policy).next_u64());
                tries.push(play(&mut gym, &mut teacher, case, seed)?);
            }
            tries.retain(|t| t.score.is_some());
            // A stable sort: equals stay in the order played.
            tries.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)));
            tries.truncate(plan.keep);
            out.push((case, tries));
            each();
        }
    };
    let mut all: Vec<(usize, Vec<Demonstration>)> = Vec::new();
    std::thread::scope(|scope| -> Result<(), TeachingError> {
        let workers: Vec<_> = (0..plan.threads.max(1)).map(|_| scope.spawn(one_worker)).collect();
        for worker in workers {
            all.extend(worker.join().map_err(|_| TeachingError::WorkerLost)??);
        }
        Ok(())
    })?;
    all.sort_by_key(|(case, _)| *case);
    Ok(all.into_iter().flat_map(|(_, kept)| kept).collect())
}

fn play<P: Policy>(gym: &mut Gym, doctor: &mut P, case: usize, seed: Seed) -> Result<Demonstration, TeachingError> {
    let options = ResetOptions { case: Some(case), label: doctor.name(), ..ResetOptions::default() };
    let (mut observation, _) = gym.reset(seed, &options)?;
    let mut turns = Vec::new();
    loop {
        let Some(decision) = doctor.act(&[(&observation, seed)])?.into_iter().next() else {
            return Err(PolicyError {
                message: "the policy returned no decision".to_owned(),
                hint: "return one decision for each observation".to_owned(),
            }
            .into());
        };
        let taken = decision.turn.clone();
        let step = gym.step(decision)?;
        turns.push((std::mem::replace(&mut observation, step.observation), taken));
        if !step.status.is_running() {
            return Ok(Demonstration { case, turns, score: step.reward.value(), log: gym.log()? });
        }
    }
}

/// A demonstration as a lesson: each reply after the prompt that the model would have been shown.
pub fn lesson(
    demonstration: &Demonstration,
    prompt: &PromptConfig,
    chat: &ChatTemplate,
    tokenizer: &Tokenizer,
) -> Result<Lesson, TeachingError> {
    let mut turns = Vec::with_capacity(demonstration.turns.len());
    for (observation, turn) in &demonstration.turns {
        let example = prompt.example(observation, turn, chat, tokenizer)?;
        let mask = vec![1; example.reply_ids.len()];
        turns.push(TokenTrace { prompt_ids: example.prompt_ids, ids: example.reply_ids, log_probs: Vec::new(), mask });
    }
    Ok(Lesson { turns, credit: Credit::Sequence(0.0), trained: true })
}

/// All that is said in a demonstration, as a tokenizer should learn to cut it.
pub fn text(demonstration: &Demonstration) -> String {
    let mut out = String::new();
    for (observation, turn) in &demonstration.turns {
        for line in observation.dialogue.iter().filter(|l| l.turn + 1 > observation.turn) {
            out.push_str(&format!("\n{}:{}", if line.speaker == Speaker::Chart { 'X' } else { 'P' }, line.text));
        }
        out.push_str(&format!("\nD:{}", render_reply(turn)));
    }
    out
}

/// Lessons in an order of their own for each pass over them.
pub fn shuffled(n: usize, seed: Seed, pass: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut draw = Draw::new(seed, &pass.to_be_bytes(), 0, Purpose::Policy);
    for i in (1..n).rev() {
        order.swap(i, draw.below(i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_agents::Teacher;
    use bedside_env::Action;
    use bedside_lm::parse::parse_reply;
    use bedside_records::kb::{Generator, KnowledgeBase, Population};

    fn cases(n: u64) -> Arc<Vec<Arc<Case>>> {
        let generator = Generator::new(KnowledgeBase::builtin(), Population::default());
        Arc::new((0..n).filter_map(|s| generator.generate(Seed(s))).map(Case::new).collect())
    }

    #[test]
    fn the_best_of_several_tries_are_kept_and_threads_do_not_matter() {
        let (cases, config) = (cases(6), EnvConfig::default());
        let plan = Plan { tries: 4, keep: 2, seed: Seed(3), threads: 1 };
        let one = demonstrate(&cases, &config, Teacher::default, plan, || ()).expect("plays");
        let two = demonstrate(&cases, &config, Teacher::default, Plan { threads: 2, ..plan }, || ()).expect("plays");
        assert_eq!(one.iter().map(|d| &d.log).collect::<Vec<_>>(), two.iter().map(|d| &d.log).collect::<Vec<_>>());
        let all = demonstrate(&cases, &config, Teacher::default, Plan { keep: 4, ..plan }, || ()).expect("plays");
        let mean = |d: &[Demonstration]| d.iter().filter_map(|d| d.score).sum::<f64>() / d.len() as f64;
        assert!(mean(&one) > mean(&all), "{} {}", mean(&one), mean(&all));
    }

    #[test]
    fn what_the_teacher_does_can_be_written_and_read_back() {
        let all = demonstrate(
            &cases(8),
            &EnvConfig::default(),
            Teacher::default,
            Plan { tries: 2, keep: 2, seed: Seed(5), threads: 2 },
            || (),
        )
        .expect("plays");
        let mut kinds = [0; 4];
        for (_, turn) in all.iter().flat_map(|d| &d.turns) {
            let (text, action) = (render_reply(turn), &turn.action);
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(&parse_reply(&text).action, action, "{text}");
            kinds[match action {
                Action::Say(_) | Action::Ask(_) => 0,
                Action::Examine(_) => 1,
                Action::OrderTest(_) => 2,
                Action::Conclude { .. } => 3,
            }] += 1;
        }
        assert!(kinds.iter().all(|n| *n > 0), "{kinds:?}");
    }

    #[test]
    fn every_pass_sees_every_lesson_once_in_another_order() {
        let (a, b) = (shuffled(50, Seed(1), 0), shuffled(50, Seed(1), 1));
        assert_ne!(a, b);
        for mut order in [a, b] {
            order.sort_unstable();
            assert_eq!(order, (0..50).collect::<Vec<_>>());
        }
    }
}
