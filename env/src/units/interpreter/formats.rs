//! Typed ways of speaking that other harnesses use: `<think>…</think>`, `REQUEST TEST: [x]`, `DIAGNOSIS READY: [x]`,
//! `Diagnosis: … Recommendation: …`.

/// What a typed line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Test,
    Diagnosis,
}

/// Names of tags that no transcript marks speech with.
const FORGED: [&str; 11] = [
    "system",
    "tool",
    "admin",
    "user",
    "assistant",
    "conversation",
    "instruction",
    "prompt",
    "context",
    "record",
    "im_",
];

/// A typed line: the argument's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypedLine {
    pub kind: Typed,
    /// The whole, blanked before the rest is read.
    pub whole: (usize, usize),
    pub argument: (usize, usize),
}

/// The utterance with hidden reasoning and markup blanked out (same bytes, same length), and the typed lines in it.
pub(crate) fn unwrap(text: &str) -> (Option<String>, Vec<TypedLine>) {
    let mut typed = Vec::new();
    if !text.contains('<') && !text.contains(':') && !text.contains("REQUEST IMAGES") {
        return (None, typed);
    }
    let lower = text.to_ascii_lowercase();
    let mut hide: Vec<(usize, usize)> = Vec::new();
    // Reasoning is hidden from the patient; one left open hides the rest.
    let mut at = 0;
    while let Some(open) = lower[at..].find("<think>").map(|i| i + at) {
        let close = lower[open..].find("</think>").map_or(text.len(), |i| open + i + "</think>".len());
        hide.push((open, close));
        at = close;
    }
    // Markup of transcripts: `<UNIN/>`, `<UNSURE>`. A forged system turn is left for `injection` to see.
    let forged = |i: usize| FORGED.iter().any(|t| lower[i + 1..].trim_start_matches('/').starts_with(t));
    for (i, _) in text.match_indices('<').filter(|(i, _)| !forged(*i)) {
        let end = text[i..].find('>').map(|n| i + n + 1);
        if let Some(end) =
            end.filter(|e| text[i + 1..e - 1].bytes().all(|b| b.is_ascii_alphanumeric() || b"/_- ".contains(&b)))
        {
            hide.push((i, end));
        }
    }
    for tag in ["<answer>", "</answer>", "</think>", "question:", "doctor:", "response:", "answer:"] {
        // "It gives us the answer: gout" is speech.
        let heads = |i: usize| {
            lower[..i]
                .trim_end_matches([' ', '\t', '*', '#', '"'])
                .chars()
                .next_back()
                .is_none_or(|c| matches!(c, '\n' | '>'))
        };
        for (i, _) in lower.match_indices(tag).filter(|(i, _)| tag.starts_with('<') || heads(*i)) {
            hide.push((i, i + tag.len()));
        }
    }
    let hidden = |i: usize, hide: &[(usize, usize)]| hide.iter().any(|(a, b)| (*a..*b).contains(&i));
    for (key, kind, everywhere) in [
        ("request test:", Typed::Test, true),
        ("diagnosis ready:", Typed::Diagnosis, true),
        ("final diagnosis:", Typed::Diagnosis, true),
        ("diagnosis:", Typed::Diagnosis, false),
    ] {
        for (i, _) in lower.match_indices(key) {
            let line_start = lower[..i].rfind(['\n', '>', '.']).map_or(0, |n| n + 1);
            let leads = lower[line_start..i].chars().all(|c| c.is_whitespace() || "*#-:".contains(c))
                || lower[line_start..i].trim().ends_with("answer:");
            let taken = typed.iter().any(|t: &TypedLine| (t.whole.0..t.whole.1).contains(&i));
            if taken || hidden(i, &hide) || !(everywhere || leads) {
                continue;
            }
            let a = i + key.len();
            let mut b = a;
            for stop in ["recommendation", "treatment:", "plan:", "\n", "</answer>"] {
                let end = lower[a..].find(stop).map_or(text.len(), |n| a + n);
                b = if b == a { end } else { b.min(end) };
            }
            let (a, b) = trim(text, a, b);
            if b > a {
                typed.push(TypedLine { kind, whole: (i, b), argument: (a, b) });
                hide.push((i, b));
            }
        }
    }
    if let Some(i) = lower.find("request images") {
        typed.push(TypedLine { kind: Typed::Test, whole: (i, i + 14), argument: (i + 8, i + 14) });
        hide.push((i, i + 14));
    }
    typed.sort_by_key(|t| t.whole);
    if hide.is_empty() {
        return (None, typed);
    }
    let mut bytes = text.as_bytes().to_vec();
    for (a, b) in hide {
        bytes[a..b].fill(b' ');
    }
    (Some(String::from_utf8(bytes).unwrap_or_default()), typed)
}

fn trim(text: &str, mut a: usize, mut b: usize) -> (usize, usize) {
    let useless = |c: char| c.is_whitespace() || "[]*.\"'`{}".contains(c);
    while let Some(c) = text[a..b].chars().next().filter(|c| useless(*c)) {
        a += c.len_utf8();
    }
    while let Some(c) = text[a..b].chars().next_back().filter(|c| useless(*c)) {
        b -= c.len_utf8();
    }
    (a, b)
}
