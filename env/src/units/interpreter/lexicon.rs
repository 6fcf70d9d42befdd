//! What the interpreter knows by heart: the knowledge base's wordings and the phrase files beside it, compiled once.

use super::tokens::{Class, FnvMap, GAP, Token, UNKNOWN, Vocabulary, WordId, tokenize};
use super::trie::Trie;
use crate::units::ActKind;
use crate::units::encoder::StaticEncoder;
use bedside_records::kb::Finding;
use bedside_records::{Aspect, Category, KnowledgeBase};
use std::sync::OnceLock;

/// What a phrase stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// A topic, by place in [`Lexicon::topics`].
    Topic(u16),
    Aspect(Aspect),
    Category(Category),
    Site(u16),
    Test(u16),
    Act(ActKind),
    /// A question that invites a story.
    Open,
    Jargon,
    /// The name of a disease.
    Disease,
    /// "Family", "mother".
    Family,
    /// "Condition", "history".
    Illness,
    /// "History of", "diagnosed with".
    Past,
    Order,
    Exam,
    /// "I'd like to", "let me".
    Intent,
    Refer,
}

/// A thing a question can be about.
pub(crate) struct Subject {
    pub id: String,
    pub category: Category,
}

pub(crate) struct Lexicon {
    pub vocabulary: Vocabulary,
    pub trie: Trie,
    pub entries: Vec<Entry>,
    pub topics: Vec<Subject>,
    pub sites: Vec<String>,
    pub tests: Vec<String>,
    /// A family-history topic for a condition's or symptom's topic.
    pub in_family: FnvMap<u16, u16>,
    pub words: Words,
}

/// Words the grammar asks for by name.
pub(crate) struct Words {
    pub leading: Vec<WordId>,
    pub auxiliary: Vec<WordId>,
    pub pronoun: Vec<WordId>,
    pub wh: Vec<WordId>,
    pub conjunction: Vec<WordId>,
    pub subordinator: Vec<WordId>,
    pub tag: Vec<WordId>,
    pub tell: Vec<WordId>,
    pub small: Vec<WordId>,
    pub pain: Vec<WordId>,
    pub about: WordId,
    pub have: WordId,
    pub you: WordId,
    pub how: WordId,
    pub negative: WordId,
}

const ACTS: &str = include_str!("../../../data/lexicon/acts.txt");
const ASPECTS: &str = include_str!("../../../data/lexicon/aspects.txt");
const CATEGORIES: &str = include_str!("../../../data/lexicon/categories.txt");
const TOPICS: &str = include_str!("../../../data/lexicon/topics.txt");
const SITES: &str = include_str!("../../../data/lexicon/sites.txt");
const TESTS: &str = include_str!("../../../data/lexicon/tests.txt");
const OPEN: &str = include_str!("../../../data/lexicon/openq.txt");
const FRAMES: &str = include_str!("../../../data/lexicon/frames.txt");
const JARGON: &str = include_str!("../../../data/lexicon/jargon.txt");
const DISEASES: &str = include_str!("../../../data/lexicon/diseases.txt");

/// Wordings of the knowledge base that mostly mean something else in a consultation.
const EVERYDAY: [&str; 12] = [
    "runs",
    "the runs",
    "cut",
    "a cut",
    "children",
    "consumption",
    "combat",
    "builder",
    "windy",
    "fitting",
    "football",
    "nurse",
];

/// Lines `key = phrase | phrase`; `#` begins a comment.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| {
        let (key, phrases) = l.split_once('=')?;
        Some((key.trim(), phrases.split('|').map(str::trim).filter(|p| !p.is_empty()).collect()))
    })
}

/// Phrases without keys.
fn list(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|l| !l.starts_with('#')).flat_map(|l| l.split('|')).map(str::trim).filter(|p| !p.is_empty())
}

/// Phrases long enough to mean something alone, without gaps.
fn prototypes(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(text).flat_map(|(key, phrases)| {
        let long = |p: &&str| p.split(' ').count() >= 3 && !p.contains('_') && !p.contains('#');
        phrases.into_iter().filter(long).map(move |p| (key, p)).collect::<Vec<_>>()
    })
}

pub(crate) fn aspect_phrases() -> impl Iterator<Item = (Aspect, &'static str)> {
    prototypes(ASPECTS).filter_map(|(key, p)| Some((key.parse().ok()?, p)))
}

pub(crate) fn category_phrases() -> impl Iterator<Item = (Category, &'static str)> {
    prototypes(CATEGORIES).filter_map(|(key, p)| Some((key.parse().ok()?, p)))
}

