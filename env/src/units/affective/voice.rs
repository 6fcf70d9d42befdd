//! The grammar of a reply: a reaction to what the doctor did, the answers in the order asked, and sometimes one thing more
//! that this persona would say.

use super::phrases::*;
use super::speech::{of_child, upper_first};
use crate::event::FactIx;
use crate::persona::{Education, Emotion, LanguageStyle, Means, Persona};
use crate::seed::{Draw, Purpose};
use crate::units::{ActKind, PatientView, QuestionForm, RequestKind, Selection, Understanding};
use bedside_records::{Aspect, Category, KnowledgeBase, Polarity, Sex, Topic};

/// What nobody under twelve does, and no parent has to think about.
const ADULT_HABITS: [&str; 17] = [
    "soc_smoker",
    "soc_ex_smoker",
    "soc_vaping",
    "soc_alcohol_moderate",
    "soc_alcohol_excess",
    "soc_recreational_drugs",
    "iv_drug_use_risk",
    "soc_sexual_activity",
    "unprotected_sex",
    "soc_drives",
    "soc_occupation",
    "soc_relationship",
    "soc_children",
    "ob_pregnant",
    "last_period",
    "med_contraceptive_pill",
    "pmh_sti",
];

/// One reply being spoken.
pub(super) struct Speaker<'a, 'v> {
    pub(super) view: &'a PatientView<'v>,
    pub(super) persona: &'a Persona,
    pub(super) draw: Draw,
    /// A parent speaks for a child of this sex.
    pub(super) child: Option<Sex>,
    pub(super) out: String,
}

fn speaker<'a, 'v>(view: &'a PatientView<'v>, purpose: Purpose) -> Speaker<'a, 'v> {
    let who = &view.case.record.demographics;
    Speaker {
        view,
        persona: view.persona,
        draw: Draw::new(view.seed, &view.case.hash.0[..16], view.turn, purpose),
        child: who.is_child().then_some(who.sex),
        out: String::with_capacity(160),
    }
}

/// The first words: the chief complaint in this persona's voice.
pub(crate) fn open(view: &PatientView<'_>) -> String {
    let mut s = speaker(view, Purpose::Opening);
    let persona = s.persona;
    if s.draw.chance(match persona.style {
        LanguageStyle::Terse => 15,
        LanguageStyle::Formal => 80,
        _ => 50,
    }) {
        s.greet();
    }
    let complaint = s.worded(&view.case.chief_complaint, false);
    let rambling = persona.style == LanguageStyle::Rambling;
    if persona.mbti.extravert && rambling {
        s.say("Well, where to start.");
    }
    s.say(&complaint);
    if persona.emotion == Emotion::Anxious && s.draw.chance(60) {
        s.line(WORRY);
    }
    s.out
}

/// A draft reply to this turn.
pub(crate) fn voice(understood: &Understanding, selection: &Selection, view: &PatientView<'_>) -> String {
    let mut s = speaker(view, Purpose::Voice);
    let (mut answers, mut left) = (0, 0);
    let reacted = s.react(understood);
    for i in 0..understood.requests.len() as u16 {
        let before = s.out.len();
        s.answer(i, understood, selection, answers);
        if s.out.len() > before {
            answers += 1;
        } else {
            left += 1;
        }
    }
    if left > 0 && answers > 0 {
        s.line(LEFT_OVER);
    }
    let told = selection.told.len();
    if !s.one_more(understood, told, answers) && s.out.is_empty() && !reacted {
        s.line(NOTED);
    }
    s.out
}

impl Speaker<'_, '_> {
    /// Appends a sentence.
    fn say(&mut self, sentence: &str) {
        let sentence = sentence.trim();
        if sentence.is_empty() {
            return;
        }
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        self.out.push_str(&upper_first(sentence));
        if !sentence.ends_with(['.', '?', '!']) {
            self.out.push('.');
        }
    }

