//! Medical words and what patients say instead.

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

const LAY: &[(&str, &str)] = &[
    ("dyspnea on exertion", "getting out of breath when I exert myself"),
    ("exertional dyspnea", "breathlessness on exertion"),
    ("dyspnea", "shortness of breath"),
    ("dyspnoea", "shortness of breath"),
    ("hematuria", "blood in my urine"),
    ("haematuria", "blood in my urine"),
    ("hematochezia", "blood in my stool"),
    ("melena", "black tarry stools"),
    ("melaena", "black tarry stools"),
    ("hematemesis", "vomiting blood"),
    ("haematemesis", "vomiting blood"),
    ("hemoptysis", "coughing up blood"),
    ("haemoptysis", "coughing up blood"),
    ("syncope", "fainting"),
    ("syncopal", "fainting"),
    ("presyncope", "nearly fainting"),
    ("pruritus", "itching"),
    ("pruritic", "itchy"),
    ("emesis", "vomiting"),
    ("edema", "swelling"),
    ("oedema", "swelling"),
    ("odema", "swelling"),
    ("myalgias", "muscle aches"),
    ("myalgia", "muscle aches"),
    ("arthralgias", "joint pains"),
    ("arthralgia", "joint pain"),
    ("pyrexia", "fever"),
    ("febrile", "feverish"),
    ("afebrile", "without fever"),
    ("dysuria", "burning when I pass urine"),
    ("polyuria", "passing a lot of urine"),
    ("polydipsia", "being very thirsty"),
    ("nocturia", "getting up at night to pass urine"),
    ("dysphagia", "trouble swallowing"),
    ("odynophagia", "pain on swallowing"),
    ("cephalgia", "headache"),
    ("photophobia", "sensitivity to light"),
    ("phonophobia", "sensitivity to sound"),
    ("diaphoresis", "sweating"),
    ("diaphoretic", "sweaty"),
    ("paresthesias", "pins and needles"),
    ("paresthesia", "pins and needles"),
    ("paraesthesia", "pins and needles"),
    ("diplopia", "double vision"),
    ("rhinorrhea", "a runny nose"),
    ("rhinorrhoea", "a runny nose"),
    ("epistaxis", "nosebleeds"),
    ("otalgia", "earache"),
    ("tinnitus", "ringing in my ears"),
    ("vertigo", "a spinning feeling"),
    ("anorexia", "loss of appetite"),
    ("malaise", "feeling generally unwell"),
    ("lethargy", "low energy"),
    ("erythema", "redness"),
    ("erythematous", "red"),
    ("ecchymosis", "bruising"),
    ("menorrhagia", "heavy periods"),
    ("amenorrhea", "no periods"),
    ("dysmenorrhea", "painful periods"),
    ("dyspareunia", "pain during sex"),
    ("orthopnea", "breathlessness when I lie flat"),
    ("claudication", "leg pain when I walk"),
    ("jaundice", "yellowing of my skin"),
    ("alopecia", "hair loss"),
    ("hypertension", "high blood pressure"),
    ("hyperlipidemia", "high cholesterol"),
    ("dyslipidemia", "high cholesterol"),
    ("hypercholesterolemia", "high cholesterol"),
    ("myocardial infarction", "heart attack"),
    ("cerebrovascular accident", "stroke"),
    ("lower extremity", "leg"),
    ("lower extremities", "legs"),
    ("upper extremity", "arm"),
    ("upper extremities", "arms"),
    ("bilaterally", "on both sides"),
    ("bilateral lower", "both lower"),
    ("ambulating", "walking"),
    ("ambulate", "walk"),
    ("micturition", "passing urine"),
    ("nephrolithiasis", "kidney stones"),
    ("cholelithiasis", "gallstones"),
    ("gastroesophageal reflux disease", "acid reflux"),
    ("suicidal ideations", "thoughts of ending my life"),
    ("suicidal ideation", "thoughts of ending my life"),
    ("homicidal ideation", "thoughts of harming others"),
    ("suicidal or homicidal ideation", "thoughts of harming myself or others"),
    ("abdominal pain", "tummy pain"),
    ("abdominal", "tummy"),
    ("abdomen", "tummy"),
    ("neoplasm", "tumour"),
    ("renal", "kidney"),
    ("hepatic", "liver"),
    ("status post", "after"),
    ("secondary to", "because of"),
    ("analgesia", "painkillers"),
    ("analgesics", "painkillers"),
    ("illicit drugs", "recreational drugs"),
    ("illicit drug", "recreational drug"),
    ("tobacco use", "smoking"),
    ("sexual dysfunction", "problems with sex"),
    ("insomnia", "trouble sleeping"),
    ("urinary frequency", "needing to pass urine often"),
    ("urinary urgency", "sudden urges to pass urine"),
    ("fatigue", "tiredness"),
    ("fatigued", "tired"),
    ("lacrimation", "watery eyes"),
    ("cervical lymphadenopathy", "swollen glands in my neck"),
    ("lymphadenopathy", "swollen glands"),
    ("hypotonia", "floppy muscles"),
    ("ataxia", "unsteadiness"),
    ("dysarthria", "slurred speech"),
    ("unilateral", "one-sided"),
    ("intermittent", "on and off"),
    ("intermittently", "on and off"),
    ("postprandial", "after meals"),
    ("nocturnal", "at night"),
    ("lower extremity swelling", "swelling of my legs"),
    ("unintentional weight loss", "unplanned weight loss"),
    ("gerd", "acid reflux"),
    ("copd", "chronic lung disease"),
    ("chronic obstructive pulmonary disease", "chronic lung disease"),
    ("type 2 diabetes mellitus", "type 2 diabetes"),
    ("type 1 diabetes mellitus", "type 1 diabetes"),
    ("diabetes mellitus", "diabetes"),
    ("utis", "urine infections"),
    ("uti", "urine infection"),
    ("bph", "an enlarged prostate"),
    ("ckd", "kidney disease"),
    ("cad", "heart disease"),
    ("chf", "heart failure"),
    ("homicidal ideations", "thoughts of harming others"),
];

static TABLE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(LAY.iter().map(|(m, _)| *m))
        .ok()
});

/// The text with medical words replaced, whole words only; a repeated "swelling (edema)" is left as it falls.
pub(crate) fn plain(text: &str) -> String {
    let Some(table) = TABLE.as_ref() else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for m in table.find_iter(text) {
        let edge = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || c == '-'));
        if edge(text[..m.start()].chars().next_back()) && edge(text[m.end()..].chars().next()) {
            out.push_str(&text[at..m.start()]);
            let lay = LAY[m.pattern().as_usize()].1;
            let lay =
                if out.ends_with("a ") || out.ends_with("any ") { lay.strip_prefix("a ").unwrap_or(lay) } else { lay };
            out.push_str(lay);
            at = m.end();
        }
    }
    out.push_str(&text[at..]);
    out
}
