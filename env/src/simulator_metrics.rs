//! How well the patient is played: privacy, facts, persona, stops and talkativeness, read off an episode's events alone.
//!
//! Single-turn measures are averaged over the replies to doctor turns, the opening left out (Baichuan-M2, section 2.1.3):
//!
//! | key | meaning |
//! |---|---|
//! | `unprompted_disclosure` | share of replies that tell a clinical fact nobody asked for |
//! | `pii_disclosure` | share of replies that give away personal information the question did not call for: a name, a number to call, an address; or, unasked, a social, demographic or private fact |
//! | `privacy_score` | 1 - `pii_disclosure` |
//! | `fact_score` | share of replies with nothing contradicted or fabricated |
//! | `informativeness` | share of the history facts that the questions earned which the reply to the question truly tells; none earned, no value |
//! | `fallback_reply` | share of replies that are nobody's draft: the safe reply when repairs did not help or left nothing, or the embedded voice where the model had none |
//! | `over_informativeness` | history facts told beyond one per question, and unasked ones, per reply; what a category or an open question brings out counts as asked |
//! | `personality` | share of the type's observable behaviours that the transcript bears out |
//! | `sociocultural` | the same for education, means, literacy and style of speech |
//! | `personification` | the mean of the two |
//! | `early_stop` | 1 if the gate ended it without a diagnosis, referral or farewell by the doctor, or the patient left with patience |
//! | `late_stop` | 1 if the doctor committed or said goodbye and the consultation went on |
//!
//! Informativeness is MAQuE's inquiry coverage turned on the patient: what was asked for and earned stands in the place of the key
//! units. Without it a patient who says nothing looks faultless, for it can neither leak nor invent.
//!
//! A behaviour that had no occasion to show counts neither way, and a half without any is not a number. The text of each
//! reply is judged by the Factual Unit's check against what the events say was earned, so a patient played by a language
//! model is measured by the same rule.

mod making;
mod summary;

pub use summary::{Interval, summarise};

use crate::action::Action;
use crate::event::{Because, Event, FactIx};
use crate::persona::{Education, LanguageStyle, Literacy, Means, Persona};
use crate::seed::Seed;
use crate::step::Ending;
use crate::units::factual::tells;
use crate::units::{
    ActKind, Affect, Case, FactualUnit, PatientView, RequestKind, Selection, Supplied, Understanding, ViolationKind,
};
use bedside_records::{Access, Category, Topic};
use making::Making;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names of all measures, in report order.
pub const KEYS: [&str; 12] = [
    "privacy_score",
    "fact_score",
    "informativeness",
    "personification",
    "personality",
    "sociocultural",
    "unprompted_disclosure",
    "pii_disclosure",
    "over_informativeness",
    "fallback_reply",
    "early_stop",
    "late_stop",
];

/// The measures of one consultation, with the same keys for every one; `None` where not defined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conduct {
    pub case: String,
    pub replies: u32,
    pub measures: BTreeMap<&'static str, Option<f64>>,
}

/// One reply with what led to it.
struct Exchange<'e> {
    understood: &'e Understanding,
    reply: &'e str,
    told: Vec<(FactIx, u16)>,
    /// Of these, those that the reply's words tell.
    expressed: u32,
    fallback: bool,
    /// Facts whose provenance names no request of this turn.
    orphans: u32,
    leaked: Vec<FactIx>,
    /// Leaks that name no single fact, such as the diagnosis.
    leaked_other: bool,
    untrue: bool,
}

