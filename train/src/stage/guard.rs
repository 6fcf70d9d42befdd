//! A guard beside any stage: what the policy could do before the first step, looked at again and again. A policy that is paid for one
//! thing forgets others without any curve of its own saying so.

use super::round::due;
use super::state::State;
use super::{Report, Stage, StageError};
use crate::learner::Learner;
use crate::lesson::Lesson;
use crate::metrics::Metrics;
use crate::policy_folder::PolicyFolder;
use crate::rules::Asked;
use crate::rules::ask::{Asking, ask, count};
use bedside_env::seed::Seed;
use bedside_lm::{Rows, Sampling, Tokenizer};
use std::sync::Arc;
use std::time::Instant;

/// What is looked at.
#[derive(Clone)]
pub struct Guard {
    /// Text that no stage learns from.
    pub text: Vec<Lesson>,
    /// Rule tasks that no stage learns from; the likeliest reply to each counts.
    pub tasks: Vec<Asked>,
    /// Tokens of a reply at most.
    pub reply: usize,
    pub tokenizer: Arc<Tokenizer>,
    /// Steps between looks, and one at the end.
    pub every: u64,
}

/// What one look saw; `None` where there is nothing to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    perplexity: Option<f64>,
    accuracy: Option<f64>,
}

/// A stage with a guard. It changes nothing that the stage does.
pub struct Guarded {
    stage: Box<dyn Stage>,
    guard: Guard,
    /// Before the first step.
    first: Option<Seen>,
}

const FIRST: &str = "guard.bin";
/// Replies under way at once.
const ROWS: usize = 64;

impl Guarded {
    pub fn new(stage: Box<dyn Stage>, guard: Guard) -> Guarded {
        Guarded { stage, guard, first: None }
    }

    fn look(&self, metrics: &mut Metrics) -> Result<Seen, StageError> {
        let (learner, guard) = (self.stage.learner(), &self.guard);
        let (loss, tokens) = learner.evaluate(&guard.text)?;
        let perplexity = (tokens > 0).then(|| loss.exp());
        metrics.set("guard/perplexity", perplexity);
        let mut accuracy = None;
        if !guard.tasks.is_empty() {
            let rows = ROWS.min(guard.tasks.len());
            let mut rows = Rows::new(learner.model.decoder()?, rows, guard.reply)?;
            let asked: Vec<&Asked> = guard.tasks.iter().collect();
            let how = Asking { sampling: Sampling::GREEDY, reply: guard.reply, members: 1, seed: Seed(1), round: 0 };
            let groups = ask(&mut rows, &guard.tokenizer, &asked, how)?;
            count("guard", groups.iter().flat_map(|g| g.members()), metrics);
            accuracy = metrics.get("guard/accuracy");
        }
        Ok(Seen { perplexity, accuracy })
    }
}

impl Stage for Guarded {
    fn total(&self) -> u64 {
        self.stage.total()
    }

    fn done(&self) -> u64 {
        self.stage.done()
    }

    fn learner(&self) -> &Learner {
        self.stage.learner()
    }

    fn step(&mut self) -> Result<Report, StageError> {
        let first = match self.first {
            Some(first) => first,
            None => self.look(&mut Metrics::default())?,
        };
        self.first = Some(first);
        let mut report = self.stage.step()?;
        if due(self.done(), self.total(), self.guard.every) {
            let begin = Instant::now();
            let now = self.look(&mut report.metrics)?;
            let both = |now: Option<f64>, first: Option<f64>, f: fn(f64, f64) -> f64| Some(f(now?, first?));
            report
                .metrics
                .set("guard/perplexity_ratio", both(now.perplexity, first.perplexity, |now, first| now / first));
            report.metrics.set("guard/accuracy_drop", both(now.accuracy, first.accuracy, |now, first| first - now));
            report.seconds.set("guard", begin.elapsed().as_secs_f64());
        }
        Ok(report)
    }

    fn state(&self) -> Result<State, StageError> {
        let mut state = self.stage.state()?;
        if let Some(first) = self.first {
            // NaN stands for nothing to look at.
            let numbers = [first.perplexity, first.accuracy].map(|n| n.unwrap_or(f64::NAN).to_le_bytes());
            state.files.insert(FIRST.to_owned(), numbers.concat());
        }
        Ok(state)
    }

    fn restore(&mut self, state: &State) -> Result<(), StageError> {
        let bytes = state.file(FIRST)?;
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(f64::from_le_bytes);
            bytes.ok_or_else(|| {
                StageError::new("the checkpoint's guard is cut short", "resume from an earlier checkpoint")
            })
        };
        let defined = |n: f64| Some(n).filter(|n| n.is_finite());
        let first = Seen { perplexity: defined(number(0)?), accuracy: defined(number(8)?) };
        self.stage.restore(state)?;
        self.first = Some(first);
        Ok(())
    }

    fn policy(&self) -> Result<PolicyFolder, StageError> {
        self.stage.policy()
    }
}
