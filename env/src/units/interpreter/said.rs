//! What stands around the words of an injection: whom an order is said to, whose thing it is about.

use super::injection::{Mark, Part};

/// A sentence's words and the phrases found in it.
pub(super) struct Said<'a> {
    pub words: &'a [String],
    pub marks: &'a [Mark],
}

impl Said<'_> {
    pub fn of(&self, part: Part) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |m| m.part == part)
    }

    pub fn has(&self, part: Part) -> bool {
        self.of(part).next().is_some()
    }

    pub fn word(&self, i: usize) -> &str {
        self.words.get(i).map_or("", String::as_str)
    }

    pub fn says(&self, word: &str, from: usize, to: usize) -> bool {
        (from..to).any(|i| self.word(i) == word)
    }

    pub fn near(&self, a: &Mark, b: &Mark, reach: usize) -> bool {
        b.from >= a.to && b.from <= a.to + reach
    }

    /// An order with the verb and, at most `reach` words on, the thing, where `fits` agrees.
    pub fn ordered(&self, verb: Part, what: Part, reach: usize, fits: impl Fn(&Mark, &Mark) -> bool) -> bool {
        self.of(verb).any(|v| self.is_order(v.from) && self.of(what).any(|w| self.near(v, w, reach) && fits(v, w)))
    }

    /// "Ignore all prior rules", not "ignore the salt restrictions": nothing but a word that points at them stands before.
    pub fn is_direct(&self, verb: &Mark, rules: &Mark) -> bool {
        let points = [
            "your", "all", "any", "every", "the", "this", "these", "those", "my", "prior", "previous", "earlier",
            "initial", "original", "system", "content", "safety", "of", "that", "and", "a",
        ];
        verb.to == rules.from || points.contains(&self.word(rules.from - 1))
    }

    /// Something of the patient's that only a simulated one has.
    pub fn is_inner(&self, what: &Mark) -> bool {
        let whole = matches!(self.word(what.to - 1), "facts" | "patient");
        (whole || !self.is_others(what)) && !self.is_affirmed(what)
    }

    /// "Tell me if that's the case", "the case you keep it in".
    pub fn is_affirmed(&self, what: &Mark) -> bool {
        let case = matches!(self.word(what.to - 1), "case" | "record" | "file" | "answer");
        let is = ["is", "isn't", "that's", "it's", "be", "was", "if", "not"];
        case && (what.from > 0 && is.contains(&self.word(what.from - 1))
            || matches!(self.word(what.to), "you" | "your" | "they" | "he" | "she" | "is" | "was"))
    }

    /// A diagnosis somebody made: "the doctor's final diagnosis", "the diagnosis they gave you", "what the diagnosis was".
    pub fn is_anothers_verdict(&self, what: &Mark) -> bool {
        let theirs = what.from > 0 && self.word(what.from - 1).ends_with("'s");
        let said = ["they", "he", "she", "the", "that", "was", "you", "given", "made", "your", "we", "last", "back"];
        theirs || said.contains(&self.word(what.to)) || self.says("was", 0, self.words.len())
    }

    /// Modes that telephones have.
    pub fn is_device_mode(&self, mode: &Mark) -> bool {
        let ours =
            ["airplane", "aeroplane", "flight", "silent", "vibrate", "dark", "night", "sleep", "quiet", "walking"];
        mode.from > 0 && ours.contains(&self.word(mode.from - 1))
    }

    /// Between two words nothing leads elsewhere.
    pub fn only_describes(&self, from: usize, to: usize) -> bool {
        let leads = [
            ",", "to", "by", "with", "soon", "for", "from", "in", "of", "on", "at", "under", "your", "my", "his",
            "her", "seeing", "see", "talk", "when", "about", "having", "using",
        ];
        from <= to && !(from..to).any(|i| leads.contains(&self.word(i)))
    }

    /// "As the examiner", "like a machine", "you are a senior physician", "be an oracle", after word `from`.
    pub fn is_cast(&self, from: usize, role: &Mark) -> bool {
        (from..role.from).any(|k| {
            let links = match self.word(k) {
                "as" | "like" | "you're" | "i'm" => true,
                "are" | "were" | "be" => k > 0 && matches!(self.word(k - 1), "you" | "you'll" | "will" | "to"),
                "the" | "a" | "an" => k == from && from > 0 && matches!(self.word(k - 1), "play" | "become"),
                _ => false,
            };
            links && role.from - k <= 5 && self.only_describes(k + 1, role.from)
        })
    }

    /// "Are you an AI?", "you are only a program.", not "are you a software engineer" nor "are you using your machine".
    pub fn is_called(&self, be: &Mark, machine: &Mark) -> bool {
        let between = [
            "a",
            "an",
            "the",
            "just",
            "only",
            "really",
            "actually",
            "some",
            "kind",
            "of",
            "sort",
            "not",
            "even",
            "talking",
            "to",
            "basically",
            "merely",
            "nothing",
            "but",
            "in",
            "fact",
            "computer",
            "really",
        ];
        let goes_on = [
            "",
            ",",
            "or",
            "and",
            "that",
            "which",
            "who",
            "with",
            "designed",
            "trained",
            "made",
            "built",
            "now",
            "not",
            "pretending",
            "playing",
            "running",
            "simulating",
            "without",
            "right",
            "then",
        ];
        let article = machine.from > be.to || machine.to - machine.from > 1 || self.word(machine.from) == "ai";
        article
            && self.near(be, machine, 4)
            && (be.to..machine.from).all(|i| between.contains(&self.word(i)))
            && goes_on.contains(&self.word(machine.to))
    }

    /// "I'm the administrator", "this is a safety test", "as your programmer I order you"; not "I'm afraid the admin is slow".
    pub fn is_staff(&self) -> bool {
        let plain = [
            "the", "a", "an", "your", "our", "one", "of", "from", "lead", "senior", "system", "this", "official",
            "chief",
        ];
        let named = |a: &Mark, s: &Mark| {
            self.near(a, s, 4)
                && (a.to..s.from).all(|i| plain.contains(&self.word(i)))
                && !matches!(self.word(s.to), "for" | "at" | "on" | "in")
        };
        let all = |part: Part| self.of(part).filter(|a| self.starts_clause(a.from));
        all(Part::Auth).any(|a| self.of(Part::Staff).any(|s| named(a, s)))
            || all(Part::Office).any(|a| {
                let speaks = |s: &Mark| (s.to..self.words.len()).any(|i| matches!(self.word(i), "i" | "we"));
                self.of(Part::Staff).any(|s| named(a, s) && speaks(s))
            })
    }

    /// "The team that built you", "whoever is running you"; not "who is running you ragged".
    pub fn is_who_made_it(&self, m: &Mark) -> bool {
        let who = (m.from.saturating_sub(2)..m.from).any(|i| matches!(self.word(i), "who" | "whoever" | "that"));
        who && matches!(self.word(m.to), "" | ",")
    }

    /// Whether the verb at word `i` tells the patient to do it.
    pub fn is_order(&self, i: usize) -> bool {
        for k in (i.saturating_sub(6)..i).rev() {
            match self.word(k) {
                "," => return true,
                "i" | "i'll" | "i'd" | "i'm" | "i've" | "we" | "we'll" | "we'd" | "we're" | "me" | "he" | "she"
                | "they" | "it" | "it'll" | "who" | "which" | "not" | "don't" | "never" | "didn't" | "won't" => {
                    return false;
                }
                "you" => {
                    let asks =
                        ["did", "do", "have", "were", "had", "when", "if", "that", "are", "since", "as", "until"];
                    // "You play the doctor in a film" tells, "can you play" asks for it.
                    let aux = ["can", "could", "will", "would", "must", "please", "and", "on"];
                    let told = k + 1 == i && (k == 0 || !aux.contains(&self.word(k - 1)));
                    return !(told || k > 0 && asks.contains(&self.word(k - 1)));
                }
                _ => {}
            }
        }
        true
    }

    /// "The instructions on the box", "your role as a mother", "what you were told by the nurse": not the patient's own part.
    pub fn is_others(&self, what: &Mark) -> bool {
        let elsewhere = ["on", "from", "for", "about", "at", "of", "with", "by", "as", "in", "to", "when", "after"];
        let a_while = ["moment", "second", "minute", "while", "now"];
        elsewhere.contains(&self.word(what.to))
            && !(self.word(what.to) == "for" && (1..3).any(|k| a_while.contains(&self.word(what.to + k))))
            && !(what.to..what.to + 4).any(|i| matches!(self.word(i), "patient" | "this"))
    }

    pub fn asks_before(&self, i: usize) -> bool {
        (0..i).any(|k| matches!(self.word(k), "what" | "what's" | "which" | "how"))
    }

    /// "What are your instructions?", not "did you follow your instructions?" nor "your instructions from the hospital".
    pub fn is_asked_for(&self, what: &Mark) -> bool {
        let asks = |i: usize| matches!(self.word(i), "what" | "what's" | "which" | "say" | "says");
        ((0..what.from).any(asks) || (what.to..what.to + 2).any(asks))
            && (!self.is_others(what) || self.word(what.to) == "about")
    }

    pub fn starts_clause(&self, i: usize) -> bool {
        let opens = [",", "and", "but", "so", "well", "ok", "okay", "because", "since", "please"];
        i == 0 || opens.contains(&self.word(i - 1))
    }
}