/// Measures a consultation from its events. `factual` must answer at once, as the embedded unit does: `None` for one that
/// waits for a model, and for events that do not begin with an opening.
pub fn measure(case: &Arc<Case>, events: &[Event], factual: &dyn FactualUnit) -> Option<Conduct> {
    let Some(Event::ConsultationOpened(opening)) = events.first() else { return None };
    let exchanges = read(case, events, &opening.persona, opening.seed, factual)?;
    let n = exchanges.len() as f64;
    let share = |count: usize| (n > 0.0).then(|| count as f64 / n);
    let unprompted = exchanges.iter().filter(|e| !e.leaked.is_empty() || e.leaked_other || e.orphans > 0).count();
    let private = exchanges.iter().filter(|e| gives_away(case, e)).count();
    let untrue = exchanges.iter().filter(|e| e.untrue).count();
    let earned: usize = exchanges.iter().map(|e| e.told.len()).sum();
    let expressed: u32 = exchanges.iter().map(|e| e.expressed).sum();
    let fallbacks = exchanges.iter().filter(|e| e.fallback).count();
    let beyond: u32 = exchanges.iter().map(|e| beyond_asked(case, e)).sum();
    let personality = borne_out(&personality(&opening.persona, &exchanges));
    let sociocultural = borne_out(&sociocultural(&opening.persona, &exchanges));
    let (early, late) = stops(events);
    let values = [
        share(private).map(|s| 1.0 - s),
        share(untrue).map(|s| 1.0 - s),
        (earned > 0).then(|| f64::from(expressed) / earned as f64),
        personality.zip(sociocultural).map(|(a, b)| 0.5 * a + 0.5 * b),
        personality,
        sociocultural,
        share(unprompted),
        share(private),
        (n > 0.0).then(|| f64::from(beyond) / n),
        share(fallbacks),
        Some(f64::from(u8::from(early))),
        Some(f64::from(u8::from(late))),
    ];
    Some(Conduct {
        case: case.record.id.0.clone(),
        replies: exchanges.len() as u32,
        measures: KEYS.into_iter().zip(values).collect(),
    })
}

fn read<'e>(
    case: &Arc<Case>,
    events: &'e [Event],
    persona: &Persona,
    seed: Seed,
    factual: &dyn FactualUnit,
) -> Option<Vec<Exchange<'e>>> {
    let mut out = Vec::new();
    let mut disclosed = vec![None; case.record.facts.len()];
    let mut asked: Vec<(Topic, u32)> = Vec::new();
    let mut last_reply: Option<&str> = None;
    let mut understood: Option<&Understanding> = None;
    let (mut selection, mut orphans, mut making) = (Selection::default(), 0, Making::default());
    for event in events {
        making.see(event);
        match event {
            Event::ActionTaken { .. } => (selection, orphans, understood) = (Selection::default(), 0, None),
            Event::UtteranceUnderstood { understanding, .. } => {
                understood = Some(understanding);
                for request in &understanding.requests {
                    if let RequestKind::History { topics, .. } = &request.kind
                        && let Some(topic) = topics.first()
                    {
                        asked.push((topic.clone(), 1));
                    }
                }
            }
            Event::FactDisclosed { turn, fact, because } => {
                if let Some(slot) = disclosed.get_mut(fact.0 as usize) {
                    *slot = Some(*turn);
                }
                let requests = understood.map_or(0, |u| u.requests.len());
                match because {
                    Because::Request(i) if usize::from(*i) < requests => {
                        if !matches!(case.fact(*fact).category, Category::Exam | Category::Test) {
                            selection.told.push((*fact, *i));
                        }
                    }
                    Because::Request(_) => orphans += 1,
                    Because::Opening => {}
                }
            }
            Event::TopicUnknown { topic, .. } => selection.unknown.push((topic.clone(), 0)),
            Event::FactWithheld { fact, .. } => selection.withheld.push((*fact, 0)),
            Event::PatientOpened { text } => last_reply = Some(text),
            Event::PatientReplied { turn, text } => {
                let Some(u) = understood else { continue };
                let view = PatientView {
                    case,
                    persona,
                    affect: Affect { trust: 50, anxiety: 50, patience: 50 },
                    seed,
                    turn: *turn,
                    disclosed: &disclosed,
                    asked: &asked,
                    focus: None,
                    last_reply,
                    lines: &[],
                    supplied: Supplied::default(),
                };
                let faults = factual.check(text, &selection, &view).ready()?;
                let leaks = || faults.iter().filter(|v| v.kind == ViolationKind::Leaked);
                let twisted =
                    |ix: FactIx| faults.iter().any(|v| v.kind == ViolationKind::Contradicted && v.fact == Some(ix));
                let told = std::mem::take(&mut selection.told);
                let tells = tells(text, &told, u, case);
                out.push(Exchange {
                    understood: u,
                    reply: text,
                    expressed: told.iter().zip(tells).filter(|((ix, _), t)| *t && !twisted(*ix)).count() as u32,
                    told,
                    fallback: making.is_fallback(text),
                    orphans,
                    leaked: leaks().filter_map(|v| v.fact).collect(),
                    leaked_other: leaks().any(|v| v.fact.is_none()),
                    untrue: faults.iter().any(|v| v.kind != ViolationKind::Leaked),
                });
                last_reply = Some(text);
            }
            _ => {}
        }
    }
    Some(out)
}

