//! One utterance read: its words, the phrases found in them, and its clauses.

use super::lexicon::{Entry, Lexicon};
use super::tokens::{Class, Token};
use super::trie::Hit;
use crate::units::ActKind;

/// A phrase found, tokens `from..to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub from: usize,
    pub to: usize,
    pub entry: Entry,
    pub gap: bool,
}

impl Found {
    pub fn len(&self) -> usize {
        self.to - self.from
    }
    fn holds(&self, other: &Found) -> bool {
        self.from <= other.from && other.to <= self.to && self.len() > other.len()
    }
}

/// A run of words that asks or states one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clause {
    pub from: usize,
    pub to: usize,
    /// The sentence it stands in.
    pub sentence: usize,
    pub question: bool,
    /// It begins as a question does.
    pub opened: bool,
}

pub(crate) struct Read<'a> {
    pub lexicon: &'static Lexicon,
    pub text: &'a str,
    pub tokens: Vec<Token>,
    pub found: Vec<Found>,
    pub clauses: Vec<Clause>,
}

impl<'a> Read<'a> {
    pub fn new(lexicon: &'static Lexicon, text: &'a str) -> Self {
        let mut tokens = lexicon.tokens(text);
        tokens.truncate(u16::MAX as usize - 1);
        let mut hits: Vec<Hit> = Vec::with_capacity(tokens.len());
        for (i, t) in tokens.iter().enumerate() {
            if t.class == Class::Word {
                lexicon.trie.at(&tokens, i, &mut hits);
            }
        }
        let found = hits
            .iter()
            .map(|h| Found {
                from: h.from as usize,
                to: h.to as usize,
                entry: lexicon.entries[h.entry as usize],
                gap: h.gap,
            })
            .collect();
        let mut read = Read { lexicon, text, tokens, found, clauses: Vec::new() };
        read.drop_shadowed();
        read.cut();
        read
    }

