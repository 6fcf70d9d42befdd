//! The verbs. Systems read the world and write events to the outbox; between them `commit` applies what was written.

use super::apply;
use super::components::*;
use crate::action::{Action, DoctorTurn};
use crate::event::{Because, Event, Problem};
use crate::hash::Digest;
use crate::step::{Ending, Limit, Status};
use crate::units::{
    Act, ActKind, Answer, DialogueContext, EffectResult, Named, PatientView, Phrasing, Selection, Understanding, Units,
};
use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemParam;
use std::sync::Arc;

/// Doctor turns that came in since the last tick, in slot order.
#[derive(Resource, Default)]
pub(crate) struct Inbox(pub Vec<(Entity, DoctorTurn, Option<Digest>)>);

/// Consultations this tick is about, in slot order.
#[derive(Resource, Default)]
pub(crate) struct Due(pub Vec<Entity>);

/// What the systems of this phase want to happen.
#[derive(Resource, Default)]
pub(crate) struct Outbox(pub Vec<(Entity, Event)>);

/// Selections and drafts on their way from one unit to the next within a tick; never state.
#[derive(Resource, Default)]
pub(crate) struct Workbench {
    pub drafts: Vec<Option<Draft>>,
}

pub(crate) struct Draft {
    pub selection: Selection,
    pub affect: crate::units::Affect,
    pub text: Option<String>,
}

/// The units that play the patient.
#[derive(Resource)]
pub(crate) struct TheUnits(pub Units);

/// Applies the outbox in the order it was written.
pub(crate) fn commit(world: &mut World) {
    let events = std::mem::take(&mut world.resource_mut::<Outbox>().0);
    for (id, event) in events {
        apply::apply(world, id, event);
    }
}

/// Takes each doctor turn in as an event.
pub(crate) fn hear_action(mut inbox: ResMut<Inbox>, clocks: Query<&TurnClock>, mut out: ResMut<Outbox>) {
    for (id, action, trace) in inbox.0.drain(..) {
        let Ok(clock) = clocks.get(id) else { continue };
        out.0.push((id, Event::ActionTaken { turn: clock.taken + 1, action: Arc::new(action), trace }));
    }
}

/// The components of a consultation that a view is cut from.
type ConsultationParts = (
    &'static Consultation,
    &'static TurnClock,
    &'static CurrentTurn,
    &'static Termination,
    &'static ThePatient,
    &'static Known,
);

/// All of a consultation that the units may see.
#[derive(SystemParam)]
pub(crate) struct Sight<'w, 's> {
    consultations: Query<'w, 's, ConsultationParts>,
    patients: Query<'w, 's, (&'static Patient, &'static Memory)>,
}

