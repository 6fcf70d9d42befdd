//! How long ago it began, and which sentences can be true of that.
//!
//! One length of time is drawn for a patient. Every sentence that names a time is read for what it implies, and only those
//! that agree with the one drawn are spoken.

use super::OnsetRange;
use crate::pattern::compiled;
use crate::seed::Draw;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Time since the complaint began, as the patient counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elapsed {
    n: u32,
    unit: &'static str,
}

const UNITS: [(&str, u32); 5] = [("hours", 1), ("days", 24), ("weeks", 168), ("months", 730), ("years", 8760)];

/// Hours in a unit, named in singular or plural; 0 for a word that is no unit.
fn hours_in(unit: &str) -> u32 {
    let unit = unit.trim_end_matches('s');
    UNITS.iter().find(|(u, _)| u.trim_end_matches('s') == unit).map_or(0, |(_, h)| *h)
}

/// Half a month: what a newborn of no completed month has lived, more or less.
const NEWBORN: u32 = 14 * 24;

/// Hours somebody of this many completed months has lived.
pub(super) fn lived(months: u32) -> u32 {
    if months == 0 { NEWBORN } else { months.saturating_mul(730) }
}

impl Elapsed {
    /// Drawn within the condition's range, never before birth, and at least `floor` hours where something present says so.
    pub fn draw(range: &OnsetRange, months: u32, floor: f64, draw: &mut Draw) -> Elapsed {
        let (min, max) = (range.min.min(range.max), range.min.max(range.max));
        let n = min + draw.below((max - min + 1) as usize) as u32;
        let hours = n.saturating_mul(hours_in(&range.unit)).max(floor as u32).min(lived(months)).max(1);
        let unit = UNITS.iter().map(|(u, _)| *u).find(|u| *u == range.unit).unwrap_or("days");
        Elapsed { n: (hours / hours_in(unit)).max(1), unit }.counted(hours)
    }

    /// Nobody counts 32 hours, or half a week.
    fn counted(self, hours: u32) -> Elapsed {
        let unit = |n, unit| Elapsed { n, unit };
        match (self.unit, hours) {
            ("hours", h) if h >= 24 => unit((h + 12) / 24, "days"),
            ("days", h) if h >= 21 * 24 => unit((h + 84) / 168, "weeks"),
            ("weeks", h) if h >= 10 * 168 => unit((h + 365) / 730, "months"),
            ("months", h) if h >= 24 * 730 => unit((h + 4380) / 8760, "years"),
            ("weeks" | "months" | "years", h) if h < hours_in(self.unit) => unit((h / 24).max(1), "days"),
            _ => self,
        }
    }

    pub fn hours(self) -> f64 {
        f64::from(self.n) * f64::from(hours_in(self.unit))
    }

    /// "3 weeks", "1 day".
    pub fn words(self) -> String {
        let unit = if self.n == 1 { self.unit.trim_end_matches('s') } else { self.unit };
        format!("{} {unit}", self.n)
    }

    /// Whether a sentence about the complaint can be true.
    pub fn allows(self, sentence: &str) -> bool {
        let (low, high) = implied(sentence);
        low <= self.hours() && self.hours() <= high
    }

    /// The sentences that can be true.
    pub fn of(self, sentences: &[String]) -> Vec<String> {
        sentences.iter().filter(|s| self.allows(s)).cloned().collect()
    }
}

const AMOUNT: &str = r"(?:(?P<q>a few|few|a couple of|couple of|several|some|many|a|an|one|two|three|four|five|six|seven|ten|\d+) )?(?P<u>hour|day|week|month|year)(?P<s>s?)\b(?P<t>,? or so| or two| or more| or few| or (?:a few )?(?:days|weeks|months|years)|, or a day or two)?";

/// What a time in a sentence says of the beginning.
#[derive(Clone, Copy, PartialEq)]
enum Frame {
    /// It lies that far back.
    Back,
    /// It lies no further back.
    Within,
    /// It took so long to build up, so it lies at least that far back.
    Built,
    /// It keeps happening at that pace, so at least two of them have passed.
    Pace,
}

static FRAMES: LazyLock<Vec<(Frame, Regex)>> = LazyLock::new(|| {
    [
        (Frame::Back, format!(r"\b{AMOUNT} (?:ago|back)\b")),
        (Frame::Within, format!(r"\b(?:over|for|of|come up over|been coming on over) the (?:last|past) {AMOUNT}")),
        (Frame::Within, format!(r"\b(?:in|within) the (?:last|past) {AMOUNT}")),
        (Frame::Back, format!(r"\b(?:for|it's been|has been|have been) {AMOUNT}")),
        (Frame::Built, format!(r"\b(?:over|within|in) (?:the first )?{AMOUNT}")),
        (Frame::Built, format!(r"\bcrept up over {AMOUNT}")),
        (Frame::Pace, r"\b(?:every|each|most|by the|more) (?:single )?(?P<u>hour|day|week|month|year)s?\b".to_owned()),
        (Frame::Pace, r"\b(?P<u>hour|day|week|month)s? (?:by|after|and) (?:hour|day|week|month|night)s?\b".to_owned()),
        (Frame::Pace, r"\bover the (?:past )?(?P<u>day|week|month|year)s\b".to_owned()),
    ]
    .into_iter()
    .map(|(f, p)| (f, compiled(p)))
    .collect()
});

