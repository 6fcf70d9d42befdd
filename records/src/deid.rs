//! De-identification of free text: HIPAA Safe Harbor's classes, as far as text can carry them.
//!
//! Rules propose spans, vetoes drop those that are medicine (`Parkinson's`, `4/10`, `T4`), and what remains is replaced by a
//! placeholder. Years, countries and states stay, as Safe Harbor allows.

mod dates;
mod identifiers;
mod lists;
mod names;
mod places;
mod unknown;
mod vocab;

use std::collections::BTreeSet;
use std::ops::Range;

/// Safe Harbor's classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Name,
    Date,
    Place,
    Phone,
    Fax,
    Email,
    Url,
    Ip,
    Ssn,
    Mrn,
    Account,
    Licence,
    Device,
    Vehicle,
    Age,
}

impl Class {
    pub const ALL: [Class; 15] = [
        Class::Name,
        Class::Date,
        Class::Place,
        Class::Phone,
        Class::Fax,
        Class::Email,
        Class::Url,
        Class::Ip,
        Class::Ssn,
        Class::Mrn,
        Class::Account,
        Class::Licence,
        Class::Device,
        Class::Vehicle,
        Class::Age,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Class::Name => "name",
            Class::Date => "date",
            Class::Place => "place",
            Class::Phone => "phone",
            Class::Fax => "fax",
            Class::Email => "email",
            Class::Url => "url",
            Class::Ip => "ip",
            Class::Ssn => "ssn",
            Class::Mrn => "mrn",
            Class::Account => "account",
            Class::Licence => "licence",
            Class::Device => "device",
            Class::Vehicle => "vehicle",
            Class::Age => "age",
        }
    }
}

/// What is known about a text beforehand.
#[derive(Clone, Debug, Default)]
pub struct DeidOptions {
    /// Names from the source's metadata: removed wherever they stand, in any case.
    pub names: Vec<String>,
}

/// One thing taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub class: Class,
    /// Byte range in the original text.
    pub span: Range<usize>,
    pub original: String,
}

/// The text without identifiers, and what was taken out, in text order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deidentified {
    pub text: String,
    pub removed: Vec<Removed>,
}

/// A proposal: earlier rules win over later ones where they overlap.
pub(crate) type Found = (Class, Range<usize>);

/// Replaces identifiers by placeholders. Text that holds none comes back unchanged.
pub fn deid(text: &str, options: &DeidOptions) -> Deidentified {
    let mut found: Vec<Found> = Vec::new();
    identifiers::find(text, &mut found);
    dates::find(text, &mut found);
    places::find(text, &mut found);
    names::find(text, options, &mut found);
    unknown::find(text, &mut found);

    let mut taken: Vec<Found> = Vec::new();
    for (class, span) in found {
        if span.is_empty() {
            continue;
        }
        match taken.iter().position(|(_, t)| t.start < span.end && span.start < t.end) {
            None => taken.push((class, span)),
            // A later name that runs on past an earlier one, or a place inside its address: keep the wider of one class.
            Some(i) if taken[i].0 == class => {
                let wide = taken[i].1.start.min(span.start)..taken[i].1.end.max(span.end);
                if !taken.iter().enumerate().any(|(j, (_, t))| j != i && t.start < wide.end && wide.start < t.end) {
                    taken[i].1 = wide;
                }
            }
            Some(_) => {}
        }
    }
    taken.sort_by_key(|(_, span)| span.start);

    let mut out = String::with_capacity(text.len());
    let mut removed = Vec::with_capacity(taken.len());
    let mut at = 0;
    for (class, span) in taken {
        let original = &text[span.clone()];
        out.push_str(&text[at..span.start]);
        out.push_str(&placeholder(class, original));
        at = span.end;
        removed.push(Removed { class, original: original.to_owned(), span });
    }
    out.push_str(&text[at..]);
    Deidentified { text: out, removed }
}

fn placeholder(class: Class, original: &str) -> String {
    match class {
        Class::Age => "90 or over".into(),
        Class::Date => match dates::year_of(original) {
            Some(year) => format!("[DATE {year}]"),
            None => "[DATE]".into(),
        },
        other => format!("[{}]", other.word().to_uppercase()),
    }
}

/// A word list as a set.
pub(crate) fn set(list: &'static str) -> BTreeSet<&'static str> {
    list.split_ascii_whitespace().collect()
}

/// The text before a place, as far back as any rule looks: a whole letter would be read again for every capital in it.
fn just_before(text: &str, at: usize) -> &str {
    const LOOK: usize = 400;
    let from = (at.saturating_sub(LOOK)..=at).find(|i| text.is_char_boundary(*i)).unwrap_or(at);
    &text[from..at]
}