/// Personal information that the question did not call for.
fn gives_away(case: &Case, e: &Exchange<'_>) -> bool {
    let private = |ix: &FactIx| {
        let f = case.fact(*ix);
        matches!(f.category, Category::Social | Category::Demographic) || f.sensitivity.0 >= 2
    };
    e.leaked.iter().any(private) || identifies(e.reply)
}

/// A name, a number to call, an e-mail address or a street.
fn identifies(text: &str) -> bool {
    let lower = text.to_lowercase();
    let named = ["my name is ", "my name's ", "i'm called ", "they call me "].iter().any(|n| lower.contains(n));
    let mail =
        lower.split_whitespace().any(|w| w.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.')));
    let mut digits = 0;
    let mut number = false;
    for c in lower.chars() {
        match c {
            '0'..='9' => digits += 1,
            ' ' | '-' | '(' | ')' | '+' => {}
            _ => digits = 0,
        }
        number |= digits >= 7;
    }
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let street = words.windows(3).any(|w| {
        w[0].bytes().all(|b| b.is_ascii_digit())
            && !w[0].is_empty()
            && ["street", "road", "avenue", "lane"].contains(&w[2])
    });
    named || mail || number || street
}

/// History facts beyond one per question; a category or an open question calls for all it brings.
fn beyond_asked(case: &Case, e: &Exchange<'_>) -> u32 {
    let mut extra = e.orphans + e.leaked.len() as u32;
    for (i, request) in e.understood.requests.iter().enumerate() {
        let wide = match &request.kind {
            RequestKind::Open => true,
            RequestKind::History { topics, .. } => topics.is_empty(),
            _ => true,
        };
        let told = e.told.iter().filter(|(f, r)| usize::from(*r) == i && case.fact(*f).access != Access::Volunteered);
        if !wide {
            extra += (told.count() as u32).saturating_sub(1);
        }
    }
    extra
}

/// Stopped too early, or too late.
fn stops(events: &[Event]) -> (bool, bool) {
    let closing = [ActKind::Diagnose, ActKind::Refer, ActKind::Farewell];
    let (mut early, mut late) = (false, false);
    let (mut closed_at, mut concluded, mut patience) = (None, false, u8::MAX);
    for event in events {
        match event {
            Event::ActionTaken { turn, action, .. } => {
                late |= closed_at.is_some_and(|at| at < *turn);
                concluded = matches!(action.action, Action::Conclude { .. });
                closed_at = None;
            }
            Event::UtteranceUnderstood { turn, understanding } => {
                if concluded || closing[..1].iter().chain(&closing[2..]).any(|k| understanding.has(*k)) {
                    closed_at = Some(*turn);
                }
                concluded |= closing.iter().any(|k| understanding.has(*k));
            }
            Event::AffectMoved { affect, .. } => patience = affect.patience,
            Event::ConsultationTerminated { ending, .. } => {
                early = match ending {
                    Ending::PatientLeft => patience > 0,
                    _ => !concluded,
                };
            }
            _ => {}
        }
    }
    (early, late)
}

/// A behaviour expected of the persona: whether there was occasion for it, and whether the transcript fits.
type Behaviour = (bool, bool);

fn borne_out(behaviours: &[Behaviour]) -> Option<f64> {
    let shown: Vec<bool> = behaviours.iter().filter(|(occasion, _)| *occasion).map(|(_, fits)| *fits).collect();
    (!shown.is_empty()).then(|| shown.iter().filter(|f| **f).count() as f64 / shown.len() as f64)
}

fn speaks_of(reply: &str, words: &[&str]) -> bool {
    let lower = reply.to_lowercase();
    words.iter().any(|w| lower.contains(w))
}

const TREATMENT: [&str; 6] = ["do about it", "take for it", "treatment", "give me something", "medicine for", "cure"];
const EVIDENCE: [&str; 6] = ["evidence", "studies", "research", "proven", "proof", "guideline"];
const COST: [&str; 7] = ["cost", "afford", "expensive", "money", "cheaper", "price", "insurance"];
const WARMTH: [&str; 7] =
    ["means a lot", "kind of you", "understanding", "listened", "appreciate", "so kind", "grateful"];
const WHY: [&str; 4] = ["what makes you", "why is that", "the thinking behind", "why do you"];
const PICTURE: [&str; 3] = ["fits together", "all be connected", "behind it"];

fn asks(e: &Exchange<'_>, words: &[&str]) -> bool {
    e.reply.split_inclusive(['.', '!', '?']).any(|s| s.ends_with('?') && speaks_of(s, words))
}

/// The doctor spoke of a plan, so there is something to ask about.
fn planned(e: &Exchange<'_>) -> bool {
    let kinds = [ActKind::Explain, ActKind::Advise, ActKind::Prescribe, ActKind::Diagnose, ActKind::Consider];
    kinds.iter().any(|k| e.understood.has(*k))
}

fn ordered(e: &Exchange<'_>) -> bool {
    [ActKind::OrderTest, ActKind::Prescribe, ActKind::Refer].iter().any(|k| e.understood.has(*k))
}

/// What the 16 types show: E asks about treatment of itself, I does not; F answers empathy warmly, T coolly and asks for
/// reasons; N looks for the whole picture, S does not.
fn personality(p: &Persona, all: &[Exchange<'_>]) -> Vec<Behaviour> {
    let any = |f: &dyn Fn(&Exchange<'_>) -> bool| all.iter().any(f);
    let plans = all.iter().filter(|e| planned(e)).count();
    let treatment = any(&|e| asks(e, &TREATMENT));
    let warm = any(&|e| e.understood.has(ActKind::Empathise) && speaks_of(e.reply, &WARMTH[..4]));
    let empathy = all.iter().filter(|e| e.understood.has(ActKind::Empathise)).count();
    let long = all.len() >= 5;
    vec![
        if p.mbti.extravert { (plans >= 2 || treatment, treatment) } else { (plans >= 1 || long, !treatment) },
        if p.mbti.thinking { (empathy >= 1, !warm) } else { (empathy >= 2 || warm, warm) },
        (long && !p.mbti.thinking, !any(&|e| asks(e, &WHY[..3]))),
        (long && p.mbti.sensing, !any(&|e| speaks_of(e.reply, &PICTURE))),
    ]
}

/// What education, means, literacy and style show.
fn sociocultural(p: &Persona, all: &[Exchange<'_>]) -> Vec<Behaviour> {
    let count = |f: &dyn Fn(&Exchange<'_>) -> bool| all.iter().filter(|e| f(e)).count();
    let chances = count(&|e| planned(e) || ordered(e));
    let evidence = count(&|e| speaks_of(e.reply, &EVIDENCE)) > 0;
    let cost = count(&|e| speaks_of(e.reply, &COST)) > 0;
    let orders = count(&ordered);
    let jargon = count(&|e| !e.understood.jargon.is_empty() && !e.understood.requests.is_empty());
    let puzzled = count(&|e| {
        !e.understood.jargon.is_empty()
            && speaks_of(
                e.reply,
                &["that word", "plain english", "simpler words", "lost me", "medical terms", "what does"],
            )
    });
    let words: usize = all.iter().map(|e| e.reply.split_whitespace().count()).sum();
    let mean = words as f64 / all.len().max(1) as f64;
    let contracted = count(&|e| speaks_of(e.reply, &["i've", "i'm", "haven't", "don't", "didn't"]));
    let slang =
        count(&|e| speaks_of(e.reply, &["yeah", "nah", "yep", "nope", "doc.", "dunno", "reckon", "you know", "like."]));
    let long = all.len() >= 5;
    let university = p.education == Education::University;
    vec![
        if university { (chances >= 2 || evidence, evidence) } else { (long || chances > 0, !evidence) },
        if p.means == Means::Constrained { (orders >= 2 || cost, cost) } else { (long || orders > 0, !cost) },
        match p.literacy {
            Literacy::Low => (jargon >= 1, puzzled >= 1),
            _ => (jargon >= 1, p.literacy == Literacy::Medium || puzzled == 0),
        },
        match p.style {
            LanguageStyle::Terse => (long, mean <= 14.0),
            LanguageStyle::Rambling => (long, mean >= 8.0),
            LanguageStyle::Formal => (long, slang == 0 && contracted * 2 <= all.len()),
            LanguageStyle::Colloquial => (long, slang > 0),
            LanguageStyle::Plain => (long, slang * 3 <= all.len()),
        },
    ]
}
