//! Who is speaking. A persona changes how and how readily facts are told, never what is true (Baichuan-M2, section 2.1.1).

use crate::seed::Draw;
use bedside_records::Demographics;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of the 16 types, as four yes/no traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mbti {
    pub extravert: bool,
    pub sensing: bool,
    pub thinking: bool,
    pub judging: bool,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            pub fn word(self) -> &'static str { match self { $($name::$variant => $word),+ } }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(s: &str) -> Result<Self, String> {
                match s { $($word => Ok($name::$variant),)+
                    _ => Err(format!("`{s}` is not a {}; one of {}", stringify!($name).to_lowercase(), [$($word),+].join(", "))) }
            }
        }
    };
}

words!(/// Years at school; educated patients want evidence.
    Education { Primary = "primary", Secondary = "secondary", University = "university" });
words!(/// How many medical words are understood; below the question's level the patient asks back.
    Literacy { Low = "low", Medium = "medium", High = "high" });
words!(/// Constrained patients resist expensive options.
    Means { Constrained = "constrained", Comfortable = "comfortable" });
words!(/// Register of speech.
    LanguageStyle { Plain = "plain", Colloquial = "colloquial", Formal = "formal", Terse = "terse", Rambling = "rambling" });
words!(/// State of mind on arrival.
    Emotion { Calm = "calm", Anxious = "anxious", Irritable = "irritable", Low = "low", Stoic = "stoic" });
words!(/// How exact dates and numbers come back.
    Recall { Good = "good", Vague = "vague", Poor = "poor" });

/// Who is speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Persona {
    pub mbti: Mbti,
    pub education: Education,
    pub literacy: Literacy,
    pub means: Means,
    pub style: LanguageStyle,
    pub emotion: Emotion,
    pub recall: Recall,
}

impl Mbti {
    /// All 16, in alphabetical order of nothing but their bits.
    pub fn all() -> impl Iterator<Item = Mbti> {
        (0..16u8).map(|b| Mbti {
            extravert: b & 8 != 0,
            sensing: b & 4 != 0,
            thinking: b & 2 != 0,
            judging: b & 1 != 0,
        })
    }
}

impl Mbti {
    /// INTP and ESFJ, which differ in every trait, are kept from training.
    pub fn held_out(self) -> bool {
        (self.extravert, self.sensing, self.thinking, self.judging) == (false, false, true, false)
            || (self.extravert, self.sensing, self.thinking, self.judging) == (true, true, false, true)
    }
}

impl fmt::Display for Mbti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |yes: bool, a: char, b: char| if yes { a } else { b };
        write!(
            f,
            "{}{}{}{}",
            letter(self.extravert, 'E', 'I'),
            letter(self.sensing, 'S', 'N'),
            letter(self.thinking, 'T', 'F'),
            letter(self.judging, 'J', 'P')
        )
    }
}

impl FromStr for Mbti {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Mbti::all()
            .find(|m| m.to_string().eq_ignore_ascii_case(s))
            .ok_or_else(|| format!("`{s}` is not one of the 16 types, such as ENFP or ISTJ"))
    }
}

impl TryFrom<String> for Mbti {
    type Error = String;
    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<Mbti> for String {
    fn from(m: Mbti) -> String {
        m.to_string()
    }
}

impl Persona {
    /// Calm, average, cooperative: the control in ablations.
    pub const PLAIN: Persona = Persona {
        mbti: Mbti { extravert: true, sensing: true, thinking: true, judging: true },
        education: Education::Secondary,
        literacy: Literacy::Medium,
        means: Means::Comfortable,
        style: LanguageStyle::Plain,
        emotion: Emotion::Calm,
        recall: Recall::Good,
    };

    /// A persona that fits the patient: recall fades with age, schooling follows literacy. Its type is one of those for training,
    /// or with `held_out` one of those kept from it.
    pub fn sample(draw: &mut Draw, who: &Demographics, held_out: bool) -> Persona {
        let types: Vec<Mbti> = Mbti::all().filter(|m| m.held_out() == held_out).collect();
        let mbti = draw.pick(&types).copied().unwrap_or(Persona::PLAIN.mbti);
        let old = who.years().is_some_and(|y| y >= 75);
        let education = Education::ALL[weighted(draw, &[25, 50, 25])];
        let literacy = Literacy::ALL[match education {
            Education::Primary => weighted(draw, &[65, 30, 5]),
            Education::Secondary => weighted(draw, &[25, 60, 15]),
            Education::University => weighted(draw, &[5, 45, 50]),
        }];
        Persona {
            mbti,
            education,
            literacy,
            means: Means::ALL[weighted(draw, &[35, 65])],
            style: LanguageStyle::ALL[weighted(draw, &[35, 25, 12, 14, 14])],
            emotion: Emotion::ALL[weighted(draw, &[40, 25, 12, 12, 11])],
            recall: Recall::ALL[if old { weighted(draw, &[30, 40, 30]) } else { weighted(draw, &[55, 35, 10]) }],
        }
    }

    /// Two of the 16 types never occur in training.
    pub fn held_out(&self) -> bool {
        self.mbti.held_out()
    }
}

/// Index drawn with the given weights.
fn weighted(draw: &mut Draw, weights: &[u32]) -> usize {
    let total: u32 = weights.iter().sum();
    let mut x = draw.below(total as usize) as u32;
    for (i, w) in weights.iter().enumerate() {
        if x < *w {
            return i;
        }
        x -= w;
    }
    weights.len() - 1
}

/// `ENFP/university/high/comfortable/plain/calm/good`
impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}/{}/{}",
            self.mbti,
            self.education.word(),
            self.literacy.word(),
            self.means.word(),
            self.style.word(),
            self.emotion.word(),
            self.recall.word()
        )
    }
}

impl FromStr for Persona {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let p: Vec<&str> = s.split('/').collect();
        let [mbti, education, literacy, means, style, emotion, recall] = p[..] else {
            return Err(format!(
                "`{s}` is not a persona; write seven words such as ENFP/university/high/comfortable/plain/calm/good"
            ));
        };
        Ok(Persona {
            mbti: mbti.parse()?,
            education: education.parse()?,
            literacy: literacy.parse()?,
            means: means.parse()?,
            style: style.parse()?,
            emotion: emotion.parse()?,
            recall: recall.parse()?,
        })
    }
}
