//! What each clause does besides asking.

use super::lexicon::Entry;
use super::read::{Clause, Read};
use super::tokens::Class;
use crate::units::{Act, ActKind, Request, RequestKind};

/// The act a request is.
pub(crate) fn asking(request: &Request) -> ActKind {
    match request.kind {
        RequestKind::Open => ActKind::OpenQuestion,
        RequestKind::History { .. } | RequestKind::Unclear => ActKind::Ask,
        RequestKind::Exam { .. } => ActKind::Examine,
        RequestKind::Test { .. } => ActKind::OrderTest,
    }
}

/// Acts a clause's words signal.
pub(crate) fn of_clause(read: &Read<'_>, c: &Clause, asks: bool, out: &mut Vec<Act>) {
    let span = read.span(c.from, c.to);
    let mut any = asks;
    for f in read.within(c.from, c.to) {
        let kind = match f.entry {
            Entry::Act(kind) => kind,
            Entry::Refer if !c.question && refers(read, c, f.from) => ActKind::Refer,
            _ => continue,
        };
        let fits = match kind {
            ActKind::Acknowledge => false,
            ActKind::Farewell => !c.question && farewell(read, c, f.from, f.to),
            ActKind::Consent | ActKind::InviteQuestions => c.question,
            ActKind::Greet => !asks,
            ActKind::Explain | ActKind::Advise | ActKind::Prescribe | ActKind::SafetyNet => !c.question,
            _ => true,
        };
        if fits {
            push(out, kind, span);
            any = true;
        }
    }
    if any {
        return;
    }
    let words = read.tokens[c.from..c.to].iter().filter(|t| t.class == Class::Word).count();
    let nods = read.has(c.from, c.to, Entry::Act(ActKind::Acknowledge));
    if words > 0 {
        push(out, if nods && words <= 12 { ActKind::Acknowledge } else { ActKind::Other }, span);
    }
}

pub(crate) fn push(out: &mut Vec<Act>, kind: ActKind, span: (u32, u32)) {
    // One act of a kind per sentence is enough; the spans of neighbours join.
    if let Some(last) = out.last_mut()
        && last.kind == kind
        && last.span.1 <= span.0 + 3
    {
        last.span.1 = last.span.1.max(span.1);
        return;
    }
    if !out.iter().any(|a| a.kind == kind && a.span == span) {
        out.push(Act { kind, span });
    }
}

/// "I'm sending you to hospital", not "if it gets worse, go to hospital".
fn refers(read: &Read<'_>, c: &Clause, at: usize) -> bool {
    let first = read.clauses.iter().find(|x| x.sentence == c.sentence).map_or(c.from, |x| x.from);
    let doubts = |i: usize| {
        matches!(
            read.word(i).to_ascii_lowercase().as_str(),
            "if" | "might"
                | "may"
                | "could"
                | "can"
                | "unless"
                | "not"
                | "don't"
                | "should"
                | "when"
                | "did"
                | "was"
                | "were"
                | "been"
                | "would"
                | "before"
                | "whether"
                | "wouldn't"
                | "won't"
                | "until"
                | "said"
                | "told"
                | "who"
                | "they"
                | "consider"
                | "possibly"
                | "maybe"
                | "had"
        )
    };
    let wishes = read.within(first, c.to).any(|f| f.entry == Entry::Intent && f.from <= at);
    let bare_would = |i: usize| read.word(i).eq_ignore_ascii_case("would") && wishes;
    let after = |i: usize| {
        matches!(
            read.word(i).to_ascii_lowercase().as_str(),
            "if" | "unless" | "lab" | "laboratory" | "x-ray" | "xray" | "radiology" | "blood" | "pharmacy" | "scan"
        )
    };
    !(first..at).any(|i| doubts(i) && !bare_would(i)) && !(at..c.to).any(after)
}

/// A goodbye that closes, not one that is talked about.
fn farewell(read: &Read<'_>, c: &Clause, from: usize, to: usize) -> bool {
    let talked_about = (c.from..from).any(|i| {
        matches!(
            read.word(i).to_ascii_lowercase().as_str(),
            "before"
                | "say"
                | "said"
                | "saying"
                | "if"
                | "without"
                | "when"
                | "not"
                | "until"
                | "never"
                | "don't"
                | "to"
                | "we'll"
                | "i'll"
                | "who"
                | "waved"
                | "kissed"
        )
    });
    let of = read.tokens.get(to).is_some_and(|_| read.word(to).eq_ignore_ascii_case("of"));
    let itself = read.tokens.get(to + 1).is_some_and(|_| read.word(to + 1).eq_ignore_ascii_case("yourself"));
    let see_you = read.word(from).eq_ignore_ascii_case("see");
    (!talked_about || see_you && !(c.from..from).any(|i| read.word(i).eq_ignore_ascii_case("if"))) && (!of || itself)
}
