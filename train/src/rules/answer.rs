//! The answer that a reply commits to. It must be marked: a line that begins with `Answer:`, and on it the answer alone. What
//! hedges, explains on the same line, or gives two values is no answer; a reader that guessed would pay for guessing.

/// What the prompt asks the answer to be marked with.
pub const MARK: &str = "Answer:";

/// What is said after reasoning between `<think>` and `</think>`; `None` where the reasoning never ended.
pub fn said(reply: &str) -> Option<&str> {
    match reply.rfind("</think>") {
        Some(at) => Some(&reply[at + "</think>".len()..]),
        None if reply.contains("<think>") => None,
        None => Some(reply),
    }
}

/// The marked answer: what the last marked line says. `None` where no line is marked, or the last one is empty.
pub fn marked(reply: &str) -> Option<&str> {
    let value = said(reply)?.lines().rev().find_map(after_mark)?;
    (!value.is_empty()).then_some(value)
}

/// `Answer: 7`, with Markdown emphasis around mark or answer, in any case, `Final answer:` too.
fn after_mark(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "*_#>`".contains(c));
    let line = strip_word(line, "final").map_or(line, str::trim_start);
    let rest = strip_word(line, "answer")?.trim_start_matches(['*', '_', ' ']);
    Some(bare(rest.strip_prefix(':')?))
}

/// The rest of a text that begins with a word, in any case.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|t| t.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
}

/// Without emphasis around it and without a full stop.
fn bare(text: &str) -> &str {
    let edge = |c: char| c.is_whitespace() || "*_`".contains(c);
    text.trim_matches(edge).trim_end_matches(['.', '!']).trim_matches(edge)
}

/// One of the options by its letter: `B`, `(B)`, `b)`, and `B. text` where the text is that option's own.
pub fn letter(value: &str, options: &[(char, String)]) -> Option<char> {
    let inner = value.strip_prefix('(').unwrap_or(value);
    let mut chars = inner.chars();
    let given = chars.next()?.to_ascii_uppercase();
    let (_, own) = options.iter().find(|(l, _)| *l == given)?;
    let rest = chars.as_str();
    if rest.starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let text = rest.trim_start_matches([')', '.', ':', '-', ' ']);
    (text.is_empty() || plain(text) == plain(own)).then_some(given)
}

/// One of a few words, nothing else.
pub fn word<'a>(value: &str, among: &'a [String]) -> Option<&'a str> {
    among.iter().map(String::as_str).find(|w| w.eq_ignore_ascii_case(value))
}

fn plain(text: &str) -> String {
    bare(text).split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// One number: with a sign, thousands separated by commas, a fraction, a currency before it or a unit after it. Not a range, a sum, a
/// fraction of two numbers, or two numbers.
pub fn number(value: &str) -> Option<f64> {
    let value = value.trim_start_matches('=').trim_start();
    let (sign, unsigned) = match value.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1.0, rest.trim_start_matches(CURRENCIES)),
        None => (1.0, value.trim_start_matches('+').trim_start_matches(CURRENCIES)),
    };
    // `$-3` is as good as `-$3`.
    let (sign, unsigned) = match unsigned.strip_prefix('-').filter(|_| value.starts_with(CURRENCIES)) {
        Some(rest) => (-sign, rest),
        None => (sign, unsigned.trim_start_matches(' ')),
    };
    let (digits, rest) = digits(unsigned)?;
    let number: f64 = digits.parse().ok()?;
    (number.is_finite() && is_unit(rest)).then_some(sign * number)
}

const CURRENCIES: [char; 4] = ['$', '\u{20ac}', '\u{a3}', '\u{20b9}'];

/// Digits at the beginning, without the commas between thousands, and what follows.
fn digits(text: &str) -> Option<(String, &str)> {
    let run = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = run(text);
    let mut whole = text[..end].to_owned();
    if (1..=3).contains(&end) {
        while text[end..].starts_with(',') && run(&text[end + 1..]) == 3 {
            whole.push_str(&text[end + 1..end + 4]);
            end += 4;
        }
    }
    if let Some(fraction) = text[end..].strip_prefix('.').map(|t| &t[..run(t)]).filter(|f| !f.is_empty()) {
        whole = format!("{whole}.{fraction}");
        end += 1 + fraction.len();
    }
    // A decimal point alone is no number; `.75` is.
    whole.bytes().any(|b| b.is_ascii_digit()).then(|| (whole, &text[end..]))
}

