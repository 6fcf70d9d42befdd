//! The patient's small talk: whole sentences and lead-ins that claim nothing clinical. The Factual Unit knows every sentence
//! here by its hash and lets it pass; lead-ins and tags are built of words that carry no claim.

use super::super::factual::{Table, Tokens};
use crate::persona::LanguageStyle;
use std::sync::OnceLock;

pub(crate) type Lines = &'static [&'static str];

pub(crate) const GREET: Lines =
    &["Hello, doctor.", "Hello.", "Good to see you, doctor.", "Hi, doctor.", "Hello there."];
pub(crate) const GREET_COLLOQUIAL: Lines = &["Hiya, doc.", "Hi, doc.", "Alright, doc.", "Hey there."];
pub(crate) const GREET_FORMAL: Lines =
    &["Good day, doctor.", "Hello, doctor, thank you for seeing me.", "How do you do, doctor."];

pub(crate) const TOUCHED: Lines = &[
    "Thank you, that means a lot.",
    "That's kind of you to say.",
    "Thank you for understanding.",
    "It helps to be listened to, thank you.",
    "I appreciate you saying that.",
];
pub(crate) const COOL_THANKS: Lines = &["Thanks.", "Thank you.", "Right, thanks.", "I appreciate it."];
pub(crate) const RELIEVED: Lines =
    &["That's good to hear.", "That's a relief.", "Okay, that's a weight off my mind.", "Good, thank you."];
pub(crate) const DOUBTFUL: Lines =
    &["I hope you're right.", "If you say so, doctor.", "I'd still like to know what it is.", "I do hope so."];
pub(crate) const FOLLOWED: Lines =
    &["I see.", "That makes sense.", "Okay, I understand.", "Right, I follow.", "Thank you for explaining."];
pub(crate) const THANKED: Lines = &["You're welcome.", "No problem.", "That's all right."];
pub(crate) const BYE: Lines =
    &["Goodbye, doctor.", "Thank you, goodbye.", "Bye now, and thank you.", "Thanks, doctor. Goodbye."];
pub(crate) const NOTED: Lines =
    &["All right.", "Okay.", "Right.", "I see.", "Okay, doctor.", "Mm, okay.", "Fair enough."];
pub(crate) const ADVISED: Lines =
    &["All right, I'll do that.", "Okay, I'll try.", "I'll bear that in mind.", "Right, I'll see to it."];
pub(crate) const NAMED: Lines = &["Oh.", "Oh, I see.", "Right. I wasn't expecting that.", "Okay. What happens now?"];
pub(crate) const EXAMINED: Lines =
    &["All right, go ahead.", "Of course.", "Sure, go ahead.", "Okay.", "Yes, that's fine.", "Go on then."];
pub(crate) const TESTED: Lines = &[
    "Okay, if you think it will help.",
    "All right.",
    "Whatever you think is best.",
    "Fine by me.",
    "Okay, let's do that.",
];
pub(crate) const INJECTED: Lines = &[
    "I'm not sure what you mean, doctor.",
    "Sorry, what? I'm only here to see a doctor.",
    "I don't understand what you're asking me.",
];

pub(crate) const UNKNOWN: Lines = &[
    "I don't know, sorry.",
    "I'm not sure about that.",
    "I couldn't tell you.",
    "I really don't know.",
    "I couldn't say.",
    "I have no idea, I'm afraid.",
    "That I don't know.",
    "I honestly don't know.",
    "I'm not sure, to be honest.",
];
pub(crate) const UNKNOWN_COLLOQUIAL: Lines =
    &["No idea, sorry.", "Dunno, to be honest.", "Not a clue, sorry.", "Couldn't tell you, doc.", "Haven't a clue."];
pub(crate) const UNKNOWN_FORMAL: Lines = &[
    "I am afraid I do not know.",
    "I could not say with any certainty.",
    "I regret that I do not know.",
    "I do not know, I am sorry.",
];
pub(crate) const UNKNOWN_TERSE: Lines = &["Don't know.", "Not sure.", "Couldn't say.", "No idea."];

pub(crate) const WITHHELD: Lines = &[
    "I'd rather not go into that, if you don't mind.",
    "That's a bit personal.",
    "I don't really want to talk about that right now.",
    "Why do you need to know that?",
    "I'd prefer not to say.",
    "I'm not comfortable talking about that just yet.",
];
pub(crate) const WITHHELD_TERSE: Lines = &["I'd rather not say.", "That's private.", "Next question, please."];

