//! How an answer is checked, and what comes out of it.

use super::answer;
use super::instructions::Instruction;
use serde::{Deserialize, Serialize};

/// What a reply must hold to be right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The letter of the right option, among all of them.
    Letter { right: char, options: Vec<(char, String)> },
    /// The right word, among those asked for.
    Word { right: String, among: Vec<String> },
    /// This number, but for rounding in its last digits.
    Number(f64),
    /// A number in these limits, both ends belong.
    Within { low: f64, high: f64 },
    /// A day as (year, month, day).
    Date(u32, u32, u32),
    /// A duration in weeks and days.
    WeeksDays(u32, u32),
    /// A reply that keeps all of these; no answer is marked.
    Instructions(Vec<Instruction>),
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Right,
    Wrong,
    /// There is no answer, or none that can be read: it earns what a wrong one earns, and is counted apart.
    Unparsed,
}

impl Verdict {
    /// 1 or 0.
    pub fn score(self) -> f64 {
        f64::from(u8::from(self == Verdict::Right))
    }
}

/// Why a check cannot be made: the task is at fault, not the reply. It is no score.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unchecked {
    #[error("the right answer is none of the options: {0}")]
    NotAnOption(String),
    #[error("the limits {low} and {high} hold no number")]
    NoLimits { low: f64, high: f64 },
    #[error("the right answer {0} is no finite number")]
    NotFinite(f64),
    #[error("nothing is asked for")]
    Nothing,
}

impl Check {
    /// Whether it can be made at all.
    pub fn sound(&self) -> Result<(), Unchecked> {
        match self {
            Check::Letter { right, options } if !options.iter().any(|(l, _)| l == right) => {
                Err(Unchecked::NotAnOption(right.to_string()))
            }
            Check::Word { right, among } if !among.contains(right) => Err(Unchecked::NotAnOption(right.clone())),
            Check::Number(n) if !n.is_finite() => Err(Unchecked::NotFinite(*n)),
            // Written so that NaN fails.
            Check::Within { low, high } if !(low <= high && low.is_finite() && high.is_finite()) => {
                Err(Unchecked::NoLimits { low: *low, high: *high })
            }
            Check::Instructions(all) if all.is_empty() => Err(Unchecked::Nothing),
            _ => Ok(()),
        }
    }

    /// Judges a reply.
    pub fn judge(&self, reply: &str) -> Result<Verdict, Unchecked> {
        self.sound()?;
        if let Check::Instructions(all) = self {
            let said = answer::said(reply).map(str::trim).filter(|s| !s.is_empty());
            return Ok(said.map_or(Verdict::Unparsed, |s| Instruction::judge(all, s)));
        }
        let right = answer::marked(reply).and_then(|value| match self {
            Check::Letter { right, options } => answer::letter(value, options).map(|l| l == *right),
            Check::Word { right, among } => answer::word(value, among).map(|w| w == right),
            Check::Number(right) => answer::number(value).map(|n| (n - right).abs() <= slack(*right)),
            Check::Within { low, high } => {
                answer::number(value).map(|n| (low - slack(*low)..=high + slack(*high)).contains(&n))
            }
            Check::Date(y, m, d) => answer::date(value).map(|found| found == (*y, *m, *d)),
            Check::WeeksDays(weeks, days) => answer::weeks_days(value).map(|found| found == (*weeks, *days)),
            Check::Instructions(_) => None,
        });
        Ok(match right {
            Some(true) => Verdict::Right,
            Some(false) => Verdict::Wrong,
            None => Verdict::Unparsed,
        })
    }

    /// A reply that is right, for tests of a task: what a perfect doctor would write. Instructions have none.
    pub fn example(&self) -> Option<String> {
        let value = match self {
            Check::Letter { right, .. } => right.to_string(),
            Check::Word { right, .. } => right.clone(),
            Check::Number(right) => right.to_string(),
            Check::Within { low, high } => (low + (high - low) / 2.0).to_string(),
            Check::Date(y, m, d) => format!("{m:02}/{d:02}/{y:04}"),
            Check::WeeksDays(weeks, days) => format!("({weeks} weeks, {days} days)"),
            Check::Instructions(_) => return None,
        };
        Some(format!("{} {value}", answer::MARK))
    }
}

/// What is lost in writing a number down.
fn slack(number: f64) -> f64 {
    1e-9 * number.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(check: &Check, reply: &str) -> Verdict {
        check.judge(reply).expect("a sound check")
    }

    #[test]
    fn every_kind_of_check_tells_right_wrong_and_unparsed_apart() {
        let options = [('A', "one".to_owned()), ('B', "two".to_owned())].to_vec();
        let words = ["yes", "no", "maybe"].map(str::to_owned).to_vec();
        for (check, right, wrong, unparsed) in [
            (Check::Letter { right: 'B', options }, "Answer: B", "Answer: A", "Answer: A or B"),
            (Check::Word { right: "no".to_owned(), among: words }, "Answer: No.", "Answer: maybe", "Answer: No idea"),
            (Check::Number(1080.0), "Answer: $1,080", "Answer: 108", "Answer: 1080 or 108"),
            (Check::Within { low: 9.5, high: 10.5 }, "Answer: 9.5 mg", "Answer: 9.4", "About 10"),
            (Check::Within { low: -5.775, high: -5.225 }, "Answer: -5.5", "Answer: 5.5", "Answer: -5.5 to -5.2"),
            (Check::Date(2023, 8, 29), "Answer: 8/29/2023", "Answer: 08/30/2023", "Answer: 29/08/2023"),
            (Check::WeeksDays(3, 4), "Answer: (3 weeks, 4 days)", "Answer: 3 weeks, 5 days", "Answer: 25 days"),
        ] {
            assert_eq!(judged(&check, right), Verdict::Right, "{check:?}");
            assert_eq!(judged(&check, wrong), Verdict::Wrong, "{check:?}");
            assert_eq!(judged(&check, unparsed), Verdict::Unparsed, "{check:?}");
            assert_eq!(judged(&check, &check.example().expect("one")), Verdict::Right, "{check:?}");
        }
        assert_eq!([Verdict::Right, Verdict::Wrong, Verdict::Unparsed].map(Verdict::score), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_check_that_cannot_be_made_is_an_error_and_no_score() {
        let options = vec![('A', "one".to_owned())];
        assert_eq!(
            Check::Letter { right: 'E', options }.judge("Answer: A"),
            Err(Unchecked::NotAnOption("E".to_owned()))
        );
        for (low, high) in [(2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(matches!(Check::Within { low, high }.judge("Answer: 1"), Err(Unchecked::NoLimits { .. })));
        }
        assert!(matches!(Check::Number(f64::NAN).judge("Answer: 1"), Err(Unchecked::NotFinite(_))));
        assert_eq!(Check::Instructions(Vec::new()).judge("Well."), Err(Unchecked::Nothing));
    }

    #[test]
    fn a_thought_that_never_ended_and_silence_keep_no_instruction() {
        let short = Check::Instructions(vec![Instruction::AtMostWords(3)]);
        for (reply, verdict) in [
            ("Rest.", Verdict::Right),
            ("Rest and drink more water.", Verdict::Wrong),
            ("<think>So many words in here.</think> Rest.", Verdict::Right),
            ("<think>Rest.", Verdict::Unparsed),
            ("  \n", Verdict::Unparsed),
        ] {
            assert_eq!(judged(&short, reply), verdict, "{reply:?}");
        }
    }
}