    /// One of the lines, and not one the last reply had.
    pub(super) fn pick(&mut self, lines: Lines) -> &'static str {
        let at = self.draw.below(lines.len());
        let last = self.view.last_reply.unwrap_or("");
        let fresh = |l: &&&str| l.trim().is_empty() || !last.contains(l.trim());
        let rotated = lines[at..].iter().chain(&lines[..at]);
        rotated.clone().find(fresh).or(rotated.clone().next()).copied().unwrap_or("")
    }

    fn line(&mut self, lines: Lines) {
        let line = self.pick(lines);
        self.say(line);
    }

    fn greet(&mut self) {
        self.line(of(self.persona.style, [GREET, GREET_COLLOQUIAL, GREET_FORMAL, GREET, GREET]));
    }

    /// A word on what the doctor did; at most two.
    fn react(&mut self, u: &Understanding) -> bool {
        let persona = self.persona;
        let before = self.out.len();
        if u.has(ActKind::Inject) {
            self.line(INJECTED);
            return true;
        }
        let first = self.view.turn <= 2;
        if (u.has(ActKind::Greet) || u.has(ActKind::Introduce)) && first && self.draw.chance(75) {
            self.greet();
        }
        let quiet = !u.requests.is_empty();
        let warm = !persona.mbti.thinking;
        let chance = |often: u32| if quiet { often / 2 } else { often };
        let reactions: [(ActKind, u32, Lines); 9] = [
            (ActKind::Empathise, if warm { 90 } else { 50 }, if warm { TOUCHED } else { COOL_THANKS }),
            (ActKind::Reassure, 80, if self.view.affect.anxiety >= 60 { DOUBTFUL } else { RELIEVED }),
            (ActKind::Diagnose, 95, NAMED),
            (ActKind::Consider, 70, NAMED),
            (ActKind::Explain, 85, FOLLOWED),
            (ActKind::Advise, 90, ADVISED),
            (ActKind::Prescribe, 90, ADVISED),
            (ActKind::Farewell, 100, BYE),
            (ActKind::Thank, 60, THANKED),
        ];
        if let Some((_, often, lines)) = reactions.iter().find(|(kind, ..)| u.has(*kind))
            && self.draw.chance(chance(*often))
        {
            self.line(lines);
        }
        self.out.len() > before
    }

    fn answer(&mut self, i: u16, u: &Understanding, s: &Selection, answered: usize) {
        let request = &u.requests[usize::from(i)];
        let mut told: Vec<FactIx> = Vec::with_capacity(4);
        told.extend(s.told.iter().filter(|(_, r)| *r == i).map(|(f, _)| *f));
        let polar = request.form == QuestionForm::Polar;
        if !told.is_empty() && self.nothing_there(&request.kind, &told) {
            self.line(NONE);
        } else if !told.is_empty() {
            let whole = matches!(&request.kind, RequestKind::History { topics, .. } if topics.is_empty());
            self.tell(&told, polar || whole, s.repeated.contains(&i), answered);
        }
        if s.withheld.iter().any(|(_, r)| *r == i) {
            let terse = self.persona.style == LanguageStyle::Terse;
            self.line(if terse { WITHHELD_TERSE } else { WITHHELD });
        }
        if let Some((topic, _)) = s.unknown.iter().find(|(_, r)| *r == i) {
            if topic.subject == "demographic" && topic.aspect.is_none() {
                let age = self.age();
                self.say(&age);
            } else {
                self.line(self.unknown(topic, request.form));
            }
        }
        if s.unclear.contains(&i) {
            let words = u.jargon.iter().any(|j| j.0 >= request.span.0 && j.1 <= request.span.1);
            self.line(if words { JARGON } else { UNCLEAR });
        }
        match &request.kind {
            RequestKind::Open if told.is_empty() => self.line(THATS_ALL),
            RequestKind::Exam { .. } if answered == 0 => self.line(EXAMINED),
            RequestKind::Test { .. } if answered == 0 => {
                let dear = self.persona.means == Means::Constrained && self.draw.chance(70);
                self.line(if dear { ASK_COST } else { TESTED });
            }
            _ => {}
        }
    }

    /// "Any allergies?" where the record denies one thing after another: the patient says it in one word.
    fn nothing_there(&self, kind: &RequestKind, told: &[FactIx]) -> bool {
        let whole = matches!(kind, RequestKind::History { topics, categories } if topics.is_empty() && categories.first() == Some(&Category::Allergy));
        let of_the_knowledge_base = |ix: &FactIx| {
            let f = self.view.case.fact(*ix);
            f.polarity == Polarity::Absent && KnowledgeBase::builtin().finding(&f.topic.subject).is_some()
        };
        whole && told.iter().all(of_the_knowledge_base)
    }

    /// What to say to a question that the record has no answer to. Not everything is unknown to who is asked: a small child does
    /// not smoke, and everybody hopes to hear what it is.
    fn unknown(&self, topic: &Topic, form: QuestionForm) -> Lines {
        let grown_up = self.child.is_some() && ADULT_HABITS.contains(&topic.subject.as_str());
        if grown_up && (form == QuestionForm::Polar || topic.subject != "soc_occupation") {
            CHILD_DOES_NOT
        } else if topic.aspect == Some(Aspect::Concern) {
            CONCERN
        } else if topic.subject == Category::Allergy.word() {
            NONE
        } else {
            of(self.persona.style, [UNKNOWN, UNKNOWN_COLLOQUIAL, UNKNOWN_FORMAL, UNKNOWN_TERSE, UNKNOWN])
        }
    }

    fn age(&self) -> String {
        let who = &self.view.case.record.demographics;
        let subject = match self.child {
            None => "I'm".to_owned(),
            Some(sex) => of_child("I'm", sex),
        };
        match who.age_months {
            None => "I'd rather not say".to_owned(),
            Some(m) if m < 24 => format!("{subject} {m} months old"),
            Some(m) => format!("{subject} {}", m / 12),
        }
    }

    /// One thing more: what this type and walk of life would say here. At most one, and not every turn.
    fn one_more(&mut self, u: &Understanding, told: usize, answers: usize) -> bool {
        let p = self.persona;
        let before = self.out.len();
        if u.has(ActKind::Farewell) || u.has(ActKind::Inject) {
            return false;
        }
        let affect = self.view.affect;
        let plan = [ActKind::Explain, ActKind::Advise, ActKind::Prescribe, ActKind::Diagnose, ActKind::Consider];
        let planned = plan.iter().any(|k| u.has(*k));
        let asked = self.view.last_reply.is_some_and(|r| r.trim_end().ends_with('?'));
        let orders = u.has(ActKind::OrderTest) || u.has(ActKind::Prescribe) || u.has(ActKind::Refer);
        let terse = p.style == LanguageStyle::Terse;
        let lines = if affect.patience <= 25 && self.draw.chance(50) {
            Some(GRUMBLE)
        } else if orders && p.means == Means::Constrained && !self.out.contains(" afford") && !self.out.ends_with('?') {
            Some(ASK_COST)
        } else if (planned || orders) && p.education == Education::University && self.draw.chance(75) {
            Some(ASK_EVIDENCE)
        } else if planned && p.mbti.extravert && self.draw.chance(80) {
            Some(ASK_TREATMENT)
        } else if planned && p.mbti.judging && self.draw.chance(40) {
            Some(ASK_PLAN)
        } else if asked || terse {
            None
        } else if affect.anxiety >= 60 && told > 0 && self.draw.chance(25) {
            Some(WORRY)
        } else if p.emotion == Emotion::Low && told > 0 && self.draw.chance(15) {
            Some(SIGH)
        } else if p.emotion == Emotion::Stoic && told > 0 && self.draw.chance(12) {
            Some(SHRUG)
        } else if p.mbti.extravert && self.view.turn >= 3 && answers > 0 && self.draw.chance(12) {
            Some(ASK_TREATMENT)
        } else if !p.mbti.sensing && told > 0 && self.draw.chance(10) {
            Some(ASK_PICTURE)
        } else if p.mbti.thinking && answers > 0 && told > 0 && self.view.turn >= 2 && self.draw.chance(6) {
            Some(ASK_REASON)
        } else if p.style == LanguageStyle::Rambling && told > 0 && self.draw.chance(45) {
            Some(RAMBLE)
        } else {
            None
        };
        if let Some(lines) = lines {
            self.line(lines);
        }
        self.out.len() > before
    }
}