impl Sight<'_, '_> {
    /// Calls `f` with the view of a consultation whose current turn is at a stage that `at` accepts.
    fn with<R>(
        &self,
        id: Entity,
        at: impl Fn(&Stage) -> bool,
        f: impl FnOnce(&Consultation, &CurrentTurn, &PatientView<'_>) -> R,
    ) -> Option<R> {
        let (consultation, clock, current, termination, patient, known) = self.consultations.get(id).ok()?;
        if termination.0 != Status::Running || !at(&current.stage) {
            return None;
        }
        let (patient, memory) = self.patients.get(patient.entity()).ok()?;
        let view = PatientView {
            case: &consultation.case,
            persona: &patient.persona,
            affect: patient.affect,
            seed: consultation.opening.seed,
            turn: clock.taken,
            disclosed: &known.0,
            asked: &memory.asked,
            focus: memory.focus.as_ref(),
            last_reply: memory.last_reply.as_deref(),
        };
        Some(f(consultation, current, &view))
    }
}

/// The Interpreter: text or typed action into acts and requests.
pub(crate) fn interpret_utterance(units: Res<TheUnits>, due: Res<Due>, sight: Sight, mut out: ResMut<Outbox>) {
    for id in &due.0 {
        let event = sight.with(
            *id,
            |s| *s == Stage::Heard,
            |c, current, view| {
                let turn = view.turn;
                let action = &current.action.as_ref()?.action;
                Some(match understand(&units.0, action, c, view) {
                    Ok(u) => Event::UtteranceUnderstood { turn, understanding: Arc::new(u) },
                    Err(problem) => Event::ActionRejected { turn, problem },
                })
            },
        );
        if let Some(event) = event.flatten() {
            out.0.push((*id, event));
        }
    }
}

fn understand(
    units: &Units,
    action: &Action,
    c: &Consultation,
    view: &PatientView<'_>,
) -> Result<Understanding, Problem> {
    let context = DialogueContext {
        last_reply: view.last_reply,
        focus: view.focus,
        complaint: view.case.complaint.as_ref().map(|t| t.subject.as_str()),
    };
    let long = |text: &str| {
        let chars = text.chars().count() as u32;
        let limit = c.opening.limits.max_action_chars;
        if chars > limit { Err(Problem::TooLong { chars, limit }) } else { Ok(()) }
    };
    match action {
        Action::Say(text) => {
            long(text)?;
            if text.trim().is_empty() {
                return Err(Problem::Empty);
            }
            Ok(units.interpreter.interpret(text, context))
        }
        Action::Conclude { differential, plan } => {
            long(plan)?;
            if differential.iter().all(|d| d.trim().is_empty()) {
                return Err(Problem::NoDiagnosis);
            }
            let spoken = Phrasing::spoken(action);
            let start = (spoken.len() - plan.len()) as u32;
            let mut u = units.interpreter.interpret(plan, context);
            shift(&mut u, start);
            u.requests.clear();
            u.acts.insert(0, Act { kind: ActKind::Diagnose, span: (0, start) });
            u.diagnoses = differential
                .iter()
                .filter(|d| !d.trim().is_empty())
                .map(|d| Named { text: d.trim().to_owned(), span: (0, start), committed: true })
                .collect();
            Ok(u)
        }
        Action::Ask(what) => Phrasing::typed_ask(what).ok_or_else(|| Problem::UnknownTopic(what.clone())),
        Action::Examine(site) if site.trim().is_empty() => Err(Problem::Empty),
        Action::OrderTest(test) if test.trim().is_empty() => Err(Problem::Empty),
        Action::Examine(site) => {
            long(site)?;
            Ok(Phrasing::typed_exam(site))
        }
        Action::OrderTest(test) => {
            long(test)?;
            Ok(Phrasing::typed_test(test))
        }
    }
}

fn shift(u: &mut Understanding, by: u32) {
    let move_span = |s: &mut (u32, u32)| *s = (s.0 + by, s.1 + by);
    u.acts.iter_mut().for_each(|a| move_span(&mut a.span));
    u.diagnoses.iter_mut().for_each(|d| move_span(&mut d.span));
    u.jargon.iter_mut().for_each(move_span);
}

/// The Termination Gate.
pub(crate) fn decide_ending(units: Res<TheUnits>, due: Res<Due>, sight: Sight, mut out: ResMut<Outbox>) {
    for id in &due.0 {
        let ending = sight.with(
            *id,
            |s| *s == Stage::Understood,
            |c, current, view| {
                let (turn, action) = (view.turn, &current.action.as_ref()?.action);
                let understood = current.understanding.as_ref()?;
                let ending = match action {
                    Action::Conclude { .. } => Some(Ending::DiagnosisGiven),
                    Action::Say(text) if c.opening.units.gate => units.0.gate.decide(text, understood, view),
                    _ => None,
                }?;
                let (differential, plan) = match action {
                    Action::Conclude { differential, plan } => (differential.clone(), plan.clone()),
                    Action::Say(text) => {
                        let named =
                            understood.diagnoses.iter().filter(|d| d.committed).map(|d| d.text.clone()).collect();
                        (named, text.clone())
                    }
                    _ => (Vec::new(), String::new()),
                };
                Some((turn, ending, differential, plan))
            },
        );
        if let Some((turn, ending, differential, plan)) = ending.flatten() {
            out.0.push((*id, Event::AssessmentGiven { turn, differential, plan }));
            out.0.push((*id, Event::ConsultationTerminated { turn, ending }));
        }
    }
}

/// The Factual Unit's first half: what this turn has earned; and where the turn moves the patient's feelings.
pub(crate) fn select_facts(units: Res<TheUnits>, due: Res<Due>, sight: Sight, mut bench: ResMut<Workbench>) {
    let bench = &mut *bench;
    bench.drafts.clear();
    for id in &due.0 {
        let ready = |s: &Stage| matches!(s, Stage::Understood | Stage::Supplied(_));
        let draft = sight.with(*id, ready, |c, current, view| {
            let understood = current.understanding.as_ref()?;
            let mut selection = units.0.factual.select(understood, view);
            if !c.opening.units.factual {
                crate::units::tell_whole_categories(&mut selection, understood, view);
            }
            let affect =
                if c.opening.units.affect { units.0.affective.feel(understood, &selection, view) } else { view.affect };
            Some(Draft { selection, affect, text: None })
        });
        bench.drafts.push(draft.flatten());
    }
}

/// The Affective Unit: a draft in the patient's voice, or a wish that somebody else voice it.
pub(crate) fn voice_reply(
    units: Res<TheUnits>,
    due: Res<Due>,
    sight: Sight,
    mut bench: ResMut<Workbench>,
    mut out: ResMut<Outbox>,
) {
    let bench = &mut *bench;
    for (id, slot) in due.0.iter().zip(&mut bench.drafts) {
        let Some(draft) = slot else { continue };
        let (affect, selection) = (draft.affect, &draft.selection);
        let answer = sight.with(
            *id,
            |_| true,
            |c, current, view| {
                if let Stage::Supplied(result) = &current.stage {
                    return Some(Answer::Ready(match result {
                        EffectResult::Text(text) => text.clone(),
                        EffectResult::Failed(_) => units.0.factual.repair("", &[], selection, view),
                    }));
                }
                let moved = PatientView { affect, ..*view };
                let understood = current.understanding.as_ref()?;
                Some(if c.opening.units.affect {
                    units.0.affective.voice(understood, selection, &moved)
                } else {
                    Answer::Ready(Phrasing::flat(selection, view))
                })
            },
        );
        match answer.flatten() {
            Some(Answer::Ready(text)) => draft.text = Some(text),
            Some(Answer::Await(effect)) => {
                let turn = sight.consultations.get(*id).map_or(0, |c| c.1.taken);
                out.0.push((*id, Event::EffectRequested { turn, effect: Box::new(effect) }));
            }
            None => {}
        }
    }
}

/// The Factual Unit's second half: checks the draft, repairs it within bounds, and sends what is left.
pub(crate) fn check_reply(
    units: Res<TheUnits>,
    due: Res<Due>,
    sight: Sight,
    mut bench: ResMut<Workbench>,
    mut out: ResMut<Outbox>,
) {
    let bench = &mut *bench;
    for (id, slot) in due.0.iter().zip(&mut bench.drafts) {
        let Some(Draft { selection, affect, text: Some(text) }) = slot.take() else { continue };
        sight.with(
            *id,
            |_| true,
            |c, _, view| {
                let turn = view.turn;
                let mut send = |event| out.0.push((*id, event));
                let told = selection.told.iter().chain(&selection.revealed);
                for (fact, request) in told.filter(|(f, _)| view.disclosed[f.0 as usize].is_none()) {
                    send(Event::FactDisclosed { turn, fact: *fact, because: Because::Request(*request) });
                }
                for (topic, _) in &selection.unknown {
                    send(Event::TopicUnknown { turn, topic: topic.clone() });
                }
                for (fact, _) in &selection.withheld {
                    send(Event::FactWithheld { turn, fact: *fact });
                }
                for event in Phrasing::chart(&selection, &view.case.record, turn) {
                    send(event);
                }
                if affect != view.affect {
                    send(Event::AffectMoved { turn, affect });
                }
                let text =
                    if c.opening.units.factual { repaired(&units.0, text, &selection, view, &mut send) } else { text };
                send(Event::PatientReplied { turn, text: Arc::from(text) });
                if c.opening.units.affect && affect.patience == 0 {
                    send(Event::ConsultationTerminated { turn, ending: Ending::PatientLeft });
                }
            },
        );
    }
}

/// Checks and repairs at most twice (SYSTEMS: retries 2), then a safe minimal reply.
fn repaired(
    units: &Units,
    mut text: String,
    selection: &Selection,
    view: &PatientView<'_>,
    send: &mut impl FnMut(Event),
) -> String {
    for attempt in 0..3 {
        let violations = units.factual.check(&text, selection, view);
        if violations.is_empty() {
            break;
        }
        let fixed = units.factual.repair(if attempt < 2 { &text } else { "" }, &violations, selection, view);
        send(Event::ReplyRepaired { turn: view.turn, draft: Arc::from(text), violations });
        text = fixed;
    }
    text
}

/// Limits cut what the gate let live.
pub(crate) fn close_when_spent(
    due: Res<Due>,
    q: Query<(&Consultation, &TurnClock, &CurrentTurn, &Termination)>,
    mut out: ResMut<Outbox>,
) {
    for id in &due.0 {
        let Ok((c, clock, current, termination)) = q.get(*id) else { continue };
        if termination.0 != Status::Running || current.stage != Stage::Answered {
            continue;
        }
        let turn = clock.taken;
        if clock.fragment_end.is_some_and(|end| turn >= end) {
            out.0.push((*id, Event::ConsultationTruncated { turn, limit: Limit::Fragment }));
        } else if turn >= c.opening.limits.max_turns {
            out.0.push((*id, Event::ConsultationTruncated { turn, limit: Limit::Turns }));
        }
    }
}
