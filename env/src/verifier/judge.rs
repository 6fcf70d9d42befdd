//! Runs the checks. Every verdict says which events it rests on; a criterion without a program is unjudged, never unmet.

use super::names;
use super::scene::{Assessment, Scene, Turn};
use super::words::{Cue, content, sentence_at, sentences};
use crate::event::Event;
use crate::rubric::{Outcome, Rubric, Scorecard, Verdict};
use crate::units::{ActKind, Case, Check, RequestKind};
use bedside_records::FactId;

/// Name and version of the programs.
pub const JUDGE: &str = "embedded-judge/1";

/// What a program found: evidence where it is met.
type Found = Result<(Vec<u32>, String), String>;

/// Judges a consultation by any rubric. Only what comes after doctor turn `after` is judged (0: all of it).
pub fn judge(rubric: &Rubric, case: &Case, events: &[Event], after: u32) -> Scorecard {
    let scene = Scene::new(case, events, after);
    let verdicts = rubric
        .criteria
        .iter()
        .map(|c| {
            let (outcome, evidence, explanation) = match &c.check {
                None => {
                    let why = "it has no program; it needs a judge that reads".to_owned();
                    (Outcome::Unjudged(why.clone()), Vec::new(), why)
                }
                Some(check) if needs_truth(check) && !case.record.diagnosis.is_stated() => {
                    let why = "the record does not state the diagnosis".to_owned();
                    (Outcome::Unjudged(why.clone()), Vec::new(), why)
                }
                Some(check) => match decide(check, &scene) {
                    Ok((evidence, why)) => (Outcome::Met, evidence, why),
                    Err(why) => (Outcome::Unmet, Vec::new(), why),
                },
            };
            Verdict { criterion: c.id.clone(), points: c.points, tags: c.tags.clone(), outcome, evidence, explanation }
        })
        .collect();
    Scorecard {
        judge: JUDGE.to_owned(),
        rubric: rubric.made_by.clone(),
        verdicts,
        found: scene.findings(after > 0),
        clip: true,
    }
}

/// Cannot be judged without knowing what is wrong.
fn needs_truth(check: &Check) -> bool {
    matches!(check, Check::Diagnosed { .. } | Check::Misdiagnosed | Check::Managed { .. })
}

/// Manners and form count only for a doctor who found something out.
fn needs_work(check: &Check) -> bool {
    use Check::*;
    matches!(
        check,
        InOrder
            | SafetyNet
            | Plain { .. }
            | Empathy
            | Introduced
            | Invited
            | Reasoned
            | Recapped
            | CostRaised
            | Managed { .. }
    )
}