/// Hours since the beginning that a sentence allows, both ends included; everything where it names no time.
pub(super) fn implied(sentence: &str) -> (f64, f64) {
    let s = sentence.to_lowercase().replace('\u{2019}', "'");
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    // "Each bout builds up over an hour": the attack's time, not the complaint's.
    let attack = ["each one", "each bout", "each spell", "each attack", "a bout"].iter().any(|a| s.starts_with(a));
    if attack {
        return (low, high);
    }
    let at_most = ["or less", "at most", "less than"].iter().any(|w| s.contains(w));
    let endless = ["maybe longer", "if not longer", "if not years", "and years"].iter().any(|w| s.contains(w));
    for (frame, re) in FRAMES.iter() {
        for caps in re.captures_iter(&s) {
            let (lo, hi) = amount(&caps);
            let lo = if at_most { 0.0 } else { lo };
            let hi = if endless { f64::INFINITY } else { hi };
            match frame {
                // "It's been day and night" counts nothing.
                Frame::Back if caps.name("q").is_none() && caps.name("s").is_none_or(|p| p.is_empty()) => {}
                Frame::Back => (low, high) = (low.max(lo), high.min(hi)),
                Frame::Within => high = high.min(hi),
                Frame::Built => low = low.max(lo),
                Frame::Pace => low = low.max(2.0 * unit_of(&caps)),
            }
        }
    }
    let now = ["today", "this morning", "tonight"].iter().any(|w| s.contains(w)) && !s.contains("than when");
    (low, if now { high.min(24.0) } else { high })
}

fn unit_of(caps: &Captures<'_>) -> f64 {
    caps.name("u").map_or(0.0, |u| f64::from(hours_in(u.as_str())))
}

/// "a few days" in hours, from the least to the most that people mean by it.
fn amount(caps: &Captures<'_>) -> (f64, f64) {
    let unit = unit_of(caps);
    let text = |name: &str| caps.name(name).map_or("", |m| m.as_str());
    let plural = text("s") == "s";
    let (lo, hi) = match text("q") {
        "" if plural && unit >= 8760.0 => (2.0, f64::INFINITY),
        "" if plural => (2.0, 12.0),
        "" => (0.0, 1.1),
        "a" | "an" | "one" => (0.6, 1.6),
        "a couple of" | "couple of" => (1.5, 3.5),
        "a few" | "few" => (2.0, 7.0),
        "several" => (3.0, 10.0),
        "some" => (2.0, 12.0),
        "many" => (4.0, f64::INFINITY),
        n => {
            let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
            let n = words.iter().position(|w| *w == n).map_or_else(|| n.parse().unwrap_or(1.0), |i| i as f64);
            (0.7 * n, 1.4 * n)
        }
    };
    let tail = text("t");
    let (lo, hi) = match tail {
        "" => (lo, hi),
        " or so" | ", or so" => (0.7 * lo, 1.3 * hi),
        " or two" => (0.5 * lo, 2.5),
        ", or a day or two" => (0.0, 60.0 / unit.max(1.0)),
        " or more" => (if plural { lo / 0.7 } else { lo }, f64::INFINITY),
        " or few" => (0.5 * lo, 7.0),
        longer => {
            let last = longer.rsplit(' ').next().unwrap_or_default();
            (lo, 12.0 * f64::from(hours_in(last)) / unit.max(1.0))
        }
    };
    (lo * unit, hi * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_allows_only_beginnings_that_agree_with_it() {
        let days = |n| Elapsed { n, unit: "days" };
        let weeks = |n| Elapsed { n, unit: "weeks" };
        let months = |n| Elapsed { n, unit: "months" };
        for (sentence, yes, no) in [
            ("It began a week or so ago, maybe a bit longer", days(9), weeks(4)),
            ("It started a few days ago", days(4), days(1)),
            ("It's come on over the last few days", days(6), weeks(3)),
            ("It came on gradually over some weeks", weeks(9), days(5)),
            ("I've had a temperature for days", days(5), months(3)),
            ("It's been going on for months, if not years", months(60), weeks(1)),
            ("It's getting worse by the day", days(3), Elapsed { n: 6, unit: "hours" }),
            ("It happened suddenly today, with no warning", Elapsed { n: 5, unit: "hours" }, days(2)),
            ("It's been weeks, maybe longer", months(6), days(4)),
        ] {
            assert!(yes.allows(sentence), "{yes:?} {sentence} {:?}", implied(sentence));
            assert!(!no.allows(sentence), "{no:?} {sentence} {:?}", implied(sentence));
        }
        assert_eq!(implied("Each one builds up over an hour or so").0, 0.0);
    }

    #[test]
    fn nothing_began_before_birth_and_nobody_counts_thirty_hours() {
        let seed = crate::seed::Seed(1);
        let mut draw = Draw::new(seed, b"elapsed", 0, crate::seed::Purpose::Record);
        let drawn = |n, unit: &str, months, draw: &mut Draw| {
            let range = OnsetRange { min: n, max: n, unit: unit.to_owned() };
            Elapsed::draw(&range, months, 0.0, draw).words()
        };
        assert_eq!(drawn(32, "hours", 500, &mut draw), "1 day");
        assert_eq!(drawn(40, "weeks", 3, &mut draw), "3 months");
        assert_eq!(drawn(8, "months", 0, &mut draw), "14 days");
        assert_eq!(drawn(1, "weeks", 500, &mut draw), "1 week");
    }
}
