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
    let word = |i: usize| if (c.from..c.to).contains(&i) { read.word(i).to_ascii_lowercase() } else { String::new() };
    let first = word(from);
    let talked_about = (c.from..from).any(|i| {
        matches!(
            word(i).as_str(),
            "before"
                | "say"
                | "said"
                | "saying"
                | "if"
                | "without"
                | "when"
                | "until"
                | "never"
                | "don't"
                | "who"
                | "waved"
                | "kissed"
                | "unless"
        )
    });
    if talked_about || named(read, c, from, to) {
        return false;
    }
    let start = part_start(read, c, from);
    let before: Vec<String> = (start..from).map(word).filter(|w| w.chars().any(char::is_alphanumeric)).collect();
    let only = |allowed: &[&str]| before.iter().all(|w| allowed.contains(&w.as_str()));
    let next = word(to);
    const LEADS: [&str; 24] = [
        "ok", "okay", "right", "well", "so", "and", "then", "but", "please", "just", "now", "do", "anyway", "alright",
        "thanks", "great", "good", "you", "we", "hope", "i", "lovely", "perfect", "fine",
    ];
    match first.as_str() {
        // "I'll see you next week", not "I'd like to see you in two weeks" nor "let me see you walk".
        "see" => {
            only(&LEADS)
                || only(&["i", "we", "will", "'ll", "then", "so", "and", "right", "okay", "ok", "hope", "to", "now"])
        }
        // "So long!", not "it took so long".
        "so" => before.is_empty() && !next.starts_with(char::is_alphanumeric),
        // "Have a nice day", not "did you have a good day".
        "have" => only(&LEADS) && !before.iter().any(|w| w == "you" || w == "we" || w == "i"),
        // "Take care", not "can you look after yourself?" nor "take care on the step".
        "take" | "look" | "mind" | "feel" | "enjoy" | "sleep" | "safe" | "get" | "speak" | "rest" => {
            let himself = next == "of" && word(to + 1) == "yourself";
            let goes_on = matches!(
                next.as_str(),
                "of" | "on"
                    | "with"
                    | "when"
                    | "not"
                    | "in"
                    | "as"
                    | "to"
                    | "that"
                    | "about"
                    | "while"
                    | "if"
                    | "at"
                    | "after"
                    | "without"
            );
            let before_fits = only(&LEADS) || before.last().is_some_and(|w| w == "day" || w == "time");
            before_fits && (himself || !goes_on)
        }
        // "I'll let you go now", not "I'll let you go to the toilet".
        "let" => {
            !matches!(next.as_str(), "to" | "into" | "in" | "through" | "until" | "without" | "if" | "back" | "with")
                && !before.iter().any(|w| w.ends_with("n't") || w == "not")
        }
        _ => !before.iter().any(|w| matches!(w.as_str(), "to" | "not" | "we'll" | "i'll")),
    }
}

/// Where the part of a clause begins in which token `at` stands: after the last comma or "and".
fn part_start(read: &Read<'_>, c: &Clause, at: usize) -> usize {
    let joins = |i: &usize| {
        read.tokens[*i].class == Class::Comma
            || matches!(read.word(*i).to_ascii_lowercase().as_str(), "and" | "so" | "then" | "but")
    };
    (c.from..at).rev().find(joins).map_or(c.from, |i| i + 1)
}

/// "Dr Bye", "Mrs Bye-Jones", "Bye's clinic": somebody's name.
fn named(read: &Read<'_>, c: &Clause, from: usize, to: usize) -> bool {
    let titled = from > c.from && {
        let title = read.word(from - 1).trim_end_matches('.').to_ascii_lowercase();
        matches!(
            title.as_str(),
            "dr" | "doctor"
                | "mr"
                | "mrs"
                | "ms"
                | "miss"
                | "nurse"
                | "sister"
                | "matron"
                | "midwife"
                | "prof"
                | "professor"
                | "colleague"
                | "called"
        ) && read.word(from).starts_with(char::is_uppercase)
    };
    let after = read.text[read.tokens[to - 1].end as usize..].chars().next();
    titled || matches!(after, Some('-' | '\'' | '\u{2019}'))
}