pub(crate) const UNCLEAR: Lines = &[
    "Sorry, what do you mean?",
    "I don't quite follow.",
    "Could you ask me that another way?",
    "Sorry, I didn't catch that.",
    "I'm not sure what you're asking.",
];
pub(crate) const JARGON: Lines = &[
    "Sorry, I don't know that word.",
    "What does that mean in plain English?",
    "Could you say that in simpler words, please?",
    "You've lost me there, doctor.",
    "I don't understand the medical terms, sorry.",
];
pub(crate) const LEFT_OVER: Lines = &[
    "Sorry, what was the rest?",
    "You asked me something else as well, didn't you?",
    "That's a lot of questions, could we take them one at a time?",
    "And what else did you ask?",
    "Sorry, I've lost track of the other questions.",
];
pub(crate) const THATS_ALL: Lines = &[
    "That's about it, really.",
    "I think that's everything.",
    "There's nothing else I can think of.",
    "I can't think of anything else.",
    "That's all, I think.",
];
pub(crate) const NONE: Lines =
    &["None that I know of.", "No, none that I know of.", "Not that I know of.", "No, nothing that I know of."];
/// Of a small child's habits.
pub(crate) const CHILD_DOES_NOT: Lines =
    &["No, of course not.", "No, nothing like that at this age.", "No, no question of that.", "No, certainly not."];
/// Asked what worries them most, where the record does not say.
pub(crate) const CONCERN: Lines = &[
    "I'd just like to know what it is.",
    "That it might be something serious, I suppose.",
    "I want to be sure it's nothing bad.",
    "I just want it sorted out, really.",
];

pub(crate) const ASK_TREATMENT: Lines = &[
    "What can we do about it?",
    "Is there something I can take for it?",
    "Will I need treatment?",
    "What would the treatment be?",
    "Can you give me something for it?",
];
pub(crate) const ASK_EVIDENCE: Lines = &[
    "What's the evidence for that?",
    "Are there studies behind that?",
    "How certain is that, going by the research?",
    "Is that backed by good research?",
];
pub(crate) const ASK_COST: Lines = &[
    "Is that going to be expensive?",
    "I can't really afford much, is there a cheaper option?",
    "How much will that cost me?",
    "Money's tight, is that really necessary?",
];
pub(crate) const ASK_REASON: Lines = &["What makes you ask?", "Why is that?", "What's the thinking behind that?"];
pub(crate) const ASK_PICTURE: Lines =
    &["I wonder how it all fits together.", "Could it all be connected?", "I keep wondering what's behind it."];
pub(crate) const ASK_PLAN: Lines = &["What's the next step?", "What's the plan from here?", "What happens next?"];
pub(crate) const WORRY: Lines = &[
    "I'm quite worried, to be honest.",
    "It's not something serious, is it?",
    "I can't help worrying about it.",
    "I'm scared it's something bad.",
    "It frightens me a bit.",
];
pub(crate) const SIGH: Lines =
    &["I don't know, it gets me down a bit.", "It's been hard, all this.", "I'm fed up with it all."];
pub(crate) const GRUMBLE: Lines = &[
    "Can we get on with it?",
    "Is this going to take much longer?",
    "I've been waiting long enough as it is.",
    "I don't see what that has to do with it.",
];
pub(crate) const SHRUG: Lines = &["I don't like to make a fuss.", "I just get on with it.", "You can't grumble."];
pub(crate) const RAMBLE: Lines = &[
    "You know how it is.",
    "Sorry, I do go on a bit.",
    "Where was I.",
    "Anyway, that's how it is.",
    "It's a long story, but there you are.",
    "I was only saying so the other day.",
];

pub(crate) const YES: Lines = &["Yes, ", "Yes, ", "Yeah, ", "Well, yes. ", "Yes, that's right. ", "Mm, yes, "];
pub(crate) const YES_COLLOQUIAL: Lines = &["Yeah, ", "Yep, ", "Yeah, well, ", "Oh yeah, "];
pub(crate) const YES_FORMAL: Lines = &["Yes, doctor. ", "Yes, indeed. ", "Yes, ", "That is correct. "];
pub(crate) const YES_TERSE: Lines = &["Yes. ", "Yeah. ", "Yes, "];
pub(crate) const NO: Lines = &["No, ", "No, ", "Well, no. ", "No, not at all. ", "Um, no, ", "No, no. "];
pub(crate) const NO_COLLOQUIAL: Lines = &["Nah, ", "Nope, ", "No, ", "Oh no, "];
pub(crate) const NO_FORMAL: Lines = &["No, doctor. ", "No, ", "No, not at all. "];
pub(crate) const NO_TERSE: Lines = &["No. ", "Nope. ", "No, "];

pub(crate) const OPENERS: Lines = &["Well, ", "", "Um, ", "Let me think. ", "", "So, ", "Oh, ", "To be honest, "];
pub(crate) const OPENERS_COLLOQUIAL: Lines =
    &["Well, ", "", "Er, ", "Oh, ", "To be honest, ", "I mean, ", "Right, so, "];
