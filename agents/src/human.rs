//! A person at a terminal.

use bedside_env::seed::Seed;
use bedside_env::{Action, Decision, DoctorTurn, Observation, Policy, PolicyError, Speaker};
use std::io::{BufRead, Write};

/// Reads lines, prints what the patient said. `/exam SITE`, `/test NAME` and `/diagnose A; B | PLAN` are the typed actions.
pub struct Human<R, W> {
    input: R,
    output: W,
    shown: usize,
}

/// What a line means.
const HELP: &str = "type what you say; /exam SITE, /test NAME, /diagnose FIRST; SECOND | PLAN, /quit";

impl<R: BufRead + Send, W: Write + Send> Human<R, W> {
    pub fn new(input: R, output: W) -> Self {
        Human { input, output, shown: 0 }
    }

    /// Prints what is new in the dialogue.
    pub fn show(&mut self, o: &Observation) -> std::io::Result<()> {
        if o.dialogue.len() < self.shown {
            self.shown = 0;
        }
        if self.shown == 0 {
            writeln!(self.output, "You see {}. ({HELP})", o.patient)?;
        }
        for line in &o.dialogue[self.shown..] {
            if line.speaker != Speaker::Doctor {
                writeln!(self.output, "{:>8}  {}", line.speaker.word(), line.text)?;
            }
        }
        self.shown = o.dialogue.len();
        Ok(())
    }

    fn ask(&mut self, o: &Observation) -> Result<Action, PolicyError> {
        let failed =
            |e: std::io::Error| PolicyError { message: format!("the terminal: {e}"), hint: "try again".to_owned() };
        self.show(o).map_err(failed)?;
        loop {
            write!(self.output, "  doctor> ").and_then(|()| self.output.flush()).map_err(failed)?;
            // Bytes that are no UTF-8 are shown as such, and do not end the visit.
            let mut bytes = Vec::new();
            if self.input.read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
                return Err(PolicyError {
                    message: "the input ended".to_owned(),
                    hint: "the consultation was left open".to_owned(),
                });
            }
            match parse(String::from_utf8_lossy(&bytes).trim()) {
                Ok(action) => return Ok(action),
                Err(say) => writeln!(self.output, "{say}").map_err(failed)?,
            }
        }
    }
}

/// One line of input as an action, or what to tell the person.
pub fn parse(line: &str) -> Result<Action, &'static str> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match command {
        "" | "/help" => Err(HELP),
        "/exam" if !rest.is_empty() => Ok(Action::Examine(rest.to_owned())),
        "/test" if !rest.is_empty() => Ok(Action::OrderTest(rest.to_owned())),
        "/diagnose" if !rest.is_empty() => {
            let (names, plan) = rest.split_once('|').unwrap_or((rest, ""));
            let differential: Vec<_> =
                names.split(';').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
            if differential.is_empty() {
                return Err(HELP);
            }
            Ok(Action::Conclude { differential, plan: plan.trim().to_owned() })
        }
        "/quit" => Ok(Action::say("I have to stop here. Goodbye.")),
        c if c.starts_with('/') => Err(HELP),
        _ => Ok(Action::say(line)),
    }
}

impl<R: BufRead + Send, W: Write + Send> Policy for Human<R, W> {
    fn name(&self) -> String {
        "human".to_owned()
    }

    fn act(&mut self, turns: &[(&Observation, Seed)]) -> Result<Vec<Decision>, PolicyError> {
        turns
            .iter()
            .map(|(o, _)| Ok(Decision { turn: DoctorTurn { action: self.ask(o)?, reasoning: None }, trace: None }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slash_commands_are_typed_actions_and_the_rest_is_speech() {
        assert_eq!(parse("any pain?"), Ok(Action::say("any pain?")));
        assert_eq!(parse("/exam chest"), Ok(Action::Examine("chest".to_owned())));
        let both =
            Action::Conclude { differential: vec!["gout".into(), "septic arthritis".into()], plan: "rest".into() };
        assert_eq!(parse("/diagnose gout; septic arthritis | rest"), Ok(both));
        assert!(parse("/exma chest").is_err());
        assert!(parse("/diagnose ;; | rest").is_err());
    }
}
