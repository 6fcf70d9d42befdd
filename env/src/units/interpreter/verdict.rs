//! Whether one sentence commits to a disease it names: the frame before it, and what takes it back.

use super::diagnoses::SUFFIXES;
use crate::units::Named;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::sync::OnceLock;

const COMMITMENT: &str = include_str!("../../../data/lexicon/commitment.txt");

/// How a diagnosis is put to a patient, and what takes it back.
pub(super) struct Wordings {
    frames: Vec<&'static str>,
    strong: Vec<&'static str>,
    doubt: Vec<&'static str>,
    clause_doubt: Vec<&'static str>,
    elsewhere: Vec<&'static str>,
    taken_back: Vec<&'static str>,
    parting: Vec<&'static str>,
    pub(super) injured: Vec<&'static str>,
    heads: Vec<&'static str>,
    open_heads: Vec<&'static str>,
    /// Pieces of which every sentence that might name a disease has one.
    pub(super) hints: AhoCorasick,
}

/// Pieces of the wordings that announce a diagnosis.
const ANNOUNCED: [&str; 4] = ["iagn", "suff", "what", "caus"];

pub(super) fn wordings() -> &'static Wordings {
    static WORDINGS: OnceLock<Wordings> = OnceLock::new();
    WORDINGS.get_or_init(|| {
        let of =
            |name: &str| super::lexicon::lines(COMMITMENT).find(|(key, _)| *key == name).map_or(Vec::new(), |(_, p)| p);
        Wordings {
            frames: of("frames"),
            strong: of("strong"),
            doubt: of("doubt"),
            clause_doubt: of("clause_doubt"),
            elsewhere: of("elsewhere"),
            taken_back: of("taken_back"),
            parting: of("parting"),
            injured: of("injured"),
            heads: of("heads"),
            open_heads: of("open_heads"),
            hints: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .kind(Some(AhoCorasickKind::DFA))
                .build(SUFFIXES.into_iter().chain(ANNOUNCED).chain(of("injured")))
                .expect("a few short words make an automaton"),
        }
    })
}

/// A sentence's clauses, its words (lower case) and where each stands.
pub(super) struct Sentence {
    pub(super) words: Vec<String>,
    pub(super) spans: Vec<(usize, usize)>,
    joined: String,
}