impl Lexicon {
    pub fn builtin() -> &'static Lexicon {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| Lexicon::new(KnowledgeBase::builtin()))
    }

    pub fn new(kb: &KnowledgeBase) -> Lexicon {
        let mut lexicon = Lexicon {
            words: Words::new(&mut Vocabulary::new()),
            vocabulary: Vocabulary::new(),
            trie: Trie::new(),
            entries: Vec::new(),
            topics: Vec::new(),
            sites: Vec::new(),
            tests: Vec::new(),
            in_family: FnvMap::default(),
        };
        lexicon.words = Words::new(&mut lexicon.vocabulary);
        lexicon.add_knowledge(kb);
        lexicon.add_wordings();
        lexicon.link_families(kb);
        lexicon
    }

    pub fn tokens(&self, text: &str) -> Vec<Token> {
        tokenize(text, |stem, word| match self.vocabulary.get(stem) {
            // A word nobody knows may be a slip of one we do.
            UNKNOWN if word.len() >= 6 && !StaticEncoder::builtin().knows(word) => self.vocabulary.correct(stem),
            id => id,
        })
    }

    pub fn topic(&self, id: &str) -> Option<u16> {
        self.topics.iter().position(|t| t.id == id).map(|i| i as u16)
    }

    /// A phrase's words; `_` is a gap, and a patient's "I" is the "you" a doctor would say.
    fn phrase(&mut self, text: &str, first_person: bool) -> Vec<WordId> {
        let mut out = Vec::new();
        for part in text.split(' ').filter(|p| !p.is_empty()) {
            match part {
                "_" => out.push(GAP),
                "#" => out.push(super::tokens::NUMBER),
                "i" | "me" | "myself" if first_person => out.push(self.vocabulary.intern("you")),
                _ => {
                    let lower = part.to_lowercase();
                    let vocabulary = &mut self.vocabulary;
                    let words = tokenize(&lower, |stem, _| vocabulary.intern(stem));
                    out.extend(words.iter().filter(|t| t.class == Class::Word).map(|t| t.id));
                }
            }
        }
        out
    }

    fn entry(&mut self, entry: Entry) -> u32 {
        match self.entries.iter().position(|e| *e == entry) {
            Some(i) => i as u32,
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        }
    }

    fn learn(&mut self, text: &str, entry: Entry, first_person: bool) {
        let words = self.phrase(text, first_person);
        let entry = self.entry(entry);
        self.trie.insert(&words, entry);
    }

    fn add_knowledge(&mut self, kb: &KnowledgeBase) {
        for f in kb.findings() {
            match f.category {
                Category::Exam => {
                    let site = f.site.as_deref().unwrap_or("general");
                    site_of(&mut self.sites, site);
                }
                Category::Test => {
                    let Some(test) = f.test.as_deref() else { continue };
                    let i = site_of(&mut self.tests, test);
                    for name in f.test_names.iter().map(String::as_str).chain([test]) {
                        self.learn(&name.replace(['_', '-'], " "), Entry::Test(i), false);
                    }
                }
                _ => {
                    let at = self.topics.len() as u16;
                    self.topics.push(Subject { id: f.id.clone(), category: f.category });
                    for phrase in wordings(f).filter(|p| !EVERYDAY.contains(p)) {
                        self.learn(phrase, Entry::Topic(at), true);
                    }
                }
            }
        }
        for c in kb.conditions() {
            for name in c.synonyms.iter().chain([&c.name]) {
                self.learn(&name.replace('-', " "), Entry::Disease, false);
            }
        }
    }

    fn add_wordings(&mut self) {
        for (id, phrases) in lines(TOPICS) {
            let at = self.topic(id).unwrap_or_else(|| {
                let category = match id {
                    "name" | "age" => Category::Demographic,
                    _ if id.starts_with("soc_") => Category::Social,
                    _ if id.starts_with("pmh_") || id == "birth_history" || id == "prior_investigations" => {
                        Category::Pmh
                    }
                    "last_period" => Category::Obstetric,
                    _ => Category::Ros,
                };
                self.topics.push(Subject { id: id.to_owned(), category });
                (self.topics.len() - 1) as u16
            });
            for p in phrases {
                self.learn(p, Entry::Topic(at), false);
            }
        }
        for (word, phrases) in lines(ASPECTS) {
            let Ok(aspect) = word.parse::<Aspect>() else { continue };
            for p in phrases {
                self.learn(p, Entry::Aspect(aspect), false);
            }
        }
        for (word, phrases) in lines(CATEGORIES) {
            let Ok(category) = word.parse::<Category>() else { continue };
            for p in phrases {
                self.learn(p, Entry::Category(category), false);
            }
        }
        for (site, phrases) in lines(SITES) {
            let i = site_of(&mut self.sites, site);
            for p in phrases {
                self.learn(p, Entry::Site(i), false);
            }
        }
        for (test, phrases) in lines(TESTS) {
            let i = site_of(&mut self.tests, test);
            for p in phrases {
                self.learn(p, Entry::Test(i), false);
            }
        }
        for (_, phrases) in lines(OPEN) {
            for p in phrases {
                self.learn(p, Entry::Open, false);
            }
        }
        for (word, phrases) in lines(ACTS).chain(lines(FRAMES)) {
            let Some(entry) = cue(word) else { continue };
            for p in phrases {
                self.learn(p, entry, false);
            }
        }
        for p in list(JARGON) {
            self.learn(p, Entry::Jargon, false);
        }
        for p in list(DISEASES) {
            self.learn(p, Entry::Disease, false);
        }
    }

    /// "Is there diabetes in the family" is the family's diabetes: the family topic one of whose wordings is, or holds, a wording
    /// of the topic.
    fn link_families(&mut self, kb: &KnowledgeBase) {
        let family: Vec<(u16, String)> = kb
            .findings()
            .iter()
            .filter(|f| f.category == Category::Family)
            .filter_map(|f| Some((self.topic(&f.id)?, wordings(f).collect::<Vec<_>>().join(" | ").to_lowercase())))
            .collect();
        for f in
            kb.findings().iter().filter(|f| !matches!(f.category, Category::Family | Category::Exam | Category::Test))
        {
            let Some(own) = self.topic(&f.id) else { continue };
            let best = family.iter().find(|(_, text)| {
                let by_name = text.contains(&f.name.to_lowercase()) || f.lay.iter().any(|l| text.contains(l.as_str()));
                by_name && f.category == Category::Pmh
            });
            if let Some((at, _)) = best {
                self.in_family.insert(own, *at);
            }
        }
    }
}