    pub fn word(&self, i: usize) -> &'a str {
        let t = self.tokens[i];
        &self.text[t.start as usize..t.end as usize]
    }

    pub fn span(&self, from: usize, to: usize) -> (u32, u32) {
        if from >= to {
            return (0, self.text.len() as u32);
        }
        (self.tokens[from].start, self.tokens[to - 1].end)
    }

    /// Whether two bytes stand in one sentence.
    pub fn same_sentence(&self, a: u32, b: u32) -> bool {
        let of = |byte: u32| {
            let hit = self.clauses.iter().find(|c| self.span(c.from, c.to).1 > byte);
            hit.map(|c| c.sentence)
        };
        of(a) == of(b)
    }

    pub fn within(&self, from: usize, to: usize) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(move |f| f.from >= from && f.to <= to)
    }

    pub fn has(&self, from: usize, to: usize, entry: Entry) -> bool {
        self.within(from, to).any(|f| f.entry == entry)
    }

    /// A phrase inside a longer one means nothing of its own: "blood" in "blood pressure".
    fn drop_shadowed(&mut self) {
        let strong = |e: Entry| {
            matches!(
                e,
                Entry::Topic(_)
                    | Entry::Aspect(_)
                    | Entry::Category(_)
                    | Entry::Open
                    | Entry::Act(ActKind::Consent | ActKind::InviteQuestions | ActKind::Greet)
            )
        };
        let all = self.found.clone();
        self.found.retain(|f| {
            let weak_too = strong(f.entry) || matches!(f.entry, Entry::Family);
            !weak_too
                || !all.iter().any(|g| {
                    strong(g.entry)
                        && g.holds(f)
                        && !(g.gap && !matches!(f.entry, Entry::Aspect(_)) && !matches!(g.entry, Entry::Topic(_)))
                })
        });
    }

    fn is_any(&self, i: usize) -> bool {
        self.tokens[i].class == Class::Skip && self.word(i).eq_ignore_ascii_case("any")
    }

    /// The next word at or after `i` within the sentence.
    fn next_word(&self, mut i: usize, to: usize) -> Option<usize> {
        while i < to {
            if self.tokens[i].class == Class::Word {
                return Some(i);
            }
            if self.tokens[i].class != Class::Skip {
                return None;
            }
            i += 1;
        }
        None
    }

    /// A question could begin here: "do you", "how long", "any", "tell me".
    fn opens(&self, i: usize, to: usize) -> bool {
        let w = &self.lexicon.words;
        if self.is_any(i) {
            return self.next_word(i + 1, to).is_some();
        }
        if self.tokens[i].class != Class::Word {
            return false;
        }
        let id = self.tokens[i].id;
        let Some(n) = self.next_word(i + 1, to) else { return false };
        let next = self.tokens[n].id;
        if w.auxiliary.contains(&id) {
            return w.pronoun.contains(&next) || self.tokens[i + 1].class == Class::Skip && i + 1 < n;
        }
        if w.wh.contains(&id) {
            return w.auxiliary.contains(&next)
                || next == w.about
                || (id == w.how && !w.pronoun.contains(&next))
                || (self.tokens[n].class == Class::Word && !w.pronoun.contains(&next) && n == i + 1 && id != w.how)
                    && self.next_word(n + 1, to).is_some_and(|m| w.auxiliary.contains(&self.tokens[m].id));
        }
        // "Describe it", not "the X-ray shows".
        w.tell.contains(&id) && !self.word(i).ends_with(['s', 'd', 'g'])
    }

    /// Skips "OK, so", "and then".
    pub fn start(&self, mut i: usize, to: usize) -> usize {
        while i < to {
            let t = self.tokens[i];
            let leading = t.class != Class::Word && !self.is_any(i) || self.lexicon.words.leading.contains(&t.id);
            if !leading || t.class == Class::Skip && i + 1 < to && self.is_any(i) {
                break;
            }
            i += 1;
        }
        i
    }

    fn cut(&mut self) {
        let n = self.tokens.len();
        let (mut from, mut sentence) = (0, 0);
        for i in 0..=n {
            let class = if i < n { self.tokens[i].class } else { Class::Stop };
            if matches!(class, Class::Stop | Class::Question) {
                if self.tokens[from..i].iter().any(|t| t.class == Class::Word || t.class == Class::Skip) {
                    self.cut_sentence(from, i, class == Class::Question, sentence);
                    sentence += 1;
                }
                from = i + 1;
            }
        }
    }

    fn cut_sentence(&mut self, from: usize, to: usize, asked: bool, sentence: usize) {
        let w = &self.lexicon.words;
        let asked = asked && !self.only_agreement_sought(from, to);
        let mut starts = vec![from];
        let (mut words, mut wh_seen, mut last) = (0, false, None::<usize>);
        for i in from..to {
            let t = self.tokens[i];
            if i > from && words > 0 && self.opens(i, to) {
                let prev = self.tokens[i - 1];
                let joined = prev.class == Class::Comma
                    || prev.class == Class::Skip && i >= 2 && self.tokens[i - 2].class == Class::Comma
                    || (prev.class == Class::Word && w.conjunction.contains(&prev.id))
                    || last.is_some_and(|l| w.conjunction.contains(&self.tokens[l].id));
                let loose = !wh_seen
                    && !w.tell.contains(&t.id)
                    && words >= 3
                    && t.class == Class::Word
                    && self.tokens[i + 1].class == Class::Word
                    && last.is_some_and(|l| !w.subordinator.contains(&self.tokens[l].id));
                if joined || loose {
                    starts.push(i);
                    (words, wh_seen) = (0, false);
                }
            }
            if t.class == Class::Word {
                if !w.leading.contains(&t.id) {
                    words += 1;
                }
                wh_seen |= w.wh.contains(&t.id);
                last = Some(i);
            }
        }
        starts.push(to);
        let first = self.clauses.len();
        for pair in starts.windows(2) {
            let s = self.start(pair[0], pair[1]);
            let opened = s < pair[1] && self.opens(s, pair[1]);
            self.clauses.push(Clause { from: pair[0], to: pair[1], sentence, question: opened, opened });
        }
        if asked {
            let last = self.clauses.len() - 1;
            self.clauses[last].question = true;
            // "No chest pain, is that right?" asks about the chest pain.
            if last > first && self.is_tag(&self.clauses[last]) {
                self.clauses[last].question = false;
                self.clauses[last - 1].question = true;
            }
        } else {
            // Without a question mark only what is inverted asks.
            for k in first..self.clauses.len() {
                let c = self.clauses[k];
                let s = self.start(c.from, c.to);
                if c.opened && self.tokens[s].class == Class::Word && w.auxiliary.contains(&self.tokens[s].id) {
                    let next = self.next_word(s + 1, c.to).map(|i| self.tokens[i].id);
                    self.clauses[k].question = next.is_some_and(|id| w.pronoun.contains(&id));
                }
                // "..., which is easy to treat" tells.
                if k > first && c.opened && self.word(s).eq_ignore_ascii_case("which") {
                    let verb = self.next_word(s + 1, c.to);
                    let after = verb.and_then(|v| self.next_word(v + 1, c.to)).map(|i| self.tokens[i].id);
                    self.clauses[k].question = after.is_some_and(|id| w.pronoun.contains(&id));
                }
            }
        }
    }

    /// "..., okay?" seeks a nod, not an answer.
    fn only_agreement_sought(&self, from: usize, to: usize) -> bool {
        let Some(comma) = (from..to).rev().find(|i| self.tokens[*i].class == Class::Comma) else { return false };
        let mut words = (comma + 1..to).map(|i| self.word(i).to_ascii_lowercase()).peekable();
        words.peek().is_some() && words.all(|w| matches!(w.as_str(), "ok" | "okay" | "alright"))
    }

    fn is_tag(&self, c: &Clause) -> bool {
        let s = self.start(c.from, c.to);
        let ids = self.tokens[s..c.to].iter().filter(|t| t.class == Class::Word).map(|t| t.id);
        let mut n = 0;
        let all = ids.inspect(|_| n += 1).all(|id| self.lexicon.words.tag.contains(&id));
        all && n <= 4
    }
}