/// Whether what follows a number names what it counts, and is not more of a number. Digits belong to a unit only after a letter
/// of it, as in mL/min/1.73 m2 or 10^9.
fn is_unit(rest: &str) -> bool {
    if rest.chars().count() > 40 {
        return false;
    }
    let mut before = rest.chars().next();
    let mut letters = false;
    for (i, c) in rest.chars().enumerate() {
        let inside = i > 0 && before.is_some_and(|b| b.is_alphanumeric() || "/^.".contains(b));
        match c {
            _ if c.is_ascii_digit() && !(letters && inside) => return false,
            // A sign, an operator or a separator right after the number goes on with it.
            '/' | '^' | '-' | '\u{2212}' | '\u{2013}' | '+' | '*' | ',' | '.' | ':' | '=' if !letters => return false,
            '=' | '+' | '\u{b1}' | '\u{d7}' | ',' | ';' | '?' => return false,
            _ => {}
        }
        letters |= c.is_alphabetic() || c == '%' || c == '\u{b0}';
        before = Some(c);
    }
    // `5e3`, `5 x10`: a letter that a digit follows multiplies; as the first of a word (kg) it does not.
    let mut first = rest.trim_start().chars();
    let multiplies =
        matches!(first.next(), Some('e' | 'E' | 'x' | 'X')) && first.next().is_some_and(|c| !c.is_alphabetic());
    let mut words = rest.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    !multiplies && !words.any(|w| GOES_ON.contains(&w.as_str()))
}

/// Words after a number that make another number of it, or another answer.
const GOES_ON: [&str; 22] = [
    "k", "or", "and", "to", "between", "not", "but", "vs", "times", "x", "hundred", "thousand", "million", "billion",
    "trillion", "dozen", "half", "thirds", "quarters", "minus", "plus", "maybe",
];

/// A day of the calendar as (year, month, day), written month/day/year with four digits for the year.
pub fn date(value: &str) -> Option<(u32, u32, u32)> {
    let parts: Vec<&str> = value.split('/').map(str::trim).collect();
    let [m, d, y] = parts[..] else { return None };
    let number = |text: &str, most: usize| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (y, m, d) = (number(y, 4).filter(|_| y.len() == 4)?, number(m, 2)?, number(d, 2)?);
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let days = match m {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&d).then_some((y, m, d))
}