/// A finding's own wordings: the lay phrases and the clinician's term, without what is bracketed.
fn wordings(f: &Finding) -> impl Iterator<Item = &str> {
    let name = f.name.split(" (").next().unwrap_or(&f.name);
    f.lay.iter().map(String::as_str).chain(std::iter::once(name))
}

fn site_of(list: &mut Vec<String>, name: &str) -> u16 {
    match list.iter().position(|s| s == name) {
        Some(i) => i as u16,
        None => {
            list.push(name.to_owned());
            (list.len() - 1) as u16
        }
    }
}

fn cue(word: &str) -> Option<Entry> {
    Some(match word {
        "family" => Entry::Family,
        "illness" => Entry::Illness,
        "past" => Entry::Past,
        "order" => Entry::Order,
        "exam" => Entry::Exam,
        "intent" => Entry::Intent,
        "refer" => Entry::Refer,
        "bye" => Entry::Act(ActKind::Farewell),
        "greet" => Entry::Act(ActKind::Greet),
        "introduce" => Entry::Act(ActKind::Introduce),
        "consent" => Entry::Act(ActKind::Consent),
        "empathise" => Entry::Act(ActKind::Empathise),
        "reassure" => Entry::Act(ActKind::Reassure),
        "explain" => Entry::Act(ActKind::Explain),
        "summarise" => Entry::Act(ActKind::Summarise),
        "advise" => Entry::Act(ActKind::Advise),
        "prescribe" => Entry::Act(ActKind::Prescribe),
        "safety_net" => Entry::Act(ActKind::SafetyNet),
        "invite_questions" => Entry::Act(ActKind::InviteQuestions),
        "thank" => Entry::Act(ActKind::Thank),
        "acknowledge" => Entry::Act(ActKind::Acknowledge),
        _ => return None,
    })
}

impl Words {
    fn new(v: &mut Vocabulary) -> Words {
        let mut all = |text: &str| {
            let mut out = Vec::new();
            tokenize(text, |stem, _| {
                let id = v.intern(stem);
                out.push(id);
                id
            });
            out
        };
        Words {
            leading: all(
                "ok so and then alright right well no yes yeah but now sure great good or all mm mmhmm mhm i see hello hi first next perfect fine lastly finally gotcha awesome thanks cool yep nope fair enough because sorry",
            ),
            auxiliary: all(
                "do be have can could will would should been had dont doesnt didnt isnt arent havent hasnt wasnt was",
            ),
            pronoun: all("you it there that this we anyone anything anybody someone these those"),
            wh: all("what when where which who why how whats hows"),
            conjunction: all("and but so or then"),
            subordinator: all(
                "what when where which who why how if that whether because while since long often much many bad time kind",
            ),
            tag: all("right correct yeah ok is that true yes be huh fair so it do you"),
            tell: all("tell describe explain rate show point"),
            small: all(
                "do be have you it that this to in on for with and or at there so then ok i we about if not now is other else can could will would get go from by up down out been had no yes well one how what when where which who why but all more than think know mean me as take feel say see right sure good",
            ),
            pain: all("pain hurt painful sore ache symptom problem"),
            about: all("about")[0],
            have: all("have")[0],
            you: all("you")[0],
            how: all("how")[0],
            negative: all("no")[0],
        }
    }
}