fn decide(check: &Check, s: &Scene<'_>) -> Found {
    if needs_work(check) && !s.worked() {
        return Err("next to nothing was found out, so manners do not count".to_owned());
    }
    match check {
        Check::Elicited(ids) => match s.earned_any(ids) {
            Some(event) => Ok((vec![event], "a request brought it out".to_owned())),
            None => Err("no request brought it out".to_owned()),
        },
        Check::Gathered { groups, at_least } => {
            let events: Vec<u32> = groups.iter().filter_map(|g| s.earned_any(g)).collect();
            enough(events, *at_least, "of the key things")
        }
        Check::Asked { subjects, at_least } => {
            let events: Vec<u32> = subjects.iter().filter_map(|x| s.asked_about(x)).collect();
            enough(events, *at_least, "of these were asked about")
        }
        Check::Covered(categories) => {
            let events: Vec<u32> = categories.iter().filter_map(|c| s.covered(*c)).collect();
            enough(events, categories.len() as u16, "of these headings were asked for")
        }
        Check::AskedAnew => s
            .asked_anew()
            .map(|e| (vec![e], "a new question".to_owned()))
            .ok_or_else(|| "nothing new was asked".to_owned()),
        Check::InOrder => in_order(s),
        Check::Diagnosed { within } => {
            let a = concluded(s)?;
            match a.right_at {
                Some(at) if at <= u32::from(*within) => Ok((vec![a.event], format!("named in place {at}"))),
                Some(at) => Err(format!("named only in place {at}")),
                None => Err(format!("not among: {}", a.differential.join("; "))),
            }
        }
        Check::Misdiagnosed => {
            let a = concluded(s)?;
            if a.right_at == Some(1) {
                Err("the first diagnosis is right".to_owned())
            } else {
                Ok((vec![a.event], format!("named first: {}", a.differential.first().map_or("", String::as_str))))
            }
        }
        Check::Shotgun { more_than } => {
            let a = concluded(s)?;
            over(a.named, *more_than, || (vec![a.event], format!("{} diagnoses", a.named)))
        }
        Check::Premature { groups, fewer_than, facts } => {
            let a = concluded(s)?;
            let known = known_before(s, groups, a.turn);
            let answers = s.earned.iter().filter(|e| e.turn < a.turn).count();
            if known < usize::from(*fewer_than) && answers < usize::from(*facts) {
                Ok((vec![a.event], format!("concluded with {known} key things known, {fewer_than} wanted")))
            } else {
                Err(format!("{known} key things were known"))
            }
        }
        Check::Managed { at_least } => managed(s, *at_least),
        Check::Treated(treatments) => treated(s, treatments),
        Check::SafetyNet => safety_net(s),
        Check::Plain { at_most } => {
            let hard: Vec<&Turn<'_>> =
                s.judged().filter(|t| t.understood.is_some_and(|u| !u.jargon.is_empty())).collect();
            let words: usize = hard.iter().map(|t| t.understood.map_or(0, |u| u.jargon.len())).sum();
            if words > usize::from(*at_most) {
                return Err(format!("{words} unexplained medical words"));
            }
            let spoken: Vec<u32> = s.judged().filter(|t| !t.typed).map(|t| t.event).take(1).collect();
            if spoken.is_empty() {
                Err("nothing was said".to_owned())
            } else {
                Ok((spoken, format!("{words} unexplained medical words")))
            }
        }
        Check::Empathy => empathy(s),
        Check::Introduced => either(s, Cue::Introduction, ActKind::Introduce),
        Check::Invited => either(s, Cue::Invitation, ActKind::InviteQuestions),
        Check::Recapped => either(s, Cue::Recap, ActKind::Summarise),
        Check::Reasoned => {
            let a = concluded(s)?;
            let hit = s.said(Cue::Reason).find(|(t, _)| t.number >= a.turn);
            hit.map(|(t, _)| (vec![t.event], "gave a reason".to_owned())).ok_or_else(|| "gave no reason".to_owned())
        }
        Check::CostRaised => one_of(s.said(Cue::Cost).map(|(t, _)| t.event).next()),
        Check::Repeated { at_least } => enough(s.repeats(), *at_least, "turns repeat an earlier one"),
        Check::Compound { at_least } => {
            let full = |t: &&Turn<'_>| t.understood.is_some_and(|u| u.requests.len() >= usize::from(*at_least));
            match s.judged().find(full) {
                Some(t) => {
                    Ok((vec![t.event], format!("{} requests at once", t.understood.map_or(0, |u| u.requests.len()))))
                }
                None => Err("no turn held so many requests".to_owned()),
            }
        }
        Check::Reassured => one_of(s.said(Cue::Promise).map(|(t, _)| t.event).next()),
        Check::Injected => {
            let act = |t: &&Turn<'_>| t.has(Cue::Injection) > 0 || t.understood.is_some_and(|u| u.has(ActKind::Inject));
            one_of(s.judged().find(act).map(|t| t.event))
        }
    }
}

fn concluded<'s, 'a>(s: &'s Scene<'a>) -> Result<&'s Assessment<'a>, String> {
    s.assessment.as_ref().filter(|a| a.turn > s.after).ok_or_else(|| "no diagnosis was committed to".to_owned())
}

fn enough(events: Vec<u32>, at_least: u16, what: &str) -> Found {
    let n = events.len();
    if n >= usize::from(at_least) && n > 0 {
        Ok((events, format!("{n} {what}")))
    } else {
        Err(format!("{n} {what}, {at_least} wanted"))
    }
}

fn over(n: usize, limit: u16, found: impl FnOnce() -> (Vec<u32>, String)) -> Found {
    if n > usize::from(limit) { Ok(found()) } else { Err(format!("{n}, {limit} at most")) }
}

fn one_of(event: Option<u32>) -> Found {
    event.map(|e| (vec![e], "said there".to_owned())).ok_or_else(|| "not said".to_owned())
}

/// Groups with a fact known when `turn` began: what a turn brings out itself came too late for it.
fn known_before(s: &Scene<'_>, groups: &[Vec<FactId>], turn: u32) -> usize {
    groups.iter().filter(|g| s.known_any(g, turn.saturating_sub(1))).count()
}