/// A duration as (weeks, days): `(3 weeks, 4 days)`, with or without parentheses, quotes and comma.
pub fn weeks_days(value: &str) -> Option<(u32, u32)> {
    let clean: String = value.chars().map(|c| if "(),'\"".contains(c) { ' ' } else { c }).collect();
    let words: Vec<String> = clean.split_whitespace().map(str::to_lowercase).filter(|w| w != "and").collect();
    let [weeks, week, days, day] = &words[..] else { return None };
    let count = |text: &str| text.parse::<u32>().ok().filter(|n| *n < 1_000 && !text.starts_with('+'));
    let named = matches!(week.as_str(), "week" | "weeks") && matches!(day.as_str(), "day" | "days");
    Some((count(weeks)?, count(days)?)).filter(|_| named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_line_is_an_answer_and_the_last_one_counts() {
        for (reply, value) in [
            ("Answer: 7", "7"),
            ("It is 6 + 1.\nAnswer: 7.", "7"),
            ("answer:7\n", "7"),
            ("**Answer:** 7", "7"),
            ("**Answer**: **7**.", "7"),
            ("> Final answer: 7\nThat is all.", "7"),
            ("Answer: 6\nNo, wait.\nAnswer: 7", "7"),
            ("<think>Answer: 6</think>\nAnswer: 7", "7"),
            ("Answer: 3*4", "3*4"),
        ] {
            assert_eq!(marked(reply), Some(value), "{reply:?}");
        }
        for reply in [
            "",
            "7",
            "The answer is 7",
            "I think the Answer: 7",
            "Answer 7",
            "Answers: 7",
            "Answer:",
            "Answer:\n7",
            "Answer: 7\nAnswer:",
            "<think>Answer: 7",
            "<think>Answer: 7</think> so it is.",
            "#### 7",
        ] {
            assert_eq!(marked(reply), None, "{reply:?}");
        }
    }

    #[test]
    fn a_letter_is_one_option_and_no_more() {
        let options: Vec<(char, String)> =
            [('A', "Atropine"), ('B', "Beta blocker"), ('C', "Both A and B"), ('D', "None")]
                .map(|(l, t)| (l, t.to_owned()))
                .into();
        let own = ["B", "b", "(B)", "B)", "B.", "B. Beta blocker", "(b) beta  BLOCKER", "B: Beta blocker"];
        for value in own {
            assert_eq!(letter(bare(value), &options), Some('B'), "{value}");
        }
        for value in
            ["", "E", "Beta blocker", "A or B", "A, B", "AB", "B and C", "not B", "B. Atropine", "B?", "1", "B (A)"]
        {
            assert_eq!(letter(value, &options), None, "{value}");
        }
    }

    #[test]
    fn a_word_is_one_of_those_asked_for() {
        let among = ["yes", "no", "maybe"].map(str::to_owned);
        assert_eq!(word("Yes", &among), Some("yes"));
        for value in ["yes and no", "yes, because", "nope", "", "y"] {
            assert_eq!(word(value, &among), None, "{value}");
        }
    }

    #[test]
    fn numbers_with_commas_currencies_and_units_are_read() {
        for (value, expected) in [
            ("27", 27.0),
            ("-3", -3.0),
            ("\u{2212}3", -3.0),
            ("+3", 3.0),
            ("1,234", 1234.0),
            ("1,234,567.5", 1_234_567.5),
            ("$18", 18.0),
            ("-$18", -18.0),
            ("$-18", -18.0),
            ("18 dollars", 18.0),
            ("18 eggs a day", 18.0),
            ("40%", 40.0),
            ("40 %", 40.0),
            (".75", 0.75),
            ("12.50", 12.5),
            ("= 12", 12.0),
            ("98.6\u{b0}F", 98.6),
            ("60 mL/min/1.73 m2", 60.0),
            ("60 mL/min/1.73m\u{b2}", 60.0),
            ("250 cells x10^9/L", 250.0),
            ("5kg", 5.0),
            ("5 kg/m^2", 5.0),
            ("0", 0.0),
            ("2000", 2000.0),
        ] {
            assert_eq!(number(value), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_is_not_one_number_is_none() {
        for value in [
            "",
            "twelve",
            "about 12",
            "12 or 13",
            "12-13",
            "12 - 13",
            "12 to 15",
            "12 (or 13)",
            "1 234",
            "1,23",
            "1,2345",
            "12,5",
            "1/2",
            "3^2",
            "3e5",
            "5k",
            "5 k",
            "5 x10^9",
            "2 thousand",
            "12 + 3",
            "12 = 12",
            "12 x 3",
            "x = 12",
            "1.2.3",
            "-",
            "$",
            ".",
            "12?",
            "12 hours and 30 minutes",
            "12 hours 30 minutes",
            "12:30",
            "08/29/2023",
            "NaN",
            "inf",
            "--3",
            "12; 13",
            "12,",
        ] {
            assert_eq!(number(value), None, "{value}");
        }
    }

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert_eq!(date("08/29/2023"), Some((2023, 8, 29)));
        assert_eq!(date("8/9/2023"), Some((2023, 8, 9)));
        assert_eq!(date("02/29/2024"), Some((2024, 2, 29)));
        for value in
            ["02/29/2023", "13/01/2023", "08/29/23", "2023-08-29", "08/29", "8/+9/2023", "08/29/2023 or so", "0/1/2023"]
        {
            assert_eq!(date(value), None, "{value}");
        }
    }

    #[test]
    fn weeks_and_days_are_read_with_and_without_a_tuples_marks() {
        for value in
            ["('3 weeks', '4 days')", "(3 weeks, 4 days)", "3 weeks, 4 days", "3 Weeks and 4 days", "3 week 4 day"]
        {
            assert_eq!(weeks_days(value), Some((3, 4)), "{value}");
        }
        for value in [
            "3 weeks",
            "25 days",
            "4 days, 3 weeks",
            "3 weeks, 4 days, 5 hours",
            "-3 weeks, 4 days",
            "3.5 weeks, 4 days",
        ] {
            assert_eq!(weeks_days(value), None, "{value}");
        }
    }
}
