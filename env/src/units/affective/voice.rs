//! The grammar of a reply: a reaction to what the doctor did, the answers in the order asked, and sometimes one thing more
//! that this persona would say.

use super::phrases::*;
use super::speech::{bare, blurred, clipped, formal, leads_itself, lower_first, of_child, upper_first};
use crate::event::FactIx;
use crate::persona::{Education, Emotion, LanguageStyle, Means, Persona, Recall};
use crate::seed::{Draw, Purpose};
use crate::units::{ActKind, PatientView, QuestionForm, RequestKind, Selection, Understanding};
use bedside_records::{Polarity, Sex};

/// One reply being spoken.
struct Speaker<'a, 'v> {
    view: &'a PatientView<'v>,
    persona: &'a Persona,
    draw: Draw,
    /// A parent speaks for a child of this sex.
    child: Option<Sex>,
    out: String,
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

/// A statement in the patient's first person; a parent's "My son has a cough" is not.
fn own_words(text: &str) -> bool {
    let parents = ["my son", "my daughter", "my child", "my baby", "my boy", "my girl", "my little", "my toddler"];
    let lower = text.to_lowercase();
    let first =
        lower.starts_with("i ") || lower.starts_with("i'") || lower.starts_with("my ") || lower.contains(" my ");
    first && !parents.iter().any(|p| lower.contains(p))
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
    fn pick(&mut self, lines: Lines) -> &'static str {
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
        if !told.is_empty() {
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
                self.line(of(
                    self.persona.style,
                    [UNKNOWN, UNKNOWN_COLLOQUIAL, UNKNOWN_FORMAL, UNKNOWN_TERSE, UNKNOWN],
                ));
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

    /// Facts of one request: the first with a lead-in, the others joined on.
    fn tell(&mut self, told: &[FactIx], polar: bool, repeated: bool, answered: usize) {
        let persona = self.persona;
        for (n, ix) in told.iter().enumerate() {
            let fact = self.view.case.fact(*ix);
            let exact = fact.topic.aspect.is_some() || fact.statement.bytes().any(|b| b.is_ascii_digit());
            let text = self.worded(&fact.statement, exact);
            let lead = if n > 0 {
                self.joint(n)
            } else if repeated && self.draw.chance(75) {
                self.pick(if persona.emotion == Emotion::Irritable || persona.mbti.thinking {
                    AGAIN
                } else {
                    AGAIN_POLITE
                })
            } else if polar && fact.topic.aspect.is_none() {
                self.yes_or_no(fact.polarity, &text, answered > 0)
            } else if answered > 0 && self.draw.chance(50) {
                self.joint(answered)
            } else {
                self.opener()
            };
            let tag = if n + 1 == told.len() { self.tag(exact, &text) } else { "" };
            self.sentence(lead, &text, tag);
        }
    }

    /// Lead-in, statement and tag as one sentence, or two where the lead-in ends one.
    fn sentence(&mut self, lead: &str, text: &str, tag: &str) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        let lead = if self.out.is_empty() { lead.to_owned() } else { upper_first(lead).into_owned() };
        let open = !lead.is_empty() && !lead.trim_end().ends_with(['.', '!', '?']);
        self.out.push_str(&lead);
        self.out.push_str(&if open { lower_first(text) } else { upper_first(text) });
        self.out.push_str(tag);
        if !self.out.ends_with(['.', '!', '?']) {
            self.out.push('.');
        }
    }

    fn yes_or_no(&mut self, polarity: Polarity, text: &str, further: bool) -> &'static str {
        let style = self.persona.style;
        let present = polarity == Polarity::Present;
        if leads_itself(text)
            || (present && (text.starts_with("It ") || worded_as_denial(text)))
            || self.draw.chance(12)
        {
            return "";
        }
        if further && style != LanguageStyle::Terse && self.draw.chance(60) {
            self.pick(if present { AND_YES } else { AND_NO })
        } else if present {
            self.pick(of(style, [YES, YES_COLLOQUIAL, YES_FORMAL, YES_TERSE, YES]))
        } else {
            self.pick(of(style, [NO, NO_COLLOQUIAL, NO_FORMAL, NO_TERSE, NO]))
        }
    }

    fn opener(&mut self) -> &'static str {
        let style = self.persona.style;
        if style == LanguageStyle::Terse || (!self.persona.mbti.extravert && self.draw.chance(60)) {
            return "";
        }
        self.pick(of(style, [OPENERS, OPENERS_COLLOQUIAL, OPENERS_FORMAL, OPENERS, OPENERS_RAMBLING]))
    }

    fn joint(&mut self, n: usize) -> &'static str {
        let terse = self.persona.style == LanguageStyle::Terse;
        if terse || self.draw.chance(35) {
            ""
        } else if self.persona.mbti.judging && n <= 2 && self.draw.chance(30) {
            AND_ORDERED[if n == 1 { self.draw.below(2) } else { 2 }]
        } else {
            self.pick(AND)
        }
    }

    fn tag(&mut self, exact: bool, text: &str) -> &'static str {
        let persona = self.persona;
        let vague = match persona.recall {
            Recall::Good => 0,
            Recall::Vague => 35,
            Recall::Poor => 65,
        };
        let thinking = text.contains("think") || text.contains("remember") || text.contains("guess");
        if exact && !thinking && self.draw.chance(vague) {
            return self.pick(TAGS_UNSURE);
        }
        if persona.style == LanguageStyle::Terse || text.len() > 90 || self.draw.chance(60) {
            return "";
        }
        match persona.style {
            LanguageStyle::Colloquial => self.pick(TAGS_COLLOQUIAL),
            LanguageStyle::Formal => "",
            _ if exact && persona.mbti.sensing && persona.recall == Recall::Good => self.pick(TAGS_SENSING),
            _ => self.pick(TAGS),
        }
    }

    /// A statement in this persona's words; what it claims stays.
    fn worded(&mut self, statement: &str, exact: bool) -> String {
        let persona = self.persona;
        let text = bare(statement);
        let own = self.child.is_some() && own_words(text);
        let blur = exact && persona.recall != Recall::Good && self.draw.chance(80);
        let clip = match persona.style {
            LanguageStyle::Terse => 85,
            LanguageStyle::Formal => 0,
            _ if !persona.mbti.extravert => 35,
            LanguageStyle::Rambling => 5,
            _ => 15,
        };
        let mut worded = match self.draw.chance(clip).then(|| clipped(text)).flatten() {
            Some(short) => short,
            None => text.to_owned(),
        };
        if persona.style == LanguageStyle::Formal {
            worded = formal(&worded);
        }
        if blur && let Some(vague) = blurred(&worded, ["about", "around", "roughly"][self.draw.below(3)]) {
            worded = vague;
        }
        match self.child {
            Some(sex) if own => of_child(&worded, sex),
            _ => worded,
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

/// An imported record may file "I do not smoke" as what it holds; "Yes, I do not smoke" is nobody's English.
fn worded_as_denial(text: &str) -> bool {
    const DENIALS: [&str; 12] = [
        "I do not ",
        "I don't ",
        "I have not ",
        "I haven't ",
        "I've not ",
        "I have never ",
        "I've never ",
        "I never ",
        "No ",
        "Not ",
        "There is no ",
        "There's no ",
    ];
    DENIALS.iter().any(|d| text.starts_with(d))
}
