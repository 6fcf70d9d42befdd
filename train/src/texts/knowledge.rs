//! What the knowledge base holds, as texts: a page a condition, and passages in which notes say what a finding speaks for. Conditions
//! that are held out are in none of them, not even by name.

use super::Document;
use super::notes::{CLOSE, OPEN};
use bedside_records::kb::{Condition, Finding, KnowledgeBase, Pattern, Urgency};
use std::fmt::Write as _;

/// One page a condition.
pub fn pages(kb: &KnowledgeBase) -> Vec<Document> {
    learnt(kb).map(|c| Document::new(format!("knowledge/{}", c.id), page(kb, c))).collect()
}

/// One passage a condition, with a note at each question that tells it from another one.
pub fn passages(kb: &KnowledgeBase) -> Vec<Document> {
    let one = |c: &Condition| Some(Document::new(format!("reasoning/{}", c.id), passage(kb, c)?));
    learnt(kb).filter_map(one).collect()
}

fn learnt(kb: &KnowledgeBase) -> impl Iterator<Item = &Condition> {
    kb.conditions().iter().filter(|c| !c.held_out)
}

/// Names of findings by id, the most probable first.
fn named<'a>(kb: &'a KnowledgeBase, findings: impl Iterator<Item = (&'a String, f64)>) -> Vec<&'a str> {
    let mut all: Vec<(&str, f64)> = findings.filter_map(|(id, p)| Some((kb.finding(id)?.name.as_str(), p))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    all.into_iter().map(|(name, _)| name).collect()
}

fn page(kb: &KnowledgeBase, c: &Condition) -> String {
    let mut out = format!("{}\n", capital(&c.name));
    let mut say = |head: &str, items: &[&str]| {
        if !items.is_empty() {
            let _ = writeln!(out, "{head}: {}.", items.join(", "));
        }
    };
    let share = |low: f64, high: f64| {
        let within = c.findings.iter().filter(move |(_, p)| **p >= low && **p < high);
        named(kb, within.map(|(id, p)| (id, *p)))
    };
    say("Also called", &c.synonyms.iter().map(String::as_str).collect::<Vec<_>>());
    say("Specialty", &[c.specialty.as_str()]);
    say("How soon it must be seen", &[urgency(c.urgency)]);
    say("People come with", &named(kb, c.presenting.iter().map(|(id, p)| (id, *p))));
    let onset = format!("{} to {} {} before", c.onset.min, c.onset.max, c.onset.unit);
    say("It began", &[onset.as_str()]);
    say("Its course is", &[course(c.pattern)]);
    say("Found in most", &share(0.5, 1.0));
    say("Found in many", &share(0.2, 0.5));
    say("Found in few", &share(0.05, 0.2));
    say("Hardly ever found", &share(0.0, 0.05));
    say("Warning signs", &named(kb, c.red_flags.iter().map(|id| (id, 0.0))));
    let others: Vec<&str> = others(kb, c).map(|o| o.name.as_str()).collect();
    say("To be told apart from", &others);
    say("Management", &c.management.iter().map(String::as_str).collect::<Vec<_>>());
    for x in &c.contraindicated {
        if let Some(when) = kb.finding(&x.when) {
            let _ = writeln!(out, "Not {} with {}: {}.", x.treatment, when.name, x.why);
        }
    }
    let _ = writeln!(out, "Safety net: {}.", c.safety_net);
    out
}

/// Its differential, as far as it is not held out.
fn others<'a>(kb: &'a KnowledgeBase, c: &'a Condition) -> impl Iterator<Item = &'a Condition> {
    c.differentials.iter().filter_map(|id| kb.condition(id)).filter(|o| !o.held_out)
}

/// P(finding | condition), the finding's base rate where the condition does not list it.
fn chance(c: &Condition, f: &Finding) -> f64 {
    c.findings.get(&f.id).copied().unwrap_or(f.base)
}

fn passage(kb: &KnowledgeBase, c: &Condition) -> Option<String> {
    let complaint = named(kb, c.presenting.iter().map(|(id, p)| (id, *p))).into_iter().next()?;
    let mut out = format!(
        "A patient comes with {complaint}; it began {} to {} {} before.",
        c.onset.min, c.onset.max, c.onset.unit
    );
    let before = out.len();
    for d in &c.discriminators {
        let (Some(other), Some(finding)) = (kb.condition(&d.against), kb.finding(&d.ask)) else { continue };
        if other.held_out {
            continue;
        }
        let (p, q) = (chance(c, finding), chance(other, finding));
        let (own, rival) = if p >= q { (c, other) } else { (other, c) };
        let factor = p.max(q) / p.min(q).max(1e-6);
        let _ = write!(
            out,
            " {OPEN}It may be {} or {}. {} is found in {} of 100 with the first and in {} of 100 with the second, so if it is \
             there it speaks for {} by {}, and if not, for {}.{CLOSE}",
            c.name,
            other.name,
            capital(&finding.name),
            hundred(p),
            hundred(q),
            own.name,
            if factor >= 10.0 { "ten times or more".to_owned() } else { format!("{factor:.0} times") },
            rival.name,
        );
        if let Some(question) = finding.ask.first() {
            let _ = write!(out, " Ask: {question}");
        } else {
            let _ = write!(out, " Look for {}.", finding.name);
        }
    }
    if out.len() == before {
        return None;
    }
    let _ = write!(out, " {OPEN}{}: {}.{CLOSE} {}.", capital(&c.name), urgency(c.urgency), c.management.first()?);
    Some(out)
}

fn hundred(p: f64) -> u32 {
    ((p * 100.0).round() as u32).clamp(1, 99)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn urgency(u: Urgency) -> &'static str {
    match u {
        Urgency::Emergency => "at once, as an emergency",
        Urgency::Urgent => "within the day",
        Urgency::Soon => "within days or weeks",
        Urgency::Routine => "at a routine visit",
    }
}

fn course(p: Pattern) -> &'static str {
    match p {
        Pattern::Sudden => "sudden",
        Pattern::Progressive => "progressive",
        Pattern::Intermittent => "intermittent",
        Pattern::Constant => "constant",
        Pattern::Improving => "improving",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::notes::pieces;

    #[test]
    fn every_condition_that_is_learnt_has_a_page_and_no_other_is_named() {
        let kb = KnowledgeBase::builtin();
        let all: Vec<Document> = pages(kb).into_iter().chain(passages(kb)).collect();
        let open = kb.conditions().iter().filter(|c| !c.held_out).count();
        assert_eq!(pages(kb).len(), open);
        assert!(passages(kb).len() > open / 2, "{}", passages(kb).len());
        let named = |d: &Document, line: &str, name: &str| d.text.lines().any(|l| l.contains(line) && l.contains(name));
        for c in kb.conditions().iter().filter(|c| c.held_out) {
            // A name may be part of a longer one that is learnt.
            let longer = |d: &Document| {
                let others = kb.conditions().iter().filter(|o| !o.held_out && o.name.contains(&c.name));
                others.into_iter().any(|o| d.text.contains(&o.name))
            };
            for d in &all {
                assert!(d.name != format!("knowledge/{}", c.id));
                for line in ["To be told apart from: ", "It may be "] {
                    assert!(!named(d, line, &c.name) || longer(d), "{} is named in {}", c.name, d.name);
                }
            }
        }
        assert!(kb.conditions().iter().any(|c| c.held_out));
    }

    #[test]
    fn passages_have_notes_that_are_sound_and_text_around_them() {
        for d in passages(KnowledgeBase::builtin()) {
            let found = pieces(&d).expect("sound marks");
            assert!(found.iter().any(|p| p.note) && found.iter().any(|p| !p.note), "{}", d.name);
        }
    }
}