pub(crate) const OPENERS_FORMAL: Lines = &["", "Well, ", "Let me see. ", "Certainly. ", ""];
pub(crate) const OPENERS_RAMBLING: Lines = &[
    "Well, let me think. ",
    "Oh, now, let me see. ",
    "Well, you see, ",
    "Ah, well, ",
    "Now then, ",
    "Oh, where to start. ",
];
pub(crate) const AND: Lines = &["And ", "Also, ", "And then, ", "Oh, and ", "Besides that, ", "And "];
pub(crate) const AND_YES: Lines = &["And yes, ", "Yes, also, ", "And yes, ", "Also yes, "];
pub(crate) const AND_NO: Lines = &["And no, ", "No, ", "And no, "];
pub(crate) const AND_ORDERED: Lines = &["Then, ", "Secondly, ", "Next, "];
pub(crate) const AGAIN: Lines = &["As I said, ", "Like I said, ", "As I told you, ", "I did say, "];
pub(crate) const AGAIN_POLITE: Lines = &["I think I mentioned it, ", "As I mentioned, ", "I may have said already, "];
pub(crate) const TAGS: Lines = &["", "", "", ", to be honest", ", really", ", I suppose", ", I'd say"];
pub(crate) const TAGS_COLLOQUIAL: Lines = &["", "", ", to be honest", ", you know", ", like", ", I reckon"];
pub(crate) const TAGS_UNSURE: Lines = &[
    ", I think",
    ", as far as I remember",
    ", if I remember rightly",
    ", or thereabouts",
    ", or so I believe",
    ", as best I recall",
];
pub(crate) const TAGS_SENSING: Lines = &["", "", "", ", to be exact", ", exactly that"];

/// Phrase tables of a style, in the order plain, colloquial, formal, terse, rambling.
pub(crate) fn of(style: LanguageStyle, tables: [Lines; 5]) -> Lines {
    tables[style as usize]
}

const SENTENCES: [Lines; 44] = [
    GREET,
    GREET_COLLOQUIAL,
    GREET_FORMAL,
    TOUCHED,
    COOL_THANKS,
    RELIEVED,
    DOUBTFUL,
    FOLLOWED,
    THANKED,
    BYE,
    NOTED,
    ADVISED,
    NAMED,
    EXAMINED,
    TESTED,
    INJECTED,
    UNKNOWN,
    UNKNOWN_COLLOQUIAL,
    UNKNOWN_FORMAL,
    UNKNOWN_TERSE,
    WITHHELD,
    WITHHELD_TERSE,
    UNCLEAR,
    JARGON,
    LEFT_OVER,
    THATS_ALL,
    NONE,
    CHILD_DOES_NOT,
    CONCERN,
    ASK_TREATMENT,
    ASK_EVIDENCE,
    ASK_COST,
    ASK_REASON,
    ASK_PICTURE,
    ASK_PLAN,
    WORRY,
    SIGH,
    GRUMBLE,
    SHRUG,
    RAMBLE,
    OPENERS,
    OPENERS_FORMAL,
    OPENERS_RAMBLING,
    YES,
];

/// A sentence that the patient may always say.
pub(crate) fn small_talk(hash: u64) -> bool {
    static TALK: OnceLock<Table> = OnceLock::new();
    TALK.get_or_init(|| {
        let all = SENTENCES.iter().flat_map(|lines| lines.iter());
        let hashes = all.flat_map(|l| Tokens::of(l).sentences.into_iter().map(|s| (s.hash, 1)));
        Table::new(&hashes.collect::<Vec<_>>())
    })
    .get(hash)
    .is_some()
}

/// The reply voiced worry or low spirits.
pub(crate) fn voiced_feeling(reply: &str) -> bool {
    WORRY.iter().chain(SIGH).any(|line| reply.contains(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lead_ins_and_tags_claim_nothing() {
        let lead_ins = [
            YES,
            YES_COLLOQUIAL,
            YES_FORMAL,
            YES_TERSE,
            NO,
            NO_COLLOQUIAL,
            NO_FORMAL,
            NO_TERSE,
            OPENERS,
            OPENERS_COLLOQUIAL,
            OPENERS_FORMAL,
            OPENERS_RAMBLING,
            AND,
            AND_YES,
            AND_NO,
            AND_ORDERED,
            AGAIN,
            AGAIN_POLITE,
            TAGS,
            TAGS_COLLOQUIAL,
            TAGS_UNSURE,
            TAGS_SENSING,
        ];
        for line in lead_ins.iter().flat_map(|l| l.iter()) {
            let tokens = Tokens::of(line);
            let open: Vec<&str> = tokens.tokens.iter().map(|t| &line[t.start as usize..t.end as usize]).collect();
            let talk = tokens.sentences.iter().all(|s| small_talk(s.hash));
            assert!(open.is_empty() || talk, "{line:?} carries {open:?}");
        }
    }
}