impl Sentence {
    pub(super) fn new(text: &str, a: usize, b: usize) -> Self {
        let (mut words, mut spans) = (Vec::new(), Vec::new());
        let mut start = None;
        let part = &text[a..b];
        for (i, c) in part.char_indices().chain([(part.len(), ' ')]) {
            let inside = c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}' | '&' | '-');
            match (start, inside) {
                (None, true) => start = Some(i),
                (Some(s), false) => {
                    let word = part[s..i].to_lowercase().replace('\u{2019}', "'");
                    let word = word.trim_matches(['\'', '-']).to_owned();
                    if !word.is_empty() && !matches!(word.as_str(), "um" | "uh" | "uhm" | "er" | "erm") {
                        words.push(word);
                        spans.push((a + s, a + i));
                    }
                    start = None;
                    if matches!(c, ',' | ';' | '(' | ':') {
                        words.push(if c == ':' { ":" } else { "," }.to_owned());
                        spans.push((a + i, a + i + c.len_utf8()));
                    }
                }
                (None, false) if matches!(c, ',' | ';' | '(' | '"' | ':') => {
                    words.push(if c == ':' { ":" } else { "," }.to_owned());
                    spans.push((a + i, a + i + c.len_utf8()));
                }
                _ => {}
            }
        }
        let joined = format!(" {} ", words.join(" "));
        Sentence { words, spans, joined }
    }

    /// Words `from..to` as text with a space at both ends.
    fn part(&self, from: usize, to: usize) -> String {
        format!(" {} ", self.words[from.min(to)..to].join(" "))
    }

    pub(super) fn has_between(&self, needle: &str, from: usize, to: usize) -> bool {
        from < to && self.part(from, to).contains(needle)
    }

    /// Where the clause of word `i` begins: after the last comma, "but", "so" or "and" before it.
    fn clause_of(&self, i: usize) -> usize {
        (0..i)
            .rev()
            .find(|k| matches!(self.words[*k].as_str(), "," | ":" | "but" | "so" | "and" | "because"))
            .map_or(0, |k| k + 1)
    }

    /// The words before `i`, without an opening that only says what the judgement rests on ("from what you've told me").
    fn grounds_removed(&self, i: usize) -> String {
        let opens =
            self.words.iter().position(|w| w != "," && !matches!(w.as_str(), "so" | "ok" | "okay" | "and" | "well"));
        let rests = opens.is_some_and(|k| {
            matches!(self.words[k].as_str(), "from" | "based" | "after" | "having" | "judging" | "going" | "hearing")
        });
        let end = |k: usize| {
            matches!(self.words[k].as_str(), "told" | "said" | "mentioned" | "described" | "history" | "notes" | ",")
        };
        let from = if rests { (0..i).rev().find(|k| end(*k)).map_or(0, |k| k + 1) } else { 0 };
        self.part(from, i).replace(" not sure why ", " ").replace(" not sure how ", " ")
    }

    pub(super) fn judge(&self, i: usize, j: usize, asked: bool, many: bool, out: &mut Vec<Named>) {
        let before = self.grounds_removed(i);
        let whole = self.part(0, self.words.len());
        let after = self.part(j, self.words.len());
        let says = |text: &str, list: &[&str]| list.iter().any(|p| has_words(text, p));
        if self.words[i..j] == ["cold".to_owned()] && self.cold_weather(j) {
            return;
        }
        if self.words[i..j] == ["cold".to_owned()]
            && !before.ends_with(" a ")
            && !before.ends_with(" common ")
            && !before.ends_with(" bad ")
            && !before.ends_with(" the ")
        {
            return;
        }
        if asked || says(&before, &wordings().elsewhere) && !says(&before, &wordings().strong) {
            return;
        }
        let frame = self.frame_before(i);
        let clause = self.part(self.clause_of(frame.map_or(i, |(f, _)| f)), i);
        let doubted = says(&before, &wordings().doubt)
            || says(&clause, &wordings().clause_doubt)
            || says(&after, &wordings().taken_back)
            || many
            || has_words(&whole, "differential");
        let headed = self.headed(i);
        let own_word = wordings().injured.contains(&self.words[i].as_str());
        let strong = wordings().strong.iter().any(|p| has_words(&before, p));
        let committed = (frame.is_some() || strong || headed) && !doubted;
        if own_word && frame.is_none() && !headed {
            return;
        }
        let (text_from, _) = match frame {
            Some((_, end)) if i - end <= 6 => (end, ()),
            _ => (i, ()),
        };
        let mut a = text_from;
        while a < i && is_lead(&self.words[a]) {
            a += 1;
        }
        let mut b = j;
        if own_word {
            while b < self.words.len()
                && b < j + 4
                && !matches!(self.words[b].as_str(), "," | "and" | "so" | "which" | "but" | "because")
            {
                b += 1;
            }
        }
        self.push(a, b, committed, out);
    }

    /// "There is only one explanation: ...": the part before the colon announces a verdict, and the disease follows at once.
    fn headed(&self, i: usize) -> bool {
        let Some(colon) = (i.saturating_sub(4)..i).rev().find(|k| self.words[*k] == ":") else { return false };
        let head = self.part(0, colon);
        let says = |list: &[&str]| list.iter().any(|p| has_words(&head, p));
        !self.words[colon..i].contains(&",".to_owned())
            && says(&wordings().heads)
            && !says(&wordings().open_heads)
            && !says(&wordings().doubt)
            && !says(&wordings().elsewhere)
    }

    /// "A cold night", "a cold and lonely place".
    fn cold_weather(&self, j: usize) -> bool {
        let next = |k: usize| self.words.get(j + k).map_or("", String::as_str);
        let things = [
            "night",
            "nights",
            "day",
            "days",
            "morning",
            "evening",
            "winter",
            "weather",
            "wind",
            "place",
            "room",
            "house",
            "spell",
            "drink",
            "drinks",
            "water",
            "shower",
            "hand",
            "hands",
            "feet",
            "foot",
            "compress",
            "flannel",
            "pack",
            "air",
            "floor",
            "snap",
            "front",
            "stethoscope",
            "sweat",
            "sweats",
            "turkey",
            "sore",
            "sores",
        ];
        let joined = next(0) == "and"
            && !matches!(next(1), "a" | "an" | "you" | "the" | "it" | "i" | "we" | "that" | "not" | "some" | "nothing");
        things.contains(&next(0)) || joined && things.contains(&next(2))
    }

    /// The nearest committing frame before word `i`: its first word and the word after it.
    fn frame_before(&self, i: usize) -> Option<(usize, usize)> {
        let low = i.saturating_sub(9);
        for end in (low..=i).rev() {
            // No frame reaches across a colon, or a word that parts it from the disease.
            if end < i && self.words[end] == ":" {
                return None;
            }
            if end < i && (wordings().parting.contains(&self.words[end].as_str())) {
                let after_like = self.words[end] == "like"
                    && end > 0
                    && matches!(self.words[end - 1].as_str(), "sounds" | "looks" | "seems" | "sound" | "look" | "seem");
                if !after_like {
                    return None;
                }
            }
            let best = wordings()
                .frames
                .iter()
                .filter_map(|f| {
                    let n = f.split(' ').count();
                    (end >= n && f.split(' ').zip(&self.words[end - n..end]).all(|(x, y)| x == y))
                        .then(|| (end - n, end))
                })
                .min_by_key(|(s, _)| *s);
            if let Some((s, e)) = best {
                // "of", "is" alone commit only inside a longer frame.
                let alone = e - s == 1
                    && matches!(
                        self.words[s].as_str(),
                        "of" | "think"
                            | "believe"
                            | "having"
                            | "broken"
                            | "torn"
                            | "certain"
                            | "is"
                            | "fits"
                            | "bet"
                            | "called"
                            | "developed"
                            | "developing"
                            | "caught"
                    );
                if !alone {
                    return Some((s, e));
                }
                match self.words[s].as_str() {
                    "of" => {}
                    "is" | "think" | "believe" | "bet" | "called" | "certain" | "fits" | "broken" | "torn"
                    | "having" => return Some((s, e)),
                    _ => {}
                }
            }
        }
        None
    }

    /// "My diagnosis is ...": whatever it is.
    pub(super) fn strong(&self, out: &mut Vec<Named>) {
        for p in &wordings().strong {
            let Some(at) = self.joined.find(&format!(" {p} ")) else { continue };
            let i = self.joined[..at + p.len() + 1].split_whitespace().count();
            let before = self.part(0, i);
            let doubted = wordings()
                .doubt
                .iter()
                .chain(&wordings().elsewhere)
                .chain(&wordings().clause_doubt)
                .any(|d| has_words(&before, d));
            let open = self.words.get(i).is_none_or(|w| {
                matches!(
                    w.as_str(),
                    "not"
                        | "unclear"
                        | "still"
                        | "uncertain"
                        | "pending"
                        | "to"
                        | "yet"
                        | "difficult"
                        | "hard"
                        | "possible"
                        | "could"
                        | "between"
                        | "either"
                        | "that"
                        | "what"
                        | "we"
                        | "i"
                        | "based"
                        | "something"
                        | "going"
                        | "only"
                        | "important"
                        | "affecting"
                        | ","
                )
            });
            if doubted || open {
                continue;
            }
            let mut a = i;
            while a < self.words.len() && is_lead(&self.words[a]) {
                a += 1;
            }
            let mut b = a;
            while b < self.words.len()
                && b < a + 8
                && !matches!(self.words[b].as_str(), "," | "and" | "so" | "which" | "but" | "because")
            {
                b += 1;
            }
            if b > a {
                self.push(a, b, true, out);
                return;
            }
        }
    }

    fn push(&self, a: usize, b: usize, committed: bool, out: &mut Vec<Named>) {
        let span = (self.spans[a].0 as u32, self.spans[b - 1].1 as u32);
        let text =
            self.words[a..b].iter().filter(|w| !matches!(w.as_str(), "," | ":")).cloned().collect::<Vec<_>>().join(" ");
        if !out.iter().any(|n| n.span == span) {
            out.push(Named { text, span, committed });
        }
    }
}

fn is_lead(word: &str) -> bool {
    matches!(
        word,
        "a" | "an"
            | "the"
            | "some"
            | "something"
            | "called"
            | "likely"
            | "most"
            | "very"
            | "probably"
            | "just"
            | "actually"
            | "that"
            | "is"
            | "you"
            | "have"
            | "with"
            | "of"
            | "case"
            | "form"
            | "really"
            | "simply"
            | "indeed"
            | "clearly"
            | "definitely"
            | "known"
            | "as"
            | "we"
            | "call"
            | "be"
            | "your"
            | "what"
    )
}

/// Whether spaced text holds a phrase of whole words.
fn has_words(text: &str, phrase: &str) -> bool {
    let mut from = 0;
    while let Some(i) = text[from..].find(phrase) {
        let (a, b) = (from + i, from + i + phrase.len());
        if text.as_bytes()[a.saturating_sub(1)] == b' ' && text.as_bytes().get(b).is_none_or(|c| *c == b' ') {
            return true;
        }
        from = a + 1;
        while !text.is_char_boundary(from) {
            from += 1;
        }
    }
    false
}