fn in_order(s: &Scene<'_>) -> Found {
    let a = concluded(s)?;
    let first = |is: fn(&RequestKind) -> bool| s.turns.iter().find(|t| t.requests().any(is)).map(|t| t.number);
    let history: Vec<_> = s.earned.iter().filter(|e| !on_request(s, e.fact)).collect();
    let exam = first(|r| matches!(r, RequestKind::Exam { .. }));
    let test = first(|r| matches!(r, RequestKind::Test { .. }));
    let looked = exam.into_iter().chain(test).min().unwrap_or(a.turn);
    let before: Vec<u32> =
        history.iter().filter(|e| e.turn < looked && e.turn < a.turn).map(|e| e.event).take(3).collect();
    if before.len() < 3 {
        return Err("fewer than three facts of history came before examination, tests and conclusion".to_owned());
    }
    match (exam, test) {
        (Some(e), Some(t)) if t < e => Err("tests came before the examination".to_owned()),
        _ => Ok((before, "history came first".to_owned())),
    }
}

fn on_request(s: &Scene<'_>, fact: crate::event::FactIx) -> bool {
    use bedside_records::Access;
    matches!(s.case.fact(fact).access, Access::OnExam | Access::OnTest)
}

fn managed(s: &Scene<'_>, at_least: u16) -> Found {
    let a = concluded(s)?;
    if a.right_at != Some(1) {
        return Err("a plan for another diagnosis earns nothing".to_owned());
    }
    let plan = content(a.plan);
    let steps = &s.case.record.management;
    let named = steps.iter().filter(|step| names::step_share(step, &plan) >= 0.5).count();
    if named >= usize::from(at_least) {
        Ok((vec![a.event], format!("{named} first-line steps are in the plan")))
    } else {
        Err(format!("{named} first-line steps are in the plan, {at_least} wanted"))
    }
}

fn treated(s: &Scene<'_>, treatments: &[String]) -> Found {
    for t in s.judged().filter(|t| !t.text.is_empty()) {
        let plan = s.assessment.as_ref().is_some_and(|a| a.turn == t.number);
        let advised = plan
            || t.has(Cue::Give) > 0
            || t.understood.is_some_and(|u| u.has(ActKind::Prescribe) || u.has(ActKind::Advise));
        if !advised {
            continue;
        }
        // A question about a medicine is no advice to take it.
        let told: String =
            sentences(t.text).iter().map(|(a, b)| &t.text[*a..*b]).filter(|x| !x.trim_end().ends_with('?')).collect();
        if let Some(treatment) = treatments.iter().find(|x| names::advises(&told, x)) {
            return Ok((vec![t.event], format!("advised: {treatment}")));
        }
    }
    Err("not advised".to_owned())
}

fn safety_net(s: &Scene<'_>) -> Found {
    let whole = |t: &Turn<'_>, at: usize| {
        let (from, to) = sentence_at(t.text, at);
        let case = t.hits.iter().any(|h| h.cue == Cue::InCase && h.at.0 >= from && h.at.1 <= to);
        let sentence = &t.text[from..to];
        case && sentence.split_whitespace().count() >= 5 && !sentence.trim_end().ends_with('?')
    };
    if let Some((t, _)) = s.said(Cue::TurnTo).find(|(t, h)| whole(t, h.at.0)) {
        return Ok((vec![t.event], "said when and where to turn".to_owned()));
    }
    let act = s.acted(ActKind::SafetyNet).find(|(_, text)| text.split_whitespace().count() >= 5);
    one_of(act.map(|(t, _)| t.event))
}

fn empathy(s: &Scene<'_>) -> Found {
    let honest = |t: &Turn<'_>| t.has(Cue::Flattery) <= t.has(Cue::Empathy) && t.has(Cue::Promise) == 0;
    let said = s.said(Cue::Empathy).map(|(t, _)| t).chain(s.acted(ActKind::Empathise).map(|(t, _)| t));
    one_of(said.filter(|t| honest(t)).map(|t| t.event).min())
}

fn either(s: &Scene<'_>, cue: Cue, act: ActKind) -> Found {
    one_of(s.said(cue).map(|(t, _)| t.event).chain(s.acted(act).map(|(t, _)| t.event)).min())
}
